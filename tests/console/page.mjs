/* page.mjs: the console's page in a real browser, on both nodes of a pair, through a failover.
 *
 *   node tests/console/page.mjs --fake build/console          against the made-up pair
 *   node tests/console/page.mjs URL_A URL_B PID_A [EVENTS]    against a real one, whose node a is primary;
 *                                                             PID_A gets SIGKILL. EVENTS: a folder of what
 *                                                             was delivered, to look for personal data of
 *
 * PICTURES names a folder for screenshots; MAPS=1: floors have images. Ends with 1 and a sentence at the first check that fails. */
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import assert from "node:assert/strict";
import { join } from "node:path";
import { accessibility, launch, watched } from "./browser.mjs";
import { startFake } from "./fake.mjs";

const PICTURES = process.env.PICTURES;
const MAPS = process.env.MAPS === "1"; /* the node has images of floors */
const WAIT = { timeout: 15000 };

function said(sentence) {
    console.log(`ok      ${sentence}`);
}

async function picture(page, name) {
    if (!PICTURES) return;
    mkdirSync(PICTURES, { recursive: true });
    await page.evaluate(() => {
        document.activeElement?.blur();
        scrollTo(0, 0);
    });
    await page.screenshot({ path: join(PICTURES, `${name}.png`) });
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

async function figures(page) {
    await page.waitForFunction(
        () => /^[\d.,]+( k)?\/s$/.test(document.querySelector(".tiles dd")?.textContent ?? ""),
        null,
        WAIT,
    );
    await page.waitForFunction(() => document.querySelectorAll(".plot canvas").length === 3, null, WAIT);
    await page.waitForFunction(
        () => {
            const [received] = document.querySelectorAll(".plot canvas");
            const line = getComputedStyle(document.documentElement).getPropertyValue("--line-1").trim();
            const [r, g, b] = [1, 3, 5].map((at) => parseInt(line.slice(at, at + 2), 16));
            const { data } = received
                .getContext("2d", { willReadFrequently: true })
                .getImageData(0, 0, received.width, received.height);
            let found = 0;
            for (let i = 0; i < data.length; i += 4)
                if (
                    data[i + 3] > 200 &&
                    Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 24
                )
                    found++;
            return found > 5;
        },
        null,
        { timeout: 20000, polling: 1000 },
    );
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
    assert.equal(await page.locator('[role="treeitem"]').count(), rows, "opened again as it was");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    assert.equal(await page.locator('[role="treeitem"]').nth(1).getAttribute("aria-selected"), "true");
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

const dots = (page) => page.locator("canvas.floor").evaluate((canvas) => canvas.toDataURL());

async function floor(page) {
    await page.waitForFunction(
        () => Number(document.querySelector("canvas.floor")?.dataset.devices) > 3,
        null,
        { timeout: 25000 },
    );
    const first = await dots(page);
    await page.waitForFunction(
        () => Number(document.querySelector("canvas.floor").dataset.frames) > 60,
        null,
        { timeout: 25000 },
    );
    assert.notEqual(await dots(page), first, "dots move");
    await page.locator(".floor-box summary").click();
    await page.waitForFunction(() => document.querySelectorAll(".floor-box tbody tr").length > 3, null, WAIT);
    await page.locator(".floor-box summary").click();
    assert.ok((await page.locator("table.bars tbody tr").count()) > 0, "occupancy by floor");
    if (MAPS)
        await page.waitForFunction(
            () => document.querySelector("canvas.floor").dataset.image === "shown",
            null,
            WAIT,
        );
    said(`the floor view draws dots that move${MAPS ? ", over the image of the floor" : ""}, and lists them`);
}

/* Without motion nothing is animated, and the floor is drawn when something is heard, not in between. */
async function still(page) {
    await page.emulateMedia({ reducedMotion: "reduce" });
    await page.waitForFunction(() => document.getAnimations().length === 0, null, WAIT);
    const frames = () => page.locator("canvas.floor").evaluate((canvas) => Number(canvas.dataset.frames));
    await page.waitForTimeout(300);
    const before = await frames();
    const first = await dots(page);
    await page.waitForFunction(
        (image) => document.querySelector("canvas.floor").toDataURL() !== image,
        first,
        WAIT,
    );
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

/* What the stream says in so many milliseconds. */
async function overheard(url, floor, ms) {
    const answer = await fetch(
        new URL(floor === null ? "/events" : `/events?floor=${encodeURIComponent(floor)}`, url),
    );
    const reader = answer.body.getReader();
    const decoder = new TextDecoder();
    let text = "";
    const end = Date.now() + ms;
    while (Date.now() < end) {
        const { value, done } = await Promise.race([
            reader.read(),
            new Promise((resolve) => setTimeout(() => resolve({ done: true }), end - Date.now())),
        ]);
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
    const text = (await overheard(url, floorId, 2500)) + (await page.content());
    assert.ok(text.includes("event: pair") && text.includes("event: devices"), "the stream was read");
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
        { timeout: 20000 },
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

async function run(urls, kill, events) {
    const browser = await launch();
    try {
        const [a, b] = await Promise.all(urls.map((url) => watched(browser.context, url)));
        await roles(a, b);
        await figures(a);
        await accessible(a, "the pair");
        await keyboard(b);
        await floor(b);
        await accessible(b, "the space");
        await picture(b, "console-space");
        await still(b);
        await privacy(b, urls[1], events);
        await a.emulateMedia({ colorScheme: "light" });
        await picture(a, "console-primary");
        await b.emulateMedia({ colorScheme: "dark" });
        await b.locator("#tab-pair").click();
        await picture(b, "console-standby");
        await failover(a, b, kill);
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
        );
    } finally {
        a.close();
        b.close();
    }
} else {
    const [urlA, urlB, pid, events] = given;
    await run(
        [urlA, urlB],
        () => process.kill(Number(pid), "SIGKILL"),
        events && existsSync(events) ? events : null,
    );
}
