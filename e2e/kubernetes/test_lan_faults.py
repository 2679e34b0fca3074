"""Who answers for an address of Layer 2 or VIP mode while speakers, links, nodes and the control plane fail. The client
is leaf1, a host on the nodes' own network; it asks every 5 ms and keeps its neighbour cache throughout. That one node
answers is seen by another host there, which asks by ARP. The Pod is on a node of the other network: whatever happens to
the node that answers, the Pod is there."""

import contextlib
import re
import time

import pytest
from faults import kill
from lab import arp
from lab.control_plane import API_SERVER, CONTROLLER_MANAGER
from lab.installed import CONTROLLER, NAMESPACE, SPEAKER, backends
from lab.kubernetes_topology import NODES
from lab.lan import OUTAGE_S, mac
from lab.net import wait_until
from lab.traffic import counted
from lab.workloads import service

# No node is taken for lost: what a test does is all that moves an address.
FLAGS = ({CONTROLLER_MANAGER: ["--node-monitor-grace-period=1h", "--node-startup-grace-period=1h"]},)
WITNESS = "192.168.0.8"
ON_LAN = {"master1": NODES["master1"], "worker1": NODES["worker1"], "worker2": ("192.168.0.5", "10.233.67.0/24")}
POOLS = {"layer2": "192.168.0.91", "vip": "192.168.0.101"}  # mode: first address


class Served:
    """An address of one of the modes, and who answers for it."""

    def __init__(self, lab, mode):
        self.lab, self.mode, self.address = lab, mode, POOLS[mode]

    def answering(self):
        """The nodes that answer the witness."""
        macs = arp.answering(self.lab["witness"], self.address)
        return {node for node in ON_LAN if node in self.lab.hosts and mac(self.lab[node]) in macs}

    def owner(self):
        """The one node that answers, once there is one."""
        def one():
            found = self.answering()
            return len(found) == 1 and found.pop()
        return wait_until(one, 20, what=f"one node that answers for {self.address}")

    def healthy(self):
        """The same, once the other two stand by."""
        if self.mode == "layer2":
            ready = [len(ON_LAN) - 1] * len(ON_LAN)  # all watch each other
            name = r'bfd_sessions\{state="Up"\}'
        else:
            ready, name = [1, 1, 2], r"vrrp_router_state\{.*\}"  # BACKUP, BACKUP, ACTIVE
        wait_until(lambda: sorted(self._metrics(name)) == ready, 30, interval=0.1, what=f"standbys for {self.address}")
        for node in ON_LAN:  # a new one has a speaker before its kube-proxy has read what there is
            wait_until(lambda node=node: self.address in self.lab[node].exec("nft", "list", "ruleset"), 30, interval=0.1,
                       what=f"{node}: kube-proxy forwards {self.address}")
        return self.owner()

    def _metrics(self, name):
        """The values of a metric at the speakers."""
        for node in ON_LAN:
            pod = self.lab.speaker(node)
            text = self.lab.metrics(pod) if pod else ""
            yield from map(float, re.findall(rf"^openelb_speaker_{name} (\S+)$", text, re.MULTILINE))

    @contextlib.contextmanager
    def traffic(self, record, case):
        """The client, and the node that answers it at first."""
        before = self.healthy()
        with counted(record, f"{self.mode}: {case}", self.lab["leaf1"], self.address, {before}, OUTAGE_S) as client:
            yield client, before

    def moved(self, client, before):
        """(the node that answers the client instead of `before`, since when it alone has)"""
        def another():
            since = time.time() - 0.5
            seen = set(client.count(since).answers)
            return len(seen) == 1 and before not in seen and (seen.pop(), since)
        return wait_until(another, 20, what=f"a node other than {before} that answers for {self.address}")

    def stays(self, client, node, since):
        """All is well again, and nothing has moved since."""
        self.lab.wait_installed()
        assert self.healthy() == node
        client.wait_flow({node})
        assert set(client.count(since).answers) == {node}


@pytest.fixture(scope="module")
def shared_lab(cluster):
    cluster.attach("witness", WITNESS)
    cluster.add_node("worker2", *ON_LAN["worker2"])
    cluster.apply(backends("web", ["worker-p002"]), *(obj for mode in POOLS for obj in objects(mode)))
    cluster.wait_nodes(*ON_LAN)
    cluster.wait_rollout("deployment/web")
    cluster.serve_plain_speaker_metrics()
    cluster.wait_installed()
    return cluster


def objects(mode):
    """A pool and the Service that takes its first address."""
    first = POOLS[mode]
    yield {"apiVersion": "network.kubesphere.io/v1alpha2", "kind": "Eip", "metadata": {"name": mode},
           "spec": {"address": f"{first}-{first[:-1]}9", "interface": "eth0", "protocol": mode}}
    yield service(mode, "web", annotations={"lb.kubesphere.io/v1alpha1": "openelb",
                                            "eip.openelb.kubesphere.io/v1alpha2": mode})


@pytest.fixture(params=POOLS, scope="module")
def served(shared_lab, request):
    found = Served(shared_lab, request.param)
    wait_until(lambda: shared_lab.ips(request.param) == [found.address], 20, what="the first address of the pool")
    return found


@contextlib.contextmanager
def dead(lab, node, pod):
    """The speaker on the node is killed, and nobody starts it anew."""
    lab.nodes[node].kill_kubelet()
    kill(lab, pod)
    try:
        yield
    finally:
        lab.nodes[node].start_kubelet()


@contextlib.contextmanager
def port(lab, node, cut, mended):
    """What the switch does with the node's cable."""
    lab["leaf1"].ip(f"link set {node} {cut}")
    try:
        yield
    finally:
        lab["leaf1"].ip(f"link set {node} {mended}")


def test_speaker_killed(served, record_property):
    with served.traffic(record_property, "speaker killed") as (client, before):
        with dead(served.lab, before, served.lab.speaker(before)):
            after, since = served.moved(client, before)
        served.stays(client, after, since)


def test_link_cut(served, record_property):
    with served.traffic(record_property, "link cut, and mended") as (client, before):
        with port(served.lab, before, "down", "up"):
            after, since = served.moved(client, before)
            assert served.owner() == after
        served.stays(client, after, since)


def test_partition(served, record_property):
    """Its link stays up, so both sides have the address; one goes on when they meet again."""
    with served.traffic(record_property, "node cut off in silence, and back") as (client, before):
        with port(served.lab, before, "nomaster", "master br0"):
            after, _ = served.moved(client, before)
        kept = served.healthy()
        assert kept in (before, after)
        client.wait_flow({kept})


def test_node_removed(served, record_property):
    """The machine is gone, then its object; a new one of that name takes nothing back."""
    with served.traffic(record_property, "node removed, and added again") as (client, before):
        served.lab.remove_node(before)
        after, since = served.moved(client, before)
        assert served.owner() == after
        served.lab.add_node(before, *ON_LAN[before])
        served.lab.wait_nodes(before)
        served.stays(client, after, since)


def test_speakers_upgraded_one_by_one(served, record_property):
    with served.traffic(record_property, "speakers upgraded one by one") as (client, _):
        served.lab.kubectl("-n", NAMESPACE, "rollout", "restart", f"daemonset/{SPEAKER}")
        served.lab.wait_installed()
        client.wait_flow({served.healthy()})


def test_owner_killed_while_controllers_are_dead(served, record_property):
    """Nothing moves when they are back."""
    lab = served.lab
    with served.traffic(record_property, "speaker killed, controllers dead") as (client, before):
        for pod in lab.controllers():
            kill(lab, pod)
        lab.kubectl("-n", NAMESPACE, "scale", f"deployment/{CONTROLLER}", "--replicas=0")
        wait_until(lambda: not lab.controllers(), 20, what="no controller")
        with dead(lab, before, lab.speaker(before)):
            after, since = served.moved(client, before)
        assert served.healthy() == after
        lab.kubectl("-n", NAMESPACE, "scale", f"deployment/{CONTROLLER}", "--replicas=2")
        served.stays(client, after, since)


def test_owner_killed_while_the_api_server_is_dead(served, record_property):
    """Nothing moves when it is back."""
    lab = served.lab
    with served.traffic(record_property, "speaker killed, API server dead") as (client, before):
        pod = lab.speaker(before)
        lab.control_plane.kill(API_SERVER)
        try:
            with dead(lab, before, pod):
                after, since = served.moved(client, before)
                if served.mode == "layer2":  # in VIP mode a killed speaker's kernel answers as well
                    assert served.owner() == after
                lab.control_plane.start(API_SERVER)
        finally:
            if not lab.control_plane.host.process(API_SERVER).alive():
                lab.control_plane.start(API_SERVER)
        served.stays(client, after, since)
