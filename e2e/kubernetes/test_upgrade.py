"""Everything is upgraded at once, by applying the manifests of another version, while clients of all three modes ask: no
route changes, no BGP request is lost, and an address of the other modes changes hands in order."""

import contextlib

import pytest
from faults import unharmed, wait_attached
from lab.fabric import VIP
from lab.installed import CONTROLLER, NAMESPACE, ROOT, SPEAKER
from lab.lan import OUTAGE_S
from lab.net import wait_until
from lab.traffic import ask, counted
from lab.workloads import service
from test_lan_faults import POOLS, objects

RENDERED = ROOT / "config" / "openelb.yaml"


@pytest.fixture(scope="module")
def lab(documented):
    """The documented cluster, whose routers keep routes over a restart, and an address of each other mode on the two nodes
    of the first rack."""
    for peer in documented.get("bgppeers"):
        documented.patch("bgppeer", peer["metadata"]["name"], {"spec": {
            "gracefulRestart": {"enabled": True, "restartTime": 60}}})
    documented.kubectl("label", "node", "worker1", "lb.kubesphere.io/v1alpha1=openelb")
    for mode in POOLS:
        eip, _ = objects(mode)
        documented.apply(eip, service(mode, "bgp-openelb", annotations={
            "lb.kubesphere.io/v1alpha1": "openelb", "eip.openelb.kubesphere.io/v1alpha2": mode}))
    documented.wait_installed()
    documented.wait_documented()
    for mode, address in POOLS.items():
        wait_until(lambda mode=mode, address=address: documented.ips(mode) == [address], 20, what=f"an address of {mode}")
    wait_attached(documented)
    return documented


def images(lab):
    """The images of the Pods that are not about to end."""
    return {pod["spec"]["containers"][0]["image"] for pod in lab.get("pods", None, NAMESPACE, "app=openelb")
            if "deletionTimestamp" not in pod["metadata"]}


@pytest.mark.parametrize("version", ["v2", "latest"])  # and back
def test_everything_under_load(lab, record_property, version):
    leaf = lab["leaf1"]
    first = {mode: wait_until(lambda mode=mode: entered(lab, POOLS[mode]), 20, what=f"an answer of {mode}") for mode in POOLS}
    with contextlib.ExitStack() as clients:
        bgp = clients.enter_context(unharmed(lab))
        for mode, address in POOLS.items():
            clients.enter_context(counted(record_property, f"{mode}: upgraded", leaf, address, {first[mode]}, OUTAGE_S))
        lab.kubectl("apply", "-f", "-", input=RENDERED.read_text().replace(":latest", f":{version}"))
        lab.wait_installed()
        wait_until(lambda: images(lab) == {f"openelb/{name}:{version}" for name in (CONTROLLER, SPEAKER)}, 30)
        wait_attached(lab)
    assert not bgp.count().lost
    assert lab.ips("bgp-svc") == [VIP]


def entered(lab, address):
    """The node through which a request is answered; None while none is."""
    seen = ask(lab["leaf1"], address, 1)
    return next(iter(seen.answers), None)
