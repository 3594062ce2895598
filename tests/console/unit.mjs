/* unit.mjs: the parts of the page that need no browser: words, numbers, the hour, the hierarchy, the
 * devices on a floor, the connection. Run by node --test. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { bytes, duration, moment, rate, roundTrip, typeName } from "../../src/console/page/format.js";
import { History, OCCUPANCY_FIGURES, OCCUPANCY_POINTS_MAX } from "../../src/console/page/history.js";
import { FloorModel } from "../../src/console/page/floor_model.js";
import { build, busiest, chain, floorOf, floors, graphed, visible } from "../../src/console/page/places.js";
import { Stream } from "../../src/console/page/stream.js";
import {
    arbiterWords,
    exposure,
    pathWords,
    receiverLevel,
    roleOf,
    since,
    summary,
} from "../../src/console/page/words.js";
import { World } from "./world.mjs";

const NOW = 1_790_000_000_000;
const world = (options) => new World({ now: NOW, ...options });

test("a protected pair: who delivers, and why", () => {
    const words = summary(world().pair(NOW));
    assert.equal(words.level, "good");
    assert.equal(words.title, "Node a delivers, and the pair is protected.");
    assert.equal(words.why, "Should it fail, node b goes on from where it stopped.");
    assert.equal(
        since(world().pair(NOW), () => "noon"),
        "Node b became standby at noon: the preferred node leads when both start (the peer is standby, epoch 1).",
    );
});

test("after a takeover: not protected, with the reason", () => {
    const w = world();
    w.takeover(NOW);
    const words = summary(w.pair(NOW));
    assert.equal(words.level, "warn");
    assert.equal(words.title, "Node b delivers, but the pair is not protected.");
    assert.equal(words.why, "Node a cannot be reached; nobody would take over.");
    assert.match(
        since(w.pair(NOW), () => "noon"),
        /^Node b became primary at noon: the peer is lost and this node is ready \(connection refused .*\)\.$/,
    );
    assert.equal(roleOf(w.pair(NOW).nodes[1]), "unknown", "what was heard last is not what is");
});

test("every state of a pair has a sentence", () => {
    const of = (change, nodes = {}) => {
        const pair = world().pair(NOW);
        Object.assign(pair, change);
        Object.assign(pair.nodes[0], nodes.self);
        Object.assign(pair.nodes[1], nodes.other);
        return summary(pair);
    };
    assert.equal(of({ fenced: true }).level, "bad");
    assert.equal(of({ switching: true }).title, "A planned switchover is under way.");
    assert.equal(of({}, { self: { role: "primary" } }).title, "Both nodes say they are primary.");
    assert.equal(of({}, { other: { role: "standby" } }).title, "No node is known to deliver.");
    assert.equal(
        of({}, { other: { reachable: false } }).level,
        "bad",
        "a standby that hears nobody does not know",
    );
    assert.equal(
        of({ protected: false }, { self: { role: "promoting" }, other: { reachable: false } }).title,
        "Node b is taking over.",
    );
    assert.match(
        of({ protected: false, sync: "own store begins later" }, { self: { ready: false } }).why,
        /catching up: own store begins later\./,
    );
    assert.match(of({ protected: false, maintenance: true }).why, /in maintenance/);
    const alone = world().pair(NOW);
    alone.paired = false;
    alone.nodes = [{ ...alone.nodes[0], role: "primary" }];
    assert.equal(summary(alone).title, "Node b delivers, on its own.");
    assert.equal(exposure(alone), "");
});

test("arbiter, paths and receivers", () => {
    assert.deepEqual(
        [
            { up: true, rtt_ms: 0.42 },
            { up: true, rtt_ms: null },
            { up: false, rtt_ms: 3 },
        ].map(pathWords),
        ["up, 0.4 ms", "up", "down"],
    );
    assert.equal(arbiterWords({ arbiter: { configured: false, type: "none" } }).text, "No arbiter");
    const lost = { configured: true, reachable: false, type: "etcd" };
    assert.equal(arbiterWords({ arbiter: lost, nodes: [{ self: true, role: "primary" }] }).level, "warn");
    assert.equal(
        arbiterWords({ arbiter: lost, nodes: [{ self: true, role: "standby" }] }).text,
        "Etcd: asked by the node that leads",
    );
    assert.equal(
        arbiterWords({
            arbiter: { configured: true, reachable: true, type: "witness", holder: "b", lease_ms: 1700 },
        }).text,
        "Witness: node b holds the lease, for 1.7 s",
    );
    assert.deepEqual(["streaming", "paused", "waiting", "refused"].map(receiverLevel), [
        "good",
        "warn",
        "warn",
        "bad",
    ]);
});

test("numbers and times", () => {
    assert.deepEqual([0, 950, 1500, 61000, 3600000, 90000000].map(duration), [
        "0 ms",
        "950 ms",
        "1.5 s",
        "1 min 1 s",
        "1 h 0 min",
        "1 d 1 h",
    ]);
    assert.deepEqual([null, 0.25, 12.6, 123456].map(rate), ["–", "0.3/s", "13/s", "123.5 k/s"]);
    assert.deepEqual([-1, 0.42, 12.4].map(roundTrip), ["–", "0.4 ms", "12 ms"]);
    assert.equal(bytes(432013312), "412 MiB");
    assert.equal(typeName("DEVICE_LOCATION_UPDATE"), "Device location update");
    assert.match(moment(NOW - 5 * 86400000, NOW), /^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d$/);
});

test("the hour is bounded, keeps holes, and survives a clock set back", () => {
    const hour = new History();
    hour.load(world().history(NOW));
    assert.equal(hour.at.length, 720);
    for (let i = 1; i <= 100; i++)
        hour.add({ at: NOW + i * 5000, received: i, delivered: 0, lag_ms: null, pending: 1 });
    assert.equal(hour.at.length, 720);
    assert.deepEqual(hour.span(0), [hour.at[0], hour.at.at(-1)]);
    assert.equal(hour.last("received"), 100);
    assert.equal(hour.last("lag_ms"), null);
    assert.equal(hour.summary("received").last, 100);
    hour.add({ at: NOW + 100 * 5000, received: 7 });
    assert.equal(hour.last("received"), 100, "the same sample twice counts once");
    hour.add({ at: NOW + 900000, received: 5 });
    assert.equal(hour.values.received.at(-2), null, "a hole is a hole");
    hour.add({ at: NOW - 900000, received: 3 });
    assert.equal(hour.at.length, 1);
    assert.equal(hour.span(0)[1] - hour.span(0)[0], 120, "a young node's hour is two minutes");
    hour.load({ step_s: 5, to: NOW, received: new Array(2000).fill(1) });
    assert.equal(hour.at.length, 720);
    assert.deepEqual(hour.stretches(["received"])[0].means, [1]);
});

test("the hour of a place: full, one point more, bounded, a hole where nothing is known", () => {
    const hour = new History(OCCUPANCY_POINTS_MAX, OCCUPANCY_FIGURES);
    const w = world();
    hour.occupy(w.occupancy("location-b0f0", true, NOW));
    assert.equal(hour.at.length, 360);
    assert.equal(hour.at.at(-1), NOW / 1000);
    assert.equal(hour.at[0], NOW / 1000 - 3590);
    hour.at.forEach((at, i) => {
        const counted = w.counts("location-b0f0", at * 1000);
        for (const name of OCCUPANCY_FIGURES) assert.equal(hour.values[name][i], counted[name]);
    });
    for (let i = 1; i <= 500; i++) hour.occupy(w.occupancy("location-b0f0", false, NOW + i * 10000));
    assert.equal(hour.at.length, 360);
    assert.equal(hour.last("devices"), w.counts("location-b0f0", NOW + 5000000).devices);
    assert.deepEqual(hour.span(0), [hour.at[0], hour.at.at(-1)]);
    const late = { place: "x", full: false, to: NOW + 5000000 + 60000, devices: [7], present: [null] };
    hour.occupy(late);
    assert.deepEqual(
        hour.columns(OCCUPANCY_FIGURES).map((column) => column.at(-1)),
        [late.to / 1000, 7, null, null],
    );
    assert.equal(hour.values.devices.at(-2), null);
    hour.occupy({ place: "y", full: true, step_s: 10, to: NOW, devices: [], present: [], camera: [] });
    assert.equal(hour.at.length, 0, "nothing of another place stays");
    assert.equal(hour.summary("devices"), null);
    hour.occupy({
        place: "y",
        full: true,
        step_s: 10,
        to: NOW,
        devices: new Array(9999).fill(1),
        camera: [4],
    });
    assert.deepEqual([hour.at.length, hour.values.camera.length, hour.last("camera")], [360, 360, 4]);
});

test("the hierarchy: sorted, orphans and circles at the top", () => {
    const { roots, byId } = build(world().space().locations);
    assert.equal(roots.length, 1);
    assert.deepEqual(
        chain(byId.get("location-b1f3")).map((place) => place.name),
        ["Example Industries", "Riverside Campus", "North Hall", "Floor 4"],
    );
    assert.equal(floors(roots[0]).length, 8);
    assert.equal(floorOf(byId.get("location-b0")), null);
    assert.equal(graphed(byId.get("location-b0")).id, "location-b0");
    assert.equal(busiest(roots).level, "FLOOR");
    assert.equal(visible(roots, new Set()).length, 1);
    assert.equal(visible(roots, new Set(["location-1", "location-2"])).length, 4);
    const odd = build([
        { id: "a", parent: "b", name: "A", level: "ZONE" },
        { id: "b", parent: "a", name: "B", level: "ZONE" },
        { id: "c", parent: "nowhere", name: "C 10", level: "FLOOR" },
        { id: "d", parent: "c", name: "C 9", level: "ZONE" },
    ]);
    assert.equal(visible(odd.roots, new Set(["a", "b", "c"])).length, 4, "each is shown once");
    assert.equal(floorOf(odd.byId.get("d")).id, "c");
    assert.equal(graphed(odd.byId.get("d")).id, "c", "a zone has the graph of its floor");
    assert.equal(graphed(odd.byId.get("b")), null);
    const many = build(Array.from({ length: 5000 }, (_, i) => ({ id: `${i}`, parent: null, name: `${i}` })));
    assert.equal(many.byId.size, 2000);
});

test("devices: full, changed, gone, bounded", () => {
    const model = new FloorModel(3);
    model.apply(
        {
            full: true,
            map: { id: "m", width: 100, length: 50 },
            devices: [
                ["a", 0, 0, 5, 0],
                ["b", 10, 10, 5, 0],
                ["c", 20, 20, 5, 0],
                ["d", 30, 30, 5, 0],
            ],
            gone: [],
        },
        1000,
    );
    assert.equal(model.count, 3);
    assert.equal(model.left, 1, "what there is no room for is counted");
    model.apply({ full: false, devices: [["a", 90, 0, 5, 0]], gone: ["b"] }, 2000);
    assert.equal(model.count, 2);
    const slot = model.slots.get("a");
    model.move(2450, false);
    assert.ok(model.x[slot] > 30 && model.x[slot] < 60, "half-way");
    model.move(3000, false);
    assert.equal(model.x[slot], 90);
    model.apply({ full: false, devices: [["a", 10, 0, 5, 0]], gone: [] }, 4000);
    model.move(4001, true);
    assert.equal(model.x[slot], 10, "without motion it is there at once");
    assert.ok(model.moving(4100) && !model.moving(6000));
    model.apply({ full: true, devices: [["e", 1, 1, null, 5]], gone: [] }, 5000);
    assert.deepEqual([...model.slots.keys()], ["e"], "a full list leaves nothing else");
    assert.equal(model.nearest(2, 2, 5), model.slots.get("e"));
    assert.equal(model.nearest(50, 50, 5), -1);
    for (let i = 0; i < 10000; i++)
        model.apply({ full: false, devices: [[`x${i}`, i % 9, 0, 1, 0]], gone: [`x${i - 1}`] }, 6000 + i);
    assert.ok(model.used <= 3 && model.count <= 3);
    model.apply(
        {
            full: false,
            devices: [
                ["y", null, 3, 1, 0],
                ["z", "1", 2, 3, 4],
            ],
            gone: [],
        },
        7000,
    );
    assert.ok(!model.slots.has("y") && !model.slots.has("z"), "what is no place is not drawn");
});

test("the size of a floor: the map's, or what the data needs", () => {
    const model = new FloorModel();
    assert.equal(model.extent().known, false);
    model.apply(
        {
            full: true,
            map: { id: "", width: null, length: null },
            devices: [
                ["a", 120, 40, 5, 0],
                ["b", -7, 20, 5, 0],
            ],
            gone: [],
        },
        0,
    );
    assert.deepEqual(model.extent(), { left: -50, top: 0, width: 200, length: 50, known: false });
    model.apply({ full: false, map: { id: "m", width: 266.5, length: 150 }, devices: [], gone: [] }, 0);
    assert.equal(model.extent().width, 266.5);
});

test("the connection: silence is noticed, and it is opened again, ever more slowly", () => {
    const sources = [];
    const timers = new Map();
    let next = 1;
    const surroundings = {
        EventSource: class {
            constructor(url) {
                this.url = url;
                this.listeners = {};
                sources.push(this);
            }
            addEventListener(type, listener) {
                this.listeners[type] = listener;
            }
            close() {
                this.closed = true;
            }
        },
        setTimeout: (call, ms) => (timers.set(next, { call, ms }), next++),
        clearTimeout: (id) => timers.delete(id),
    };
    const fire = () => {
        const [id, timer] = [...timers].at(-1);
        timers.delete(id);
        timer.call();
        return timer.ms;
    };
    const heard = [];
    const states = [];
    const stream = new Stream(
        (type, object) => heard.push([type, object]),
        (state) => states.push(state),
        surroundings,
    );
    stream.open();
    sources[0].listeners.pair({ data: '{"node":"a"}' });
    sources[0].listeners.pair({ data: "{broken" });
    assert.deepEqual(heard, [["pair", { node: "a" }]]);
    assert.equal(stream.malformed, 1);
    assert.equal(fire(), 5000, "five seconds of silence");
    assert.deepEqual(states, ["live", "lost"]);
    assert.ok(sources[0].closed);
    const waits = [];
    for (let i = 0; i < 6; i++) {
        waits.push(fire());
        sources.at(-1).listeners.error();
    }
    assert.deepEqual(waits, [500, 1000, 2000, 4000, 5000, 5000]);
    fire();
    sources.at(-1).listeners.pair({ data: "{}" });
    assert.deepEqual(states, ["live", "lost", "live"]);
    sources[0].listeners.pair({ data: '{"old":1}' });
    assert.equal(heard.length, 2, "an old connection is not listened to");
    stream.look("location-1 é", null);
    assert.equal(sources.at(-1).url, "/events?floor=location-1%20%C3%A9");
    const before = sources.length;
    stream.look("location-1 é", null);
    assert.equal(sources.length, before);
    stream.look(null, "a&b");
    assert.equal(sources.at(-1).url, "/events?place=a%26b");
    stream.look("f", "f");
    assert.equal(sources.at(-1).url, "/events?floor=f&place=f");
    stream.look(null, null);
    assert.equal(sources.at(-1).url, "/events");
    stream.close();
    assert.equal(timers.size, 0, "nothing stays behind");
});

test("bundled again, the page has the same bits, and nothing in it asks for anything elsewhere", (t) => {
    const [modules, page] = [process.env.PAGE_MODULES, process.env.PAGE];
    if (!modules || !page) return t.skip("PAGE_MODULES and PAGE are not set");
    const again = mkdtempSync(join(tmpdir(), "firehosed-page-"));
    try {
        execFileSync(process.execPath, [
            fileURLToPath(new URL("../../src/console/page/build.mjs", import.meta.url)),
            modules,
            join(again, "page"),
        ]);
        const names = readdirSync(page).sort();
        assert.deepEqual(readdirSync(join(again, "page")).sort(), names);
        for (const name of names) {
            const bits = readFileSync(join(page, name));
            assert.ok(bits.equals(readFileSync(join(again, "page", name))), name);
            const elsewhere = [...bits.toString().matchAll(/\bhttps?:\/\/[\w.-]+/g)]
                .map((found) => found[0])
                .filter((url) => url !== "http://www.w3.org");
            assert.deepEqual(elsewhere, [], name);
        }
        assert.doesNotMatch(
            readFileSync(join(page, "index.html"), "utf8"),
            /<style|\sstyle=|\son\w+=|<script(?![^>]*src=)/,
            "nothing inline",
        );
    } finally {
        rmSync(again, { recursive: true });
    }
});
