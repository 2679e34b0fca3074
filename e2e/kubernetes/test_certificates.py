"""The Secret behind the controllers' certificate is deleted, damaged, out of date: it heals, and nothing is withdrawn."""

import base64
import json

import pytest
from faults import delete_pod, drop, kill, serve_new, suspended, unharmed, wait_attached
from lab.installed import CONTROLLER, NAMESPACE
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
