"""The parts of `e2e/bench/bgp`, each with a small table: that they run, and measure what they say."""

import os
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[1] / "bench"
sys.path[:0] = [str(BENCH), str(BENCH / "bgp")]

import failures  # noqa: E402
import report  # noqa: E402
import router  # noqa: E402
import series  # noqa: E402
from network import Network  # noqa: E402
from peers import BirdPeer, ExaBgpPeer, FrrPeer, GoBgpPeer  # noqa: E402
from senders import Floor, SavedPlan, Speaker  # noqa: E402

ROUTES = 1_000
UPDATE_ROOM = 4096 - 23  # octets for attributes and routes


@pytest.fixture(scope="module")
def network():
    network = Network(f"suite-bench-bgp-{os.getpid()}")
    try:
        yield network.up()
    finally:
        network.down()


@pytest.mark.parametrize("kind", [Speaker, Floor, BirdPeer, FrrPeer, GoBgpPeer, ExaBgpPeer])
def test_table_and_its_changes(network, kind):
    """Every command reaches both receivers: a wait for exact counts ends, or the test fails."""
    sender = kind(network)
    hops = 2 if sender.several_hops else 1
    took = series.transfer(network, sender, series.Cell(ROUTES, hops, 2), trials=1, budget_s=0)
    assert len(took.table) == len(took.withdraw) == len(took.announce) == len(took.cpu) == 1
    assert len(took.one) == series.ONE_ROUTE and len(took.less) == hops - 1
    assert all(0 < seconds < 60 for seconds in took.table + took.one + took.less + took.withdraw + took.announce)
    assert took.updates >= ROUTES * hops * (9 if hops > 1 else 5) / UPDATE_ROOM
    assert took.cpu[0] > 0 and took.rss_mib > took.own_mib > 0


@pytest.mark.parametrize("kind", [Speaker, SavedPlan, Floor, BirdPeer])
def test_start(network, kind):
    found = series.start(network, kind(network), trials=1)
    assert 0 < found.took[0] < 30 and found.rss_mib > found.own_mib > 0


@pytest.mark.parametrize("kind", [Speaker, Floor, BirdPeer])
def test_router_takes_a_table(network, kind):
    """Two sessions one after the other; a wait for the exact count of paths ends, or the test fails."""
    took = router.transfer(network, kind(network), ROUTES, hops=2, trials=2)
    assert len(took.table) == 2 and all(0 < seconds < 60 for seconds in took.table)
    assert took.rss_mib > took.own_mib > 0 and took.router_rss_mib > 0


def test_failures(network):
    """A cut link is noticed by the hold timer and nothing before it. How fast the rest is, a test does not judge."""
    found = failures.measure(network, [Speaker(network), Floor(network)], trials=1)
    for name in ("speaker", "floor"):
        assert 0 < found["speaker killed"][name][0] < 30
        assert 0 < found["next hop removed"][name][0] < 30
        assert failures.HOLD_S * 2 / 3 - 0.5 < found["link cut"][name][0] < 30


def test_ratios_are_to_the_fastest_peer_and_the_floor():
    text = report.table("what", ["speaker", "floor", "BIRD", "FRR"], {
        "a": {"speaker": 2.0, "floor": 1.0, "BIRD": 4.0, "FRR": 8.0}, "b": {"speaker": 2.0, "FRR": None}})
    assert text.splitlines()[2:] == ["| a | 2.00 | 1.00 | 4.00 | 8.00 | 0.50 | 2.00 |",
                                     "| b | 2.00 | - | - | - | - | - |"]
