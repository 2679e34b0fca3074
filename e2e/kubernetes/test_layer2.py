"""Layer 2 quick start, and what moves an address of that mode. The client is leaf1, a host on the nodes' own network
that keeps its neighbour cache throughout."""

import contextlib
import re

import pytest
from lab.installed import NAMESPACE, SAMPLES, backends
from lab.lan import OUTAGE_S
from lab.net import wait_until
from lab.traffic import counted

QUICK_START = SAMPLES / "layer2-quick-start"
ADDRESS = "192.168.0.91"
ON_LINK = ("master1", "worker1")
PLACED = "openelb-speaker"  # the label of the page "Configure Multiple Replicas"


@pytest.fixture(scope="module")
def layer2(cluster):
    """As the page types it; then with Pods of which it is known where they are."""
    cluster.kubectl("apply", *(word for name in ("layer2-openelb", "layer2-eip", "layer2-svc")
                               for word in ("-f", QUICK_START / f"{name}.yaml")))
    cluster.wait_rollout("deployment/layer2-openelb")
    cluster.apply(backends("layer2-openelb"))
    cluster.wait_rollout("deployment/layer2-openelb")
    return cluster


@pytest.fixture
def lab(layer2):
    layer2.wait_nodes("master1", "worker1", "worker-p002")
    layer2.wait_installed()
    wait_until(lambda: layer2.ips("layer2-svc") == [ADDRESS], 10, what="the first address of the pool")
    wait_until(lambda: owner(layer2) in ON_LINK, 10, what="a node that answers")
    return layer2


def mac(lab, node):
    return re.search(r"ether (\S+)", lab[node].exec("ip", "link", "show", "eth0")).group(1)


def owner(lab):
    """The node that leaf1's neighbour cache names; asks for it where there is no entry."""
    with contextlib.suppress(RuntimeError):
        lab["leaf1"].exec("curl", "-sf", "--max-time", "1", f"http://{ADDRESS}/")
    found = re.search(r"lladdr (\S+)", lab["leaf1"].exec("ip", "neigh", "show", ADDRESS, "dev", "br0"))
    return next((node for node in ON_LINK if found and mac(lab, node) == found.group(1)), None)


def shown_owner(lab):
    """The nodes that answer, by the Eip's status."""
    owners = lab.status("eip", "layer2-eip").get("owners", [])
    return next((entry.get("actual") for entry in owners if entry["address"] == ADDRESS), None)


def traffic(lab, record, case, nodes):
    return counted(record, f"layer2: {case}", lab["leaf1"], ADDRESS, nodes, OUTAGE_S)


def moved(lab, before):
    """Until the address is another node's; its name."""
    return wait_until(lambda: owner(lab) not in (before, None) and owner(lab), 20, what=f"an owner other than {before}")


def test_quick_start(lab, record_property):
    """As documented: the pool's first address, one node's MAC, an answer from both Pods, who answers; nothing is configured,
    so nothing answers ping."""
    assert lab.get("service", "layer2-svc")["spec"]["type"] == "LoadBalancer"
    wait_until(lambda: lab.status("eip", "layer2-eip")["used"] == {ADDRESS: "default/layer2-svc"}, 5, what="used")
    with traffic(lab, record_property, "nothing", {owner(lab)}):
        pass
    text = f"{ADDRESS} is answered for by node {owner(lab)} (planned: {owner(lab)})"
    wait_until(lambda: text in lab.kubectl("describe", "svc", "layer2-svc"), 10, what="an Event of the Service")
    wait_until(lambda: shown_owner(lab) == [owner(lab)], 5, what="the owner on the Eip")
    assert " 0 received" in lab["leaf1"].exec("ping", "-c", "1", "-W", "1", ADDRESS, check=False)
    for node in ON_LINK:
        assert ADDRESS not in lab[node].exec("ip", "addr")
    wait_until(lambda: not any(lab.condition("eip", "layer2-eip", what) for what in ("NoOwner", "SpeakerProblem")), 5,
               what="nothing to complain of")


def test_policy_local_answers_from_a_node_with_a_pod(lab):
    lab.patch("service", "layer2-svc", {"spec": {"externalTrafficPolicy": "Local"}})
    wait_until(lambda: owner(lab) == "worker1", 10, what="the one node on the network with a Pod")
    lab.patch("service", "layer2-svc", {"spec": {"externalTrafficPolicy": "Cluster"}})


def test_owner_not_ready(lab, record_property):
    before = owner(lab)
    with traffic(lab, record_property, "kubelet killed, node not ready", {before}) as client:
        lab.nodes[before].kill_kubelet()
        after = moved(lab, before)
        wait_until(lambda: shown_owner(lab) == [after], 10, what="the new owner in the Eip's status")
        seen = f"{ADDRESS} is answered for by node {after} (planned: "
        wait_until(lambda: seen in lab.kubectl("describe", "service", "layer2-svc"), 10, what="an Event of the Service")
        client.wait_flow({after})
        lab.nodes[before].start_kubelet()
        lab.wait_nodes(before)
        assert owner(lab) == after  # nothing is taken back


def test_speaker_of_the_owner_leaves_in_order(lab, record_property):
    """A rolling update, say: the address moves, and does not come back with the speaker."""
    before = owner(lab)
    with traffic(lab, record_property, "speaker's Pod deleted", {before}) as client:
        lab.kubectl("-n", NAMESPACE, "delete", "pod", lab.speaker(before)["metadata"]["name"], "--wait=false")
        after = moved(lab, before)
        lab.wait_installed()
        assert owner(lab) == after


def test_speakers_placed_by_label(lab, record_property):
    """The page "Configure Multiple Replicas", by nodeSelector: only nodes with the label carry traffic, and one that loses
    it hands over."""
    before = owner(lab)
    other = next(node for node in ON_LINK if node != before)
    lab.kubectl("label", "nodes", other, "worker-p002", f"{PLACED}=true")
    lab.set_speaker_nodes(**{PLACED: "true"})
    wait_until(lambda: lab.speaker_nodes() == {other, "worker-p002"}, 30, what="speakers on the chosen nodes")
    lab.wait_installed()
    with traffic(lab, record_property, "the node's label removed", {other}) as client:
        lab.kubectl("label", "nodes", before, f"{PLACED}=true")
        lab.wait_installed()
        client.wait_flow({other})  # nothing is taken back
        lab.kubectl("label", "nodes", other, f"{PLACED}-")
        assert moved(lab, other) == before
        client.wait_flow({before})
        assert lab.speaker_nodes() == {before, "worker-p002"}
    lab.set_speaker_nodes(**{PLACED: None})
    lab.kubectl("label", "nodes", "--all", f"{PLACED}-")


def test_speakers_placed_by_taint(lab, record_property):
    """The page "Configure Multiple Replicas", by taint and toleration: a tainted node carries traffic only while the DaemonSet
    tolerates that. (A taint alone ends no Pod, but the node hands over.)"""
    before = owner(lab)
    other = next(node for node in ON_LINK if node != before)
    with traffic(lab, record_property, "the node tainted", {before}) as client:
        lab.kubectl("taint", "nodes", before, f"{PLACED}=true:NoSchedule")
        assert moved(lab, before) == other
        client.wait_flow({other})
        lab.set_speaker_toleration(PLACED)
        lab.wait_installed()
        assert lab.speaker_nodes() == {before, other, "worker-p002"}
    lab.set_speaker_toleration(PLACED, False)
    wait_until(lambda: lab.speaker_nodes() == {other, "worker-p002"}, 30, what="no speaker on the tainted node")
    lab.wait_installed()
    wait_until(lambda: owner(lab) == other, 10, what="the one node on the network with a speaker")
    lab.kubectl("taint", "nodes", before, f"{PLACED}-")


def test_controllers_gone(lab, record_property):
    """They change nothing, gone and back."""
    before = owner(lab)
    with traffic(lab, record_property, "controllers gone, and back", {before}) as client:
        lab.kubectl("-n", NAMESPACE, "scale", "deployment/openelb-controller", "--replicas=0")
        wait_until(lambda: not lab.controllers(), 20, what="no controller")
        lab.kubectl("-n", NAMESPACE, "scale", "deployment/openelb-controller", "--replicas=2")
        lab.wait_installed()
        assert owner(lab) == before
    assert client.count().lost == []


def test_another_station(lab):
    """Named in a condition of the Eip and an Event; gone when it is."""
    intruder = "worker1" if owner(lab) == "master1" else "master1"
    lab[intruder].ip(f"addr add {ADDRESS}/32 dev eth0")
    try:
        # It looks for a host that is not there, and so says that the address is its own.
        lab[intruder].exec("ping", "-c", "1", "-W", "1", "-I", ADDRESS, "192.168.0.77", check=False)
        seen = wait_until(lambda: lab.condition("eip", "layer2-eip", "SpeakerProblem"), 10, what="a condition")
        assert mac(lab, intruder) in seen["message"] and ADDRESS in seen["message"]
        assert lab.events("Eip", "layer2-eip", "SpeakerProblem")
    finally:
        lab[intruder].ip(f"addr del {ADDRESS}/32 dev eth0")


def test_interface_that_no_node_has(lab):
    lab.patch("eip", "layer2-eip", {"spec": {"interface": "eth9"}})
    seen = wait_until(lambda: lab.condition("eip", "layer2-eip", "NoOwner"), 10, what="a condition")
    assert "eth9" in seen["message"]
    lab.patch("eip", "layer2-eip", {"spec": {"interface": "can_reach:192.168.0.2"}})
    wait_until(lambda: owner(lab) in ON_LINK, 10, what="a node that answers")
    lab.patch("eip", "layer2-eip", {"spec": {"interface": "eth0"}})


def test_mode_turned_off_and_on(lab):
    """By the flag of the quick start, in the DaemonSet: nobody answers meanwhile, and the Eip says why."""
    lab.set_speaker_flag("enable-layer2", "false")
    said = wait_until(lambda: lab.condition("eip", "layer2-eip", "ModeDisabled"), 60, what="a condition")
    assert "--enable-layer2 is false" in said["message"]
    lab["leaf1"].ip(f"neigh flush to {ADDRESS}")
    assert owner(lab) is None and lab.ips("layer2-svc") == [ADDRESS]
    lab.set_speaker_flag("enable-layer2", "true")
    wait_until(lambda: owner(lab) in ON_LINK, 60, what="a node that answers")
    lab.wait_installed()
    wait_until(lambda: lab.condition("eip", "layer2-eip", "ModeDisabled") is None, 10, what="no condition")


def test_deleted(lab):
    lab.kubectl("delete", "service", "layer2-svc", "--timeout=10s")
    lab["leaf1"].ip(f"neigh flush to {ADDRESS}")
    assert owner(lab) is None
    lab.kubectl("delete", "eip", "layer2-eip", "--timeout=10s")
