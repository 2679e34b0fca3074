"""The kustomize base on a real API server: it applies, and grants what it says and no more."""

import json
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
BIN = HERE.parent / "build" / "bin"
NAMESPACE = "openelb-system"
CONTROLLER, SPEAKER = "openelb-controller", "openelb-speaker"


@pytest.fixture(scope="module")
def installed(control_plane):
    """kubectl, where the base is applied."""
    control_plane.kubectl("apply", "-k", HERE / "default")
    return control_plane.kubectl


def get(kubectl, *what):
    return json.loads(kubectl("-n", NAMESPACE, "get", *what, "-o", "json"))


def rights(kubectl, account):
    """The table of what a ServiceAccount may do in the namespace, as lines."""
    said = kubectl("auth", "can-i", "--list", "-n", NAMESPACE,
                   f"--as=system:serviceaccount:{NAMESPACE}:{account}",
                   f"--as-group=system:serviceaccounts:{NAMESPACE}", "--as-group=system:serviceaccounts",
                   "--as-group=system:authenticated")
    return {" ".join(line.split()) for line in said.splitlines()}


def may(kubectl, account, verb, resource, *where):
    return kubectl("auth", "can-i", verb, resource, *where, f"--as=system:serviceaccount:{NAMESPACE}:{account}",
                   check=False).strip() == "yes"


def test_applying_again_changes_nothing(installed):
    def specs():
        found = json.loads(installed("get", "-k", HERE / "default", "-o", "json"))["items"]
        return {(one["kind"], one["metadata"]["name"]): [one.get(field) for field in ("spec", "rules", "subjects")]
                for one in found}
    before = specs()
    installed("apply", "-k", HERE / "default")
    assert len(before) == 18 and specs() == before


def test_documented_names_and_labels(installed):
    for component, kind in (("controller", "deployment"), ("speaker", "daemonset")):
        [found] = get(installed, kind, "-l", f"app=openelb,component={component}")["items"]
        labels = {"app": "openelb", "component": component}
        assert found["metadata"]["name"] == f"openelb-{component}"
        assert found["spec"]["selector"]["matchLabels"] == labels
        assert found["spec"]["template"]["metadata"]["labels"] == labels
    speaker = found["spec"]["template"]["spec"]
    assert speaker["hostNetwork"] and speaker["nodeSelector"] == {"kubernetes.io/os": "linux"}
    assert {"--api-hosts=:50051", "--enable-keepalived-vip=true", "--enable-layer2=true"} <= set(
        speaker["containers"][0]["args"])


@pytest.mark.parametrize("kind, name", [("deployment", CONTROLLER), ("daemonset", SPEAKER)])
def test_the_programs_know_their_arguments(installed, kind, name):
    [container] = get(installed, kind, name)["spec"]["template"]["spec"]["containers"]
    # --version comes after the other flags are read: a wrong one ends the program with 2.
    done = subprocess.run([BIN / name, *container["args"], "--version"], capture_output=True, text=True, timeout=20,
                          check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_speakers_may_do_nothing(installed):
    assert rights(installed, SPEAKER) == rights(installed, "nobody")
    assert rights(installed, CONTROLLER) > rights(installed, "nobody")
    spec = get(installed, "daemonset", SPEAKER)["spec"]["template"]["spec"]
    assert spec["automountServiceAccountToken"] is False
    [token] = [source["serviceAccountToken"] for volume in spec["volumes"] if "projected" in volume
               for source in volume["projected"]["sources"]]
    assert token == {"audience": "openelb-controller", "expirationSeconds": 3600, "path": "token"}


HERE_ONLY = ("-n", NAMESPACE)
STATUS = "--subresource=status"


@pytest.mark.parametrize("verb, resource, where", [
    ("watch", "services", ("-A",)), ("patch", "services", ("-n", "default", STATUS)), ("patch", "eips", (STATUS,)),
    ("create", "events", ("-n", "default")), ("create", "tokenreviews", ()),
    ("create", "subjectaccessreviews", ()),
    ("patch", "validatingwebhookconfigurations/openelb-admission", ()),
    ("update", f"leases/{CONTROLLER}", HERE_ONLY), ("get", "secrets/openelb-controller-tls", HERE_ONLY),
    ("list", "secrets", HERE_ONLY), ("watch", "secrets", HERE_ONLY),
    ("watch", f"daemonsets/{SPEAKER}", HERE_ONLY), ("watch", "configmaps", HERE_ONLY),
    ("create", f"daemonsets/{SPEAKER}", HERE_ONLY), ("patch", f"daemonsets/{SPEAKER}", HERE_ONLY),
    ("delete", "pods", HERE_ONLY), ("list", "controllerrevisions", HERE_ONLY), ("create", "serviceaccounts", HERE_ONLY),
    ("watch", "openelbs", ()), ("patch", "openelbs", (STATUS,))])
def test_the_controller_may(installed, verb, resource, where):
    assert may(installed, CONTROLLER, verb, resource, *where)


@pytest.mark.parametrize("verb, resource, where", [
    ("delete", "services", ("-A",)), ("update", "services", ("-A",)), ("create", "services", ("-A",)),
    ("patch", "services", ("-A",)),
    ("get", "secrets", HERE_ONLY), ("list", "secrets", ("-A",)), ("get", "secrets/other", HERE_ONLY),
    ("get", "secrets/openelb-controller-tls", ("-n", "default")), ("update", "leases/other", HERE_ONLY),
    ("list", "pods", ("-A",)), ("patch", "nodes", ()), ("list", "configmaps", ("-n", "default")),
    ("get", "configmaps/other", HERE_ONLY),
    ("delete", "eips", ()), ("patch", "daemonsets", HERE_ONLY), ("patch", "daemonsets/other", HERE_ONLY),
    ("create", "daemonsets", HERE_ONLY), ("delete", f"daemonsets/{SPEAKER}", HERE_ONLY), ("delete", "pods", ("-A",)),
    ("create", "pods", HERE_ONLY), ("patch", "serviceaccounts", HERE_ONLY), ("patch", "openelbs", ()), ("list", "daemonsets", ("-A",)),
    ("create", "rolebindings", HERE_ONLY), ("get", "/metrics", ()),
    ("patch", "validatingwebhookconfigurations/other", ()), ("list", "validatingwebhookconfigurations", ()),
    ("delete", "validatingwebhookconfigurations/openelb-admission", ()),
    ("get", "mutatingwebhookconfigurations/openelb-admission", ())])
def test_the_controller_may_not(installed, verb, resource, where):
    assert not may(installed, CONTROLLER, verb, resource, *where)


def test_without_an_answer_everything_is_written(installed):
    """No controller runs here. And the API server took the webhooks' conditions for good."""
    [webhook] = get(installed, "validatingwebhookconfigurations", "openelb-admission")["webhooks"]
    assert webhook["failurePolicy"] == "Ignore" and webhook["timeoutSeconds"] <= 3
    assert webhook["matchPolicy"] == "Equivalent" and webhook["sideEffects"] == "None"
    eip = {"apiVersion": "network.kubesphere.io/v1alpha2", "kind": "Eip", "metadata": {"name": "unanswered"},
           "spec": {"address": "192.0.2.1"}}
    installed("apply", "-f", "-", input=json.dumps(eip))
    installed("annotate", "eip", "unanswered", "a=b")
    installed("delete", "eip", "unanswered", "--timeout=10s")


def test_pods_are_let_in(installed):
    """With no node to run on they stay pending; nothing refuses them before."""
    installed("-n", NAMESPACE, "wait", f"deployment/{CONTROLLER}", "--for=jsonpath={.status.replicas}=2", "--timeout=30s")
    assert get(installed, "pdb", CONTROLLER)["spec"]["maxUnavailable"] == 1
