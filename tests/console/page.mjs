/* page.mjs: the console's page in a real browser, on both nodes of a pair, through a failover.
 *
 *   node tests/console/page.mjs --fake build/console          against the made-up pair
 *   node tests/console/page.mjs URL_A URL_B PID_A EVENTS...   against a real one, whose node a is primary;
 *                                                             PID_A gets SIGKILL. EVENTS: folders of what
 *                                                             each node delivered: what the graphs must
 *                                                             show, and personal data that nothing may
 *
 * PICTURES names a folder for screenshots; MAPS=1: floors have images; AGAIN names a file that is made when
 * node a is to be started again. Ends with 1 and a sentence at the first check that fails. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import assert from "node:assert/strict";
import { join } from "node:path";
import { accessibility, launch, watched } from "./browser.mjs";
import { startFake } from "./fake.mjs";

const PICTURES = process.env.PICTURES;
const MAPS = process.env.MAPS === "1"; /* the node has images of floors */
const WAIT = { timeout: 60000 };

function said(sentence) {
    console.log(`ok      ${sentence}`);
}

async function picture(page, name, fullPage = false) {
    if (!PICTURES) return;
    mkdirSync(PICTURES, { recursive: true });
    await page.evaluate(() => {
        document.activeElement?.blur();
        scrollTo(0, 0);
    });
    await page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage });
}

const headline = (page, text) =>
    page.waitForFunction(
        (words) => document.querySelector("h2#pair-title")?.textContent === words,
        text,
        WAIT,
    );
const inHeader = (page, text) =>
    page.waitForFunction((word) => document.querySelector(".who")?.textContent.includes(word), text, WAIT);

async function roles(a, b) {
    await Promise.all([a, b].map((page) => headline(page, "Node a delivers, and the pair is protected.")));
    await inHeader(a, "primary");
    await inHeader(b, "standby");
    for (const page of [a, b]) {
        const shown = await page
            .locator("svg.picture g[data-node]")
            .evaluateAll((list) => list.map((item) => [item.dataset.node, item.dataset.role]));
        assert.deepEqual(
            shown,
            [
                ["a", "primary"],
                ["b", "standby"],
            ],
            "the picture shows both nodes in the same order on both pages",
        );
        await page.waitForFunction(
            () => /up, [\d.]+ ms/.test(document.querySelector("svg.picture").textContent),
            null,
            WAIT,
        );
    }
    said("both pages show both roles, the link and its round trip");
}

/* There is a line in the colour of a graph's first figure. */
const drawn = (page, selector) =>
    page.waitForFunction(
        (where) => {
            const canvas = document.querySelector(where);
            if (canvas === null || canvas.width === 0) return false;
            const line = getComputedStyle(document.documentElement).getPropertyValue("--line-1").trim();
            const [r, g, b] = [1, 3, 5].map((at) => parseInt(line.slice(at, at + 2), 16));
            const { data } = canvas
                .getContext("2d", { willReadFrequently: true })
                .getImageData(0, 0, canvas.width, canvas.height);
            let found = 0;
            for (let i = 0; i < data.length; i += 4)
                if (
                    data[i + 3] > 200 &&
                    Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 24
                )
                    found++;
            return found > 5;
        },
        selector,
        { timeout: 60000, polling: 1000 },
    );

async function figures(page) {
    await page.waitForFunction(
        () => /^[\d.,]+( k)?\/s$/.test(document.querySelector(".tiles dd")?.textContent ?? ""),
        null,
        WAIT,
    );
    await page.waitForFunction(() => document.querySelectorAll(".plot canvas").length === 3, null, WAIT);
    await drawn(page, ".charts .plot canvas");
    await page.locator(".chart summary").first().click();
    await page.waitForFunction(() => document.querySelectorAll(".chart tbody tr").length > 0, null, WAIT);
    await page.locator(".chart summary").first().click();
    assert.ok((await page.locator("section[aria-label=Sinks] tbody tr").count()) > 0, "sinks are listed");
    assert.match(
        await page.locator("section[aria-label=Sinks] tbody tr").first().textContent(),
        /once/,
        "with their promise",
    );
    assert.ok(
        (await page.locator("section[aria-label=Receivers] tbody tr").count()) > 0,
        "receivers are listed",
    );
    said("figures, graphs and their tables, receivers, sinks with their promise");
}

/* From the top of the page with nothing but the keyboard to a floor with dots. */
async function keyboard(page) {
    const focus = () =>
        page.evaluate(() => [
            document.activeElement.getAttribute("role"),
            document.activeElement.textContent,
        ]);
    await page.locator("body").press("Tab");
    assert.equal((await focus())[1], "To the content");
    await page.keyboard.press("Tab");
    assert.deepEqual(await focus(), ["tab", "The pair"]);
    await page.keyboard.press("ArrowRight");
    assert.deepEqual(await focus(), ["tab", "The space"]);
    assert.equal(await page.locator("#panel-pair").isHidden(), true);
    await page.waitForSelector('[role="treeitem"][aria-level="3"]', WAIT);
    await page.keyboard.press("Tab");
    assert.equal((await focus())[0], "treeitem");
    await page.keyboard.press("Home");
    const root = page.locator('[role="treeitem"]').first();
    assert.equal(await root.getAttribute("tabindex"), "0");
    const rows = await page.locator('[role="treeitem"]').count();
    await page.keyboard.press("ArrowLeft");
    assert.equal(await root.getAttribute("aria-expanded"), "false");
    assert.equal(await page.locator('[role="treeitem"]').count(), 1);
    await page.keyboard.press("ArrowRight");
    /* places may have been heard of meanwhile */
    assert.ok((await page.locator('[role="treeitem"]').count()) >= rows, "opened again as it was");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement.getAttribute("aria-selected")), "true");
    await page.waitForFunction(() => document.querySelectorAll("table.bars tbody tr").length > 0, null, WAIT);
    assert.equal(
        await page.locator('[role="treeitem"][tabindex="0"]').count(),
        1,
        "Tab reaches one row of the tree",
    );
    for (let i = 0; i < rows; i++) {
        const level = await page.evaluate(() => document.activeElement.querySelector(".level")?.textContent);
        if (level === "floor") break;
        await page.keyboard.press("ArrowDown");
    }
    await page.keyboard.press("Enter");
    assert.match(page.url(), /#space\//, "the address leads back here");
    said("tabs and tree by keyboard alone");
}

/* The first image of a floor is refused, as by a node that has too much to send: it is asked for again. */
async function refuseAnImage(page) {
    let refused = false;
    await page.route("**/map/**", (route) => {
        if (refused) return route.continue();
        refused = true;
        return route.fulfill({ status: 503 });
    });
}

const dots = (page) => page.locator("canvas.floor").evaluate((canvas) => canvas.toDataURL());

/* Until the floor is drawn otherwise than in that image. */
const changed = (page, image) =>
    page.waitForFunction(
        (before) => document.querySelector("canvas.floor").toDataURL() !== before,
        image,
        WAIT,
    );

async function floor(page) {
    await page.waitForFunction(
        () => Number(document.querySelector("canvas.floor")?.dataset.devices) > 3,
        null,
        { timeout: 60000 },
    );
    await page.waitForFunction(
        () => Number(document.querySelector("canvas.floor").dataset.frames) > 60,
        null,
        { timeout: 60000 },
    );
    await changed(page, await dots(page)); /* dots move */
    await page.locator(".floor-box summary").click();
    await page.waitForFunction(() => document.querySelectorAll(".floor-box tbody tr").length > 3, null, WAIT);
    await page.locator(".floor-box summary").click();
    assert.ok((await page.locator("table.bars tbody tr").count()) > 0, "occupancy by floor");
    if (MAPS) {
        await page.waitForFunction(
            () => document.querySelector("canvas.floor").dataset.image === "shown",
            null,
            WAIT,
        );
        page.misdeeds = page.misdeeds.filter((line) => !/\b503\b/.test(line)); /* ours, see refuseAnImage */
    }
    said(`the floor view draws dots that move${MAPS ? ", over the image of the floor" : ""}, and lists them`);
}

/* ---- the graph of the space: what it shows is what was sent ---- */

const ABOUT_MS = 30000; /* presence changes all the time: so much about an instant may be shown of it */

/* What was said of places, from the records in folders: {counted, until(ms), devices(), present()}. */
class Truth {
    constructor(folders) {
        this.folders = folders;
        this.read();
    }

    read() {
        this.places = new Map();
        this.newest = 0;
        for (const folder of this.folders)
            for (const name of readdirSync(folder).filter((file) => file.endsWith(".ndjson")))
                for (const line of readFileSync(join(folder, name), "utf8").split("\n"))
                    if (line !== "") this.take(line);
        for (const place of this.places.values())
            for (const list of Object.values(place)) list.sort((a, b) => a.stamp - b.stamp);
    }

    take(line) {
        const stamp = Number(/"recordTimestamp":(\d+)/.exec(line)?.[1] ?? 0);
        this.newest = Math.max(this.newest, stamp);
        if (!/"(associatedCount|activeDevicesCount|activeUsersCount)"/.test(line)) return;
        const record = JSON.parse(line);
        const about = record.deviceCounts ?? record.devicePresence ?? record.userPresence;
        if (about?.location === undefined) return;
        const id = about.location.locationId;
        const floor = about.location.inferredLocationTypes.includes("FLOOR");
        const place = this.places.get(id) ?? { floor: [], devices: [], present: [], users: [] };
        this.places.set(id, place);
        const add = (list, value) => value !== undefined && list.push({ stamp, value });
        if (floor && place.floor.length === 0) add(place.floor, true);
        add(place.devices, record.deviceCounts?.associatedCount);
        add(place.present, record.devicePresence?.activeDevicesCount);
        add(place.users, record.userPresence?.activeUsersCount?.totalUsers);
    }

    /* The floor of which a DEVICE_COUNT was delivered first; undefined: of none yet. */
    counted() {
        this.read();
        return [...this.places]
            .filter(([, place]) => place.floor.length > 0 && place.devices.length > 0)
            .sort(([, a], [, b]) => a.devices[0].stamp - b.devices[0].stamp)[0]?.[0];
    }

    /* When all of an instant and before has been delivered. */
    async until(ms) {
        const end = Date.now() + WAIT.timeout;
        while (this.newest < ms + 3000) {
            assert.ok(Date.now() < end, "nothing is delivered any more");
            await new Promise((resolve) => setTimeout(resolve, 200));
            this.read();
        }
    }

    /* Values the devices of a place may have at an instant after one value was shown. */
    devices(id, at, shown) {
        const said = this.places.get(id)?.devices ?? [];
        const from = said.findIndex((item) => item.value === shown);
        return said.slice(from).flatMap((item) => (item.stamp <= at + 3000 ? [item.value] : []));
    }

    /* The same without having seen one; null when none was said long enough before. */
    devicesBefore(id, at) {
        const said = this.places.get(id)?.devices ?? [];
        return said.some((item) => item.stamp < at - ABOUT_MS) ? this.about(said, at) : null;
    }

    present(id, at) {
        const place = this.places.get(id) ?? { present: [], users: [] };
        return this.about(place.users.length > 0 ? place.users : place.present, at);
    }

    about(said, at) {
        const before = said.filter((item) => item.stamp < at - ABOUT_MS).slice(-1);
        const about = said.filter((item) => item.stamp >= at - ABOUT_MS && item.stamp <= at + 3000);
        return [...(before.length > 0 ? before : [{ value: null }]), ...about].map((item) => item.value);
    }
}

/* The same of a made-up world, which can say it exactly. */
class FakeTruth {
    constructor(world) {
        this.world = world;
    }

    counted() {
        return "location-b0f0";
    }

    async until() {}

    at(id, ms, figure) {
        return [ms, ms + 999].map((at) => this.world.counts(id, at)[figure]);
    }

    devices(id, at) {
        return this.at(id, at, "devices");
    }

    devicesBefore(id, at) {
        return this.at(id, at, "devices");
    }

    present(id, at) {
        return this.at(id, at, "present");
    }
}

const goTo = async (page, id) => {
    await page.evaluate((place) => (location.hash = `#space/${encodeURIComponent(place)}`), id);
    await page.waitForSelector(`[role="treeitem"][data-key="${id}"][aria-selected="true"]`, WAIT);
    const name = await page.locator(`[role="treeitem"][data-key="${id}"] .place`).textContent();
    await page.waitForFunction(
        (title) => document.querySelector(".there .chart h3").textContent === `Occupancy of ${title}`,
        name,
        WAIT,
    );
    return name;
};

const number = (text) => (text === "–" ? null : Number(text.replaceAll(",", "")));

/* To the floor counted first. When the page shows its DEVICE_COUNT the node knows it: every point of the graph
 * from then on has that or a later one. */
async function countedFloor(page, truth) {
    const end = Date.now() + WAIT.timeout;
    let id;
    while ((id = truth.counted()) === undefined) {
        assert.ok(Date.now() < end, "a DEVICE_COUNT of a floor is delivered");
        await page.waitForTimeout(200);
    }
    await goTo(page, id);
    for (;;) {
        const shown = number(await page.locator(".place-head dl dd").first().textContent());
        if (truth.devices(id, Date.now(), shown).includes(shown)) return { id, shown, from: Date.now() };
        if (truth instanceof FakeTruth) return { id, shown, from: Date.now() };
        assert.ok(Date.now() < end, `the page shows the DEVICE_COUNT of ${id}, not ${shown}`);
        await page.waitForTimeout(100);
        truth.counted();
    }
}

/* {ms: [figures]} of the points that the pointer meets on its way over the graph. */
async function pointed(page) {
    const chart = page.locator(".there .chart");
    await chart.scrollIntoViewIfNeeded();
    const box = await chart.locator(".u-over").boundingBox();
    const points = new Map();
    for (let i = 0; i < 24; i++) {
        /* the newest point, at the very end, is among them */
        await page.mouse.move(box.x + 1 + ((box.width - 2) * i) / 23, box.y + box.height / 2);
        await chart.locator(".when", { hasText: /^at / }).waitFor();
        const [when, ...shown] = await chart.evaluate((element) =>
            [".when", ".figure"].flatMap((name) =>
                [...element.querySelectorAll(name)].map((item) => item.textContent),
            ),
        );
        const time = /^at (\d\d):(\d\d):(\d\d)$/.exec(when);
        assert.ok(time, `the pointer shows a time, not "${when}"`);
        const at = new Date();
        at.setHours(...time.slice(1).map(Number), 0);
        if (at.getTime() > Date.now() + 60000) at.setDate(at.getDate() - 1);
        points.set(at.getTime(), shown.map(number));
    }
    await page.mouse.move(0, 0);
    return points;
}

function check(truth, figure, name, at, value, allowed) {
    assert.ok(
        allowed.includes(value),
        `${figure} of ${name} at ${new Date(at).toISOString()}: ${value}, and sent were ${allowed.join(", ")}`,
    );
}

/* The graph of the floor and of its building, point by point, against what was sent. */
async function occupancy(page, truth, floor) {
    await page.locator("#tab-space").click();
    const name = await goTo(page, floor.id);
    await page.waitForFunction(
        (from) => Number(document.querySelector(".there .plot").dataset.newest) * 1000 > from,
        floor.from + 1000 /* the pointer tells whole seconds */,
        WAIT,
    );
    await drawn(page, ".there .plot canvas");
    await page.locator(".there .chart summary").click();
    await page.waitForFunction(
        () => document.querySelectorAll(".there .chart tbody tr").length > 0,
        null,
        WAIT,
    );
    await page.locator(".there .chart summary").click();
    const points = await pointed(page);
    const [house, title] = await page.locator(".crumbs button").evaluateAll((list) => {
        const last = list.at(-1);
        return [last.dataset.key, last.textContent];
    });
    await page.locator(".crumbs button").last().click();
    await page.waitForFunction(
        (text) => document.querySelector(".there .chart h3").textContent === `Occupancy of ${text}`,
        title,
        WAIT,
    );
    await drawn(page, ".there .plot canvas");
    const above = await pointed(page);
    assert.ok(await page.locator("canvas.floor").isHidden(), "a building has no floor view");
    await truth.until(Math.max(...points.keys(), ...above.keys()));
    let counted = 0;
    let compared = 0;
    for (const [at, [devices, present]] of points) {
        check(truth, "presence", name, at, present, truth.present(floor.id, at));
        const allowed =
            at >= floor.from ? truth.devices(floor.id, at, floor.shown) : truth.devicesBefore(floor.id, at);
        if (allowed === null) continue;
        check(truth, "devices", name, at, devices, allowed);
        counted += at >= floor.from ? 1 : 0;
        compared++;
    }
    for (const [at, [, present]] of above)
        check(truth, "presence", title, at, present, truth.present(house, at));
    assert.ok(counted > 0, "a point of the floor is newer than its DEVICE_COUNT");
    said(
        `the graph of a floor and of its building shows what was sent: devices at ${compared} instants, ` +
            `presence at ${points.size + above.size}`,
    );
}

/* Without motion nothing is animated, and the floor is drawn when something is heard, not in between. */
async function still(page) {
    await page.emulateMedia({ reducedMotion: "reduce" });
    await page.waitForFunction(() => document.getAnimations().length === 0, null, WAIT);
    const frames = () => page.locator("canvas.floor").evaluate((canvas) => Number(canvas.dataset.frames));
    let before;
    for (let i = 0; i < 100 && before !== (before = await frames()); i++) await page.waitForTimeout(300);
    await changed(page, await dots(page));
    assert.equal(await frames(), before, "no frame in between");
    await page.emulateMedia({ reducedMotion: null });
    said("reduced motion: no animation, no interpolation");
}

async function accessible(page, what) {
    for (const colorScheme of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme });
        assert.deepEqual(await accessibility(page), [], `${what}, ${colorScheme}`);
    }
    said(`axe finds nothing serious: ${what}, light and dark`);
}

/* What the stream says in so many milliseconds, or longer: until it has said all of that. */
async function overheard(url, floor, ms, wanted) {
    const answer = await fetch(
        new URL(floor === null ? "/events" : `/events?floor=${encodeURIComponent(floor)}`, url),
    );
    const reader = answer.body.getReader();
    const decoder = new TextDecoder();
    let text = "";
    const begun = Date.now();
    const complete = () => Date.now() >= begun + ms && wanted.every((words) => text.includes(words));
    while (!complete() && Date.now() < begun + WAIT.timeout) {
        const { value, done } = await reader.read(); /* something comes every second */
        if (done) break;
        text += decoder.decode(value, { stream: true });
    }
    await reader.cancel();
    return text;
}

/* The values of personal fields in what was delivered; not words that a location is called by, too. */
function personalOf(folder) {
    const personal = new Set();
    const places = new Set();
    const names = new Set([
        "macAddress",
        "email",
        "mobile",
        "firstName",
        "lastName",
        "userId",
        "rawUserId",
        "deviceId",
        "deviceMacAddress",
        "openRoamingUserId",
    ]);
    const walk = (value, key) => {
        if (key === "location" || key === "parent") places.add(value.name);
        if (value !== null && typeof value === "object")
            for (const [name, inner] of Object.entries(value)) walk(inner, Array.isArray(value) ? key : name);
        else if (names.has(key) && typeof value === "string" && value.length > 3) personal.add(value);
    };
    for (const name of readdirSync(folder)
        .filter((file) => file.endsWith(".ndjson"))
        .slice(0, 5)) {
        for (const line of readFileSync(join(folder, name), "utf8").split("\n").slice(0, 4000))
            if (line !== "") walk(JSON.parse(line), "");
    }
    const named = [...places].join("\n");
    return [...personal].filter((value) => !named.includes(value));
}

async function privacy(page, url, events) {
    const floorId = await page.evaluate(() => decodeURIComponent(location.hash.split("/")[1] ?? ""));
    const wanted = ["event: pair", "event: devices"];
    const text = (await overheard(url, floorId, 2500, wanted)) + (await page.content());
    assert.ok(
        wanted.every((words) => text.includes(words)),
        "the stream was read",
    );
    assert.doesNotMatch(text, /\b[0-9a-f]{2}([:-][0-9a-f]{2}){5}\b/i, "no MAC address");
    assert.doesNotMatch(text, /[\w.+-]+@[\w-]+\.[a-z]{2,}/i, "no e-mail address");
    if (!events) return;
    const personal = personalOf(events);
    assert.ok(personal.length > 20, `there is personal data to look for (${personal.length} values)`);
    const found = personal.filter((value) => text.includes(value));
    assert.deepEqual(found, [], "nothing of it is on the page or in the stream");
    said(`none of ${personal.length} personal values of the records is on the page or in the stream`);
}

async function failover(a, b, kill) {
    for (const page of [a, b]) {
        await page.emulateMedia({ colorScheme: "light" });
        await page.locator("#tab-pair").click();
    }
    for (const [name, page] of [
        ["a", a],
        ["b", b],
    ])
        assert.deepEqual(page.misdeeds, [], `misdeeds of page ${name}`);
    kill();
    await headline(b, "Node b delivers, but the pair is not protected.");
    assert.equal(await b.locator(".why").textContent(), "Node a cannot be reached; nobody would take over.");
    assert.match(
        await b.locator(".since").textContent(),
        /^Node b became primary at \d\d:\d\d:\d\d: the peer is lost and this node is ready \(/,
    );
    await inHeader(b, "primary");
    await b.waitForFunction(
        () =>
            document
                .querySelector("section[aria-label='Last changes of role'] tbody tr")
                ?.textContent.includes("→ primary"),
        null,
        WAIT,
    );
    await b.waitForFunction(
        () => document.querySelector('svg.picture g[data-node="a"]').dataset.role === "unknown",
        null,
        WAIT,
    );
    await b.waitForFunction(
        () => document.querySelectorAll(".tiles dd:first-of-type")[1].textContent !== "0/s",
        null,
        { timeout: 60000 },
    );
    await picture(b, "console-failover");
    said("the page of the other node shows the takeover, its reason, and that it delivers");
    await a.waitForFunction(
        () =>
            document
                .querySelector(".banner:not([hidden])")
                ?.textContent.startsWith("Node a cannot be reached."),
        null,
        WAIT,
    );
    await inHeader(a, "state unknown");
    await picture(a, "console-unreachable");
    assert.deepEqual(await accessibility(a), [], "the banner");
    assert.deepEqual(
        a.misdeeds.filter((line) => !/ERR_(CONNECTION|INCOMPLETE|EMPTY)/.test(line)),
        [],
        "misdeeds of the page of the dead node",
    );
    assert.deepEqual(b.misdeeds, [], "misdeeds of the page of the other");
    said("the page of the dead node says that it cannot be reached");
}

/* The node is there again, with a new key for its ids and nothing behind it: the page goes on by itself. */
async function back(a) {
    writeFileSync(process.env.AGAIN, "");
    await headline(a, "Node b delivers, and the pair is protected.");
    await inHeader(a, "standby");
    await a.waitForFunction(() => document.querySelector(".banner").hidden, null, WAIT);
    await drawn(a, ".charts .plot canvas");
    await a.locator("#tab-space").click();
    await a.waitForFunction(
        () => Number(document.querySelector("canvas.floor")?.dataset.devices) > 0,
        null,
        WAIT,
    );
    said("the page of the dead node goes on by itself when the node is back");
}

async function run(urls, kill, events, truth) {
    const browser = await launch();
    try {
        const [a, b] = await Promise.all(urls.map((url) => watched(browser.context, url)));
        await roles(a, b);
        await figures(a);
        await accessible(a, "the pair");
        if (MAPS) await refuseAnImage(b);
        await keyboard(b);
        const counted = await countedFloor(b, truth);
        await floor(b);
        await accessible(b, "the space");
        await picture(b, "console-space", true);
        await still(b);
        await privacy(b, urls[1], events);
        await a.emulateMedia({ colorScheme: "light" });
        await picture(a, "console-primary");
        await b.emulateMedia({ colorScheme: "dark" });
        await b.locator("#tab-pair").click();
        await picture(b, "console-standby");
        await failover(a, b, kill);
        if (process.env.AGAIN) await back(a);
        await occupancy(b, truth, counted);
    } finally {
        await browser.close();
    }
}

const given = process.argv.slice(2);
if (given[0] === "--fake") {
    const a = await startFake({ page: given[1] ?? "build/console", node: "a", devices: 40, maps: MAPS });
    const b = await startFake({ page: given[1] ?? "build/console", node: "b", devices: 40, maps: MAPS });
    try {
        await run(
            [a.url, b.url],
            () => {
                a.close();
                b.world.takeover(Date.now());
            },
            null,
            new FakeTruth(b.world),
        );
    } finally {
        a.close();
        b.close();
    }
} else {
    const [urlA, urlB, pid, ...folders] = given;
    await run([urlA, urlB], () => process.kill(Number(pid), "SIGKILL"), folders[0], new Truth(folders));
}
