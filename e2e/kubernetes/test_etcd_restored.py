"""The control plane forgets: what is announced stays."""

import contextlib
import time

import pytest
from faults import drop, kill, serve_new, suspended, unharmed
from lab.fabric import VIP
from lab.kubernetes_topology import NODES
from lab.net import wait_until
from watch import DOCUMENTED

SETTLE_S = 10  # --settle
OLD_S = 26  # a Lease that was renewed so long ago is that of a restored etcd


def restart_nodes(lab):
    """Kubelets and kube-proxies, whose watches a restored etcd has outdated."""
    for node in lab.nodes.values():
        for role in ("kubelet", "kube-proxy"):
            node.host.process(role).kill()
        node.start()


@pytest.mark.parametrize("restarted", [False, True], ids=["leader-alive", "controllers-restarted"])
def test_etcd_restored(lab, restarted):
    """Services of the snapshot keep the address they have, whatever their status says there; one that came later
    goes with an Event, and nobody gets its address."""
    kept, _ = serve_new(lab, "kept")
    serve_new(lab, "moved")
    lab.control_plane.save_etcd(f"snapshot-{restarted}")
    saved = time.monotonic()
    wish = "eip.openelb.kubesphere.io/v1alpha1"
    lab.patch("service", "moved", {"metadata": {"annotations": {wish: "172.22.0.10"}}})
    lab.wait_next_hops(DOCUMENTED, "172.22.0.10/32")
    lab.patch("service", "moved", {"metadata": {"annotations": {wish: None}}})
    later, _ = serve_new(lab, "later")
    time.sleep(max(0, OLD_S - (time.monotonic() - saved)))
    since = time.time()
    with unharmed(lab, loses=None):
        with suspended(lab) if restarted else contextlib.nullcontext():
            lab.control_plane.restore_etcd(f"snapshot-{restarted}")
            if restarted:
                for pod in lab.controllers():
                    kill(lab, pod)
        restart_nodes(lab)
        lab.wait_nodes(*NODES)
        wait_until(lambda: lab.ips("moved") == ["172.22.0.10"], 40, what="the address moved to is shown again")
        lab.wait_next_hops({"leaf1": set(), "leaf2": set()}, f"{later}/32", 30)
        time.sleep(SETTLE_S)
        for address in (kept, "172.22.0.10"):
            lab.wait_next_hops(DOCUMENTED, f"{address}/32", 1)
            assert [lab.recorders[name].events(f"{address}/32", since) for name in lab.routers] == [[], [], []]
        assert lab.ips("kept") == [kept]
        fresh, _ = serve_new(lab, "fresh")
        assert fresh not in (VIP, kept, "172.22.0.10", later)
        assert any(later in message for message in lab.events("Service", "later", "ReleaseIP"))
        returned, _ = serve_new(lab, "later")
        assert returned == later
    drop(lab, "kept", "moved", "fresh", "later")
