"""What the API server let us do, from its audit log: nothing was denied, and every right was used.

The API server of this cluster does not stream lists, as older ones do not: so lists are read as well.
"""

import contextlib
import json
import re
import time
from urllib.parse import parse_qs, urlsplit

import pytest
from faults import openelb_service
from lab.control_plane import API_SERVER, FAST_NODES
from lab.installed import CONTROLLER, CONTROLLER_USER, NAMESPACE, SPEAKER
from lab.net import Host, wait_until

FLAGS = (FAST_NODES, {API_SERVER: ["--feature-gates=WatchList=false"]})
DAMAGED = (("secret", "openelb-controller-tls", "tls.crt"), ("configmap", "openelb-controllers", "endpoints"))
BRAND = "lb.kubesphere.io/v1alpha1"
MARK = "test.openelb.io/mark"
RESTORED = {("get", "openelbs")}  # an etcd that was put back may lack our last write; nothing else asks for one
LARGE = 30_000  # bytes, more than anything else that a watch brings meanwhile


@pytest.fixture(scope="module")
def audit(documented):
    """Does what uses the rarer rights, then reads the log."""
    for kind, name, key in DAMAGED:
        documented.patch(kind, name, {"data": {key: ""}}, NAMESPACE)
    for kind in ("ClusterIP", "LoadBalancer"):
        more = {"externalTrafficPolicy": None} if kind == "ClusterIP" else {}
        documented.patch("service", "bgp-svc", {"spec": {"type": kind} | more})
        wait_until(lambda: bool(documented.ips("bgp-svc")) == (kind == "LoadBalancer"))
    wait_until(lambda: repeated(documented), what="one Event, twice")
    for kind, name, key in DAMAGED:
        wait_until(lambda: documented.get(kind, name, NAMESPACE)["data"][key], 45, 0.5, f"{name} as it was")
    meet_newer_states(documented)
    operate(documented)
    assert documented.metrics(documented.leader())
    return documented


def operate(cluster):
    """An OpenELB object makes the DaemonSet and rolls its Pods."""
    def told(kind):
        found = cluster.status("openelbs", "default").get("conditions") or []
        return next((c["reason"] for c in found if c["type"] == kind), None)
    cluster.kubectl("-n", NAMESPACE, "delete", "daemonset", SPEAKER, "--cascade=orphan")
    cluster.apply({"apiVersion": "network.kubesphere.io/v1alpha2", "kind": "OpenELB", "metadata": {"name": "default"},
                   "spec": {"speaker": {"nodeSelector": {BRAND: "openelb"}}}})
    wait_until(lambda: told("Progressing") == "RolledOut", 30, what="a DaemonSet of the controller's own")
    cluster.patch("openelbs", "default", {"spec": {"speaker": {"logLevel": "debug"}}})
    wait_until(lambda: told("Progressing") == "Rolling", 30, what="a roll")
    wait_until(lambda: told("Progressing") == "RolledOut", 60, what="the end of the roll")


def meet_newer_states(cluster):
    """An object changes and its watch is late: our write meets a conflict, and only a GET tells the newer state."""
    cluster.apply(pool("held", "172.22.8.0/24"))
    wait_until(lambda: cluster.status("eip", "held").get("poolSize"))
    with late(cluster, ("eip", "held")):
        cluster.apply(from_pool("of-held", "held"))
        wait_until(lambda: finalizers(cluster, "eip", "held"), 20, what="an Eip's finalizer in spite of the conflict")
    cluster.apply(from_pool("asking", "missing"))
    wait_until(lambda: cluster.condition("service", "asking", "AddressPending"))
    with late(cluster, ("service", "asking")):
        cluster.apply(pool("missing", "172.22.9.0/24"))
        wait_until(lambda: cluster.ips("asking"), 20, what="an address in spite of the conflict")
    both = (("bgpconf", "default"), ("bgppeer", "leaf1"))
    for _ in range(4):
        cluster.set_speaker_nodes(**{BRAND: "nobody"})
        wait_until(lambda: not any(finalizers(cluster, *which) for which in both), 60, 0.2, "both without a speaker")
        with late(cluster, *both):
            cluster.set_speaker_nodes(**{BRAND: "openelb"})
            wait_until(lambda: all(finalizers(cluster, *which) for which in both), 60, 0.2, "both with finalizers again")
        # Speakers take seconds to come. A leader that waits for any answer meanwhile takes its watches up anew, and
        # meets no conflict.
        if {("get", "bgpconfs"), ("get", "bgppeers")} <= used(cluster):
            return


def at_rest(cluster, *objects):
    """Whether nobody changes them for longer than a status waits for the one before it."""
    def versions():
        return [cluster.get(*which)["metadata"]["resourceVersion"] for which in objects]
    before = versions()
    time.sleep(1.5)
    return versions() == before


@contextlib.contextmanager
def late(cluster, *objects):
    """The leader's watches of these objects' kinds bring nothing meanwhile, and each object has been changed since."""
    # The leader asks anew where a watch does not bring what it has written itself.
    wait_until(lambda: at_rest(cluster, *objects), 20, what="nothing more to write")
    leader = Host(cluster.run_dir, cluster.pod_host(cluster.leader()))
    ports = ", ".join(str(watch_port(cluster, leader, *which)) for which in objects)
    # What only acknowledges passes: the connections are alive.
    leader.exec("nft", "-f", "-", stdin="table inet late {\nchain in { type filter hook input priority 0; "
                f"tcp sport 443 tcp dport {{ {ports} }} meta length > 100 drop; }}\n}}\n")
    try:
        for which in objects:
            mark(cluster, *which, "late")
        yield
    finally:
        leader.exec("nft", "delete", "table", "inet", "late")


def watch_port(cluster, leader, kind, name):
    """The leader's end of its watch of a kind: the connection that brings much and asks for nothing."""
    before = traffic(leader)
    mark(cluster, kind, name, "x" * LARGE)

    def grown():
        return [port for port, (sent, received) in traffic(leader).items()
                if port in before and sent == before[port][0] and received > before[port][1] + LARGE]
    [port] = wait_until(grown, what=f"the leader's watch of {kind}s")
    return port


def traffic(host):
    """{port: (bytes sent, bytes received)} of a host's connections to the API server."""
    text = host.exec("ss", "-tniHO", "state", "established", "dport", "=", ":443")
    return {int(port): (int(sent), int(received)) for port, sent, received in re.findall(
        r":(\d+)\s+\S+:443\s.*?bytes_sent:(\d+).*?bytes_received:(\d+)", text)}


def mark(cluster, kind, name, text):
    cluster.patch(kind, name, {"metadata": {"annotations": {MARK: text}}})


def finalizers(cluster, kind, name):
    return cluster.get(kind, name)["metadata"].get("finalizers")


def pool(name, address):
    return {"apiVersion": "network.kubesphere.io/v1alpha2", "kind": "Eip", "metadata": {"name": name},
            "spec": {"address": address}}


def from_pool(name, pool_name):
    made = openelb_service(name)
    made["metadata"]["annotations"] = {BRAND: "openelb", "eip.openelb.kubesphere.io/v1alpha2": pool_name}
    return made


def repeated(cluster):
    events = json.loads(cluster.kubectl("get", "events", "--field-selector=reason=AssignIP", "-o", "json"))["items"]
    return len(events) == 1 and events[0]["count"] == 2


def test_nothing_was_denied_and_speakers_asked_for_nothing(audit):
    assert audit.control_plane.audited(CONTROLLER_USER) and audit.denied() == []


def used(cluster):
    """The rights of which the leader has made use so far: {(verb, resource)}."""
    found = set()
    for event in cluster.control_plane.audited(CONTROLLER_USER):
        what = event["objectRef"]
        resource = "/".join(filter(None, (what["resource"], what.get("subresource"))))
        found.add((event["verb"], resource))
        if event["verb"] == "patch" and event["responseStatus"]["code"] == 201:
            found.add(("create", resource))  # which it needs the right to
    return found


def test_every_right_was_used(audit):
    granted = {(verb, resource) for kind in ("clusterrole", "role")
               for rule in audit.get(kind, CONTROLLER, NAMESPACE)["rules"]
               for resource in rule["resources"] for verb in rule["verbs"]}
    assert sorted(granted - used(audit) - RESTORED) == []


def test_rights_bound_to_a_name_are_used_with_it(audit):
    """list and watch too: RBAC sees the name in the field selector."""
    for event in audit.control_plane.audited(CONTROLLER_USER):
        if event["objectRef"]["resource"] == "daemonsets" and event["verb"] in ("list", "watch"):
            [selector] = parse_qs(urlsplit(event["requestURI"]).query)["fieldSelector"]
            assert selector == "metadata.name=openelb-speaker"
