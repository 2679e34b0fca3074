"""Routers that break the protocol: a NOTIFICATION that names the fault, one line, a count, and no harm to others."""

import struct
import sys
from pathlib import Path

import pytest
from lab.net import wait_until
from lab.router import Shown
from watch import routes_unchanged, says

ROGUE, ROGUE_AS = "192.168.0.9", 64999
OPEN, UPDATE, KEEPALIVE = 1, 2, 4


def message(kind, body=b"", marker=b"\xff" * 16, length=None):
    return marker + struct.pack("!HB", 19 + len(body) if length is None else length, kind) + body


def open_body(version=4, asn=ROGUE_AS, hold_s=90, identifier=bytes([192, 168, 0, 9]), parameters=b""):
    return struct.pack("!BHH", version, asn, hold_s) + identifier + bytes([len(parameters)]) + parameters


UP = message(OPEN, open_body()) + message(KEEPALIVE)  # up to ESTABLISHED
ORIGIN_IGP, NEXT_HOP = b"\x40\x01\x01\x00", b"\x40\x03\x04" + bytes([192, 168, 0, 9])
AS_PATH = b"\x40\x02\x04\x02\x01" + struct.pack("!H", ROGUE_AS)


def update(attributes, nlri=bytes([24, 203, 0, 113])):
    return message(UPDATE, struct.pack("!HH", 0, len(attributes)) + attributes + nlri)


# What the peer sends, and the code/subcode (RFC 4271 section 4.5) that must come back.
FAULTS = {
    "marker": (message(OPEN, open_body(), marker=b"\0" * 16), "1/1"),
    "length too small": (message(KEEPALIVE, length=18), "1/2"),
    "length too large": (message(OPEN, open_body(), length=5000), "1/2"),
    "KEEPALIVE with a body": (message(OPEN, open_body()) + message(KEEPALIVE, b"x"), "1/2"),
    "unknown type": (message(9), "1/3"),
    "version 3": (message(OPEN, open_body(version=3)), "2/1"),
    "another AS": (message(OPEN, open_body(asn=ROGUE_AS - 1)), "2/2"),
    "identifier 0": (message(OPEN, open_body(identifier=bytes(4))), "2/3"),
    "hold time 1 s": (message(OPEN, open_body(hold_s=1)), "2/6"),
    "parameters cut short": (message(OPEN, open_body(parameters=b"\x02\x20\x01")), "2/0"),
    "no OPEN first": (message(KEEPALIVE), "5/1"),
    "withdrawn length": (UP + message(UPDATE, struct.pack("!HH", 500, 0)), "3/1"),
    "attributes length": (UP + message(UPDATE, struct.pack("!HH", 0, 500)), "3/1"),
    "NLRI length": (UP + update(ORIGIN_IGP + AS_PATH + NEXT_HOP, nlri=b"\x63\x01"), "3/10"),
}


@pytest.fixture(scope="module")
def rogue(shared_lab):
    """A machine on leaf1's network that is no router of ours, and the speaker's peer."""
    host = shared_lab.attach("rogue", ROGUE)
    yield host


@pytest.fixture
def peer(lab, rogue):
    """Runs the peer with the octets given and makes it a peer of master1's speaker."""
    def run(octets, *options):
        lab.run_dir.log("rogue.peer").unlink(missing_ok=True)
        rogue.spawn("peer", [sys.executable, Path(__file__).with_name("rogue_peer.py"), octets.hex(), *options])
        wait_until(lambda: ":179" in rogue.exec("ss", "-Hltn"))
        lab.cluster.apply({
            "apiVersion": "network.kubesphere.io/v1alpha2", "kind": "BgpPeer", "metadata": {"name": "rogue"},
            "spec": {"conf": {"peerAs": ROGUE_AS, "neighborAddress": ROGUE},
                     "nodeSelector": {"matchLabels": {"openelb.kubesphere.io/rack": "leaf1"}}}})
        return rogue
    yield run
    rogue.process("peer").kill()


@pytest.mark.parametrize("fault", FAULTS)
def test_malformed_message_is_answered_named_and_counted(lab, peer, fault):
    octets, code = FAULTS[fault]
    speaker = lab.speakers["master1"]
    before = speaker.metric("openelb_speaker_bgp_notifications_total", direction="sent") or 0
    said = len(speaker.log())
    with routes_unchanged(lab):
        rogue = peer(octets)
        wait_until(lambda: f"notification {code}" in rogue.log("peer") or Shown(rogue.log("peer").splitlines()))
        wait_until(lambda: speaker.metric("openelb_speaker_bgp_notifications_total", direction="sent") > before)
        line = wait_until(lambda: next((text for text in speaker.log()[said:].splitlines()
                                        if ROGUE in text and "sent NOTIFICATION" in text), None))
        assert "BgpPeer rogue" in line


def test_open_cut_short_by_the_end_of_the_connection(lab, peer):
    with routes_unchanged(lab):
        peer(UP[:25], "close")
        says(lab.speakers["master1"], ROGUE, "closed")


def test_malformed_attribute_costs_the_route_not_the_session(lab, peer):
    """RFC 7606: treated as withdrawn. An UPDATE without NEXT_HOP comes between two right ones."""
    good = update(ORIGIN_IGP + AS_PATH + NEXT_HOP)
    speaker = lab.speakers["master1"]
    with routes_unchanged(lab):
        rogue = peer(UP + good + update(ORIGIN_IGP + AS_PATH) + good)
        wait_until(lambda: speaker.metric("openelb_speaker_bgp_update_errors_total", approach="treat_as_withdraw"))
        wait_until(lambda: speaker.metric("openelb_speaker_bgp_session_state", name="rogue") == 5)
        assert "notification" not in rogue.log("peer")
