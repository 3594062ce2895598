#!/usr/bin/python3
"""firehose-sim against a grpcio client (Debian: python3-grpcio, python3-protobuf): TLS and plain, metadata, stubs'
path, statuses and their details, flow control of a slow reader, compression, cancelling, shutdown."""
import os
import subprocess
import sys
import tempfile
import threading
import time

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from sim_clients import GRPC_PATH, KEY, Sim, check, equal, run_sections, until  # noqa: E402

PROTO = os.environ.get("PROTO", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "src", "proto"))
Request = None
Record = None


def load_schema():
    global Request, Record
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run(["protoc", f"-I{PROTO}", f"--descriptor_set_out={file.name}", "firehose.proto"], check=True)
        files = descriptor_pb2.FileDescriptorSet.FromString(file.read())
    pool = descriptor_pool.DescriptorPool()
    for each in files.file:
        pool.Add(each)
    make = getattr(message_factory, "GetMessageClass", None) or message_factory.MessageFactory(pool).GetPrototype
    Request = make(pool.FindMessageTypeByName("firehose_api_v1.EventsStreamRequest"))
    Record = make(pool.FindMessageTypeByName("firehose_api_v1.EventRecord"))


class Client:
    def __init__(self, sim, **how):
        address = f"{sim.host}:{sim.port}"
        if sim.tls:
            with open(f"{sim.dir}/ca.pem", "rb") as file:
                self.channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(file.read()), **how)
        else:
            self.channel = grpc.insecure_channel(address, **how)
        self.method = self.channel.unary_stream(GRPC_PATH, request_serializer=Request.SerializeToString,
                                                response_deserializer=Record.FromString)

    def call(self, key=KEY, timeout=300, **fields):
        return self.method(Request(**fields), metadata=(("x-api-key", key),), timeout=timeout)


def outcome(call):
    try:
        for _ in call:
            pass
        return call.code(), call.details()
    except grpc.RpcError as error:
        return error.code(), error.details()


def key_of(record):
    return record.record_uid, str(record.record_timestamp)


def everything(**how):
    """All that was issued, once, over one channel with several calls."""
    count = 4000
    compression = how.pop("compression", grpc.Compression.NoCompression)
    with Sim("--rate", "20000", "--events", str(count), "--paused", "--grpc-gzip", **how) as sim:
        client = Client(sim, compression=compression)
        calls = [client.call(min_partition=i, max_partition=i + 2, replica_id=2) for i in (1, 4, 7, 10)]
        records = []

        def drain(call):
            try:
                for record in call:
                    if record.event_type != 5:
                        records.append(record)
            except grpc.RpcError:
                pass
        threads = [threading.Thread(target=drain, args=(call,)) for call in calls]
        for thread in threads:
            thread.start()
        sim.connected(4)
        sim.start()
        until("all records", lambda: len(records) >= count)
        keys = [key_of(record) for record in records]
        equal("once", len(set(keys)), len(keys))
        equal("against the ledger", set(keys), sim.ledger())
        for call in calls:
            call.cancel()
        for thread in threads:
            thread.join()
        until("cancelled calls to be gone", lambda: sim.connections() == 0)
        client.channel.close()


def plain():
    everything()


def tls():
    everything(tls=True)


def gzip():
    everything(compression=grpc.Compression.Gzip)


def statuses():
    codes = grpc.StatusCode
    with Sim("--rate", "200", "--key", "CLOUD:cloud", "--key", "BLOCKED:blocked", "--key", "HTTP:channels=http") as sim:
        client = Client(sim)
        for what, wanted, fields in (
                ("unknown key", codes.UNAUTHENTICATED, dict(key="nonsense")),
                ("blocked key", codes.UNAUTHENTICATED, dict(key="BLOCKED")),
                ("no such channel", codes.PERMISSION_DENIED, dict(key="HTTP")),
                ("cloud replica", codes.INVALID_ARGUMENT, dict(key="CLOUD", replica_id=1)),
                ("partition 13", codes.INVALID_ARGUMENT, dict(max_partition=13)),
                ("negative partition", codes.INVALID_ARGUMENT, dict(min_partition=-1)),
                ("future", codes.INVALID_ARGUMENT, dict(from_timestamp=4000000000000)),
                ("replica 4", codes.RESOURCE_EXHAUSTED, dict(replica_id=4))):
            code, details = outcome(client.call(**fields))
            equal(f"{what} ({details})", code, wanted)
            check(details, "no details:", what)
        calls = [client.call(replica_id=1) for _ in range(12)]
        sim.connected(12)
        equal("13th connection", outcome(client.call(replica_id=1))[0], codes.RESOURCE_EXHAUSTED)
        for call in calls:
            call.cancel()
        sim.connected(0)
        for fault, wanted in (("end", codes.INTERNAL), ("end&code=8", codes.RESOURCE_EXHAUSTED),
                              ("end&code=0", codes.OK), ("revoke", codes.UNAUTHENTICATED),
                              ("go_away", codes.UNAVAILABLE), ("cut&layer=stream", codes.INTERNAL),
                              ("cut", codes.UNAVAILABLE), ("half_line", codes.UNAVAILABLE)):
            client = Client(sim)
            call = client.call()
            next(iter(call))
            sim.fault(fault)
            code, details = outcome(call)
            equal(f"{fault} ({details})", code, wanted)
            client.channel.close()
            sim.fault("clear")
        equal("deadline", outcome(Client(sim).call(timeout=0.3))[0], codes.DEADLINE_EXCEEDED)
        call = Client(sim).call()
        next(iter(call))
        sim.process.terminate()
        equal("shutdown", outcome(call)[0], codes.UNAVAILABLE)


def slow_reader():
    """Who does not read stops the server by flow control, and loses nothing."""
    count = 3000
    with Sim("--rate", "20000", "--events", str(count), "--paused") as sim:
        call = iter(Client(sim).call(replica_id=1))
        sim.connected(1)
        sim.start()
        until("the server to be held up", lambda: sim.status()["done"] and sim.connections() == 1)
        time.sleep(0.3)
        keys = set()
        while len(keys) < count:
            record = next(call)
            if record.event_type != 5:
                keys.add(key_of(record))
        equal("against the ledger", keys, sim.ledger())


if __name__ == "__main__":
    load_schema()
    sys.exit(run_sections([plain, tls, gzip, slow_reader, statuses]))
