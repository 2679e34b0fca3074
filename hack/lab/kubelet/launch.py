"""The first steps of a container's process: launch.py SPEC.json FD becomes the container's command. FD is closed then.

It joins its cgroup and its Pod's network, gets a mount namespace and host name of its own, and sees the machine's
files with a throw-away layer over them (an overlay on tmpfs), its volumes at their mount paths. What the machine
should keep of it, coverage data and core files, goes to the shared folders.
"""

import contextlib
import ctypes
import json
import os
import platform
import signal
import sys

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWNET = 0x00020000, 0x04000000, 0x40000000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE, MNT_DETACH = 1, 32, 4096, 16384, 1 << 18, 2
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}[platform.machine()]
START_ERROR = 128  # the exit code that a container runtime gives to what it could not start

libc = ctypes.CDLL(None, use_errno=True)


def check(result, what):
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), what)


def mount(source, target, kind=None, flags=0, data=None):
    check(libc.mount(*(x.encode() if x else None for x in (source, target, kind)), ctypes.c_ulong(flags),
                     data.encode() if data else None), target)


def inside(root, path):
    """`path` of the new root as a path of the old one, links followed as the new root would: /var/run is an
    absolute one."""
    done, rest = [], [part for part in path.split("/") if part]
    while rest:
        part = rest.pop(0)
        if part == "..":
            done = done[:-1]
            continue
        here = os.path.join(root, *done, part)
        if os.path.islink(here):
            target = os.readlink(here)
            done = [] if target.startswith("/") else done
            rest = [p for p in target.split("/") if p not in ("", ".")] + rest
        else:
            done.append(part)
    return os.path.join(root, *done)


def bind(source, root, path, read_only=False):
    target = inside(root, path)
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    elif not os.path.exists(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        open(target, "w").close()
    mount(source, target, None, MS_BIND | MS_REC)
    if read_only:
        mount(None, target, None, MS_REMOUNT | MS_BIND | MS_RDONLY)


def other_file_systems():
    """Mount points of the machine that the overlay of / does not show, but for those a container gets anew."""
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        points = sorted(line.split()[1] for line in mounts)
    found = []
    for point in points:
        if point.startswith(("/proc", "/sys", "/dev", "/run")) or point == "/":
            continue
        if not any(point.startswith(upper + "/") for upper in found):
            found.append(point)
    return found


def build_root(spec):
    base = spec["root"]
    mount("tmpfs", base, "tmpfs")
    upper, work, root = (os.path.join(base, name) for name in ("upper", "work", "root"))
    for folder in (upper, work, root):
        os.mkdir(folder)
    mount("overlay", root, "overlay", 0, f"lowerdir=/,upperdir={upper},workdir={work}")
    for point in ("/proc", "/dev", *other_file_systems()):
        with contextlib.suppress(FileNotFoundError):
            bind(point, root, point)
    mount("sysfs", root + "/sys", "sysfs")  # shows the devices of our network namespace
    mount("tmpfs", root + "/run", "tmpfs")
    for path, text in spec["texts"].items():
        with open(inside(root, path), "w", encoding="utf-8") as file:
            file.write(text)
    for folder in spec["shares"]:
        bind(folder, root, folder)
    for path, source in spec["files"].items():
        bind(source, root, path)
    for volume in spec["mounts"]:
        bind(volume["source"], root, volume["path"], volume["readOnly"])
    if spec["readOnlyRoot"]:
        for part in ("", "/run"):
            mount(None, root + part, None, MS_REMOUNT | MS_BIND | MS_RDONLY)
    return root


def enter(root):
    os.chdir(root)
    check(libc.syscall(PIVOT_ROOT, b".", b"."), "pivot_root")  # the old root is then mounted over the new one
    check(libc.umount2(b".", MNT_DETACH), "old root")
    os.chdir("/")


def main(path, started):
    os.set_inheritable(int(started), False)
    with open(path, encoding="utf-8") as file:
        spec = json.load(file)
    with open(spec["cgroup"], "w", encoding="utf-8") as procs:
        procs.write(str(os.getpid()))
    if spec["netns"]:
        with open(spec["netns"], encoding="utf-8") as netns:
            check(libc.setns(netns.fileno(), CLONE_NEWNET), spec["netns"])
    check(libc.unshare(CLONE_NEWNS | CLONE_NEWUTS), "unshare")
    hostname = spec["hostname"].encode()
    check(libc.sethostname(hostname, len(hostname)), "sethostname")
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    enter(build_root(spec))
    os.chdir(spec["workingDir"])
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python's own choice would be inherited
    os.execvpe(spec["argv"][0], spec["argv"], spec["env"])


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except OSError as error:
        print(f"container not started: {error}", file=sys.stderr)
        sys.exit(START_ERROR)
