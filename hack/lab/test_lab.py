"""The lab alone, with BIRD in the speakers' place: what the suites rely on."""

import os
import subprocess
import sys
import threading
import time

import pytest
from lab.bird import Bird
from lab.fabric import LEAVES, VIP, leaf_of
from lab.lan import mac
from lab.net import RouteRecorder, wait_until
from lab.router import Neighbor, RouterConfig
from lab.run_dir import RunDir, remove_orphans, start_time
from lab.topology import MultiRouter
from lab.traffic import Traffic, ask

PREFIX = f"{VIP}/32"


def stand_in(lab, node, address, next_hops):
    """A sender on a node that announces the address with the given next hops."""
    leaf = LEAVES[leaf_of(address)]
    config = RouterConfig(50000, address, {leaf.address: Neighbor(leaf.address, leaf.asn, passive=False)},
                          announce={PREFIX: next_hops}, kernel=False)
    sender = Bird(lab[node], config)
    sender.start()
    return sender


@pytest.fixture(scope="module", params=["frr", "bird"])
def lab(request):
    remove_orphans("selftest-")
    lab = MultiRouter(f"selftest-{request.param}-{os.getpid()}", router=request.param)
    try:
        lab.up()
        (lab.cluster.status_dir / "service.yaml").write_text(
            "kind: Service\nmetadata: {name: bgp-svc, namespace: default}\n"
            f"status:\n  loadBalancer:\n    ingress:\n    - ip: {VIP}\n")
        lab.master = stand_in(lab, "master1", "192.168.0.3", ["192.168.0.3", "192.168.0.4"])
        lab.worker = stand_in(lab, "worker-p002", "192.168.1.2", ["192.168.1.2"])
        yield lab
    finally:
        lab.down()


def test_topology_routes_and_spreads(lab):
    lab.wait_documented()
    seen = ask(lab["client"], VIP, 300)
    assert not seen.lost
    assert set(seen.answers) == {"master1", "worker1", "worker-p002"}
    assert min(seen.answers.values()) > 30


def test_router_reads_its_sessions(lab):
    session = lab.routers["leaf1"].sessions()["192.168.0.3"]
    assert session.established and session.add_path and session.prefixes >= 1 and session.updates >= 1
    assert not lab.routers["leaf1"].sessions().get("192.168.0.9")


def test_recorder_and_client_see_a_next_hop_go(lab):
    recorder = RouteRecorder(lab["leaf1"])
    traffic = Traffic(lab["client"], VIP)
    traffic.wait_flow({"master1", "worker1", "worker-p002"})
    lab.master.config.announce[PREFIX] = ["192.168.0.3"]
    lab.master.apply()
    lab.wait_next_hops({"leaf1": {"192.168.0.3"}, "leaf2": {"192.168.1.2"}})
    traffic.wait_flow({"master1", "worker-p002"})
    assert [event[1:] for event in recorder.events(PREFIX)] == [("add", {"192.168.0.3"})]
    lab.master.config.announce[PREFIX] = ["192.168.0.3", "192.168.0.4"]
    lab.master.apply()
    lab.wait_documented()
    traffic.stop()
    recorder.stop()


def test_neighbour_without_add_path_gives_one_next_hop(lab):
    leaf = lab.routers["leaf1"]
    with_add_path = leaf.config.neighbors["192.168.0.3"]
    leaf.set_neighbor(Neighbor("192.168.0.3", 50000, add_path=False))
    wait_until(lambda: leaf.established("192.168.0.3"))
    lab.wait_next_hops({"leaf1": {"192.168.0.3"}, "leaf2": {"192.168.1.2"}})
    assert not leaf.sessions()["192.168.0.3"].add_path
    leaf.set_neighbor(with_add_path)
    lab.wait_documented()


def test_wrong_md5_keeps_a_session_down_and_the_right_one_brings_it_up(lab):
    leaf = lab.routers["leaf1"]
    leaf.set_neighbor(Neighbor("192.168.0.3", 50000, password="s3cret"))
    lab.wait_next_hops({"leaf1": set(), "leaf2": {"192.168.1.2"}})
    assert not leaf.established("192.168.0.3")
    peer = Neighbor("192.168.0.2", 50001, passive=False, password="s3cret")
    lab.master.set_neighbor(peer)
    lab.wait_documented()


def test_a_leaf_keeps_its_mac_when_ports_come_and_go(lab):
    before = mac(lab["leaf1"], "br0")
    lab["leaf1"].ip("link add port address 02:00:00:00:00:01 type veth peer name cable", "link set port master br0")
    assert mac(lab["leaf1"], "br0") == before
    lab["leaf1"].ip("link del port")
    assert mac(lab["leaf1"], "br0") == before


def test_policy_local_keeps_to_the_nodes_with_pods(lab):
    lab.cluster.edit("Service", "bgp-svc", lambda o: o["spec"].update(externalTrafficPolicy="Local"))
    wait_until(lambda: set(ask(lab["client"], VIP, 60).answers) == {"worker1", "worker-p002"})
    assert ask(lab["client"], VIP, 60).lost  # through master1, which the stand-in still announces
    lab.cluster.edit("Service", "bgp-svc", lambda o: o["spec"].update(externalTrafficPolicy="Cluster"))
    wait_until(lambda: not ask(lab["client"], VIP, 60).lost)


def test_down_works_from_another_object_after_a_crash():
    first = RunDir(f"selftest-crash-{os.getpid()}")
    first.create()
    first.create_namespace("a")
    process = first.spawn("sleeper", ["sleep", "60"], node="a")
    assert process.alive()
    second = RunDir(first.name)  # knows only what is on disk
    assert [p.role for p in second.processes()] == ["sleeper"]
    second.remove()
    assert not process.alive()
    assert not first.exists()
    assert not os.path.exists(f"/run/netns/{first.namespace('a')}")


def test_down_ends_what_is_started_meanwhile():
    """Whoever is interrupted while a program starts takes the lab down before there is a record of it."""
    first = RunDir(f"selftest-late-{os.getpid()}")
    first.create()
    stays = first.spawn("stays", ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"])
    wait_until(lambda: first.log("stays").read_text())
    down = threading.Thread(target=first.remove)
    down.start()
    time.sleep(0.5)  # `stays` has two seconds to end
    late = RunDir(first.name).spawn("late", ["sleep", "60"])
    down.join()
    assert not stays.alive() and not late.alive()
    assert not first.exists()


def test_a_process_lives_as_long_as_any_thread_of_it():
    """Until then its ports are taken."""
    first_ends = ("import ctypes, sys, threading; threading.Thread(target=sys.stdin.read).start();"
                  "ctypes.CDLL(None).pthread_exit(None)")
    with subprocess.Popen([sys.executable, "-c", first_ends], stdin=subprocess.PIPE) as process:
        wait_until(lambda: " Z " in open(f"/proc/{process.pid}/stat", encoding="ascii").read())
        assert start_time(process.pid) is not None
        process.stdin.close()
        wait_until(lambda: start_time(process.pid) is None)
