"""Unnumbered sessions (RFC 4861, RFC 8950): a leaf with a cable to each speaker's node, on which neither end has any
address but the link-local one that it gave itself. What is seen is what FRR and its kernel say."""

import json

import pytest
from interop_ways import service
from lab import dual_stack
from lab.dual_stack import v6_of
from lab.frr import Frr
from lab.lan import NODES, SPEAKERS, Lan, mac
from lab.net import connect, run, wait_until
from lab.router import RouterConfig

VIP, VIP6 = "172.22.0.2", "fd00:172:22::2"
PREFIX, PREFIX6 = f"{VIP}/32", f"{VIP6}/128"
SPEAKERS_AS, LEAF_AS = 50000, 50031
UPLINK = "uplink"  # the nodes' end of the cables; the leaf's is named like the node


class UnnumberedFrr(Frr):
    def apply(self):
        lines = []
        for node in SPEAKERS:
            lines += [f"neighbor {node} interface remote-as external", f"neighbor {node} timers 3 9"]
            for family in ("ipv4", "ipv6"):
                lines += [f"address-family {family} unicast", f"neighbor {node} activate", "exit-address-family"]
        self._load([f"router bgp {self.config.asn}", *lines])

    def up(self):
        return {name for name, peer in json.loads(self.run("show bgp neighbors json")).items()
                if isinstance(peer, dict) and peer.get("bgpState") == "Established"}

    def paths(self, prefix):
        """[(interface, next hop)] as BGP holds them."""
        family = "ipv6" if ":" in prefix else "ipv4"
        found = []
        for path in json.loads(self.run(f"show bgp {family} unicast {prefix} json")).get("paths", []):
            found += [(path["peer"].get("interface"), hop["ip"]) for hop in path["nexthops"] if hop.get("used", True)]
        return found


@pytest.fixture(scope="module")
def lab():
    with Lan.running("bgp-quick-start", "bgp-svc", VIP) as lab:
        lab.cluster.edit("BgpConf", "default", lambda conf: conf["spec"].pop("routerId"))
        lab.cluster.delete("BgpPeer", "bgp-peer")
        dual_stack.enable(lab)
        for node, address in NODES.items():
            lab.cluster.edit("Node", node, lambda obj, address=address: obj["status"]["addresses"].append(
                {"type": "InternalIP", "address": v6_of(address)}))
        lab.cluster.apply(*service(VIP6), peer())
        lab.leaf = UnnumberedFrr(cable(lab, "leaf", UPLINK), RouterConfig(LEAF_AS, "10.255.255.1"))
        lab.leaf.start()
        yield lab


def cable(lab, name, uplink):
    leaf = lab.add_host(name)
    for node in SPEAKERS:
        connect(leaf, node, lab[node], uplink)
    return leaf


def peer(name="leaf", interface=UPLINK):
    return {"apiVersion": "network.kubesphere.io/v1alpha2", "kind": "BgpPeer", "metadata": {"name": name},
            "spec": {"conf": {"neighborInterface": interface, "peerAs": LEAF_AS},
                     "timers": {"config": {"holdTime": "9", "connectRetry": "1"}},
                     "afiSafis": [{"config": {"family": {"afi": afi, "safi": "SAFI_UNICAST"}, "enabled": True}}
                                  for afi in ("AFI_IP", "AFI_IP6")]}}


def link_local(host, interface):
    for link in json.loads(run("ip", "-n", host.netns, "-j", "-6", "addr", "show", "dev", interface)):
        for info in link["addr_info"]:
            if info.get("scope") == "link":
                return info["local"]
    return None


def ends(lab, uplink=UPLINK):
    """{(leaf's interface, the speaker's address there)}"""
    return {(node, link_local(lab[node], uplink)) for node in SPEAKERS}


def installed(lab, prefix):
    """The nodes over whose cables the leaf's kernel sends what is for a prefix, to the MAC at their ends. With IPv4 FRR
    gives it a next hop of no meaning, 169.254.0.1, and that MAC as its neighbour entry."""
    netns, found = lab.leaf.host.netns, set()
    for route in json.loads(run("ip", "-n", netns, "-6" if ":" in prefix else "-4", "-j", "route", "show", "exact",
                                prefix) or "[]"):
        for hop in route.get("nexthops", [route]):
            node, gateway = hop["dev"], hop["gateway"]
            entries = json.loads(run("ip", "-n", netns, "-j", "neigh", "show", gateway, "dev", node) or "[]")
            if mac(lab[node], UPLINK) in {entry.get("lladdr") for entry in entries}:
                found.add(node)
    return found


@pytest.mark.parametrize("prefix", [PREFIX, PREFIX6])
def test_routes_lead_over_the_cables(lab, prefix):
    wait_until(lambda: lab.leaf.up() == set(SPEAKERS), 20, what="the sessions")
    wait_until(lambda: set(lab.leaf.paths(prefix)) == ends(lab), what=f"paths of {prefix}")
    wait_until(lambda: installed(lab, prefix) == set(SPEAKERS), what=f"next hops of {prefix}")


def test_the_leaf_takes_no_node_for_a_default_router(lab):
    wait_until(lambda: lab.leaf.up() == set(SPEAKERS), 20, what="the sessions")
    assert run("ip", "-n", lab.leaf.host.netns, "-6", "route", "show", "default") == ""


def test_another_leaf_in_its_place(lab):
    """It has another link-local address; nobody tells the speaker but its advertisements."""
    wait_until(lambda: lab.leaf.up() == set(SPEAKERS), 20, what="the sessions")
    before = link_local(lab.leaf.host, "master1")
    lab.leaf.host.ip("link set master1 down", "link set master1 address 02:00:00:00:00:31", "link set master1 up")
    wait_until(lambda: "master1" not in lab.leaf.up(), 20, what="the end of the session")
    wait_until(lambda: lab.leaf.up() == set(SPEAKERS), 40, what="the session with the new address")
    assert link_local(lab.leaf.host, "master1") != before
    wait_until(lambda: installed(lab, PREFIX) == set(SPEAKERS), what="the next hops")


def test_says_that_nobody_is_there(lab):
    lab.cluster.apply(peer("nobody", "eth7"))
    try:
        wait_until(lambda: "no router has advertised itself on interface eth7" in json.dumps(lab.cluster.status("BgpPeer", "nobody")), what="the status")
        assert lab.leaf.up() == set(SPEAKERS)
    finally:
        lab.cluster.delete("BgpPeer", "nobody")
