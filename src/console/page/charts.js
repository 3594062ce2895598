/* charts.js: one live graph of the last hour: uPlot's canvas, a key with the figures at hand (or under
 * the pointer), and the same as a table for those who cannot see it. Draws what history.js holds. */
import uPlot from "uplot";
import { h, setText, setAttribute, table } from "./dom.js";
import { clock, NOTHING } from "./format.js";

const HEIGHT = 150;
/* Told apart without colour, too. */
const DASHES = [undefined, [5, 3], [2, 3]];
const WHOLE = Array.from({ length: 27 }, (_, i) => [1, 2, 5][i % 3] * 10 ** Math.floor(i / 3));
const scheme = matchMedia("(prefers-color-scheme: dark)");

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export class Chart {
    /* options: {title, note: what stands beside it, series: [{label, figure, colour}], format(value), least: smallest top of the scale,
     * whole: only whole numbers on the scale, sync: graphs of one name share the pointer}. */
    constructor(history, options) {
        this.history = history;
        this.options = options;
        this.names = options.series.map((line) => line.figure);
        this.plot = null;
        this.pointed = null; /* index under the pointer */
        this.place = h("div", { class: "plot", role: "img" });
        this.figures = options.series.map(() => h("span", { class: "figure" }, NOTHING));
        this.when = h("span", { class: "muted when" });
        this.rows = table(
            `${options.title}, means of five minutes`,
            [{ label: "From" }, ...options.series.map((line) => ({ label: line.label, number: true }))],
            (row) => row.from,
            (row) => [clock(row.from * 1000), ...row.means.map(options.format)],
            "Nothing is known yet.",
        );
        this.details = h(
            "details",
            { class: "as-table", ontoggle: () => this.tabulate() },
            h("summary", null, "As a table"),
            this.rows.element,
        );
        this.heading = h("h3", null, options.title);
        const head = h("header", null, this.heading, this.when, this.key());
        this.element = h(
            "section",
            { class: "card chart", "aria-label": options.title },
            head,
            this.place,
            this.details,
        );
        new ResizeObserver(() => this.resize()).observe(this.place);
        scheme.addEventListener("change", () => {
            if (this.plot !== null) this.make();
        });
    }

    key() {
        const swatch = (line) => h("span", { class: `swatch ${line.colour}`, "aria-hidden": "true" });
        return h(
            "ul",
            { class: "key" },
            this.options.series.map((line, i) =>
                h("li", null, swatch(line), `${line.label} `, this.figures[i]),
            ),
        );
    }

    /* It shows something else from now on. */
    rename(title) {
        this.options.title = title;
        setText(this.heading, title);
        setAttribute(this.element, "aria-label", title);
        const caption = `${title}, means of five minutes`;
        setText(this.rows.element.querySelector("caption"), caption);
        setAttribute(this.rows.element, "aria-label", caption);
    }

    resize() {
        const width = this.place.clientWidth;
        if (width === 0) return;
        if (this.plot === null) this.make();
        else if (this.plot.width !== width) this.plot.setSize({ width, height: HEIGHT });
    }

    /* Anew when the colours change: they are in the canvas. */
    make() {
        this.plot?.destroy();
        const { history, options } = this;
        const settings = {
            width: Math.max(this.place.clientWidth, 120),
            height: HEIGHT,
            legend: { show: false },
            padding: [8, 4, 0, 0],
            cursor: {
                sync: { key: options.sync ?? "hour", setSeries: false },
                y: false,
                drag: { x: false, y: false },
                points: { size: 6 },
            },
            scales: {
                x: { time: true, range: () => history.span(Date.now()) },
                y: { range: (_, least, most) => [0, Math.max(options.least ?? 1, (most ?? 0) * 1.1)] },
            },
            axes: this.axes(),
            series: [{}, ...options.series.map((line, i) => this.line(line, i))],
            hooks: {
                setCursor: [({ cursor }) => this.show(cursor.left >= 0 ? (cursor.idx ?? null) : null)],
            },
        };
        this.plot = new uPlot(settings, history.columns(this.names), this.place);
    }

    axes() {
        const look = {
            stroke: colour("--muted"),
            font: "11px Inter, system-ui, sans-serif",
            grid: { stroke: colour("--grid"), width: 1 },
            ticks: { show: false },
        };
        const times = (_, splits) => splits.map((at) => clock(at * 1000).slice(0, 5));
        return [
            { ...look, space: 70, size: 26, values: times, incrs: [60, 120, 300, 600, 900, 1200] },
            {
                ...look,
                space: 36,
                size: 62,
                values: (_, splits) => splits.map(this.options.format),
                incrs: this.options.whole ? WHOLE : undefined,
            },
        ];
    }

    line({ label, colour: name }, i) {
        const stroke = colour(`--${name}`);
        return {
            label,
            stroke,
            width: 1.75,
            dash: DASHES[i],
            fill: i === 0 ? `${stroke}1c` : undefined,
            points: { show: false },
            spanGaps: false,
        };
    }

    /* The figures in the key: of the point under the pointer, or the last. */
    show(index) {
        this.pointed = index;
        const { at, values } = this.history;
        this.options.series.forEach((line, i) => {
            const column = values[line.figure];
            setText(
                this.figures[i],
                this.options.format((index === null ? column.at(-1) : column[index]) ?? null),
            );
        });
        setText(
            this.when,
            at[index] === undefined ? (this.options.note ?? "") : `at ${clock(at[index] * 1000)}`,
        );
    }

    tabulate() {
        if (this.details.open) this.rows.update(this.history.stretches(this.names));
    }

    update() {
        this.plot?.setData(this.history.columns(this.names));
        if (this.pointed === null) this.show(null);
        this.tabulate();
        const { format, series, title } = this.options;
        const words = series.map(({ label, figure }) => {
            const sum = this.history.summary(figure);
            if (sum === null) return `${label}: nothing known`;
            return `${label}: now ${format(sum.last)}, least ${format(sum.least)}, most ${format(sum.most)}`;
        });
        setAttribute(this.place, "aria-label", `${title}. Last hour. ${words.join(". ")}.`);
        setAttribute(this.place, "data-newest", this.history.at.at(-1) ?? null);
    }
}
