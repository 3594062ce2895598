"""What the interop tests share: a directory, ports, a certificate, our client as a process, and
checks that print their result. Run by /usr/bin/python3, to which Debian's packages belong."""

import atexit
import http.server
import json
import os
import random
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

KEY = "0123456789ABCDEF0123456789ABCDEF"
PATH = "/api/partners/v1/firehose/events"
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD", os.path.join(ROOT, "build"))
WORK = tempfile.mkdtemp(prefix="fh-interop-")
atexit.register(shutil.rmtree, WORK, True)

started = []
failures = 0


def skip(reason):
    print("SKIPPED " + reason)
    sys.exit(77)


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            skip(program + " is not installed")


def samples():
    with open(os.path.join(ROOT, "tests/data/sample-events.ndjson"), encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def port():
    """A free port that no program is given by the kernel before it is used."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        given = range(*map(int, file.read().split()))
    while True:
        number = random.SystemRandom().randrange(10000, 65536)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", number))
            except OSError:
                continue
        if number not in given or len(given) > 50000:
            return number


def wait_port(number, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", number), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise SystemExit(f"nothing listens on port {number}")


def certificate():
    """A key and a certificate for 127.0.0.1 that vouches for itself."""
    key, cert = os.path.join(WORK, "key.pem"), os.path.join(WORK, "cert.pem")
    if not os.path.exists(cert):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=interop",
             "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"],
            check=True, stderr=subprocess.DEVNULL)
    return key, cert


def server_tls(*alpn):
    key, cert = certificate()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def start(*command, **options):
    process = subprocess.Popen(command, **options)
    started.append(process)
    return process


@atexit.register
def stop_all():
    for process in started:
        if process.poll() is None:
            process.terminate()
    for process in started:
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()


class Raw(str):
    """A value written as it is."""


def config(channel, url, **more):
    """A configuration file for our client; more: further options of the section firehose."""
    key_file = os.path.join(WORK, "api_key")
    if not os.path.exists(key_file):
        with open(os.open(key_file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(KEY)
    values = {"channel": channel, "url": url, "api_key_file": key_file, "receivers": 1,
              "backoff_min_ms": 100, "backoff_max_ms": 1000}
    if url.startswith("https"):
        values["ca_file"] = certificate()[1]
    values.update(more)
    if "ranges" in more:
        del values["receivers"]
    path = os.path.join(WORK, f"{channel}-{time.monotonic_ns()}.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write('node: { name = "a"; };\nfirehose: {\n')
        for name, value in values.items():
            text = value if isinstance(value, (int, Raw)) else json.dumps(value)
            file.write(f"  {name} = {text};\n")
        file.write('};\nsinks: ( { name = "x"; type = "file"; directory = "%s"; } );\n' % WORK)
    return path


def without_proxy():
    return {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}


class Received:
    def __init__(self, status, out, err):
        self.status = status
        self.lines = out.decode("utf-8", "surrogateescape").splitlines()
        self.err = err.decode("utf-8", "replace")

    def events(self):
        return [json.loads(line) for line in self.lines]


def until(condition, seconds=60):
    """Asks every 20 ms, as long as a busy machine may need. Did it come about?"""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.02)
    return True


class Running:
    """Our receivers in the background."""

    def __init__(self, config_file):
        self.files = [tempfile.TemporaryFile(dir=WORK) for _ in range(2)]
        self.process = start(os.path.join(BUILD, "tests/receive"), config_file, "1000000", "600",
                             stdout=self.files[0], stderr=self.files[1], env=without_proxy())

    def received(self):
        """What has come so far."""
        return Received(self.process.poll(),
                        *(os.pread(file.fileno(), 1 << 26, 0) for file in self.files))

    def until(self, condition):
        """Until what has come meets the condition, or a minute has passed."""
        until(lambda: condition(self.received()))
        return self.received()

    def stop(self):
        self.process.kill()
        self.process.wait()


def receive_until(config_file, condition):
    """Our receivers until what has come meets the condition."""
    running = Running(config_file)
    got = running.until(condition)
    running.stop()
    return got


def receive(config_file, lines, seconds=60):
    """Our receivers until so many lines have come."""
    done = subprocess.run(
        [os.path.join(BUILD, "tests/receive"), config_file, str(lines), str(seconds)],
        capture_output=True, env=without_proxy(), timeout=seconds + 10)
    return Received(done.returncode, done.stdout, done.stderr)


def preview(config_file, lines, *more):
    """firehosectl preview."""
    done = subprocess.run(
        [os.path.join(BUILD, "bin/firehosectl"), "preview", "--config", config_file, "--count",
         str(lines), *more], capture_output=True, env=without_proxy(), timeout=90)
    return Received(done.returncode, done.stdout, done.stderr)


def check(what, good, received=None):
    global failures
    print(("ok      " if good else "FAILED  ") + what, flush=True)
    if not good:
        failures += 1
        if received:
            print(f"        exit {received.status}, {len(received.lines)} lines")
            for line in received.lines[:3]:
                print("        | " + line[:300])
            for line in received.err.splitlines()[-12:]:
                print("        > " + line[:300])


def finish():
    print(f"{'FAILED' if failures else 'passed'}: {os.path.basename(sys.argv[0])}, "
          f"{failures} failures")
    sys.stdout.flush()
    stop_all()
    shutil.rmtree(WORK, True)
    os._exit(1 if failures else 0)  # not waiting for the servers' threads


class Backend:
    """A plain HTTP/1.1 server with a chunked stream of the samples, as slow as told."""

    def __init__(self, pause=0.0, keep_open=True, tls=False):
        self.requests = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.requests.append((self.path, dict(self.headers)))
                self.send_response(200)
                self.send_header("Content-Type", "application/x-ndjson")
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                try:
                    for event in samples():
                        line = json.dumps(event).encode() + b"\n"
                        half = len(line) // 2
                        for piece in (line[:half], line[half:]):
                            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                            self.wfile.flush()
                            time.sleep(pause)
                    if keep_open:
                        threading.Event().wait(60)
                    self.wfile.write(b"0\r\n\r\n")
                except OSError:
                    pass

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if tls:
            self.server.socket = server_tls().wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
