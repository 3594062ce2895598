/* floor_view.js: a floor with its devices as moving dots. One loop over floor_model.js's arrays per
 * frame; dot and halo of each device are one small picture made beforehand, so a frame is one
 * drawImage per device and nothing else. Nothing is drawn while nothing moves. */
import { h, setAttribute, setText, table } from "./dom.js";
import { count, duration } from "./format.js";

const AGES = [30000, 120000, Infinity]; /* ms since seen: bright, paler, pale */
const ALPHAS = [1, 0.6, 0.3];
const HALOS = [0, 5, 8, 12, 17, 23, 30]; /* px */
const ROWS = 100;
const IMAGE_AGAIN_MS = 5000; /* after one that did not come: the node had too much to send, or was gone */
const FRAMES = 240; /* kept for the figures of frameTimes() */
const reduced = matchMedia("(prefers-reduced-motion: reduce)");
const scheme = matchMedia("(prefers-color-scheme: dark)");

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export class FloorView {
    constructor(model) {
        this.model = model;
        this.canvas = h("canvas", { class: "floor", role: "img", "aria-label": "No floor is chosen." });
        this.context = this.canvas.getContext("2d", { alpha: false });
        this.words = h("p", { class: "muted under" });
        this.pointer = null;
        this.image = null; /* {id, element, ready} */
        this.sprites = new Map();
        this.plan = null; /* floor and grid, drawn once per size */
        this.frame = null;
        this.drawn = -1;
        this.took = new Float64Array(FRAMES);
        this.apart = new Float64Array(FRAMES);
        this.frames = 0;
        this.lastFrame = 0;
        this.refresh = null;
        this.list = table(
            "Devices seen last",
            [
                { label: "Device" },
                { label: "x, ft", number: true },
                { label: "y, ft", number: true },
                { label: "Within, ft", number: true },
                { label: "Seen" },
            ],
            (row) => row.id,
            (row) => [
                row.id,
                row.x.toFixed(0),
                row.y.toFixed(0),
                row.confidence > 0 ? `± ${row.confidence.toFixed(0)}` : "–",
                `${duration(Math.round(row.age / 1000) * 1000)} ago`,
            ],
            "No device has been seen here in the last five minutes.",
        );
        this.details = h(
            "details",
            { class: "as-table" },
            h("summary", null, `As a table (the ${ROWS} seen last)`),
            this.list.element,
        );
        this.details.addEventListener("toggle", () => this.tabulate());
        this.element = h("div", { class: "floor-box" }, this.canvas, this.words, this.details);
        this.canvas.addEventListener("pointermove", (event) => this.point(event));
        this.canvas.addEventListener("pointerleave", () => this.point(null));
        new ResizeObserver(() => this.resize()).observe(this.canvas);
        for (const media of [scheme, reduced]) media.addEventListener("change", () => this.restyle());
    }

    /* Another floor: nothing of the one before stays. */
    show(name) {
        this.name = name;
        this.model.clear();
        this.model.map = null;
        this.image = null;
        this.restyle();
        setText(this.words, "Waiting for devices …");
        this.describe();
    }

    apply(event) {
        const before = this.model.extent();
        this.model.apply(event, performance.now());
        const after = this.model.extent();
        if (
            before.width !== after.width ||
            before.length !== after.length ||
            before.left !== after.left ||
            before.top !== after.top
        )
            this.resize();
        this.fetchImage();
        this.say();
        this.describe();
        this.want();
        if (this.details.open && this.refresh === null) {
            this.refresh = setTimeout(() => this.tabulate(), 2000);
        }
    }

    fetchImage() {
        const map = this.model.map;
        if (!map?.image || this.image?.id === map.id) return;
        const element = new Image();
        const image = { id: map.id, element, ready: false };
        this.image = image;
        element.onload = () => {
            if (this.image !== image) return;
            image.ready = true;
            this.plan = null;
            this.drawn = -1;
            this.want();
        };
        element.onerror = () => {
            setTimeout(() => {
                if (this.image === image) this.image = null; /* asked for with the next devices */
            }, IMAGE_AGAIN_MS);
        };
        element.src = `/map/${encodeURIComponent(map.id)}`;
    }

    resize() {
        const width = this.canvas.clientWidth;
        if (width === 0) return;
        const extent = this.model.extent();
        const ratio = Math.min(devicePixelRatio || 1, 2);
        const height = Math.round(
            Math.min(width * (extent.length / extent.width), Math.max(320, innerHeight * 0.72)),
        );
        this.canvas.style.height = `${height}px`;
        this.canvas.width = Math.round(width * ratio);
        this.canvas.height = Math.round(height * ratio);
        this.restyle();
    }

    restyle() {
        this.sprites.clear();
        this.plan = null;
        this.drawn = -1;
        this.want();
    }

    want() {
        if (this.frame === null) this.frame = requestAnimationFrame((now) => this.tick(now));
    }

    tick(now) {
        this.frame = null;
        const began = performance.now();
        const moving = !reduced.matches && this.model.moving(began);
        if (moving || this.model.version !== this.drawn || this.plan === null) {
            this.model.move(began, reduced.matches);
            this.draw(began);
            this.drawn = this.model.version;
            this.measure(now, performance.now() - began);
        }
        if (moving) this.want();
        else this.lastFrame = 0;
    }

    /* Time spent in script per frame, and time between frames while things move. */
    measure(now, took) {
        if (this.lastFrame > 0) {
            this.took[this.frames % FRAMES] = took;
            this.apart[this.frames % FRAMES] = now - this.lastFrame;
            this.frames++;
            if (this.frames % 60 === 0) this.publish();
        }
        this.lastFrame = now;
    }

    /* On the element, for the benchmark: median and 95th percentile in ms. */
    publish() {
        const n = Math.min(this.frames, FRAMES);
        const of = (values, part) =>
            [...values.subarray(0, n)].sort((a, b) => a - b)[Math.floor((n - 1) * part)].toFixed(2);
        this.canvas.dataset.frames = String(this.frames);
        this.canvas.dataset.took = `${of(this.took, 0.5)} ${of(this.took, 0.95)}`;
        this.canvas.dataset.apart = `${of(this.apart, 0.5)} ${of(this.apart, 0.95)}`;
    }

    /* How the units of the data become pixels of the canvas. */
    projection() {
        const extent = this.model.extent();
        const { width, height } = this.canvas;
        const margin = 24 * (width / Math.max(this.canvas.clientWidth, 1)); /* for halos of dots at a wall */
        const scale = Math.min((width - margin) / extent.width, (height - margin) / extent.length);
        return {
            extent,
            scale,
            x: (width - extent.width * scale) / 2 - extent.left * scale,
            y: (height - extent.length * scale) / 2 - extent.top * scale,
        };
    }

    /* What does not move: made once, copied every frame. */
    makePlan(p) {
        const plan = document.createElement("canvas");
        plan.width = this.canvas.width;
        plan.height = this.canvas.height;
        const c = plan.getContext("2d", { alpha: false });
        const { extent, scale } = p;
        const left = p.x + extent.left * scale;
        const top = p.y + extent.top * scale;
        const width = extent.width * scale;
        const height = extent.length * scale;
        c.fillStyle = colour("--surface");
        c.fillRect(0, 0, plan.width, plan.height);
        c.fillStyle = colour("--floor");
        c.fillRect(left, top, width, height);
        if (this.image?.ready) {
            /* Plans are dark lines on white paper: by night the other way round. */
            const night = scheme.matches && "filter" in c;
            if (night) c.filter = "invert(1) hue-rotate(180deg)";
            c.globalAlpha = night || !scheme.matches ? 0.8 : 0.5;
            c.globalCompositeOperation = night ? "screen" : "multiply";
            c.drawImage(this.image.element, left, top, width, height);
            if (night) c.filter = "none";
            c.globalCompositeOperation = "source-over";
            c.globalAlpha = 1;
        }
        this.canvas.dataset.image = this.image?.ready ? "shown" : "none";
        const ratio = plan.width / Math.max(this.canvas.clientWidth, 1);
        const step =
            [5, 10, 20, 25, 50, 100, 200, 500, 1000, 5000].find((feet) => feet * scale > 44 * ratio) ?? 10000;
        if (!this.image?.ready) this.makeGrid(c, p, step);
        c.strokeStyle = colour("--line");
        c.lineWidth = 1.5 * ratio;
        c.strokeRect(left, top, width, height);
        c.fillStyle = c.strokeStyle = colour("--muted");
        c.font = `${11 * ratio}px Inter, system-ui, sans-serif`;
        const x = left + 10 * ratio;
        const y = top + height - 10 * ratio;
        c.fillText(`${step} ft`, x, y - 5 * ratio);
        c.fillRect(x, y, step * scale, 1.5 * ratio);
        this.plan = plan;
    }

    makeGrid(c, { extent, scale, x, y }, step) {
        const [left, top] = [x + extent.left * scale, y + extent.top * scale];
        const [right, bottom] = [left + extent.width * scale, top + extent.length * scale];
        c.strokeStyle = colour("--grid");
        c.lineWidth = 1;
        c.beginPath();
        for (let at = Math.ceil(extent.left / step) * step; at <= extent.left + extent.width; at += step) {
            const column = Math.round(x + at * scale) + 0.5;
            c.moveTo(column, top);
            c.lineTo(column, bottom);
        }
        for (let at = Math.ceil(extent.top / step) * step; at <= extent.top + extent.length; at += step) {
            const row = Math.round(y + at * scale) + 0.5;
            c.moveTo(left, row);
            c.lineTo(right, row);
        }
        c.stroke();
    }

    sprite(halo, age) {
        const key = halo * 4 + age;
        let sprite = this.sprites.get(key);
        if (sprite !== undefined) return sprite;
        const ratio = this.canvas.width / Math.max(this.canvas.clientWidth, 1);
        const dot = (this.model.count > 1500 ? 2.25 : 3.5) * ratio;
        const radius = Math.max(HALOS[halo] * ratio, dot + 1);
        const size = Math.ceil(radius * 2 + 2);
        const easel = new OffscreenCanvas(size, size);
        const c = easel.getContext("2d");
        c.globalAlpha = ALPHAS[age];
        if (HALOS[halo] > 0) {
            const soft = c.createRadialGradient(size / 2, size / 2, 0, size / 2, size / 2, radius);
            soft.addColorStop(0, colour("--halo"));
            soft.addColorStop(0.75, colour("--halo"));
            soft.addColorStop(1, `${colour("--dot")}00`);
            c.fillStyle = soft;
            c.beginPath();
            c.arc(size / 2, size / 2, radius, 0, 7);
            c.fill();
        }
        c.fillStyle = colour("--dot");
        c.beginPath();
        c.arc(size / 2, size / 2, dot, 0, 7);
        c.fill();
        sprite = easel.transferToImageBitmap(); /* drawn faster than a canvas */
        this.sprites.set(key, sprite);
        return sprite;
    }

    draw(now) {
        const { context, model } = this;
        if (this.canvas.width === 0 || this.canvas.clientWidth === 0) return;
        const p = this.projection();
        if (this.plan === null) this.makePlan(p);
        const crowd = model.count > 1500;
        if (crowd !== this.crowd) {
            this.crowd = crowd;
            this.sprites.clear();
        }
        context.drawImage(this.plan, 0, 0);
        const ratio = this.canvas.width / this.canvas.clientWidth;
        /* The more there are, the smaller the largest halo, or nothing else would be seen. */
        const room = Math.max(8, this.canvas.clientWidth * 0.032 * Math.min(1, Math.sqrt(80 / model.count)));
        let largest = HALOS.length - 1;
        while (largest > 0 && HALOS[largest] > room) largest--;
        const { x, y, confidence, seen, ids, used } = model;
        for (let i = 0; i < used; i++) {
            if (ids[i] === null) continue;
            const age = now - seen[i];
            const radius = (confidence[i] * p.scale) / ratio;
            let halo = 0;
            while (halo < largest && HALOS[halo + 1] <= radius) halo++;
            const sprite = this.sprite(halo, age < AGES[0] ? 0 : age < AGES[1] ? 1 : 2);
            const half = sprite.width / 2;
            context.drawImage(
                sprite,
                Math.round(p.x + x[i] * p.scale - half),
                Math.round(p.y + y[i] * p.scale - half),
            );
        }
        if (this.pointer !== null) this.ring(p, ratio);
    }

    ring(p, ratio) {
        const { model, context } = this;
        const slot = model.nearest(
            (this.pointer.x * ratio - p.x) / p.scale,
            (this.pointer.y * ratio - p.y) / p.scale,
            (14 * ratio) / p.scale,
        );
        this.pointed = slot < 0 ? null : model.ids[slot];
        if (slot < 0) return;
        context.strokeStyle = colour("--text");
        context.lineWidth = 1.5 * ratio;
        context.beginPath();
        context.arc(
            p.x + model.x[slot] * p.scale,
            p.y + model.y[slot] * p.scale,
            Math.max(8 * ratio, model.confidence[slot] * p.scale),
            0,
            7,
        );
        context.stroke();
    }

    point(event) {
        this.pointer = event === null ? null : { x: event.offsetX, y: event.offsetY };
        this.drawn = -1;
        this.want();
        requestAnimationFrame(() => this.say());
    }

    /* The line under the floor. */
    say() {
        const { model } = this;
        const slot =
            this.pointer !== null && this.pointed !== null ? model.slots.get(this.pointed) : undefined;
        if (slot !== undefined) {
            const within =
                model.confidence[slot] > 0 ? `, within ${model.confidence[slot].toFixed(0)} ft` : "";
            setText(
                this.words,
                `Device ${this.pointed}: x ${model.toX[slot].toFixed(0)} ft, y ${model.toY[slot].toFixed(0)} ft${within}, seen ${duration(performance.now() - model.seen[slot])} ago`,
            );
            return;
        }
        const more = model.left > 0 ? `; ${count(model.left)} more are not drawn` : "";
        setText(
            this.words,
            `${count(model.count)} devices located in the last five minutes${more}. Dots fade with time; the larger a halo, the less sure the place.`,
        );
    }

    describe() {
        const { model } = this;
        const extent = model.extent();
        setAttribute(
            this.canvas,
            "aria-label",
            `${this.name ?? "Floor"}: ${model.count} devices on ${extent.width.toFixed(0)} by ${extent.length.toFixed(0)} feet. The table below lists them.`,
        );
        this.canvas.dataset.devices = String(model.count);
    }

    tabulate() {
        clearTimeout(this.refresh);
        this.refresh = null;
        if (this.details.open) this.list.update(this.model.rows(ROWS, performance.now()));
    }
}
