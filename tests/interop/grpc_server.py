"""A gRPC server of the firehose on grpcio, with Google's own protobuf library behind it. Written
from firehose.proto alone: nothing of ours takes part on this side."""

import os
import subprocess
import sys
import threading
from concurrent import futures

import interop

try:
    import grpc
    from google.protobuf import json_format
except ImportError as error:
    interop.skip(f"python3-grpcio or python3-protobuf is not installed: {error}")

interop.need("protoc")
subprocess.run(
    ["protoc", "-I", os.path.join(interop.ROOT, "src/proto"), "--python_out", interop.WORK,
     "firehose.proto"], check=True)
sys.path.insert(0, interop.WORK)
import firehose_pb2 as pb  # noqa: E402

STATUS = grpc.StatusCode


def records():
    return [json_format.ParseDict(event, pb.EventRecord()) for event in interop.samples()]


class Server:
    """behave(server, request, context) yields records."""

    def __init__(self, behave, tls=True, port=0, **options):
        self.calls = []
        self.behave = behave
        self.released = threading.Event()
        outer = self

        def get_events(request, context):
            outer.calls.append((request, dict(context.invocation_metadata())))
            yield from outer.behave(outer, request, context)

        handler = grpc.method_handlers_generic_handler(
            "firehose_api_v1.Firehose",
            {"GetEvents": grpc.unary_stream_rpc_method_handler(
                get_events, request_deserializer=pb.EventsStreamRequest.FromString,
                response_serializer=pb.EventRecord.SerializeToString)})
        self.server = grpc.server(futures.ThreadPoolExecutor(16), **options)
        self.server.add_generic_rpc_handlers((handler,))
        if tls:
            key, cert = (open(name, "rb").read() for name in interop.certificate())
            credentials = grpc.ssl_server_credentials([(key, cert)])
            self.port = self.server.add_secure_port(f"127.0.0.1:{port}", credentials)
        else:
            self.port = self.server.add_insecure_port(f"127.0.0.1:{port}")
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.server.start()

    def stop(self):
        stopped = self.server.stop(0.2)  # first, or whoever is released comes back to this one
        self.released.set()
        stopped.wait(60)


def stay(server, context):
    """As long as the client does."""
    while context.is_active() and not server.released.wait(0.05):
        pass


def all_records(server, request, context):
    yield from records()
    stay(server, context)
