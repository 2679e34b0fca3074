"""Wrong input to running programs: one clear line, counted, and nothing that worked is disturbed."""

import shutil
import signal
import subprocess
import time

import pytest
from lab import programs
from lab.bird import Bird
from lab.fabric import NODE_AS
from lab.net import wait_until
from lab.router import Neighbor, RouterConfig
from lab.topology import CONTROLLER
from watch import DOCUMENTED, peer_status, routes_unchanged, says

ROGUE = "192.168.0.9"


def peer(name, address, asn, **spec):
    return {"apiVersion": "network.kubesphere.io/v1alpha2", "kind": "BgpPeer", "metadata": {"name": name},
            "spec": {"conf": {"peerAs": asn, "neighborAddress": address},
                     "nodeSelector": {"matchLabels": {"openelb.kubesphere.io/rack": "leaf1"}}} | spec}


@pytest.fixture(scope="module")
def rogue(shared_lab):
    """A machine on leaf1's network that is no router of ours."""
    return shared_lab.attach("rogue", ROGUE)


def bird_on(rogue, asn, router_id):
    config = RouterConfig(asn, router_id, {"192.168.0.3": Neighbor("192.168.0.3", NODE_AS)}, kernel=False)
    router = Bird(rogue, config)
    router.start()
    return router


def test_peer_that_accepts_tcp_and_says_nothing(lab, rogue):
    rogue.spawn("silent", ["python3", "-c", "import socket, time\n"
                           "s = socket.create_server(('', 179))\nheld = []\n"
                           "while True: held.append(s.accept())"])
    with routes_unchanged(lab):
        lab.cluster.apply(peer("silent", ROGUE, 64999, timers={"config": {"holdTime": "3"}}))
        wait_until(lambda: peer_status(lab, "silent", "master1").get("sessionState"))
        time.sleep(1)
        assert peer_status(lab, "silent", "master1")["sessionState"] != "ESTABLISHED"
        lab.cluster.edit("Node", "worker1", lambda o: o["metadata"]["labels"].update(any="edit"))
    rogue.process("silent").kill()


def test_silent_peer_gets_our_open_once_the_delay_is_over(lab, rogue):
    told = rogue.run_dir.log("rogue.waits")
    rogue.spawn("waits", ["python3", "-u", "-c", "import socket, time\n"
                          "s = socket.create_server(('', 179))\n"
                          "while True:\n c, _ = s.accept()\n t = time.monotonic()\n"
                          " print(c.recv(100)[18], time.monotonic() - t)"])
    with routes_unchanged(lab):
        lab.cluster.apply(peer("waits", ROGUE, 64999, timers={"config": {"delayOpenTime": "2"}}))
        kind, seconds = wait_until(lambda: told.read_text().split()[:2] or None, what="our OPEN")
    assert kind == "1" and float(seconds) > 1.9
    rogue.process("waits").kill()


def test_peer_of_another_as(lab, rogue):
    router = bird_on(rogue, 64999, ROGUE)
    try:
        with routes_unchanged(lab):
            lab.cluster.apply(peer("mistaken", ROGUE, 64998))
            line = says(lab.speakers["master1"], ROGUE, "64999")
            assert "64998" in line
            assert lab.speakers["master1"].metric("openelb_speaker_bgp_notifications_total", direction="sent") >= 1
            assert not router.established("192.168.0.3")
    finally:
        router.stop()


def test_peer_with_the_speakers_own_identifier(lab, rogue):
    router = bird_on(rogue, NODE_AS, "192.168.0.3")
    try:
        with routes_unchanged(lab):
            lab.cluster.apply(peer("twin", ROGUE, NODE_AS))  # iBGP: identifiers must differ (RFC 6286)
            says(lab.speakers["master1"], ROGUE, "dentifier")
            assert not router.established("192.168.0.3")
    finally:
        router.stop()


def test_wrong_manifest_keeps_the_last_good_state(lab):
    cluster = lab.cluster
    service = (cluster.manifests / "service.yaml").read_text()
    with routes_unchanged(lab):
        cluster.write("eip.yaml", "apiVersion: network.kubesphere.io/v1alpha2\nkind: Eip\n"
                                  "metadata:\n  name: bgp-eip\nspec:\n  address: 172.22.0.300\n")
        line = says(lab.controller, "eip.yaml:6", "bgp-eip", "172.22.0.300")
        assert "address" in line
        cluster.write("service.yaml", "kind: Service\n  metadata: [broken\n")
        says(lab.controller, "service.yaml:2")
        assert lab.controller.metric("openelb_manifest_objects_total", outcome="refused") >= 1
        assert lab.controller.metric("openelb_manifest_files_total", outcome="refused") >= 1
    # With the Eip still wrong, the rest goes on.
    cluster.write("service.yaml", service)
    cluster.set_ready("worker1", "False")
    lab.wait_next_hops(DOCUMENTED | {"leaf1": {"192.168.0.3"}})


# Per kind: what is done to a right object, and what the line must name.
WRONG = {
    "Eip": ("bgp-eip", lambda o: o["spec"].update(address="172.22.0.9-172.22.0.2"), "spec.address"),
    "BgpConf": ("default", lambda o: o["spec"].update({"as": -5}), "spec.as"),
    "BgpPeer": ("leaf1", lambda o: o["spec"]["conf"].update(neighborAddress="leaf1.example"),
                "spec.conf.neighborAddress"),
    "Service": ("bgp-svc", lambda o: o["spec"]["ports"][0].update(port=70000), "spec.ports"),
    "Node": ("worker1", lambda o: o["status"]["addresses"][0].update(address="192.168.0"), "status.addresses"),
    "EndpointSlice": ("bgp-svc-7xk2p", lambda o: o["endpoints"][0].update(addresses=["10.233.65"]), "endpoints"),
    "Namespace": ("default", lambda o: o["metadata"].update(labels=["no", "map"]), "metadata.labels"),
    "DaemonSet": ("openelb-speaker", lambda o: o["spec"]["template"]["spec"].update(nodeSelector="all"),
                  "spec.template.spec.nodeSelector"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_object_of_every_kind_is_named_and_counted(lab, kind):
    name, change, field = WRONG[kind]
    before = lab.controller.metric("openelb_manifest_objects_total", outcome="refused")
    with routes_unchanged(lab):
        lab.cluster.edit(kind, name, change)
        says(lab.controller, f"{kind}/", name, field)
        assert lab.controller.metric("openelb_manifest_objects_total", outcome="refused") > before


def test_manifest_broken_at_start_keeps_the_last_good_state(lab):
    with routes_unchanged(lab):
        lab.controller.kill()
        lab.cluster.write("service.yaml", "kind: Service\n  metadata: [broken\n")
        lab.start_controller()
        says(lab.controller, "service.yaml")


def test_second_speaker_with_the_same_node_name_is_refused(lab):
    with routes_unchanged(lab):
        twin = programs.speaker(lab["worker1"], "master1", CONTROLLER, lab.run_dir.path / "state" / "twin",
                                lab.credentials, role="speaker-twin").start()
        says(lab.controller, "master1", "refus")
        assert lab.controller.metric("openelb_plan_streams_total", outcome="refused") >= 1
        time.sleep(1)
        twin.kill()
    assert lab.speakers["master1"].running()


def test_new_speaker_replaces_one_that_is_silent(lab):
    """A speaker that hangs has no stream after 3 s and no session after the hold time; then one started in its place gets
    the plan."""
    lab.speakers["master1"].process.signal(signal.SIGSTOP)
    try:
        with routes_unchanged(lab, "leaf2"):
            twin = programs.speaker(lab["worker1"], "master1", CONTROLLER, lab.run_dir.path / "state" / "heir",
                                    lab.credentials, role="speaker-heir").start()
            wait_until(lambda: twin.metric("openelb_speaker_plan_routes") == 1)
            twin.kill()
    finally:
        lab.speakers["master1"].process.signal(signal.SIGCONT)
    says(lab.speakers["master1"], "controller is back")
    lab.wait_documented()


def test_token_of_another_node_is_refused(lab):
    shutil.copy(lab.credentials.token("worker-p002"), lab.credentials.token("stranger"))
    with routes_unchanged(lab):
        stranger = programs.speaker(lab["worker1"], "stranger", CONTROLLER, lab.run_dir.path / "state" / "stranger",
                                    lab.credentials, role="speaker-stranger").start()
        says(lab.controller, "stranger")
        stranger.kill()


def test_full_disk_under_the_state_directory(lab):
    """The plan is applied all the same; the speaker says that it could not be saved."""
    lab.speakers["worker-p002"].stop()
    state = lab.run_dir.path / "state" / "worker-p002"
    speaker = lab.speakers["worker-p002"]
    # A small file system that only this speaker sees.
    argv = ["sh", "-c", f"mount -t tmpfs -o size=16k tmpfs {state} && cat /dev/zero > {state}/filler 2>/dev/null; "
                        'exec "$@"', "sh", *speaker.argv]
    full = programs.Program(speaker.host, "speaker", argv)
    lab.speakers["worker-p002"] = full.start()
    lab.wait_documented()
    says(full, str(state))
    wait_until(lambda: full.metric("openelb_speaker_plan_file_errors_total", operation="save"))
    lab.cluster.edit("Service", "bgp-svc", lambda o: o["spec"].update(externalTrafficPolicy="Local"))
    lab.wait_next_hops({"leaf1": {"192.168.0.4"}, "leaf2": {"192.168.1.2"}})
    full.kill()


def test_damaged_plan_file_is_reported_and_ignored(lab):
    speaker = lab.speakers["master1"]
    lab.controller.kill()
    speaker.kill()
    files = [path for path in (lab.run_dir.path / "state" / "master1").rglob("*") if path.is_file()]
    assert files
    for path in files:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0xFF
        path.write_bytes(content)
    with routes_unchanged(lab, "leaf2"):
        lab.start_speaker("master1")
        says(lab.speakers["master1"], "state/master1")
        assert lab.speakers["master1"].metric("openelb_speaker_plan_file_errors_total", operation="load") == 1
        time.sleep(0.5)
        assert lab.speakers["master1"].running()
        lab.start_controller()
        lab.wait_documented()


def test_truncated_plan_file_is_reported_and_ignored(lab):
    lab.speakers["master1"].kill()
    for path in (lab.run_dir.path / "state" / "master1").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:10])
    lab.start_speaker("master1")
    lab.wait_documented()


@pytest.mark.parametrize("program", ["openelb-controller", "openelb-speaker"])
@pytest.mark.parametrize("flags, named", [
    (["--no-such-flag"], "--no-such-flag"),
    (["--metrics-addr", "nonsense"], "--metrics-addr"),
    (["--log-format", "xml"], "--log-format"),
    ([], "--"),  # what is required and missing
])
def test_wrong_flags_exit_2_with_one_line(program, flags, named):
    done = subprocess.run([programs.BIN / program, *flags], capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1 and named in done.stderr


@pytest.mark.parametrize("program", ["openelb-controller", "openelb-speaker"])
def test_help_and_version(program):
    for flag in ("--help", "--version"):
        done = subprocess.run([programs.BIN / program, flag], capture_output=True, text=True, timeout=10, check=False)
        assert done.returncode == 0 and done.stdout.strip()
