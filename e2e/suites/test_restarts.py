"""Controller and speakers killed, stopped and started, under traffic."""

import time

import pytest
from lab.net import wait_until
from watch import ALL, DOCUMENTED, PREFIX, routes_unchanged, traffic, withdrawals

ROUTER = "frr"


def test_controller_killed_and_restarted_changes_nothing(lab):
    with traffic(lab) as client, routes_unchanged(lab):
        since = time.time()
        lab.controller.kill()
        time.sleep(2)
        lab.start_controller()
        time.sleep(1)
        client.settle()
        seen = client.count(since)
        assert seen.lost == []
        assert seen.total > 200
        assert sum(len(withdrawals(lab, router, since)) for router in lab.routers) == 0


def test_controller_stopped_in_order_changes_nothing(lab):
    with traffic(lab) as client, routes_unchanged(lab):
        since = time.time()
        lab.controller.stop()
        time.sleep(1)
        lab.start_controller()
        client.settle()
        assert client.count(since).lost == []


def test_controller_that_returns_acts_on_what_it_missed(lab):
    lab.controller.kill()
    lab.cluster.set_ready("worker1", "False")
    time.sleep(0.5)
    assert lab.routers["leaf1"].kernel_next_hops(PREFIX) == DOCUMENTED["leaf1"]
    lab.start_controller()
    lab.wait_next_hops(DOCUMENTED | {"leaf1": {"192.168.0.3"}}, timeout=20)


def test_speaker_killed_and_restarted(lab):
    """Its leaf withdraws what only it announced; the other leaf takes over, and it comes back by itself."""
    with traffic(lab) as client:
        with routes_unchanged(lab, "leaf2"):
            since = time.time()
            lab.speakers["master1"].kill()
            lab.wait_next_hops(DOCUMENTED | {"leaf1": set()})
            assert withdrawals(lab, "leaf1", since)
            client.wait_flow({"worker-p002"})
            restarted = time.time()
            lab.start_speaker("master1")
            lab.wait_documented()
            assert time.time() - restarted < 5
        client.wait_flow(ALL)
        client.settle()
        seen = client.count(since)
        assert seen.outage() < 2.0, seen
        assert len(seen.lost) < 0.2 * seen.total, seen


def test_speaker_comes_back_from_disk_with_the_controller_dead(lab):
    lab.controller.kill()
    lab.speakers["master1"].kill()
    lab.speakers["worker-p002"].kill()
    wait_until(lambda: not any(router.kernel_next_hops(PREFIX) for router in lab.routers.values()))
    lab.start_speakers()
    lab.wait_documented()
    assert not lab.controller.running()
    with traffic(lab):
        pass


@pytest.mark.parametrize("attempt", range(10))
def test_all_speakers_started_at_once_announce_everything(lab, attempt):
    for speaker in lab.speakers.values():
        speaker.process.signal(15)
    for speaker in lab.speakers.values():
        assert speaker.process.wait(5)
    wait_until(lambda: not any(router.kernel_next_hops(PREFIX) for router in lab.routers.values()))
    lab.start_speakers()
    lab.wait_documented()


def test_everything_started_at_once_on_an_empty_state(lab):
    for program in (*lab.speakers.values(), lab.controller):
        program.kill()
    for node in lab.speakers:
        for path in (lab.run_dir.path / "state" / node).iterdir():
            path.unlink()
    lab.start_speakers()
    lab.start_controller()
    lab.wait_documented()
    assert lab.cluster.service_ips("bgp-svc") == ["172.22.0.2"]


def test_leaf_link_cut_and_back(lab):
    """The link to the spine: leaf1's nodes keep their session, the other leaf carries the clients. Only
    endpoints that the cut leaves reachable may be asked, so worker1's Pod is gone first."""
    lab.cluster.edit("EndpointSlice", "bgp-svc-7xk2p", lambda o: o["endpoints"].pop(0))
    with traffic(lab) as client, routes_unchanged(lab, "leaf2"):
        since = time.time()
        lab["leaf1"].cut("uplink")
        client.wait_flow({"worker-p002"})
        mended = time.time()
        lab["leaf1"].mend("uplink")
        client.wait_flow(ALL, timeout=15)
        client.settle()
        assert client.count(since, mended).outage() < 2.0
        assert client.count(mended).outage() < 2.0
        assert withdrawals(lab, "leaf1", since) == []


def test_router_restarted_learns_everything_again(lab):
    leaf1 = lab.routers["leaf1"]
    leaf1.stop(kill=True)
    time.sleep(0.5)
    leaf1.start()
    lab.wait_documented(timeout=20)
