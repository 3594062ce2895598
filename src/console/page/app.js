/* app.js: the page: the connection to the node (stream.js) on one side, two tabs on the other. Says
 * plainly when the node is not heard. It can order nothing. */
import { h, setAttribute, setText } from "./dom.js";
import { clock, duration } from "./format.js";
import { History } from "./history.js";
import { PairView } from "./pair_view.js";
import { SpaceView } from "./space_view.js";
import { Stream } from "./stream.js";
import { nameOf, roleOf, since, summary, unreachableWords } from "./words.js";

const history = new History();
const pairView = new PairView(history);
const stream = new Stream(heard, stateChanged);
const spaceView = new SpaceView(
    (floor, place) => stream.look(floor, place),
    (id) => address("space", id),
);
const tabs = [
    { name: "pair", label: "The pair", view: pairView },
    { name: "space", label: "The space", view: spaceView },
];
const page = {};
let pair = null;
let lastHeard = Date.now();
let version = null;

function heard(type, object) {
    lastHeard = Date.now();
    switch (type) {
        case "pair":
            pair = object;
            renew(object.version);
            pairView.update(object);
            head();
            break;
        case "history":
            history.load(object);
            pairView.updateCharts();
            break;
        case "sample":
            history.add(object);
            pairView.updateCharts();
            break;
        case "space":
            spaceView.update(object);
            break;
        case "occupancy":
            spaceView.occupancy(object);
            break;
        case "devices":
            spaceView.devices(object);
            break;
    }
}

/* The node was upgraded while the page was open: its page may have been, too. */
function renew(now) {
    if (version !== null && now !== version) location.reload();
    version = now;
}

/* Node, role and protection, always in sight, and in the title of the window. */
function head() {
    const self = pair.nodes.find((node) => node.self);
    const words = summary(pair);
    const role = self === undefined ? "" : roleOf(self);
    setText(page.node, self === undefined ? "" : nameOf(self));
    setText(page.role, role);
    page.role.className = `pill ${role === "primary" ? "accent" : ""}`;
    const protection = !pair.paired ? "single node" : pair.protected ? "protected" : "not protected";
    setText(page.protection, protection);
    page.protection.className = `pill ${words.level}`;
    setText(page.version, `firehosed ${pair.version}, up ${duration(pair.uptime_ms)}`);
    if (stream.state === "live") document.title = `${pair.node}: ${role}, ${protection} – firehosed`;
    announce(`${words.title} ${words.why} ${since(pair, (at) => clock(at))}`);
}

let announced = "";
function announce(text) {
    if (text === announced) return;
    announced = text;
    setText(page.announcer, text);
}

function stateChanged(state) {
    document.documentElement.dataset.state = state;
    page.banner.hidden = state !== "lost";
    if (state === "lost") {
        setText(page.role, "");
        setText(page.protection, "state unknown");
        page.protection.className = "pill bad";
        document.title = `${pair?.node ?? "node"}: cannot be reached – firehosed`;
        lost();
    } else {
        setText(page.bannerTitle, "");
    }
    connection();
}

function lost() {
    setText(page.bannerTitle, unreachableWords(pair?.node));
    setText(
        page.bannerText,
        pair === null
            ? "Nothing was heard from it yet. This page keeps trying."
            : `What is shown below is from ${clock(lastHeard)} and may no longer be true. This page keeps trying; the other node has a page of its own.`,
    );
    setText(page.bannerFor, duration(Math.floor((Date.now() - lastHeard) / 1000) * 1000));
}

function connection() {
    const words = { live: "live", lost: "cannot be reached", connecting: "connecting" }[stream.state];
    setText(page.connection, words);
    page.connection.className = `connection ${stream.state}`;
}

/* The address names tab and place, so that a reload or a link leads back there. */
function address(name, id) {
    const hash = id === null || id === undefined ? `#${name}` : `#${name}/${encodeURIComponent(id)}`;
    if (location.hash !== hash) window.history.replaceState(null, "", hash);
}

function open(name, byHand) {
    for (const tab of tabs) {
        const chosen = tab.name === name;
        setAttribute(tab.button, "aria-selected", String(chosen));
        setAttribute(tab.button, "tabindex", chosen ? "0" : "-1");
        tab.panel.hidden = !chosen;
    }
    spaceView.show(name === "space");
    if (byHand) address(name, name === "space" ? spaceView.place?.id : null);
}

function fromAddress() {
    const [name, id] = location.hash.slice(1).split("/");
    const known = tabs.some((tab) => tab.name === name) ? name : "pair";
    if (known === "space" && id !== undefined) {
        try {
            spaceView.want(decodeURIComponent(id));
        } catch {
            /* not one of our addresses */
        }
    }
    open(known, false);
}

function keys(event) {
    const at = tabs.findIndex((tab) => tab.button === event.target);
    const steps = { ArrowRight: 1, ArrowLeft: -1, Home: -at, End: tabs.length - 1 - at };
    if (at < 0 || !(event.key in steps)) return;
    const next = tabs[(at + steps[event.key] + tabs.length) % tabs.length];
    open(next.name, true);
    next.button.focus();
    event.preventDefault();
}

function makeTab(tab) {
    const button = {
        id: `tab-${tab.name}`,
        "aria-controls": `panel-${tab.name}`,
        onclick: () => open(tab.name, true),
    };
    const panel = { id: `panel-${tab.name}`, "aria-labelledby": `tab-${tab.name}`, tabindex: "-1" };
    tab.button = h("button", { type: "button", role: "tab", ...button }, tab.label);
    tab.panel = h("div", { role: "tabpanel", ...panel }, tab.view.element);
}

function makeHeader() {
    page.node = h("strong", { class: "node" }, "…");
    page.role = h("span", { class: "pill" });
    page.protection = h("span", { class: "pill" });
    page.connection = h("span", { class: "connection connecting" }, "connecting");
    const buttons = tabs.map((tab) => tab.button);
    return h(
        "header",
        { class: "top" },
        h("h1", null, h("span", { class: "mark", "aria-hidden": "true" }), "firehosed"),
        h("p", { class: "who" }, page.node, page.role, page.protection),
        h("div", { class: "tabs", role: "tablist", "aria-label": "Views", onkeydown: keys }, buttons),
        page.connection,
    );
}

/* Read out once; how long it lasts goes on beside it, silently. */
function makeBanner() {
    page.bannerTitle = h("strong");
    page.bannerText = h("span");
    page.bannerFor = h("span", { class: "for" });
    const alert = h("span", { role: "alert" }, page.bannerTitle, " ", page.bannerText);
    return h("div", { class: "banner", hidden: true }, alert, page.bannerFor);
}

function makeSkip() {
    const toContent = (event) => {
        event.preventDefault();
        document.getElementById("main").focus();
    };
    return h("a", { class: "skip", href: "#main", onclick: toContent }, "To the content");
}

function build() {
    tabs.forEach(makeTab);
    page.version = h("span");
    page.announcer = h("p", { class: "hidden", "aria-live": "polite" });
    page.banner = makeBanner();
    const panels = tabs.map((tab) => tab.panel);
    const promise =
        "Read-only. Shows no names, addresses or numbers of people; devices have ids of this page only, unless console.device_ids is set.";
    document.body.replaceChildren(
        makeSkip(),
        makeHeader(),
        page.banner,
        h("main", { id: "main", tabindex: "-1" }, panels),
        h("footer", null, page.version, h("span", null, promise)),
        page.announcer,
    );
}

build();
addEventListener("hashchange", fromAddress);
addEventListener("pagehide", () => stream.close());
addEventListener("pageshow", (event) => {
    if (event.persisted) stream.open();
});
setInterval(() => {
    if (stream.state === "lost") lost();
}, 1000);
fromAddress();
connection();
stream.open();
