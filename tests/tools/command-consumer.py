#!/usr/bin/python3
"""The program of a command sink in tests: keeps every record durably, then acknowledges it.

  command-consumer.py DIR lines|none [--refuse WORD] [--fault FILE]

Appends records to DIR/records.ndjson. While DIR/down exists it does nothing at all. --refuse: says "bad" of
records over 300 KB with this word in them. DIR/fault, when it is there, is taken away and obeyed once:
  die N       end without a word after N more records      close      close standard output and go on
  say TEXT    write TEXT (with its newline) to standard output      hang       ignore SIGTERM and read no more
"""
import os
import signal
import sys
import time

folder, mode = sys.argv[1:3]
refuse = sys.argv[sys.argv.index("--refuse") + 1].encode() if "--refuse" in sys.argv else None
records = os.open(os.path.join(folder, "records.ndjson"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
count = 0
kept = 0
die_after = None


def tell(text):
    os.write(1, text.encode())


def fault():
    global die_after
    path = os.path.join(folder, "fault")
    try:
        with open(path) as file:
            word, _, rest = file.read().rstrip("\n").partition(" ")
        os.remove(path)
    except OSError:
        return
    if word == "die":
        die_after = int(rest)
    elif word == "say":
        tell(rest + "\n")
    elif word == "close":
        os.close(1)
    elif word == "hang":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(60)


def take(lines):
    """One write and one fdatasync for all of them, then one acknowledgement."""
    global count, kept, die_after
    while os.path.exists(os.path.join(folder, "down")):
        time.sleep(0.01)
    good = []
    bad = []
    for line in lines:
        if die_after is not None:
            die_after -= 1
            if die_after < 0:
                os._exit(3)
        count += 1
        if refuse and len(line) > 300000 and refuse in line:
            bad.append(count)
        else:
            good.append(line)
    if good:
        os.write(records, b"".join(good))
        os.fdatasync(records)
    if mode == "lines":
        tell("".join(f"bad {number} too much of it\n" for number in bad) + f"ok {count}\n")


print(f"sink {os.environ.get('FIREHOSED_SINK')} of node {os.environ.get('FIREHOSED_NODE')} in epoch "
      f"{os.environ.get('FIREHOSED_EPOCH')}", file=sys.stderr, flush=True)
rest = b""
while True:
    chunk = os.read(0, 1 << 20)
    fault()
    if not chunk:
        break
    *whole, rest = (rest + chunk).split(b"\n")
    if whole:
        take([line + b"\n" for line in whole])
