"""The pages on address assignment and sharing, and what users see on their objects."""

import json

import pytest
from lab.installed import SAMPLES
from lab.net import wait_until
from lab.workloads import service

OURS = {"lb.kubesphere.io/v1alpha1": "openelb"}
FINALIZER = "finalizer.lb.kubesphere.io/v1alpha1"
POOL_LABEL = "eip.openelb.kubesphere.io/v1alpha2"
CLASS = "network.kubesphere.io/openelb"


def eip(name, address, annotations=None, **spec):
    return {"apiVersion": "network.kubesphere.io/v1alpha2", "kind": "Eip",
            "metadata": {"name": name, "annotations": annotations or {}}, "spec": {"address": address, **spec}}


def named(pool, **more):
    return OURS | {POOL_LABEL: pool} | more


def wait_ip(cluster, name, *ips, namespace="default"):
    wait_until(lambda: cluster.ips(name, namespace) == list(ips) or None, 15,
               what=f"{namespace}/{name} has {ips}")


@pytest.fixture
def lab(cluster):
    """Takes away what the test applied: nothing may be held by a finalizer."""
    yield cluster
    for namespace in ("default", "namespace-1", "namespace-2", "namespace-3"):
        cluster.kubectl("-n", namespace, "delete", "services", "--field-selector=metadata.name!=kubernetes",
                        "--timeout=15s")
    cluster.kubectl("delete", "eips", "--all", "--timeout=15s")


# -- "OpenELB IP address assignment" --


def test_table_of_address_assignment(lab):
    """Who gets what: by name of the Eip, by address, and automatically by namespace, label, priority, default."""
    for name in ("namespaces", "eips", "services"):
        lab.kubectl("apply", "-f", SAMPLES / "ip-assignment" / f"{name}.yaml")
    wait_ip(lab, "automatic", "172.22.3.0", namespace="namespace-2")
    wait_ip(lab, "automatic", "172.22.1.0", namespace="namespace-3")
    wait_ip(lab, "by-annotation", "192.168.1.10", namespace="namespace-1")
    wait_ip(lab, "by-load-balancer-ip", "192.168.1.11", namespace="namespace-2")
    bound = wait_until(lambda: lab.ips("automatic", "namespace-1") + lab.ips("by-eip", "namespace-3"))
    wait_until(lambda: lab.status("eip", "eip-ns")["usage"] == 2)
    assert set(bound) == {"172.22.2.0", "172.22.2.1"}  # in the order in which the two were seen

    # The page's table: how many Eips are candidates, with the default one and without.
    lab.kubectl("-n", "namespace-3", "delete", "svc", "automatic")
    lab.kubectl("delete", "eip", "default-eip", "--timeout=10s")
    for namespace in ("namespace-1", "namespace-2", "namespace-3"):
        lab.kubectl("-n", namespace, "apply", "-f", "-", input=json.dumps(service("late", annotations=OURS)))
    wait_ip(lab, "late", "172.22.2.2", namespace="namespace-1")
    wait_ip(lab, "late", "172.22.3.1", namespace="namespace-2")
    wait_until(lambda: lab.events("Service", "late", "AssignIPFailed", "namespace-3"))
    assert lab.ips("late", "namespace-3") == []
    assert "<pending>" in lab.kubectl("-n", "namespace-3", "get", "svc", "late")
    assert lab.condition("service", "late", "AddressPending", "namespace-3")

    # It waits for an Eip that suits, and gets the address as soon as there is one.
    lab.apply(eip("again", "172.22.9.1", {"eip.openelb.kubesphere.io/is-default-eip": "true"}))
    wait_ip(lab, "late", "172.22.9.1", namespace="namespace-3")


def test_a_full_eip_serves_whoever_waits_once_an_address_is_free(lab):
    lab.apply(eip("one", "172.22.0.50"), service("first", annotations=named("one")))
    wait_ip(lab, "first", "172.22.0.50")
    lab.apply(service("second", annotations=named("one")))
    wait_until(lambda: lab.events("Service", "second", "AssignIPFailed"))
    wait_until(lambda: lab.status("eip", "one")["occupied"])  # statuses come within a second
    lab.kubectl("delete", "svc", "first")
    wait_ip(lab, "second", "172.22.0.50")


# -- "OpenELB IP sharing" --


def test_services_share_the_address_that_both_name(lab):
    lab.kubectl("apply", "-f", SAMPLES / "ip-sharing")
    wait_ip(lab, "web", "172.22.0.7")
    wait_ip(lab, "web-tls", "172.22.0.7")
    wait_until(lambda: lab.status("eip", "bgp-eip")["used"] == {"172.22.0.7": "default/web;default/web-tls"})
    assert lab.status("eip", "bgp-eip")["usage"] == 1
    lab.kubectl("delete", "svc", "web")
    wait_until(lambda: lab.status("eip", "bgp-eip")["used"] == {"172.22.0.7": "default/web-tls"})
    assert lab.ips("web-tls") == ["172.22.0.7"]


def test_a_port_that_is_taken_is_not_shared(lab):
    lab.kubectl("apply", "-f", SAMPLES / "ip-sharing")
    wait_ip(lab, "web", "172.22.0.7")
    wait_ip(lab, "web-tls", "172.22.0.7")
    lab.apply(service("clash", annotations=OURS, loadBalancerIP="172.22.0.7"))
    message = wait_until(lambda: lab.events("Service", "clash", "AssignIPFailed"))[0]
    assert "172.22.0.7" in message and lab.ips("clash") == []


# -- statuses and events --


def test_eip_as_documented(lab):
    lab.apply(eip("shown", "172.22.0.2-172.22.0.10"), service("web", annotations=named("shown")))
    wait_until(lambda: lab.status("eip", "shown").get("usage") == 1)
    status = lab.status("eip", "shown")
    [ready] = status.pop("conditions")
    assert status == {"firstIP": "172.22.0.2", "lastIP": "172.22.0.10", "occupied": False, "poolSize": 9, "ready": True,
                      "usage": 1, "used": {"172.22.0.2": "default/web"}, "v4": True}
    assert (ready["type"], ready["status"], ready["reason"]) == ("Ready", "True", "Usable")
    head, row = lab.kubectl("get", "eip", "shown").splitlines()
    assert head.split()[:4] == ["NAME", "CIDR", "USAGE", "TOTAL"]
    assert row.split()[:4] == ["shown", "172.22.0.2-172.22.0.10", "1", "9"]


def test_service_as_documented(lab):
    lab.apply(eip("shown", "172.22.0.2-172.22.0.10"), service("web", annotations=named("shown")))
    wait_ip(lab, "web", "172.22.0.2")
    found = lab.get("service", "web")
    assert found["metadata"]["labels"] == {POOL_LABEL: "shown"}
    assert found["metadata"]["finalizers"] == [FINALIZER]
    assert found["status"] == {"loadBalancer": {"ingress": [{"ip": "172.22.0.2", "ipMode": "VIP"}]}}
    wait_until(lambda: lab.events("Service", "web", "AssignIP"))
    said = [line.split(maxsplit=4) for line in lab.kubectl("describe", "svc", "web").splitlines() if "AssignIP" in line]
    assert [(word[0], word[1], word[3], word[4]) for word in said] == [
        ("Normal", "AssignIP", "OpenELBController", "success to assign ip: 172.22.0.2")]


# -- whose Service it is --


def test_the_class_opts_in_without_annotations(lab):
    lab.apply(eip("default", "172.22.0.60", {"eip.openelb.kubesphere.io/is-default-eip": "true"}),
              service("classed", loadBalancerClass=CLASS))
    wait_ip(lab, "classed", "172.22.0.60")


@pytest.mark.parametrize("name, annotations, spec", [
    ("class", OURS, {"loadBalancerClass": "example.com/other"}),
    ("annotation", {"lb.kubesphere.io/v1alpha1": "somebody"}, {}),
    ("none", {}, {})])
def test_services_of_others_are_never_touched(lab, name, annotations, spec):
    lab.apply(eip("default", "172.22.0.60-172.22.0.61", {"eip.openelb.kubesphere.io/is-default-eip": "true"}))
    lab.apply(service(name, annotations=annotations, **spec))
    lab.patch("service", name, {"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}}}, subresource="status")
    before = lab.get("service", name)
    lab.apply(service("ours", annotations=OURS))
    wait_until(lambda: lab.ips("ours"))  # whatever was to happen has happened
    assert lab.get("service", name) == before
    assert not [e for e in lab.control_plane.audited("system:serviceaccount:openelb-system:openelb-controller")
                if e["objectRef"].get("name") == name and e["verb"] not in ("list", "watch")]


def test_a_service_that_stops_being_ours_loses_only_what_we_wrote(lab):
    lab.apply(eip("shown", "172.22.0.2-172.22.0.10"), service("web", annotations=named("shown")))
    wait_ip(lab, "web", "172.22.0.2")
    lab.patch("service", "web", {"metadata": {"labels": {"mine": "yes"},
                                              "finalizers": [FINALIZER, "example.com/mine"]}})
    theirs = {"type": "example.com/Theirs", "status": "True", "reason": "R", "message": "", "lastTransitionTime":
              "2026-01-01T00:00:00Z"}
    lab.patch("service", "web", {"status": {"conditions": [theirs]}}, subresource="status")
    try:
        lab.kubectl("annotate", "svc", "web", "lb.kubesphere.io/v1alpha1-")
        wait_ip(lab, "web")
        found = wait_until(lambda: [s for s in [lab.get("service", "web")]
                                    if s["metadata"]["finalizers"] == ["example.com/mine"]])[0]
        assert found["metadata"]["labels"] == {"mine": "yes"}
        assert found["status"]["conditions"] == [theirs]
        wait_until(lambda: not lab.status("eip", "shown").get("used"))
    finally:
        lab.patch("service", "web", {"metadata": {"finalizers": []}})


def test_a_service_that_is_no_longer_a_load_balancer_is_free(lab):
    lab.apply(eip("shown", "172.22.0.2-172.22.0.10"), service("web", annotations=named("shown")))
    wait_ip(lab, "web", "172.22.0.2")
    lab.patch("service", "web", {"spec": {"type": "ClusterIP", "externalTrafficPolicy": None}})
    wait_until(lambda: "finalizers" not in lab.get("service", "web")["metadata"])
    assert "labels" not in lab.get("service", "web")["metadata"]
    assert lab.get("service", "web")["status"] == {"loadBalancer": {}}


def test_an_eip_in_use_waits_for_its_services(lab):
    lab.apply(eip("used", "172.22.0.2-172.22.0.10"), service("web", annotations=named("used")))
    wait_ip(lab, "web", "172.22.0.2")
    wait_until(lambda: lab.get("eip", "used")["metadata"].get("finalizers"))
    lab.kubectl("annotate", "eip", "used", "network.kubesphere.io/force-delete=true")
    lab.kubectl("delete", "eip", "used", "--wait=false")
    lab.kubectl("label", "svc", "web", "any=edit")
    assert lab.ips("web") == ["172.22.0.2"] and lab.get("eip", "used")["metadata"]["deletionTimestamp"]
    lab.kubectl("delete", "svc", "web", "--timeout=10s")
    lab.kubectl("wait", "--for=delete", "eip/used", "--timeout=10s")


def test_nothing_was_denied(cluster):
    assert cluster.denied() == []
