/* build.mjs: bundles the page: build.mjs NODE_MODULES TARGET. The same sources and the same lock file give
 * the same bits. Ran by CMake; node_modules lies in the build directory, not beside the sources. */
import { cpSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const [modules, target] = process.argv.slice(2).map((path) => resolve(path));
const { build } = createRequire(join(modules, "..", "package.json"))("esbuild");

rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
/* uPlot's licence asks to go wherever its code goes. */
const notice = `/*! Apache-2.0, the firehosed authors. Contains uPlot:\n${readFileSync(join(modules, "uplot", "LICENSE"), "utf8")}*/`;
await build({
    absWorkingDir: here,
    entryPoints: ["app.js", "style.css"],
    outdir: target,
    nodePaths: [modules],
    external: ["/icon.svg"],
    bundle: true,
    format: "esm",
    target: ["chrome109", "firefox115", "safari16"],
    minify: true,
    banner: { js: notice },
    charset: "utf8",
    logLevel: "warning",
});
for (const file of ["index.html", "icon.svg"]) cpSync(join(here, file), join(target, file));
