"""`openelb-controller plan`: what it says offline is what the routers come to hold."""

import json
import subprocess

import pytest
from lab import programs
from lab.fabric import VIP
from lab.topology import SAMPLES


def plan(*args):
    done = subprocess.run([programs.BIN / "openelb-controller", "plan", *args], capture_output=True, text=True,
                          timeout=20, check=True)
    return done.stdout


@pytest.mark.parametrize("samples", ["multi-router", "porter"])
def test_samples_plan_to_the_documented_next_hops(samples):
    found = json.loads(plan("--manifests", SAMPLES / samples, "-o", "json"))
    service = found["services"]["default/bgp-svc"]
    assert (service["addresses"], service["pool"], service["pending"]) == ([VIP], "bgp-eip", "")
    routes = {node: {address: [(route["prefix"], route["nextHops"]) for route in peer["routes"]]
                     for address, peer in speaker["bgpPeers"].items()}
              for node, speaker in found["speakers"].items()}
    assert routes == {"master1": {"192.168.0.2": [(f"{VIP}/32", ["192.168.0.3", "192.168.0.4"])]},
                      "worker-p002": {"192.168.1.1": [(f"{VIP}/32", ["192.168.1.2"])]}}
    included = {(r["rack"], r["node"]) for r in found["reasons"] if r["included"]}
    assert included == {("leaf1", "master1"), ("leaf1", "worker1"), ("leaf2", "worker-p002")}
    assert all(r["rule"] for r in found["reasons"])


def test_without_add_path_each_speaker_announces_its_own_node():
    found = json.loads(plan("--manifests", SAMPLES / "multi-router", "-o", "json", "--no-add-path"))
    routes = found["speakers"]["master1"]["bgpPeers"]["192.168.0.2"]["routes"]
    assert [route["nextHops"] for route in routes] == [["192.168.0.3"]]


def test_two_runs_print_the_same_bytes():
    first, second = (plan("--manifests", SAMPLES / "multi-router", "-o", "json") for _ in range(2))
    assert first == second
    assert VIP in plan("--manifests", SAMPLES / "multi-router")


@pytest.mark.parametrize("samples, expected", [
    ("bgp-quick-start", {"default/bgp-svc": ("172.22.0.2", "bgp-eip")}),
    ("layer2-quick-start", {"default/layer2-svc": ("192.168.0.91", "layer2-eip")}),
    ("vip-quick-start", {"default/vip-svc": ("192.168.0.91", "vip-eip")}),
    ("ip-assignment", {
        "namespace-1/automatic": ("172.22.2.0", "eip-ns"), "namespace-1/by-annotation": ("192.168.1.10", "eip"),
        "namespace-2/automatic": ("172.22.3.0", "eip-selector"),
        "namespace-2/by-load-balancer-ip": ("192.168.1.11", "eip"),
        "namespace-3/automatic": ("172.22.1.0", "default-eip"), "namespace-3/by-eip": ("172.22.2.1", "eip-ns")}),
    ("aggregates", {"default/bakery": ("172.23.0.10", "shops"), "default/florist": ("172.23.0.200", "shops"),
                    "default/notary": ("172.23.1.70", "offices")}),
    ("ip-sharing", {"default/web": ("172.22.0.7", "bgp-eip"), "default/web-tls": ("172.22.0.7", "bgp-eip")}),
])
def test_samples_get_the_documented_addresses(samples, expected, tmp_path):
    found = json.loads(plan("--manifests", SAMPLES / samples, "--status-dir", tmp_path, "-o", "json"))
    assert {name: (service["addresses"], service["pool"]) for name, service in found["services"].items()} == {
        name: ([address], pool) for name, (address, pool) in expected.items()}


def test_without_a_default_eip_the_third_namespace_waits(tmp_path):
    for name in ("namespaces", "eips", "services"):
        text = (SAMPLES / "ip-assignment" / f"{name}.yaml").read_text()
        (tmp_path / f"{name}.yaml").write_text(text.replace("is-default-eip", "was-default-eip"))
    found = json.loads(plan("--manifests", tmp_path, "-o", "json"))["services"]
    assert [name for name, service in found.items() if not service["addresses"]] == ["namespace-3/automatic"]
    assert found["namespace-3/automatic"]["pending"]
