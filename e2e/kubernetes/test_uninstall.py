"""OpenELB taken out by the documented commands, with its Services still there: while it works, and after the namespace was
deleted first, so that no controller is left to let go of anything."""

import json
import os
import subprocess

import pytest
from lab.fabric import VIP
from lab.installed import BASE, NAMESPACE, ROOT, SAMPLES
from lab.net import wait_until
from lab.workloads import service

SCRIPT = ROOT / "config" / "uninstall.sh"
ON_NICS = "192.168.0.91"
OTHERS = "192.0.2.7"
CLUSTER_WIDE = "crds,clusterroles,clusterrolebindings,validatingwebhookconfigurations,mutatingwebhookconfigurations"
BESIDE = {"example.org/kept": "yes"}  # somebody else's label


@pytest.fixture
def lab(cluster):
    """The documented Service, one with an address on a NIC, one that waits for an address, and one of somebody else."""
    cluster.install()
    cluster.multi_router()
    for name in ("vip-eip", "vip-svc"):
        cluster.kubectl("apply", "-f", SAMPLES / "vip-quick-start" / f"{name}.yaml")
    cluster.patch("service", "vip-svc", {"spec": {"selector": {"app": "bgp-openelb"}}, "metadata": {
        "labels": BESIDE, "finalizers": ["example.org/kept", *cluster.get("service", "vip-svc")["metadata"].get("finalizers", [])]}})
    cluster.kubectl("label", "node", "worker1", "lb.kubesphere.io/v1alpha1=openelb")
    waits = service("waits", "bgp-openelb", annotations={
        "lb.kubesphere.io/v1alpha1": "openelb", "eip.openelb.kubesphere.io/v1alpha2": "no-such-eip"})
    foreign = service("foreign", "bgp-openelb")
    foreign["spec"]["loadBalancerClass"] = "example.org/other"
    cluster.apply(waits, foreign)
    cluster.patch("service", "foreign", {"status": {"loadBalancer": {"ingress": [{"ip": OTHERS}]}}}, subresource="status")
    wait_until(lambda: cluster.ips("vip-svc") == [ON_NICS], 20, what="an address of VIP mode")
    wait_until(lambda: on_nics(cluster), 20, what="the address on a NIC")
    wait_until(lambda: conditions(cluster, "waits"), 20, what="a condition")
    return cluster


def on_nics(lab):
    return {name for name in lab.nodes if f" {ON_NICS}/" in lab[name].exec("ip", "-o", "addr", "show", "dev", "eth0")}


def conditions(lab, name):
    return lab.get("service", name)["status"].get("conditions") or []


def uninstall(lab, *args):
    return lab.control_plane.host.exec("env", lab.control_plane.kubectl_path(), "sh", SCRIPT, *args)


def assert_nothing_left(lab):
    for name in ("bgp-svc", "vip-svc", "waits"):
        found = lab.get("service", name)
        assert lab.ips(name) == [] and conditions(lab, name) == [], found
        assert "lb.kubesphere" not in json.dumps(found["metadata"].get("finalizers", [])), found
        assert not any("openelb" in label for label in found["metadata"].get("labels", {})), found
    kept = lab.get("service", "vip-svc")["metadata"]
    assert kept["labels"] == BESIDE and kept["finalizers"] == ["example.org/kept"]
    assert lab.ips("foreign") == [OTHERS]
    wait_until(lambda: lab.kubectl("get", "namespace", NAMESPACE, "--ignore-not-found") == "", 60, what="no namespace")
    found = lab.kubectl("get", CLUSTER_WIDE, "-o", "name")
    assert "openelb" not in found and "kubesphere" not in found, found
    wait_until(lambda: not any(f" {VIP} " in lab[name].exec("ip", "route") for name in lab.routers), 150,
               what=f"{VIP} on no router")
    assert on_nics(lab) == set()
    lab.patch("service", "vip-svc", {"metadata": {"finalizers": None}})
    lab.kubectl("delete", "services", "bgp-svc", "vip-svc", "waits", "foreign", "--timeout=10s")


def test_while_it_works(lab):
    told = uninstall(lab)
    assert "service default/bgp-svc" in told and "default/foreign" not in told
    for name in lab.routers:
        assert f"{VIP} " not in lab[name].exec("ip", "route"), "withdrawn in order"
    lab.kubectl("delete", "--ignore-not-found", "-k", BASE, "--timeout=60s")
    assert_nothing_left(lab)


def test_after_the_namespace_was_deleted(lab):
    """The order that gets stuck: finalizers that nobody takes away, CRDs that wait for them."""
    lab.kubectl("delete", "namespace", NAMESPACE, "--timeout=60s")
    lab.kubectl("delete", "--ignore-not-found", "-k", BASE, "--wait=false")
    wait_until(lambda: "deletionTimestamp" in lab.get("eip", "bgp-eip")["metadata"], 10, what="an Eip that is stuck")
    assert lab.get("service", "bgp-svc")["metadata"]["finalizers"] and lab.ips("bgp-svc") == [VIP]
    uninstall(lab)
    wait_until(lambda: lab.kubectl("get", "crds", "-o", "name") == "", 30, what="no CRD")
    uninstall(lab)  # may be repeated
    assert_nothing_left(lab)


@pytest.mark.parametrize(("args", "words"), [
    (["--everything"], '"--everything": not known'), (["-n"], '"-n": a namespace is missing')])
def test_arguments(args, words):
    done = subprocess.run(["sh", SCRIPT, *args], capture_output=True, text=True, timeout=10)
    assert done.returncode == 2 and words in done.stderr


def test_without_a_cluster(tmp_path):
    (tmp_path / "kubectl").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "kubectl").chmod(0o755)
    done = subprocess.run(["env", f"PATH={tmp_path}:{os.environ['PATH']}", "sh", SCRIPT], capture_output=True, text=True,
                          timeout=10)
    assert done.returncode == 1 and "the cluster cannot be reached" in done.stderr and done.stdout == ""
