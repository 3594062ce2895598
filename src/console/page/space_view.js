/* space_view.js: the tab of the space: locations as a tree, the floor with its devices, the occupancy of a
 * place over the last hour, and that of the floors beside each other. */
import { h, keyed, setText } from "./dom.js";
import { brief, count, NOTHING } from "./format.js";
import { build, busiest, chain, floorOf, floors, graphed } from "./places.js";
import { Chart } from "./charts.js";
import { History, OCCUPANCY_FIGURES, OCCUPANCY_POINTS_MAX } from "./history.js";
import { FloorModel } from "./floor_model.js";
import { FloorView } from "./floor_view.js";
import { Tree } from "./tree.js";

const FIGURES = [
    { name: "devices", label: "Devices", colour: "line-1" },
    { name: "present", label: "Presence", colour: "line-2" },
    { name: "camera", label: "Cameras", colour: "line-3" },
];

const swatch = (figure) => h("span", { class: `swatch ${figure.colour}`, "aria-hidden": "true" });

export class SpaceView {
    /* watch(floor, place): ids or null: whose devices and whose hour are wanted; chosen(id): for the
     * address bar. */
    constructor(watch, chosen) {
        this.watch = watch;
        this.chosen = chosen;
        this.places = { roots: [], byId: new Map() };
        this.place = null;
        this.wanted = null; /* id from the address bar that has not come yet */
        this.shown = false;
        this.floor = null; /* id */
        this.graphed = null; /* id of the place whose hour is shown */
        this.tree = new Tree("Locations", (place) => this.select(place));
        this.crumbs = h("nav", { class: "crumbs", "aria-label": "Where this is" });
        this.title = h("h2", null, "Waiting for locations …");
        this.figures = FIGURES.map((figure) => ({ ...figure, value: h("dd", null, NOTHING) }));
        this.floorView = new FloorView(new FloorModel());
        this.floorCard = h(
            "section",
            { class: "card", "aria-label": "Floor", hidden: true },
            this.floorView.element,
        );
        this.hour = new History(OCCUPANCY_POINTS_MAX, OCCUPANCY_FIGURES);
        this.chart = new Chart(this.hour, {
            title: "Occupancy",
            note: "last hour",
            series: FIGURES.map(({ name, label, colour }) => ({ label, figure: name, colour })),
            format: count,
            least: 4,
            whole: true,
            sync: "occupancy",
        });
        this.chart.element.hidden = true;
        this.bars = h("tbody");
        this.barsTitle = h("h3", null, "Occupancy by floor");
        this.barsCard = this.makeBars();
        this.dropped = h("p", { class: "muted under" });
        const locations = h(
            "aside",
            { class: "card locations", "aria-label": "Locations" },
            h("h3", null, "Locations"),
            this.tree.element,
            this.dropped,
        );
        const cards = [this.floorCard, this.chart.element, this.barsCard];
        const there = h("div", { class: "there" }, this.makeHead(), cards);
        this.element = h("div", { class: "view space" }, locations, there);
    }

    makeHead() {
        const tiles = this.figures.map((figure) =>
            h("div", { class: "tile" }, h("dt", null, swatch(figure), figure.label), figure.value),
        );
        return h(
            "div",
            { class: "place-head" },
            h("div", null, this.crumbs, this.title),
            h("dl", { class: "tiles three" }, tiles),
        );
    }

    makeBars() {
        const heads = FIGURES.map((figure) => h("th", { scope: "col" }, swatch(figure), figure.label));
        const head = h("thead", null, h("tr", null, h("th", { scope: "col" }, "Floor"), heads));
        const label = "Occupancy by floor";
        return h(
            "section",
            { class: "card", "aria-label": label, hidden: true },
            this.barsTitle,
            h(
                "div",
                { class: "table-box", tabindex: "0", role: "region", "aria-label": label },
                h("table", { class: "bars" }, head, this.bars),
            ),
        );
    }

    update(event) {
        this.places = build(event.locations ?? []);
        const left = [
            [event.dropped, "more locations are not shown."],
            [event.graphless, "places have no graph of the last hour."],
        ].filter(([many]) => many > 0);
        setText(this.dropped, left.map(([many, words]) => `${count(many)} ${words}`).join(" "));
        this.tree.update(this.places.roots, this.places.byId);
        const { byId, roots } = this.places;
        const next =
            (this.wanted !== null && byId.get(this.wanted)) ||
            (this.place !== null && byId.get(this.place.id)) ||
            null;
        if (next !== null) {
            const same = next.id === this.place?.id;
            this.place = next;
            if (!same) {
                this.select(next, false);
                return;
            }
            this.fill();
            this.follow(); /* it may have turned out to be a floor */
        } else if (byId.size > 0) {
            this.select(busiest(roots) ?? roots[0], false);
        }
    }

    /* What the address bar names; it may come later. */
    want(id) {
        this.wanted = id;
        const place = this.places.byId.get(id);
        if (place !== undefined && place.id !== this.place?.id) this.select(place, false);
    }

    select(place, byHand = true) {
        this.place = place;
        if (byHand || place.id === this.wanted) this.wanted = null;
        this.tree.choose(place);
        if (byHand) this.chosen(place.id);
        this.fill();
        this.follow();
    }

    /* The node sends devices only while somebody looks at a floor. */
    show(shown) {
        this.shown = shown;
        this.follow();
    }

    follow() {
        const floor = this.place === null ? null : floorOf(this.place);
        const id = floor?.id ?? null;
        this.floorCard.hidden = id === null;
        if (id !== this.floor && id !== null) this.floorView.show(floor.name || floor.id);
        this.floor = id;
        const place = this.place === null ? null : graphed(this.place);
        this.showHour(place);
        this.watch(this.shown ? id : null, this.shown ? (place?.id ?? null) : null);
    }

    /* The node sends one place's hour: of the last one nothing stays. */
    showHour(place) {
        this.chart.element.hidden = place === null;
        if (place !== null) this.chart.rename(`Occupancy of ${place.name || place.id}`);
        if (this.graphed === (place?.id ?? null)) return;
        this.graphed = place?.id ?? null;
        this.hour.clear();
        this.chart.update();
    }

    occupancy(event) {
        if (event.place !== this.graphed) return;
        this.hour.occupy(event);
        this.chart.update();
    }

    devices(event) {
        if (event.floor === this.floor) this.floorView.apply(event);
    }

    fill() {
        const { place } = this;
        setText(this.title, place.name || place.id);
        keyed(
            this.crumbs,
            chain(place).slice(0, -1),
            (step) => step.id,
            (step) =>
                h("button", {
                    type: "button",
                    class: "plain",
                    onclick: () => this.select(this.places.byId.get(step.id) ?? step),
                }),
            (button, step) => setText(button, step.name || step.id),
        );
        for (const figure of this.figures) setText(figure.value, count(place[figure.name]));
        this.fillBars();
    }

    /* The floors below, or those beside the one shown. */
    fillBars() {
        const { place } = this;
        const floor = floorOf(place);
        const house = floor?.above ?? place;
        const list = floors(house);
        this.barsCard.hidden = list.length === 0;
        setText(this.barsTitle, `Occupancy by floor${house === floor ? "" : `, ${house.name || house.id}`}`);
        const most = Math.max(1, ...list.flatMap((item) => FIGURES.map((figure) => item[figure.name] ?? 0)));
        const several = new Set(list.map((item) => item.above?.id)).size > 1;
        keyed(
            this.bars,
            list,
            (item) => item.id,
            (item) =>
                h(
                    "tr",
                    null,
                    h(
                        "th",
                        { scope: "row" },
                        h("button", {
                            type: "button",
                            class: "plain",
                            onclick: () => this.select(this.places.byId.get(item.id) ?? item),
                        }),
                    ),
                    FIGURES.map((figure) =>
                        h(
                            "td",
                            null,
                            h("span", { class: `bar ${figure.colour}` }),
                            h("span", { class: "bar-number" }),
                        ),
                    ),
                ),
            (row, item) => {
                const button = row.firstChild.firstChild;
                setText(
                    button,
                    several && item.above !== null
                        ? `${item.above.name}, ${item.name || item.id}`
                        : item.name || item.id,
                );
                if (item === floor) button.setAttribute("aria-current", "true");
                else button.removeAttribute("aria-current");
                FIGURES.forEach((figure, i) => {
                    const cell = row.children[i + 1];
                    const value = item[figure.name] ?? null;
                    cell.firstChild.style.width = `${value === null ? 0 : Math.max((value / most) * 70, value > 0 ? 1 : 0)}%`;
                    setText(cell.lastChild, value === null ? NOTHING : brief(value));
                });
            },
        );
    }
}
