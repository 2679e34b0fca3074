"""Namespaces as machines: links, bridges, addresses, kernel routes and a recorder of route changes."""

import json
import re
import subprocess
import time
from datetime import datetime


def run(*argv, check=True, stdin=None):
    """Runs a command to its end and returns its output; on failure the error carries stderr."""
    done = subprocess.run([str(a) for a in argv], input=stdin, capture_output=True, text=True, check=False,
                          timeout=60)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, argv))}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def wait_until(predicate, timeout=10.0, interval=None, what=""):
    """Polls until `predicate()` is true and returns its value. After `timeout` seconds raises TimeoutError
    that shows the last value (or exception) seen. Pauses are `interval` seconds, or else grow with the wait, so that
    its end is seen within a twentieth of it: what asks often starts many processes."""
    begun = time.monotonic()
    deadline = begun + timeout
    while True:
        try:
            value = predicate()
            if value:
                return value
        except (OSError, RuntimeError, ValueError, KeyError, IndexError) as error:
            value = error
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what or 'condition'} not reached in {timeout} s; last seen: {value!r}")
        time.sleep(interval or min(0.1, max(0.02, (time.monotonic() - begun) / 20)))


class Host:
    """One namespace of a lab."""

    def __init__(self, run_dir, name):
        self.run_dir = run_dir
        self.name = name
        self.netns = run_dir.namespace(name)
        self._cut = {}

    def create(self):
        self.run_dir.create_namespace(self.name)
        self.ip("link set lo up")
        return self

    def ip(self, *commands):
        """Runs `ip` commands in this namespace, in one process."""
        run("ip", "-n", self.netns, "-batch", "-", stdin="\n".join(commands) + "\n")

    def exec(self, *argv, check=True, stdin=None):
        return run("ip", "netns", "exec", self.netns, *argv, check=check, stdin=stdin)

    def sysctl(self, **settings):
        """Dots in names are written as double underscores: net__ipv4__ip_forward=1."""
        self.exec("sysctl", "-qw", *(f"{k.replace('__', '.')}={v}" for k, v in settings.items()))

    def spawn(self, role, argv, env=None):
        return self.run_dir.spawn(f"{self.name}.{role}", argv, node=self.name, env=env)

    def process(self, role):
        return self.run_dir.process(f"{self.name}.{role}")

    def log(self, role):
        path = self.run_dir.log(f"{self.name}.{role}")
        return path.read_text(errors="replace") if path.exists() else ""

    def forwards(self, seed):
        """Makes this host a router. Its ECMP hash must differ from its neighbours': with the default policy
        the hash travels with the packet over veth, and all hops would choose alike."""
        self.sysctl(net__ipv4__ip_forward=1, net__ipv4__conf__all__rp_filter=0,
                    net__ipv4__fib_multipath_hash_policy=3, net__ipv4__fib_multipath_hash_fields=0x37,
                    net__ipv4__fib_multipath_hash_seed=seed)

    def kernel_next_hops(self, prefix):
        """The next hops of the kernel's BGP route to exactly `prefix`; empty without such a route."""
        found = set()
        for route in json.loads(run("ip", "-n", self.netns, "-6" if ":" in prefix else "-4", "-j", "route",
                                     "show", "exact", prefix) or "[]"):
            if route.get("protocol") not in ("bgp", "bird"):
                continue
            found |= {hop["gateway"] for hop in route.get("nexthops", [route]) if "gateway" in hop}
        return found

    def cut(self, interface):
        """Takes a link down. The kernel forgets the routes over it; `mend` puts the lab's own ones back."""
        static = run("ip", "-n", self.netns, "route", "show", "dev", interface, "proto", "boot").splitlines()
        self._cut[interface] = [f"route replace {line.strip()} dev {interface}" for line in static]
        self.ip(f"link set {interface} down")

    def mend(self, interface):
        self.ip(f"link set {interface} up", *self._cut.pop(interface))


def connect(left, left_interface, right, right_interface):
    """A cable between two hosts; each argument pair names a host and the interface it gets."""
    run("ip", "link", "add", left_interface, "netns", left.netns, "type", "veth",
        "peer", "name", right_interface, "netns", right.netns)
    left.ip(f"link set {left_interface} up")
    right.ip(f"link set {right_interface} up")


class RouteRecorder:
    """Every change of a host's kernel routes, with its time, from the moment of creation."""

    _LINE = re.compile(r"^\[(?P<time>[^\]]+)\] (?P<gone>Deleted )?(?:\w+ )?"
                       r"(?P<prefix>[0-9a-f.:]+(?:/\d+)?) (?P<rest>.*)$")

    def __init__(self, host):
        self._path = host.run_dir.log(f"{host.name}.routes")
        self._process = host.spawn("routes", ["ip", "-o", "-ts", "monitor", "route"])
        time.sleep(0.05)  # the socket is open then; there is no sign to wait for
        self.mark = time.time()

    def events(self, prefix, since=None):
        """[(seconds since the epoch, "add" or "del", {next hops})] of one /32 or other prefix, oldest first."""
        prefix = prefix.removesuffix("/32")
        return [(stamp, kind, hops) for found, stamp, kind, hops in self.changes(since) if found == prefix]

    def changes(self, since=None):
        """(prefix, and as above) of each change of any prefix, oldest first; a /32 goes without its length."""
        for line in self._path.read_text().splitlines():
            match = self._LINE.match(line)
            if match is None:
                continue
            stamp = datetime.fromisoformat(match["time"]).timestamp()
            if stamp >= (since or 0):
                hops = set(re.findall(r"via (\S+)", match["rest"]))
                yield match["prefix"], stamp, "del" if match["gone"] else "add", hops

    def stop(self):
        self._process.kill()
