#!/usr/bin/env python3
"""Says something to a process over a websocket, and shows what the process says.

Needs `pip install websockets`. With gafferd running (`gafferd -c examples/gaffer.ini`):

    python3 examples/echo_client.py [HOST:PORT [PID]]
"""
import json
import sys
import urllib.request

from websockets.sync.client import connect

node = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:5000"
if len(sys.argv) > 2:
    pid = int(sys.argv[2])
else:
    with urllib.request.urlopen(f"http://{node}/processes/echo/_pids") as answer:
        pid = json.load(answer)["pids"][0]

with connect(f"ws://{node}/wstreams/{pid}") as socket:
    socket.send("ECHO\n")
    print("Sent\nReceiving...")
    received = ""
    while not received.endswith("\n"):
        received += socket.recv()
    print(f"Received '{received}'")
