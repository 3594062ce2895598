"""Clients and a handle of firehose-sim for the tests of its channels. Standard library alone: a WebSocket
client of its own, gRPC by way of curl."""
import base64
import concurrent.futures
import hashlib
import http.client
import json
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time
import traceback

EVENTS = "/api/partners/v1/firehose/events"
GRPC_PATH = "/firehose_api_v1.Firehose/GetEvents"
KEY = "0123456789ABCDEF0123456789ABCDEF"
BIN = os.environ.get("BIN", "build/bin")


class Failed(Exception):
    pass


def check(good, *what):
    if not good:
        raise Failed(" ".join(str(part) for part in what))


def equal(what, got, wanted):
    check(got == wanted, f"{what}: expected {wanted!r}, got {got!r}")


def until(what, condition, seconds=60.0):
    """Asks every 10 ms: the server has no event to wait for."""
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        check(time.monotonic() < end, "in vain for", seconds, "s:", what)
        time.sleep(0.01)


class Sim:
    """A running firehose-sim, stopped in order at the end of the with block."""

    def __init__(self, *options, tls=False):
        self.dir = tempfile.mkdtemp(prefix="sim-channels-")
        self.tls = tls
        where = ["--make-cert", self.dir] if tls else ["--plain"]
        self.process = subprocess.Popen(
            [f"{BIN}/firehose-sim", "--listen", "127.0.0.1:0", "--api-key", KEY, "--seed", "7", "--devices", "300",
             *where, *options],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        check("listening on" in line, "no line says where firehose-sim listens", self.process.stderr.read() if not line else "")
        self.url = line.split()[-1]
        self.host, port = self.url.split("//")[1].rsplit(":", 1)
        self.port = int(port)
        self.clients = []

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        for client in self.clients:
            client.kill()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        errors = self.process.communicate(timeout=60)[1]
        if kind is None:
            equal("exit status of firehose-sim " + errors, self.process.returncode, 0)
        else:
            print(errors[-4000:])
        subprocess.run(["rm", "-rf", self.dir], check=False)

    def context(self):
        return ssl.create_default_context(cafile=f"{self.dir}/ca.pem") if self.tls else None

    def connect(self):
        raw = socket.create_connection((self.host, self.port), timeout=60)
        return self.context().wrap_socket(raw, server_hostname="127.0.0.1") if self.tls else raw

    def ask(self, method, path, body=None, headers=None):
        """(status, headers, body text)"""
        if self.tls:
            connection = http.client.HTTPSConnection(self.host, self.port, timeout=60, context=self.context())
        else:
            connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        result = answer.status, answer.headers, answer.read().decode()
        connection.close()
        return result

    def status(self):
        return json.loads(self.ask("GET", "/sim/status")[2])

    def post(self, path):
        status, _, text = self.ask("POST", path)
        equal(f"POST {path} {text}", status, 200)
        return json.loads(text)

    def fault(self, query):
        return self.post("/sim/fault?type=" + query)

    def applied(self, query):
        """As fault, and waits until it has been applied: its effect may be over before anybody looks."""
        order = self.fault(query)["id"]
        until(query, lambda: any(fault["id"] == order and fault["applied"] > 0
                                 for fault in json.loads(self.ask("GET", "/sim/faults")[2])))

    def start(self):
        self.post("/sim/start")

    def connections(self):
        return len(self.status()["connections"])

    def connected(self, count):
        until(f"{count} connections", lambda: self.connections() == count)

    def ledger(self):
        return {tuple(line.split()[:2]) for line in self.ask("GET", "/sim/ledger")[2].splitlines()}

    def websocket(self, query="", key=KEY, **more):
        client = WebSocket(self, query, key, **more)
        self.clients.append(client)
        return client

    def grpc(self, request=b"", key=KEY, **more):
        client = Grpc(self, request, key, **more)
        self.clients.append(client)
        return client

    def lines(self, query="", version="--http1.1"):
        client = Lines(self, query, version)
        self.clients.append(client)
        return client


class Refused(Exception):
    pass


class WebSocket:
    """RFC 6455 by hand; answers nothing by itself."""

    def __init__(self, sim, query="", key=KEY, path=EVENTS, headers=()):
        self.socket = sim.connect()
        self.buffer = b""
        nonce = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {path}{'?' if query else ''}{query} HTTP/1.1", "Host: x", "Connection: keep-alive, Upgrade",
                 "Upgrade: websocket", f"Sec-WebSocket-Key: {nonce}", "Sec-WebSocket-Version: 13"]
        lines += [f"X-API-KEY: {key}"] if key else []
        for header in headers:
            name = header.split(":")[0]
            lines = [line for line in lines if not line.startswith(name + ":")] + [header]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        while b"\r\n\r\n" not in self.buffer:
            self.more()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        self.head = head.decode()
        self.code = int(self.head.split()[1])
        if self.code != 101:
            return
        wanted = base64.b64encode(hashlib.sha1((nonce + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        check(wanted.decode() in self.head, "Sec-WebSocket-Accept is wrong:", self.head)

    def more(self):
        part = self.socket.recv(65536)
        if not part:
            raise EOFError
        self.buffer += part

    def need(self, count):
        while len(self.buffer) < count:
            self.more()

    def frame(self):
        """(final, opcode, payload)"""
        self.need(2)
        first, length, at = self.buffer[0], self.buffer[1], 2
        check(not length & 0x80, "a server must not mask")
        check(not first & 0x70, "reserved bits")
        if length == 126:
            self.need(4)
            length, at = struct.unpack(">H", self.buffer[2:4])[0], 4
            check(length >= 126, "length not in its shortest form")
        elif length == 127:
            self.need(10)
            length, at = struct.unpack(">Q", self.buffer[2:10])[0], 10
            check(length >= 65536, "length not in its shortest form")
        self.need(at + length)
        payload, self.buffer = self.buffer[at:at + length], self.buffer[at + length:]
        return bool(first & 0x80), first & 15, payload

    def message(self):
        """The next text message, and how it came: (payload, fragments, opcodes of control frames within)"""
        parts, control = [], []
        while True:
            final, opcode, payload = self.frame()
            if opcode >= 8:
                if parts:
                    control.append(opcode)
                elif opcode == 8:
                    raise Refused(struct.unpack(">H", payload[:2])[0] if payload else None)
                continue
            equal("opcode", opcode, 0 if parts else 1)
            parts.append(payload)
            if final:
                return b"".join(parts), len(parts), control

    def events(self, count):
        return [json.loads(self.message()[0]) for _ in range(count)]

    def send(self, opcode, payload=b"", final=True, masked=True, reserved=0):
        mask = os.urandom(4)
        head = bytes([(0x80 if final else 0) | reserved | opcode])
        bit = 0x80 if masked else 0
        if len(payload) < 126:
            head += bytes([bit | len(payload)])
        else:
            head += bytes([bit | 126]) + struct.pack(">H", len(payload))
        data = bytes(byte ^ mask[i & 3] for i, byte in enumerate(payload)) if masked else payload
        self.socket.sendall(head + (mask if masked else b"") + data)

    def control(self, wanted):
        """Payload of the next frame of that opcode; messages in between are dropped."""
        while True:
            _, opcode, payload = self.frame()
            if opcode == wanted:
                return payload

    def closed(self):
        """The close code; the connection ends after our answer."""
        payload = self.control(8)
        code = struct.unpack(">H", payload[:2])[0]
        self.send(8, payload[:2])
        self.ends()
        return code

    def ends(self):
        try:
            while True:
                self.buffer = b""
                self.more()
        except (EOFError, OSError, ssl.SSLError):
            return

    def kill(self):
        self.socket.close()


class Process:
    """curl in the background, its body in a file."""

    def __init__(self, sim, command):
        handle, self.body = tempfile.mkstemp(dir=sim.dir)
        os.close(handle)
        self.heads = self.body + ".head"
        trust = ["--cacert", f"{sim.dir}/ca.pem"] if sim.tls else []
        self.process = subprocess.Popen(["curl", "-sSN", "-m", "200", *trust, "-o", self.body, "-D", self.heads, *command],
                                        stderr=subprocess.PIPE, text=True)

    def bytes(self):
        with open(self.body, "rb") as file:
            return file.read()

    def head(self):
        if not os.path.exists(self.heads):
            return ""
        with open(self.heads, encoding="latin-1", newline="") as file:
            return file.read()

    def wait(self):
        self.error = self.process.communicate(timeout=90)[1]
        return self.process.returncode

    def gone(self):
        return self.process.poll() is not None

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def fetch(sim, path, *options):
    """(status, heads, body) of one request by curl."""
    client = Process(sim, [*options, sim.url + path])
    client.wait()
    head = client.head()
    return int(head.split()[1]) if head else 0, head, client.bytes().decode()


class Lines(Process):
    """The HTTP channel."""

    def __init__(self, sim, query="", version="--http1.1"):
        super().__init__(sim, [version, "-H", f"X-API-KEY: {KEY}", f"{sim.url}{EVENTS}?{query}"])

    def whole(self):
        return [line for line in self.bytes().split(b"\n")[:-1] if line]

    def records(self):
        return [event for event in map(json.loads, self.whole()) if event["eventType"] != "KEEP_ALIVE"]


class Grpc(Process):
    def __init__(self, sim, request=b"", key=KEY, path=GRPC_PATH, headers=(), prefix=None):
        handle, self.request = tempfile.mkstemp(dir=sim.dir)
        os.write(handle, (prefix if prefix is not None else b"\0" + struct.pack(">I", len(request))) + request)
        os.close(handle)
        command = ["--http2" if sim.tls else "--http2-prior-knowledge", "-H", "content-type: application/grpc",
                   "-H", "te: trailers", "--data-binary", f"@{self.request}"]
        command += ["-H", f"x-api-key: {key}"] if key else []
        for header in headers:
            command += ["-H", header]
        super().__init__(sim, [*command, sim.url + path])

    def raw(self):
        """[(compressed, message)] of the whole messages, and the bytes left over."""
        data, result, at = self.bytes(), [], 0
        while len(data) - at >= 5:
            flag, length = struct.unpack(">BI", data[at:at + 5])
            if len(data) - at - 5 < length:
                break
            result.append((flag, data[at + 5:at + 5 + length]))
            at += 5 + length
        return result, data[at:]

    def messages(self):
        return [message for _, message in self.raw()[0]]

    def outcome(self):
        """(grpc-status, grpc-message) once it has ended"""
        self.wait()
        head = self.head()
        status = re.search(r"^grpc-status: (\d+)", head, re.M | re.I)
        message = re.search(r"^grpc-message: (.*?)\r?$", head, re.M | re.I)
        return int(status.group(1)) if status else None, message.group(1) if message else None


class Verbose:
    """A gRPC call by nghttp, which tells of each frame."""

    def __init__(self, sim, message):
        with open(f"{sim.dir}/verbose.request", "wb") as file:
            file.write(b"\0" + struct.pack(">I", len(message)) + message)
        self.process = subprocess.Popen(
            ["nghttp", "-v", "-H", ":method: POST", "-H", f"x-api-key: {KEY}", "-H", "content-type: application/grpc",
             "-d", file.name, sim.url + GRPC_PATH], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        sim.clients.append(self)

    def says(self, *wanted):
        text = self.process.communicate(timeout=60)[0].decode("latin-1")
        for each in wanted:
            check(each in text, "nghttp does not say", each, text[-2000:])

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def varint(value):
    value &= (1 << 64) - 1
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7f | 0x80])
        value >>= 7
    return out + bytes([value])


def request(minimum=0, maximum=0, since=0, replica=0):
    """EventsStreamRequest"""
    out = b""
    for number, value in enumerate((minimum, maximum, since, replica), 1):
        if value:
            out += bytes([number << 3]) + varint(value)
    return out


def run_section(section):
    begin = time.monotonic()
    try:
        section()
    except BaseException:  # a failed assertion of any sort belongs to this section
        return f"FAILED {section.__name__}\n{traceback.format_exc()}"
    return f"ok {section.__name__} ({time.monotonic() - begin:.1f} s)"


def run_sections(sections):
    """Those named on the command line, or all; four at a time. The exit status."""
    wanted = [section for section in sections if len(sys.argv) < 2 or section.__name__ in sys.argv[1:]]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        results = list(pool.map(run_section, wanted))
    print("\n".join(results))
    return 1 if any(result.startswith("FAILED") for result in results) else 0
