#!/usr/bin/env python3
"""A Kafka broker of one process that keeps everything in memory and takes transactions seriously.

librdkafka's mock cluster neither shuts out an older producer nor hides what is not committed nor
looks up offsets by time. This stand-in does, as the protocol's documentation describes it: epochs
of producers, sequence numbers, control records, the last stable offset, aborted transactions in the
answers to fetches, time-outs of transactions. It shares no code with librdkafka or the daemon.

    kafka-broker.py [--port N] [--partitions N] [--max-message-bytes N] [--transaction-ms N] [--no-create]
                    [--orders]

Prints "listening on 127.0.0.1:PORT". SIGUSR1 makes it unreachable, SIGUSR2 reachable again; nothing
is forgotten. With --orders it takes orders on standard input, one a line, each answered with "ok ...", and ends
with its input:

    down | up
    drop API N          the next N requests of that number are carried out, and not answered
    fail API CODE N     the next N are answered with this error and not carried out
    expire              every transaction under way has lasted too long
    create TOPIC N      a topic of N partitions
    count API...        how often each of those requests came
"""
import argparse
import asyncio
import signal
import struct
import sys
import time

PRODUCE, FETCH, LIST_OFFSETS, METADATA, FIND_COORDINATOR = 0, 1, 2, 3, 10
API_VERSIONS, INIT_PRODUCER, ADD_PARTITIONS, END_TRANSACTION = 18, 22, 24, 26
# First and last version; the first one of each that has the "flexible" encoding.
VERSIONS = {PRODUCE: (0, 7), FETCH: (0, 4), LIST_OFFSETS: (0, 2), METADATA: (0, 4), FIND_COORDINATOR: (0, 2),
            API_VERSIONS: (0, 3), INIT_PRODUCER: (0, 4), ADD_PARTITIONS: (0, 1), END_TRANSACTION: (0, 1)}
FLEXIBLE = {API_VERSIONS: 3, INIT_PRODUCER: 2}
UNKNOWN_TOPIC, TOO_LARGE, OUT_OF_ORDER, UNSUPPORTED = 3, 10, 45, 35
OLD_EPOCH, BAD_STATE, BAD_MAPPING, BAD_TIMEOUT, NOT_ATTEMPTED, FENCED = 47, 48, 49, 50, 55, 90


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self, form):
        value, = struct.unpack_from('>' + form, self.data, self.at)
        self.at += struct.calcsize('>' + form)
        return value

    def piece(self, size):
        if size < 0:
            return None
        self.at += size
        return self.data[self.at - size:self.at]

    def string(self):
        value = self.piece(self.number('h'))
        return None if value is None else value.decode()

    def variable(self):
        value = shift = 0
        while True:
            byte = self.number('B')
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7

    def signed(self):
        value = self.variable()
        return (value >> 1) ^ -(value & 1)

    def compact_string(self):
        value = self.piece(self.variable() - 1)
        return None if value is None else value.decode()

    def tags(self):
        for _ in range(self.variable()):
            self.variable()
            self.piece(self.variable())

    def array(self, item):
        return [item() for _ in range(self.number('i'))]


def string(text):
    return struct.pack('>h', -1) if text is None else struct.pack('>h', len(text)) + text.encode()


def array(items):
    return struct.pack('>i', len(items)) + b''.join(items)


def make_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC_TABLE = make_table()


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ CRC_TABLE[(value ^ byte) & 255]
    return value ^ 0xFFFFFFFF


class Batch:
    """One record batch (magic 2) as it came; only its head is looked at."""

    def __init__(self, data, base):
        self.data = struct.pack('>q', base) + data[8:]
        (self.attributes, last, self.first_time, self.max_time, self.pid, self.epoch, self.sequence,
         self.records) = struct.unpack_from('>hiqqqhii', data, 21)
        self.base, self.last = base, base + last
        self.control = bool(self.attributes & 32)

    def first_since(self, since):
        if self.attributes & 7:
            return self.base  # compressed: the first record that may be meant
        reader = Reader(self.data)
        reader.at = 61
        for _ in range(self.records):
            end = reader.signed()
            end += reader.at
            reader.number('b')
            if self.first_time + reader.signed() >= since:
                return self.base + reader.signed()
            reader.at = end
        return None


def control_batch(pid, epoch, commit):
    key, value = struct.pack('>hh', 0, 1 if commit else 0), struct.pack('>hi', 0, 0)
    body = b'\0\0\0' + bytes([len(key) * 2]) + key + bytes([len(value) * 2]) + value + b'\0'
    record = bytes([len(body) * 2]) + body
    now = int(time.time() * 1000)
    tail = struct.pack('>hiqqqhii', 0x30, 0, now, now, pid, epoch, -1, 1) + record
    return struct.pack('>qiibI', 0, 9 + len(tail), 0, 2, crc32c(tail)) + tail


class Partition:
    def __init__(self):
        self.batches, self.end = [], 0
        self.open = {}       # pid: first offset of its transaction
        self.aborted = []    # (pid, first offset, offset of the marker)
        self.producers = {}  # pid: (epoch, the last five (first sequence, last sequence, base))
        self.written = asyncio.Event()

    def stable(self):
        return min(self.open.values(), default=self.end)

    def append(self, data):
        batch = Batch(data, self.end)
        self.batches.append(batch)
        self.end = batch.last + 1
        self.written.set()
        self.written = asyncio.Event()
        return batch

    def produce(self, data):
        head = Batch(data, 0)
        if head.pid >= 0:
            epoch, recent = self.producers.get(head.pid, (-1, []))
            if head.epoch < epoch:
                return OLD_EPOCH, -1
            if head.epoch > epoch:
                recent = []
            last = head.sequence + head.records - 1
            for first, end, base in recent:
                if (first, end) == (head.sequence, last):
                    return 0, base  # sent again: it is there
            if head.sequence != (recent[-1][1] + 1 if recent else 0):
                return OUT_OF_ORDER, -1
            self.producers[head.pid] = (head.epoch, (recent + [(head.sequence, last, self.end)])[-5:])
            if head.attributes & 16:
                self.open.setdefault(head.pid, self.end)
        return 0, self.append(data).base

    def finish(self, pid, epoch, commit):
        first = self.open.pop(pid, None)
        marker = self.append(control_batch(pid, epoch, commit))
        if not commit and first is not None:
            self.aborted.append((pid, first, marker.base))
        known, recent = self.producers.get(pid, (-1, []))
        self.producers[pid] = (max(known, epoch), recent if known == epoch else [])

    def find(self, offset):
        low, high = 0, len(self.batches)
        while low < high:
            middle = (low + high) // 2
            if self.batches[middle].last < offset:
                low = middle + 1
            else:
                high = middle
        return low


class Transaction:
    def __init__(self, pid):
        self.pid, self.epoch, self.state = pid, -1, 'empty'
        self.places, self.timeout_ms, self.begun = set(), 60000, 0


class Broker:
    def __init__(self, options):
        self.options, self.topics, self.transactions, self.next_pid = options, {}, {}, 1000
        self.dropped, self.failing, self.connections = {}, {}, set()
        self.server, self.port, self.counted = None, options.port, {}
        self.handlers = {PRODUCE: self.produce, FETCH: self.fetch, LIST_OFFSETS: self.list_offsets,
                         METADATA: self.metadata, FIND_COORDINATOR: self.find_coordinator,
                         API_VERSIONS: self.api_versions, INIT_PRODUCER: self.init_producer,
                         ADD_PARTITIONS: self.add_partitions, END_TRANSACTION: self.end_transaction}

    def partition(self, topic, number):
        partitions = self.topics.get(topic, [])
        return partitions[number] if 0 <= number < len(partitions) else None

    # ---- answers -------------------------------------------------------------------------------

    async def api_versions(self, request, version, _error):
        if version > 3:
            version, code = 0, UNSUPPORTED
        else:
            code = 0
        rows = [struct.pack('>hhh', key, low, high) for key, (low, high) in VERSIONS.items()]
        if version < 3:
            return struct.pack('>h', code) + array(rows) + (b'\0\0\0\0' if version > 0 else b'')
        return struct.pack('>hB', code, len(rows) + 1) + b''.join(row + b'\0' for row in rows) + b'\0\0\0\0\0'

    async def metadata(self, request, version, _error):
        count = request.number('i')
        names = list(self.topics) if count < 0 or (version == 0 and count == 0) else [request.string()
                                                                                    for _ in range(count)]
        create = request.number('b') if version >= 4 else 1
        rows = []
        for name in names:
            if name not in self.topics and create and not self.options.no_create:
                self.topics[name] = [Partition() for _ in range(self.options.partitions)]
            partitions = [struct.pack('>hii', 0, number, 1) + array([struct.pack('>i', 1)]) * 2
                          for number in range(len(self.topics.get(name, [])))]
            rows.append(struct.pack('>h', 0 if name in self.topics else UNKNOWN_TOPIC) + string(name) +
                        (b'\0' if version >= 1 else b'') + array(partitions))
        broker = struct.pack('>i', 1) + string('127.0.0.1') + struct.pack('>i', self.port)
        return ((b'\0\0\0\0' if version >= 3 else b'') + array([broker + (string(None) if version >= 1 else b'')]) +
                (string('stand-in') if version >= 2 else b'') + (struct.pack('>i', 1) if version >= 1 else b'') +
                array(rows))

    async def find_coordinator(self, request, version, _error):
        head = struct.pack('>ih', 0, 0) + string(None) if version >= 1 else struct.pack('>h', 0)
        return head + struct.pack('>i', 1) + string('127.0.0.1') + struct.pack('>i', self.port)

    async def init_producer(self, request, version, error):
        name = request.compact_string() if version >= 2 else request.string()
        timeout_ms = request.number('i')
        pid, epoch = (request.number('q'), request.number('h')) if version >= 3 else (-1, -1)
        answer = (error, -1, -1) if error else self.new_epoch(name, timeout_ms, pid, epoch, version)
        return struct.pack('>ihqh', 0, *answer) + (b'\0' if version >= 2 else b'')

    def new_epoch(self, name, timeout_ms, pid, epoch, version):
        if timeout_ms > 900000:
            return BAD_TIMEOUT, -1, -1
        if name is None or name not in self.transactions:
            self.next_pid += 1
            if name is None:
                return 0, self.next_pid, 0
            self.transactions[name] = Transaction(self.next_pid)
        known = self.transactions[name]
        if pid >= 0 and (pid, epoch) != (known.pid, known.epoch):
            return FENCED if version >= 4 else OLD_EPOCH, -1, -1
        if known.state == 'ongoing':
            self.finish(known, False, known.epoch + 1)
        known.epoch += 1
        known.state, known.timeout_ms = 'empty', timeout_ms
        return 0, known.pid, known.epoch

    def finish(self, known, commit, epoch):
        for topic, number in sorted(known.places):
            self.partition(topic, number).finish(known.pid, epoch, commit)
        known.places, known.state = set(), 'committed' if commit else 'aborted'

    def check(self, name, pid, epoch):
        known = self.transactions.get(name)
        if not known or known.pid != pid:
            return BAD_MAPPING
        return OLD_EPOCH if epoch != known.epoch else 0

    async def add_partitions(self, request, _version, error):
        name, pid, epoch = request.string(), request.number('q'), request.number('h')
        wanted = request.array(lambda: (request.string(), request.array(lambda: request.number('i'))))
        error = error or self.check(name, pid, epoch)
        missing = any(not self.partition(topic, number) for topic, numbers in wanted for number in numbers)
        known = self.transactions.get(name)
        if not error and not missing:
            if known.state != 'ongoing':
                known.state, known.begun = 'ongoing', time.monotonic()
            known.places.update((topic, number) for topic, numbers in wanted for number in numbers)

        def code(topic, number):
            return error or (UNKNOWN_TOPIC if not self.partition(topic, number) else NOT_ATTEMPTED if missing else 0)
        return b'\0\0\0\0' + array([string(topic) + array([struct.pack('>ih', number, code(topic, number))
                                                           for number in numbers]) for topic, numbers in wanted])

    async def end_transaction(self, request, _version, error):
        name, pid, epoch, commit = request.string(), request.number('q'), request.number('h'), request.number('b')
        error = error or self.check(name, pid, epoch)
        if not error:
            known = self.transactions[name]
            if known.state == 'ongoing':
                self.finish(known, bool(commit), epoch)
            elif known.state != ('committed' if commit else 'aborted'):
                error = BAD_STATE
        return struct.pack('>ih', 0, error)

    async def produce(self, request, version, error):
        name = request.string() if version >= 3 else None
        request.number('h'), request.number('i')

        def part():
            return request.number('i'), request.piece(request.number('i'))
        wanted = request.array(lambda: (request.string(), request.array(part)))
        rows = []
        for topic, parts in wanted:
            answers = []
            for number, data in parts:
                code, base = (error, -1) if error else self.append(name, topic, number, data)
                answers.append(struct.pack('>ihq', number, code, base) + (struct.pack('>q', -1) if version >= 2 else b'') +
                               (struct.pack('>q', 0) if version >= 5 else b''))
            rows.append(string(topic) + array(answers))
        return array(rows) + (b'\0\0\0\0' if version >= 1 else b'')

    def append(self, name, topic, number, data):
        partition = self.partition(topic, number)
        if not partition:
            return UNKNOWN_TOPIC, -1
        if len(data) > self.options.max_message_bytes:
            return TOO_LARGE, -1
        head = Batch(data, 0)
        if name is not None and head.attributes & 16:
            error = self.check(name, head.pid, head.epoch)
            if error:
                return error, -1
            if (topic, number) not in self.transactions[name].places:
                return BAD_STATE, -1
        return partition.produce(data)

    async def list_offsets(self, request, version, error):
        request.number('i')
        committed = request.number('b') if version >= 2 else 0

        def part():
            row = request.number('i'), request.number('q')
            if version == 0:
                request.number('i')
            return row
        wanted = request.array(lambda: (request.string(), request.array(part)))
        rows = []
        for topic, parts in wanted:
            answers = []
            for number, since in parts:
                partition = self.partition(topic, number)
                offset, code = -1, error or (0 if partition else UNKNOWN_TOPIC)
                if not code:
                    offset = self.offset_since(partition, since, committed)
                answers.append(struct.pack('>ih', number, code) + (array([struct.pack('>q', offset)]) if version == 0 else
                                                                   struct.pack('>qq', -1, offset)))
            rows.append(string(topic) + array(answers))
        return (b'\0\0\0\0' if version >= 2 else b'') + array(rows)

    @staticmethod
    def offset_since(partition, since, committed):
        if since == -1:
            return partition.stable() if committed else partition.end
        if since == -2:
            return 0
        for batch in partition.batches:
            if not batch.control and batch.max_time >= since:
                offset = batch.first_since(since)
                if offset is not None:
                    return offset
        return -1

    async def fetch(self, request, version, error):
        request.number('i')
        wait_ms, _least = request.number('i'), request.number('i')
        most = request.number('i') if version >= 3 else 1 << 20
        committed = request.number('b') if version >= 4 else 0

        def part():
            return request.number('i'), request.number('q'), request.number('i')
        wanted = request.array(lambda: (request.string(), request.array(part)))
        until = time.monotonic() + wait_ms / 1000
        while True:
            written = [self.partition(topic, number).written for topic, parts in wanted
                       for number, _, _ in parts if self.partition(topic, number)]
            body, size = self.fetched(wanted, most, committed, version, error)
            left = until - time.monotonic()
            if size > 0 or left <= 0 or not written:
                return body
            waits = [asyncio.ensure_future(event.wait()) for event in written]
            await asyncio.wait(waits, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()

    def fetched(self, wanted, most, committed, version, error):
        rows, size = [], 0
        for topic, parts in wanted:
            answers = []
            for number, offset, room in parts:
                partition = self.partition(topic, number)
                if error or not partition:
                    answers.append(struct.pack('>ihqqii', number, error or UNKNOWN_TOPIC, -1, -1, 0, 0))
                    continue
                stable, pieces, used, last = partition.stable(), [], 0, offset - 1
                for batch in partition.batches[partition.find(offset):]:
                    full = used > 0 and used + len(batch.data) > room or size > most
                    if full or committed and batch.base >= stable:
                        break
                    pieces.append(batch.data)
                    used += len(batch.data)
                    size += len(batch.data)
                    last = batch.last
                code = 1 if offset > partition.end else 0
                aborted = [struct.pack('>qq', pid, first) for pid, first, marker in partition.aborted
                           if marker >= offset and first <= last] if committed else []
                answers.append(struct.pack('>ihq', number, code, partition.end) +
                               (struct.pack('>q', stable) + array(aborted) if version >= 4 else b'') +
                               struct.pack('>i', used) + b''.join(pieces))
            rows.append(string(topic) + array(answers))
        return (b'\0\0\0\0' if version >= 1 else b'') + array(rows), size

    # ---- connections ---------------------------------------------------------------------------

    def take(self, table, api):
        left = table.get(api)
        if not left or left[1] == 0:
            return 0
        left[1] -= 1
        return left[0]

    async def connected(self, reader, writer):
        self.connections.add(writer)
        try:
            while True:
                size, = struct.unpack('>i', await reader.readexactly(4))
                request = Reader(await reader.readexactly(size))
                api, version, serial = request.number('h'), request.number('h'), request.number('i')
                request.string()
                flexible = version >= FLEXIBLE.get(api, 99)
                if flexible:
                    request.tags()
                if api not in self.handlers:
                    print('no such request:', api, file=sys.stderr)
                    break
                self.counted[api] = self.counted.get(api, 0) + 1
                error = self.take(self.failing, api)
                body = await self.handlers[api](request, version, error)
                if self.take(self.dropped, api):
                    break
                head = struct.pack('>i', serial) + (b'\0' if flexible and api != API_VERSIONS else b'')
                writer.write(struct.pack('>i', len(head) + len(body)) + head + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.connections.discard(writer)
            writer.close()

    async def up(self):
        if not self.server:
            self.server = await asyncio.start_server(self.connected, '127.0.0.1', self.port)
            self.port = self.server.sockets[0].getsockname()[1]

    async def down(self):
        if self.server:
            self.server.close()
            self.server = None
        for writer in list(self.connections):
            writer.transport.abort()

    def expire(self, force):
        for known in self.transactions.values():
            limit_ms = min(known.timeout_ms, self.options.transaction_ms or known.timeout_ms)
            if known.state == 'ongoing' and (force or time.monotonic() - known.begun > limit_ms / 1000):
                known.epoch += 1
                self.finish(known, False, known.epoch)

    async def order(self, words):
        if words[0] == 'down':
            await self.down()
        elif words[0] == 'up':
            await self.up()
        elif words[0] == 'drop':
            self.dropped[int(words[1])] = [1, int(words[2])]
        elif words[0] == 'fail':
            self.failing[int(words[1])] = [int(words[2]), int(words[3])]
        elif words[0] == 'expire':
            self.expire(True)
        elif words[0] == 'create':
            self.topics[words[1]] = [Partition() for _ in range(int(words[2]))]
        elif words[0] == 'count':
            return ' '.join(str(self.counted.get(int(word), 0)) for word in words[1:])
        else:
            return 'unknown order'
        return ''


async def read_orders(broker):
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        print('ok', await broker.order(line.decode().split()), flush=True)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--port', type=int, default=0)
    parser.add_argument('--partitions', type=int, default=4)
    parser.add_argument('--max-message-bytes', type=int, default=1048588)
    parser.add_argument('--transaction-ms', type=int, default=0)
    parser.add_argument('--no-create', action='store_true')
    parser.add_argument('--orders', action='store_true')
    broker = Broker(parser.parse_args())
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, lambda: asyncio.ensure_future(broker.down()))
    loop.add_signal_handler(signal.SIGUSR2, lambda: asyncio.ensure_future(broker.up()))
    await broker.up()
    print(f'listening on 127.0.0.1:{broker.port}', flush=True)
    orders = asyncio.ensure_future(read_orders(broker)) if broker.options.orders else None
    while not (orders and orders.done()):
        await asyncio.sleep(0.1)
        broker.expire(False)


asyncio.run(main())
