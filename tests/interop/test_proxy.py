#!/usr/bin/python3
"""Every channel through an HTTP CONNECT proxy (tinyproxy): what comes through, what the proxy gets
to see, and what happens when it refuses."""

import os
import subprocess

import interop
from grpc_server import Server as GrpcServer, all_records
from interop import Backend, check, config, finish, preview, receive, receive_until
from websocket_server import Server as WebSocketServer, all_lines

interop.need("tinyproxy")
SAMPLES = interop.samples()

CONFIG = """
Port {port}
Listen 127.0.0.1
Timeout 60
LogFile "{log}"
LogLevel Info
MaxClients 50
Allow 127.0.0.1
{more}
"""


class Proxy:
    def __init__(self, more):
        self.port = interop.port()
        self.log = os.path.join(interop.WORK, f"tinyproxy-{self.port}.log")
        path = os.path.join(interop.WORK, f"tinyproxy-{self.port}.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(port=self.port, log=self.log, more=more))
        self.url = f"http://127.0.0.1:{self.port}"
        interop.start("tinyproxy", "-d", "-c", path, stdout=subprocess.DEVNULL)
        interop.wait_port(self.port)

    def seen(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()


def servers(tls):
    backend = Backend(tls=tls)
    backend.url = f"{'https' if tls else 'http'}://127.0.0.1:{backend.port}"
    return {"http": backend, "websocket": WebSocketServer(all_lines, tls=tls),
            "grpc": GrpcServer(all_records, tls=tls)}


print("through " + subprocess.run(["tinyproxy", "-v"], capture_output=True, text=True,
                                  check=False).stdout.strip())
open_proxy = Proxy("")
for tls in (True, False):
    for channel, server in servers(tls).items():
        kind = "TLS" if tls else "in clear"
        got = receive(config(channel, server.url, proxy=open_proxy.url), len(SAMPLES))
        check(f"all {len(SAMPLES)} event types over {channel}, {kind}",
              got.status == 0 and got.events() == SAMPLES, got)
        tunnel = f"CONNECT 127.0.0.1:{server.port}"
        forwards = channel == "http" and not tls  # the only one that needs no tunnel
        check("a tunnel was asked for" if not forwards else "the request was forwarded",
              (tunnel in open_proxy.seen()) == (not forwards))
        if tls:
            got = preview(config(channel, server.url, proxy=open_proxy.url), 5, "--replica", "3")
            check(f"firehosectl preview over {channel}", got.status == 0 and len(got.lines) == 5,
                  got)
check("the proxy did not see the key of a tunnelled stream",
      interop.KEY not in open_proxy.seen())


def is_refused(got):
    return "[stream-refused]" in got.err


closed_proxy = Proxy("ConnectPort 443")
with_password = Proxy("BasicAuth someone secret")
for channel, server in servers(True).items():
    got = receive_until(config(channel, server.url, proxy=closed_proxy.url), is_refused)
    check(f"a proxy that opens no tunnel, {channel}",
          "[stream-refused]" in got.err and "proxy answered with 403" in got.err, got)
    got = receive_until(config(channel, server.url, proxy=with_password.url), is_refused)
    check(f"a proxy that wants a password, {channel}",
          "[stream-refused]" in got.err and "407" in got.err and "firehose.proxy" in got.err, got)
    address = with_password.url.replace("//", "//someone:secret@")
    got = receive(config(channel, server.url, proxy=address), len(SAMPLES))
    check(f"and is given one, {channel}", got.status == 0 and got.events() == SAMPLES and
          "secret" not in got.err, got)
finish()
