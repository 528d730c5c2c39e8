"""Drives the library of gaffer 0.4.4, unchanged, against a node: what no command of its programs reaches.

Usage: library_0_4.py <url> <scenario> [argument]...
"""

import json
import sys
import time

import pyuv
from gaffer.httpclient import EventsourceClient, GafferConflict, GafferNotFound, Server, Watcher


DEADLINE = 60


def until(look):
    """Waits until the call gives something that is true."""
    begun = time.time()
    while not look():
        assert time.time() - begun < DEADLINE, "waited %d s" % DEADLINE
        time.sleep(0.01)


def refused(error, code, call, *args):
    """The call must fail in this way; both exceptions carry the body of the answer."""
    try:
        call(*args)
    except error as refusal:
        assert refusal.args[0]["error"] == code, refusal
    else:
        raise AssertionError("%r%r was not refused" % (call, args))


def groups(server):
    """The groups `ga` (jobs a, b, c) and `gb` (job a) are loaded and run."""
    members = ["ga:a", "ga:b", "ga:c"]
    # Their order is free. The separator in the names of jobs was `:`, we write `.`, which is a job's full form here.
    assert sorted(server.groups()) == ["ga", "gb"], server.groups()
    assert [name.replace(".", ":") for name in server.get_group("ga")] == members, server.get_group("ga")

    # What a group answers is a name that everything else takes, and so is the original's form.
    for name in server.get_group("ga") + members:
        assert server.get_process(name).active, name

    assert server.stop_group("ga")
    until(lambda: not any(server.get_process(name).active for name in members))
    assert server.get_process("gb:a").active, "another group is another group"
    assert server.start_group("ga")
    # The original left out every second one, and its start after a stop did nothing.
    assert all(server.get_process(name).numprocesses == 1 for name in members)
    assert server.restart_group("ga")

    assert server.remove_group("ga")
    assert server.groups() == ["gb"], server.groups()
    for name in members:
        assert not server.is_process(name), "%s is left" % name
    for call in (server.get_group, server.start_group, server.stop_group, server.restart_group, server.remove_group):
        refused(GafferNotFound, "not_found", call, "ga")


def processes(server):
    """The job `w` is loaded and has two processes, which are the node's first."""
    assert server.version, server.version
    assert server.is_process("w") and not server.is_process("nope")
    assert server.running() == [1, 2], server.running()
    refused(GafferNotFound, "not_found", server.get_process, "nope")
    refused(GafferNotFound, "not_found", server.get_process, 99)
    refused(GafferConflict, "conflict", server.add_process, "w", "sleep 1000")

    job = server.get_process("w")
    assert (job.name, job.cmd) == ("w", "sleep 1000"), job.process
    assert (job.active, job.running, job.numprocesses, job.pids) == (True, 2, 2, [1, 2]), job.status()
    stats = job.stats()
    assert stats["name"] == "w" and [process["id"] for process in stats["stats"]] == [1, 2], stats
    for name in ("cpu", "max_cpu", "min_cpu", "mem", "max_mem", "min_mem"):
        assert isinstance(stats[name], (int, float)), stats
    for process in stats["stats"]:
        for name in ("id", "pid", "username", "nice", "cmdline", "cpu", "mem", "mem_info1", "mem_info2", "ctime", "children"):
            assert name in process, (name, process)
        assert process["cmdline"] == "sleep", process

    process = server.get_process(1)
    assert process.active
    assert process.signal(18)  # CONT, which changes nothing.
    assert process.stop()


def restart(server):
    """The job `w` is loaded and runs; the test looks at what comes of it."""
    assert server.get_process("w").restart()


def update(server):
    """The job `w` is loaded. HEAD, then PUT: the original's server always answered 500 to that."""
    job = server.update_process("w", "sleep 2000", numprocesses=2)
    assert job.numprocesses == 2, job.status()
    assert server.get_process("w").cmd == "sleep 2000"
    # Of a job that is not there it makes a new one.
    server.update_process("v", "sleep 3000")
    assert server.get_process("v").cmd == "sleep 3000"


def follow(server, path, *events):
    """Prints each of these events of a feed as a line of JSON, once it has printed that the feed is there."""
    # A heartbeat, so that there is something to be seen before the first event.
    url = "%s%s?feed=eventsource&heartbeat=1" % (server.uri, path)
    json_feed = not path.startswith("/streams/")

    class Follower(Watcher if json_feed else EventsourceClient):
        connected = False

        def _on_stream(self, message):
            if not self.connected:
                self.connected = True
                print("connected", flush=True)
            super(Follower, self)._on_stream(message)

    client = Follower(server.loop, url)

    def show(event, data):
        print(json.dumps([event, data if json_feed else data.decode("utf-8")]), flush=True)

    for event in events:
        client.subscribe(event, show)
    client.start()
    client.run()


def main():
    url, scenario = sys.argv[1:3]
    server = Server(url, loop=pyuv.Loop.default_loop())
    globals()[scenario](server, *sys.argv[3:])
    print("done", flush=True)


main()
