"""The API server goes away, or loses sight of all nodes: what is announced stays."""

import time

from faults import drop, openelb_service, unharmed, wait_served
from lab.control_plane import API_SERVER, CONTROLLER_MANAGER
from lab.fabric import VIP
from lab.kubernetes_topology import NODES
from lab.net import wait_until

SETTLE_S = 10  # --settle


def test_api_server_gone(lab):
    """When it returns, the controller manager takes all nodes for lost for a while; kube-proxy then drops requests,
    but no route goes. A controller manager that lost its Lease for so long begins anew."""
    with unharmed(lab, loses=None):
        lab.control_plane.kill(API_SERVER)
        time.sleep(60)  # until every Node would long be taken for lost, and our Lease has run out
        lab.control_plane.start(API_SERVER)
        lab.control_plane.kill(CONTROLLER_MANAGER)
        lab.control_plane.start(CONTROLLER_MANAGER)
        begun = time.monotonic()
        lab.apply(openelb_service("after-outage"))
        address, = wait_until(lambda: lab.ips("after-outage"), 40, what="an address")
        print(f"an address {time.monotonic() - begun:.2f} s after the API server's return")
        lab.wait_nodes(*NODES, timeout=60)
        lab.wait_rollout("deployment/bgp-openelb")
        wait_served(lab, "after-outage", timeout=120)  # kube-proxy may wait a minute before it looks again
        print(f"served {time.monotonic() - begun:.2f} s after it")
        time.sleep(max(0, SETTLE_S + 1 - (time.monotonic() - begun)))
        assert lab.ips("after-outage") == [address]
    drop(lab, "after-outage")


def test_every_kubelet_gone(lab):
    """Nodes turn Unknown one by one, and then all are, for longer than anything settles: as the last resort all
    serve. At no time is there no way to the Service."""
    since = time.time()
    for node in lab.nodes.values():
        node.kill_kubelet()
    try:
        lab.wait_nodes(*NODES, ready="Unknown")
        lab.wait_documented(timeout=10)
        time.sleep(SETTLE_S + 2)
        lab.wait_documented(timeout=1)
    finally:
        for node in lab.nodes.values():
            node.start_kubelet()
    lab.wait_nodes(*NODES)
    lab.wait_rollout("deployment/bgp-openelb")
    lab.wait_documented(timeout=20)
    assert [event for event in lab.recorders["spine"].events(f"{VIP}/32", since) if event[1] == "del"] == []
    assert lab.ips("bgp-svc") == [VIP]
