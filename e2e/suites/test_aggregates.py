"""Aggregates, as the routers show them: they stand instead of host routes or beside them, come with the first address
and go with the last, and change under traffic without a moment in which a router has no route.

When a longer prefix is withdrawn everywhere, routers try each other's paths to it first (path hunting), and traffic may go
round between a leaf and the spine until they have all forgotten it: FRR waits 50 ms before it passes a change on. No order of
ours prevents that; HUNTING bounds what a client may lose then."""

import contextlib
import time

from lab import yaml_subset
from lab.net import wait_until
from lab.router import Shown
from lab.topology import SAMPLES
from watch import ALL, DOCUMENTED, condition, routes_unchanged, says, traffic, unharmed

ROUTERS = ["bird", "frr"]

SHOPS, BLOCK = "172.23.0.0/24", "172.23.1.64/26"
BAKERY, FLORIST, NOTARY = "172.23.0.10", "172.23.0.200", "172.23.1.70"
HUNTING = 1.0  # seconds of a stretch of lost requests, at most
NOWHERE = {"leaf1": set(), "leaf2": set()}


def sample(*names):
    """Objects of the sample, by name; all without names."""
    objects = [obj for path in sorted((SAMPLES / "aggregates").glob("*.yaml"))
               for obj in yaml_subset.load_all(path.read_text())]
    return [obj for obj in objects if not names or obj["metadata"]["name"] in names]


def endpoint(node, address):
    return {"addresses": [address], "nodeName": node, "conditions": {"ready": True}}


FIRST, SECOND = endpoint("worker1", "10.233.65.11"), endpoint("worker-p002", "10.233.66.12")


def endpoints(name, *those):
    """Of one of the sample's Services: the Pods of the documented one."""
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": f"{name}-1", "namespace": "default", "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4", "ports": [{"name": "http", "protocol": "TCP", "port": 8080}],
            "endpoints": list(those)}


def serve(lab, *names, policy="Cluster"):
    """Creates Services of the sample whose Pods run on worker1 and worker-p002."""
    for obj in sample(*names):
        obj["spec"]["externalTrafficPolicy"] = policy
        lab.cluster.apply(endpoints(obj["metadata"]["name"], FIRST, SECOND), obj)


def advertise(lab, eip, **fields):
    lab.cluster.edit("Eip", eip, lambda obj: obj["spec"].update(advertise=fields))


def below(lab, address):
    """{router: prefixes in its BGP table that hold the address}, longest first."""
    network = address.rsplit(".", 1)[0]
    return {name: sorted((prefix for prefix in router.routes() if prefix.rsplit(".", 1)[0] == network),
                         key=lambda prefix: -int(prefix.partition("/")[2]))
            for name, router in lab.routers.items()}


def wait_prefixes(lab, address, *prefixes):
    """Every router's table has these prefixes of the address's /24, and no others."""
    wanted = sorted(prefixes)
    wait_until(lambda: all(sorted(found) == wanted for found in below(lab, address).values())
               or Shown(below(lab, address).items()), what=f"{wanted} in all tables")


@contextlib.contextmanager
def never_without_route(lab, *addresses):
    """In no router's kernel goes the last route to any of the addresses while this runs."""
    since = time.time()
    yield
    for router in lab.routers:
        for address in addresses:
            held = set()
            for prefix, at, what, _ in lab.recorders[router].changes():
                if not covers(prefix, address):
                    continue
                held = held | {prefix} if what == "add" else held - {prefix}
                assert held or at < since, f"{router} had no route to {address} at {at}"
            assert held, f"{router} has no route to {address}"


def covers(prefix, address):
    network, _, length = prefix.partition("/")
    bits = [int.from_bytes(bytes(map(int, text.split("."))), "big") for text in (network, address) if ":" not in text]
    return len(bits) == 2 and length != "0" and bits[0] >> 32 - int(length or 32) == bits[1] >> 32 - int(length or 32)


def test_it_comes_with_the_first_address_and_goes_with_the_last(lab):
    lab.cluster.apply(*sample("shops"))
    serve(lab, "bakery")
    lab.wait_next_hops(DOCUMENTED, SHOPS)
    with traffic(lab, address=BAKERY):
        assert set(map(tuple, below(lab, BAKERY).values())) == {(SHOPS,)}
        with routes_unchanged(lab, prefix=SHOPS):
            serve(lab, "florist")
            with traffic(lab, address=FLORIST):
                pass
    with routes_unchanged(lab, prefix=SHOPS):
        lab.cluster.delete("Service", "bakery")
        wait_until(lambda: not lab.cluster.service_ips("bakery"))
    lab.cluster.delete("Service", "florist")
    lab.wait_next_hops(NOWHERE, SHOPS)


def test_beside_host_routes_and_attributes(lab):
    """What the Eip asks for is on the aggregate, what the Service asks for on its host route alone."""
    def annotate(obj):
        obj["metadata"]["annotations"]["network.kubesphere.io/advertise"] = '{communities: ["50000:7"]}'
    lab.cluster.apply(*sample("offices", "shops"))
    serve(lab, "notary", "bakery")
    lab.wait_next_hops(DOCUMENTED, BLOCK)
    lab.wait_next_hops(DOCUMENTED, f"{NOTARY}/32")
    wait_prefixes(lab, NOTARY, f"{NOTARY}/32", BLOCK)
    lab.wait_next_hops(DOCUMENTED, SHOPS)
    for service in ("notary", "bakery"):
        lab.cluster.edit("Service", service, annotate)

    def communities(prefix):
        return {path.communities for path in lab.routers["leaf1"].paths(prefix)
                if path.next_hop in DOCUMENTED["leaf1"]}
    wait_until(lambda: communities(f"{NOTARY}/32") == {frozenset({"50000:7"})})
    assert communities(BLOCK) == {frozenset()}
    assert communities(SHOPS) == {frozenset({"50000:24"})}
    says(lab.controller, "NoEffect", "bakery", SHOPS)
    with never_without_route(lab, BAKERY), traffic(lab, address=BAKERY):
        advertise(lab, "shops", aggregationLength=24, med=30)
        wait_until(lambda: [path.med for path in lab.routers["leaf2"].paths(SHOPS)
                            if path.next_hop in DOCUMENTED["leaf2"]] == [30])


def test_lengths_and_host_routes_change_live(lab):
    """Where longer prefixes come nobody waits; where they go, what path hunting costs."""
    def change(fields, prefixes):
        advertise(lab, "shops", **fields)
        wait_prefixes(lab, BAKERY, *prefixes)
        lab.wait_next_hops(DOCUMENTED, prefixes[0])
    lab.cluster.apply(*sample("shops"))
    serve(lab, "bakery", "florist")
    lab.wait_next_hops(DOCUMENTED, SHOPS)
    hosts = (f"{BAKERY}/32", f"{FLORIST}/32")
    halves = ("172.23.0.0/25", "172.23.0.128/25")
    longer = [({"aggregationLength": 24, "hostRoutes": False}, (SHOPS,)),
              ({"aggregationLength": 25}, halves),
              ({}, hosts)]
    shorter = [({"aggregationLength": 25}, halves),
               ({"aggregationLength": 25, "hostRoutes": True}, (*halves, *hosts)),
               ({"aggregationLength": 24}, (SHOPS,)),
               ({"aggregationLength": 32}, hosts),
               ({"aggregationLength": 24}, (SHOPS,))]
    with traffic(lab, address=BAKERY) as bakery, traffic(lab, address=FLORIST) as florist:
        with never_without_route(lab, BAKERY, FLORIST):
            for step in longer:
                since = time.time()
                change(*step)
                unharmed(bakery, since)
                unharmed(florist, since)
            since = time.time()
            for step in shorter:
                change(*step)
        bakery.settle()
        assert bakery.count(since).longest_outage() < HUNTING
        assert florist.count(since).longest_outage() < HUNTING


def test_policy_local(lab):
    """The aggregate has the next hops that serve all of it; where a router would lose one, host routes go in its place."""
    lab.cluster.apply(*sample("shops"))
    serve(lab, "bakery", "florist", policy="Local")
    both = {"leaf1": {"192.168.0.4"}, "leaf2": {"192.168.1.2"}}
    lab.wait_next_hops(both, SHOPS)
    wait_prefixes(lab, BAKERY, SHOPS)
    with traffic(lab, {"worker1", "worker-p002"}, address=BAKERY) as bakery:
        since = time.time()
        with never_without_route(lab, BAKERY, FLORIST):
            lab.cluster.apply(endpoints("florist", FIRST))
            wait_prefixes(lab, BAKERY, f"{BAKERY}/32", f"{FLORIST}/32")
            lab.wait_next_hops(both, f"{BAKERY}/32")
            lab.wait_next_hops({"leaf1": {"192.168.0.4"}, "leaf2": set()}, f"{FLORIST}/32")
            refused = wait_until(lambda: condition(lab, "Eip", "shops", "AggregateRefused"))
            for text in (SHOPS, 'rack "leaf2"', f"{BAKERY} (default/bakery)", f"{FLORIST} (default/florist)"):
                assert text in refused["message"]
            with traffic(lab, {"worker1"}, address=FLORIST):
                pass
            lab.cluster.apply(endpoints("florist", FIRST, SECOND))
            wait_prefixes(lab, BAKERY, SHOPS)
            lab.wait_next_hops(both, SHOPS)
            wait_until(lambda: condition(lab, "Eip", "shops", "AggregateRefused") is None)
        bakery.settle()
        assert bakery.count(since).longest_outage() < HUNTING


def test_what_an_eip_does_not_hold_is_not_announced(lab):
    eip, = sample("shops")
    eip["spec"]["address"] = "172.23.0.0-172.23.0.220"
    lab.cluster.apply(eip)
    serve(lab, "bakery")
    lab.wait_next_hops(DOCUMENTED, f"{BAKERY}/32")
    wait_prefixes(lab, BAKERY, f"{BAKERY}/32")
    refused = wait_until(lambda: condition(lab, "Eip", "shops", "AggregateRefused"))
    assert "does not hold all of 172.23.0.0/24" in refused["message"]
    advertise(lab, "shops", aggregationLength=25)
    wait_prefixes(lab, BAKERY, "172.23.0.0/25")
    serve(lab, "florist")
    wait_prefixes(lab, BAKERY, "172.23.0.0/25", f"{FLORIST}/32")


def test_bad_values_are_named_and_cost_nothing(lab):
    lab.cluster.apply(*sample("shops"))
    serve(lab, "bakery")
    lab.wait_next_hops(DOCUMENTED, SHOPS)
    with routes_unchanged(lab, prefix=SHOPS):
        for fields, words in (({"aggregationLength": 33}, ("aggregationLength", "33", "8 to 32")),
                              ({"aggregationLengthV6": 8}, ("aggregationLengthV6", "8", "16 to 128")),
                              ({"aggregationLength": 24, "hostRoutes": "some"}, ("hostRoutes", "some"))):
            advertise(lab, "shops", **fields)
            says(lab.controller, *words)


def test_export_policies_see_the_prefix_of_the_aggregate(lab):
    """Rejected for one router, the aggregate is withdrawn there alone."""
    lab.cluster.apply(*sample("shops"))
    serve(lab, "bakery")
    lab.wait_next_hops(DOCUMENTED, SHOPS)
    policy, = yaml_subset.load_all((SAMPLES / "export-policy/policy.yaml").read_text())
    policy["data"]["gobgp.conf"] = f"""
[[defined-sets.prefix-sets]]
prefix-set-name = "shops"
[[defined-sets.prefix-sets.prefix-list]]
ip-prefix = "{SHOPS}"
masklength-range = "24..24"
[[defined-sets.neighbor-sets]]
neighbor-set-name = "leaf1"
neighbor-info-list = ["192.168.0.2"]
[[policy-definitions]]
name = "p"
[[policy-definitions.statements]]
name = "not-to-leaf1"
[policy-definitions.statements.conditions.match-prefix-set]
prefix-set = "shops"
[policy-definitions.statements.conditions.match-neighbor-set]
neighbor-set = "leaf1"
[policy-definitions.statements.actions]
route-disposition = "reject-route"
[global.apply-policy.config]
export-policy-list = ["p"]
default-export-policy = "accept-route"
"""
    lab.cluster.apply(policy)
    with routes_unchanged(lab, "leaf2", prefix=SHOPS):
        lab.cluster.edit("BgpConf", "default", lambda obj: obj["spec"].update(policy="export-policy"))
        lab.wait_next_hops({"leaf1": set(), "leaf2": {"192.168.1.2"}}, SHOPS)
    lab.wait_documented()
    lab.cluster.edit("BgpConf", "default", lambda obj: obj["spec"].pop("policy"))
    lab.wait_next_hops(DOCUMENTED, SHOPS)


def test_another_eip_is_deleted(lab):
    lab.cluster.apply(*sample("shops", "offices"))
    serve(lab, "bakery", "notary")
    lab.wait_next_hops(DOCUMENTED, BLOCK)
    with traffic(lab, ALL, address=BAKERY) as client:
        since = time.time()
        with never_without_route(lab, BAKERY):
            lab.cluster.delete("Service", "notary")
            lab.cluster.delete("Eip", "offices")
            lab.wait_next_hops(NOWHERE, BLOCK)
            lab.wait_next_hops(NOWHERE, f"{NOTARY}/32")
        client.settle()
        assert client.count(since).lost == []


def test_the_documented_rule_ends_the_loop_of_unused_addresses(lab):
    """Without it, what comes for an address that no Service has goes round between leaf and node until its TTL ends."""
    def answer():
        return lab["client"].exec("ping", "-n", "-c", "1", "-W", "1", "172.23.0.99", check=False)
    rule = ("iif", "eth0", "to", SHOPS, "priority", "100", "blackhole")
    assert f"`ip rule add {' '.join(rule)}`" in (SAMPLES.parents[1] / "README.md").read_text()
    lab.cluster.apply(*sample("shops"))
    serve(lab, "bakery")
    lab.wait_next_hops(DOCUMENTED, SHOPS)
    assert "Time to live exceeded" in answer()
    try:
        for node in ALL:
            lab[node].exec("ip", "rule", "add", *rule)
        assert "100% packet loss" in answer() and "exceeded" not in answer()
        with traffic(lab, address=BAKERY):
            pass
    finally:
        for node in ALL:
            lab[node].exec("ip", "rule", "del", *rule)
