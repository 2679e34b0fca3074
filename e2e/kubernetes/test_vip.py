"""VIP quick start, and which nodes may carry its traffic. The client is leaf1, a host on the nodes' own network that keeps
its neighbour cache throughout."""

import json
import re

import pytest
from lab.installed import SAMPLES, backends
from lab.lan import OUTAGE_S
from lab.net import wait_until
from lab.traffic import Traffic

QUICK_START = SAMPLES / "vip-quick-start"
ADDRESS = "192.168.0.91"
ON_LINK = ("master1", "worker1")
PLACED = "openelb-speaker"  # the label of the page "Configure Multiple Replicas"


@pytest.fixture(scope="module")
def vip(cluster):
    """As the page types it."""
    cluster.kubectl("apply", *(word for name in ("vip-openelb", "vip-eip", "vip-svc")
                               for word in ("-f", QUICK_START / f"{name}.yaml")))
    cluster.wait_rollout("deployment/vip-openelb")
    return cluster


@pytest.fixture
def lab(vip):
    vip.wait_installed()
    wait_until(lambda: vip.ips("vip-svc") == [ADDRESS], 10, what="the first address of the pool")
    holder(vip)
    return vip


def holders(lab):
    """The nodes that have the address on their NIC."""
    return {node for node in lab.nodes if f" {ADDRESS}/" in lab[node].exec("ip", "-o", "addr", "show", "dev", "eth0")}


def holder(lab, other_than=None):
    """The one node that holds the address, once there is one."""
    def one():
        found = holders(lab)
        return len(found) == 1 and found != {other_than} and found.pop()
    return wait_until(one, 20, what=f"one node with {ADDRESS}")


def shown(lab):
    """The entry of the address in the Eip's status."""
    owners = json.loads(lab.kubectl("get", "eip", "vip-eip", "-o", "json"))["status"].get("owners", [])
    return next(entry for entry in owners if entry["address"] == ADDRESS)


def mac(lab, node):
    return re.search(r"ether (\S+)", lab[node].exec("ip", "link", "show", "eth0"))[1]


def pods(lab):
    """Pod to node."""
    return {pod["metadata"]["name"]: pod["spec"]["nodeName"]
            for pod in lab.get("pods", None, selector="app=vip-openelb") if "deletionTimestamp" not in pod["metadata"]}


def ping(lab):
    return "1 received" in lab["leaf1"].exec("ping", "-c", "1", "-W", "1", ADDRESS, check=False)


def test_quick_start(lab):
    """As documented: the pool's first address, an answer to ping by one node's MAC, an answer from both Pods."""
    assert lab.kubectl("get", "svc", "vip-svc", "-o", "jsonpath={.status.loadBalancer.ingress[*].ip}") == ADDRESS
    assert ADDRESS in lab.kubectl("get", "svc", "vip-svc")
    node = holder(lab)
    assert node in ON_LINK
    assert ping(lab)
    assert mac(lab, node) in lab["leaf1"].exec("ip", "neigh", "show", ADDRESS)
    answered = {re.search(r'"pod": "([^"]+)"', lab["leaf1"].exec("curl", "-sf", f"http://{ADDRESS}/"))[1]
                for _ in range(20)}
    assert len(answered) == 2 and answered == pods(lab).keys()
    assert lab.status("eip", "vip-eip")["used"] == {ADDRESS: "default/vip-svc"}
    assert [c["type"] for c in lab.status("eip", "vip-eip")["conditions"] if c["status"] == "True"] == ["Ready"]


def test_owner_is_shown(lab):
    """Planned, actual and since when, on the Eip and as an Event of the Service, by get and by describe."""
    node = holder(lab)
    entry = wait_until(lambda: shown(lab).get("actual") == [node] and shown(lab), 10, what="the owner on the Eip")
    assert entry["planned"] in ON_LINK
    said = lab.kubectl("describe", "eip", "vip-eip")
    told = re.search(r"Owners:\s+Actual:\s+(\S+)\s+Address:\s+(\S+)\s+Planned:\s+(\S+)\s+Since:\s+(\S+)", said)
    assert told and told.groups() == (node, ADDRESS, entry["planned"], entry["since"]), said
    assert lab.status("eip", "vip-eip")["ownersTotal"] == 1
    text = f"{ADDRESS} is answered for by node {node} (planned: {entry['planned']})"
    wait_until(lambda: re.search(rf"Normal\s+OwnerChanged.*{re.escape(text)}",
                                 lab.kubectl("describe", "svc", "vip-svc")), 10, what="an Event of the Service")
    assert text in lab.kubectl("get", "events", "--field-selector=involvedObject.name=vip-svc,reason=OwnerChanged")


def test_policy_local_is_held_where_a_pod_is(lab):
    lab.apply(backends("vip-openelb"))
    lab.wait_rollout("deployment/vip-openelb")
    lab.patch("service", "vip-svc", {"spec": {"externalTrafficPolicy": "Local"}})
    wait_until(lambda: holders(lab) == {"worker1"}, 10, what="the one node on the network with a Pod")
    lab.patch("service", "vip-svc", {"spec": {"externalTrafficPolicy": "Cluster"}})


def test_speakers_placed_by_affinity(lab):
    """The page "Configure Multiple Replicas", by node affinity: only nodes with the label carry traffic, and one that loses
    it hands over."""
    node = holder(lab)
    other = next(name for name in ON_LINK if name != node)
    lab.kubectl("label", "nodes", other, "worker-p002", f"{PLACED}=true")
    lab.set_speaker_affinity(PLACED)
    wait_until(lambda: lab.speaker_nodes() == {other, "worker-p002"}, 30, what="speakers on the chosen nodes")
    lab.wait_installed()
    assert holder(lab) == other
    client = Traffic(lab["leaf1"], ADDRESS, rate=200)
    try:
        client.wait_flow({other})
        lab.kubectl("label", "nodes", node, f"{PLACED}=true")
        lab.wait_installed()
        client.wait_flow({other})  # nothing is taken back
        lab.kubectl("label", "nodes", other, f"{PLACED}-")
        assert holder(lab, other_than=other) == node
        client.wait_flow({node})
        assert lab.speaker_nodes() == {node, "worker-p002"}
        client.settle()
        assert client.count().longest_outage() < OUTAGE_S, client.count()
    finally:
        client.stop()
        lab.set_speaker_affinity(None)
        lab.kubectl("label", "nodes", "--all", f"{PLACED}-")


def test_deleted(lab):
    """The address is off the NIC, nobody answers, and the Eip says so."""
    lab.kubectl("delete", "service", "vip-svc", "--timeout=10s")
    wait_until(lambda: holders(lab) == set(), 10, what="the address off every NIC")
    assert not ping(lab)
    wait_until(lambda: "owners" not in lab.status("eip", "vip-eip"), 10, what="no owner on the Eip")
    lab.kubectl("delete", "eip", "vip-eip", "--timeout=10s")
