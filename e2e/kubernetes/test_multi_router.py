"""The multi-router pages of OpenELB, on BIRD and on FRR, and of PorterLB, typed step by step."""

import json

import pytest
from lab.fabric import VIP
from lab.installed import NAMESPACE, SAMPLES, SPEAKER, backends
from lab.net import wait_until
from lab.traffic import ask
from watch import ALL, DOCUMENTED, PREFIX

PAGES = [("bird", "openelb"), ("bird", "porter"), ("frr", "openelb")]


@pytest.fixture(scope="module")
def page(cluster, request):
    """(cluster, the page's brand, its samples); what it did is undone."""
    brand = request.param
    yield cluster, brand, SAMPLES / ("porter" if brand == "porter" else "multi-router")
    cluster.clear()


# The cluster's parameter comes first, so each router's cluster serves both pages.
pytestmark = pytest.mark.parametrize("cluster, page", PAGES, indirect=True)


def test_speakers_run_where_the_daemon_set_was_edited_to(page):
    cluster, brand, _ = page
    cluster.kubectl("label", "--overwrite", "nodes", "master1", "worker-p002", f"lb.kubesphere.io/v1alpha1={brand}")
    selector = {"kubernetes.io/os": "linux", "lb.kubesphere.io/v1alpha1": brand}
    cluster.kubectl("-n", NAMESPACE, "patch", "ds", SPEAKER, "-p",
                    json.dumps({"spec": {"template": {"spec": {"nodeSelector": selector}}}}))
    cluster.wait_rollout(f"daemonset/{SPEAKER}", NAMESPACE)
    assert cluster.speaker_nodes() == {"master1", "worker-p002"}


def test_peers_are_established_by_the_rack_they_select(page):
    cluster, brand, samples = page
    cluster.kubectl("label", "--overwrite", "nodes", "master1", f"{brand}.kubesphere.io/rack=leaf1")
    cluster.kubectl("label", "--overwrite", "nodes", "worker-p002", f"{brand}.kubesphere.io/rack=leaf2")
    cluster.kubectl("apply", "-f", samples / "bgp-conf.yaml")
    cluster.kubectl("apply", "-f", samples / "bgp-peers.yaml")
    for leaf, address in (("leaf1", "192.168.0.3"), ("leaf2", "192.168.1.2")):
        wait_until(lambda: cluster.routers[leaf].established(address), 15, what=f"{leaf} with {address}")
        assert cluster.routers[leaf].sessions()[address].add_path


def test_every_router_holds_the_documented_next_hops(page):
    cluster, _, samples = page
    cluster.kubectl("apply", "-f", samples / "eip.yaml")
    cluster.apply(backends("bgp-openelb"))
    cluster.kubectl("apply", "-f", samples / "service.yaml")
    assert "bgp-svc" in cluster.kubectl("get", "svc")
    cluster.wait_documented()
    assert VIP in cluster.kubectl("get", "svc", "bgp-svc").split()
    # Nothing is left to the routers to refuse.
    assert cluster.routers["leaf1"].sessions()["192.168.0.3"].prefixes == 2
    assert cluster.routers["leaf2"].sessions()["192.168.1.2"].prefixes == 1


def test_clients_are_answered_through_all_three_nodes(page):
    cluster, _, _ = page
    cluster.wait_rollout("deployment/bgp-openelb")
    wait_until(lambda: not ask(cluster["client"], VIP, 30).lost, what="answers to a client")
    seen = ask(cluster["client"], VIP, 300)
    assert not seen.lost
    assert set(seen.answers) == ALL
    assert min(seen.answers.values()) >= 30, seen.answers


def test_statuses_name_the_speakers_and_their_sessions(page):
    cluster, _, _ = page
    for peer, node in (("leaf1", "master1"), ("leaf2", "worker-p002")):
        wait_until(lambda: set(cluster.status("bgppeer", peer)["nodesPeerStatus"]) == {node})
        assert cluster.status("bgppeer", peer)["nodesPeerStatus"][node]["peerState"]["sessionState"] == "ESTABLISHED"
    wait_until(lambda: cluster.status("bgpconf", "default")["nodesConfStatus"] == {
        "master1": {"as": 50000, "routerId": "192.168.0.3"}, "worker-p002": {"as": 50000, "routerId": "192.168.1.2"}})


def test_policy_local_names_the_nodes_with_pods(page):
    cluster, _, _ = page
    cluster.patch("service", "bgp-svc", {"spec": {"externalTrafficPolicy": "Local"}})
    cluster.wait_next_hops({"leaf1": {"192.168.0.4"}, "leaf2": {"192.168.1.2"}})
    cluster.patch("service", "bgp-svc", {"spec": {"externalTrafficPolicy": "Cluster"}})
    cluster.wait_next_hops(DOCUMENTED)


def test_a_deleted_service_leaves_no_route(page):
    cluster, _, _ = page
    cluster.kubectl("delete", "svc", "bgp-svc", "--timeout=10s")
    wait_until(lambda: not any(router.next_hops(PREFIX) for router in cluster.routers.values()),
               what="no route of a deleted Service")
    wait_until(lambda: not cluster.status("eip", "bgp-eip").get("used"))


def test_nothing_was_denied(page):
    assert page[0].denied() == []
