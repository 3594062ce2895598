#!/usr/bin/python3
"""Writes tests/data/protobuf/NN-EVENT_TYPE.bin: the samples of sample-events.ndjson in protobuf,
encoded by Google's own library, so that the transcoder is held against an encoder nobody here wrote.
The files are committed; run this again only when the samples or the schema change.

usage: make-protobuf-samples.py   (needs python3-protobuf and protoc)
"""
import json
import pathlib
import subprocess
import tempfile

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

here = pathlib.Path(__file__).resolve().parent
schema = here.parent.parent / "src" / "proto" / "firehose.proto"


def record_class():
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run(["protoc", f"-I{schema.parent}", f"--descriptor_set_out={file.name}",
                        "--include_imports", str(schema)], check=True)
        files = descriptor_pb2.FileDescriptorSet.FromString(file.read())
    pool = descriptor_pool.DescriptorPool()
    for one in files.file:
        pool.Add(one)
    found = pool.FindMessageTypeByName("firehose_api_v1.EventRecord")
    return message_factory.MessageFactory(pool).GetPrototype(found)


def main():
    record = record_class()
    target = here / "protobuf"
    target.mkdir(exist_ok=True)
    lines = (here / "sample-events.ndjson").read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        event = json.loads(line)
        message = json_format.ParseDict(event, record())
        name = f"{number:02d}-{event['eventType']}.bin"
        (target / name).write_bytes(message.SerializeToString(deterministic=True))


main()
