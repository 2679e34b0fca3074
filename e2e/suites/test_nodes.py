"""Nodes and racks that change under a running Service."""

import re

from lab.cluster import RACK
from lab.fabric import NODE_AS
from lab.net import wait_until
from lab.router import Neighbor
from watch import ALL, DOCUMENTED, condition, routes_unchanged, traffic

ROUTERS = ["bird", "frr"]
EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"


def node(name, address, pod_cidr, labels=None):
    return {"apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": {"kubernetes.io/os": "linux"} | (labels or {})},
            "spec": {"podCIDR": pod_cidr},
            "status": {"addresses": [{"type": "InternalIP", "address": address}],
                       "conditions": [{"type": "Ready", "status": "True"}]}}


def test_node_not_ready_leaves_the_next_hops_and_comes_back(lab):
    with traffic(lab) as client:
        with routes_unchanged(lab, "leaf2"):
            lab.cluster.set_ready("worker1", "False")
            lab.wait_next_hops(DOCUMENTED | {"leaf1": {"192.168.0.3"}})
        client.wait_flow(ALL - {"worker1"})
        with routes_unchanged(lab, "leaf2"):
            lab.cluster.set_ready("worker1", "True")
            lab.wait_documented()
        client.wait_flow(ALL)


def test_node_unknown_is_not_ready(lab):
    lab.cluster.set_ready("worker1", "Unknown")
    lab.wait_next_hops(DOCUMENTED | {"leaf1": {"192.168.0.3"}})


def test_node_with_the_exclusion_label_is_no_next_hop(lab):
    lab.cluster.label("Node", "worker1", EXCLUDE, "")
    lab.wait_next_hops(DOCUMENTED | {"leaf1": {"192.168.0.3"}})
    lab.cluster.label("Node", "worker1", EXCLUDE, None)
    lab.wait_documented()


def test_cordon_moves_nothing(lab):
    with routes_unchanged(lab):
        lab.cluster.edit("Node", "worker1", lambda o: o["spec"].update(unschedulable=True))


def test_node_removed(lab):
    with routes_unchanged(lab, "leaf2"):
        worker1 = lab.cluster.delete("Node", "worker1")
        lab.wait_next_hops(DOCUMENTED | {"leaf1": {"192.168.0.3"}})
    lab.cluster.apply(worker1)
    lab.wait_documented()


def test_node_added_without_a_label_belongs_to_the_rack_of_its_network(lab):
    lab.add_node("worker2", "192.168.0.5", "10.233.67.0/24")
    with routes_unchanged(lab, "leaf2"):
        lab.cluster.apply(node("worker2", "192.168.0.5", "10.233.67.0/24"))
        lab.wait_next_hops(DOCUMENTED | {"leaf1": {"192.168.0.3", "192.168.0.4", "192.168.0.5"}})
    with traffic(lab, ALL | {"worker2"}):
        pass


def test_node_added_with_a_speaker_of_its_own(lab):
    """Two speakers under one leaf announce the same next hops; the death of one takes none away."""
    both = DOCUMENTED | {"leaf2": {"192.168.1.2", "192.168.1.3"}}
    lab.add_node("worker3", "192.168.1.3", "10.233.68.0/24")
    lab.routers["leaf2"].set_neighbor(Neighbor("192.168.1.3", NODE_AS))
    with routes_unchanged(lab, "leaf1"):
        lab.cluster.apply(node("worker3", "192.168.1.3", "10.233.68.0/24",
                               {RACK: "leaf2", "lb.kubesphere.io/v1alpha1": "openelb"}))
        lab.start_speaker("worker3")
        lab.wait_next_hops(both)
        wait_until(lambda: lab.routers["leaf2"].sessions()["192.168.1.3"].prefixes == 2)
    lab.speakers["worker3"].kill()
    wait_until(lambda: not lab.routers["leaf2"].established("192.168.1.3"))
    lab.wait_next_hops(both)


def test_second_speaker_of_a_rack_makes_it_redundant(lab):
    """As documented each rack has one speaker, and a condition says so; one whose speaker died has one again."""
    def lacking():
        found = condition(lab, "BgpConf", "default", "RackWithoutRedundancy")
        return dict(re.findall(r'rack "(\w+)" has one ready speaker, on node [\w-]+: .*?; (.*?)(?:; |$)',
                               found["message"] if found else ""))
    choose = "let a speaker run on a second node there"
    wait_until(lambda: lacking() == {"leaf1": choose, "leaf2": choose}, 45, what="a condition that names both racks")
    lab.add_node("worker4", "192.168.1.4", "10.233.69.0/24")
    lab.routers["leaf2"].set_neighbor(Neighbor("192.168.1.4", NODE_AS))
    lab.cluster.apply(node("worker4", "192.168.1.4", "10.233.69.0/24", {RACK: "leaf2", "lb.kubesphere.io/v1alpha1": "openelb"}))
    lab.start_speaker("worker4")
    wait_until(lambda: lacking() == {"leaf1": choose}, 20, what="a condition that names leaf1 alone")
    assert lab.controller.metric("openelb_rack_speakers", rack="leaf2", state="ready") == 2
    assert lab.controller.metric("openelb_rack_next_hops", rack="leaf2") == 2
    lab.speakers["worker4"].kill()
    wait_until(lambda: lacking() == {"leaf1": choose, "leaf2": "mend what keeps the others from it, on worker4"}, 45,
               what="a condition that names worker4")
    assert lab.controller.metric("openelb_rack_speakers", rack="leaf2", state="silent") == 1


def test_rack_label_moves_a_node_at_once(lab):
    leaf2 = lab.routers["leaf2"]
    lab.cluster.label("Node", "worker1", RACK, "leaf2")
    # Leaf2 now hears of a next hop beyond its networks: the label is the operator's word that it reaches it.
    wait_until(lambda: lab.routers["leaf1"].next_hops("172.22.0.2/32") - {"10.0.1.1"} == {"192.168.0.3"})
    wait_until(lambda: leaf2.path_count("172.22.0.2/32") >= 2 or leaf2.sessions()["192.168.1.2"].prefixes == 2)
    lab.cluster.label("Node", "worker1", RACK, "leaf1")
    lab.wait_documented()
    lab.cluster.label("Node", "worker1", RACK, None)
    lab.wait_documented()


def test_rack_label_of_a_speaker_decides_its_peers_at_once(lab):
    with routes_unchanged(lab, "leaf2"):
        lab.cluster.label("Node", "master1", RACK, None)
        wait_until(lambda: not lab.routers["leaf1"].established("192.168.0.3"))
        lab.cluster.label("Node", "master1", RACK, "leaf1")
        lab.wait_documented()
