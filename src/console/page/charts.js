/* charts.js: one live graph of the last hour: uPlot's canvas, a key with the figures at hand (or under
 * the pointer), and the same as a table for those who cannot see it. Draws what history.js holds. */
import uPlot from "uplot";
import { h, setText, setAttribute, table } from "./dom.js";
import { clock, NOTHING } from "./format.js";

const HEIGHT = 150;
const scheme = matchMedia("(prefers-color-scheme: dark)");

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/* options: {title, unit, series: [{label, figure, colour}], format(value)}. */
export function chart(history, options) {
    const place = h("div", { class: "plot", role: "img" });
    const figures = options.series.map(() => h("span", { class: "figure" }, NOTHING));
    const names = options.series.map((line) => line.figure);
    const when = h("span", { class: "muted when" });
    const rows = table(
        `${options.title}, means of five minutes`,
        [{ label: "From" }, ...options.series.map((line) => ({ label: line.label, number: true }))],
        (row) => row.from,
        (row) => [clock(row.from * 1000), ...row.means.map(options.format)],
        "Nothing is known yet.",
    );
    const details = h("details", { class: "as-table" }, h("summary", null, "As a table"), rows.element);
    const element = h(
        "section",
        { class: "card chart", "aria-label": options.title },
        h(
            "header",
            null,
            h("h3", null, options.title),
            when,
            h(
                "ul",
                { class: "key" },
                options.series.map((line, i) =>
                    h("li", null, h("span", { class: `swatch ${line.colour}`, "aria-hidden": "true" }), `${line.label} `, figures[i]),
                ),
            ),
        ),
        place,
        details,
    );

    let plot = null;
    let pointed = null;

    function show(index) {
        pointed = index;
        options.series.forEach((line, i) => {
            const values = history.values[line.figure];
            setText(figures[i], options.format(index === null ? (values.at(-1) ?? null) : (values[index] ?? null)));
        });
        setText(when, index === null || history.at[index] === undefined ? "" : `at ${clock(history.at[index] * 1000)}`);
    }

    function axis(extra) {
        return {
            stroke: colour("--muted"),
            font: "11px Inter, system-ui, sans-serif",
            grid: { stroke: colour("--grid"), width: 1 },
            ticks: { show: false },
            ...extra,
        };
    }

    function make() {
        plot?.destroy();
        plot = new uPlot(
            {
                width: Math.max(place.clientWidth, 120),
                height: HEIGHT,
                legend: { show: false },
                padding: [8, 4, 0, 0],
                cursor: {
                    sync: { key: "hour", setSeries: false },
                    y: false,
                    drag: { x: false, y: false },
                    points: { size: 6 },
                },
                scales: {
                    x: { time: true, range: () => history.span(Date.now()) },
                    y: { range: (_, least, most) => [0, Math.max(options.least ?? 1, (most ?? 0) * 1.1)] },
                },
                axes: [
                    axis({ space: 70, values: (_, splits) => splits.map((at) => clock(at * 1000).slice(0, 5)), size: 26 }),
                    axis({ space: 36, size: 62, values: (_, splits) => splits.map(options.format) }),
                ],
                series: [
                    {},
                    ...options.series.map((line, i) => ({
                        label: line.label,
                        stroke: colour(`--${line.colour}`),
                        width: 1.75,
                        dash: i === 1 ? [5, 3] : undefined,
                        fill: i === 0 ? `${colour(`--${line.colour}`)}1c` : undefined,
                        points: { show: false },
                        spanGaps: false,
                    })),
                ],
                hooks: { setCursor: [(self) => show(self.cursor.left >= 0 ? (self.cursor.idx ?? null) : null)] },
            },
            history.columns(names),
            place,
        );
    }

    new ResizeObserver(() => {
        if (place.clientWidth === 0) return;
        if (plot === null) make();
        else if (plot.width !== place.clientWidth) plot.setSize({ width: place.clientWidth, height: HEIGHT });
    }).observe(place);
    scheme.addEventListener("change", () => {
        if (plot !== null) make();
    });
    details.addEventListener("toggle", () => {
        if (details.open) rows.update(history.stretches(names));
    });

    return {
        element,
        update() {
            plot?.setData(history.columns(names));
            if (pointed === null) show(null);
            if (details.open) rows.update(history.stretches(names));
            const words = options.series.map((line) => {
                const sum = history.summary(line.figure);
                if (sum === null) return `${line.label}: nothing known`;
                return `${line.label}: now ${options.format(sum.last)}, least ${options.format(sum.least)}, most ${options.format(sum.most)}`;
            });
            setAttribute(place, "aria-label", `${options.title}. Last hour. ${words.join(". ")}.`);
        },
    };
}
