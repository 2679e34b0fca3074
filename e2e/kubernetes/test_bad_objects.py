"""Objects edited as nobody should: one clear Event or condition, nothing else disturbed, nothing left over.

Lost requests are not counted: kube-proxy rewrites its rules with every Service and follows each status at once, and
answers late on a busy machine. Routes are."""

import contextlib
import json

import pytest
from faults import (OPENELB, assert_writers, drop, kill, openelb_service, serve_new, suspended, unharmed,
                    wait_attached, wait_served, without_webhooks)
from lab.fabric import VIP
from lab.net import wait_until
from watch import DOCUMENTED

POOL = {"apiVersion": "network.kubesphere.io/v1alpha2", "kind": "Eip"}
BY_HAND = "finalizer.lb.kubesphere.io/v1alpha1"
NOWHERE = {"leaf1": set(), "leaf2": set()}


@pytest.fixture
def lab(documented):
    """In the end one Service has one address, as in the beginning: nothing leaked, nothing is Terminating."""
    wait_attached(documented)
    yield documented
    wait_until(lambda: [s["metadata"]["name"] for s in documented.get("services")] == ["bgp-svc", "kubernetes"], 10)
    wait_until(lambda: documented.status("eip", "bgp-eip")["used"] == {VIP: "default/bgp-svc"}, 10,
               what="the Eip's one address in use")
    assert_writers(documented)


def eip(name, address, **spec):
    return {**POOL, "metadata": {"name": name}, "spec": {"address": address, **spec}}


def show(lab, name, *ips):
    """Writes a Service's status by hand."""
    lab.patch("service", name, {"status": {"loadBalancer": {"ingress": [{"ip": ip} for ip in ips]}}},
              subresource="status")


@contextlib.contextmanager
def without_schema(lab, crd):
    """The API server takes anything as an object of that kind."""
    shipped = lab.get("crd", crd)
    spec = json.loads(json.dumps(shipped["spec"]))
    for version in spec["versions"]:
        version["schema"] = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    lab.patch("crd", crd, {"spec": spec})
    with without_webhooks(lab):
        try:
            yield
        finally:
            lab.patch("crd", crd, {"spec": shipped["spec"]})


def test_statuses_edited_by_hand_are_put_back(lab):
    with unharmed(lab, loses=None):  # kube-proxy follows the status at once
        for wrong in ([], ["172.22.0.9"], [VIP, "172.22.0.9"], ["192.0.2.1"]):
            show(lab, "bgp-svc", *wrong)
            wait_until(lambda: lab.ips("bgp-svc") == [VIP], 5, what=f"the status without {wrong}")
        used = lab.status("eip", "bgp-eip")["used"]
        lab.patch("eip", "bgp-eip", {"status": {"usage": 7, "used": {"172.22.0.8": "a/b"}, "poolSize": 1}},
                  subresource="status")
        wait_until(lambda: lab.status("eip", "bgp-eip")["used"] == used
                   and lab.status("eip", "bgp-eip")["usage"] == 1
                   and lab.status("eip", "bgp-eip")["poolSize"] == 9, 5, what="the Eip's status")
        lab.patch("bgppeer", "leaf1", {"status": {"nodesPeerStatus": None}}, subresource="status")
        wait_until(lambda: "master1" in lab.status("bgppeer", "leaf1")["nodesPeerStatus"], 5)


def test_marks_removed_by_hand_are_put_back(lab):
    with unharmed(lab, loses=None):
        lab.patch("service", "bgp-svc", {"metadata": {
            "finalizers": None, "labels": {"eip.openelb.kubesphere.io/v1alpha2": None}}})
        wait_until(lambda: lab.get("service", "bgp-svc")["metadata"].get("finalizers") == [BY_HAND]
                   and lab.get("service", "bgp-svc")["metadata"]["labels"]
                   == {"eip.openelb.kubesphere.io/v1alpha2": "bgp-eip"}, 5, what="label and finalizer")


def test_deleted_with_its_finalizer_removed(lab):
    with unharmed(lab, loses=None):
        address, _ = serve_new(lab, "stripped")
        with suspended(lab):
            lab.kubectl("delete", "service", "stripped", "--wait=false")
            lab.patch("service", "stripped", {"metadata": {"finalizers": None}})
        lab.wait_next_hops(NOWHERE, f"{address}/32")
        again, _ = serve_new(lab, "next")
        assert again == address
    drop(lab, "next")


def test_duplicate_addresses_left_by_another_implementation(lab):
    """The older keeps it, the younger gets another one; and so at the start of a controller."""
    with unharmed(lab, loses=None):
        for name in ("older", "younger"):
            lab.apply({**openelb_service(name), "metadata": {"name": name}})
            show(lab, name, "172.22.0.7")
        for name in ("older", "younger"):
            lab.patch("service", name, {"metadata": {"annotations": OPENELB}})
        wait_until(lambda: lab.ips("older") != lab.ips("younger"), 10, what="two addresses")
        assert wait_served(lab, "older")[0] == "172.22.0.7"
        other, _ = wait_served(lab, "younger")
        with suspended(lab):
            show(lab, "younger", "172.22.0.7")
            for pod in lab.controllers():
                kill(lab, pod)
        wait_until(lambda: lab.ips("older") == ["172.22.0.7"] and lab.ips("younger") not in ([], ["172.22.0.7"]), 30)
        assert wait_served(lab, "younger")[0] == other  # what speakers announce is what it has
    drop(lab, "older", "younger")


def test_status_of_a_foreign_class_is_not_touched(lab):
    with unharmed(lab, loses=None):
        lab.apply(openelb_service("foreign", loadBalancerClass="example.com/other"))
        show(lab, "foreign", VIP)
        serve_new(lab, "ours")
        assert lab.ips("foreign") == [VIP]
        assert "finalizers" not in lab.get("service", "foreign")["metadata"]
    drop(lab, "ours")
    lab.kubectl("delete", "service", "foreign", "--timeout=10s")


def test_eip_deleted_in_use(lab):
    """It gives nothing new, keeps what it gave, and goes with its last Service."""
    lab.apply(eip("leaving", "172.22.1.1-172.22.1.4"))
    named = {**OPENELB, "eip.openelb.kubesphere.io/v1alpha2": "leaving"}
    with unharmed(lab, loses=None):
        lab.apply({**openelb_service("holder"), "metadata": {"name": "holder", "annotations": named}})
        address, _ = wait_served(lab, "holder")
        lab.kubectl("annotate", "eip", "leaving", "network.kubesphere.io/force-delete=true")
        lab.kubectl("delete", "eip", "leaving", "--wait=false")
        lab.apply({**openelb_service("late"), "metadata": {"name": "late", "annotations": named}})
        wait_until(lambda: lab.events("Service", "late", "AssignIPFailed"), 10, what="an Event that says why not")
        assert lab.condition("service", "late", "AddressPending")
        lab.wait_next_hops(DOCUMENTED, f"{address}/32")
        lab.kubectl("delete", "service", "holder", "late", "--timeout=10s")
        lab.wait_next_hops(NOWHERE, f"{address}/32")
        wait_until(lambda: [e["metadata"]["name"] for e in lab.get("eips")] == ["bgp-eip"], 10, what="the Eip is gone")


def test_eip_shrunk_in_use(lab):
    """Who is outside then is served anew, with an Event; who is inside is not moved."""
    lab.apply(eip("shrinking", "172.22.2.1-172.22.2.4"))
    named = {**OPENELB, "eip.openelb.kubesphere.io/v1alpha2": "shrinking"}
    asked = {**named, "eip.openelb.kubesphere.io/v1alpha1": None}
    with unharmed(lab, loses=None):
        for name, address in (("inside", "172.22.2.1"), ("outside", None)):
            lab.apply({**openelb_service(name), "metadata": {"name": name, "annotations": {
                k: v for k, v in {**asked, "eip.openelb.kubesphere.io/v1alpha1": address}.items() if v}}})
            wait_served(lab, name)
        assert lab.ips("outside") == ["172.22.2.2"]
        with without_schema(lab, "eips.network.kubesphere.io"):
            def shrink():
                lab.patch("eip", "shrinking", {"spec": {"address": "172.22.2.1"}})
                return True
            wait_until(shrink, 10, interval=0.3, what="the schema is off")
            lab.wait_next_hops(NOWHERE, "172.22.2.2/32")
            lab.wait_next_hops(DOCUMENTED, "172.22.2.1/32")
            wait_until(lambda: lab.ips("outside") == [], 5)
            wait_until(lambda: lab.condition("service", "outside", "AddressPending"), 5)
            lab.patch("eip", "shrinking", {"spec": {"address": "nonsense"}})
            said = wait_until(lambda: lab.events("Eip", "shrinking", "Refused"), 10, what="an Event")
            assert "spec.address" in said[0] and "nonsense" in said[0]
            lab.wait_next_hops(DOCUMENTED, "172.22.2.1/32")
            lab.patch("eip", "shrinking", {"spec": {"address": "172.22.2.1-172.22.2.4"}})
            wait_served(lab, "outside")
    drop(lab, "inside", "outside")
    lab.kubectl("delete", "eip", "shrinking", "--timeout=10s")


@pytest.mark.parametrize("kind, name, wrong, says", [
    ("Eip", "bgp-eip", {"address": "nonsense"}, ("spec.address", "nonsense")),
    ("BgpConf", "default", {"listenPort": 70000}, ("spec.listenPort", "70000")),
    ("BgpPeer", "leaf1", {"conf": {"peerAs": -5}}, ("spec.conf.peerAs", "-5")),
], ids=["eip", "bgpconf", "bgppeer"])
def test_refused_object_says_so_while_it_is(lab, kind, name, wrong, says):
    """Its last good state stays in force, and nobody else is concerned."""
    shown = lab.get(kind, name)
    every = {"Eip": ["bgp-eip"], "BgpConf": ["default"], "BgpPeer": ["leaf1", "leaf2"]}

    def refused():
        return [which for other, names in every.items() for which in names if lab.condition(other, which, "Refused")]
    with unharmed(lab, loses=None), without_schema(lab, f"{kind.lower()}s.network.kubesphere.io"):
        def write():
            lab.patch(kind, name, {"spec": wrong})
            return True
        wait_until(write, 10, interval=0.3, what="the schema is off")
        found = wait_until(lambda: lab.condition(kind, name, "Refused"), 10, what="a condition")
        assert all(word in found["message"] for word in says), found
        assert found["observedGeneration"] == lab.get(kind, name)["metadata"]["generation"]
        wait_until(lambda: lab.events(kind, name, "Refused") == [found["message"]], 10, what="an Event")
        serve_new(lab, "meanwhile")
        drop(lab, "meanwhile")
        assert refused() == [name]
        lab.patch(kind, name, {"spec": {key: shown["spec"][key] for key in wrong}})
        wait_until(lambda: refused() == [], 10, what="no condition any more")


def test_service_that_flips(lab):
    """Type, class, opt-in and pool, faster than anybody follows: what it asks for last is what it gets."""
    lab.apply(eip("other", "172.22.3.1-172.22.3.4"))
    with unharmed(lab, loses=None):
        serve_new(lab, "flip")
        for pool in ("other", "bgp-eip") * 4:
            lab.patch("service", "flip", {"metadata": {"annotations": {"eip.openelb.kubesphere.io/v1alpha2": pool}}})
        wait_until(lambda: lab.ips("flip")[0].startswith("172.22.0."), 10)
        for kind in ("ClusterIP", "LoadBalancer") * 4:
            lab.patch("service", "flip", {"spec": {"type": kind}})
        wait_served(lab, "flip")
        for brand in (None, "openelb", "metallb", "openelb", None):
            lab.patch("service", "flip", {"metadata": {"annotations": {"lb.kubesphere.io/v1alpha1": brand}}})
        wait_until(lambda: lab.ips("flip") == [] and "finalizers" not in lab.get("service", "flip")["metadata"], 10,
                   what="nothing of ours is left on it")
        lab.patch("service", "flip", {"spec": {"type": "ClusterIP"}})
        lab.patch("service", "flip", {"spec": {"type": "LoadBalancer",
                                               "loadBalancerClass": "network.kubesphere.io/openelb"}})
        wait_served(lab, "flip")
        assert lab.status("eip", "other")["usage"] == 0
    drop(lab, "flip")
    lab.kubectl("delete", "eip", "other", "--timeout=10s")


def test_namespace_deleted_whole(lab):
    with unharmed(lab, loses=None):
        lab.kubectl("create", "namespace", "doomed")
        services = [openelb_service(f"doomed-{n}") for n in range(5)]
        for each in services:
            each["metadata"]["namespace"] = "doomed"
        lab.apply(*services)
        wait_until(lambda: lab.status("eip", "bgp-eip")["usage"] == 6, 10)
        held = [address for address in lab.status("eip", "bgp-eip")["used"] if address != VIP]
        lab.kubectl("delete", "namespace", "doomed", "--timeout=30s")
        for address in held:
            lab.wait_next_hops(NOWHERE, f"{address}/32")
