/* console.mjs: how long a frame of the floor view takes and how far frames lie apart, with 500 and 5,000
 * devices of which half are seen anew twice a second, in headless Chromium without a GPU. */
import { launch, watched } from "../console/browser.mjs";
import { startFake } from "../console/fake.mjs";

for (const devices of [500, 5000]) {
    const fake = await startFake({
        page: "build/console",
        buildings: 1,
        floors: 1,
        devices,
        exact: true,
        share: 0.5,
    });
    const browser = await launch();
    const page = await watched(browser.context, `${fake.url}#space`);
    await page.waitForFunction(
        () => Number(document.querySelector("canvas.floor")?.dataset.frames) >= 360,
        null,
        { timeout: 60000 },
    );
    const { took, apart } = await page.locator("canvas.floor").evaluate((canvas) => ({ ...canvas.dataset }));
    const [median, most] = apart.split(" ").map(Number);
    const [script, scriptMost] = took.split(" ").map(Number);
    console.log(
        `${devices} devices: ${(1000 / median).toFixed(0)} frames/s (${median} ms apart, 95 of 100 within ${most} ms), script ${script} ms a frame (${scriptMost} ms)`,
    );
    await browser.close();
    fake.close();
}
