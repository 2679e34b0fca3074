"""The Secret behind the controllers' certificate is deleted, damaged, out of date: it heals, and nothing is withdrawn.
Speakers that show a token that is not theirs to show are refused."""

import base64
import json
import time

import pytest
from faults import delete_pod, drop, kill, said, serve_new, suspended, unharmed, wait_attached
from lab import programs
from lab.installed import CONTROLLER, NAMESPACE, SPEAKER
from lab.net import run, wait_until

SECRET = f"{CONTROLLER}-tls"
POLLED_S = 30  # how often it is looked at


def secret(lab):
    """The data of the Secret, decoded; {} while there is none."""
    found = lab.kubectl("-n", NAMESPACE, "get", "secret", SECRET, "-o", "json", "--ignore-not-found")
    return {key: base64.b64decode(value) for key, value in json.loads(found or '{"data":{}}')["data"].items()}


def write(lab, **data):
    lab.patch("secret", SECRET, {"data": {key.replace("_", "."): base64.b64encode(value).decode()
                                          for key, value in data.items()}}, NAMESPACE)


def serves(lab):
    """A speaker that starts now, and so trusts what is published now, is served."""
    delete_pod(lab, lab.speaker("master1"), "--force", "--grace-period=0")
    lab.wait_installed()
    wait_attached(lab)


def valid(pem, folder):
    """Whether a certificate is good for a day from now at least."""
    (folder / "served.crt").write_bytes(pem)
    return "will not" in run("openssl", "x509", "-in", folder / "served.crt", "-noout", "-checkend", "86400",
                             check=False)


def expired(data, folder):
    """A certificate of the Secret's own authority that ran out yesterday, with its key."""
    for name in ("ca.crt", "ca.key"):
        (folder / name).write_bytes(data[name])
    run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=old",
        "-keyout", folder / "old.key", "-out", folder / "old.csr")
    run("openssl", "x509", "-req", "-in", folder / "old.csr", "-CA", folder / "ca.crt", "-CAkey", folder / "ca.key",
        "-CAcreateserial", "-days", "-1", "-out", folder / "old.crt")
    return (folder / "old.crt").read_bytes(), (folder / "old.key").read_bytes()


def test_secret_deleted(lab):
    """What is served stays, and is written again: nobody has to trust anything new."""
    before = secret(lab)
    with unharmed(lab):
        lab.kubectl("-n", NAMESPACE, "delete", "secret", SECRET)
        wait_until(lambda: secret(lab) == before, POLLED_S + 10, interval=0.5, what="the Secret as it was")
        serve_new(lab, "after-deletion")
    drop(lab, "after-deletion")


def test_expired_certificate(lab, tmp_path):
    """At the start of both controllers: the leader renews it."""
    with unharmed(lab):
        with suspended(lab):
            certificate, key = expired(secret(lab), tmp_path)
            assert not valid(certificate, tmp_path)
            write(lab, tls_crt=certificate, tls_key=key)
            for pod in lab.controllers():
                kill(lab, pod)
        wait_until(lambda: valid(secret(lab)["tls.crt"], tmp_path), POLLED_S, interval=0.5, what="a new certificate")
        wait_attached(lab, POLLED_S)
        serve_new(lab, "after-expiry")
    serves(lab)
    drop(lab, "after-expiry")


@pytest.mark.parametrize("lost", ["nothing-served", "everything"])
def test_nonsense_in_the_secret(lab, tmp_path, lost):
    """While controllers run it is put right; where they start with it, a new authority is made and published."""
    before = secret(lab)
    with unharmed(lab):
        with suspended(lab):
            write(lab, **{key.replace(".", "_"): b"nonsense" for key in before})
            if lost == "everything":
                for pod in lab.controllers():
                    kill(lab, pod)
        wait_until(lambda: secret(lab)["tls.crt"] != b"nonsense" and valid(secret(lab)["tls.crt"], tmp_path),
                   POLLED_S + 10, interval=0.5, what="a certificate")
        assert (secret(lab) == before) == (lost != "everything")
        wait_attached(lab, 2 * POLLED_S)
        serve_new(lab, "after-nonsense")
    serves(lab)
    drop(lab, "after-nonsense")


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
        assert lab.metric(leader, 'openelb_speaker_attached{node="master1"}') == 1
