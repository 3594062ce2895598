#!/usr/bin/python3
"""The transcoder against Google's protobuf library: random records of every event type, encoded by
the library, fields shuffled on the wire, lists unpacked, sub-messages split; the expected JSON is
made here from the decoded message by the rules of the reference, independently of the product.

usage: transcode.py FILTER DESCRIPTOR_SET [COUNT [SEED]]   (needs python3-protobuf)
"""
import base64
import json
import random
import struct
import subprocess
import sys

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor as FD


def shortest_float(value):
    if value != value or value in (float("inf"), float("-inf")):
        return json.dumps({"inf": "Infinity", "-inf": "-Infinity"}.get(str(value), "NaN"))
    for digits in range(1, 10):
        text = f"{value:.{digits}g}"
        if struct.pack("<f", float(text)) == struct.pack("<f", value):
            return lay_out(text)
    raise AssertionError(value)


def shortest_double(value):
    if value != value or value in (float("inf"), float("-inf")):
        return json.dumps({"inf": "Infinity", "-inf": "-Infinity"}.get(str(value), "NaN"))
    return lay_out(repr(value))


def lay_out(text):
    """Digits as we write them: always a fraction, exponents outside 1e-5 .. 1e15."""
    sign = "-" if text.startswith("-") else ""
    mantissa, _, exponent = text.lstrip("-").partition("e")
    whole, _, fraction = mantissa.partition(".")
    power = int(exponent or 0) + len(whole) - 1
    digits = whole + fraction
    leading = len(digits) - len(digits.lstrip("0"))
    digits = digits.lstrip("0").rstrip("0")
    if not digits:
        return sign + "0.0"
    power -= leading
    if not -5 <= power < 16:
        return f"{sign}{digits[0]}.{digits[1:] or '0'}e{power}"
    if power < 0:
        return f"{sign}0.{'0' * (-power - 1)}{digits}"
    digits = digits.ljust(power + 1, "0")
    return f"{sign}{digits[:power + 1]}.{digits[power + 1:] or '0'}"


def text_of(value):
    out = json.dumps(value, ensure_ascii=False)
    return out


def single(field, value):
    if field.type == FD.TYPE_MESSAGE:
        return expected(value)
    if field.type == FD.TYPE_ENUM:
        named = field.enum_type.values_by_number.get(value)
        if named:
            return text_of(named.name)
        return text_of(f"UNKNOWN_{value}") if field.name == "event_type" else str(value)
    if field.type == FD.TYPE_FLOAT:
        return shortest_float(value)
    if field.type == FD.TYPE_DOUBLE:
        return shortest_double(value)
    if field.type == FD.TYPE_BOOL:
        return "true" if value else "false"
    if field.type == FD.TYPE_STRING:
        return text_of(value)
    if field.type == FD.TYPE_BYTES:
        return text_of(base64.b64encode(value).decode())
    return str(value)


def expected(message):
    parts = []
    fields = list(message.DESCRIPTOR.fields)
    late = any(field.number < 1000 for field in fields)
    if message.DESCRIPTOR.name == "EventRecord":
        fields.sort(key=lambda field: field.containing_oneof is not None)
    for field in fields:
        value = getattr(message, field.name)
        repeated = field.label == FD.LABEL_REPEATED
        presence = field.has_presence
        if presence and not message.HasField(field.name):
            continue
        # Without presence the encoder leaves a default out: here as there it is not set.
        unset = not presence and (len(value) == 0 if repeated else is_default(value))
        if unset and late and field.number >= 1000:
            continue
        if repeated:
            shown = "[" + ",".join(single(field, item) for item in value) + "]"
        else:
            shown = single(field, value)
        parts.append(f'"{field.json_name}":{shown}')
    return "{" + ",".join(parts) + "}"


def is_default(value):
    if isinstance(value, float):
        return struct.pack("<d", value) == bytes(8)
    return not value


ALPHABET = "abcdefghijklmnop 0123456789:-/\"\\\n\t\x01\x7f\u00e9\u20ac\U0001f600"


def random_single(rng, field, depth):
    kind = field.type
    if kind == FD.TYPE_ENUM:
        return rng.choice([value.number for value in field.enum_type.values] + [77])
    if kind == FD.TYPE_BOOL:
        return rng.random() < 0.5
    if kind == FD.TYPE_STRING:
        return "".join(rng.choice(ALPHABET) for _ in range(rng.randrange(24)))
    if kind == FD.TYPE_BYTES:
        return bytes(rng.randrange(256) for _ in range(rng.randrange(20)))
    if kind in (FD.TYPE_FLOAT, FD.TYPE_DOUBLE):
        bits = rng.getrandbits(64)
        pick = rng.random()
        value = (round(rng.uniform(-1000, 1000), rng.randrange(6)) if pick < 0.7 else
                 struct.unpack("<d", struct.pack("<Q", bits))[0] if pick < 0.9 else 0.0)
        if kind == FD.TYPE_FLOAT:
            value = (struct.unpack("<f", struct.pack("<I", bits & 0xFFFFFFFF))[0] if pick > 0.7
                     else struct.unpack("<f", struct.pack("<f", value))[0])
        return value
    bits = 32 if kind == FD.TYPE_INT32 else 64
    assert kind in (FD.TYPE_INT32, FD.TYPE_INT64), field.full_name
    value = rng.getrandbits(bits) >> rng.randrange(bits)
    return value - (1 << bits) if value >> (bits - 1) else value


def fill(rng, message, depth=0):
    chosen = {oneof: rng.choice(oneof.fields) for oneof in message.DESCRIPTOR.oneofs}
    for field in message.DESCRIPTOR.fields:
        oneof = field.containing_oneof
        if rng.random() < (0.3 + 0.05 * depth):
            continue
        if oneof is not None and chosen[oneof] is not field:
            continue
        if field.type == FD.TYPE_MESSAGE:
            if depth > 6:
                continue
            if field.label == FD.LABEL_REPEATED:
                for _ in range(rng.randrange(4)):
                    fill(rng, getattr(message, field.name).add(), depth + 1)
            else:
                getattr(message, field.name).SetInParent()
                fill(rng, getattr(message, field.name), depth + 1)
        elif field.label == FD.LABEL_REPEATED:
            getattr(message, field.name).extend(
                random_single(rng, field, depth) for _ in range(rng.randrange(5)))
        else:
            setattr(message, field.name, random_single(rng, field, depth))


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def fields_of(data):
    at = 0
    while at < len(data):
        start = at
        tag, at = read_varint(data, at)
        if tag & 7 == 0:
            _, at = read_varint(data, at)
            yield tag >> 3, data[start:at], None
        elif tag & 7 == 2:
            length, at = read_varint(data, at)
            yield tag >> 3, None, data[at:at + length]
            at += length
        else:
            at += 8 if tag & 7 == 1 else 4
            yield tag >> 3, data[start:at], None


def shuffle(rng, descriptor, data):
    """The same message, written as an unusual encoder would."""
    pieces = []
    for number, raw, content in fields_of(data):
        field = descriptor.fields_by_number[number]
        repeated = field.label == FD.LABEL_REPEATED
        if raw is not None:
            pieces.append((number, raw))
            continue
        prefix = varint(number << 3 | 2)
        if field.type == FD.TYPE_MESSAGE:
            inner = shuffle(rng, field.message_type, content)
            parts = [inner]
            if not repeated and rng.random() < 0.1:
                units = [raw if raw is not None else varint(n << 3 | 2) + varint(len(c)) + c
                         for n, raw, c in fields_of(inner)]
                cut = rng.randrange(len(units) + 1)
                parts = [b"".join(units[:cut]), b"".join(units[cut:])]
            pieces += [(number, prefix + varint(len(part)) + part) for part in parts]
        elif repeated and field.type == FD.TYPE_ENUM:
            at = 0
            while at < len(content):
                value, at = read_varint(content, at)
                pieces.append((number, varint(number << 3) + varint(value)))
        else:
            pieces.append((number, prefix + varint(len(content)) + content))
    # Fields of one number keep their order; the numbers mix.
    queues = {}
    for number, piece in pieces:
        queues.setdefault(number, []).append(piece)
    order = [number for number, _ in pieces]
    rng.shuffle(order)
    return b"".join(queues[number].pop(0) for number in order)


def main():
    program, set_path = sys.argv[1:3]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 2000
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    rng = random.Random(seed)
    print(f"seed {seed}, {count} records")
    with open(set_path, "rb") as file:
        files = descriptor_pb2.FileDescriptorSet.FromString(file.read())
    pool = descriptor_pool.DescriptorPool()
    for one in files.file:
        pool.Add(one)
    descriptor = pool.FindMessageTypeByName("firehose_api_v1.EventRecord")
    record = message_factory.MessageFactory(pool).GetPrototype(descriptor)
    stream, wanted = bytearray(), []
    for i in range(count):
        message = record()
        fill(rng, message)
        data = message.SerializeToString()
        if i % 2:
            data = shuffle(rng, descriptor, data)
            assert record.FromString(data).SerializeToString(deterministic=True) == \
                message.SerializeToString(deterministic=True)
        wanted.append(expected(message))
        stream += struct.pack("<I", len(data)) + data
    out = subprocess.run([program], input=bytes(stream), stdout=subprocess.PIPE, check=True).stdout
    got = out.decode("utf-8").split("\n")[:-1]
    assert len(got) == count, f"{len(got)} lines of {count}"
    for i, (line, want) in enumerate(zip(got, wanted)):
        if line != want:
            at = next((k for k, (a, b) in enumerate(zip(line, want)) if a != b), 0)
            sys.exit(f"record {i} differs at {at}:\n  got  {line[at - 60:at + 80]}\n"
                     f"  want {want[at - 60:at + 80]}")
    print(f"{count} records identical, {len(stream)} bytes of protobuf, {len(out)} of JSON")


main()
