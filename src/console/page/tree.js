/* tree.js: the location hierarchy as a tree for mouse, touch, keyboard and screen reader (the tree view
 * pattern of WAI-ARIA: arrows move and open, Home and End, letters search, Enter selects). */
import { h, keyed, setAttribute, setText } from "./dom.js";
import { brief } from "./format.js";
import { visible } from "./places.js";

const OPEN_ALL_BELOW = 40; /* places: a small hierarchy is shown whole */

export class Tree {
    constructor(label, selected) {
        this.selected = selected; /* called with a place */
        this.open = new Set();
        this.roots = [];
        this.rows = [];
        this.chosen = null; /* id */
        this.focused = null; /* id; the one row that Tab reaches */
        this.fresh = true;
        this.element = h("ul", {
            class: "tree",
            role: "tree",
            "aria-label": label,
            onkeydown: (event) => this.key(event),
            onclick: (event) => this.click(event),
        });
    }

    update(roots, byId) {
        this.roots = roots;
        if (this.fresh && byId.size > 0) {
            this.fresh = false;
            for (const place of byId.values()) {
                if (byId.size <= OPEN_ALL_BELOW || place.depth < 2) this.open.add(place.id);
            }
        }
        for (const id of this.open) if (!byId.has(id)) this.open.delete(id);
        this.draw();
    }

    /* Shows a place as chosen, and what is above it as open. */
    choose(place) {
        this.chosen = place.id;
        this.focused = place.id;
        for (let at = place.above; at !== null; at = at.above) this.open.add(at.id);
        this.draw();
    }

    draw() {
        this.rows = visible(this.roots, this.open);
        if (!this.rows.some((row) => row.place.id === this.focused))
            this.focused = this.rows[0]?.place.id ?? null;
        keyed(
            this.element,
            this.rows,
            (row) => row.place.id,
            () =>
                h(
                    "li",
                    { role: "treeitem" },
                    h("span", { class: "twist", "aria-hidden": "true" }),
                    h("span", { class: "place" }),
                    h("span", { class: "level" }),
                    h("span", { class: "number" }),
                    h("span", { class: "hidden" }, "devices"),
                ),
            (item, row) => this.fill(item, row),
        );
    }

    fill(item, { place, position, of }) {
        const parent = place.children.length > 0;
        const open = this.open.has(place.id);
        setAttribute(item, "aria-level", place.depth + 1);
        setAttribute(item, "aria-posinset", position);
        setAttribute(item, "aria-setsize", of);
        setAttribute(item, "aria-expanded", parent ? String(open) : null);
        setAttribute(item, "aria-selected", String(place.id === this.chosen));
        setAttribute(item, "tabindex", place.id === this.focused ? "0" : "-1");
        setAttribute(item, "data-depth", Math.min(place.depth, 8));
        setText(item.children[0], parent ? (open ? "▾" : "▸") : "");
        setText(item.children[1], place.name || place.id);
        setText(item.children[2], place.level ? String(place.level).toLowerCase() : "");
        setText(item.children[3], place.devices === null ? "" : brief(place.devices));
        item.children[4].hidden = place.devices === null;
    }

    focus(index) {
        const row = this.rows[Math.max(0, Math.min(index, this.rows.length - 1))];
        if (row === undefined) return;
        this.focused = row.place.id;
        this.draw();
        this.element.querySelector('[tabindex="0"]')?.focus();
    }

    toggle(place, open) {
        if (place.children.length === 0) return;
        if (open) this.open.add(place.id);
        else this.open.delete(place.id);
        this.draw();
    }

    click(event) {
        const item = event.target.closest("li");
        const row = this.rows.find((candidate) => candidate.place.id === item?.dataset.key);
        if (row === undefined) return;
        if (event.target.classList.contains("twist")) {
            this.toggle(row.place, !this.open.has(row.place.id));
            return;
        }
        this.choose(row.place);
        item.focus();
        this.selected(row.place);
    }

    key(event) {
        if (event.ctrlKey || event.altKey || event.metaKey) return;
        const index = this.rows.findIndex((row) => row.place.id === this.focused);
        const place = this.rows[index]?.place;
        if (place === undefined) return;
        const open = this.open.has(place.id);
        switch (event.key) {
            case "ArrowDown":
                this.focus(index + 1);
                break;
            case "ArrowUp":
                this.focus(index - 1);
                break;
            case "Home":
                this.focus(0);
                break;
            case "End":
                this.focus(this.rows.length - 1);
                break;
            case "ArrowRight":
                if (place.children.length > 0 && !open) this.toggle(place, true);
                else if (place.children.length > 0) this.focus(index + 1);
                break;
            case "ArrowLeft":
                if (place.children.length > 0 && open) this.toggle(place, false);
                else if (place.above !== null)
                    this.focus(this.rows.findIndex((row) => row.place === place.above));
                break;
            case "Enter":
            case " ":
                this.choose(place);
                this.selected(place);
                break;
            default:
                if (event.key.length !== 1) return;
                this.search(index, event.key.toLowerCase());
        }
        event.preventDefault();
    }

    search(from, letter) {
        for (let i = 1; i <= this.rows.length; i++) {
            const at = (from + i) % this.rows.length;
            if ((this.rows[at].place.name || "").toLowerCase().startsWith(letter)) {
                this.focus(at);
                return;
            }
        }
    }
}
