"""Pods, nodes, racks and Services that change, typed with kubectl; clients count every answer meanwhile."""

import json
import re
import time
from collections import Counter
from datetime import datetime

import pytest
from lab.api import Api, in_parallel
from lab.control_plane import FAST_ENDPOINTS, FAST_NODES
from lab.fabric import NODE_AS, VIP
from lab.installed import CONTROLLER_USER, SPEAKER_USER, backends
from lab.net import wait_until
from lab.router import Neighbor
from lab.traffic import Traffic
from lab.workloads import service
from watch import ALL, DOCUMENTED, PREFIX, routes_unchanged, traffic, unharmed

RACK = "openelb.kubesphere.io/rack"
DRAIN_NODE = "network.kubesphere.io/drain"
EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"
WITHOUT_WORKER1 = DOCUMENTED | {"leaf1": {"192.168.0.3"}}
OPEN = 0.2  # seconds that a connection is open at most, on a busy machine
DRAIN = 4  # seconds that a Pod serves after its deletion: readiness and grace as they should be, on a busy machine
MANY = 300
FLAGS = (FAST_NODES, FAST_ENDPOINTS)


@pytest.fixture
def lab(documented):
    """Takes away what the test added, then waits for the documented state."""
    yield documented
    documented.kubectl("delete", "services,deployments", "--wait=false",
                       "--field-selector=metadata.name!=kubernetes,metadata.name!=bgp-svc,metadata.name!=bgp-openelb")
    documented.kubectl("label", "nodes", "worker1", f"{RACK}-", f"{EXCLUDE}-")
    documented.kubectl("annotate", "nodes", "worker1", f"{DRAIN_NODE}-")
    documented.wait_documented()


def ours(name, app=None, policy="Cluster", pool="bgp-eip", **spec):
    return service(name, app, policy, {"lb.kubesphere.io/v1alpha1": "openelb",
                                       "eip.openelb.kubesphere.io/v1alpha2": pool}, **spec)


def address_of(lab, name):
    return wait_until(lambda: lab.ips(name), what=f"{name}: an address")[0]


def serve_local(lab, name, nodes, app=None, drain=DRAIN):
    """A Service of policy Local with a Pod on each of the nodes; its address."""
    if app is None:
        lab.apply(backends(name, nodes, drain=drain, grace=drain + 3))
    lab.apply(ours(name, app, "Local"))
    lab.wait_rollout(f"deployment/{app or name}")
    return address_of(lab, name)


def hops_of(nodes):
    """What the leaves should hold for Pods on some of the three nodes."""
    leaf1 = {"master1": "192.168.0.3", "worker1": "192.168.0.4"}
    return {"leaf1": {leaf1[node] for node in nodes if node in leaf1},
            "leaf2": {"192.168.1.2"} if "worker-p002" in nodes else set()}


def nothing_lost(lab, client, ip=VIP):
    """No request begun after a change of routes, or well before it. A connection that is open while routers move it
    to another node is reset there: nobody who balances by routes can keep it."""
    client.settle()
    seen = client.count()
    changes = sorted((at, router, kind, sorted(hops)) for router in lab.routers
                     for at, kind, hops in lab.recorders[router].events(ip + "/32"))
    lost = [at for at in seen.lost if not any(0 <= change[0] - at < OPEN for change in changes)]
    assert not lost, "\n  ".join([f"{len(lost)} of {seen.total} requests lost: {lost}",
                                  *(f"{at:.3f} lost: {why}" for at, why in zip(seen.lost, seen.why)), *map(str, changes)])


# -- Pods --


def test_local_follows_a_pod_that_moves_and_loses_nothing(lab):
    ip = serve_local(lab, "moving", ["worker1"])
    lab.wait_next_hops(hops_of(["worker1"]), ip + "/32")
    with traffic(lab, {"worker1"}, address=ip) as client:
        for node in ("worker-p002", "master1"):
            lab.apply(backends("moving", [node], drain=DRAIN, grace=DRAIN + 3))
            lab.wait_rollout("deployment/moving")
            lab.wait_next_hops(hops_of([node]), ip + "/32")
            client.wait_flow({node})
        nothing_lost(lab, client, ip)


def test_local_follows_a_rollout_under_load_and_loses_nothing(lab):
    ip = serve_local(lab, "rolling", ["worker1", "worker-p002"])
    with traffic(lab, {"worker1", "worker-p002"}, address=ip) as client:
        before = {pod["metadata"]["name"] for pod in lab.get("pods", selector="app=rolling")}
        lab.kubectl("rollout", "restart", "deployment/rolling")
        lab.wait_rollout("deployment/rolling")

        def renewed():
            pods = lab.get("pods", selector="app=rolling")
            return {pod["spec"]["nodeName"] for pod in pods} if before.isdisjoint(
                pod["metadata"]["name"] for pod in pods) else None
        nodes = wait_until(renewed, what="the old Pods are gone")
        lab.wait_next_hops(hops_of(nodes), ip + "/32")
        client.wait_flow(nodes)
        nothing_lost(lab, client, ip)


# -- nodes --


def test_cordon_moves_nothing(lab):
    with routes_unchanged(lab, settle=0.5):
        lab.kubectl("cordon", "worker1")
        lab.kubectl("uncordon", "worker1")


def test_drain_takes_the_pods_away_and_leaves_the_node_a_next_hop(lab):
    """Policy Local goes with the Pod, policy Cluster stays: a cordoned node forwards."""
    ip = serve_local(lab, "drained", ["worker1", "worker-p002"], app="bgp-openelb")
    lab.wait_next_hops(hops_of(["worker1", "worker-p002"]), ip + "/32")
    try:
        with traffic(lab) as cluster, traffic(lab, {"worker1", "worker-p002"}, address=ip) as local:
            since = time.time()
            lab.kubectl("drain", "worker1", "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=40s")
            assert not [event for router in lab.routers for event in lab.recorders[router].events(PREFIX, since)]
            lab.wait_next_hops(hops_of(["worker-p002"]), ip + "/32")
            local.wait_flow({"worker-p002"})
            lab.kubectl("uncordon", "worker1")
            lab.wait_next_hops(hops_of(["worker1", "worker-p002"]), ip + "/32", timeout=20)
            local.wait_flow({"worker1", "worker-p002"})
            nothing_lost(lab, local, ip)
            nothing_lost(lab, cluster)
    finally:
        lab.kubectl("uncordon", "worker1")


def test_node_not_ready_leaves_the_next_hops_and_comes_back(lab):
    with traffic(lab) as client:
        with routes_unchanged(lab, "leaf2"):
            lab.nodes["worker1"].kill_kubelet()
            try:
                lab.wait_next_hops(WITHOUT_WORKER1, timeout=20)
                assert lab.ready("worker1") == "Unknown"
                client.wait_flow(ALL - {"worker1"})
            finally:
                lab.nodes["worker1"].start_kubelet()
            lab.wait_documented()
        client.wait_flow(ALL)
        nothing_lost(lab, client)


def test_node_added_and_removed(lab):
    """It carries no label: its address says its rack."""
    with traffic(lab) as client, routes_unchanged(lab, "leaf2"):
        lab.add_node("worker2", "192.168.0.5", "10.233.67.0/24")
        try:
            lab.wait_next_hops(DOCUMENTED | {"leaf1": {"192.168.0.3", "192.168.0.4", "192.168.0.5"}})
            client.wait_flow(ALL | {"worker2"})
        finally:
            lab.remove_node("worker2")
        lab.wait_documented()
        client.wait_flow(ALL)


def test_node_added_with_a_label_gets_a_speaker(lab):
    lab.routers["leaf2"].set_neighbor(Neighbor("192.168.1.3", NODE_AS))
    with routes_unchanged(lab, "leaf1"):
        lab.add_node("worker3", "192.168.1.3", "10.233.68.0/24")
        try:
            lab.wait_nodes("worker3")
            lab.kubectl("label", "node", "worker3", f"{RACK}=leaf2", "lb.kubesphere.io/v1alpha1=openelb")
            wait_until(lambda: lab.routers["leaf2"].established("192.168.1.3"), 20)
            lab.wait_next_hops(DOCUMENTED | {"leaf2": {"192.168.1.2", "192.168.1.3"}})
        finally:
            lab.remove_node("worker3")
            lab.routers["leaf2"].remove_neighbor("192.168.1.3")
        lab.wait_documented()


def test_exclusion_label_acts_at_once_and_loses_nothing(lab):
    with traffic(lab) as client, routes_unchanged(lab, "leaf2"):
        lab.kubectl("label", "node", "worker1", f"{EXCLUDE}=")
        lab.wait_next_hops(WITHOUT_WORKER1)
        client.wait_flow(ALL - {"worker1"})
        lab.kubectl("label", "node", "worker1", f"{EXCLUDE}-")
        lab.wait_documented()
        client.wait_flow(ALL)
        nothing_lost(lab, client)


def test_a_node_is_drained_and_comes_back(lab):
    """As the README has it."""
    with traffic(lab) as client, routes_unchanged(lab, "leaf2"):
        since = time.time()
        lab.kubectl("annotate", "node", "worker1", f"{DRAIN_NODE}=true")
        lab.wait_next_hops(WITHOUT_WORKER1, timeout=25)
        wait_until(lambda: {"Draining", "Drained"} <= set(lab.kubectl(
            "get", "events", "--field-selector", "involvedObject.name=worker1", "-o", "jsonpath={.items[*].reason}").split()))
        client.wait_flow(ALL - {"worker1"})
        lab.kubectl("annotate", "node", "worker1", f"{DRAIN_NODE}-")
        lab.wait_documented()
        client.wait_flow(ALL)
        unharmed(client, since)


# -- racks and peers --


def test_rack_label_moves_a_node_at_once(lab):
    leaf2 = lab.routers["leaf2"]
    leaf2.accept_any_next_hop()  # from now on: the label is the operator's word that it reaches the node
    for rack, leaf1, paths in (("=leaf2", {"192.168.0.3"}, 2), ("-", DOCUMENTED["leaf1"], 1)):
        lab.kubectl("label", "node", "worker1", RACK + rack)
        lab.routers["leaf1"].wait_kernel(PREFIX, leaf1)
        wait_until(lambda: leaf2.sessions()["192.168.1.2"].prefixes == paths)
    lab.wait_documented()


def test_nodes_without_a_rack_are_named(lab):
    """No node has leaf1's label any more, so no address says that a node belongs there."""
    with routes_unchanged(lab, "leaf2"):
        lab.kubectl("label", "node", "master1", f"{RACK}-")
        try:
            found = wait_until(lambda: lab.condition("bgpconf", "default", "NoRack"), what="a condition")
            assert re.fullmatch("node master1: the node has no rack .*; node worker1: the node has no rack .*", found["message"])
        finally:
            lab.kubectl("label", "node", "master1", f"{RACK}=leaf1")
        lab.wait_documented(timeout=20)
        wait_until(lambda: not lab.condition("bgpconf", "default", "NoRack"), what="no condition any more")


def test_node_selector_of_a_peer_acts_at_once(lab):
    with routes_unchanged(lab, "leaf2"):
        for rack, hops in (("elsewhere", set()), ("leaf1", DOCUMENTED["leaf1"])):
            lab.patch("bgppeer", "leaf1", {"spec": {"nodeSelector": {"matchLabels": {RACK: rack}}}})
            lab.wait_next_hops(DOCUMENTED | {"leaf1": hops})


def test_a_rack_with_one_speaker_lacks_redundancy(lab):
    """As documented each rack has one. A second one, placed by its label, mends that for as long as it is there."""
    def lacking():
        found = lab.condition("bgpconf", "default", "RackWithoutRedundancy")
        return set(re.findall(r'rack "(\w+)" has one ready speaker, on node ([\w-]+): ', found["message"] if found else ""))

    def ready(rack):
        return lab.metric(lab.leader(), f'openelb_rack_speakers{{rack="{rack}",state="ready"}}')
    leaf1, leaf2 = ("leaf1", "master1"), ("leaf2", "worker-p002")
    wait_until(lambda: lacking() == {leaf1, leaf2}, 45, what="a condition that names both racks")
    told = set(lab.events("BgpConf", "default", "RackWithoutRedundancy"))  # a new leader says it again
    assert len(told) == 2 and all("let a speaker run on a second node" in message for message in told)
    assert (ready("leaf1"), ready("leaf2")) == (1, 1)
    lab.routers["leaf1"].set_neighbor(Neighbor("192.168.0.4", NODE_AS))
    try:
        lab.kubectl("label", "node", "worker1", f"{RACK}=leaf1", "lb.kubesphere.io/v1alpha1=openelb")
        wait_until(lambda: lab.routers["leaf1"].established("192.168.0.4"), 20)
        wait_until(lambda: lacking() == {leaf2}, 15, what="a condition that names leaf2 alone")
        assert set(lab.events("BgpConf", "default", "RackRedundant")) == {'rack "leaf1" has 2 ready speakers'}
        assert (ready("leaf1"), ready("leaf2")) == (2, 1)
    finally:
        lab.kubectl("label", "node", "worker1", f"{RACK}-", "lb.kubesphere.io/v1alpha1-")
        wait_until(lambda: lab.speaker("worker1") is None, 30, what="no speaker on worker1")
        lab.routers["leaf1"].remove_neighbor("192.168.0.4")
    wait_until(lambda: lacking() == {leaf1, leaf2}, 60, what="a condition that names both racks again")
    assert ready("leaf1") == 1


# -- Services --


def test_two_services_on_one_address_are_told_apart_by_their_ports(lab):
    second = ours("second", "second", loadBalancerIP="172.22.0.2", ports=[
        {"name": "other", "port": 81, "targetPort": "http"}])
    lab.apply(backends("second", ["master1"]))
    lab.wait_rollout("deployment/second")
    with traffic(lab) as client, routes_unchanged(lab):
        lab.apply(second)
        wait_until(lambda: lab.ips("second") == ["172.22.0.2"])
        other = Traffic(lab["client"], "172.22.0.2", port=81, role="client-81")
        try:
            other.wait_flow(ALL)
            lab.kubectl("delete", "service", "second")  # returns when the finalizer is gone
        finally:
            other.stop()
        nothing_lost(lab, client)


def test_many_services_at_once(lab):
    """Each gets an address of its own and its routes, its status first; the API server gets three calls for each at
    most."""
    lab.apply({"apiVersion": "network.kubesphere.io/v1alpha2", "kind": "Eip", "metadata": {"name": "many"},
               "spec": {"address": "172.23.0.0/22"}})
    wait_until(lambda: lab.status("eip", "many").get("poolSize"))
    plane, services = lab.control_plane, "/api/v1/namespaces/default/services"
    api = Api(plane)
    began = time.time()
    in_parallel(plane, 8, range(MANY), lambda api, number: api.ask(
        "POST", services, ours(f"many-{number}", "bgp-openelb", pool="many")))

    def addresses():
        found = {item["metadata"]["name"]: item["status"]["loadBalancer"]["ingress"][0]["ip"]
                 for item in api.ask("GET", services)["items"]
                 if item["metadata"]["name"].startswith("many-") and item["status"]["loadBalancer"].get("ingress")}
        return found if len(found) == MANY else None
    found = wait_until(addresses, 60, interval=0.2, what=f"{MANY} addresses")
    assert len(set(found.values())) == MANY
    expected = set(found.values())
    for leaf, hops in DOCUMENTED.items():
        wait_until(lambda: expected <= routes_via(lab[leaf], hops), 60, interval=0.2, what=f"{leaf}: {MANY} routes")
    shown = statuses_since(plane, began)
    for leaf in DOCUMENTED:
        routes = {}
        for prefix, at, kind, _ in lab.recorders[leaf].changes(began):
            routes.setdefault(prefix, at if kind == "add" else 0)
        early = {name: routes[address] - shown[name] for name, address in found.items()
                 if routes[address] < shown[name]}
        assert not early, f"{leaf} had routes before the API server was told of statuses: {early}"
    calls = calls_since(plane, began)
    assert SPEAKER_USER not in {user for user, _ in calls}
    for_services = {what: count for (user, what), count in calls.items()
                    if user == CONTROLLER_USER and what in ("services", "services/status", "events")}
    assert sum(for_services.values()) <= 3 * MANY, calls
    assert calls[CONTROLLER_USER, "eips/status"] <= time.time() - began + 2, calls
    in_parallel(plane, 8, found, lambda api, name: api.ask("DELETE", f"{services}/{name}"))
    for leaf in DOCUMENTED:
        wait_until(lambda: not expected & routes_via(lab[leaf]), 60, interval=0.2, what=f"{leaf}: no route left")
    wait_until(lambda: not [item for item in api.ask("GET", services)["items"]
                            if item["metadata"]["name"].startswith("many-")], 60, interval=0.2)
    lab.kubectl("delete", "eip", "many", "--timeout=10s")


def routes_via(host, hops=None):
    """The addresses that a host's kernel has a BGP route to, via exactly these next hops (any, by default)."""
    found = set()
    for route in json.loads(host.exec("ip", "-j", "route", "show", "proto", "bird")):
        via = {hop["gateway"] for hop in route.get("nexthops", [route]) if "gateway" in hop}
        if hops is None or via == hops:
            found.add(route["dst"])
    return found


def statuses_since(plane, began):
    """{Service: seconds since the epoch} when the API server received the first write of its status that it took, from the
    audit log. When it was done is noted there after the writer has its answer, on a busy machine long after."""
    first = {}
    for event in plane.audited(CONTROLLER_USER):
        what = event.get("objectRef", {})
        written = (what.get("resource"), what.get("subresource")) == ("services", "status")
        if written and event["stage"] == "ResponseComplete" and event["responseStatus"]["code"] == 200:
            at = datetime.fromisoformat(event["requestReceivedTimestamp"]).timestamp()
            if at >= began:
                first.setdefault(what["name"], at)
    return first


def calls_since(plane, began):
    """{(user, "resource/subresource"): number of requests}, from the audit log."""
    since = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(began))
    counts = Counter()
    for event in plane.audited():
        if event["requestReceivedTimestamp"] >= since and event["stage"] == "ResponseComplete":
            what = event.get("objectRef", {})
            resource = "/".join(filter(None, (what.get("resource"), what.get("subresource"))))
            counts[event["user"]["username"], resource] += 1
    return counts
