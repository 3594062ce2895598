#!/usr/bin/python3
"""Our gRPC client against a server of grpcio: every event type, statuses, compression, resuming,
large records, a server that goes away."""

import json
import time

import interop
from grpc_server import STATUS, Server, all_records, grpc, pb, records, stay
from interop import Running, check, config, finish, preview, receive, receive_until

print(f"our gRPC client against grpcio {grpc.__version__}")
SAMPLES = interop.samples()


def every_type():
    for tls in (True, False):
        server = Server(all_records, tls=tls)
        got = receive(config("grpc", server.url), len(SAMPLES))
        kind = "TLS" if tls else "plain HTTP/2"
        check(f"all {len(SAMPLES)} event types over {kind}, as the HTTP channel has them",
              got.status == 0 and got.events() == SAMPLES, got)
        request, metadata = server.calls[0]
        check(f"x-api-key as metadata, an empty request, over {kind}",
              metadata.get("x-api-key") == interop.KEY and request == pb.EventsStreamRequest())
        server.stop()


def compressed():
    server = Server(all_records, compression=grpc.Compression.Gzip)
    got = receive(config("grpc", server.url), len(SAMPLES))
    check("all event types, compressed with gzip", got.status == 0 and got.events() == SAMPLES, got)
    server.stop()


def previewed():
    server = Server(all_records)
    got = preview(config("grpc", server.url), len(SAMPLES) - 1, "--replica", "2")
    wanted = [event for event in SAMPLES if event["eventType"] != "KEEP_ALIVE"]
    check("firehosectl preview", got.status == 0 and got.events() == wanted[:len(SAMPLES) - 1],
          got)
    check("replica on the wire", server.calls[0][0].replica_id == 2)
    server.stop()


def refused():
    for code, http, state in ((STATUS.UNAUTHENTICATED, 401, "refused"),
                              (STATUS.PERMISSION_DENIED, 403, "refused"),
                              (STATUS.INVALID_ARGUMENT, 400, "refused"),
                              (STATUS.UNIMPLEMENTED, 404, "refused"),
                              (STATUS.RESOURCE_EXHAUSTED, 429, "down"),
                              (STATUS.UNAVAILABLE, 503, "down"),
                              (STATUS.DEADLINE_EXCEEDED, 0, "down"),
                              (STATUS.INTERNAL, 500, "down")):
        def abort(_server, _request, context, code=code):
            if context.is_active():
                context.abort(code, "täglich 100% \n no")
            yield pb.EventRecord()

        server = Server(abort)
        running = Running(config("grpc", server.url))
        running.until(lambda got, state=state: f"[stream-{state}]" in got.err and
                      (state == "refused" or len(server.calls) > 1))
        time.sleep(0.5)  # a storm of refused calls would be seen
        got = running.received()
        running.stop()
        calls = len(server.calls)
        check(f"{code.name} is {state} ({http}), after {calls} calls",
              f"[stream-{state}]" in got.err and code.name in got.err and
              "t??glich 100%   no" in got.err and (calls == 1 if state == "refused" else calls > 1),
              got)
        server.stop()


def wrong_path():
    server = Server(all_records)
    got = receive_until(config("grpc", server.url, grpc_path="/other.Service/Nothing"),
                        lambda got: "[stream-refused]" in got.err)
    check("a method the server does not have", "UNIMPLEMENTED" in got.err and
          "firehose.grpc_path" in got.err, got)
    server.stop()


def resumed():
    """The first call ends after some records, each in its own way; the second is asked where."""
    def ok(_server, _context):
        return

    def unavailable(_server, context):
        context.abort(STATUS.UNAVAILABLE, "going away")

    for name, end in (("OK", ok), ("UNAVAILABLE", unavailable)):
        def some(server, _request, context, end=end):
            yield from records()[:10] if len(server.calls) == 1 else records()[10:]
            if len(server.calls) == 1:
                end(server, context)
            else:
                stay(server, context)

        server = Server(some)
        got = receive(config("grpc", server.url, ranges=interop.Raw("( [4, 6] )")), len(SAMPLES))
        first, second = server.calls[0][0], server.calls[1][0] if len(server.calls) > 1 else None
        check(f"a stream that ends with {name} is resumed where it ended",
              got.status == 0 and got.events() == SAMPLES and first.from_timestamp == 0 and
              second is not None and second.from_timestamp == SAMPLES[9]["recordTimestamp"], got)
        check("the range on the wire", (first.min_partition, first.max_partition) == (4, 6))
        server.stop()


def restarted():
    """The server stops (GOAWAY, RST_STREAM) and another one comes up on its port."""
    def play(server, request, context):
        yield from all_records(server, request, context)

    first = Server(play, port=interop.port())  # not one that somebody could be given in between
    running = Running(config("grpc", first.url))
    running.until(lambda got: len(got.lines) >= len(SAMPLES))
    first.stop()
    second = Server(play, port=first.port)
    got = running.until(lambda got: second.calls and len(got.lines) >= 2 * len(SAMPLES))
    running.stop()
    got.lines = got.lines[:2 * len(SAMPLES)]  # the line after it may be half
    check("a server that is restarted", second.calls and got.events() == SAMPLES + SAMPLES, got)
    second.stop()


def large():
    def behave(server, _request, context):
        record = records()[1]
        record.spaces_tenant_name = "x" * 3_000_000
        yield record
        record.spaces_tenant_name = "y" * 9_000_000
        yield record
        yield records()[2]
        stay(server, context)

    server = Server(behave, options=[("grpc.max_send_message_length", -1)])
    got = receive(config("grpc", server.url), 3)
    check("a record of 3 MB is whole, one of 9 MB is cut, the next is whole",
          got.status == 0 and
          len(json.loads(got.lines[0])["spacesTenantName"]) == 3_000_000 and
          got.lines[-2].endswith(" TRUNCATED") and  # its bytes begin with a newline
          json.loads(got.lines[-1]) == SAMPLES[2])
    server.stop()


every_type()
compressed()
previewed()
refused()
wrong_path()
resumed()
restarted()
large()
finish()
