#!/usr/bin/python3
"""Our client against nginx: HTTP/2 and HTTP/1.1 over TLS, chunked; and WebSocket and gRPC through
it, as a service behind a load balancer has them."""

import interop
from interop import Backend, check, config, finish, preview, receive, receive_until
from nginx_server import Nginx, version

print(f"our client against {version()}")
SAMPLES = interop.samples()


def http():
    for option, spoken in (("auto", "HTTP/2.0"), ("2", "HTTP/2.0"), ("1.1", "HTTP/1.1")):
        backend = Backend(pause=0.002)
        nginx = Nginx(f"http://127.0.0.1:{backend.port}")
        got = receive(config("http", nginx.url, http_version=option), len(SAMPLES))
        check(f"all {len(SAMPLES)} event types, http_version {option}",
              got.status == 0 and got.events() == SAMPLES, got)
        check("key and path", backend.requests[0][0] == interop.PATH and
              interop.KEY in backend.requests[0][1].values())
        asked = nginx.asked()
        check(f"spoken: {asked[0]}; compression was not asked for",
              asked[0].startswith(f"{spoken} GET 200 encoding=[-]") and "TLSv1" in asked[0])


def ended():
    backend = Backend(keep_open=False)
    nginx = Nginx(f"http://127.0.0.1:{backend.port}")
    got = receive(config("http", nginx.url), 2 * len(SAMPLES))
    check("a stream that ends is opened again",
          got.status == 0 and got.events()[:2 * len(SAMPLES)] == SAMPLES + SAMPLES and
          "the server ended the stream" in got.err, got)
    check("and asked for from the last record",
          f"fromTimestamp={SAMPLES[-1]['recordTimestamp']}" in backend.requests[1][0])
    nginx.asked()


def nobody_behind():
    for channel, option in (("http", {"http_version": "2"}), ("http", {"http_version": "1.1"}),
                            ("websocket", {}), ("grpc", {})):
        nginx = Nginx()
        got = receive_until(config(channel, nginx.url, **option),
                            lambda got: "[stream-down]" in got.err)
        check(f"502 over {channel} {''.join(option.values())} is retried",
              "[stream-down]" in got.err and ("502" in got.err or "UNAVAILABLE" in got.err), got)
        nginx.asked()


def websocket():
    from websocket_server import Server, all_lines
    server = Server(all_lines, tls=False)
    nginx = Nginx(server.url)
    got = receive(config("websocket", nginx.url), len(SAMPLES))
    check("WebSocket through nginx", got.status == 0 and got.events() == SAMPLES, got)
    asked = nginx.asked()
    check(f"spoken: {asked[0]}", asked[0].startswith("HTTP/1.1 GET 101"))
    server.stop()


def grpc():
    from grpc_server import Server, all_records
    server = Server(all_records, tls=False)
    nginx = Nginx(grpc=f"grpc://127.0.0.1:{server.port}")
    got = receive(config("grpc", nginx.url), len(SAMPLES))
    check("gRPC through nginx", got.status == 0 and got.events() == SAMPLES, got)
    asked = nginx.asked()
    check(f"spoken: {asked[0]}", asked[0].startswith("HTTP/2.0 POST 200") and
          "te=[trailers]" in asked[0])
    server.stop()


def previewed():
    backend = Backend()
    nginx = Nginx(f"http://127.0.0.1:{backend.port}")
    got = preview(config("http", nginx.url), 5, "--replica", "3")
    check("firehosectl preview", got.status == 0 and len(got.lines) == 5 and
          backend.requests[0][0].endswith("?replicaId=3"), got)
    nginx.asked()


http()
ended()
nobody_behind()
websocket()
grpc()
previewed()
finish()
