"""`openelb-controller plan`: what it says offline is what the routers come to hold."""

import json
import subprocess

import pytest
from lab import programs
from lab.fabric import VIP
from lab.topology import SAMPLES


def run(*args):
    return subprocess.run([programs.BIN / "openelb-controller", "plan", *args], capture_output=True, text=True,
                          timeout=20)


def plan(*args):
    done = run(*args)
    done.check_returncode()
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


@pytest.mark.parametrize("args, code, named", [
    (["--manifests", SAMPLES / "multi-router", "--node", "nowhere"], 2, ["--node", '"nowhere"']),
    (["--manifests", SAMPLES / "multi-router", "-o", "yaml"], 2, ['"yaml"', "table", "json"]),
    (["--manifests", SAMPLES / "no-such-folder"], 1, ["--manifests", "no-such-folder"]),
    ([], 2, ["--manifests", "required"]),
    (["--manifests", SAMPLES / "multi-router", "--bogus"], 2, ["--bogus"]),
    (["--manifests", SAMPLES / "multi-router", "extra"], 2, ['"extra"']),
])
def test_a_wrong_call_is_answered_with_one_line(args, code, named):
    done = run(*args)
    assert (done.returncode, done.stdout) == (code, "")
    assert len(done.stderr.splitlines()) == 1
    assert all(name in done.stderr for name in named), done.stderr


def test_one_speaker_is_shown_alone():
    found = json.loads(plan("--manifests", SAMPLES / "multi-router", "--node", "worker-p002", "-o", "json"))
    assert list(found["speakers"]) == ["worker-p002"]


def sample_with(folder, extra):
    """The multi-router sample and one more file."""
    for file in (SAMPLES / "multi-router").glob("*.yaml"):
        (folder / file.name).write_text(file.read_text())
    (folder / "x.yaml").write_text(extra)
    return folder


OURS = "apiVersion: network.kubesphere.io/v1alpha2\nkind: {kind}\nmetadata:\n  name: {name}\n"


@pytest.mark.parametrize("extra, line", [
    (OURS.format(kind="BgpPer", name="x"), 'x.yaml:2: BgpPer/x: kind: "BgpPer" is not one of Eip, BgpConf, BgpPeer,'
     ' OpenELB'),
    (OURS.format(kind="Eip", name="x") + "spec:\n  address: 10.0.0.1\n  address: 10.0.0.2\n",
     "x.yaml:7: Eip/x: spec.address: the key address stands twice in one map; write it once"),
    ("apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: x}\naddressType: IPv6\n"
     "endpoints: [{addresses: [10.0.0.1]}]\n",
     'x.yaml:5: EndpointSlice/default/x: endpoints[0].addresses[0]: "10.0.0.1" is not an IPv6 address, as '
     "addressType says"),
    ("a: [\n", "x.yaml:1: not YAML: end of sequence flow not found"),
])
def test_a_wrong_manifest_is_named_and_the_rest_is_planned(extra, line, tmp_path):
    done = run("--manifests", sample_with(tmp_path, extra), "-o", "json")
    assert (done.returncode, done.stderr.splitlines()) == (0, [line])
    assert json.loads(done.stdout)["services"]["default/bgp-svc"]["addresses"] == [VIP]


def problems(folder):
    return {(p["object"], p["reason"]): p["message"] for p in json.loads(
        plan("--manifests", folder, "-o", "json"))["problems"]}


def test_eips_that_are_in_each_others_way_are_problems(tmp_path):
    default = "  annotations: {eip.openelb.kubesphere.io/is-default-eip: 'true'}\n"
    folder = sample_with(tmp_path, "---\n".join([
        OURS.format(kind="Eip", name="z-late") + "spec: {address: 172.22.0.5}\n",
        OURS.format(kind="Eip", name="one") + default + "spec: {address: 10.0.1.0/24}\n",
        OURS.format(kind="Eip", name="two") + default + "spec: {address: 10.0.2.0/24}\n"]))
    found = problems(folder)
    assert set(found) == {("Eip/z-late", "Overlap"), ("Eip/two", "NotDefault")}
    assert found["Eip/z-late", "Overlap"].startswith('spec.address: "172.22.0.5" overlaps Eip "bgp-eip"')
    assert "is-default-eip" in found["Eip/two", "NotDefault"] and 'Eip "one"' in found["Eip/two", "NotDefault"]


def test_what_is_wrong_with_a_nodes_prefixes_is_a_problem(tmp_path):
    folder = sample_with(tmp_path, "{}")
    (folder / "x.yaml").unlink()
    cluster = folder / "cluster.yaml"
    cluster.write_text(cluster.read_text().replace("prefixes: 192.168.0.3/24", "prefixes: 192.168.0.3"))
    found = problems(folder)
    assert '"192.168.0.3"' in found["Node/master1", "BadPrefixes"]
    assert ("Node/worker1", "NoRack") in found


def test_what_is_left_to_the_cni_is_a_problem(tmp_path):
    folder = sample_with(tmp_path, OURS.format(kind="BgpPeer", name="x") +
                         "  labels: {openelb.kubesphere.io/cni: calico}\n"
                         "spec: {conf: {peerAs: 65001, neighborAddress: 192.168.0.9}}\n")
    assert "openelb.kubesphere.io/cni" in problems(folder)["BgpPeer/x", "HandledByCni"]
