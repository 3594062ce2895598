/* browser.mjs: a headless Chromium that is there already (nothing is downloaded), and pages that remember
 * whatever they should not have done: errors, breaches of the policy, requests to other hosts. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const modules = process.env.CONSOLE_MODULES ?? "build/tests/console";
const require = createRequire(resolve(modules, "package.json"));
const { chromium } = require("playwright-core");
const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const PATIENCE = 120000; /* of whatever waits for the browser, on a busy machine */
const FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/* {context, close()}: one browser with a profile of its own. */
export async function launch(options = {}) {
    const profile = mkdtempSync(join(tmpdir(), "firehosed-chromium-"));
    const context = await chromium.launchPersistentContext(profile, {
        executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
        headless: true,
        args: FLAGS,
        viewport: { width: 1280, height: 985 },
        timeout: PATIENCE,
        ...options,
    });
    context.setDefaultTimeout(PATIENCE);
    return {
        context,
        async close() {
            await context.close();
            rmSync(profile, { recursive: true, force: true });
        },
    };
}

/* A page that writes down its misdeeds: page.misdeeds, an array of sentences. */
export async function watched(context, url) {
    const page = await context.newPage();
    const home = new URL(url).host;
    page.misdeeds = [];
    page.on("console", (message) => {
        /* the test itself reads pixels back */
        if (["error", "warning"].includes(message.type()) && !message.text().includes("willReadFrequently"))
            page.misdeeds.push(`console: ${message.text()}`);
    });
    page.on("pageerror", (error) => page.misdeeds.push(`error: ${error.message}`));
    page.on("request", (request) => {
        if (new URL(request.url()).host !== home)
            page.misdeeds.push(`request to another host: ${request.url()}`);
    });
    page.on("response", (answer) => {
        if (answer.status() >= 400) page.misdeeds.push(`${answer.status()} for ${answer.url()}`);
    });
    await page.addInitScript(() => {
        addEventListener("securitypolicyviolation", (event) =>
            console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`),
        );
    });
    await page.goto(url);
    return page;
}

/* What axe finds serious or critical, as sentences. */
export async function accessibility(page) {
    await page.evaluate(AXE);
    const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
    return found.violations
        .filter((item) => ["serious", "critical"].includes(item.impact))
        .map(
            (item) =>
                `${item.id} (${item.impact}): ${item.help}: ${item.nodes
                    .slice(0, 3)
                    .map((node) => node.html.slice(0, 160))
                    .join(" | ")}`,
        );
}
