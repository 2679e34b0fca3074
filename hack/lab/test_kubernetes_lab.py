"""The Kubernetes lab without our programs: kubectl and static routes in their place. What the suites rely on."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from lab.control_plane import API_SERVER
from lab.fabric import VIP
from lab.kubernetes_topology import NODES, KubernetesLab
from lab.net import Host, wait_until
from lab.run_dir import RunDir, remove_orphans, start_time
from lab.traffic import ask
from lab.workloads import BACKEND, deployment, service

LAB = Path(__file__).with_name("lab")
ADDRESSES = {name: address for name, (address, _) in NODES.items()}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    remove_orphans("selftest-k8s-")
    lab = KubernetesLab(f"selftest-k8s-{os.getpid()}", router="bird", shares=(tmp_path_factory.mktemp("shared"),))
    try:
        yield lab.up()
    except BaseException:
        print(lab.program_logs())
        raise
    finally:
        lab.down()


@pytest.fixture
def lab(shared):
    """Takes away what the test applied to the namespace "default"."""
    yield shared
    shared.kubectl("delete", "deployments,daemonsets,pods,services,configmaps,secrets", "--wait=false",
                   "--grace-period=1", "--field-selector=metadata.name!=kubernetes,metadata.name!=kube-root-ca.crt")
    wait_until(lambda: not shared.get("pods"), 30, what="no Pod left")


def pod(name, node="worker1", command=("sleep", "1000"), container=None, **spec):
    """A Pod of one container, bound to a node; it runs a command of this machine."""
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"nodeName": node, "terminationGracePeriodSeconds": 2,
                     "containers": [{"name": "c", "image": BACKEND, "command": list(command), **(container or {})}],
                     **spec}}


def wait_ready(lab, name, timeout=20):
    def ready():
        found = lab.get("pod", name)
        return found if any(c["type"] == "Ready" and c["status"] == "True"
                            for c in found["status"].get("conditions", [])) else None
    return wait_until(ready, timeout, what=f"Pod {name} is Ready")


def endpoints(lab, app):
    """{pod's name: conditions} of a Service's slices."""
    slices = lab.get("endpointslices", selector=f"kubernetes.io/service-name={app}")
    return {e["targetRef"]["name"]: e["conditions"] for s in slices for e in s["endpoints"] or []}


def restarts(lab, name):
    return lab.get("pod", name)["status"]["containerStatuses"][0]["restartCount"]


# -- nodes --


def test_three_nodes_are_ready_and_say_where_they_are(lab):
    for node in lab.get("nodes"):
        name = node["metadata"]["name"]
        assert lab.ready(name) == "True"
        assert node["metadata"]["labels"]["kubernetes.io/hostname"] == name
        assert {"type": "InternalIP", "address": ADDRESSES[name]} in node["status"]["addresses"]
        assert node["spec"]["podCIDR"] == NODES[name][1]
    assert {node["metadata"]["name"] for node in lab.get("nodes")} == set(NODES)


def test_killed_kubelet_makes_its_node_unknown_and_its_pods_live_on(lab):
    lab.apply(deployment("web", nodeName="worker1"), service("web"))
    lab.wait_rollout("deployment/web")
    web = lab.get("pods")[0]
    try:
        lab.nodes["worker1"].kill_kubelet()
        lab.wait_nodes("worker1", ready="Unknown")
        wait_until(lambda: not endpoints(lab, "web")[web["metadata"]["name"]]["ready"])
        assert lab["worker1"].exec("curl", "-s", f"http://{web['status']['podIP']}:8080")
    finally:
        lab.nodes["worker1"].start_kubelet()
    lab.wait_nodes("worker1")
    wait_until(lambda: endpoints(lab, "web")[web["metadata"]["name"]]["ready"])
    assert restarts(lab, web["metadata"]["name"]) == 0  # taken over as it was
    assert lab.get("pods")[0]["status"]["podIP"] == web["status"]["podIP"]


def test_node_without_power_comes_back_with_restarted_pods(lab):
    lab.apply(pod("p", container={"command": None, "args": ["0.0.0.0", "8080", "p", "n", "/etc/lab-hosts"]}))
    address = wait_ready(lab, "p")["status"]["podIP"]
    try:
        lab.nodes["worker1"].power_off()
        lab.wait_nodes("worker1", ready="Unknown")
        assert not lab["worker1"].exec("curl", "-s", "-m", "1", f"http://{address}:8080", check=False)
    finally:
        lab.nodes["worker1"].power_on()
    lab.wait_nodes("worker1")
    wait_until(lambda: restarts(lab, "p") == 1)
    wait_until(lambda: lab["worker1"].exec("curl", "-s", f"http://{address}:8080"))


def test_node_added_and_removed(lab):
    lab.add_node("worker9", "192.168.1.9", "10.233.99.0/24")
    lab.wait_nodes("worker9")
    lab.apply(pod("far", "worker9"), pod("near", "worker1"))
    far = wait_ready(lab, "far")
    lab.exec_in(wait_ready(lab, "near"), "ping", "-c1", "-W2", far["status"]["podIP"])
    lab.remove_node("worker9")
    wait_until(lambda: not lab.node_pods("worker9"), 30, what="its Pods forgotten")
    assert not list(Path("/run/netns").glob(f"lab-{lab.run_dir.name}-worker9*"))


def test_cut_off_from_the_api_the_fabric_still_serves(lab):
    lab.management.cut(lab["worker1"])
    try:
        lab.wait_nodes("worker1", ready="Unknown")
        lab["client"].exec("ping", "-c1", "-W2", ADDRESSES["worker1"])
    finally:
        lab.management.mend(lab["worker1"])
    lab.wait_nodes("worker1")


def test_pods_outlive_the_api_server(lab):
    lab.apply(pod("p"))
    p = wait_ready(lab, "p")
    lab.control_plane.kill(API_SERVER)
    try:
        old = lab.container_pid(p)
        os.kill(old, signal.SIGKILL)
        wait_until(lambda: lab.container_pid(p) != old)
    finally:
        lab.control_plane.start(API_SERVER)
    wait_until(lambda: restarts(lab, "p") == 1, 20)
    lab.wait_nodes(*NODES)


# -- workloads --


def test_daemon_set_follows_the_labels_of_nodes(lab):
    lab.apply(deployment("ds", kind="DaemonSet", nodeSelector={"run": "here"}))
    lab.kubectl("label", "node", "master1", "worker-p002", "run=here")
    lab.wait_rollout("daemonset/ds")
    assert [len(lab.node_pods(node)) for node in NODES] == [1, 0, 1]
    lab.kubectl("label", "node", "master1", "worker-p002", "run-")
    wait_until(lambda: not lab.get("pods"), 20, what="no Pod of the DaemonSet")


def test_endpoints_follow_readiness_and_deletion(lab):
    probe = {"exec": {"command": ["test", "-e", "/tmp/ready"]}, "periodSeconds": 1, "failureThreshold": 1}
    lab.apply(deployment("web", drain=4, grace=8), service("web"))
    lab.kubectl("patch", "deployment", "web", "--type=json", "-p", json.dumps(
        [{"op": "replace", "path": "/spec/template/spec/containers/0/readinessProbe", "value": probe}]))
    web = wait_until(lambda: [p for p in lab.get("pods") if p["status"].get("phase") == "Running"
                              and p["spec"]["containers"][0]["readinessProbe"].get("exec")])[0]
    name = web["metadata"]["name"]
    wait_until(lambda: endpoints(lab, "web")[name]["ready"] is False)
    lab.exec_in(web, "touch", "/tmp/ready")
    wait_until(lambda: endpoints(lab, "web")[name] == {"ready": True, "serving": True, "terminating": False})
    lab.exec_in(web, "rm", "/tmp/ready")
    wait_until(lambda: endpoints(lab, "web")[name]["ready"] is False)
    lab.exec_in(web, "touch", "/tmp/ready")
    wait_until(lambda: endpoints(lab, "web")[name]["ready"])
    lab.kubectl("delete", "pod", name, "--wait=false")
    wait_until(lambda: endpoints(lab, "web")[name] == {"ready": False, "serving": True, "terminating": True})
    wait_until(lambda: name not in endpoints(lab, "web"), 20)


def test_liveness_restarts_and_crashes_back_off(lab):
    alive = {"livenessProbe": {"exec": {"command": ["test", "!", "-e", "/tmp/sick"]}, "periodSeconds": 1,
                               "failureThreshold": 1}}
    lab.apply(pod("live", container=alive), pod("crash", command=["sh", "-c", "exit 3"]))
    live = wait_ready(lab, "live")
    lab.exec_in(live, "touch", "/tmp/sick")
    wait_until(lambda: restarts(lab, "live") == 1, 20)
    wait_ready(lab, "live")
    wait_until(lambda: restarts(lab, "crash") >= 2, 20)
    status = wait_until(lambda: [s for s in lab.get("pod", "crash")["status"]["containerStatuses"]
                                 if "waiting" in s["state"]])[0]
    assert status["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert status["lastState"]["terminated"]["exitCode"] == 3


def test_startup_probe_holds_the_others_back(lab):
    probe = {"exec": {"command": ["test", "-e", "/tmp/up"]}, "periodSeconds": 1, "failureThreshold": 30}
    never = {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 1}
    lab.apply(pod("slow", container={"startupProbe": probe, "livenessProbe": never}))
    slow = wait_until(lambda: [p for p in lab.get("pods") if p["status"].get("phase") == "Running"])[0]
    assert slow["status"]["containerStatuses"][0]["started"] is False
    time.sleep(3)
    assert restarts(lab, "slow") == 0
    lab.exec_in(slow, "touch", "/tmp/up")
    wait_until(lambda: restarts(lab, "slow") == 1)


def test_deletion_gives_the_grace_it_promises(lab):
    stubborn = ["sh", "-c", "trap 'echo asked' TERM; while :; do sleep 0.1; done"]
    lab.apply(pod("stubborn", command=stubborn, terminationGracePeriodSeconds=3), pod("gone"))
    stubborn, gone = wait_ready(lab, "stubborn"), wait_ready(lab, "gone")
    began = time.monotonic()
    lab.kubectl("delete", "pod", "gone")
    lab.kubectl("delete", "pod", "stubborn")
    assert time.monotonic() - began >= 3
    assert "asked" in lab.logs(stubborn)
    wait_until(lambda: not (lab.run_dir.path / "nodes/worker1/var/lib/kubelet/pods" / gone["metadata"]["uid"]).exists())


# -- what a Pod is given --


def test_pod_has_its_own_files_network_and_name(lab):
    volumes = [{"name": "e", "emptyDir": {}}, {"name": "h", "hostPath": {"path": "/var/lib/x", "type": "DirectoryOrCreate"}}]
    mounts = [{"name": "e", "mountPath": "/cache"}, {"name": "h", "mountPath": "/var/run/x"}]
    lab.apply(pod("own", volumes=volumes, container={"volumeMounts": mounts}))
    own = wait_ready(lab, "own")
    lab.exec_in(own, "sh", "-c", "echo of-own > /etc/of-own; echo cached > /cache/c; echo kept > /var/run/x/kept")
    lab.exec_in(own, "touch", lab.shares[0] / "by-own")
    assert (lab.shares[0] / "by-own").exists()
    assert not Path("/etc/of-own").exists() and not Path("/cache").exists()
    assert (lab.run_dir.path / "nodes/worker1/var/lib/x/kept").read_text() == "kept\n"
    assert lab.exec_in(own, "hostname") == "own\n"
    assert own["status"]["podIP"] in lab.exec_in(own, "ip", "addr", "show", "eth0")
    assert own["status"]["podIP"].startswith("10.233.65.")
    assert Host(lab.run_dir, lab.pod_host(own)).exec("cat", "/proc/net/dev").count("eth0") == 1


def test_init_container_comes_first_and_a_pod_that_is_done_stays_so(lab):
    mounts = {"volumeMounts": [{"name": "e", "mountPath": "/e"}]}
    first = {"name": "first", "image": BACKEND, "command": ["sh", "-c", "sleep 0.5; echo made > /e/file"], **mounts}
    lab.apply(pod("once", restartPolicy="Never", initContainers=[first], volumes=[{"name": "e", "emptyDir": {}}],
                  container={"command": ["cat", "/e/file"], **mounts}))
    wait_until(lambda: lab.get("pod", "once")["status"]["phase"] == "Succeeded")
    once = lab.get("pod", "once")
    assert lab.logs(once) == "made\n"
    assert once["status"]["containerStatuses"][0]["state"]["terminated"]["reason"] == "Completed"


def test_host_network_pod_shares_the_nodes_network(lab):
    lab.apply(pod("host", hostNetwork=True))
    host = wait_ready(lab, "host")
    assert host["status"]["podIP"] == ADDRESSES["worker1"]
    assert "mgmt" in lab.exec_in(host, "ip", "link")
    assert lab.exec_in(host, "ls", "/sys/class/net").split().count("mgmt") == 1


def test_security_context_is_kept(lab):
    context = {"runAsUser": 65532, "runAsGroup": 65532, "allowPrivilegeEscalation": False,
               "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    show = ["sh", "-c", "id -u; grep -E 'CapBnd|CapEff|NoNewPrivs' /proc/self/status; touch /etc/x; touch /run/x; "
            "cat /var/run/secrets/kubernetes.io/serviceaccount/namespace; sleep 1000"]
    lab.apply(pod("low", command=show, container={"securityContext": context}),
              pod("net", command=["sh", "-c", "grep CapEff /proc/self/status; sleep 1000"], container={
                  "securityContext": {"capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN", "NET_RAW"]}}}))
    text = wait_until(lambda: [t for t in [lab.logs(wait_ready(lab, "low"))] if t.endswith("default")])[0]
    assert text.split()[:7] == ["65532", "CapEff:", "0" * 16, "CapBnd:", "0" * 16, "NoNewPrivs:", "1"]
    assert text.count("Read-only file system") == 2
    wait_until(lambda: lab.logs(wait_ready(lab, "net")).split() == ["CapEff:", f"{1 << 12 | 1 << 13:016x}"])


def test_projected_token_is_bound_to_the_pod_and_serves_the_api(lab):
    volume = {"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "token", "audience": "ours"}}]}}
    lab.apply(pod("who", volumes=[volume], container={"volumeMounts": [{"name": "t", "mountPath": "/t"}]}))
    who = wait_ready(lab, "who")
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
              "spec": {"token": lab.exec_in(who, "cat", "/t/token"), "audiences": ["ours"]}}
    user = json.loads(lab.kubectl("create", "-f", "-", "-o", "json", input=json.dumps(review)))["status"]["user"]
    assert user["username"] == "system:serviceaccount:default:default"
    assert user["extra"]["authentication.kubernetes.io/pod-name"] == ["who"]
    assert user["extra"]["authentication.kubernetes.io/node-name"] == ["worker1"]
    ask_api = ('cd /var/run/secrets/kubernetes.io/serviceaccount && curl -s -m 5 --cacert ca.crt -H "Authorization: Bearer '
               '$(cat token)" https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT/api/v1/namespaces/$(cat namespace)'
               '/pods/who; sleep 1000')
    lab.apply(pod("ask", command=["sh", "-c", ask_api]))  # through kube-proxy
    wait_until(lambda: "serviceaccount:default:default\\\" cannot get resource" in lab.logs(wait_ready(lab, "ask")))


def test_volumes_and_variables_follow_their_objects(lab):
    lab.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm"}, "data": {"a": "1", "b": "2"}},
              {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"k": "hidden"}})
    volumes = [{"name": "cm", "configMap": {"name": "cm"}},
               {"name": "all", "projected": {"sources": [
                   {"secret": {"name": "s", "items": [{"key": "k", "path": "deep/k", "mode": 0o400}]}},
                   {"configMap": {"name": "none", "optional": True}},
                   {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}}]}}]
    env = [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "a"}}},
           {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
           {"name": "BOTH", "value": "$(A)-$$(A)-$(NONE)"}]
    lab.apply(pod("vol", volumes=volumes, container={
        "env": env, "command": ["sh", "-c", "env; sleep 1000"],
        "volumeMounts": [{"name": "cm", "mountPath": "/cm"}, {"name": "all", "mountPath": "/all", "readOnly": True}]}))
    lab.kubectl("patch", "pod", "vol", "-p", json.dumps({"metadata": {"labels": {"x": "old"}}}))
    vol = wait_ready(lab, "vol")
    assert {"A=1", f"IP={vol['status']['podIP']}", "BOTH=1-$(A)-$(NONE)"} <= set(lab.logs(vol).splitlines())
    assert lab.exec_in(vol, "cat", "/cm/a", "/cm/b", "/all/deep/k") == "12hidden"
    before = lab.exec_in(vol, "readlink", "/cm/..data")
    lab.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm"}, "data": {"a": "new"}})
    wait_until(lambda: lab.exec_in(vol, "cat", "/cm/a") == "new")
    assert lab.exec_in(vol, "ls", "/cm") == "a\n" and lab.exec_in(vol, "readlink", "/cm/..data") != before
    lab.kubectl("label", "pod", "vol", "x=new", "--overwrite")
    wait_until(lambda: lab.exec_in(vol, "cat", "/all/labels") == 'x="new"')


def test_pod_waits_for_what_it_names(lab):
    lab.apply(pod("early", volumes=[{"name": "cm", "configMap": {"name": "late"}}]))
    wait_until(lambda: lab.get("pod", "early")["status"].get("podIP"))
    assert lab.get("pod", "early")["status"]["phase"] == "Pending"
    lab.kubectl("create", "configmap", "late")
    wait_ready(lab, "early")


# -- Services --


def routes(lab, nodes):
    """Static ones to the address of the Service, in a speaker's place: the leaves lead to their nodes."""
    spine = []
    for leaf, network in (("leaf1", "192.168.0."), ("leaf2", "192.168.1.")):
        hops = [ADDRESSES[node] for node in nodes if ADDRESSES[node].startswith(network)]
        lab[leaf].ip(f"route replace {VIP} " + " ".join(f"nexthop via {hop}" for hop in hops))
        spine.append(f"nexthop via 10.0.{leaf[-1]}.2")
    lab["spine"].ip(f"route replace {VIP} " + " ".join(spine))


def test_service_address_is_answered_through_kube_proxy(lab):
    lab.apply(deployment("web", 1, nodeName="worker1"), service("web"))
    lab.wait_rollout("deployment/web")
    routes(lab, NODES)
    assert len(ask(lab["client"], VIP, 5).lost) == 5
    patch = json.dumps({"status": {"loadBalancer": {"ingress": [{"ip": VIP, "ipMode": "VIP"}]}}})
    lab.kubectl("patch", "service", "web", "--subresource=status", "--type=merge", "-p", patch)
    wait_until(lambda: not ask(lab["client"], VIP, 60).lost, what="answers through all nodes")
    assert set(ask(lab["client"], VIP, 100).answers) == set(NODES)  # two of them forward to a Pod elsewhere
    lab.kubectl("patch", "service", "web", "-p", '{"spec": {"externalTrafficPolicy": "Local"}}')
    wait_until(lambda: set(ask(lab["client"], VIP, 60).answers) == {"worker1"})
    routes(lab, ["worker1", "worker-p002"])
    lab.kubectl("scale", "deployment/web", "--replicas=0")
    wait_until(lambda: not ask(lab["client"], VIP, 10).answers)


# -- the end --


def test_the_command_brings_one_up_and_down():
    name = f"selftest-k8s-cmd-{os.getpid()}"

    def lab(*args, stdin=None):
        return subprocess.run([LAB, *args], check=True, capture_output=True, text=True, timeout=120, input=stdin).stdout

    try:
        lab("up", name, "--kubernetes", "--router", "bird")
        lab("kubectl", name, "apply", "-f", "-", stdin=json.dumps(deployment("web", 3)))
        lab("kubectl", name, "rollout", "status", "deployment/web", "--timeout=30s")
        cgroup = Path((RunDir(name).path / "cgroup").read_text())
        pids = [pid for procs in cgroup.glob("*/pod-*/*/cgroup.procs") for pid in procs.read_text().split()]
        assert len(pids) == 3
        lab("down", name)
        assert not [pid for pid in pids if start_time(int(pid))] and not cgroup.exists()
        assert not list(Path("/run/netns").glob(f"lab-{name}-*"))
    finally:
        RunDir(name).remove()
