/* fake.mjs: stands in for the daemon while the page is developed and measured: serves the bundled page
 * under the same policy, and the event stream of world.mjs.
 *
 *   node tests/console/fake.mjs --page build/console [--port 9580] [--node a|b] [--devices N]
 *
 * POST /fake/takeover: the other node dies; POST /fake/silence: nothing more is sent on any stream. */
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { World } from "./world.mjs";

const TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
};
const HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy":
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
};
const ROOMS = [0, 1, 2, 3, 4, 5].map(
    (i) => `<path d="M${i * 44} 0v54h${i % 2 ? 44 : 30}M${i * 44} 150V98h${i % 2 ? 30 : 44}"/>`,
);
const PLAN = `<svg xmlns="http://www.w3.org/2000/svg" width="1066" height="600" viewBox="0 0 266.5 150"><rect width="266.5" height="150" fill="#fff"/><g fill="none" stroke="#777" stroke-width="1.2">${ROOMS.join("")}</g></svg>`;

export function startFake({ page, port = 0, share = 0.12, ...options }) {
    const world = new World(options);
    const streams = new Set();
    let silent = false;

    function send(stream, type, object) {
        if (!silent) stream.answer.write(`event: ${type}\ndata: ${JSON.stringify(object)}\n\n`);
    }

    function opened(request, answer, floor, place) {
        answer.writeHead(200, { ...HEADERS, "Content-Type": "text/event-stream" });
        const stream = { answer, floor, place };
        const now = Date.now();
        send(stream, "pair", world.pair(now));
        send(stream, "history", world.history(now));
        send(stream, "space", world.space(now));
        if (place !== null) send(stream, "occupancy", world.occupancy(place, true, now));
        if (floor !== null) send(stream, "devices", world.devicesEvent(floor, true, now));
        streams.add(stream);
        request.on("close", () => streams.delete(stream));
    }

    const server = createServer((request, answer) => {
        const url = new URL(request.url, "http://localhost");
        if (request.method === "POST") {
            if (url.pathname === "/fake/takeover") world.takeover(Date.now());
            if (url.pathname === "/fake/silence") silent = true;
            answer.writeHead(204).end();
        } else if (url.pathname === "/events") {
            opened(request, answer, url.searchParams.get("floor"), url.searchParams.get("place"));
        } else if (url.pathname.startsWith("/map/")) {
            answer.writeHead(200, { ...HEADERS, "Content-Type": "image/svg+xml" }).end(PLAN);
        } else {
            try {
                const name = url.pathname === "/" ? "index.html" : url.pathname.slice(1).replaceAll("..", "");
                const body = readFileSync(join(page, name));
                answer.writeHead(200, {
                    ...HEADERS,
                    "Content-Type": TYPES[extname(name)] ?? "application/octet-stream",
                });
                answer.end(body);
            } catch {
                answer.writeHead(404, HEADERS).end();
            }
        }
    });
    const every = (ms, type, make) =>
        setInterval(() => {
            for (const stream of streams) {
                const object = make(stream, Date.now());
                if (object !== null) send(stream, type, object);
            }
        }, ms);
    const timers = [
        every(1000, "pair", (_, now) => world.pair(now)),
        every(5000, "sample", (_, now) => world.sample(now)),
        every(4000, "space", (_, now) => world.space(now)),
        every(10000, "occupancy", (stream, now) =>
            stream.place === null ? null : world.occupancy(stream.place, false, now),
        ),
        every(500, "devices", (stream, now) =>
            stream.floor === null ? null : world.devicesEvent(stream.floor, false, now, share),
        ),
    ];
    return new Promise((resolve) => {
        server.listen(port, "127.0.0.1", () =>
            resolve({
                world,
                url: `http://127.0.0.1:${server.address().port}/`,
                silence() {
                    silent = true;
                },
                close() {
                    timers.forEach(clearInterval);
                    server.closeAllConnections();
                    server.close();
                },
            }),
        );
    });
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
    const given = Object.fromEntries(
        process.argv
            .slice(2)
            .join(" ")
            .split(/ ?--/)
            .filter(Boolean)
            .map((pair) => pair.split(/[ =]/)),
    );
    const fake = await startFake({
        page: given.page ?? "build/console",
        port: Number(given.port ?? 9580),
        node: given.node ?? "b",
        devices: Number(given.devices ?? 60),
    });
    console.log(fake.url);
}
