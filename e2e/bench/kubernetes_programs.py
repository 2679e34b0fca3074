"""What programs of a lab cost: CPU seconds, memory, calls to the API server."""

import json
import os
import time
from collections import Counter
from pathlib import Path

from harness import memory_mib

from lab.control_plane import API_SERVER, ETCD
from lab.installed import CONTROLLER_USER, SPEAKER_USER
from lab.net import wait_until

READS = ("get ", "list ", "watch ")
CALM_CPU = 0.1  # CPU seconds a second: what a program takes that has nothing to do


class Programs:
    """The API server and etcd; once OpenELB is installed, its own too."""

    def __init__(self, lab, installed=True):
        self.lab = lab
        self.pids = {name: lab.control_plane.host.process(name).pid for name in (API_SERVER, ETCD)}
        if installed:
            self.pids["controller"] = lab.container_pid(lab.leader())
            self.pids["standby"] = lab.container_pid(lab.standby())
            for node in sorted(lab.speaker_nodes()):
                self.pids[f"speaker {node}"] = lab.container_pid(lab.speaker(node))
        self.mark()

    def mark(self):
        """What `cpu` and `calls` tell counts from here."""
        self._began = {name: cpu_s(pid) for name, pid in self.pids.items()}
        self._audited = self.lab.control_plane.audit_log.stat().st_size

    def cpu(self):
        return {name: cpu_s(pid) - self._began[name] for name, pid in self.pids.items()}

    def memory(self):
        """{program: what memory_mib tells}"""
        return {name: memory_mib(pid) for name, pid in self.pids.items()}

    def calls(self, user=CONTROLLER_USER):
        """{"verb resource": number} of a user's calls."""
        found = Counter()
        with self.lab.control_plane.audit_log.open() as file:
            file.seek(self._audited)
            for line in file:
                if user not in line or not line.endswith("\n"):
                    continue
                event = json.loads(line)
                if event["stage"] == "ResponseComplete" and event["user"]["username"] == user:
                    what = event.get("objectRef", {})
                    resource = "/".join(filter(None, (what.get("resource"), what.get("subresource"))))
                    found[f"{event['verb']} {resource}"] += 1
        return found

    def print_calls(self):
        calls = self.calls()
        writes = {what: number for what, number in calls.most_common() if not what.startswith(READS)}
        named = [f"{number} {what}" for what, number in writes.items()]
        named.append(f"{calls.total() - sum(writes.values())} reads")
        print(f"  calls by controllers: {calls.total()} ({', '.join(named)}); "
              f"by speakers: {self.calls(SPEAKER_USER).total()}")

    def wait_calm(self, timeout=120):
        """Until what was begun is done, as far as CPU time shows it. The API server is never quite calm."""
        def calm():
            before = self.cpu()
            time.sleep(2)
            now = self.cpu()
            return all(now[name] - before[name] < 2 * CALM_CPU * (3 if name == API_SERVER else 1) for name in now)
        wait_until(calm, timeout, what="calm")


def cpu_s(pid):
    """User and system CPU seconds of a process and its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def row(name, values, form=".2f"):
    """A line of a table; {column: number, None or text}."""
    texts = [f"{what} {value:{form}}" if isinstance(value, (int, float)) else f"{what} {value}"
             for what, value in values.items() if value is not None]
    print(f"  {name:22}  {'  '.join(texts)}", flush=True)
