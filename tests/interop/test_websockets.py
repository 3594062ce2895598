#!/usr/bin/python3
"""Our WebSocket client against a server of the websockets library: every event type, fragments,
pings, compression on offer, refusals, close codes, a server that goes away."""

import asyncio
import json
import time
from http import HTTPStatus

import interop
from interop import Running, check, config, finish, preview, receive, receive_until, until
from websocket_server import LINES, SAMPLES, VERSION, Server, all_lines

print(f"our WebSocket client against websockets {VERSION}")


def every_type():
    for tls in (True, False):
        server = Server(all_lines, tls=tls)
        got = receive(config("websocket", server.url), len(SAMPLES))
        kind = "TLS" if tls else "plain TCP"
        check(f"all {len(SAMPLES)} event types over {kind}",
              got.status == 0 and got.events() == SAMPLES, got)
        check(f"key and path over {kind}",
              (server.paths[0], server.keys[0]) == (interop.PATH, interop.KEY))
        server.stop()


def previewed():
    server = Server(all_lines)
    got = preview(config("websocket", server.url), 10, "--replica", "2")
    wanted = [event for event in SAMPLES if event["eventType"] != "KEEP_ALIVE"][:10]
    check("firehosectl preview", got.status == 0 and got.events() == wanted, got)
    check("replica on the wire", server.paths[0].endswith("?replicaId=2"))
    server.stop()


def shapes():
    async def behave(_server, websocket):
        await websocket.send([LINES[0][:20], LINES[0][20:30], "", LINES[0][30:] + "\n"])
        await websocket.send(LINES[1])
        await websocket.send("\n".join(LINES[2:5]))
        await websocket.send(LINES[5].encode())
        await websocket.send("")
        await websocket.send(LINES[6] + "\r\n")
        await websocket.wait_closed()

    server = Server(behave)
    got = receive(config("websocket", server.url), 7)
    check("fragments, no newline, many lines, binary, nothing, CRLF",
          got.status == 0 and got.events() == SAMPLES[:7], got)
    server.stop()


def pings():
    answered = []

    async def behave(_server, websocket):
        await websocket.send(LINES[0])
        for _ in range(3):
            await asyncio.wait_for(await websocket.ping(), 60)
            answered.append(1)
        await websocket.send(LINES[1])
        await websocket.wait_closed()

    server = Server(behave, ping_interval=0.2, ping_timeout=60)
    got = receive(config("websocket", server.url), 2)
    check("pings are answered", got.status == 0 and len(answered) == 3, got)
    server.stop()


def compression_declined():
    seen = []

    async def behave(_server, websocket):
        seen.append(list(websocket.extensions))
        await all_lines(_server, websocket)

    server = Server(behave, compression="deflate")
    got = receive(config("websocket", server.url), len(SAMPLES))
    check("no extension is agreed on", got.status == 0 and seen == [[]], got)
    server.stop()


def refused():
    for status, state in ((400, "refused"), (401, "refused"), (403, "refused"), (404, "refused"),
                          (429, "down"), (500, "down"), (503, "down")):
        server = Server(all_lines, refuse=lambda _n, status=status: (HTTPStatus(status), [], b"no such luck\n"))
        running = Running(config("websocket", server.url))
        running.until(lambda got, state=state: f"[stream-{state}]" in got.err and
                      (state == "refused" or len(server.paths) > 1))
        time.sleep(0.5)  # a storm of refused attempts would be seen
        got = running.received()
        running.stop()
        tries = len(server.paths)
        check(f"{status} is {state}, after {tries} tries",
              f"[stream-{state}]" in got.err and f"answered with {status}" in got.err and
              "no such luck" in got.err and (tries == 1 if state == "refused" else tries > 1), got)
        server.stop()
    server = Server(all_lines, refuse=lambda n: (HTTPStatus(429), [("Retry-After", "2")], b"") if n == 1
                    else None)
    before = time.monotonic()
    got = receive(config("websocket", server.url), 1)
    waited = time.monotonic() - before
    check(f"429 with Retry-After 2 is waited out ({waited:.1f} s)", waited >= 2 and got.lines, got)
    server.stop()


def closed():
    closings = []

    async def behave(server, websocket):
        if len(server.paths) > 3:
            await websocket.send("\n".join(LINES[3:]))
            await websocket.wait_closed()
            return
        n = len(server.paths) - 1
        await websocket.send(LINES[n])
        await websocket.close(*((1001, "bye"), (1011, "oh"), (1008, "key revoked"))[n])
        closings.append(websocket.close_rcvd is not None)

    server = Server(behave)
    got = receive(config("websocket", server.url), len(SAMPLES))
    until(lambda: len(closings) == 3)
    check("close 1001, 1011, 1008: told, answered, resumed",
          got.status == 0 and got.events() == SAMPLES and closings == [True] * 3 and
          all(text in got.err for text in ("1001 (the server is going away): bye", "1011 ",
                                           "1008 ", "key revoked")), got)
    stamps = [f"fromTimestamp={event['recordTimestamp']}" for event in SAMPLES[:3]]
    check("each connection asks from the last record",
          server.paths[0].find("from") < 0 and
          all(stamp in path for stamp, path in zip(stamps, server.paths[1:])))
    server.stop()


def cut():
    async def behave(server, websocket):
        if len(server.paths) == 1:
            await websocket.send(LINES[0])
            await (await websocket.ping())  # a cut can take away what was not read yet
            websocket.transport.abort()
            return
        await websocket.send("\n".join(LINES[1:]))
        await websocket.wait_closed()

    for tls in (True, False):
        server = Server(behave, tls=tls)
        got = receive(config("websocket", server.url), len(SAMPLES))
        check(f"a connection that is cut, TLS {tls}",
              got.status == 0 and got.events() == SAMPLES and "disconnected" in got.err, got)
        server.stop()


def large():
    async def behave(_server, websocket):
        await websocket.send(json.dumps({"pad": "x" * 3_000_000}) + "\n")
        await websocket.send(json.dumps({"pad": "y" * 20_000_000}) + "\n")
        await websocket.send(LINES[2])
        await websocket.wait_closed()

    server = Server(behave)
    got = receive(config("websocket", server.url), 3)
    check("a record of 3 MB is whole, one of 20 MB is cut, the next is whole",
          got.status == 0 and len(got.lines[0]) == 3_000_011 and
          got.lines[1].endswith(" TRUNCATED") and json.loads(got.lines[2]) == SAMPLES[2])
    server.stop()


def not_trusted():
    server = Server(all_lines)
    got = receive_until(
        config("websocket", server.url, ca_file="/etc/ssl/certs/ca-certificates.crt"),
        lambda got: "certificate is not trusted" in got.err)
    check("a certificate nobody vouches for", "certificate is not trusted" in got.err and
          not got.lines, got)
    server.stop()


every_type()
previewed()
shapes()
pings()
compression_declined()
refused()
closed()
cut()
large()
not_trusted()
finish()
