"""Talks to a process over /wstreams/<pid> with the library `websockets`: what it sends to stdin comes back from stdout.

Usage: wstreams.py <ws://host:port> <pid of a process that echoes> <pid of one without stdin>
"""

import asyncio
import json
import sys

import websockets
from websockets.asyncio.client import connect

DEADLINE = 60


async def receive(socket, length):
    """So much of what the process writes, however it is cut into messages."""
    heard = b""
    while len(heard) < length:
        message = await socket.recv()
        heard += message.encode() if isinstance(message, str) else message
    return heard


async def echo(url):
    async with connect(url) as socket:
        for sent in ("hello\n", b"bytes too\n", "grüße 🙂\n", "x" * 300_000 + "\n"):
            await socket.send(sent)
            expected = sent if isinstance(sent, bytes) else sent.encode()
            heard = await receive(socket, len(expected))
            assert heard == expected, (heard[:100], expected[:100])
        # The node answers pings of its own accord.
        await (await socket.ping())


async def refused(url, code):
    """Errors come after the upgrade, as one message before the close."""
    async with connect(url) as socket:
        body = json.loads(await socket.recv())
        assert body["error"] == code and body["reason"], body
        try:
            more = await socket.recv()
            raise AssertionError("there came more: %r" % more)
        except websockets.ConnectionClosed as closed:
            # It was closed, not cut off.
            assert closed.rcvd is not None, closed


async def main(node, echoing, mute):
    await echo(f"{node}/wstreams/{echoing}")
    await refused(f"{node}/wstreams/999999", "not_found")
    await refused(f"{node}/wstreams/x", "bad_value")
    await refused(f"{node}/wstreams/{mute}", "forbidden_write")
    print("done")


asyncio.run(asyncio.wait_for(main(*sys.argv[1:]), DEADLINE))
