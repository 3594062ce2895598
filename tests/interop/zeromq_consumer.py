#!/usr/bin/python3
"""The program of firehosed-sinks(7), with another implementation of the sockets' caller: appends each record to
a file, and confirms it. Usage: zeromq_consumer.py FILE ENDPOINT..."""
import os
import sys
import zmq

out = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
context, poller = zmq.Context(), zmq.Poller()
for node in sys.argv[2:]:
    socket = context.socket(zmq.DEALER)
    socket.connect_timeout = 1000
    socket.heartbeat_ivl = 2000
    socket.connect(node)
    poller.register(socket, zmq.POLLIN)
while True:
    for socket, _ in poller.poll():
        kind, key, uid, epoch, record = socket.recv_multipart()
        os.write(out, record + b"\n")
        socket.send(key)
