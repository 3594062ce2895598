/* picture.js: the pair as a picture: the service, two nodes, the paths between them, the arbiter and
 * where events go. Draws a "pair" event into an SVG, wide or narrow; the words stand in a table beside
 * it (pair_view.js). */
import { svg } from "./dom.js";
import { arbiterWords, inOrder, pathWords, roleOf } from "./words.js";

/* Where things stand. A node is a box; paths run between the facing sides. */
const WIDE = {
    size: [960, 350],
    service: [340, 12, 280, 46],
    nodes: [
        [24, 108, 300, 124],
        [636, 108, 300, 124],
    ],
    arbiter: [340, 288, 280, 46],
    sinks: [
        [24, 288, 236, 46],
        [700, 288, 236, 46],
    ],
};
const NARROW = {
    size: [360, 640],
    service: [50, 10, 260, 46],
    nodes: [
        [20, 96, 320, 124],
        [20, 330, 320, 124],
    ],
    arbiter: [50, 490, 260, 46],
    sinks: [
        [50, 576, 260, 46],
        [50, 576, 260, 46],
    ],
};

const SIGNS = {
    primary: "M4 3l9 5-9 5z",
    standby: "M4 3h3v10H4zM9 3h3v10H9z",
    other: "M8 3a5 5 0 100 10A5 5 0 008 3z",
};

function text(x, y, words, kind, anchor = "start") {
    return svg("text", { x, y, class: kind, "text-anchor": anchor }, words);
}

/* Cut to what fits: SVG does not wrap. */
function cut(words, length) {
    return words.length <= length ? words : `${words.slice(0, length - 1)}…`;
}

function box([x, y, width, height], kind) {
    return svg("rect", { x, y, width, height, rx: 10, class: `box ${kind}` });
}

function link(x1, y1, x2, y2, kind) {
    return svg("line", { x1, y1, x2, y2, class: `link ${kind}` });
}

function node(place, item, pair) {
    const [x, y, width] = place;
    const role = roleOf(item);
    const kind =
        role === "primary"
            ? pair.fenced && item.self
                ? "fenced"
                : "primary"
            : role === "unknown"
              ? "unknown"
              : "standby";
    const sign = kind === "unknown" ? SIGNS.other : (SIGNS[role] ?? SIGNS.other);
    const known = role === "unknown" ? "cannot be reached" : role;
    const state =
        role === "unknown"
            ? item.role && item.epoch
                ? `last heard as ${item.role}, epoch ${item.epoch}`
                : "never heard"
            : role === "standby"
              ? item.ready
                  ? "ready to take over"
                  : "catching up, not ready"
              : item.self && pair.fenced
                ? "fenced: publishes nothing"
                : `epoch ${item.epoch}`;
    const parts = [
        box(place, kind),
        svg("path", {
            d: sign,
            class: `sign ${kind}`,
            transform: `translate(${x + 18} ${y + 17}) scale(1.15)`,
        }),
        text(x + 46, y + 34, item.node === "" ? "other node" : cut(item.node, 20), "name"),
        text(x + 18, y + 72, known, `role ${kind}`),
        text(x + 18, y + 96, state, "small"),
    ];
    if (role === "standby" && item.ready)
        parts.push(text(x + 18, y + 114, `knows epoch ${item.epoch}`, "small"));
    if (item.self) {
        parts.push(
            svg("rect", { x: x + width - 92, y: y + 16, width: 76, height: 22, rx: 11, class: "chip" }),
            text(x + width - 54, y + 31, "this node", "chip-text", "middle"),
        );
    }
    return svg("g", { "data-node": item.node, "data-role": role }, parts);
}

/* The paths of the link, each with its address and round trip. */
function paths(list, from, to, narrow) {
    const n = Math.max(list.length, 1);
    return list.slice(0, 4).flatMap((path, i) => {
        const kind = path.up ? "up" : "down";
        const words = pathWords(path);
        const plain = path.up && path.datagrams === false ? ", no datagrams" : "";
        const address = cut(String(path.address).replace(/^tcp:\/\//, ""), 30);
        if (narrow) {
            const x = from[0] + 30 + (i * (from[2] - 20)) / n;
            const y = (from[1] + from[3] + to[1]) / 2;
            const parts = [link(x, from[1] + from[3], x, to[1], kind)];
            if (!path.up) parts.push(cross(x, y - 24));
            if (n === 1)
                parts.push(
                    text(x + 16, y - 4, `${words}${plain}`, `path ${kind}`),
                    text(x + 16, y + 14, address, "small"),
                );
            else parts.push(text(x + 12, y + 4, n > 2 ? words.replace("up, ", "") : words, `path ${kind}`));
            return parts;
        }
        const y = from[1] + 34 + i * (n > 2 ? 28 : 44);
        const x = (from[0] + from[2] + to[0]) / 2;
        const parts = [
            link(from[0] + from[2], y, to[0], y, kind),
            text(x, y - 7, `${words}${plain}`, `path ${kind}`, "middle"),
        ];
        if (!path.up) parts.push(cross(x + 104, y));
        if (n <= 2) parts.push(text(x, y + 17, address, "small", "middle"));
        return parts;
    });
}

function cross(x, y) {
    return svg("path", { d: `M${x - 6} ${y - 6}l12 12m0 -12l-12 12`, class: "cross" });
}

function arbiter(place, pair, boxes, nodes, narrow) {
    const words = arbiterWords(pair);
    const [x, y, width, height] = place;
    const parts = [box(place, `arbiter ${words.level}`)];
    const lines = words.text.split(/: |, for /);
    if (lines.length > 1) {
        parts.push(
            text(x + width / 2, y + 20, lines[0], "label", "middle"),
            text(x + width / 2, y + 37, lines.slice(1).join(", for "), "small", "middle"),
        );
    } else {
        parts.push(
            text(x + width / 2, y + 28, words.text, words.level === "none" ? "small" : "label", "middle"),
        );
    }
    if (pair.arbiter?.configured && !narrow) {
        nodes.forEach((item, i) => {
            const [nx, ny, nw, nh] = boxes[i];
            const holds = item.reachable && pair.arbiter.holder === item.node;
            const kind = item.self
                ? pair.arbiter.reachable
                    ? "up"
                    : words.level === "warn"
                      ? "down"
                      : "faint"
                : holds
                  ? "up"
                  : "faint";
            parts.unshift(
                svg("path", {
                    d: `M${i === 0 ? nx + nw - 30 : nx + 30} ${ny + nh} V${y + height / 2} H${i === 0 ? x : x + width}`,
                    class: `link ${kind} thin`,
                }),
            );
        });
    } else if (pair.arbiter?.configured) {
        const last = boxes[boxes.length - 1];
        parts.unshift(
            link(
                x + width / 2,
                last[1] + last[3],
                x + width / 2,
                y,
                pair.arbiter.reachable ? "up thin" : words.level === "warn" ? "down thin" : "faint thin",
            ),
        );
    }
    return parts;
}

function sinksOf(place, from, item, pair, narrow) {
    const role = roleOf(item);
    if (role !== "primary") return [];
    const [x, y, width] = place;
    const names = (pair.sinks ?? []).map((sink) => sink.name);
    const sick = item.self ? (pair.sinks ?? []).filter((sink) => !sink.healthy) : [];
    const fenced = item.self && pair.fenced;
    const words = names.length === 0 ? "sinks" : names.join(", ");
    return [
        narrow ? null : link(x + 60, from[1] + from[3], x + 60, y, fenced ? "down" : "flow"),
        box(place, sick.length > 0 ? "sinks warn" : "sinks"),
        text(
            x + width / 2,
            y + 20,
            sick.length > 0 ? `${sick.length} of ${names.length} sinks in trouble` : "delivers to",
            "small",
            "middle",
        ),
        text(x + width / 2, y + 38, cut(words, 30), "label", "middle"),
    ].filter((part) => part !== null);
}

/* Fills element with the picture. */
export function draw(element, pair, narrow) {
    const places = narrow ? NARROW : WIDE;
    const nodes = inOrder(pair.nodes).slice(0, 2);
    const alone = nodes.length === 1;
    const boxes = alone ? [narrow ? places.nodes[0] : [330, 108, 300, 124]] : places.nodes;
    const sinkBoxes = alone && !narrow ? [[330, 288, 300, 46]] : places.sinks;
    const [sx, sy, sw, sh] = places.service;
    const parts = [];
    nodes.forEach((item, i) => {
        const [nx, ny, nw] = boxes[i];
        const live = item.self
            ? (pair.receivers ?? []).some((receiver) => receiver.state === "streaming")
            : item.reachable;
        const kind = live ? "flow" : item.self ? "down" : "faint";
        if (narrow) {
            const x = i === 0 ? sx + sw / 2 : sx + sw - 14;
            if (i === 0) parts.push(link(x, sy + sh, x, ny, kind));
        } else if (alone) {
            parts.push(link(sx + sw / 2, sy + sh, sx + sw / 2, ny, kind));
        } else {
            const start = i === 0 ? sx : sx + sw;
            parts.push(
                svg("path", { d: `M${start} ${sy + sh / 2} H${nx + nw / 2} V${ny}`, class: `link ${kind}` }),
            );
        }
    });
    parts.push(
        box(places.service, "service"),
        text(sx + sw / 2, sy + 20, "Partner Firehose", "label", "middle"),
        text(
            sx + sw / 2,
            sy + 37,
            alone ? `channel ${pair.channel}` : `channel ${pair.channel}, a replica for each node`,
            "small",
            "middle",
        ),
    );
    if (!alone)
        parts.push(
            ...paths(pair.paths ?? [], boxes[0], boxes[1], narrow),
            ...arbiter(places.arbiter, pair, boxes, nodes, narrow),
        );
    nodes.forEach((item, i) =>
        parts.push(node(boxes[i], item, pair), ...sinksOf(sinkBoxes[i], boxes[i], item, pair, narrow)),
    );
    const [width, height] = places.size;
    element.setAttribute("viewBox", `0 0 ${width} ${alone && narrow ? 240 : height}`);
    element.replaceChildren(...parts);
}
