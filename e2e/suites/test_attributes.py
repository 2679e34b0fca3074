"""What routes say beyond their next hops, as the routers show it: communities of all three kinds, MED, LOCAL_PREF and
prepends; asked for by BgpPeer, Eip and Service, and changed while traffic flows."""

import json
import time
from dataclasses import replace

from lab import topology, yaml_subset
from lab.net import wait_until
from lab.router import Shown
from watch import (DOCUMENTED, PREFIX, condition, nothing_withdrawn, routes_unchanged, says, speaker_paths, traffic,
                   wait_paths, withdrawals)

ROUTERS = ["bird", "frr"]

MASTER, WORKER = "192.168.0.3", "192.168.0.4"
AS = 50000
ANNOTATION = "network.kubesphere.io/advertise"


def advertise(**fields):
    return lambda obj: obj["spec"].update(advertise=fields)


def annotate(text):
    return lambda obj: obj["metadata"]["annotations"].update({ANNOTATION: text})


def test_communities_of_each_level_add_up(lab):
    """All live, under traffic: BgpPeer, then Eip, then Service, then back."""
    with traffic(lab) as client, nothing_withdrawn(lab):
        since = time.time()
        with routes_unchanged(lab, "leaf2"):
            lab.cluster.edit("BgpPeer", "leaf1", advertise(communities=["65000:1", "large:65000:1:2"]))
            wait_paths(lab, "leaf1", communities={"65000:1", "65000:1:2"})
        lab.cluster.edit("Eip", "bgp-eip", advertise(communities=["65000:2", "rt:65000:3"]))
        wait_paths(lab, "leaf1", communities={"65000:1", "65000:1:2", "65000:2", "rt:65000:3"})
        wait_paths(lab, "leaf2", communities={"65000:2", "rt:65000:3"})
        lab.cluster.edit("Service", "bgp-svc", annotate("{communities: [65000:4]}"))
        wait_paths(lab, "leaf1", communities={"65000:1", "65000:1:2", "65000:2", "rt:65000:3", "65000:4"})
        lab.cluster.edit("Eip", "bgp-eip", lambda obj: obj["spec"].pop("advertise"))
        lab.cluster.edit("BgpPeer", "leaf1", lambda obj: obj["spec"].pop("advertise"))
        wait_paths(lab, "leaf1", communities={"65000:4"})
        wait_paths(lab, "leaf2", communities={"65000:4"})
        client.settle()
        assert client.count(since).lost == []


def test_of_med_and_prepends_the_narrower_wins(lab):
    with nothing_withdrawn(lab, ranks=True):
        with routes_unchanged(lab, "leaf2"):
            lab.cluster.edit("BgpPeer", "leaf1", advertise(med=10, prepend=2))
            wait_paths(lab, "leaf1", med=10, as_path=(AS, AS, AS))
        lab.cluster.edit("Eip", "bgp-eip", advertise(med=20, prepend=1))
        wait_paths(lab, "leaf1", med=20, as_path=(AS, AS))
        wait_paths(lab, "leaf2", med=20, as_path=(AS, AS))
        lab.cluster.edit("Service", "bgp-svc", annotate("{med: 30, prepend: 0}"))
        wait_paths(lab, "leaf1", med=30, as_path=(AS,))
        wait_paths(lab, "leaf2", med=30, as_path=(AS,))


def test_names_of_communities(lab):
    with nothing_withdrawn(lab):
        lab.cluster.edit("Eip", "bgp-eip", advertise(communities=["ours"]))
        wait_until(lambda: "ours" in (condition(lab, "Eip", "bgp-eip", "UnknownCommunity") or {}).get("message", ""))
        lab.cluster.edit("BgpConf", "default", lambda obj: obj["spec"].update(communityAliases={"ours": "65000:7"}))
        wait_paths(lab, "leaf2", communities={"65000:7"})
        wait_until(lambda: condition(lab, "Eip", "bgp-eip", "UnknownCommunity") is None)


def test_local_pref_is_for_routers_of_our_own_as(lab):
    lab.cluster.edit("BgpPeer", "leaf1", advertise(localPref=300))
    wait_until(lambda: "localPref" in (condition(lab, "BgpPeer", "leaf1", "NoEffect") or {}).get("message", ""))
    leaf1 = lab.routers["leaf1"]
    with routes_unchanged(lab, "leaf2"):
        leaf1.set_neighbor(replace(leaf1.config.neighbors[MASTER], asn=leaf1.config.asn))
        lab.cluster.edit("BgpPeer", "leaf1", lambda obj: obj["spec"]["conf"].update(localAs=leaf1.config.asn))
        wait_paths(lab, "leaf1", local_pref=300, as_path=())
        wait_until(lambda: condition(lab, "BgpPeer", "leaf1", "NoEffect") is None)
    with routes_unchanged(lab, "leaf2"):
        lab.cluster.edit("BgpPeer", "leaf1", advertise(localPref=50, med=5))
        wait_paths(lab, "leaf1", local_pref=50, med=5, as_path=())


def test_a_bad_annotation_is_named_and_costs_nothing(lab):
    with nothing_withdrawn(lab):
        lab.cluster.edit("Service", "bgp-svc", annotate("{communities: ['1:70000', '65000:9'], med: some}"))
        wait_paths(lab, "leaf1", communities={"65000:9"})
        says(lab.controller, "BadAdvertise", "communities[0]", "1:70000")
        says(lab.controller, "BadAdvertise", "med", "some")


def policy_map(text):
    sample = yaml_subset.load_all((topology.SAMPLES / "export-policy/policy.yaml").read_text())[0]
    return sample if text is None else {**sample, "data": {"gobgp.conf": text}}


def test_export_policy(lab):
    """The sample: a community for every router, a MED for one of them. Broken afterwards, it stays in force; so it does
    when the controller starts anew meanwhile. Only a rule that rejects takes the route away, and only where it should."""
    def name_policy(obj):
        obj["spec"]["policy"] = "export-policy"
    with nothing_withdrawn(lab, ranks=True):
        lab.cluster.apply(policy_map(None))
        lab.cluster.edit("BgpConf", "default", name_policy)
        wait_paths(lab, "leaf1", communities={"50000:100"}, med=100)
        wait_paths(lab, "leaf2", communities={"50000:100"})
        assert all(path.med in (None, 0) for path in speaker_paths(lab, "leaf2"))
        with routes_unchanged(lab):
            lab.cluster.apply(policy_map('[[policy-definitions]]\nname = "p"\n[[policy-definitions.statements]]\n'
                                         'name = "s"\nactions = {bgp-actions = {set-next-hop = "self"}}\n'))
            wait_until(lambda: "statement p/s" in (condition(lab, "BgpConf", "default", "PolicyNotApplied") or {}).get(
                "message", ""))
            lab.controller.kill()
            lab.start_controller()
            wait_until(lambda: "stays in force" in (condition(lab, "BgpConf", "default", "PolicyNotApplied") or {}).get(
                "message", ""))
    sample = policy_map(None)["data"]["gobgp.conf"]
    with routes_unchanged(lab, "leaf2"):
        lab.cluster.apply(policy_map(sample.replace("set-med = 100", "set-med = 100\n[policy-definitions.statements.actions]"
                                                    '\nroute-disposition = "reject-route"')))
        wait_until(lambda: speaker_paths(lab, "leaf1") == [])
        assert lab.routers["leaf1"].established(MASTER)
    wait_until(lambda: condition(lab, "BgpConf", "default", "PolicyNotApplied") is None)
    lab.cluster.apply(policy_map(None))
    lab.routers["leaf1"].wait_kernel(PREFIX, DOCUMENTED["leaf1"])


def kernel_weights(lab, leaf):
    """{next hop: its share in percent} of the kernel's route."""
    routes = json.loads(lab[leaf].exec("ip", "-j", "route", "show", "exact", PREFIX))
    weights = {hop["gateway"]: hop["weight"] for route in routes for hop in route.get("nexthops", [])}
    return {gateway: round(100 * weight / sum(weights.values())) for gateway, weight in weights.items()}


def test_pods_get_the_same_share(lab):
    """A leaf without a setting of its own spreads by the number of ready endpoints (FRR); BIRD 2.0 shows the weight and
    goes on spreading evenly."""
    frr = lab.routers["leaf1"].kind == "frr"

    def three_more(obj):
        first = obj["endpoints"][0]
        obj["endpoints"] += [{**first, "addresses": [f"10.233.65.{i}"]} for i in (21, 22)]
        obj["endpoints"].append({**first, "addresses": ["10.233.64.21"], "nodeName": "master1"})
    lab.cluster.edit("EndpointSlice", "bgp-svc-7xk2p", three_more)
    lab.cluster.edit("Service", "bgp-svc", lambda obj: obj["spec"].update(externalTrafficPolicy="Local"))
    even, uneven = {MASTER: 50, WORKER: 50}, {MASTER: 25, WORKER: 75}
    wait_until(lambda: kernel_weights(lab, "leaf1") == even or Shown(kernel_weights(lab, "leaf1").items()))
    since = time.time()
    lab.cluster.edit("BgpPeer", "leaf1", advertise(linkBandwidth=True))
    wait_until(lambda: all(path.communities for path in speaker_paths(lab, "leaf1")))
    wait_until(lambda: kernel_weights(lab, "leaf1") == (uneven if frr else even) or Shown(
        kernel_weights(lab, "leaf1").items()))
    lab.cluster.edit("Node", "master1", lambda obj: obj["metadata"].setdefault("annotations", {}).update(
        {"network.kubesphere.io/weight": "3"}))
    if frr:
        wait_until(lambda: kernel_weights(lab, "leaf1") == even or Shown(kernel_weights(lab, "leaf1").items()))
    else:
        wait_until(lambda: len({path.communities for path in speaker_paths(lab, "leaf1")}) == 1)
    assert withdrawals(lab, "leaf1", since) == []
