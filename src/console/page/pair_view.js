/* pair_view.js: the tab of the pair: who delivers and why, the picture, figures, graphs of the last
 * hour, receivers, sinks, kinds of events, the last changes of role. */
import { h, keyed, setText, svg } from "./dom.js";
import { brief, bytes, count, duration, moment, NOTHING, rate, typeName } from "./format.js";
import { since, summary } from "./words.js";
import { Chart } from "./charts.js";
import { pictureRows, pictureTable, receiverTable, sinkTable, transitionTable } from "./pair_tables.js";
import { draw } from "./picture.js";

const TYPES_SHOWN = 12;
const NARROW_PX = 640;

function tile(label) {
    const value = h("dd", null, NOTHING);
    const note = h("dd", { class: "note" });
    return { element: h("div", { class: "tile" }, h("dt", null, label), value, note), value, note };
}

/* Figures at the top of the page. Each: [label, value(pair, history), note(pair, history)]. */
const TILES = [
    ["Received", (p, hour) => rate(hour.last("received")), (p) => `${brief(p.counters.received)} in all`],
    [
        "Delivered here",
        (p, hour) => rate(hour.last("delivered")),
        (p) => `${brief(p.counters.delivered)} in all`,
    ],
    ["Lag", (p) => duration(p.lag_ms), () => "behind the source"],
    [
        "Waiting",
        (p) => brief((p.sinks ?? []).reduce((sum, sink) => sum + (sink.pending ?? 0), 0)),
        (p) =>
            p.store?.oldest_pending_age_ms > 0
                ? `oldest ${duration(p.store.oldest_pending_age_ms)}`
                : "over all sinks",
    ],
    ["Duplicates", (p) => brief(p.counters.duplicates), () => "seen before"],
    ["Quarantined", (p) => brief(p.counters.quarantined), () => "lines, no records"],
    ["Gaps", (p) => count(p.counters.gaps), () => "declared so far"],
    ["Store", (p) => bytes(p.store?.bytes_used), (p) => `of ${bytes(p.store?.size_limit)}`],
];

const CHARTS = [
    {
        title: "Events per second",
        series: [
            { label: "received", figure: "received", colour: "line-1" },
            { label: "delivered here", figure: "delivered", colour: "line-2" },
        ],
        format: rate,
    },
    {
        title: "Lag behind the source",
        series: [{ label: "lag", figure: "lag_ms", colour: "line-3" }],
        format: duration,
        least: 1000,
    },
    {
        title: "Waiting for delivery",
        series: [{ label: "events", figure: "pending", colour: "line-4" }],
        format: brief,
        least: 10,
    },
];

export class PairView {
    constructor(history) {
        this.history = history;
        this.narrow = null;
        this.pair = null;
        this.title = h("h2", { id: "pair-title" }, "Waiting for the node …");
        this.why = h("p", { class: "why" });
        this.since = h("p", { class: "muted since" });
        this.svg = svg("svg", {
            class: "picture",
            role: "img",
            "aria-labelledby": "pair-title",
            "aria-describedby": "picture-table",
            focusable: "false",
        });
        this.tiles = TILES.map(([label]) => tile(label));
        this.charts = CHARTS.map((options) => new Chart(history, options));
        this.pictureTable = pictureTable();
        this.receivers = receiverTable();
        this.sinks = sinkTable();
        this.transitions = transitionTable(() => this.pair?.now);
        this.types = h("div", { class: "types" });
        this.hero = this.makeHero();
        const tables = [
            card("Sinks", this.sinks.element),
            card("Receivers", this.receivers.element),
            card("Last changes of role", this.transitions.element),
            card("Received by type", this.types),
        ];
        const elements = (list) => list.map((item) => item.element);
        this.element = h(
            "div",
            { class: "view" },
            this.hero,
            h("dl", { class: "tiles" }, elements(this.tiles)),
            h("div", { class: "charts" }, elements(this.charts)),
            h("div", { class: "columns" }, tables),
        );
        new ResizeObserver(() => this.fit()).observe(this.svg.parentElement);
    }

    makeHero() {
        const summary = h("summary", null, "The picture as a table");
        return h(
            "section",
            { class: "card hero info", "aria-labelledby": "pair-title" },
            h("div", { class: "headline" }, this.title, this.why, this.since),
            this.svg,
            h("details", { class: "as-table", id: "picture-table" }, summary, this.pictureTable.element),
        );
    }

    /* The picture is drawn anew when the window crosses the width. */
    fit() {
        const narrow = this.hero.clientWidth > 0 && this.hero.clientWidth < NARROW_PX;
        if (narrow === this.narrow || this.hero.clientWidth === 0) return;
        this.narrow = narrow;
        if (this.pair !== null) draw(this.svg, this.pair, narrow);
    }

    update(pair) {
        this.pair = pair;
        const words = summary(pair);
        this.hero.className = `card hero ${words.level}`;
        setText(this.title, words.title);
        setText(this.why, words.why);
        setText(
            this.since,
            since(pair, (at) => moment(at, pair.now)),
        );
        draw(this.svg, pair, this.narrow === true);
        this.pictureTable.update(pictureRows(pair));
        TILES.forEach(([, value, note], i) => {
            setText(this.tiles[i].value, value(pair, this.history));
            setText(this.tiles[i].note, note(pair, this.history));
        });
        this.receivers.update(pair.receivers ?? []);
        this.sinks.update(pair.sinks ?? []);
        this.transitions.update([...(pair.transitions ?? [])].reverse());
        this.updateTypes(pair.counters.types ?? {});
    }

    updateTypes(types) {
        const list = Object.entries(types).sort((a, b) => b[1] - a[1]);
        const most = list[0]?.[1] || 1;
        const rest = list.slice(TYPES_SHOWN).reduce((sum, [, n]) => sum + n, 0);
        const shown = list.slice(0, TYPES_SHOWN);
        if (rest > 0) shown.push(["others", rest]);
        keyed(
            this.types,
            shown,
            ([name]) => name,
            () =>
                h(
                    "div",
                    { class: "type" },
                    h("span", { class: "type-name" }),
                    h("span", { class: "track", "aria-hidden": "true" }, h("span", { class: "bar line-1" })),
                    h("span", { class: "number" }),
                ),
            (row, [name, n]) => {
                setText(row.children[0], typeName(name));
                row.children[1].firstChild.style.width = `${(100 * n) / Math.max(most, rest)}%`;
                setText(row.children[2], count(n));
            },
        );
    }

    updateCharts() {
        for (const item of this.charts) item.update();
    }
}

function card(title, ...content) {
    return h("section", { class: "card", "aria-label": title }, h("h3", null, title), content);
}
