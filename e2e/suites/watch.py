"""What must not happen while something is done to a lab."""

import contextlib
import re
import time

from lab.fabric import VIP, leaf_of
from lab.net import wait_until
from lab.router import Shown
from lab.traffic import Traffic

PREFIX = f"{VIP}/32"
ALL = {"master1", "worker1", "worker-p002"}
DOCUMENTED = {"leaf1": {"192.168.0.3", "192.168.0.4"}, "leaf2": {"192.168.1.2"}}


@contextlib.contextmanager
def routes_unchanged(lab, *routers, prefix=PREFIX, settle=0.3):
    """No kernel route to `prefix` changes on `routers` (default: all), and no UPDATE comes from a speaker, once what was
    done before has come to rest: a router's kernel follows its table, and its peers, within `settle` seconds."""
    routers = routers or tuple(lab.routers)

    def state():
        return {name: (_received(lab, name), lab.recorders[name].events(prefix)) for name in routers}

    def at_rest():
        seen = state()
        time.sleep(settle)
        return seen if state() == seen else None
    before = wait_until(at_rest, what=f"{routers} at rest")
    yield
    time.sleep(settle)
    for name, (received, events) in state().items():
        assert events == before[name][1], f"routes changed on {name}"
        assert received == before[name][0], f"{name} got UPDATEs"


def _received(lab, router):
    """UPDATEs from the neighbours on the router's own network: the speakers."""
    if router == "spine":
        return {}
    nodes = [a for a in lab.routers[router].config.neighbors if a.startswith("192.168.") and leaf_of(a) == router]
    return {address: session.updates for address, session in lab.routers[router].sessions().items()
            if address in nodes}


@contextlib.contextmanager
def traffic(lab, nodes=ALL, rate=100, address=VIP):
    """A client that asks all the while; its Traffic, once it is answered through exactly `nodes`."""
    running = Traffic(lab["client"], address, rate=rate, role=f"client.{address}")
    try:
        running.wait_flow(nodes)
        yield running
    finally:
        running.stop()


def unharmed(client, since):
    """Routers changed their next hops meanwhile, and nothing else happened: of the connections that were open just then,
    one that a router hashes to another next hop may be lost, and nobody waits."""
    client.settle()
    seen = client.count(since)
    assert seen.total > 0 and len(seen.lost) <= max(1, 0.01 * seen.total) and seen.outage() < 0.1, seen


def withdrawals(lab, router, since, prefix=PREFIX):
    """Kernel route events on a router in which a next hop went away."""
    held, gone = None, []
    for at, what, hops in lab.recorders[router].events(prefix):
        now = set() if what == "del" else hops
        if held is not None and held - now and at >= since:
            gone.append(at)
        held = now
    return gone


def says(program, *words, timeout=5.0):
    """Waits for one log line that holds all `words`, and returns it."""
    def line():
        return next((text for text in program.log().splitlines() if all(word in text for word in words)), None)
    return wait_until(line, timeout, what=f"a line of {program.host.name}'s {program.role} with {words}")


def wait_saved(lab):
    """Until the plan that each speaker has in force is the one on its disk, which it is written to a moment later."""
    for node, speaker in lab.speakers.items():
        def saved(node=node, speaker=speaker):
            in_force = tuple(speaker.metric(f"openelb_speaker_plan_{name}") for name in ("epoch", "generation"))
            return saved_plan(lab, node) == in_force or Shown([in_force])
        wait_until(saved, what=f"{node}: its plan on disk")


def saved_plan(lab, node):
    """(epoch, counter) of the plan on a speaker's disk, the first fields of SavedPlanFile in speaker/link; None without one."""
    varint = rb"([\x80-\xff]*[\x00-\x7f])"
    content = (lab.run_dir.path / "state" / node / "plan").read_bytes()
    found = re.match(rb"[^\n]*\n\x08" + varint + rb"\x10" + varint, content)
    return found and tuple(sum((byte & 0x7F) << 7 * place for place, byte in enumerate(number)) for number in found.groups())


def peer_status(lab, peer, node):
    return (lab.cluster.status("BgpPeer", peer).get("nodesPeerStatus") or {}).get(node, {}).get("peerState", {})


def condition(lab, kind, name, what):
    """The condition of type `what` that the controller wrote for an object, while it is true."""
    for found in lab.cluster.status(kind, name).get("conditions") or []:
        if found["type"] == what and found["status"] == "True":
            return found
    return None


def speaker_paths(lab, leaf):
    """What the leaf holds from its speaker, without what comes back from the spine."""
    return [path for path in lab.routers[leaf].paths(PREFIX) if path.next_hop in DOCUMENTED[leaf]]


def wait_paths(lab, leaf, **wanted):
    """Every path of the Service's address has these attributes."""
    def met():
        paths = speaker_paths(lab, leaf)
        return paths and all(getattr(path, name) == value for path in paths for name, value in wanted.items()) \
            or Shown(map(str, paths))
    wait_until(met, what=f"{leaf}: paths with {wanted}")


@contextlib.contextmanager
def nothing_withdrawn(lab, ranks=False):
    """No kernel route is deleted on a leaf, and no next hop goes away. `ranks`: what changes decides which paths a leaf
    prefers; it learns that path by path, and may prefer one for a moment."""
    since = time.time()
    yield
    for leaf in ("leaf1", "leaf2"):
        assert [what for _, what, _ in lab.recorders[leaf].events(PREFIX, since) if what == "del"] == []
        assert ranks or withdrawals(lab, leaf, since) == []
