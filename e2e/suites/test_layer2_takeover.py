"""Who answers for a Layer 2 address when nodes, links, speakers and the controller fail, on one LAN. The client asks every
5 ms and keeps its neighbour cache throughout; what it lost is told at the end."""

import time

import pytest
from lab.lan import SPEAKERS, Lan
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


def traffic(lab, record, case, address=ADDRESS):
    family = "IPv6" if ":" in address else "IPv4"
    return lab.traffic(record, f"layer2: {family}, {case}", address, healthy(lab))


def owner_killed(lab, record, controller, address=ADDRESS):
    """The next one takes over, and keeps the address when the first is back."""
    before = healthy(lab)
    with traffic(lab, record, f"speaker killed, controller {controller}", address) as client:
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
def test_owner_killed(lab, record_property, controller):
    owner_killed(lab, record_property, controller)


def link_unplugged(lab, record, controller, address=ADDRESS):
    before = healthy(lab)
    with traffic(lab, record, f"cable pulled, controller {controller}", address) as client:
        if controller == "dead":
            lab.controller.kill()
        lab.unplug(before)
        after = owner(lab, other_than=before)
        client.wait_flow({after})
        lab.unplug(before, False)
        assert healthy(lab) == after
        client.wait_flow({after})


@pytest.mark.parametrize("controller", ["alive", "dead"])
def test_link_unplugged(lab, record_property, controller):
    link_unplugged(lab, record_property, controller)


def two_owners_after_a_cut(lab, record, address=ADDRESS):
    """Both sides are served; when they meet again, one goes on."""
    before = healthy(lab)
    with traffic(lab, record, "node cut off in silence, and back", address) as client:
        lab.controller.kill()
        lab.silence(before)
        after = owner(lab, other_than=before)
        client.wait_flow({after})
        assert owners(lab) == {before, after}
        lab.silence(before, False)
        kept = healthy(lab)
        assert kept in (before, after)
        client.wait_flow({kept})


def test_two_owners_after_a_cut(lab, record_property):
    two_owners_after_a_cut(lab, record_property)


def test_orderly_stop(lab, record_property):
    before = healthy(lab)
    with traffic(lab, record_property, "speaker stopped") as client:
        lab.speakers[before].stop()
        after = owner(lab)
        client.wait_flow({after})
        lab.start_speaker(before).wait_ready()
        assert healthy(lab) == after


def test_speakers_upgraded_one_by_one(lab, record_property):
    with traffic(lab, record_property, "all speakers replaced in turn") as client:
        for node in SPEAKERS:
            lab.speakers[node].stop()
            lab.start_speaker(node).wait_ready()
            client.wait_flow({healthy(lab)})


def test_node_removed(lab, record_property):
    before = healthy(lab)
    node = lab.cluster.get("Node", before)
    with traffic(lab, record_property, "Node deleted") as client:
        lab.cluster.delete("Node", before)
        after = owner(lab, other_than=before)
        client.wait_flow({after})
        lab.cluster.apply(node)
        assert healthy(lab) == after


def test_only_arp_passes(lab, record_property):
    """Something drops what speakers tell each other: nobody takes over from an owner that answers."""
    before = healthy(lab)
    with traffic(lab, record_property, "BFD and claims dropped") as client:
        lab[before].exec("nft", "-f", "-", stdin="table inet cut {\nchain in { type filter hook input priority 0; "
                                                  "udp dport { 3784, 50054 } drop; }\n}\n")
        time.sleep(3)
        client.wait_flow({before})
        lab[before].exec("nft", "delete table inet cut")
        assert healthy(lab) == before


@pytest.fixture(scope="module")
def ipv6(shared_lab):
    """ADDRESS6 in ADDRESS's place."""
    shared_lab.cluster.delete("Service", "layer2-svc")
    shared_lab.serve_ipv6("layer2", "can_reach:192.168.0.2", ADDRESS6)


@pytest.mark.usefixtures("ipv6")
@pytest.mark.parametrize("controller", ["alive", "dead"])
def test_ipv6_owner_killed(lab, record_property, controller):
    owner_killed(lab, record_property, controller, ADDRESS6)


@pytest.mark.usefixtures("ipv6")
def test_ipv6_link_unplugged(lab, record_property):
    link_unplugged(lab, record_property, "alive", ADDRESS6)


@pytest.mark.usefixtures("ipv6")
def test_ipv6_two_owners_after_a_cut(lab, record_property):
    two_owners_after_a_cut(lab, record_property, ADDRESS6)
