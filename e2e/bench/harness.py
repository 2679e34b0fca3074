"""What benchmarks share: the sniffer, percentiles, CPU and memory of a process, programs in C++."""

import statistics
import subprocess
import sys
from pathlib import Path

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
