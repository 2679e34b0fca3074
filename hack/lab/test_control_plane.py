"""A control plane without nodes: what suites rely on."""

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from lab.control_plane import API_SERVER, CONTROLLER_MANAGER, FAST_ENDPOINTS, FAST_NODES, ControlPlane
from lab.net import Host, wait_until
from lab.run_dir import RunDir, remove_orphans, start_time

LAB = Path(__file__).with_name("lab")


@pytest.fixture
def lab_name():
    """A name whose lab is gone afterwards."""
    remove_orphans("selftest-cp-")
    name = f"selftest-cp-{os.getpid()}"
    yield name
    RunDir(name).remove()


def config_map(name, **data):
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})


def data_of(control_plane, name):
    return json.loads(control_plane.kubectl("get", "configmap", name, "-o", "json"))["data"]


def client(control_plane, name):
    """A host on the management network."""
    host = Host(control_plane.run_dir, name).create()
    control_plane.management.attach(host)
    return host


def status(host, control_plane, path, *options):
    """The HTTP status of a GET by curl from a host; 0 when there is no answer."""
    return int(host.exec("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "2",
                         "--cacert", control_plane.ca, *options, f"{control_plane.server}{path}", check=False))


def test_serves_the_version_it_was_built_as(control_plane):
    versions = json.loads(control_plane.kubectl("version", "-o", "json"))
    go_mod = (Path(__file__).resolve().parents[1] / "controlplane" / "go.mod").read_text()
    for side in ("clientVersion", "serverVersion"):
        assert f"k8s.io/kubernetes => k8s.io/kubernetes {versions[side]['gitVersion']}\n" in go_mod


def test_controllers_work(control_plane):
    control_plane.kubectl("create", "namespace", "for-a-moment")
    wait_until(lambda: control_plane.kubectl("-n", "for-a-moment", "get", "configmap", "kube-root-ca.crt"))
    control_plane.kubectl("create", "deployment", "d", "--image=x", "-n", "for-a-moment")
    pods = ["-n", "for-a-moment", "get", "pods", "-o", "jsonpath={.items[*].status.conditions[*].reason}"]
    wait_until(lambda: control_plane.kubectl(*pods) == "Unschedulable", what="the scheduler's word")
    control_plane.kubectl("delete", "namespace", "for-a-moment")


def test_nodes_are_known_by_their_certificate_and_bound_to_their_name(control_plane):
    identity = control_plane.node_credentials("n1")
    node = json.dumps({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}})
    other = node.replace('"n1"', '"n2"')
    control_plane.kubectl("create", "-f", "-", input=node, identity=identity)
    with pytest.raises(RuntimeError, match='node "n1" is not allowed to modify node "n2"'):
        control_plane.kubectl("create", "-f", "-", input=other, identity=identity)
    control_plane.kubectl("delete", "node", "n1")
    creations = [event for event in control_plane.audited("system:node:n1")
                 if event["verb"] == "create" and event["objectRef"]["resource"] == "nodes"]
    assert [event["responseStatus"]["code"] for event in creations] == [201, 403]
    assert control_plane.refused("system:node:n1") == []  # admission is no question of rights


def test_what_a_user_has_no_right_to_is_known(control_plane):
    nobody = control_plane.issue("nobody", "nobody")
    with pytest.raises(RuntimeError, match='"nobody" cannot list'):
        control_plane.kubectl("get", "secrets", identity=nobody)
    assert [event["objectRef"]["resource"] for event in control_plane.refused("nobody")] == ["secrets"]


def test_objects_are_what_kubectl_shows(control_plane):
    def shown(*words):
        return json.loads(control_plane.kubectl("get", *words, "-o", "json"))

    objects = control_plane.objects
    for name in ("seen", "hidden"):
        control_plane.kubectl("create", "configmap", name)
        control_plane.kubectl("label", "configmap", name, f"is={name}")
    assert objects.get("cm", "seen") == shown("configmap", "seen")
    assert objects.get("ConfigMap", None, "kube-system") == shown("-n", "kube-system", "configmaps")["items"]
    assert objects.get("configmaps", labelSelector="is=seen") == [objects.get("cm", "seen")]
    assert objects.get("configmaps", fieldSelector="metadata.name=seen") == [objects.get("cm", "seen")]
    assert objects.get("pods") == []
    assert objects.get("clusterrole", "view") == shown("clusterrole", "view")
    assert objects.get("lease", namespace="none") == []
    with pytest.raises(RuntimeError, match="configmaps/absent: 404"):
        objects.get("configmap", "absent")
    with pytest.raises(RuntimeError, match="no resource 'stranger'"):
        objects.get("stranger")
    control_plane.kubectl("delete", "configmap", "seen", "hidden")


def test_service_account_tokens_are_signed_and_reviewed(control_plane):
    token = control_plane.kubectl("create", "token", "default", "--audience=a").strip()
    review = json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
                         "spec": {"token": token, "audiences": ["a"]}})
    answer = json.loads(control_plane.kubectl("create", "-f", "-", "-o", "json", input=review))["status"]
    assert answer["authenticated"] and answer["user"]["username"] == "system:serviceaccount:default:default"


def test_a_host_can_be_cut_off_and_mended(control_plane):
    near, far = client(control_plane, "near"), client(control_plane, "far")
    assert [status(host, control_plane, "/readyz") for host in (near, far)] == [200, 200]
    control_plane.management.cut(far)
    assert [status(host, control_plane, "/readyz") for host in (near, far)] == [200, 0]
    control_plane.management.mend(far)
    wait_until(lambda: status(far, control_plane, "/readyz") == 200)
    control_plane.management.cut(control_plane.host)
    assert [status(host, control_plane, "/readyz") for host in (near, far)] == [0, 0]
    control_plane.management.mend(control_plane.host)
    wait_until(lambda: status(far, control_plane, "/readyz") == 200)


def test_restored_etcd_holds_what_it_held_then(control_plane):
    control_plane.kubectl("create", "-f", "-", input=config_map("kept", is_="old"))
    control_plane.save_etcd("before")
    control_plane.kubectl("apply", "-f", "-", input=config_map("kept", is_="new"))
    control_plane.kubectl("create", "-f", "-", input=config_map("lost"))
    control_plane.restore_etcd("before")
    assert data_of(control_plane, "kept") == {"is_": "old"}
    with pytest.raises(RuntimeError, match="NotFound"):
        control_plane.kubectl("get", "configmap", "lost")
    control_plane.kubectl("delete", "configmap", "kept")


def test_killed_programs_come_back_with_their_data(control_plane):
    control_plane.kubectl("create", "-f", "-", input=config_map("kept"))
    kept = control_plane.objects.get("configmap", "kept")
    control_plane.kill(API_SERVER)
    with pytest.raises(RuntimeError, match="refused"):
        control_plane.kubectl("get", "configmap", "kept")
    with pytest.raises(ConnectionRefusedError):
        control_plane.objects.get("configmap", "kept")
    control_plane.start(API_SERVER)
    assert control_plane.objects.get("configmap", "kept") == kept
    control_plane.kubectl("delete", "configmap", "kept")
    control_plane.kill(CONTROLLER_MANAGER)
    control_plane.start(CONTROLLER_MANAGER)
    control_plane.kubectl("create", "namespace", "after")
    wait_until(lambda: control_plane.kubectl("-n", "after", "get", "serviceaccount", "default"))
    control_plane.kubectl("delete", "namespace", "after")


def test_several_side_by_side_keep_apart_and_leave_nothing(control_plane, lab_name):
    other = RunDir(lab_name)
    other.create(topology="control-plane")
    second = ControlPlane(other, FAST_NODES, FAST_ENDPOINTS).up()
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda one: one.kubectl("create", "-f", "-", input=config_map("mine", of=one.run_dir.name)),
                      (control_plane, second)))
    assert data_of(control_plane, "mine") == {"of": control_plane.run_dir.name}
    assert data_of(second, "mine") == {"of": lab_name}
    arguments = Path(f"/proc/{second.host.process(CONTROLLER_MANAGER).pid}/cmdline").read_text().split("\0")
    assert {"--node-monitor-period=500ms", "--kube-api-qps=1000"} <= set(arguments)
    pids = [process.pid for process in other.processes()]
    assert len(pids) == 4
    other.remove()
    assert not any(start_time(pid) for pid in pids)
    assert not list(Path("/run/netns").glob(f"lab-{lab_name}-*")) and not other.exists()
    assert data_of(control_plane, "mine")


def test_the_command_brings_one_up_and_down(lab_name):
    def lab(*args):
        return subprocess.run([LAB, *args], check=True, stdout=subprocess.PIPE, text=True, timeout=120).stdout

    lab("up", lab_name, "--control-plane")
    assert "default" in lab("kubectl", lab_name, "-n", "default", "get", "serviceaccounts")
    kubeconfig = ControlPlane(RunDir(lab_name)).admin.kubeconfig
    assert kubeconfig.exists() and str(kubeconfig) in lab("status", lab_name)
    lab("down", lab_name)
    assert not kubeconfig.exists()
    assert not list(Path("/run/netns").glob(f"lab-{lab_name}-*"))
