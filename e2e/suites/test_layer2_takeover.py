"""Who answers for a Layer 2 address when nodes, links, speakers and the controller fail, on one LAN. The client asks every
5 ms and keeps its neighbour cache throughout; each test tells how many requests were lost."""

import time

import pytest
from lab import dual_stack
from lab.dual_stack import v6_of
from lab.lan import NODES, PODS, SPEAKERS, Lan, endpoint_slice
from lab.net import wait_until

ADDRESS = "192.168.0.91"
ADDRESS6 = "fd00:192:168::91"


@pytest.fixture(scope="module")
def shared_lab():
    with Lan.running("layer2-quick-start", "layer2-svc", ADDRESS) as lab:
        yield lab


@pytest.fixture
def lab(shared_lab):
    """All programs run, all speakers watch each other, and one answers."""
    yield shared_lab
    shared_lab.revive()
    healthy(shared_lab)


def owners(lab):
    """The nodes whose speakers answer for an address."""
    return {node for node, speaker in lab.speakers.items()
            if speaker.running() and speaker.metric("openelb_speaker_layer2_owned") > 0}


def owner(lab, other_than=None):
    """The one node that answers, once there is one."""
    def one():
        found = owners(lab) - {other_than}
        return len(found) == 1 and found.pop()
    return wait_until(one, 10, what="one node that answers")


def healthy(lab):
    def watched():
        return all(speaker.metric("openelb_speaker_bfd_sessions", state="Up") == len(SPEAKERS) - 1
                   for speaker in lab.speakers.values())
    wait_until(watched, 20, what="speakers that watch each other")
    return owner(lab)


def traffic(lab, capsys, what, address=ADDRESS):
    return lab.traffic(capsys, what, address, healthy(lab))


@pytest.mark.parametrize("controller", ["alive", "dead"])
def test_owner_killed(lab, capsys, controller):
    """The next one takes over, and keeps the address when the first is back."""
    before = healthy(lab)
    with traffic(lab, capsys, f"speaker killed, controller {controller}") as client:
        if controller == "dead":
            lab.controller.kill()
        lab.speakers[before].kill()
        after = owner(lab)
        client.wait_flow({after})
        lab.start_speaker(before).wait_ready()
        healthy(lab)
        assert owners(lab) == {after}
        client.wait_flow({after})


@pytest.mark.parametrize("controller", ["alive", "dead"])
def test_link_unplugged(lab, capsys, controller):
    before = healthy(lab)
    with traffic(lab, capsys, f"cable pulled, controller {controller}") as client:
        if controller == "dead":
            lab.controller.kill()
        lab.unplug(before)
        after = owner(lab, other_than=before)
        client.wait_flow({after})
        lab.unplug(before, False)
        assert healthy(lab) == after
        client.wait_flow({after})


def test_two_owners_after_a_cut(lab, capsys):
    """Both sides are served; when they meet again, one goes on."""
    before = healthy(lab)
    with traffic(lab, capsys, "node cut off in silence, and back") as client:
        lab.controller.kill()
        lab.silence(before)
        after = owner(lab, other_than=before)
        client.wait_flow({after})
        assert owners(lab) == {before, after}
        lab.silence(before, False)
        kept = healthy(lab)
        assert kept in (before, after)
        client.wait_flow({kept})


def test_orderly_stop(lab, capsys):
    before = healthy(lab)
    with traffic(lab, capsys, "speaker stopped") as client:
        lab.speakers[before].stop()
        after = owner(lab)
        client.wait_flow({after})
        lab.start_speaker(before).wait_ready()
        assert healthy(lab) == after


def test_speakers_upgraded_one_by_one(lab, capsys):
    with traffic(lab, capsys, "all speakers replaced in turn") as client:
        for node in SPEAKERS:
            lab.speakers[node].stop()
            lab.start_speaker(node).wait_ready()
            client.wait_flow({healthy(lab)})


def test_node_removed(lab, capsys):
    before = healthy(lab)
    node = lab.cluster.get("Node", before)
    with traffic(lab, capsys, "Node deleted") as client:
        lab.cluster.delete("Node", before)
        after = owner(lab, other_than=before)
        client.wait_flow({after})
        lab.cluster.apply(node)
        assert healthy(lab) == after


def test_only_arp_passes(lab, capsys):
    """Something drops what speakers tell each other: nobody takes over from an owner that answers."""
    before = healthy(lab)
    with traffic(lab, capsys, "BFD and claims dropped") as client:
        lab[before].exec("nft", "-f", "-", stdin="table inet cut {\nchain in { type filter hook input priority 0; "
                                                  "udp dport { 3784, 50054 } drop; }\n}\n")
        time.sleep(3)
        client.wait_flow({before})
        lab[before].exec("nft", "delete table inet cut")
        assert healthy(lab) == before


def test_ipv6(lab, capsys):
    dual_stack.enable(lab)
    for address, node in PODS.items():
        dual_stack.start_pod(lab, f"layer2-svc6-{address}", node, address)
    for node, address in NODES.items():
        lab.cluster.edit("Node", node, lambda o, v6=v6_of(address): o["status"]["addresses"].append(
            {"type": "InternalIP", "address": v6}))
    lab.cluster.delete("Service", "layer2-svc")
    lab.cluster.apply(
        {"apiVersion": "network.kubesphere.io/v1alpha2", "kind": "Eip", "metadata": {"name": "layer2-eip6"},
         "spec": {"address": f"{ADDRESS6}-fd00:192:168::100", "interface": "can_reach:192.168.0.2", "protocol": "layer2"}},
        {"apiVersion": "v1", "kind": "Service",
         "metadata": {"name": "layer2-svc6", "namespace": "default",
                      "annotations": {"lb.kubesphere.io/v1alpha1": "openelb",
                                      "eip.openelb.kubesphere.io/v1alpha2": "layer2-eip6"}},
         "spec": {"type": "LoadBalancer", "ipFamilies": ["IPv6"], "ipFamilyPolicy": "SingleStack",
                  "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}},
        endpoint_slice("layer2-svc6", {v6_of(a): n for a, n in PODS.items()}))
    wait_until(lambda: lab.cluster.service_ips("layer2-svc6") == [ADDRESS6], what="an IPv6 address")
    before = healthy(lab)
    with traffic(lab, capsys, "IPv6, speaker killed", ADDRESS6) as client:
        lab.speakers[before].kill()
        client.wait_flow({owner(lab)})
