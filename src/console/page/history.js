/* history.js: the last hour of a few figures, in a bounded table. Pure. */

export const POINTS_MAX = 720;
export const FIGURES = ["received", "delivered", "lag_ms", "pending"];
export const OCCUPANCY_POINTS_MAX = 360;
export const OCCUPANCY_FIGURES = ["devices", "present", "camera"];

const figure = (value) => (typeof value === "number" && Number.isFinite(value) ? value : null);

export class History {
    constructor(capacity = POINTS_MAX, figures = FIGURES) {
        this.capacity = capacity;
        this.figures = figures;
        this.at = []; /* seconds since 1970, ascending */
        this.values = Object.fromEntries(figures.map((name) => [name, []]));
        this.step = 5;
    }

    /* A "history" event replaces all. */
    load(event) {
        const step = figure(event.step_s) ?? 5;
        const length = Math.min(
            Math.max(0, ...this.figures.map((name) => event[name]?.length ?? 0)),
            this.capacity,
        );
        this.step = step;
        this.at = Array.from({ length }, (_, i) => event.to / 1000 - (length - 1 - i) * step);
        for (const name of this.figures) {
            const given = (event[name] ?? []).slice(-length).map(figure);
            this.values[name] = [...new Array(length - given.length).fill(null), ...given];
        }
    }

    /* An "occupancy" event: all of the hour, or one point more. */
    occupy(event) {
        if (event.full === true) {
            this.load(event);
            return;
        }
        const point = { at: event.to };
        for (const name of this.figures) point[name] = event[name]?.at(-1);
        this.add(point);
    }

    /* A "sample" event. One that is older than the last (the node's clock was set back) starts anew;
     * after a hole nothing is known, and nothing is drawn. */
    add(event) {
        const at = event.at / 1000;
        const last = this.at.at(-1);
        if (last !== undefined && at <= last) {
            if (at > last - this.step) return;
            this.clear();
        } else if (last !== undefined && at - last > 3 * this.step) {
            this.push(last + this.step, {});
        }
        this.push(at, event);
    }

    push(at, event) {
        this.at.push(at);
        for (const name of this.figures) this.values[name].push(figure(event[name]));
        while (this.at.length > this.capacity) {
            this.at.shift();
            for (const name of this.figures) this.values[name].shift();
        }
    }

    clear() {
        this.at = [];
        for (const name of this.figures) this.values[name] = [];
    }

    /* As a chart wants it: times first. */
    columns(names) {
        return [this.at, ...names.map((name) => this.values[name])];
    }

    /* [from, to] of what a graph shows, in seconds: an hour, or as long as something is known when that
     * is less, but never under two minutes. */
    span(now) {
        const to = this.at.at(-1) ?? now / 1000;
        const first = this.at.findIndex((_, i) => this.figures.some((name) => this.values[name][i] !== null));
        const from = first < 0 ? to : this.at[first];
        return [Math.max(to - 3600, Math.min(from, to - 120)), to];
    }

    last(name) {
        return this.values[name].at(-1) ?? null;
    }

    /* {least, most, mean, last} of what is known; null when nothing is. */
    summary(name) {
        const known = this.values[name].filter((value) => value !== null);
        if (known.length === 0) return null;
        return {
            least: known.reduce((a, b) => Math.min(a, b)),
            most: known.reduce((a, b) => Math.max(a, b)),
            mean: known.reduce((a, b) => a + b, 0) / known.length,
            last: this.last(name),
        };
    }

    /* Means over stretches of so many minutes, newest first: the graph for those who cannot see it. */
    stretches(names, minutes = 5) {
        const rows = new Map();
        this.at.forEach((at, i) => {
            const from = Math.floor(at / (minutes * 60)) * minutes * 60;
            const row = rows.get(from) ?? { from, sum: names.map(() => 0), known: names.map(() => 0) };
            names.forEach((name, k) => {
                const value = this.values[name][i];
                if (value !== null) {
                    row.sum[k] += value;
                    row.known[k]++;
                }
            });
            rows.set(from, row);
        });
        return [...rows.values()]
            .map((row) => ({
                from: row.from,
                means: row.sum.map((sum, k) => (row.known[k] === 0 ? null : sum / row.known[k])),
            }))
            .reverse();
    }
}
