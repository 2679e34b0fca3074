"""The leader dies, goes, is cut off, loses its Lease: nothing is withdrawn, no request lost, and new Services are
served by whoever leads then."""

import time
from datetime import datetime, timezone

import pytest
from faults import (LEASE, cut_off, delete_pod, drop, kill, lease, lease_epoch, mute, openelb_service,
                    reads_by, refused, serve_new, unharmed, wait_attached, wait_new_leader, wait_served, writes_ours)
from lab.installed import CONTROLLER, NAMESPACE
from lab.net import wait_until
from watch import DOCUMENTED


def test_leader_killed(lab):
    """Its container comes back and leads on, or the standby takes over."""
    with unharmed(lab):
        before, epoch = lab.holder(), lease_epoch(lab)
        kill(lab, lab.leader())
        wait_new_leader(lab, before)
        assert lease_epoch(lab) > epoch
        serve_new(lab, "after-kill")
    drop(lab, "after-kill")


def test_leader_killed_and_never_back(lab):
    with unharmed(lab):
        before, leader, epoch = lab.holder(), lab.leader(), lease_epoch(lab)
        begun = time.monotonic()
        delete_pod(lab, leader, "--force", "--grace-period=0")
        after = wait_new_leader(lab, before)
        print(f"another led after {time.monotonic() - begun:.1f} s")
        assert not after.startswith(leader["metadata"]["name"])
        assert lease_epoch(lab) > epoch
        serve_new(lab, "after-loss")
    drop(lab, "after-loss")


def test_speakers_find_the_leader_without_kube_proxy(lab):
    """Every kube-proxy is gone, packets to the cluster address of the controllers' Service vanish, and DNS there is none in
    this lab. The second leader's address is one that no kube-proxy has ever known."""
    address = lab.get("service", CONTROLLER, NAMESPACE)["spec"]["clusterIP"]
    named = [address] if address != "None" else []
    rule = f"type filter hook output priority -300; ip daddr {{ {', '.join([*named, '192.0.2.255'])} }} drop"
    with unharmed(lab):
        for node in lab.nodes.values():
            node.host.process("kube-proxy").kill()
            node.host.exec("nft", "-f", "-", stdin=f"table inet unnamed {{\nchain out {{ {rule}; }}\n}}\n")
        try:
            for name in ("first", "second"):
                before = lab.holder()
                delete_pod(lab, lab.leader(), "--force", "--grace-period=0")
                wait_new_leader(lab, before)
                wait_attached(lab, 30)
                lab.apply(openelb_service(f"without-proxy-{name}"))
                served, = wait_until(lambda name=name: lab.ips(f"without-proxy-{name}"), 30, what="an address")
                lab.wait_next_hops(DOCUMENTED, f"{served}/32", 20)
                lab.wait_installed()
        finally:
            for node in lab.nodes.values():
                node.host.exec("nft", "delete", "table", "inet", "unnamed")
                node.start_kube_proxy()
    drop(lab, "without-proxy-first", "without-proxy-second")


def test_orderly_stop_hands_over_at_once(lab):
    with unharmed(lab):
        before = lab.holder()
        begun = time.monotonic()
        delete_pod(lab, lab.leader())
        wait_new_leader(lab, before, timeout=10)
        took = time.monotonic() - begun
        print(f"handed over in {took:.2f} s")
        assert took < 10  # a Lease that runs out takes 15
        serve_new(lab, "after-stop")
    drop(lab, "after-stop")


def test_both_controllers_gone(lab):
    with unharmed(lab):
        lab.kubectl("-n", NAMESPACE, "scale", f"deployment/{CONTROLLER}", "--replicas=0")
        wait_until(lambda: not lab.controllers(), 20, what="no controller")
        time.sleep(60)  # longer than the Lease stands and than speakers wait to look for another leader
        lab.kubectl("-n", NAMESPACE, "scale", f"deployment/{CONTROLLER}", "--replicas=2")
        lab.wait_installed()
        serve_new(lab, "after-both")
    drop(lab, "after-both")


def test_lease_deleted(lab):
    """Whoever leads then has an epoch above all that speakers have seen, though the Lease forgot it."""
    with unharmed(lab):
        epoch, uid = lease_epoch(lab), lease(lab)["metadata"]["uid"]
        lab.kubectl("-n", NAMESPACE, "delete", *LEASE)
        wait_until(lambda: lease(lab)["metadata"]["uid"] != uid and lab.leader(), 30, what="a new Lease")
        wait_attached(lab)
        serve_new(lab, "after-lease")
        assert lease_epoch(lab) >= epoch
    drop(lab, "after-lease")


def test_lease_taken_by_a_stranger(lab):
    """An OpenELB of old, say: ours stands by and writes nothing; when the stranger's Lease runs out it leads again."""
    with unharmed(lab):
        epoch, now = lease_epoch(lab), time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())
        lab.patch(*LEASE, {"spec": {"holderIdentity": "stranger", "renewTime": now, "acquireTime": now,
                                    "leaseDurationSeconds": 15}}, NAMESPACE)
        wait_until(lambda: all(lab.metric(pod, "openelb_leader") == 0 for pod in lab.controllers()), 15,
                   what="nobody of ours leads")
        quiet = len(lab.control_plane.audited())
        lab.apply(openelb_service("under-stranger"))
        time.sleep(3)
        assert lab.ips("under-stranger") == []
        assert [e["requestURI"] for e in lab.control_plane.audited()[quiet:] if writes_ours(e)] == []
        assert lab.holder() == "stranger"
        wait_until(lab.leader, 30, what="a leader of ours")
        assert lease_epoch(lab) > epoch
        wait_served(lab, "under-stranger")
    drop(lab, "under-stranger")


@pytest.mark.parametrize("half_open", [False, True], ids=["silence", "half-open"])
def test_leader_cut_off_from_the_api_server(lab, half_open):
    """It stops writing before the standby leads; healed, it stands by. Its speakers go over to the new leader."""
    pod = lab.leader()
    with unharmed(lab):
        before = lab.holder()
        with cut_off(lab, pod, half_open):
            wait_new_leader(lab, before, timeout=40)
            serve_new(lab, "during-cut", timeout=30)
        wait_until(lambda: lab.metric(pod, "openelb_leader") == 0, 30, what="the old leader stands by")
        serve_new(lab, "after-cut")
        assert lab.ips("during-cut") != lab.ips("after-cut")
    drop(lab, "during-cut", "after-cut")


def test_nothing_is_listed_after_a_cut(lab):
    """The Lease tells that the store is the one that was known, so watches go on where they stood. What changes in the
    last moments before the cut is listed: Nodes, perhaps, and statuses that we write ourselves."""
    quiet = {"services", "endpointslices", "eips", "namespaces"}
    pod, before = lab.leader(), lab.holder()
    with unharmed(lab):
        time.sleep(5)  # the Lease is renewed since anything changed
        since = datetime.now(timezone.utc)
        with refused(lab, pod):
            time.sleep(9)  # longer than an etcd takes to be replaced, shorter than the Lease stands
        serve_new(lab, "after-refusal")
        assert lab.holder() == before
        read = reads_by(lab, pod, since)
        assert quiet <= {resource for resource, how in read if how == "probe"}, read  # it did notice
        assert quiet & {resource for resource, how in read if how == "list"} == set(), read
        for resource in ("services", "endpointslices.discovery.k8s.io"):
            assert lab.metric(pod, f'openelb_api_reads_total{{resource="{resource}",what="resumed"}}') == 1
    drop(lab, "after-refusal")


def test_connections_of_the_leader_turn_mute(lab):
    """As behind a middlebox that loses its state and keeps the connections: watches show nothing any more, and no error
    either. They are resumed where they stood; the leader leads on."""
    def lists(pod):
        return [lab.metric(pod, f'openelb_api_reads_total{{resource="{resource}",what="list"}}')
                for resource in ("services", "nodes", "endpointslices.discovery.k8s.io")]

    pod, holder = lab.leader(), lab.holder()
    with unharmed(lab):
        before = lists(pod)
        with mute(lab, pod):
            address, took = serve_new(lab, "while-mute")
            print(f"{address} served {took:.1f} s after the connections turned mute")
            assert took < 15
            assert lists(pod) == before
            assert lab.metric(pod, 'openelb_api_reads_total{resource="services",what="silent"}') > 0
        assert lab.holder() == holder
    drop(lab, "while-mute")
