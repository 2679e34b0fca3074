"""Traffic is taken off a node or a speaker that goes, by GRACEFUL_SHUTDOWN (RFC 8326), as a stock FRR leaf acts on it:
under traffic, and never off the last next hop."""

import time
from dataclasses import replace

import pytest
from lab.cluster import RACK
from lab.fabric import NODE_AS
from lab.net import wait_until
from lab.programs import DRAIN_TIME
from lab.router import Neighbor, Shown
from watch import ALL, DOCUMENTED, PREFIX, routes_unchanged, says, traffic, unharmed, withdrawals

ROUTERS = ["frr"]
DRAIN = "network.kubesphere.io/drain"
GRACEFUL_SHUTDOWN = {"graceful-shutdown", "gracefulshutdown", "65535:0"}  # as FRR writes it
MASTER, WORKER = "192.168.0.3", "192.168.0.4"
SPEAKER = "lb.kubesphere.io/v1alpha1"


def drain(lab, node, value="true"):
    def change(obj):
        annotations = obj["metadata"].setdefault("annotations", {})
        annotations[DRAIN] = value
        if value is None:
            del annotations[DRAIN]
    lab.cluster.edit("Node", node, change)


def marked(lab, leaf):
    """Next hops of the leaf's paths that carry GRACEFUL_SHUTDOWN, with their LOCAL_PREF."""
    return {path.next_hop: path.local_pref for path in lab.routers[leaf].paths(PREFIX)
            if path.communities & GRACEFUL_SHUTDOWN}


def wait_marked(lab, leaf, *hops, timeout=5.0):
    wait_until(lambda: set(marked(lab, leaf)) == set(hops) or Shown(map(str, lab.routers[leaf].paths(PREFIX))), timeout,
               what=f"{leaf}: {hops} with GRACEFUL_SHUTDOWN")


def test_a_node_is_drained_before_it_is_withdrawn(lab):
    with traffic(lab) as client, routes_unchanged(lab, "leaf2"):
        since = time.time()
        drain(lab, "worker1")
        wait_marked(lab, "leaf1", WORKER)
        ordered = time.time()
        lab.routers["leaf1"].wait_kernel(PREFIX, {MASTER}, timeout=DRAIN_TIME / 2)
        assert WORKER in lab.routers["leaf1"].next_hops(PREFIX), "only the leaf's choice has changed"
        lab.wait_next_hops(DOCUMENTED | {"leaf1": {MASTER}})
        assert time.time() - ordered > DRAIN_TIME / 2, "withdrawn before its time"
        says(lab.controller, "Drained", "worker1")
        client.wait_flow(ALL - {"worker1"})
        unharmed(client, since)
        since = time.time()
        drain(lab, "worker1", None)
        lab.wait_documented()
        client.wait_flow(ALL)
        unharmed(client, since)


def test_the_last_next_hops_stay(lab):
    with traffic(lab) as client:
        since = time.time()
        for node in ("worker1", "master1"):
            drain(lab, node)
        lab.wait_next_hops(DOCUMENTED | {"leaf1": set()})
        client.wait_flow({"worker-p002"})
        drain(lab, "worker-p002")
        lab.wait_documented()
        assert marked(lab, "leaf1") == marked(lab, "leaf2") == {}
        says(lab.controller, "DrainWaits", "worker-p002", "nothing else is left")
        client.wait_flow(ALL)
        unharmed(client, since)


def test_a_rack_without_a_session_is_nothing_to_rely_on(lab):
    """leaf2 has lost its speaker's session when leaf1's nodes are drained; it comes back, and they are let go."""
    leaf2 = lab.routers["leaf2"]
    neighbor = leaf2.config.neighbors["192.168.1.2"]
    leaf2.remove_neighbor(neighbor.address)
    lab.wait_next_hops(DOCUMENTED | {"leaf2": set()})
    for node in ("worker1", "master1"):
        drain(lab, node)
    time.sleep(DRAIN_TIME + 1)
    assert lab.routers["leaf1"].kernel_next_hops(PREFIX) == DOCUMENTED["leaf1"]
    assert marked(lab, "leaf1") == {}
    leaf2.set_neighbor(neighbor)
    lab.wait_next_hops(DOCUMENTED | {"leaf1": set()}, timeout=20)


def test_a_bad_order_is_named_and_moves_nothing(lab):
    with routes_unchanged(lab):
        drain(lab, "worker1", "please")
        says(lab.controller, "BadDrain", DRAIN, "please")


def test_a_controller_that_returns_knows_who_is_drained(lab):
    drain(lab, "worker1")
    lab.wait_next_hops(DOCUMENTED | {"leaf1": {MASTER}})
    time.sleep(1.5)  # facts are saved within a second
    with routes_unchanged(lab):
        lab.controller.kill()
        lab.start_controller()
        time.sleep(DRAIN_TIME + 1)
    assert marked(lab, "leaf1") == {}


def test_a_drain_goes_on_under_a_new_controller(lab):
    drain(lab, "worker1")
    wait_marked(lab, "leaf1", WORKER)
    lab.controller.kill()
    time.sleep(DRAIN_TIME)
    assert set(marked(lab, "leaf1")) == {WORKER}, "nobody was there to end it"
    lab.start_controller()
    lab.wait_next_hops(DOCUMENTED | {"leaf1": {MASTER}})


def test_inside_an_as_local_pref_is_0(lab):
    leaf1 = lab.routers["leaf1"]
    leaf1.set_neighbor(replace(leaf1.config.neighbors[MASTER], asn=leaf1.config.asn))
    lab.cluster.edit("BgpPeer", "leaf1", lambda obj: (obj["spec"]["conf"].update(localAs=leaf1.config.asn),
                                                      obj["spec"].update(advertise={"localPref": 300})))
    wait_until(lambda: {path.local_pref for path in leaf1.paths(PREFIX) if path.next_hop in DOCUMENTED["leaf1"]} == {300})
    drain(lab, "worker1")
    wait_until(lambda: marked(lab, "leaf1") == {WORKER: 0} or Shown(map(str, leaf1.paths(PREFIX))))
    leaf1.wait_kernel(PREFIX, {MASTER})
    wait_until(lambda: WORKER not in leaf1.next_hops(PREFIX))


@pytest.fixture
def second_speaker(lab):
    """One on worker1, under the same leaf as that on master1."""
    lab.routers["leaf1"].set_neighbor(Neighbor(WORKER, NODE_AS))
    lab.cluster.label("Node", "worker1", SPEAKER, "openelb")
    lab.cluster.label("Node", "worker1", RACK, "leaf1")
    lab.start_speaker("worker1")
    wait_until(lambda: lab.routers["leaf1"].sessions().get(WORKER) is not None and
               lab.routers["leaf1"].sessions()[WORKER].prefixes == 2)


def test_a_speaker_that_leaves_asks_routers_to_move_first(lab, second_speaker):
    """As when a DaemonSet's nodeSelector no longer chooses its node: its Pod gets SIGTERM."""
    leaf1 = lab.routers["leaf1"]
    with traffic(lab) as client, routes_unchanged(lab, "leaf2"):
        since = time.time()
        lab.cluster.label("Node", "master1", SPEAKER, None)
        time.sleep(1)  # the plan says by then how the next stop is meant
        lab.speakers["master1"].process.signal(15)
        # Of each next hop the path through the speaker that leaves is marked, the other one is not.
        wait_marked(lab, "leaf1", MASTER, WORKER)
        assert leaf1.established(MASTER)
        assert lab.speakers["master1"].process.wait(DRAIN_TIME + 3)
        wait_until(lambda: not leaf1.established(MASTER))
        assert marked(lab, "leaf1") == {}
        assert leaf1.kernel_next_hops(PREFIX) == {MASTER, WORKER}
        assert withdrawals(lab, "leaf1", since) == [], "the kernel's next hops are the same all the while"
        unharmed(client, since)
