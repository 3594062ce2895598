#!/usr/bin/python3
"""The simulator's server as an HTTP client sees it, with curl and nghttp2's tools: statuses, sharing, replicas,
replay, keep-alives, every fault's visible effect, and the ledger against what arrived. WebSocket and gRPC:
test_sim_channels.

BIN names the folder of firehose-sim. The sections run side by side, each with a simulator of its own."""
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
import zlib

from sim_clients import BIN, EVENTS, KEY, Lines, Process, Sim, check, equal, fetch, run_sections, until

VERSIONS = ("--http1.1", "--http2")
MEMORY_MAX_KB = int(os.environ.get("MEMORY_MAX_KB", "300000"))  # sanitizers need more


def line_keys(client):
    """(uid, stamp) of each whole record of the world, in order; lines that faults have spoilt are left out."""
    result = []
    for line in client.whole():
        found = re.search(rb'"recordUid":"([^"]*)","recordTimestamp":(\d+),"spacesTenantId.*}', line)
        if found and b'"eventType":"KEEP_ALIVE"' not in line:
            result.append((found.group(1).decode(), found.group(2).decode()))
    return result


def stamps(keys):
    return [int(stamp) for _, stamp in keys]


def arguments():
    for bad in (["--rate", "0"], ["--rate", "fast"], ["--listen", "nowhere:x"], ["--uid-bits", "40"], ["--bogus"],
                ["--seed"], ["--old-timestamp", "later"], None):
        words = bad + ["--plain"] if bad and bad != ["--seed"] else ["--plain", "--seed"] if bad else []
        result = subprocess.run([f"{BIN}/firehose-sim", "--api-key", "K", *words], capture_output=True, text=True,
                                timeout=90, check=False)
        check(result.returncode not in (0, -signal.SIGSEGV), "accepts", bad)
        equal(f"lines of explanation for {bad}", result.stderr.count("\n"), 1)
    with tempfile.NamedTemporaryFile("w", suffix="bad.conf") as file:
        file.write("plain = true;\nrate = 5;\napi_keys = 1;\n")
        file.flush()
        result = subprocess.run([f"{BIN}/firehose-sim", "--config", file.name], capture_output=True, text=True,
                                timeout=90, check=False)
        check(result.returncode != 0 and re.search(r"bad.conf:3.*api_keys", result.stderr), result.stderr)


def statuses():
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write('api_key = ["CONFIGURED"];\nkeep_alive_ms = 200;\n')
        file.flush()
        with Sim("--config", file.name, "--cloud-key", "CLOUD", "--blocked-key", "BLOCKED", "--no-http-key", "GRPC",
                 "--rate", "50", "--start-ms", "1700000000000", tls=True) as sim:
            key = ["-H", f"x-api-key: {KEY}"]

            def refused(wanted, what, path, *options):
                for version in VERSIONS:
                    code, _, body = fetch(sim, path, version, *options)
                    equal(f"{what} ({version})", code, wanted)
                    told = json.loads(body)
                    check(told["status"] is False and told["message"], what, "body:", body)
            refused(401, "no key", EVENTS)
            refused(401, "unknown key", EVENTS, "-H", "X-API-KEY: nonsense")
            refused(401, "blocked key", EVENTS, "-H", "X-API-KEY: BLOCKED")
            refused(403, "no HTTP channel", EVENTS, "-H", "X-API-KEY: GRPC")
            refused(400, "replica of a cloud activation", EVENTS + "?replicaId=1", "-H", "X-API-KEY: CLOUD")
            for query in ("minPartition=0", "maxPartition=13", "minPartition=5&maxPartition=4", "minPartition=one",
                          "maxPartition=", "minPartition=-1", "fromTimestamp=-1", "fromTimestamp=soon",
                          "fromTimestamp=99999999999999999999", "fromTimestamp=4000000000000", "replicaId=x",
                          "replicaId=-1"):
                refused(400, query, f"{EVENTS}?{query}", *key)
            refused(429, "replica 4", EVENTS + "?replicaId=4", *key)
            refused(404, "another path", "/api/partners/v1/firehose", *key)
            refused(404, "another command", "/sim/nonsense")
            refused(405, "POST", EVENTS, "-X", "POST", *key)
            refused(400, "unknown fault", "/sim/fault?type=nonsense", "-X", "POST")
            refused(400, "bad parameter", "/sim/fault?type=cut&replica=9", "-X", "POST")
            refused(413, "a long body", "/sim/start", "--data-binary", "x" * 20000)
            for name in ("CLOUD", "CONFIGURED", KEY):
                for version in VERSIONS:
                    client = Process(sim, [version, "-H", f"X-Api-Key: {name}", sim.url + EVENTS])
                    until("the head", lambda: "\r\n\r\n" in client.head())
                    head = client.head()
                    check(re.match(r"HTTP/(1\.1 200 OK|2 200)", head), name, version, head)
                    check("application/x-ndjson" in head, head)
                    client.kill()
            sim.fault("status&code=503&count=2&retry_after=7")
            equal("injected status", fetch(sim, EVENTS, "--http2", *key)[0], 503)
            check("Retry-After: 7" in fetch(sim, EVENTS, "--http1.1", *key)[1], "Retry-After")
            sim.fault("status&code=500&replica=2")
            equal("status for replica 2", fetch(sim, EVENTS + "?replicaId=2", "--http2", *key)[0], 500)
            sim.fault("status&code=500&replica=2")
            lines = sim.lines("replicaId=1")
            until("not for replica 1", lambda: lines.whole())
            equal("ledger without the header from loopback", fetch(sim, "/sim/ledger", "--http2")[0], 200)
            sim.fault("refuse&count=1")
            try:
                sim.ask("GET", "/sim/status")
                check(False, "refuse")
            except OSError:
                pass
            sim.status()


def odd_requests():
    with Sim(tls=True) as sim:
        def say(data):
            connection = sim.connect()
            connection.settimeout(60)
            connection.sendall(data)
            got = b""
            try:
                while part := connection.recv(65536):
                    got += part
            except OSError:
                pass
            return got
        got = say(b"GET /sim/status HTTP/1.1\r\nHost: x\r\n\r\nPOST /sim/stop HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody"
                  b"GET /nope HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        equal("pipelined requests", re.findall(rb"HTTP/1.1 (\d+)", got), [b"200", b"200", b"404"])
        for junk in (b"nonsense\r\n\r\n", b"GET nowhere HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nbroken\r\n\r\n"):
            check(say(junk).startswith(b"HTTP/1.1 400"), junk)
        check(say(b"a" * 40000).startswith(b"HTTP/1.1 431"), "an endless head")
        check(say(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n").startswith(b"HTTP/1.1 501"), "chunked body")
        check(say(b"POST / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n").startswith(b"HTTP/1.1 413"), "long body")
        for version, good in ((ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True)):
            context = sim.context()
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
            import warnings
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                context.minimum_version = context.maximum_version = version
            try:
                with socket.create_connection((sim.host, sim.port)) as raw:
                    context.wrap_socket(raw, server_hostname="127.0.0.1")
                equal(f"{version} is accepted", True, good)
            except (ssl.SSLError, OSError):
                equal(f"{version} is accepted", False, good)
        result = subprocess.run(["curl", "-sS", sim.url + "/sim/status"], capture_output=True, check=False)
        check(result.returncode != 0, "the made CA is trusted by everyone")


def limit():
    with Sim("--rate", "50", tls=True) as sim:
        clients = [sim.lines(f"minPartition={i}&maxPartition={i}") for i in range(1, 13)]
        sim.connected(12)
        code = fetch(sim, EVENTS, "--http2", "-H", f"X-API-KEY: {KEY}")[0]
        equal("13th connection", code, 429)
        sim.lines("replicaId=2")
        sim.connected(13)
        clients[0].kill()
        sim.connected(12)
        sim.lines("minPartition=1&maxPartition=1")
        sim.connected(13)


def sharing():
    for version in VERSIONS:
        with Sim("--rate", "5000", "--paused", "--threads", "2", "--keep-alive-ms", "3600000", tls=True) as sim:
            one, two = sim.lines("replicaId=1", version), sim.lines("replicaId=2", version)
            some = [sim.lines(query, version) for query in ("replicaId=3&minPartition=1&maxPartition=6",
                                                            "replicaId=3&minPartition=7",
                                                            "replicaId=3&minPartition=4&maxPartition=9")]
            sim.connected(5)
            sim.start()
            # Whose worker has to wait for a processor gets its share later.
            until("something for each of three who share", lambda: all(client.bytes() for client in some))
            until("enough to compare", lambda: len(one.whole()) >= 4000)
            sim.post("/sim/stop")
            ledger = sim.ledger()
            count = len(ledger)
            for what, group in (("replica 1", [one]), ("replica 2", [two]), ("three who share", some)):
                until(f"all for {what}", lambda: sum(len(client.whole()) for client in group) >= count)
            until("all taken", lambda: all(feed["pending"] == 0 for feed in sim.status()["feeds"]))
            equal("rows of the ledger at the end", len(sim.ledger()), count)
            for what, group in (("replica 1", [one]), ("replica 2", [two]), ("three who share", some)):
                keys = [key for client in group for key in line_keys(client)]
                equal(f"records of {what}", len(keys), count)
                check(set(keys) == ledger, what, "is not what the ledger says")
            for client in some:
                check(client.whole(), "one of three who share gets nothing")
            check(all("recordUid" in event and "eventType" in event for event in map(json.loads, one.whole())), "NDJSON")
            rows = [line.split() for line in sim.ask("GET", "/sim/ledger")[2].splitlines()]
            high = {(uid, stamp) for uid, stamp, partition in rows if int(partition) > 6}
            check(not high & set(line_keys(some[0])), "partitions nobody asked for")
            equal("ledger from an index", len(sim.ask("GET", f"/sim/ledger?from={count - 10}")[2].splitlines()), 10)
            check(line_keys(two) != [(uid, stamp) for uid, stamp, _ in rows], "replica 2 has no order of its own")


def replay():
    with Sim("--rate", "4000", "--lateness-ms", "500", tls=True) as sim:
        live = sim.lines("replicaId=1")
        until("events", lambda: len(live.whole()) >= 1500)
        live.kill()
        sim.connected(0)
        since = max(stamps(line_keys(live))) - 1000
        resumed = sim.lines(f"replicaId=1&fromTimestamp={since}")
        other = sim.lines(f"replicaId=1&fromTimestamp={since}")
        until("the replay", lambda: len(resumed.whole()) >= 4000)
        sim.post("/sim/stop")
        until("all taken", lambda: all(feed["pending"] == 0 for feed in sim.status()["feeds"]))
        ledger = sim.ledger()
        begin = stamps(line_keys(live))[0] + 500  # stamps are up to so late

        def no_hole():
            got = set(line_keys(live)) | set(line_keys(resumed)) | set(line_keys(other))
            return not [key for key in ledger - got if int(key[1]) >= begin]
        until("no hole", no_hole)
        check(len(set(line_keys(live)) & set(line_keys(resumed))) >= 500, "the replay repeats hardly anything")
        check(len(set(line_keys(other)) & set(line_keys(resumed))) >= 500, "a replay is private")
        old = sim.lines("replicaId=2&fromTimestamp=1000")
        until("a stamp before the window starts at the oldest", lambda: set(line_keys(old)) == ledger)


def window():
    with Sim("--rate", "50000", "--window-mb", "1", "--old-timestamp", "error", tls=True) as sim:
        until("the window rolls", lambda: sim.status()["window_first"] > 1000)
        for version in VERSIONS:
            code = fetch(sim, EVENTS + "?fromTimestamp=1000", version, "-H", f"X-API-KEY: {KEY}")[0]
            equal("fromTimestamp before the window", code, 400)


def keep_alives():
    with Sim("--rate", "100", "--paused", "--keep-alive-ms", "100", tls=True) as sim:
        clients = [sim.lines("replicaId=1", "--http2"), sim.lines("replicaId=2")]
        until("keep-alives", lambda: min(len(client.whole()) for client in clients) >= 3)
        for event in map(json.loads, clients[0].whole()):
            equal("a keep-alive", (event["eventType"], event["spacesTenantId"], event["partnerTenantId"]),
                  ("KEEP_ALIVE", "", ""))
            check(event["recordUid"].startswith("event-"), event)
        equal("a keep-alive is not in the ledger", sim.ledger(), set())
        sim.fault("no_keep_alive&replica=1")

        def sent(replica):  # what has been sent may still be under way to the client
            return [each["keep_alives"] for each in sim.status()["connections"] if each["replica"] == replica][0]
        before = [sent(1), sent(2)]
        until("keep-alives of replica 2", lambda: sent(2) >= before[1] + 5)
        until("and with its client", lambda: len(clients[1].whole()) >= before[1] + 5)
        check(sent(1) <= before[0] + 1 and len(clients[0].whole()) <= before[0] + 1, "no_keep_alive has no effect")


def line_faults():
    for version in VERSIONS:
        with Sim("--rate", "400", "--lateness-ms", "0", "--jitter-ms", "0", tls=True) as sim:
            for fault in ("not_json", "bad_utf8", "long_line&bytes=300000", "unknown_type", "future_stamp",
                          "unknown_fields", "crlf", "empty_lines&n=3", "many_chunks&n=2", "duplicate&n=5",
                          "duplicate&n=1&later_ms=150", "reorder&n=3&by=4"):
                sim.fault(fault)
            odd = sim.lines("replicaId=1", version)
            until("all faults to be applied", lambda: all(
                rule["applied"] for rule in json.loads(sim.ask("GET", "/sim/faults")[2])
                if rule["type"] not in ("unknown_type", "future_stamp")))
            until("the stream to go on", lambda: len(line_keys(odd)) >= 100)

            def twice():
                keys = line_keys(odd)
                return len(keys) - len(set(keys))
            until("the duplicates, the late one as well", lambda: twice() >= 6)
            # What was applied has been sent; it is with the client once something later is.
            now = sim.status()["world_time_ms"]
            until("all that was spoilt", lambda: int(line_keys(odd)[-1][1]) > now)
            text = odd.bytes()
            for what, wanted in (("not_json", rb"(?m)^this line is not JSON"), ("bad_utf8", rb"badc0de.*\xff\xfe"),
                                 ("unknown_fields", rb'(?m)^{"futureField":{"list"'), ("crlf", rb"(?m)}\r$")):
                check(re.search(wanted, text), what)
            equal("long_line", max(len(line) + 1 for line in text.split(b"\n")), 300000)
            check(text.replace(b"\r", b"").count(b"\n\n") >= 3, "empty_lines")
            keys = line_keys(odd)
            equal("duplicate", len(keys) - len(set(keys)), 6)
            check(stamps(keys) != sorted(stamps(keys)), "reorder")
            sim.fault("clear")
            equal("clear", [rule for rule in json.loads(sim.ask("GET", "/sim/faults")[2]) if rule["active"]], [])
            # Unknown types and stamps from the future are records: in every replica, in replays, in the ledger.
            two = sim.lines("replicaId=2", version)
            sim.connected(2)
            sim.fault("unknown_type")
            sim.fault("future_stamp&ahead_ms=7200000")

            def unknown(client):
                return [key for key, line in ((line_keys_of(line), line) for line in client.whole())
                        if key and b"QUANTUM_PRESENCE_UPDATE" in line]
            found = until("unknown_type", lambda: unknown(two))[0]
            check(found in sim.ledger(), "an unknown type is not in the ledger")
            until("the same in replica 1", lambda: found in unknown(odd))
            until("future_stamp", lambda: max(stamps(line_keys(two))) > sim.status()["world_time_ms"] + 3600000)
            sim.post("/sim/stop")
            replayed = sim.lines("replicaId=3&fromTimestamp=1", version)
            until("a whole replay", lambda: set(line_keys(replayed)) == sim.ledger())
            check(found in unknown(replayed), "an unknown type is not replayed")


def line_keys_of(line):
    found = re.search(rb'"recordUid":"([^"]*)","recordTimestamp":(\d+),', line)
    return (found.group(1).decode(), found.group(2).decode()) if found else None


def connection_faults():
    for version in VERSIONS:
        with Sim("--rate", "1000", tls=True) as sim:
            second = sim.lines("replicaId=2", version)
            for fault in ("cut", "reset", "cut&after=5000", "half_line"):
                first = sim.lines("replicaId=1", version)
                sim.connected(2)
                sim.fault(fault + "&replica=1")
                until(fault, first.gone)
                check(not second.gone(), fault, "reaches another replica")
            check(not first.bytes().endswith(b"\n"), "half_line ends with a whole line")
            first = sim.lines("replicaId=1", version)
            until("events", lambda: len(first.whole()) > 10)
            sim.applied("stall&ms=1500&replica=1")

            def state():
                return [each for each in sim.status()["connections"] if each["replica"] == 1][0]
            before = state()
            count = len(second.whole())
            until("events of the other replica", lambda: len(second.whole()) > count + 50)
            now = state()
            check("streaming" in (before["state"], now["state"]) or
                  now["state"] == "stalled" and now["sent_bytes"] == before["sent_bytes"], "bytes during a stall")
            until("the end of the stall", lambda: state()["state"] == "streaming")
            count = len(first.whole())
            until("a burst", lambda: len(first.whole()) > count + 300)
            sim.fault("half-open&replica=1&zombie_ms=60000")
            until("half-open", lambda: state()["state"] == "half-open")
            first.kill()
            alone = sim.lines("replicaId=1", version)
            sim.connected(3)
            count = len(second.whole())
            until("events past a half-open connection", lambda: len(second.whole()) > count + 300)
            sim.post("/sim/stop")
            until("all taken", lambda: all(feed["pending"] == 0 for feed in sim.status()["feeds"]))
            until("all of replica 2", lambda: len(line_keys(second)) >= max(
                each["sent_events"] for each in sim.status()["connections"] if each["replica"] == 2))
            eaten = set(line_keys(second)) - set(line_keys(first)) - set(line_keys(alone))
            check(len(eaten) >= 50, "a half-open connection swallows nothing:", len(eaten))


def delays_and_uids():
    with Sim("--rate", "200", tls=True) as sim:
        slow = sim.lines("replicaId=1")
        sim.fault("delay&ms=50")
        until("events in spite of the delay", lambda: len(slow.whole()) > 20)
        sim.fault("clear")
        two, three = sim.lines("replicaId=2"), sim.lines("replicaId=3")
        sim.connected(3)
        until("the same uids", lambda: len({uid for uid, _ in line_keys(two)} & {uid for uid, _ in line_keys(three)}) > 20)
        sim.fault("replica_uids")
        # Not what the clients have: what was sent before may still be under way to them.
        begin = max(each["sent_events"] for each in sim.status()["connections"]) + 20
        until("events", lambda: min(len(line_keys(two)), len(line_keys(three))) > begin + 60)
        late = {uid for uid, _ in line_keys(two)[begin + 20:]} & {uid for uid, _ in line_keys(three)[begin + 20:]}
        equal("uids in common", late, set())


def slow_reader():
    count = 6000
    with Sim("--rate", "20000", "--events", str(count), "--paused", "--send-buffer", "65536", "--keep-alive-ms",
             "3600000", tls=True) as sim:
        slow = Process(sim, ["--limit-rate", "3M", "-H", f"X-API-KEY: {KEY}", f"{sim.url}{EVENTS}?replicaId=1"])
        slow.whole = lambda: Lines.whole(slow)
        sim.clients.append(slow)
        sim.lines("replicaId=2")
        sim.connected(2)
        sim.start()
        until("the slow reader", lambda: len(slow.whole()) >= count, 120)
        check(set(line_keys(slow)) == sim.ledger(), "slow reader: not what the ledger says")
        with open(f"/proc/{sim.process.pid}/status", encoding="ascii") as file:
            memory = int(re.search(r"VmHWM:\s+(\d+)", file.read()).group(1))
        check(memory < MEMORY_MAX_KB, "the server took", memory, "KiB")


def one_connection():
    with Sim("--rate", "100") as sim:
        for options, version in (("--http1.1", "HTTP/1.1"), ("--http2-prior-knowledge", "HTTP/2")):
            code, head, _ = fetch(sim, "/sim/status", options)
            equal(options, (code, head.split()[0]), (200, version))
    with Sim("--rate", "2000", "--threads", "2", tls=True) as sim:
        process = subprocess.Popen(["nghttp", "--no-verify-peer", "-t", "80", "-m", "12", "-v", "-H",
                                    f"x-api-key: {KEY}", sim.url + EVENTS], stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL)
        sim.connected(12)
        sim.fault("cut&layer=stream")
        text = process.communicate(timeout=90)[0]
        equal("streams cut one by one", text.count(b"recv RST_STREAM"), 12)
        result = subprocess.run(["h2load", "-n", "400", "-c", "20", "-m", "5", sim.url + "/sim/status"],
                                capture_output=True, text=True, timeout=90, check=False)
        check("400 succeeded, 0 failed" in result.stdout, result.stdout)
        ends = [sim.lines("replicaId=1"), sim.lines("replicaId=2", "--http2")]
        sim.connected(2)
        sim.process.send_signal(signal.SIGTERM)
        equal("curl at the server's goodbye", [client.wait() for client in ends], [0, 0])


PLACES = "/api/partners/v1/"


def read_png(body):
    """(width, height, rows of pixels) of a picture of 16 colours; checks every sum."""
    check(body.startswith(b"\x89PNG\r\n\x1a\n"), "no PNG:", body[:20])
    at, chunks = 8, {}
    while at < len(body):
        length, kind = struct.unpack(">I4s", body[at:at + 8])
        data = body[at + 8:at + 8 + length]
        equal(f"sum of {kind}", struct.unpack(">I", body[at + 8 + length:at + 12 + length])[0], zlib.crc32(kind + data))
        chunks[kind], at = data, at + 12 + length
    equal("chunks", list(chunks), [b"IHDR", b"PLTE", b"IDAT", b"IEND"])
    width, height, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    equal("kind of picture", rest, [4, 3, 0, 0, 0])
    equal("colours", len(chunks[b"PLTE"]), 48)
    packed = zlib.decompress(chunks[b"IDAT"])
    equal("bytes of pixels", len(packed), height * (width // 2 + 1))
    rows = [packed[y * (width // 2 + 1) + 1:(y + 1) * (width // 2 + 1)] for y in range(height)]
    return width, height, [[half for byte in row for half in (byte >> 4, byte & 15)] for row in rows]


def places():
    """The supporting REST calls: what they say is what the events say."""
    with Sim("--rate", "2000", "--paused", "--cloud-key", "CLOUD", "--blocked-key", "BLOCKED", tls=True) as sim:
        def get(path, *options, key=KEY):
            result = subprocess.run(["curl", "-sS", "--cacert", f"{sim.dir}/ca.pem", "-w", "\n%{http_code} %{content_type}",
                                     *(["-H", f"X-API-KEY: {key}"] if key else []), *options, sim.url + PLACES + path],
                                    capture_output=True, timeout=90, check=True)
            body, _, told = result.stdout.rpartition(b"\n")
            return int(told.split()[0]), told.decode().split(" ", 1)[1], body
        live = sim.lines()
        sim.connected(1)
        sim.start()  # the activation, which tells of every floor, is the first of what there is to read
        def first(member, holds):
            return next((event[member] for event in map(json.loads, live.whole()) if holds(event.get(member, {}))), None)
        seen = until("a device on a map", lambda: first("deviceLocationUpdate", lambda update: update.get("mapId")))
        changed = until("a floor", lambda: first(
            "locationHierarchyChange", lambda change: "mapDetails" in change.get("locationDetails", {})))
        live.kill()
        for version in VERSIONS:
            code, kind, body = get("locations/" + seen["location"]["locationId"], version)
            equal("a location", (code, kind), (200, "application/json"))
            told = json.loads(body)
            equal("location", told["location"], seen["location"])
            equal("map of the location", told["locationDetails"]["mapDetails"]["mapId"], seen["mapId"])
            code, _, body = get("locations/" + changed["location"]["locationId"] + "?partnerTenantId=EXAMPLE-PARTNER", version)
            details = json.loads(body)["locationDetails"]
            equal("details", {name: value for name, value in details.items() if name != "metadata"},
                  {name: value for name, value in changed["locationDetails"].items() if name != "metadata"})
            code, kind, body = get("maps/" + seen["mapId"], version)
            equal("a map", (code, kind), (200, "application/json"))
            plan = json.loads(body)
            check(seen["xPos"] <= plan["dimension"]["width"] and seen["yPos"] <= plan["dimension"]["length"], plan)
            code, kind, image = get("maps/" + seen["mapId"] + "/image", version)
            equal("an image", (code, kind), (200, "image/png"))
            width, height, rows = read_png(image)
            equal("size of the image", (width, height), (plan["imageWidth"], plan["imageHeight"]))
            wide, high = width / plan["dimension"]["width"], height / plan["dimension"]["length"]
            check(abs(wide - high) < 0.1, "pixels per foot:", wide, high)
            check(len({pixel for row in rows for pixel in row}) >= 10 and set(rows[0]) == {rows[0][0]}, "an empty floor")
        parent = seen["location"]
        while "parent" in parent:
            parent = parent["parent"]
            told = json.loads(get("locations/" + parent["locationId"])[2])
            equal("a parent", told["location"], parent)
            equal("a map above the floors", "mapDetails" in told["locationDetails"], "FLOOR" in parent["inferredLocationTypes"])
        one = "maps/" + seen["mapId"]
        for what, path, key, wanted in (
                ("no key", one, None, 401), ("unknown key", one, "nonsense", 401), ("blocked key", one, "BLOCKED", 401),
                ("another tenant", one + "?partnerTenantId=OTHER", KEY, 403),
                ("another tenant's location", "locations/x?partnerTenantId=OTHER", KEY, 403),
                ("a tenant without end", one + "?partnerTenantId=" + "x" * 300, KEY, 403),
                ("no tenant from the cloud", one, "CLOUD", 403), ("no map", "maps/" + "0" * 32, KEY, 404),
                ("no map's image", "maps/x/image", KEY, 404), ("more than an image", one + "/image/x", KEY, 404),
                ("no location", "locations/location-0", KEY, 404), ("nothing", "locations/", KEY, 404),
                ("too long", "maps/" + "0" * 300, KEY, 404)):
            for version in VERSIONS:
                code, kind, body = get(path, version, key=key)
                equal(f"{what} ({version})", (code, kind), (wanted, "application/json"))
                check(json.loads(body)["status"] is False, what)
        equal("from the cloud", get(one + "?partnerTenantId=EXAMPLE-PARTNER", key="CLOUD")[0], 200)
        equal("POST", get(one, "-X", "POST")[0], 405)
        for version in VERSIONS:
            sim.fault("rest&code=429&retry_after=7&n=2")
            code, head, _ = fetch(sim, PLACES + one, version, "-H", f"X-API-KEY: {KEY}")
            equal("429", (code, re.findall("(?i)retry-after: (.*?)\r", head)), (429, ["7"]))
            equal("429 again", get(one + "/image", version)[0], 429)
            equal("and no more", get(one, version)[0], 200)
            sim.fault("rest&bytes=20000000")
            code, kind, body = get(one, version)
            equal("junk", (code, kind, len(body), set(body)), (200, "application/octet-stream", 20000000, {ord("x")}))
            sim.fault("rest&ms=400")
            timed = get(one, version, "-w", "\n%{http_code} %{time_total}")
            check(timed[0] == 200 and float(timed[1]) >= 0.4 and json.loads(timed[2]) == plan, "not slow:", timed)
    for seed, wanted in (("7", image), ("8", None)):  # the plan is the seed's alone
        with Sim("--seed", seed, "--paused") as sim:
            told = subprocess.run(["curl", "-sS", "-H", f"X-API-KEY: {KEY}", f"{sim.url}{PLACES}{one}/image"],
                                  capture_output=True, timeout=90, check=True).stdout
            check(told == wanted if wanted else b"no such map" in told, "the image of seed", seed)


if __name__ == "__main__":
    sys.exit(run_sections([sharing, line_faults, connection_faults, slow_reader, replay, statuses, one_connection,
                           delays_and_uids, places, odd_requests, limit, keep_alives, window, arguments]))
