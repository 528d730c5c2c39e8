"""Narrows what schemathesis sends to what harms nobody, comes to an end, and often enough finds something to act on.

schemathesis makes requests of everything that the description of the API allows, and of much that it does not. gafferd
would run any program with them. So each request is looked at last of all, whatever made it:

- A job's `cmd` is one of a few harmless programs, without arguments of the generator's making, as few processes, in the
  scratch folder. Values of a wrong type stay, as they must be refused.
- Most names are those of a few jobs, so that their number is bounded; most pids are those of processes that run.
- Feeds are longpolls of what is sure to say something soon: endless answers, and those of several lines, are the business of
  other tests.
- Webhooks lead to this machine, where nobody listens, and are few.
- The jobs that keep talking (see schemathesis.sh) are read, but not stopped, changed or unloaded.
"""

import json
import os
import random
import string
import urllib.error
import urllib.request

import schemathesis

SCRATCH = os.environ["GAFFER_FUZZ_FOLDER"]
NODE = os.environ["GAFFER_FUZZ_NODE"]
KEY = os.environ["GAFFER_FUZZ_KEY"]

PROGRAMS = ["sleep 60", "cat", "true"]
SESSIONS = ["default", "shop", "made"]
JOBS = ["idle", "web", "worker", "made", "other"]
MADE = [f"made{number}" for number in range(20)]
LOADING = ["/processes", "/jobs/{session}"]
# `tick` has one process, which is the node's first and writes to both of its outputs; `pulse` makes events.
KEPT = ["tick", "pulse", "echo"]
TALKING_PID = 1
# Patterns of events that come all the time, by their number of segments.
PATTERNS = {
    1: [["spawn"], ["exit"]],
    2: [["proc", "pulse"], ["job", "default"]],
    3: [["proc", "pulse", "exit"], ["proc", "pulse", "spawn"]],
}
MAX_PROCESSES = 3
# Seconds. At the end all jobs are stopped, also those that a signal has halted.
MAX_PATIENCE = 1
# What the generator makes as numbers beyond what a node accepts.
ABSURD = 1_000_000
SAFE = string.ascii_letters + string.digits + "_"


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def few(number):
    """The number, or a small one instead of one that might be accepted."""
    return number % (MAX_PROCESSES + 1) if MAX_PROCESSES < number < ABSURD else number


class Narrowing:
    """Narrows one request; the same request always in the same way, but for what runs just then."""

    def __init__(self, case):
        self.case = case
        self.path = case.path_parameters or {}
        self.query = case.query or {}
        self.reads = case.method.upper() in ("GET", "HEAD", "OPTIONS")
        self.family = case.operation.path.split("/")[1]
        self.dice = random.Random(repr((case.method, case.operation.path, self.path, self.query, case.body)))

    def mostly(self):
        return self.dice.random() < 0.8

    def run(self):
        for key, value in self.path.items():
            self.path[key] = self.segment(key, value)
        if self.reads and self.family in ("watch", "stats", "streams"):
            self.feed()
        self.case.body = self.body(self.case.body)
        if self.case.operation.path.endswith("/state") and not self.reads and self.mostly():
            self.case.body = self.dice.choice(["0", "1", "2"])

    def segment(self, key, value):
        if key == "name_or_pid":
            key = "pid" if self.dice.random() < 0.3 else "name"
            # What would load a huge number of processes must not get past the names.
            value = str(value)
        if self.family == "webhooks":
            return value
        if key in ("pid", "id"):
            return self.pid() if self.mostly() or str(value) == str(TALKING_PID) else value
        if key in ("name", "job"):
            return self.name() if self.mostly() or str(value).split(".")[-1] in KEPT else value
        if key in ("session", "group", "sessionid"):
            # What is done to a group is done to all of it, and those that are kept are in the first.
            sessions = SESSIONS if self.reads or key != "group" else SESSIONS[1:]
            return self.dice.choice(sessions) if self.mostly() or value == SESSIONS[0] else value
        if key == "number":
            digits = str(value).strip("+")
            return str(few(int(digits))) if digits.isdecimal() else value
        if key == "signal":
            return self.dice.choice(["1", "HUP", "SIGUSR1", "9", "19", "18"]) if self.mostly() else value
        if key in ("label", "stream"):
            labels = ["out", "err", "extra"] if self.reads else ["stdin", "ttin", "extra", "out"]
            return self.dice.choice(labels) if self.mostly() else value
        return value

    def name(self):
        if self.case.operation.path in LOADING:
            # Not only those that are there already.
            return self.dice.choice(JOBS + MADE)
        jobs = JOBS + KEPT if self.reads else JOBS
        if self.family == "jobs":
            return self.dice.choice(jobs)
        return self.dice.choice(jobs + ["shop.web", "shop:worker", "made.made"])

    def pid(self):
        """The pid of a process that runs, of a job that it may be of."""
        jobs = [job for job in JOBS + KEPT if self.reads or job not in ("tick", "pulse")]
        self.dice.shuffle(jobs)
        if self.family == "stats":
            jobs.insert(0, str(self.path["name"]))
        for job in jobs:
            try:
                request = urllib.request.Request(f"{NODE}/processes/{job}/_pids", headers={"X-Api-Key": KEY})
                with urllib.request.urlopen(request, timeout=10) as answer:
                    pids = json.load(answer)["pids"]
            except urllib.error.HTTPError:
                # It is not loaded just then.
                continue
            if pids:
                return self.dice.choice(pids)
        return TALKING_PID + 1

    def feed(self):
        # All that is kept is several lines of JSON, as in a continuous feed.
        if self.query.get("follow") == "false":
            self.query.pop("follow")
        if self.query.get("feed") in ("continuous", "eventsource") or (self.query and self.mostly()):
            self.query.update(feed="longpoll")
            for key in ("heartbeat", "history"):
                if self.query.get(key) == "":
                    del self.query[key]
        if self.family == "stats" and self.path and self.query.get("feed") == "longpoll":
            # A job without processes has nothing to tell until it has some.
            self.path["name"] = self.dice.choice(KEPT)
            if "pid" in self.path:
                self.path["pid"] = self.pid()
        if self.family == "streams" and str(self.path.get("pid", "")).isdecimal():
            self.path["pid"] = TALKING_PID
        if self.family == "watch" and self.path:
            # A pattern may be that of anything that might happen, for which a longpoll waits for ever. What surely is none
            # is refused, which is to be seen too.
            if len(self.path) > 1 or str(*self.path.values()).isalpha() or self.mostly():
                self.path.update(zip(list(self.path), self.dice.choice(PATTERNS[len(self.path)])))

    def body(self, body):
        """The body to send instead of this one, which may be text that is JSON, or nearly."""
        if not isinstance(body, (bytes, str)):
            self.value(body)
            return body
        try:
            value = json.loads(body)
        except ValueError:
            return body
        self.value(value)
        text = json.dumps(value)
        return text.encode() if isinstance(body, bytes) else text

    def value(self, value):
        """Narrows every job, and every number of processes, in a value of JSON."""
        if isinstance(value, dict):
            if "cmd" in value:
                self.job(value)
            if self.family == "webhooks" and isinstance(value.get("url"), str):
                # What is not refused is called.
                value["url"] = f"http://127.0.0.1:9/{self.dice.randrange(20)}" if self.mostly() else "ftp://127.0.0.1"
            if self.family == "webhooks" and "event" in value and self.mostly():
                value["event"] = "flap"
            for key in ("numprocesses", "scale"):
                if key in value:
                    value[key] = self.number(value[key])
            if "signal" in value and self.mostly():
                value["signal"] = self.dice.choice([1, "HUP", "SIGUSR1", 9, 19, 18])
            for part in value.values():
                self.value(part)
        elif isinstance(value, list):
            for part in value:
                self.value(part)

    def number(self, value):
        if is_number(value):
            return few(value)
        digits = value.lstrip("+-=") if isinstance(value, str) else ""
        if digits.isdecimal():
            return value[: len(value) - len(digits)] + str(few(int(digits)))
        # A string can hold any sort of number, and most strings none.
        return self.dice.choice(["+1", "-1", "=2", "2", value]) if isinstance(value, str) else value

    def job(self, job):
        if isinstance(job["cmd"], str):
            job["cmd"] = self.dice.choice(PROGRAMS)
        if isinstance(job.get("args"), (str, list)):
            # They would be arguments of a shell even.
            job["args"] = []
        for key in ("uid", "gid"):
            if isinstance(job.get(key), (str, int)) and self.mostly():
                job[key] = None
        if isinstance(job.get("cwd"), str):
            # All that runs is in this folder, so that it can be found.
            job["cwd"] = SCRATCH if self.mostly() else SCRATCH + "/nowhere"
        if job.get("detach") is True:
            job["detach"] = False
        if isinstance(job.get("name"), str) and self.mostly():
            # A path that has a name already says it once more.
            job["name"] = self.path["name"] if "name" in self.path else self.name()
        if isinstance(job.get("group"), str) and self.mostly():
            job["group"] = None
        if job.get("graceful_timeout") is None or is_number(job["graceful_timeout"]):
            job["graceful_timeout"] = min(job.get("graceful_timeout") or 0, MAX_PATIENCE)
        if isinstance(job.get("env"), dict) and self.mostly():
            # Among others nothing that decides which program or library is loaded.
            job["env"] = {"FUZZ_" + "".join(c for c in name if c in SAFE): text for name, text in job["env"].items()}


@schemathesis.hook
def before_call(context, case, kwargs):
    Narrowing(case).run()
