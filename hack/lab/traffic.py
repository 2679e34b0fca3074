"""What a client saw, read from the lines that client.py writes."""

import contextlib
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lab.net import wait_until

_SCRIPT = Path(__file__).with_name("client.py")
TIMEOUT_S = 0.8


@dataclass(frozen=True)
class Count:
    answers: Counter  # per node that the connection was entered through
    lost: list  # times of the lost requests, seconds since the epoch
    why: list  # what the client said of each of the lost ones

    @property
    def total(self):
        return sum(self.answers.values()) + len(self.lost)

    def outage(self):
        """Seconds from the first lost request to the last."""
        return max(self.lost) - min(self.lost) if self.lost else 0.0

    def longest_outage(self, pause=0.1):
        """Seconds of the longest stretch of losses; `pause` seconds without one end a stretch."""
        longest, begin, last = 0.0, 0.0, float("-inf")
        for at in sorted(self.lost):
            begin = begin if at - last < pause else at
            last = at
            longest = max(longest, last - begin)
        return longest


class Traffic:
    """A request loop that runs in a host until stopped."""

    def __init__(self, host, address, port=80, rate=100, role="client"):
        path = host.run_dir.log(f"{host.name}.{role}")
        path.unlink(missing_ok=True)
        self._process = host.spawn(role, [sys.executable, _SCRIPT, address, port, rate, TIMEOUT_S, host.run_dir.path])
        self._lines = path.open()
        self._partial = ""
        self._seen = []  # what the client wrote, in the order of the answers

    def count(self, since=0.0, until=float("inf")):
        """Of the requests begun in the given time; those still open are not in it."""
        self._read()
        return _count(seen for seen in self._seen if since <= seen["at"] < until)

    def _read(self):
        *lines, self._partial = (self._partial + self._lines.read()).split("\n")
        self._seen += map(json.loads, lines)

    def settle(self):
        """Waits until every request begun before now is decided."""
        time.sleep(TIMEOUT_S + 0.1)

    def wait_flow(self, nodes, timeout=10.0):
        """Waits until, for half a second, requests were answered through exactly `nodes` with none lost."""
        def flows():
            now = time.time() - TIMEOUT_S
            seen = self.count(now - 0.5, now)
            return (set(seen.answers) == set(nodes) and not seen.lost) or None
        wait_until(flows, timeout, interval=0.1, what=f"answers through {sorted(nodes)}")

    def stop(self):
        self._process.kill()


class Lost(NamedTuple):
    """What a client lost in one case; a property of the test, of this class's name."""
    case: str
    lost: int
    total: int
    longest: float  # seconds, of requests lost one after the other

    def __str__(self):
        return f"{self.case}: {self.lost} of {self.total}, at most {self.longest * 1000:.0f} ms at a time"


@contextlib.contextmanager
def counted(record, case, host, address, nodes, most):
    """A client on a host that asks every 5 ms, answered through `nodes` first, and whose neighbour cache nobody flushes.
    Afterwards what it lost is told to `record` (pytest's record_property) as a Lost, and was never more than `most`
    seconds at a time."""
    client = Traffic(host, address, rate=200)
    try:
        client.wait_flow(nodes)
        since = time.time()
        yield client
        client.settle()
        seen = client.count(since)
        lost = Lost(case, len(seen.lost), seen.total, seen.longest_outage())
        record(Lost.__name__, lost)
        assert lost.longest < most, f"{lost}: {Counter(seen.why)}; answers: {seen.answers}"
    finally:
        client.stop()


def ask(host, address, requests, port=80, rate=500):
    """Sends a number of requests from a host and returns their Count."""
    lines = host.exec(sys.executable, _SCRIPT, address, port, rate, TIMEOUT_S, host.run_dir.path, requests).splitlines()
    return _count(map(json.loads, lines))


def _count(lines):
    lines = list(lines)
    lost = [line for line in lines if "lost" in line]
    return Count(Counter(line["entry"] for line in lines if "entry" in line), [line["at"] for line in lost],
                 [line["lost"] for line in lost])
