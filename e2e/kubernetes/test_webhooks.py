"""What is wrong with an object is said to whoever writes it; and while nobody can say it, everything is written, and a
condition says the same. Certificates that change, garbage and controllers that are away disturb nobody."""

import base64
import json
import os
import subprocess
import time
from pathlib import Path

import pytest
from faults import OPENELB, drop, openelb_service, suspended, unharmed, wait_attached
from lab.fabric import VIP
from lab.installed import BASE, CONTROLLER, NAMESPACE
from lab.net import run, wait_until
from test_certificates import secret, write

WEBHOOK = 'admission webhook "validate.network.kubesphere.io" denied the request: '
COMPONENT = Path(__file__).resolve().parents[2] / "config" / "components" / "default-eip"
PORT = 9443
KNOWN_S = 40  # until a change of the authority has reached the API server
NAMED, BRAND = "eip.openelb.kubesphere.io/v1alpha2", "lb.kubesphere.io/v1alpha1"
DEFAULT = {"eip.openelb.kubesphere.io/is-default-eip": "true"}


def an(kind, name, spec, version="v1alpha2", **metadata):
    return {"apiVersion": f"network.kubesphere.io/{version}", "kind": kind,
            "metadata": {"name": name, **metadata}, "spec": spec}


def peer(name, **conf):
    return an("BgpPeer", name, {"conf": {"peerAs": 50009, "neighborAddress": "192.168.0.99"} | conf})


OVERLAPPING = an("Eip", "overlapping", {"address": "172.22.0.8-172.22.0.20"})


def typed(lab, *words, objects=()):
    """What a user sees who types a kubectl command: (whether it succeeded, what it printed)."""
    argv = [*lab.control_plane.kubectl_command(), *words]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
    done = subprocess.run(["ip", "netns", "exec", lab.control_plane.host.netns, *map(str, argv)], input=text,
                          capture_output=True, text=True, timeout=60, check=False)
    return done.returncode == 0, done.stdout + done.stderr


def applied(lab, *objects, dry_run=True):
    how = ("--dry-run=server",) if dry_run else ()
    return typed(lab, "apply", *how, "-f", "-", objects=objects)


def refused(lab):
    """Whether webhooks do what they are for."""
    done, words = applied(lab, OVERLAPPING | {"metadata": {"name": "probe"}})
    return not done and WEBHOOK in words


@pytest.fixture
def lab(documented):
    wait_attached(documented)
    wait_until(lambda: refused(documented), KNOWN_S, interval=0.5, what="webhooks")
    yield documented
    assert documented.ips("bgp-svc") == [VIP]


@pytest.mark.parametrize("wrong, says", [
    (OVERLAPPING, 'Eip/overlapping: spec.address: "172.22.0.8-172.22.0.20" overlaps Eip "bgp-eip" '
                  "(172.22.0.2-172.22.0.10): choose addresses of no Eip, or delete that one first"),
    (OVERLAPPING | {"apiVersion": "network.kubesphere.io/v1alpha1"}, 'overlaps Eip "bgp-eip"'),
    (peer("twin", neighborAddress="192.168.0.2"),
     'BgpPeer/twin: spec.conf.neighborAddress: BgpPeer "leaf1" has the same neighbour 192.168.0.2 on node "master1"'),
    (peer("secretive", authPasswordSecretRef={"name": "none"}),
     'BgpPeer/secretive: spec.conf.authPasswordSecretRef: no Secret "none" in the namespace "openelb-system"'),
    (peer("lonely", peerGroup="spines"), 'spec.peerGroups of the BgpConf has no "spines"'),
    (an("BgpConf", "default", {"as": 50000, "peerGroups": {"x": {"timers": {"config": {"holdTime": 1}}}}}),
     "BgpConf/default: spec.peerGroups.x: timers.config.holdTime: 1 is not 0 or from 3 to 65535"),
], ids=["overlap", "old-version", "twin", "secret", "group", "contradiction"])
def test_a_bad_object_is_refused(lab, wrong, says):
    done, words = applied(lab, wrong)
    assert not done and WEBHOOK in words and says in words, words
    assert "request is invalid" in words


@pytest.mark.parametrize("odd, says", [
    (peer("plain", authPassword="geheim"), "Warning: spec.conf.authPassword: whoever may read BgpPeers can read it"),
    (peer("damped", routeFlapDamping=True), "Warning: spec.conf.routeFlapDamping: accepted, and has no effect"),
    (an("Eip", "old", {"address": "172.23.0.1", "usingKnownIPs": True}), "Warning: spec.usingKnownIPs: accepted"),
    (an("BgpConf", "other", {"as": 1}), 'Warning: metadata.name: only the BgpConf named "default" is used'),
], ids=["password", "peer", "eip", "conf"])
def test_kubectl_shows_warnings(lab, odd, says):
    done, words = applied(lab, odd)
    assert done and says in words, words


def test_what_comes_just_before_is_known(lab):
    """Together in one file: the controller hears of the Secret when the BgpPeer is being judged already."""
    made = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "leaf9", "namespace": NAMESPACE},
            "stringData": {"password": "geheim"}}
    done, words = applied(lab, made, peer("secretive", authPasswordSecretRef={"name": "leaf9"}), dry_run=False)
    assert done, words
    lab.kubectl("delete", "bgppeer", "secretive", "--timeout=20s")
    lab.kubectl("-n", NAMESPACE, "delete", "secret", "leaf9")


def test_an_eip_in_use_is_deleted_only_by_force(lab):
    done, words = typed(lab, "delete", "eip", "bgp-eip", "--wait=false")
    assert not done and "Eip/bgp-eip: Service default/bgp-svc has an address of it" in words, words
    assert "network.kubesphere.io/force-delete" in words
    assert "deletionTimestamp" not in lab.get("eip", "bgp-eip")["metadata"]

    lab.apply(an("Eip", "leaving", {"address": "172.22.1.1"}))
    service = openelb_service("holder")
    service["metadata"]["annotations"] = OPENELB | {NAMED: "leaving"}
    lab.apply(service)
    wait_until(lambda: lab.ips("holder") == ["172.22.1.1"]
               and lab.get("eip", "leaving")["metadata"].get("finalizers"), 20)
    assert not typed(lab, "delete", "eip", "leaving", "--wait=false")[0]
    lab.kubectl("annotate", "eip", "leaving", "network.kubesphere.io/force-delete=true")
    done, words = typed(lab, "delete", "eip", "leaving", "--wait=false")
    assert done and "Warning: Service default/holder keep" in words, words
    assert lab.ips("holder") == ["172.22.1.1"]
    lab.kubectl("delete", "service", "holder", "--timeout=20s")
    wait_until(lambda: "leaving" not in [e["metadata"]["name"] for e in lab.get("eips")], 10, what="the Eip is gone")

    # With its Services, in one command.
    lab.apply(an("Eip", "leaving", {"address": "172.22.1.1"}), service)
    wait_until(lambda: lab.ips("holder") == ["172.22.1.1"], 20)
    lab.kubectl("delete", "service/holder", "eip/leaving", "--timeout=20s")


def review(obj):
    """An API server's question, for who asks without one."""
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "u", "kind": {"kind": obj["kind"]}, "operation": "CREATE", "object": obj}})


def call(lab, pod, body, *options, path="/validate"):
    """(HTTP status, what a webhook of a Pod answers) to whoever reaches it."""
    url = f"https://{pod['status']['podIP']}:{PORT}{path}"
    said = lab.control_plane.host.exec("curl", "-sk", "--max-time", "20", "-w", "\n%{http_code}", "--data-binary", "@-",
                                       *options, url, stdin=body)
    answer, _, status = said.rpartition("\n")
    return int(status), answer


def test_both_replicas_say_the_same(lab):
    for pod in lab.controllers():
        status, answer = call(lab, pod, review(OVERLAPPING))
        assert status == 200 and 'overlaps Eip \\"bgp-eip\\"' in answer, (pod["metadata"]["name"], answer)


def test_garbage_is_refused_and_counted(lab):
    leader = lab.leader()

    def bad(what):
        return lab.metric(leader, f'openelb_admission_bad_requests_total{{what="{what}"}}')
    before = {what: bad(what) for what in ("no_review", "no_path", "no_http", "too_large", "no_tls")}
    with unharmed(lab):
        status, words = call(lab, leader, "garbage")
        assert status == 400 and "not JSON" in words and "AdmissionReview" in words
        status, words = call(lab, leader, json.dumps(OVERLAPPING))
        assert status == 400 and "not an AdmissionReview" in words
        assert call(lab, leader, review(OVERLAPPING), path="/nowhere")[0] == 404
        assert call(lab, leader, "", "-X", "PUT")[0] == 405
        assert call(lab, leader, "x" * 5_000_000)[0] == 413
        plain = f"http://{leader['status']['podIP']}:{PORT}/validate"
        run("ip", "netns", "exec", lab.control_plane.host.netns, "curl", "-s", "--max-time", "5", plain, check=False)
        after = {what: bad(what) for what in before}
        assert after == {what: count + 1 for what, count in before.items()} | {"no_review": before["no_review"] + 2}
        assert refused(lab)


def shown(lab, pod):
    """The certificate that webhooks are served with, PEM."""
    said = lab.control_plane.host.exec("openssl", "s_client", "-connect", f"{pod['status']['podIP']}:{PORT}",
                                       "-servername", f"{CONTROLLER}.{NAMESPACE}.svc", stdin="")
    return said[said.index("-----BEGIN"):said.index("-----END CERTIFICATE-----")]


def test_the_certificate_is_rotated_under_way(lab, tmp_path):
    """One of the same authority, as at a renewal: there is no moment at which a bad object passes."""
    data = secret(lab)
    for name in ("ca.crt", "ca.key"):
        (tmp_path / name).write_bytes(data[name])
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
        "-subj", "/CN=renewed", "-addext", f"subjectAltName=DNS:{CONTROLLER}.{NAMESPACE}.svc", "-addext",
        "basicConstraints=critical,CA:FALSE", "-keyout", tmp_path / "new.key", "-out", tmp_path / "new.crt",
        "-CA", tmp_path / "ca.crt", "-CAkey", tmp_path / "ca.key")
    renewed = (tmp_path / "new.crt").read_text()
    write(lab, tls_crt=renewed.encode(), tls_key=(tmp_path / "new.key").read_bytes())
    asked, passed = 0, 0
    end = time.monotonic() + KNOWN_S
    while any(shown(lab, pod) not in renewed for pod in lab.controllers()):
        assert time.monotonic() < end, "the new certificate is not served"
        asked += 1
        passed += not refused(lab)
    assert (asked > 0, passed) == (True, 0)
    assert refused(lab)


def test_a_lost_authority_is_made_known(lab):
    before = secret(lab)
    with unharmed(lab):
        with suspended(lab):
            write(lab, **{key.replace(".", "_"): b"nonsense" for key in before})
            for pod in lab.controllers():
                os.kill(lab.container_pid(pod), 9)
        wait_until(lambda: secret(lab)["ca.crt"] not in (b"nonsense", before["ca.crt"]), 60, interval=0.5,
                   what="a new authority")
        wait_until(lambda: refused(lab), 2 * KNOWN_S, interval=0.5, what="webhooks of the new authority")
    [webhook] = lab.get("validatingwebhookconfiguration", "openelb-admission")["webhooks"]
    assert base64.b64decode(webhook["clientConfig"]["caBundle"]) == secret(lab)["ca.crt"]
    # Speakers have to trust the new one before the next test asks anything of them.
    lab.kubectl("-n", NAMESPACE, "rollout", "restart", "daemonset/openelb-speaker")
    lab.wait_installed()
    lab.wait_documented(timeout=30)


def test_while_controllers_are_away_everything_is_written(lab):
    """And when they are back, the loop says of it what webhooks would have said."""
    twin = peer("twin", neighborAddress="192.168.0.2")
    deployment = ("-n", NAMESPACE, "scale", f"deployment/{CONTROLLER}")
    with unharmed(lab):
        lab.kubectl(*deployment, "--replicas=0")
        wait_until(lambda: lab.controllers() == [], 30)
        begun = time.monotonic()
        done, words = applied(lab, OVERLAPPING, twin, openelb_service("meanwhile"), dry_run=False)
        assert done and time.monotonic() - begun < 10, words
        lab.kubectl(*deployment, "--replicas=2")
        lab.wait_installed()
        wait_until(lambda: lab.ips("meanwhile"), 60, what="an address")
        condition = wait_until(lambda: next((c for c in lab.status("eip", "overlapping").get("conditions", [])
                                             if c["reason"] == "Overlap"), None), 30, what="a condition")
        assert condition["status"] == "False" and 'overlaps Eip "bgp-eip"' in condition["message"]
        found = wait_until(lambda: lab.condition("bgppeer", "twin", "DuplicatePeer"), 30, what="a condition")
        assert 'BgpPeer "leaf1" has the same neighbour 192.168.0.2' in found["message"]
    # What was wrong before can be labelled and deleted.
    wait_until(lambda: refused(lab), KNOWN_S, interval=0.5)
    lab.kubectl("label", "eip", "overlapping", "a=b")
    lab.patch("eip", "overlapping", {"spec": {"disable": True}})
    lab.kubectl("delete", "eip/overlapping", "bgppeer/twin", "--timeout=20s")
    drop(lab, "meanwhile")


def test_controllers_that_hang_hold_nobody_up_for_long(lab):
    with suspended(lab):
        begun = time.monotonic()
        done, words = applied(lab, OVERLAPPING)
        took = time.monotonic() - begun
        assert done, words
        begun = time.monotonic()
        lab.apply(openelb_service("meanwhile"))
        assert time.monotonic() - begun < 5
    assert took < 8  # 3 s of the webhook's, and kubectl's own
    drop(lab, "meanwhile")


# -- the webhook for Services --

def services(lab, *rows):
    """Makes Services with annotations, waits until what can get an address has had the time, and returns all addresses."""
    for number, annotations in enumerate(rows):
        made = openelb_service(f"row-{number}")
        made["metadata"]["annotations"] = annotations
        lab.apply(made)
    time.sleep(1.5)
    found = [next(iter(lab.ips(f"row-{number}")), None) for number in range(len(rows))]
    lab.kubectl("delete", "service", *(f"row-{number}" for number in range(len(rows))), "--timeout=20s")
    return found


ROWS = ({}, {BRAND: "openelb"}, {BRAND: "openelb", NAMED: "other"})


def truth_table(lab):
    """The results of the page's rows: without an Eip, with a default one, with another one, with both."""
    found = {}
    pools = {"default": an("Eip", "standing", {"address": "172.24.0.1-172.24.0.3"}, annotations=DEFAULT),
             "other": an("Eip", "other", {"address": "172.24.1.1-172.24.1.3"})}
    for there in ((), ("default",), ("other",), ("default", "other")):
        for name in there:
            lab.apply(pools[name])
            wait_until(lambda name=name: lab.status("eip", pools[name]["metadata"]["name"]).get("ready"), 10)
        found[there] = services(lab, *ROWS)
        for name in there:
            lab.kubectl("delete", "eip", pools[name]["metadata"]["name"], "--timeout=20s")
    return found


@pytest.fixture(scope="module")
def empty(documented):
    """Without any Eip, Service or BgpPeer."""
    documented.clear()
    return documented


def test_truth_table_without_the_flag(empty):
    assert truth_table(empty) == {
        (): [None, None, None],
        ("default",): [None, "172.24.0.1", None],
        ("other",): [None, None, "172.24.1.1"],
        ("default", "other"): [None, "172.24.0.1", "172.24.1.1"]}


def test_truth_table_with_the_flag(empty, tmp_path):
    (tmp_path / "kustomization.yaml").write_text(json.dumps({
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
        "resources": [os.path.relpath(BASE, tmp_path)], "components": [os.path.relpath(COMPONENT, tmp_path)]}))
    empty.kubectl("apply", "-k", tmp_path)
    empty.wait_installed()
    wait_until(lambda: "caBundle" in empty.get("mutatingwebhookconfiguration", "openelb-admission")["webhooks"][0]["clientConfig"],
               KNOWN_S, interval=0.5, what="the API server is told whom to trust")
    time.sleep(2)  # and has heard of it
    assert truth_table(empty) == {
        (): [None, None, None],
        ("default",): ["172.24.0.1", "172.24.0.2", None],
        ("other",): [None, "172.24.1.1", "172.24.1.2"],
        ("default", "other"): ["172.24.0.1", "172.24.0.2", "172.24.1.1"]}
    with suspended(empty):
        begun = time.monotonic()
        empty.apply(openelb_service("meanwhile"))
        assert time.monotonic() - begun < 8
    empty.kubectl("delete", "service", "meanwhile", "--timeout=20s")
    empty.kubectl("delete", "mutatingwebhookconfiguration", "openelb-admission", "--ignore-not-found")
