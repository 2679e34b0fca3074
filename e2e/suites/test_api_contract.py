"""The contract suite of controller/kube/testing/contract against a real kube-apiserver: what our client relies on, and
what the double of the unit tests answers, is what the real one does."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from lab.control_plane import API_SERVER, ETCD_URL
from lab.fixtures import control_plane  # noqa: F401
from lab.programs import BIN

CRDS = Path(__file__).resolve().parents[2] / "crds"
CONTRACT = BIN / "contract_real"


@pytest.fixture
def forgotten(control_plane):  # noqa: F811
    """A moment that the server knows nothing of any more: compacted in etcd, older than its watch caches."""
    def page():
        return json.loads(control_plane.kubectl("get", "--raw", "/api/v1/namespaces?limit=1"))["metadata"]

    then = page()
    control_plane.kubectl("create", "namespace", "later")
    compaction = json.dumps({"revision": page()["resourceVersion"], "physical": True})
    control_plane.host.exec("curl", "-sf", f"{ETCD_URL}/v3/kv/compaction", "-d", compaction)
    control_plane.stop(API_SERVER)
    control_plane.start(API_SERVER)
    return then


def test_the_real_server_keeps_the_contract(control_plane, forgotten):  # noqa: F811
    control_plane.kubectl("apply", "-k", CRDS)
    control_plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=20s")
    environment = {
        "OPENELB_CONTRACT_KUBECONFIG": str(control_plane.admin.kubeconfig),
        "OPENELB_CONTRACT_REVISION": forgotten["resourceVersion"],
        "OPENELB_CONTRACT_CONTINUE": forgotten["continue"],
    }
    process = control_plane.host.spawn("contract", [CONTRACT, "--gtest_brief=1"], env=environment)
    assert process.wait(timeout=120) and process.exit_code() == 0, control_plane.host.log("contract")


def test_without_a_server_it_fails():
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENELB_CONTRACT")}
    process = subprocess.run([CONTRACT], env=environment, capture_output=True, text=True)
    assert process.returncode == 1
    assert "OPENELB_CONTRACT_KUBECONFIG is not set" in process.stderr
