#!/usr/bin/env python3
"""Runs a program on a terminal of its own and answers its questions: answer.py FILE COMMAND...

FILE has a line "WORDS<tab>ANSWER" per question, in order: the answer is typed when the words have been
shown; without a tab the words are only waited for. Prints what the terminal showed; ends with the program's exit status, or with 99 when a question
does not come within 60 s.
"""
import os
import pty
import select
import sys
import time


def main():
    with open(sys.argv[1], encoding="utf-8") as lines:
        dialogue = [line.rstrip("\n").split("\t") for line in lines if line.strip()]
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(sys.argv[2], sys.argv[2:])
    shown = b""
    looked = 0
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if dialogue:
            at = shown.find(dialogue[0][0].encode(), looked)
            if at >= 0:
                looked = at + len(dialogue[0][0])
                for answer in dialogue.pop(0)[1:]:
                    os.write(terminal, answer.encode() + b"\n")
                until = time.monotonic() + 60
        if select.select([terminal], [], [], 0.05)[0]:
            try:
                more = os.read(terminal, 4096)
            except OSError:  # the program has closed its side
                break
            if not more:
                break
            shown += more
    sys.stdout.write(shown.decode(errors="replace"))
    if dialogue or time.monotonic() >= until:
        print(f"no such question: {dialogue[:1]}", file=sys.stderr)
        os.kill(child, 9)
        os.waitpid(child, 0)
        sys.exit(99)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


main()
