#!/usr/bin/python3
"""firehose-sim against the client of python3-websockets: TLS and plain, sharing, fragments, pings, close codes,
refusals."""
import asyncio
import inspect
import json
import os
import sys

import websockets

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from sim_clients import EVENTS, KEY, Sim, check, equal, run_sections  # noqa: E402


def connect(sim, query="", key=KEY):
    url = sim.url.replace("http", "ws", 1) + EVENTS + "?" + query
    # The name of the parameter has changed with the asyncio client of version 13.
    names = inspect.signature(websockets.connect.__init__).parameters
    headers = "additional_headers" if "additional_headers" in names else "extra_headers"
    more = {"ssl": sim.context()} if sim.tls else {}
    return websockets.connect(url, **{headers: {"X-API-KEY": key}}, max_size=None, open_timeout=60, close_timeout=60, ping_timeout=60,
                              **more)


async def take(socket, count):
    events = []
    while len(events) < count:
        message = await asyncio.wait_for(socket.recv(), 60)
        check(isinstance(message, str), "not a text message")
        for line in message.splitlines():
            event = json.loads(line)
            if event["eventType"] != "KEEP_ALIVE":
                events.append((event["recordUid"], str(event["recordTimestamp"])))
    return events


async def everything(**how):
    count = 4000
    with Sim("--rate", "20000", "--events", str(count), "--paused", **how) as sim:
        for fault in ("fragments&n=500&bytes=200", "fragments&n=200&bytes=300&pings=1", "no_newline&n=50", "many_lines&n=20&by=3"):
            sim.fault(fault)
        sockets = [await connect(sim, f"replicaId=2&minPartition={i}&maxPartition={i + 3}") for i in (1, 5, 9)]
        one = await connect(sim, "replicaId=1")
        sim.start()
        got, queue = [], asyncio.Queue()

        async def drain(socket):
            try:
                while True:
                    await queue.put(await take(socket, 1))
            except websockets.ConnectionClosed:
                return
        tasks = [asyncio.ensure_future(drain(socket)) for socket in sockets]
        alone = await take(one, count)
        while len(got) < count:
            got += await asyncio.wait_for(queue.get(), 60)
        ledger = sim.ledger()
        equal("one connection", (len(alone), set(alone)), (count, ledger))
        equal("three connections", (len(got), set(got)), (count, ledger))
        await asyncio.wait_for(await one.ping(), 60)
        for task in tasks:
            task.cancel()
        for socket in [one, *sockets]:
            await socket.close()
        sim.connected(0)


def plain():
    asyncio.run(everything())


def tls():
    asyncio.run(everything(tls=True))


async def closing():
    with Sim("--rate", "300", "--ping-ms", "50", "--key", "HTTP:channels=http") as sim:
        for key, wanted in (("nonsense", 401), ("HTTP", 403)):
            try:
                await connect(sim, key=key)
                check(False, "not refused:", wanted)
            except websockets.InvalidHandshake as error:
                check(str(wanted) in str(error), error)
        for fault, code in (("end", 1011), ("revoke", 1008), ("go_away", 1001), ("end&code=4000", 4000), ("cut", 1006)):
            socket = await connect(sim)
            await take(socket, 30)
            sim.fault(fault)
            try:
                await take(socket, 100000)
            except websockets.ConnectionClosed:
                pass
            equal(fault, socket.close_code, code)
            sim.connected(0)
        socket = await connect(sim)
        for _ in range(1000):  # read on, or the library does not see the pings
            await take(socket, 10)
            if sim.status()["pongs"] > 3:
                break
        check(sim.status()["pongs"] > 3, "pings are not answered")
        sim.process.terminate()
        try:
            await take(socket, 100000)  # the last word comes behind what was sent before
        except websockets.ConnectionClosed:
            pass
        equal("shutdown", socket.close_code, 1001)


def close_codes():
    asyncio.run(closing())


if __name__ == "__main__":
    sys.exit(run_sections([plain, tls, close_codes]))
