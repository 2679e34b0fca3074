"""A container's processes as a folder of cgroup2: whatever it forks stays in there and ends with one write."""

import contextlib
import time
from pathlib import Path


def mount_points(*kinds):
    mounts = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
    return [Path(path) for _, path, kind, *_ in mounts if kind in kinds]


def mount_point():
    """Where cgroup2 is mounted, alone or beside the older hierarchies."""
    for path in mount_points("cgroup2"):
        return path
    raise RuntimeError("no cgroup2 is mounted on this machine")


class Cgroup:
    def __init__(self, path):
        self.path = Path(path)
        self.procs = self.path / "cgroup.procs"

    def create(self):
        self.path.mkdir(parents=True, exist_ok=True)

    def kill(self, timeout=5):
        """SIGKILL to all in it and below it; waits until they are gone."""
        with contextlib.suppress(FileNotFoundError):
            (self.path / "cgroup.kill").write_text("1")
            deadline = time.monotonic() + timeout
            while "populated 1" in (self.path / "cgroup.events").read_text() and time.monotonic() < deadline:
                time.sleep(0.002)

    def remove(self):
        """Kills what is in it, then deletes the folders, also those that runc made under the same name in older
        hierarchies."""
        self.kill()
        name = self.path.relative_to(mount_point())
        for top in mount_points("cgroup", "cgroup2"):
            for folder in sorted((top / name).glob("**/"), reverse=True):
                with contextlib.suppress(OSError):
                    folder.rmdir()
