"""Tables sent to receivers that cost nothing, and what changes of them take. All times come from the receivers' packets."""

import statistics
import time
from dataclasses import dataclass, field

from harness import cpu_seconds, memory_mib
from network import RECEIVERS, Receivers

from lab.net import wait_until

ONE_ROUTE = 20  # times in each cell
PATIENCE_S = 120


@dataclass(frozen=True)
class Cell:
    routes: int
    hops: int
    receivers: int

    def __str__(self):
        return f"{self.routes // 1000}k x {self.hops} to {self.receivers}"


@dataclass
class Took:
    """Of one sender in one cell: seconds of each trial, and memory."""
    table: list = field(default_factory=list)  # ESTABLISHED to last prefix, the slowest of the sessions
    one: list = field(default_factory=list)  # a route more: told to the last receiver has it
    less: list = field(default_factory=list)  # a next hop less in all routes
    withdraw: list = field(default_factory=list)
    announce: list = field(default_factory=list)  # all routes over sessions that are up
    cpu: list = field(default_factory=list)  # of table, withdraw and announce
    updates: int = 0  # of the table, to one receiver
    rss_mib: float = 0  # with the table sent
    own_mib: float = 0  # of that, what no file backs


def told(sender, receivers, word, prefixes, paths):
    """Seconds from the command to the last receiver's last packet of it, by the kernel's stamps."""
    at = sender.tell(word)
    seen = receivers.wait(prefixes, paths, PATIENCE_S)
    return (max(s.changed_at for s in seen) - at) / 1e9


def trial(network, sender, cell, took, first):
    n, h = cell.routes, cell.hops
    cpu = cpu_seconds(sender.process().pid)
    receivers = Receivers(network, cell.receivers, add_path=h > 1)
    if not first:
        sender.renew()
    try:
        seen = receivers.wait(n, n * h, PATIENCE_S)
        took.table.append(max(s.changed_at - s.established_at for s in seen) / 1e9)
        if first:
            time.sleep(0.3)
            memory = memory_mib(sender.process().pid)
            took.updates, took.rss_mib, took.own_mib = seen[0].updates, memory["VmRSS"], memory["RssAnon"]
        used = cpu_seconds(sender.process().pid) - (0 if sender.renewed else cpu)
        for _ in range(ONE_ROUTE if first else 0):
            time.sleep(0.02)
            took.one.append(told(sender, receivers, "one", n + 1, (n + 1) * h))
            time.sleep(0.02)
            told(sender, receivers, "undo", n, n * h)
        if h > 1:
            took.less.append(told(sender, receivers, "less", n, n * (h - 1)))
            told(sender, receivers, "more", n, n * h)
        cpu = cpu_seconds(sender.process().pid)
        took.withdraw.append(told(sender, receivers, "withdraw", 0, 0))
        took.announce.append(told(sender, receivers, "announce", n, n * h))
        took.cpu.append(used + cpu_seconds(sender.process().pid) - cpu)
    finally:
        receivers.stop()


def transfer(network, sender, cell, trials, budget_s):
    """Trials until there are so many or they have taken so long: at least one."""
    took = Took()
    began = time.monotonic()
    sender.start(cell.routes, cell.hops, RECEIVERS[:cell.receivers])
    try:
        for number in range(trials):
            trial(network, sender, cell, took, first=number == 0)
            if time.monotonic() - began > budget_s:
                break
    except TimeoutError as error:
        raise TimeoutError(f"{sender.name}: {cell}: {error}") from error
    finally:
        sender.stop()
    return took


@dataclass
class Start:
    took: list = field(default_factory=list)  # seconds from the program's start to ESTABLISHED
    rss_mib: float = 0  # idle: a session, no routes
    own_mib: float = 0


def start(network, sender, trials):
    result = Start()
    for _ in range(trials):
        receivers = Receivers(network, 1, add_path=True)
        try:
            sender.start(0, 2, RECEIVERS[:1])
            since = sender.started_at()
            wait_until(lambda: receivers.sessions()[0].established_at > since, 60, what=f"{sender.name}: a session")
            result.took.append((receivers.sessions()[0].established_at - since) / 1e9)
            time.sleep(0.5)
            memory = memory_mib(sender.process().pid)
            result.rss_mib, result.own_mib = memory["VmRSS"], memory["RssAnon"]
        finally:
            sender.stop()
            receivers.stop()
    return result


def median(values):
    return statistics.median(values) if values else None
