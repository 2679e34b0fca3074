"""Who reaches the controllers' port, with a token that is not his to show, with a stolen one, or with none and a
thousand connections: refused and counted, and no speaker feels it."""

import base64
import json
import sys
import time
from pathlib import Path

import pytest
from faults import delete_pod, drop, said, serve_new, unharmed, wait_attached
from lab import programs
from lab.installed import CONTROLLER, NAMESPACE, SPEAKER
from lab.kubernetes_topology import NODES
from lab.net import run, wait_until

MASTER1 = 'openelb_speaker_attached{node="master1"}'


def token_of(lab, pod, audience=CONTROLLER):
    """A token as a kubelet would ask for: bound to a speaker's Pod, and so to its node."""
    return lab.kubectl("-n", NAMESPACE, "create", "token", SPEAKER, f"--audience={audience}", "--duration=10m",
                       "--bound-object-kind=Pod", f"--bound-object-name={pod['metadata']['name']}",
                       f"--bound-object-uid={pod['metadata']['uid']}").strip()


def run_out(lab, token, folder):
    """The token as it is an hour after its end, signed with the cluster's key."""
    def encode(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    head, claims, _ = token.encode().split(b".")
    claims = json.loads(base64.urlsafe_b64decode(claims + b"=="))
    past = int(time.time()) - 3600
    signed = head + b"." + encode(json.dumps(claims | {"iat": past - 600, "nbf": past - 600, "exp": past}).encode())
    (folder / "signed").write_bytes(signed)
    run("openssl", "dgst", "-sha256", "-sign", lab.control_plane.service_account_key, "-out", folder / "signature",
        folder / "signed")
    der = (folder / "signature").read_bytes()  # SEQUENCE of two INTEGERs; JWS has them side by side (RFC 7518 3.4)
    first = der[4:4 + der[3]]
    second = der[6 + der[3]:]
    signature = b"".join(number.lstrip(b"\0").rjust(32, b"\0") for number in (first, second))
    return (signed + b"." + encode(signature)).decode()


def stranger(lab, token, folder):
    """A speaker on worker1 that says it is master1's, and shows a token."""
    trusted = lab.get("configmap", "openelb-controllers", NAMESPACE)["data"]
    for name, content in {**trusted, "token": token}.items():
        (folder / name).write_text(content)
    return programs.Program(lab["worker1"], "stranger", [
        programs.BIN / "openelb-speaker", "--controllers-file", folder / "endpoints", "--plan-tls-ca",
        folder / "ca.crt", "--token-file", folder / "token", "--node-name", "master1", "--state-dir", folder,
        "--metrics-addr", programs.METRICS])


REFUSED_STREAM = 'openelb_plan_streams_total{outcome="refused"}'
REFUSED_TOKEN = 'openelb_token_reviews_total{outcome="refused"}'


@pytest.mark.parametrize(("wrong", "words", "counter"), [
    pytest.param("node", r'claims \\"master1\\", but its token is bound to \\"worker-p002\\"', REFUSED_STREAM, id="node"),
    pytest.param("audience", "token is refused.*the API server does not accept it.*audience", REFUSED_TOKEN, id="audience"),
    pytest.param("expired", "token is refused.*the API server does not accept it.*expired", REFUSED_TOKEN, id="expired")])
def test_token_that_is_refused(lab, tmp_path, wrong, words, counter):
    """The controller says why, and counts it; the speaker that has the right one is not disturbed."""
    pod = lab.speaker("worker-p002" if wrong == "node" else "master1")
    token = token_of(lab, pod, audience="another" if wrong == "audience" else CONTROLLER)
    if wrong == "expired":
        token = run_out(lab, token, tmp_path)
    leader = lab.leader()
    with unharmed(lab):
        before = lab.metric(leader, counter)
        intruder = stranger(lab, token, tmp_path).start()
        try:
            wait_until(lambda: said(lab, leader, words), 20, what="why it is refused")
            wait_until(lambda: lab.metric(leader, counter) > before, 5, what="it is counted")
            assert intruder.metric("openelb_speaker_plan_routes") in (None, 0)
        finally:
            intruder.kill()
        assert lab.metric(leader, MASTER1) == 1


def test_stolen_token(lab, tmp_path):
    """The token of a live speaker, from another machine: the speaker keeps its stream, users hear of the other."""
    second = 'openelb_plan_streams_total{outcome="second"}'
    leader = lab.leader()
    ended = lab.metric(leader, 'openelb_plan_streams_total{outcome="ended"}')
    with unharmed(lab):
        thief = stranger(lab, token_of(lab, lab.speaker("master1")), tmp_path).start()
        try:
            wait_until(lambda: lab.metric(leader, second) > 0, 20, what="it is counted")
            told, = wait_until(lambda: lab.events("Node", "master1", "SecondSpeaker"), 10, what="an Event")
            assert any(f"(at {address})" in told for address in (NODES["worker1"][0], lab.nodes["worker1"].management))
            time.sleep(5)  # it goes on trying
            assert lab.metric(leader, second) > 1
            assert thief.metric("openelb_speaker_plan_routes") in (None, 0)
            serve_new(lab, "beside-a-thief")
        finally:
            thief.kill()
        assert lab.metric(leader, 'openelb_plan_streams_total{outcome="ended"}') == ended
        assert lab.events("Node", "master1", "SecondSpeaker") == [told]
    drop(lab, "beside-a-thief")


FLOOD = """
import socket, sys, time
sockets = []
for number in range(int(sys.argv[3])):
    one = socket.socket()
    one.setblocking(False)
    try:
        one.connect((sys.argv[1], int(sys.argv[2])))
    except BlockingIOError:
        pass
    sockets.append(one)
print("connected", flush=True)
while True:
    for number, one in enumerate(sockets):
        try:
            one.send(b"PRI * HTTP/2.0"[:number % 9])
        except OSError:
            one.close()
            one = socket.socket()
            one.setblocking(False)
            try:
                one.connect((sys.argv[1], int(sys.argv[2])))
            except BlockingIOError:
                pass
            sockets[number] = one
    time.sleep(1)
"""


def test_flood_of_connections(lab):
    """Thousands of connections from one machine that show no token: streams go on, a speaker of another machine is let
    in, descriptors and memory are bounded, and once they end everybody is let in."""
    leader = lab.leader()
    pid = lab.container_pid(leader)

    def descriptors():
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())

    before = descriptors()
    log = lab.run_dir.log("worker1.flood")
    flood = lab["worker1"].spawn("flood", [sys.executable, "-u", "-c", FLOOD, leader["status"]["podIP"], 50051, 3000])
    try:
        with unharmed(lab):
            wait_until(lambda: "connected" in log.read_text(), 20, what="the flood")
            wait_until(lambda: lab.metric(leader, 'openelb_plan_connections_total{outcome="refused"}') > 2000, 20)
            assert lab.metric(leader, "openelb_plan_connections_unidentified") <= 40
            assert descriptors() < before + 60
            serve_new(lab, "beside-a-flood")
        delete_pod(lab, lab.speaker("master1"), "--force", "--grace-period=0")
        lab.wait_installed()
        wait_attached(lab)
        assert lab.metric(leader, 'openelb_plan_connections_total{outcome="refused"}') > 6000
    finally:
        flood.kill()
    wait_until(lambda: descriptors() <= before + 5, 30, what="its descriptors given back")
    assert lab.leader()["metadata"]["name"] == leader["metadata"]["name"]
    drop(lab, "beside-a-flood")
