"""What a lab owns on this machine, on disk, so that `down` works from any process and after any crash.

  /run/openelb-lab/NAME/
    lab.json     topology, options, owner
    netns/       one empty file per namespace, made before the namespace
    cgroup       the path of its folder of cgroup2, if it has one
    pids/        one file per process: its /proc/PID/stat line, written by the process before it execs
    logs/        output of each process
    tls/ manifests/ status/ state/NODE/ ...   what the programs use

A process is known by pid and start time, so a pid that the kernel has given to somebody else is never
signalled. Nothing is ever looked up by program name.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from lab.cgroup import Cgroup, mount_point

ROOT = Path(os.environ.get("OPENELB_LAB_DIR", "/run/openelb-lab"))


def start_time(pid):
    """The kernel's start time of a live process in clock ticks; None if there is none (or a zombie). One whose first
    thread has ended lives as long as its other threads do: its sockets are still open."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        ended = fields[0] in "ZX" and len(os.listdir(f"/proc/{pid}/task")) <= 1
    except OSError:
        return None
    return None if ended else int(fields[19])


class Process:
    """One process a lab started: our child, or one that an earlier command left running."""

    def __init__(self, role, record, child=None):
        stat = record.read_text()
        self.role = role
        self.pid = int(stat.split(" ", 1)[0])
        self._started = int(stat.rpartition(") ")[2].split()[19])
        self._child = child

    def alive(self):
        if self._child is not None:
            self._child.poll()  # reaps
        return start_time(self.pid) == self._started

    def signal(self, number):
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self, timeout):
        """Waits for the end; False if it still runs after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while self.alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
        return True

    def exit_code(self):
        """None while it runs, or when another command started it."""
        return None if self._child is None else self._child.poll()

    def stop(self, timeout=5):
        """SIGTERM, then SIGKILL after `timeout` seconds. True if it went by itself."""
        self.signal(signal.SIGTERM)
        if self.wait(timeout):
            return True
        self.kill()
        return False

    def kill(self):
        self.signal(signal.SIGKILL)
        self.wait(5)


class RunDir:
    def __init__(self, name, root=None):
        self.name = name
        self.path = (root or ROOT) / name
        self._processes = {}

    # -- life --

    def create(self, **about):
        """Makes the directory; a lab of that name that is still there is taken down first."""
        self.remove()
        # Complete at once: whoever clears up takes a lab that names no owner for an orphan.
        draft = ROOT / f".{self.name}"
        shutil.rmtree(draft, ignore_errors=True)
        for folder in ("netns", "pids", "logs"):
            (draft / folder).mkdir(parents=True)
        owner = os.getpid()
        about |= {"owner": owner, "owner_start": start_time(owner)}
        (draft / "lab.json").write_text(json.dumps(about))
        draft.rename(self.path)

    def exists(self):
        return self.path.exists()

    def about(self):
        try:
            return json.loads((self.path / "lab.json").read_text())
        except (OSError, ValueError):
            return {}

    def owner_alive(self):
        about = self.about()
        return "owner" in about and start_time(about["owner"]) == about["owner_start"]

    def remove(self):
        """Ends every recorded process and what its cgroup holds, deletes every recorded namespace, then the
        directory."""
        processes = self.processes()
        for process in processes:
            process.signal(signal.SIGTERM)
        deadline = time.monotonic() + 2
        for process in processes:
            if not process.wait(max(0, deadline - time.monotonic())):
                process.kill()
        for process in self.processes():  # and what was only being started when this began
            process.kill()
        with contextlib.suppress(FileNotFoundError):
            Cgroup((self.path / "cgroup").read_text()).remove()
        for record in self._records("netns"):
            subprocess.run(["ip", "netns", "del", record.name], stderr=subprocess.DEVNULL, check=False)
            for folder in ("/etc/frr", "/run/frr"):  # of a router that ran FRR there
                shutil.rmtree(Path(folder) / record.name, ignore_errors=True)
        shutil.rmtree(self.path, ignore_errors=True)
        self._processes.clear()

    # -- namespaces --

    def namespace(self, node):
        return f"lab-{self.name}-{node}"

    def create_namespace(self, node):
        name = self.namespace(node)
        (self.path / "netns" / name).touch()
        subprocess.run(["ip", "netns", "add", name], check=True)

    def delete_namespace(self, node):
        name = self.namespace(node)
        subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL, check=False)
        (self.path / "netns" / name).unlink(missing_ok=True)

    def cgroup(self, node):
        """A node's Cgroup, for processes that processes of the lab start."""
        top = mount_point() / "openelb-lab" / self.name
        (self.path / "cgroup").write_text(str(top))
        return Cgroup(top / node)

    # -- processes --

    def spawn(self, role, argv, node=None, env=None):
        """Starts `argv` (in the namespace of `node`, if given) and returns its Process. A role is a unique
        name such as "master1.speaker"; a dead process of the same role is forgotten."""
        record = self.path / "pids" / role
        record.unlink(missing_ok=True)
        self._processes.pop(role, None)
        # The record stands before the program does: no crash of ours can leave it unknown.
        script = 'cat /proc/$$/stat > "$0.new" && mv "$0.new" "$0" && exec "$@"'
        command = ["sh", "-c", script, str(record), *map(str, argv)]
        if node is not None:
            command = ["ip", "netns", "exec", self.namespace(node), *command]
        with open(self.log(role), "ab") as log:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env=os.environ | {k: str(v) for k, v in (env or {}).items()})
        deadline = time.monotonic() + 10
        while not record.exists():
            if child.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{role} did not start: {' '.join(map(str, argv))}")
            time.sleep(0.001)
        process = self._processes[role] = Process(role, record, child)
        return process

    def process(self, role):
        """The process last started in this role; None if there is no record of one."""
        if role not in self._processes:
            with contextlib.suppress(OSError, ValueError, IndexError):
                self._processes[role] = Process(role, self.path / "pids" / role)
        return self._processes.get(role)

    def processes(self):
        found = (self.process(record.name) for record in self._records("pids"))
        return [process for process in found if process is not None]

    def log(self, role):
        return self.path / "logs" / f"{role}.log"

    def _records(self, folder):
        try:
            return [p for p in sorted((self.path / folder).iterdir()) if p.suffix != ".new"]
        except OSError:
            return []


def every_lab():
    try:
        return [RunDir(path.name) for path in sorted(ROOT.iterdir())
                if path.is_dir() and not path.name.startswith(".")]
    except OSError:
        return []


def remove_orphans(prefix):
    """Takes down the labs named PREFIX... whose owner is gone: what a killed test run left behind."""
    for lab in every_lab():
        if lab.name.startswith(prefix) and not lab.owner_alive():
            lab.remove()
