/* floor_model.js: the devices of one floor and where each is on its way from one sighting to the next.
 * Pure: time comes in. Bounded: DEVICES_MAX slots in typed arrays, none made while things move. */

export const DEVICES_MAX = 5000;
export const GONE_AFTER_MS = 300000; /* the node says so too */
const GLIDE_MS = 900; /* a sighting is shown as a short walk, not as a jump */

export class FloorModel {
    constructor(capacity = DEVICES_MAX) {
        this.capacity = capacity;
        this.slots = new Map(); /* id -> slot */
        this.ids = new Array(capacity).fill(null);
        this.free = [];
        this.used = 0; /* slots ever used: none is at or above */
        this.left = 0; /* devices there was no room for */
        for (const name of ["fromX", "fromY", "toX", "toY", "x", "y", "confidence"])
            this[name] = new Float32Array(capacity);
        this.began = new Float64Array(capacity);
        this.seen = new Float64Array(capacity);
        this.map = null;
        this.movingUntil = 0;
        this.bounds = null;
        this.version = 0; /* changes with every event */
    }

    get count() {
        return this.slots.size;
    }

    clear() {
        this.slots.clear();
        this.ids.fill(null);
        this.free = [];
        this.used = 0;
        this.left = 0;
        this.bounds = null;
        this.movingUntil = 0;
    }

    /* A "devices" event, at now (milliseconds of any clock that does not jump). */
    apply(event, now) {
        this.version++;
        if (event.full === true) this.forget(new Set(event.devices.map((device) => device[0])));
        if (event.map) this.map = event.map;
        for (const id of event.gone ?? []) this.remove(id);
        this.left = 0;
        for (const [id, x, y, confidence, age] of event.devices ?? []) {
            if (!Number.isFinite(x) || !Number.isFinite(y)) continue;
            this.put(
                id,
                x,
                y,
                Number.isFinite(confidence) ? confidence : 0,
                now - (Number.isFinite(age) ? age : 0),
                now,
            );
        }
    }

    /* After a reconnection: what is not in the full list is gone, the rest goes on from where it is. */
    forget(kept) {
        for (const id of [...this.slots.keys()]) if (!kept.has(id)) this.remove(id);
    }

    put(id, x, y, confidence, seen, now) {
        let slot = this.slots.get(id);
        if (slot === undefined) {
            slot = this.free.pop() ?? (this.used < this.capacity ? this.used++ : undefined);
            if (slot === undefined) {
                this.left++;
                return;
            }
            this.slots.set(id, slot);
            this.ids[slot] = id;
            this.fromX[slot] = this.x[slot] = x;
            this.fromY[slot] = this.y[slot] = y;
        } else {
            this.fromX[slot] = this.x[slot];
            this.fromY[slot] = this.y[slot];
        }
        this.toX[slot] = x;
        this.toY[slot] = y;
        this.confidence[slot] = confidence;
        this.began[slot] = now;
        this.seen[slot] = seen;
        this.movingUntil = Math.max(this.movingUntil, now + GLIDE_MS);
        const b = this.bounds;
        if (b === null) this.bounds = { left: x, top: y, right: x, bottom: y };
        else if (x < b.left || x > b.right || y < b.top || y > b.bottom) {
            this.bounds = {
                left: Math.min(b.left, x),
                top: Math.min(b.top, y),
                right: Math.max(b.right, x),
                bottom: Math.max(b.bottom, y),
            };
        }
    }

    remove(id) {
        const slot = this.slots.get(id);
        if (slot === undefined) return;
        this.slots.delete(id);
        this.ids[slot] = null;
        this.free.push(slot);
    }

    /* Moves everything to where it is at now; still: at once to where it was seen. */
    move(now, still) {
        const { fromX, fromY, toX, toY, x, y, began, used } = this;
        for (let i = 0; i < used; i++) {
            const t = still ? 1 : (now - began[i]) / GLIDE_MS;
            if (t >= 1) {
                x[i] = toX[i];
                y[i] = toY[i];
            } else {
                const eased = t <= 0 ? 0 : t * t * (3 - 2 * t);
                x[i] = fromX[i] + (toX[i] - fromX[i]) * eased;
                y[i] = fromY[i] + (toY[i] - fromY[i]) * eased;
            }
        }
    }

    moving(now) {
        return now < this.movingUntil;
    }

    /* {left, top, width, length} in the units of the data: the map's own size, or what the dots need
     * with a margin, in steps of 50 so that it rarely changes. */
    extent() {
        const width = this.map?.width;
        const length = this.map?.length;
        if (width > 0 && length > 0) return { left: 0, top: 0, width, length, known: true };
        const b = this.bounds;
        if (b === null) return { left: 0, top: 0, width: 200, length: 120, known: false };
        const down = (value) => Math.floor((value - 5) / 50) * 50;
        const up = (value) => Math.ceil((value + 5) / 50) * 50;
        const left = b.left >= 0 ? 0 : down(b.left);
        const top = b.top >= 0 ? 0 : down(b.top);
        return { left, top, width: up(b.right) - left, length: up(b.bottom) - top, known: false };
    }

    /* The device nearest to a point, no further than reach; -1: none. */
    nearest(x, y, reach) {
        let best = -1;
        let least = reach * reach;
        for (let i = 0; i < this.used; i++) {
            if (this.ids[i] === null) continue;
            const dx = this.x[i] - x;
            const dy = this.y[i] - y;
            const distance = dx * dx + dy * dy;
            if (distance <= least) {
                least = distance;
                best = i;
            }
        }
        return best;
    }

    /* Rows for the table: the ones seen last, at most so many. */
    rows(limit, now) {
        const list = [];
        for (const [id, slot] of this.slots) {
            list.push({
                id,
                x: this.toX[slot],
                y: this.toY[slot],
                confidence: this.confidence[slot],
                age: now - this.seen[slot],
            });
        }
        list.sort((a, b) => a.age - b.age || (a.id < b.id ? -1 : 1));
        return list.slice(0, limit);
    }
}
