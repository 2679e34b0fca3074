"""OpenELB's multi-router page as documented, with FRR and with BIRD, and in PorterLB's spelling."""

from lab.fabric import LEAVES, VIP
from lab.net import wait_until
from lab.traffic import ask
from watch import ALL, PREFIX, peer_status

ROUTERS = ["bird", "frr"]
SPELLINGS = ["multi-router", "porter"]


def test_every_router_holds_the_documented_next_hops(lab):
    """In BGP table and kernel. Nothing else may be there, so nothing is left to the routers to refuse."""
    lab.wait_documented()
    assert lab.routers["leaf1"].sessions()["192.168.0.3"].prefixes == 2
    assert lab.routers["leaf2"].sessions()["192.168.1.2"].prefixes == 1


def test_clients_are_answered_through_all_three_nodes(lab):
    seen = ask(lab["client"], VIP, 300)
    assert not seen.lost
    assert set(seen.answers) == ALL
    assert min(seen.answers.values()) >= 30, seen.answers


def test_speakers_run_only_where_the_daemon_set_says(lab):
    assert set(lab.speakers) == {"master1", "worker-p002"}
    assert all(speaker.running() for speaker in lab.speakers.values())


def test_statuses_say_what_the_routers_show(lab):
    cluster = lab.cluster
    assert cluster.service_ips("bgp-svc") == [VIP]
    eip = wait_until(lambda: cluster.status("Eip", "bgp-eip"))
    assert eip["used"] == {VIP: "default/bgp-svc"}
    assert (eip["usage"], eip["poolSize"], eip["firstIP"], eip["lastIP"]) == (1, 9, VIP, "172.22.0.10")
    for peer, node in (("leaf1", "master1"), ("leaf2", "worker-p002")):
        state = wait_until(lambda: peer_status(lab, peer, node).get("sessionState"))
        assert state == "ESTABLISHED"
        assert set(cluster.status("BgpPeer", peer)["nodesPeerStatus"]) == {node}


def test_a_leaf_that_takes_any_next_hop_still_holds_its_racks_only(lab):
    """Nothing is left to the router to throw away."""
    for speaker in lab.speakers.values():
        speaker.kill()
    for leaf in LEAVES:
        wait_until(lambda: not lab.routers[leaf].next_hops(PREFIX))
        lab.routers[leaf].accept_any_next_hop()
    lab.start_speakers()
    lab.wait_documented()
    assert lab.routers["leaf1"].sessions()["192.168.0.3"].prefixes == 2
    assert lab.routers["leaf2"].sessions()["192.168.1.2"].prefixes == 1


def test_leaves_negotiated_add_path(lab):
    assert lab.routers["leaf1"].sessions()["192.168.0.3"].add_path
    assert lab.routers["leaf2"].sessions()["192.168.1.2"].add_path
    assert PREFIX in lab.routers["spine"].routes()
