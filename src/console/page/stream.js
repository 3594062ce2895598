/* stream.js: the one connection to the node. Opens /events, opens it again for as long as the page is
 * there, and says plainly whether the node is being heard. Owns no picture of anything.
 *
 * The browser's own reconnection is not relied on: it gives up for good on some answers, and it does
 * not notice a node that is stopped. A "pair" event comes every second, so silence means something. */

const SILENCE_MS = 5000;
const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 5000;
const TYPES = ["pair", "history", "sample", "space", "occupancy", "devices"];

export class Stream {
    /* on(type, object) for each event; state("live" | "lost" | "connecting"). */
    constructor(on, state, surroundings = {}) {
        this.on = on;
        this.tell = state;
        this.EventSource = surroundings.EventSource ?? globalThis.EventSource;
        this.setTimeout = surroundings.setTimeout ?? ((f, ms) => setTimeout(f, ms));
        this.clearTimeout = surroundings.clearTimeout ?? ((timer) => clearTimeout(timer));
        this.floor = null;
        this.place = null;
        this.state = "connecting";
        this.source = null;
        this.watch = null;
        this.retry = null;
        this.wait = RETRY_MIN_MS;
        this.malformed = 0;
    }

    open() {
        this.close();
        const wanted = [
            ["floor", this.floor],
            ["place", this.place],
        ].filter(([, id]) => id !== null);
        const query = wanted.map(([name, id]) => `${name}=${encodeURIComponent(id)}`).join("&");
        const url = query === "" ? "/events" : `/events?${query}`;
        const source = new this.EventSource(url);
        this.source = source;
        for (const type of TYPES) {
            source.addEventListener(type, (event) => {
                if (this.source === source) this.heard(type, event.data);
            });
        }
        source.addEventListener("error", () => {
            if (this.source === source) this.failed();
        });
        this.guard();
    }

    close() {
        this.source?.close();
        this.source = null;
        this.clearTimeout(this.watch);
        this.clearTimeout(this.retry);
    }

    /* Devices of that floor and the hour of that place from now on; null: none. */
    look(floor, place) {
        if (floor === this.floor && place === this.place) return;
        this.floor = floor;
        this.place = place;
        this.open();
    }

    heard(type, text) {
        let object;
        try {
            object = JSON.parse(text);
        } catch {
            this.malformed++;
            return;
        }
        this.wait = RETRY_MIN_MS;
        this.guard();
        this.say("live");
        this.on(type, object);
    }

    guard() {
        this.clearTimeout(this.watch);
        this.watch = this.setTimeout(() => this.failed(), SILENCE_MS);
    }

    failed() {
        this.close();
        this.say("lost");
        this.retry = this.setTimeout(() => this.open(), this.wait);
        this.wait = Math.min(this.wait * 2, RETRY_MAX_MS);
    }

    say(state) {
        if (state === this.state) return;
        this.state = state;
        this.tell(state);
    }
}
