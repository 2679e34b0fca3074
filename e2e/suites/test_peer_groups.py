"""Peer groups: what BgpPeers share stands once in the BgpConf, and its changes act live."""

import pytest
from lab import topology, yaml_subset
from lab.net import wait_until
from watch import condition, nothing_withdrawn, routes_unchanged, speaker_paths, wait_paths

ROUTERS = ["bird", "frr"]

SPEAKERS = {"leaf1": "192.168.0.3", "leaf2": "192.168.1.2"}


@pytest.fixture
def grouped(lab):
    """The sample applied: leaf1 has all of the group, leaf2 a MED of its own."""
    for name in ("bgp-conf.yaml", "bgp-peers.yaml"):
        lab.cluster.apply(*yaml_subset.load_all((topology.SAMPLES / "peer-groups" / name).read_text()))
    wait_paths(lab, "leaf1", communities={"50000:100"}, med=100)
    wait_paths(lab, "leaf2", communities={"50000:100"}, med=200)
    lab.wait_documented()
    with routes_unchanged(lab):  # the sessions' reset has reached the routers' kernels
        pass
    return lab


def edit_group(lab, change):
    lab.cluster.edit("BgpConf", "default", lambda obj: change(obj["spec"]["peerGroups"]))


def problem(lab, kind, name):
    return (condition(lab, kind, name, "BadPeerGroup") or {}).get("message", "")


def test_changes_act_live(grouped):
    """A change of attributes costs no session, and nothing on routers that have their own."""
    lab = grouped
    with nothing_withdrawn(lab, ranks=True):
        with routes_unchanged(lab, "leaf2"):
            edit_group(lab, lambda groups: groups["leaves"]["advertise"].update(med=50))
            wait_paths(lab, "leaf1", communities={"50000:100"}, med=50)
        edit_group(lab, lambda groups: groups["leaves"]["advertise"].update(communities=["50000:200"]))
        wait_paths(lab, "leaf1", communities={"50000:200"}, med=50)
        wait_paths(lab, "leaf2", communities={"50000:200"}, med=200)
        with routes_unchanged(lab, "leaf1"):
            lab.cluster.edit("BgpPeer", "leaf2", lambda obj: obj["spec"].pop("advertise"))
            wait_paths(lab, "leaf2", communities={"50000:200"}, med=50)


def test_a_broken_or_missing_group_changes_nothing(grouped):
    """Nor does a controller that starts anew meanwhile."""
    lab = grouped
    with routes_unchanged(lab):
        edit_group(lab, lambda groups: groups["leaves"]["timers"]["config"].update(holdTime="2"))
        wait_until(lambda: "spec.peerGroups.leaves: timers.config.holdTime: 2" in problem(lab, "BgpConf", "default"))
        lab.controller.kill()
        lab.start_controller()
        wait_until(lambda: "stays in force" in problem(lab, "BgpConf", "default"))
        edit_group(lab, lambda groups: groups.pop("leaves"))
        wait_until(lambda: "leaves: missing" in problem(lab, "BgpConf", "default"))
        lab.cluster.edit("BgpPeer", "leaf1", lambda obj: obj["spec"]["conf"].update(peerGroup="spines"))
        wait_until(lambda: 'has no "spines"' in problem(lab, "BgpPeer", "leaf1"))
    for leaf, speaker in SPEAKERS.items():
        assert lab.routers[leaf].established(speaker)
        assert {path.med for path in speaker_paths(lab, leaf)} == {100 if leaf == "leaf1" else 200}
    edit_group(lab, lambda groups: groups.update(spines={"advertise": {"med": 7}}))
    wait_paths(lab, "leaf1", med=7, communities=set())
    wait_until(lambda: not problem(lab, "BgpPeer", "leaf1"))
