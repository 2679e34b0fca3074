"""Controller and speakers killed, stopped and started, under traffic."""

import subprocess
import time

import pytest
from lab.net import wait_until
from lab.programs import BIN
from watch import ALL, DOCUMENTED, PREFIX, routes_unchanged, says, traffic, wait_saved, withdrawals

ROUTERS = ["bird", "frr"]


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


def test_controller_started_before_its_manifests_are_there_changes_nothing(lab):
    """A mount that is late: the folder is empty, or missing, until it comes."""
    manifests = lab.cluster.manifests
    elsewhere = manifests.with_name("elsewhere")
    with routes_unchanged(lab):
        lab.controller.kill()
        manifests.rename(elsewhere)
        manifests.mkdir()
        lab.controller.start()
        says(lab.controller, "manifests cannot be read", "none.yaml")
        time.sleep(2)
        manifests.rmdir()
        lab.controller.kill()
        lab.controller.start()
        says(lab.controller, "manifests cannot be read", "No such file")
        elsewhere.rename(manifests)
        lab.controller.wait_ready()
        time.sleep(2)
    lab.wait_documented()


def test_controller_waits_for_the_folder_of_its_status(tmp_path):
    manifests = tmp_path / "mount"
    with subprocess.Popen([BIN / "openelb-controller", "--manifests", manifests, "--plan-insecure",
                           "--plan-addr", "127.0.0.1:0", "--metrics-addr", "0"],
                          stderr=subprocess.PIPE, text=True) as process:
        assert str(manifests) in process.stderr.readline()
        time.sleep(1.5)
        assert not manifests.exists()
        process.terminate()
        assert process.stderr.read() == ""
        assert process.wait(5) == 0


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
    wait_saved(lab)
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


def test_controller_without_speakers_says_that_it_waits_for_them(lab):
    for program in (*lab.speakers.values(), lab.controller):
        program.kill()
    lab.start_controller()
    says(lab.controller, "waiting to hear from speakers", "at_most=10s")
    lab.start_speakers()
    lab.wait_documented()


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
