"""The leader dies, goes, is cut off, loses its Lease: nothing is withdrawn, no request lost, and new Services are
served by whoever leads then."""

import time

import pytest
from faults import (LEASE, cut_off, delete_pod, drop, kill, lease, lease_epoch, openelb_service,
                    serve_new, unharmed, wait_attached, wait_new_leader, wait_served, writes_ours)
from lab.installed import CONTROLLER, NAMESPACE
from lab.net import wait_until


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
