#!/usr/bin/env python3
"""A web service that takes batches of records, and misbehaves on request.

  webhook-server.py --dir DIR [--port N | --listener FD] [--plain] [--client-cert] [--token T] [--basic USER:PASSWORD]
                    [--refuse REGEX]

Keeps in DIR, durably before it answers:
  records.ndjson    every record accepted, in order of arrival
  requests.ndjson   every request: {"key", "epoch", "node", "count", "type", "status", "bytes", ...}
Makes ca.pem, server.pem, client.pem and other-ca.pem in DIR when they are not there. Prints "listening on URL".

--listener: an inherited socket that listens already; it stays its owner's, so that nobody takes the port while
one server follows another.
--refuse: answer 422 to a request with a record over 300 KB that matches.
POST /control takes a JSON list of rules, which replaces the one before; the first whose "match" (a regular
expression over the body; default: any) fits and whose "times" are not used up decides:
  {"match": RE, "times": N, "status": 503, "headers": {..}, "body": TEXT,
   "store": false, "hang": SECONDS, "together": N, "cut": "before"|"after"|"body", "endless": true}
together: it is not answered before N different requests of this rule have come.
cut: the connection, before the body is read, after it is read, or in the middle of the answer; with "store"
what was read is kept all the same.
"""
import argparse
import base64
import http.server
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time

arguments = argparse.ArgumentParser()
arguments.add_argument("--dir", required=True)
arguments.add_argument("--port", type=int, default=0)
arguments.add_argument("--listener", type=int)
arguments.add_argument("--plain", action="store_true")
arguments.add_argument("--client-cert", action="store_true")
arguments.add_argument("--token")
arguments.add_argument("--basic")
arguments.add_argument("--refuse")
options = arguments.parse_args()

lock = threading.Lock()
come = threading.Condition(lock)
rules = []


def path(name):
    return os.path.join(options.dir, name)


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def make_certificates():
    """Two authorities; one signs the server and the client, the other is a stranger."""
    if os.path.exists(path("client.pem")):
        return
    for name in ("ca", "other-ca"):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                "-subj", f"/CN={name}", "-keyout", path(f"{name}.key"), "-out", path(f"{name}.pem"))
    for name in ("server", "client"):
        with open(path("extensions"), "w") as file:
            file.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                "-keyout", path(f"{name}.key"), "-out", path(f"{name}.csr"))
        openssl("x509", "-req", "-in", path(f"{name}.csr"), "-CA", path("ca.pem"), "-CAkey", path("ca.key"),
                "-CAcreateserial", "-days", "30", "-extfile", path("extensions"), "-out", path(f"{name}.pem"))


def append(name, lines):
    with open(path(name), "ab") as file:
        file.write(b"".join(line + b"\n" for line in lines))
        file.flush()
        os.fdatasync(file.fileno())


def records_of(body, content_type):
    if content_type == "application/json":
        return [json.dumps(record, separators=(",", ":")).encode() for record in json.loads(body)]
    assert body.endswith(b"\n"), "the last record has no newline"
    return body[:-1].split(b"\n")


def rule_for(body):
    for rule in rules:
        if rule.get("times", 1 << 60) > 0 and re.search(rule.get("match", "").encode(), body):
            rule["times"] = rule.get("times", 1 << 60) - 1
            return rule
    return {}


def wait_for_others(rule, key):
    """The caller holds the lock. A request that comes again is not another one."""
    came = rule.setdefault("came", set())
    came.add(key)
    come.notify_all()
    come.wait_for(lambda: len(came) >= rule["together"])


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer leaves in one piece

    def log_message(self, format, *words):
        pass

    def answer(self, status, text, headers):
        body = text.encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def cut(self):
        self.close_connection = True
        try:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            socket.socket.shutdown(self.connection, socket.SHUT_RDWR)
        except OSError:
            pass

    def endless(self, status):
        self.send_response(status)
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"x" * 65536)
        except OSError:
            self.close_connection = True

    def allowed(self):
        given = self.headers.get("Authorization", "")
        if options.token:
            return given == "Bearer " + options.token
        if options.basic:
            return given == "Basic " + base64.b64encode(options.basic.encode()).decode()
        return True

    def do_GET(self):
        self.answer(200, "here\n", {})

    def do_POST(self):
        if self.path == "/control":
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                rules[:] = json.loads(body)
            self.answer(200, "ok\n", {})
            return
        with lock:
            early = bool(rules) and rules[0].get("cut") == "before" and rules[0].get("times", 1) > 0
            if early:
                rules[0]["times"] = rules[0].get("times", 1 << 60) - 1
        if early:
            self.cut()
            return
        self.take(self.rfile.read(int(self.headers["Content-Length"])))

    def take(self, body):
        began = time.monotonic()
        with lock:
            rule = rule_for(body)
            if "together" in rule:
                wait_for_others(rule, self.headers["Idempotency-Key"])
        if "hang" in rule:
            time.sleep(rule["hang"])
        status = rule.get("status", 200)
        content_type = self.headers["Content-Type"]
        records = records_of(body, content_type)
        if not self.allowed():
            status = 401
        if options.refuse and len(body) > 300000 and any(
                len(record) > 300000 and re.search(options.refuse.encode(), record) for record in records):
            status = 422
        with lock:
            if rule.get("store", 200 <= status < 300):
                append("records.ndjson", records)
            append("requests.ndjson", [json.dumps({
                "key": self.headers["Idempotency-Key"], "epoch": self.headers["Firehosed-Epoch"],
                "node": self.headers["Firehosed-Node"], "count": self.headers["Firehosed-Count"],
                "replay": self.headers["Firehosed-Replay"], "type": content_type, "agent": self.headers["User-Agent"], "site": self.headers["X-Site"],
                "records": len(records), "status": status, "bytes": len(body), "path": self.path, "began": began,
                "ended": time.monotonic()}).encode()])
        if rule.get("cut") == "after":
            self.cut()
        elif rule.get("endless"):
            self.endless(status)
        elif rule.get("cut") == "body":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            self.wfile.flush()
            self.cut()
        else:
            self.answer(status, rule.get("body", "taken\n" if status < 300 else "no\n"), rule.get("headers", {}))


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def get_request(self):
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection, address

    def finish_request(self, request, client_address):
        """The handshake belongs into the connection's own thread."""
        if not options.plain:
            try:
                request = self.context.wrap_socket(request, server_side=True)
            except OSError:
                return
        super().finish_request(request, client_address)
        if not options.plain:
            request.close()

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


os.makedirs(options.dir, exist_ok=True)
server = Server(("127.0.0.1", options.port), Handler, bind_and_activate=options.listener is None)
if options.listener is not None:
    server.socket.close()
    server.socket = socket.socket(fileno=options.listener)
    server.server_port = server.socket.getsockname()[1]
if not options.plain:
    make_certificates()
    server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.context.load_cert_chain(path("server.pem"), path("server.key"))
    if options.client_cert:
        server.context.verify_mode = ssl.CERT_REQUIRED
        server.context.load_verify_locations(path("ca.pem"))
for name in ("records.ndjson", "requests.ndjson"):
    append(name, [])
print(f"listening on {'http' if options.plain else 'https'}://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
