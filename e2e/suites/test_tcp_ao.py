"""Keys of the TCP Authentication Option (RFC 5925). Where the kernel has them a session comes up with them and goes on
while they change; where it has not, there is none, nothing is sent, and a condition says why."""

import sys
import time
from pathlib import Path

import pytest
from lab.net import wait_until
from lab.router import Shown
from rogue_peer import kernel_has_tcp_ao
from test_bad_peers import KEEPALIVE, OPEN, message, open_body
from watch import DOCUMENTED, condition, peer_status, routes_unchanged

ROUTERS = ["bird", "frr"]

KEYED, KEYED_AS, MASTER = "192.168.0.10", 64999, "192.168.0.3"
MISSING = 'the kernel of node "master1" has no TCP-AO (CONFIG_TCP_AO, Linux 6.7)'
UP = message(OPEN, open_body(hold_s=0)) + message(KEEPALIVE)  # and no more KEEPALIVEs


def key(send, receive, entry):
    return {"sendId": send, "receiveId": receive, "algorithm": "hmac-sha-1-96",
            "secretRef": {"name": "bgp-keys", "key": entry}}


def keys(*entries):
    return lambda obj: obj["spec"]["conf"].update(authKeys=list(entries))


def state(lab, peer):
    return peer_status(lab, peer, "master1").get("sessionState")


def segments_in(host):
    """TCP segments that the host has received."""
    names, values = (line.split() for line in host.exec("cat", "/proc/net/snmp").splitlines() if line.startswith("Tcp:"))
    return int(values[names.index("InSegs")])


@pytest.fixture
def secrets(lab):
    lab.cluster.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "bgp-keys", "namespace": "openelb-system"},
                       "stringData": {"old": "between-us", "new": "also-between-us"}})


@pytest.fixture(scope="module")
def machine(shared_lab):
    return shared_lab.attach("keyed", KEYED)


@pytest.fixture
def keyed(lab, machine):
    """Runs a router with two keys, where the kernel has any; without, one that takes everybody."""
    options = [MASTER, "2/1/between-us", "4/3/also-between-us"] if kernel_has_tcp_ao() else []
    lab.run_dir.log("keyed.peer").unlink(missing_ok=True)
    machine.spawn("peer", [sys.executable, Path(__file__).with_name("rogue_peer.py"), UP.hex(), *options])
    wait_until(lambda: ":179" in machine.exec("ss", "-Hltn"))
    yield machine
    machine.process("peer").kill()


def start_session(lab, *entries):
    lab.cluster.apply({
        "apiVersion": "network.kubesphere.io/v1alpha2", "kind": "BgpPeer", "metadata": {"name": "keyed"},
        "spec": {"conf": {"peerAs": KEYED_AS, "neighborAddress": KEYED, "authKeys": list(entries)},
                 "nodeSelector": {"matchLabels": {"openelb.kubesphere.io/rack": "leaf1"}}}})


def test_session_with_keys(lab, secrets, keyed):
    before = segments_in(keyed)
    old, new = key(1, 2, "old"), key(3, 4, "new")
    with routes_unchanged(lab):
        start_session(lab, old)
        if kernel_has_tcp_ao():
            comes_up_and_goes_on(lab, keyed, [old, new], [new, old], [new])
        else:
            stays_down(lab, keyed)
            assert segments_in(keyed) == before


def comes_up_and_goes_on(lab, keyed, *changes):
    wait_until(lambda: state(lab, "keyed") == "ESTABLISHED" or Shown([state(lab, "keyed")]))
    wait_until(lambda: "type 2" in keyed.log("peer"), what="UPDATEs")
    for entries in changes:
        lab.cluster.edit("BgpPeer", "keyed", keys(*entries))
        time.sleep(2)
        assert state(lab, "keyed") == "ESTABLISHED", entries
    assert keyed.log("peer").count("connected") == 1
    assert "notification" not in keyed.log("peer")


def stays_down(lab, keyed):
    held = wait_until(lambda: condition(lab, "BgpPeer", "keyed", "HeldDown"))
    assert held["message"].startswith(f"spec.conf.authKeys: {MISSING}"), held
    time.sleep(8)  # longer than an attempt to connect may take
    assert state(lab, "keyed") == "IDLE"
    assert "connected" not in keyed.log("peer")


def test_router_without_the_keys_has_no_session_until_they_are_taken_back(lab, secrets):
    """These BIRD and FRR know no TCP-AO: no session, whatever the kernel has, and the other rack's is not touched."""
    leaf1 = lab.routers["leaf1"]
    with routes_unchanged(lab, "leaf2"):
        lab.cluster.edit("BgpPeer", "leaf1", keys(key(1, 2, "old")))
        lab.wait_next_hops(DOCUMENTED | {"leaf1": set()})
        time.sleep(8)
        assert not leaf1.established(MASTER)
        found = condition(lab, "BgpPeer", "leaf1", "HeldDown")
        assert found is None if kernel_has_tcp_ao() else MISSING in found["message"], found
        lab.cluster.edit("BgpPeer", "leaf1", keys())
        lab.wait_documented()
    assert leaf1.established(MASTER)
