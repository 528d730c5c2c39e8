"""An application of a plugin: what gafferd says is on stdin, and what it is told goes to stdout, one object of JSON a line.

Whenever a process of the job `when` is launched, but for the first one, the jobs in `restart` are restarted.
"""

import json
import sys


def say(kind, **fields):
    print(json.dumps({"type": kind, **fields}), flush=True)


def main():
    when, restart, seen = None, [], False
    for line in sys.stdin:
        message = json.loads(line)
        kind = message["type"]
        if kind == "hello":
            config = message["config"]
            when = config.get("when")
            restart = [name.strip() for name in config.get("restart", "").split(",") if name.strip()]
            if not when or not restart:
                say("log", level="error", message="needs `when` and `restart` in [plugin:restart-after]")
                continue
            say("subscribe", events=[f"proc.{when}.spawn"])
            # It may run already, if this program was started in the middle.
            say("call", id="is-there", command="pids", args=[when])
            say("ready")
        elif kind == "event":
            if seen:
                for name in restart:
                    say("call", id=name, command="restart_job", args=[name])
            seen = True
        elif kind == "reply":
            if message["id"] == "is-there":
                seen = seen or (message["ok"] and bool(message["result"]["pids"]))
            elif message["ok"]:
                say("log", message=f"{message['id']} was restarted, as {when} was launched")
            elif message["id"]:
                say("log", level="warning", message=f"{message['id']} was not restarted: {message['error']['reason']}")
        elif kind == "stop":
            break


main()
