"""What benchmarks share: the sniffer, percentiles, CPU and memory of a process, programs in C++."""

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "hack"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import packets  # noqa: E402
from lab import programs  # noqa: E402
from lab.net import wait_until  # noqa: E402


class Sniffer:
    """The packets of one interface from now on."""

    def __init__(self, host, interface, port, name="all"):
        role = f"packets.{interface}.{port}.{name}"
        host.run_dir.log(f"{host.name}.{role}").unlink(missing_ok=True)
        self._process = host.spawn(role, [sys.executable, packets.__file__, interface, port])
        self._ready = False
        self._lines = host.run_dir.log(f"{host.name}.{role}").open()
        self._partial = ""
        self.seen = []
        wait_until(lambda: self._read() or self._ready, what="the sniffer")

    def _read(self):
        *lines, self._partial = (self._partial + self._lines.read()).split("\n")
        for line in lines:
            if line == "ready":
                self._ready = True
            else:
                self.seen.append(packets.parse(line))

    def packets(self):
        self._read()
        return self.seen

    def stop(self):
        self._process.kill()


_PROBE = """
import json, socket, sys, time
while True:
    began = time.time()
    try:
        with socket.create_connection((sys.argv[1], int(sys.argv[2])), 0.02) as connection:
            connection.settimeout(0.1)
            connection.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
        who = json.loads(answer.partition(b"\\r\\n\\r\\n")[2])["entry"]
        print(began, time.time(), who, flush=True)
        time.sleep(0.004)
    except (OSError, ValueError):
        print(began, time.time(), "-", flush=True)
"""


class Attempt(NamedTuple):
    began: float
    ended: float
    entry: str  # the node that it was answered through


class Probe:
    """A client on a host that asks again and again from now on: 20 ms for a connection, 100 ms for what is sent then."""

    def __init__(self, host, address, port=80):
        role = f"probe.{address}"
        host.run_dir.log(f"{host.name}.{role}").unlink(missing_ok=True)
        self._process = host.spawn(role, [sys.executable, "-c", _PROBE, address, port])
        self._lines = host.run_dir.log(f"{host.name}.{role}").open()
        self._partial = ""
        self.failed = 0  # attempts so far

    def answered(self, since, entry=None, timeout=15):
        """The first attempt begun after `since` that was answered; through that node, if one is named."""
        deadline = time.time() + timeout
        while time.time() < deadline:
            *lines, self._partial = (self._partial + self._lines.read()).split("\n")
            for number, line in enumerate(lines):
                began, ended, who = line.split()
                self.failed += who == "-"
                if float(began) >= since and who != "-" and entry in (None, who):
                    self._partial = "\n".join([*lines[number + 1:], self._partial])
                    return Attempt(float(began), float(ended), who)
            time.sleep(0.005)
        raise TimeoutError(f"no answer{f' through {entry}' if entry else ''} within {timeout} s")

    def stop(self):
        self._process.kill()


def tool(name):
    """Builds a program of this folder if need be, beside ours; its path."""
    build = programs.BIN.parent
    subprocess.run(["cmake", "--build", build, "--target", name], check=True, stdout=subprocess.DEVNULL)
    return build / "bench" / name


def percentiles(values):
    """p50 and p99 in milliseconds, as text."""
    if len(values) < 2:
        return "-"
    cuts = statistics.quantiles(values, n=100)
    return f"p50 {statistics.median(values) * 1e3:7.2f}   p99 {cuts[98] * 1e3:7.2f}"


def rss_mib(pid):
    return memory_mib(pid)["VmRSS"]


def memory_mib(pid):
    """{VmRSS: resident, RssAnon: what of it is the process's own and no file's, VmHWM: most resident so far}"""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {name: int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "RssAnon", "VmHWM")}


def cpu_seconds(pid):
    """What all threads of a process have used so far."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()) / 1e9
