/* places.js: the location hierarchy, from the flat list of a "space" event. Pure. */

export const PLACES_MAX = 2000;

const natural = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

/* {roots, byId}: every place is {id, parent, name, level, devices, present, camera, children, depth}.
 * A place whose parent is not known, or that is its own ancestor, stands at the top. */
export function build(locations) {
    const byId = new Map();
    for (const item of locations.slice(0, PLACES_MAX)) {
        byId.set(item.id, { ...item, children: [], depth: 0, above: null });
    }
    const roots = [];
    for (const place of byId.values()) {
        const above =
            place.parent === null || place.parent === undefined ? undefined : byId.get(place.parent);
        if (above === undefined || leadsTo(above, place, byId)) {
            roots.push(place);
        } else {
            place.above = above;
            above.children.push(place);
        }
    }
    const sort = (list, depth) => {
        list.sort((a, b) => natural.compare(a.name || a.id, b.name || b.id));
        for (const place of list) {
            place.depth = depth;
            sort(place.children, depth + 1);
        }
    };
    sort(roots, 0);
    return { roots, byId };
}

/* True when going up from `from` comes to `place`, or goes round in a circle. */
function leadsTo(from, place, byId) {
    const seen = new Set();
    for (let at = from; at !== undefined; at = at.parent === null ? undefined : byId.get(at.parent)) {
        if (at === place || seen.has(at)) return true;
        seen.add(at);
    }
    return false;
}

/* What a tree shows: depth first, children of open places only. */
export function visible(roots, open) {
    const rows = [];
    const walk = (list) => {
        list.forEach((place, i) => {
            rows.push({ place, position: i + 1, of: list.length });
            if (place.children.length > 0 && open.has(place.id)) walk(place.children);
        });
    };
    walk(roots);
    return rows;
}

/* From the top down to the place. */
export function chain(place) {
    const list = [];
    for (let at = place; at !== null; at = at.above) list.unshift(at);
    return list;
}

const level = (place) => String(place.level ?? "").toUpperCase();

export function isFloor(place) {
    return level(place) === "FLOOR";
}

/* The floors in a place, itself included, in natural order. */
export function floors(place, limit = 200) {
    const list = [];
    const walk = (at) => {
        if (list.length >= limit) return;
        if (isFloor(at)) list.push(at);
        else at.children.forEach(walk);
    };
    walk(place);
    return list;
}

/* Where the dots of a place are: its own floor, or the one it lies on; null above floors. */
export function floorOf(place) {
    for (let at = place; at !== null; at = at.above) {
        if (isFloor(at)) return at;
    }
    return null;
}

/* Of what the node keeps the last hour: the place itself, or what a zone lies in; null: of nothing. */
export function graphed(place) {
    for (let at = place; at !== null; at = at.above) {
        if (!["", "ZONE"].includes(level(at))) return at;
    }
    return null;
}

/* The floor with most devices: what a visitor wants to see first. */
export function busiest(roots) {
    let best = null;
    for (const root of roots) {
        for (const floor of floors(root)) {
            if (best === null || (floor.devices ?? 0) > (best.devices ?? 0)) best = floor;
        }
    }
    return best;
}
