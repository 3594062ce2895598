"""A WebSocket server of the firehose on the websockets library."""

import asyncio
import json
import logging
import threading

import interop

try:
    import websockets
    from websockets import version
except ImportError as error:
    interop.skip(f"python3-websockets is not installed: {error}")

logging.disable(logging.CRITICAL)  # what becomes of a connection is checked on our side
VERSION = version.version
SAMPLES = interop.samples()
LINES = [json.dumps(event) for event in SAMPLES]


class Server:
    """behave(server, websocket) is a coroutine; refuse(path, headers) may answer with a status."""

    def __init__(self, behave, tls=True, refuse=None, **options):
        self.paths = []
        self.keys = []
        self.ready = threading.Event()
        self.behave, self.refuse, self.tls, self.options = behave, refuse, tls, options
        self.thread = threading.Thread(target=lambda: asyncio.run(self.run()), daemon=True)
        self.thread.start()
        if not self.ready.wait(60):
            raise SystemExit("the WebSocket server does not start")
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    async def handshake(self, path, headers):
        self.paths.append(path)
        self.keys.append(headers.get("X-API-KEY"))
        return self.refuse(len(self.paths)) if self.refuse else None

    async def dialogue(self, websocket, *_path):
        try:
            await self.behave(self, websocket)
        except websockets.ConnectionClosed:
            pass

    async def run(self):
        self.loop = asyncio.get_running_loop()
        self.stopping = asyncio.Event()
        context = interop.server_tls() if self.tls else None
        server = await websockets.serve(self.dialogue, "127.0.0.1", 0, ssl=context,
                                        process_request=self.handshake, **self.options)
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()
        await self.stopping.wait()
        server.close()
        await server.wait_closed()

    def stop(self):
        self.loop.call_soon_threadsafe(self.stopping.set)
        self.thread.join(60)


async def all_lines(_server, websocket):
    for line in LINES:
        await websocket.send(line + "\n")
    await websocket.wait_closed()
