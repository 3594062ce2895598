#!/usr/bin/python3
"""firehosectl activate against the simulator: a token becomes a key in a file, and everything that must not.

BIN names the folder of firehosectl and firehose-sim. The sections run side by side, each with a simulator of its
own."""
import base64
import http.server
import json
import os
import pwd
import stat
import subprocess
import sys
import tempfile
import threading

from sim_clients import BIN, KEY, Sim, check, equal, run_sections


class Desk:
    """A simulator, a directory for keys, and firehosectl."""

    def __init__(self, *options):
        self.sim = Sim("--paused", *options, tls=True)
        self.place = tempfile.mkdtemp(prefix="activate-")
        self.out = f"{self.place}/api_key"
        self.ca = ["--ca-file", f"{self.sim.dir}/ca.pem"]
        self.token = None

    def __enter__(self):
        self.sim.__enter__()
        return self

    def __exit__(self, *what):
        subprocess.run(["rm", "-rf", self.place], check=False)
        self.sim.__exit__(*what)

    def make(self, query=""):
        status, _, text = self.sim.ask("POST", f"/sim/token?{query}")
        equal("a token", status, 200)
        self.token = json.loads(text)["token"]
        return self.token

    def run(self, *options, token=None, url=True, output=True, ca=True):
        """(exit status, output, errors); neither token nor key may be in them."""
        token = self.token if token is None else token
        words = [f"{BIN}/firehosectl", "activate", *(["--url", self.sim.url] if url else []), *(self.ca if ca else []),
                 *(["--output", self.out] if output else []), *options]
        result = subprocess.run(words, input=token, capture_output=True, text=True, timeout=60, check=False,
                                env=dict(os.environ, no_proxy="*"))
        for secret in filter(None, [KEY, token and token.strip(), token and token.strip().rsplit(".", 1)[-1]]):
            check(secret not in result.stdout + result.stderr, "a secret is shown:", result.stdout, result.stderr)
        return result.returncode, result.stdout, result.stderr

    def refused(self, what, sentence, *options, **more):
        before = sorted(os.listdir(self.place))
        code, out, errors = self.run(*options, **more)
        equal(f"exit status for {what}: {out} {errors}", code, 1)
        check(sentence in errors, what, "is told by", errors)
        equal(f"lines about {what}", errors.count("\n"), 1)
        check("activated" not in out, what, out)
        equal(f"files after {what}", sorted(os.listdir(self.place)), before)

    def key_is(self, path, text):
        with open(path, encoding="ascii") as file:
            equal("the key", file.read(), text + "\n")
        told = os.lstat(path)
        equal("kind and mode", (stat.S_ISREG(told.st_mode), stat.S_IMODE(told.st_mode)), (True, 0o600))
        owner = os.geteuid()
        if owner == 0 and any(user.pw_name == "firehosed" for user in pwd.getpwall()):
            owner = pwd.getpwnam("firehosed").pw_uid
        equal("owner", told.st_uid, owner)


def good():
    with Desk() as desk:
        desk.make()
        code, out, errors = desk.run("--dry-run", token=f"  {desk.token}\r\n")
        equal(f"dry run: {errors}", (code, os.listdir(desk.place)), (0, []))
        check("signature    good" in out and "Example Org (tenant EXAMPLE-PARTNER)" in out and desk.out in out, out)
        check("nothing was activated" in out, out)
        code, out, errors = desk.run()
        equal(f"activation: {errors}", (code, errors, os.listdir(desk.place)), (0, "", ["api_key"]))
        check(f"the API key is in {desk.out}, mode 0600" in out and f"setup --url {desk.sim.url}" in out, out)
        desk.key_is(desk.out, KEY)
        # a key that is there is not touched, not even by a token that is good, unless that is wanted
        os.truncate(desk.out, 0)
        desk.refused("a file that is there", "--force replaces it")
        desk.refused("a dry run over it", "--force replaces it", "--dry-run")
        desk.make("version=v2")
        with open(f"{desk.place}/token", "w", encoding="ascii") as file:
            file.write(desk.token)
        code, _, errors = desk.run("--force", "--token-file", file.name, token="")
        equal(f"by force: {errors}", code, 0)
        os.unlink(file.name)
        desk.key_is(desk.out, KEY)


def configured():
    """What the configuration says is taken from it, and what it should say is told."""
    with Desk("--api-key", "SECOND") as desk:
        def write(url, key_file):
            with open(f"{desk.place}/node.conf", "w", encoding="ascii") as file:
                file.write(f'node: {{ name = "a"; }};\nfirehose: {{ url = "{url}"; api_key_file = "{key_file}";\n'
                           f'  ca_file = "{desk.sim.dir}/ca.pem"; }};\n'
                           'sinks: ( { name = "archive"; type = "file"; directory = "/events"; } );\n')
            return file.name
        desk.make("key=1")
        conf = write(desk.sim.url, f"{desk.place}/own_key")
        code, out, errors = desk.run("--config", conf, url=False, output=False, ca=False)
        equal(f"by configuration: {errors}", code, 0)
        desk.key_is(f"{desk.place}/own_key", "SECOND")
        check("set firehose.url" not in out and "systemctl reload firehosed" in out, out)
        conf = write("https://partners.example/", f"{desk.place}/own_key")
        code, out, errors = desk.run("--config", conf, ca=False)
        equal(f"another url: {errors}", code, 0)
        check(f'url = "{desk.sim.url}";' in out and "set firehose.api_key_file" in out, out)
        check("systemctl restart firehosed" in out, out)
        desk.refused("a configuration that is none", "none.conf", "--config", f"{desk.place}/none.conf")
        conf = write("https://partners.spaces-gov.cisco/", f"{desk.place}/federal_key")
        desk.refused("a federal configuration", "the vendor coordinates the API key", "--config", conf, url=False)


def believed():
    """Nothing is sent for a token that is not genuine: the fault that refuses the next activation stays unused."""
    with Desk() as desk:
        desk.sim.fault("activation")
        head, claims, signature = desk.make().split(".")

        def changed(**what):
            told = json.loads(base64.urlsafe_b64decode(claims + "=="))
            told.update(what)
            text = base64.urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip("=")
            return f"{head}.{text}.{signature}"
        none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
        for what, sentence, token in (
                ("another app", "not signed by the service", changed(appId="app-other")),
                ("a longer life", "not signed by the service", changed(exp=4102444800)),
                ("a signature cut short", "not signed by the service", desk.token[:-8]),
                ("no signature", "not signed by the service", f"{head}.{claims}."),
                ("alg none", "not signed by RS256", f"{none}.{claims}."),
                ("somebody else's key", "not signed by the service", desk.make("wrong_key=1")),
                ("an expired token", "the token expired at", desk.make("expires_s=-10")),
                ("a token for later", "set the clock", changed(iat=4102444800, exp=4102448400)),
                ("another address", "neither firehose.url nor a published address", changed(baseUrl="https://127.0.0.1:1")),
                ("no address", "names no address", changed(baseUrl="nowhere")),
                ("the federal service", "the vendor coordinates the API key",
                 changed(baseUrl="https://partners.spaces-gov.cisco")),
                ("no token", "no token was given", ""), ("words", "no activation token", "not a token".replace(" ", "")),
                ("two lines", "blanks or line breaks", "a\nb"), ("too much", "too long", "x" * 20000)):
            desk.refused(what, sentence, token=token)
        desk.make()
        desk.refused("a directory that is not there", "cannot write into", "--output", f"{desk.place}/none/key", output=False)
        desk.refused("no place", "--output FILE is needed" if not os.path.exists("/etc/firehosed/firehosed.conf") else "",
                     output=False)
        desk.refused("an authority that is not there", "/none.pem", "--ca-file", "/none.pem", ca=False)
        desk.refused("an authority that is another", "not trusted", ca=False)
        desk.refused("a token file that is not there", "cannot open /none", "--token-file", "/none")
        desk.refused("a federal address", "the vendor coordinates the API key", "--url", "https://x.spaces-gov.cisco", url=False)
        with open(f"{desk.out}.new", "w", encoding="ascii") as file:
            file.write("KEPT\n")
        desk.refused("a key left from before", "may hold a key")
        os.truncate(f"{desk.out}.new", 0)  # of a run that was killed before it had a key
        equal("activations so far", json.loads(desk.sim.ask("GET", "/sim/faults")[2])[0]["applied"], 0)
        os.unlink(f"{desk.out}.new")
        desk.refused("status false with 200", "the service refuses it: the activation was refused by the simulator")
        equal("activations", json.loads(desk.sim.ask("GET", "/sim/faults")[2])[0]["applied"], 1)
        result = subprocess.run([f"{BIN}/firehosectl", "activate", desk.token], capture_output=True, text=True,
                                timeout=20, check=False)
        equal("a token on the command line", result.returncode, 2)
        open(f"{desk.out}.new", "w", encoding="ascii").close()
        equal("and the next is good", desk.run()[0], 0)
        desk.key_is(desk.out, KEY)


def answers():
    """What a service may say that the simulator does not. The keys are the simulator's."""
    with Desk() as desk:
        keys = desk.sim.ask("GET", "/client/v1/partner/partnerPublicKey")[2].encode()
        asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def say(self, status, body, **heads):
                self.send_response(status)
                for name, value in heads.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                self.say(200, keys)

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                asked.append((self.path, dict(self.headers), json.loads(body)))
                self.say(*self.server.answer, **self.server.heads)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        token = desk.make("base_url=" + url)
        server.heads = {}
        for what, sentence, answer in (
                ("500", "answered with 500: the service or a proxy has a problem", (500, b"oops")),
                ("401", "has it expired, or been used already", (401, b'{"status":false,"message":"' + token.encode() + b'"}')),
                ("404", "no activation is offered there", (404, b"")), ("204", "not documented", (204, b"")),
                ("no JSON", "no JSON object", (200, b"<html>")), ("half", "no JSON object", (200, b'{"status":true,"da')),
                ("no key", "not with which key", (200, b'{"status":true,"data":{}}')),
                ("no status", "not with which key", (200, b'{"data":{"apiKey":"K"}}')),
                ("an empty key", "not with which key", (200, b'{"status":true,"data":{"apiKey":""}}')),
                ("a key with a line break", "not with which key", (200, b'{"status":true,"data":{"apiKey":"K\\r\\nX: y"}}')),
                ("a key without end", "not with which key",
                 (200, b'{"status":true,"data":{"apiKey":"' + b"K" * 600 + b'"}}')),
                ("an answer without end", "larger than", (200, b" " * 100000)),
                ("refused", "the service refuses it: app is activated already", (200, b'{"status":false,"message":"app is activated already"}'))):
            server.answer = answer
            desk.refused(what, sentence, "--url", url, url=False)
        server.answer, server.heads = (307, b""), {"Location": desk.sim.url + "/client/v1/partner/activateOnPremiseApp"}
        desk.refused("a redirect", "not followed", "--url", url, url=False)
        server.answer, server.heads = (200, b'{"status":true,"data":{"apiKey":"OTHER-key"}}'), {}
        equal("the last", desk.run("--url", url, url=False)[0], 0)
        desk.key_is(desk.out, "OTHER-key")
        path, heads, body = asked[-1]
        equal("request", (path, heads["Authorization"], heads["Content-Type"], sorted(body)), (
            "/client/v1/partner/activateOnPremiseApp", f"Bearer {token}", "application/json", ["activationRefId", "appId"]))
        server.shutdown()
        server.server_close()
        os.unlink(desk.out)
        desk.refused("nobody there", "cannot get the keys of", "--url", url, url=False)


if __name__ == "__main__":
    sys.exit(run_sections([good, configured, believed, answers]))
