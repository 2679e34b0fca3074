"""PorterLB's pages on config/porter: "Install", "Configure PorterLB for Multi-router Clusters", every command as it is printed there."""

import json
import os
import shlex
import stat

import pytest
from lab.fabric import LEAVES, VIP
from lab.installed import SAMPLES, InstalledLab, backends
from lab.net import wait_until
from lab.traffic import ask
from watch import ALL, PREFIX

ROOT = SAMPLES.parents[1]
NAMESPACE, MANAGER = "porter-system", "porter-manager"
CONTROLLER_USER, SPEAKER_USER = (f"system:serviceaccount:{NAMESPACE}:{name}" for name in ("openelb-controller", MANAGER))
# What the page has added with an editor, under spec.template.spec.
EDITOR = """#!/bin/sh
exec sed -i 's/^\\( *\\)nodeSelector:$/&\\n\\1  lb.kubesphere.io\\/v1alpha1: porter/' "$1"
"""


class PorterLab(InstalledLab):
    def type(self, line):
        """A command of the page."""
        program, *words = shlex.split(line)
        assert program == "kubectl"
        editor = self.run_dir.path / "editor"
        editor.write_text(EDITOR)
        editor.chmod(editor.stat().st_mode | stat.S_IXUSR)
        return self.control_plane.host.exec("env", f"KUBE_EDITOR={editor}", *self.control_plane.kubectl_command(), *words)

    def managers(self):
        """{node: Pod} of porter-manager."""
        pods = self.get("pods", None, NAMESPACE, f"control-plane={MANAGER}")
        return {pod["spec"].get("nodeName"): pod for pod in pods if "deletionTimestamp" not in pod["metadata"]}

    def wait_managers(self, *nodes):
        def all_ready():
            return all(any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))
                       for pod in self.managers().values()) and self.managers().keys() == set(nodes)
        wait_until(all_ready, 40, interval=0.2, what=f"{MANAGER} on {nodes}")


@pytest.fixture(scope="module")
def porter(request):
    """PorterLB's namespace and one porter-manager, which the scheduler could only put on master1."""
    lab = PorterLab(f"k8s-porter-{os.getpid()}", "frr")
    request.node.cluster = lab
    try:
        lab.up()
        lab.kubectl("cordon", "worker-p002")
        lab.kubectl("cordon", "worker1")
        lab.kubectl("apply", "-k", ROOT / "config" / "porter")
        lab.wait_rollout(f"deployment/{MANAGER}", NAMESPACE)
        lab.kubectl("uncordon", "worker1", "worker-p002")
        lab.wait_rollout("deployment/openelb-controller", NAMESPACE)
        yield lab
        events = [*lab.control_plane.refused(CONTROLLER_USER), *lab.control_plane.audited(SPEAKER_USER)]
        assert not events, events
    except BaseException:
        print(lab.program_logs())
        raise
    finally:
        lab.down()


def test_what_is_installed(porter):
    lines = porter.type("kubectl get po -n porter-system").splitlines()
    assert any(line.startswith(f"{MANAGER}-") and line.split()[1:3] == ["1/1", "Running"] for line in lines), lines
    assert porter.get("daemonsets", None, NAMESPACE) == []
    assert porter.managers().keys() == {"master1"}


def test_the_topology_before(porter):
    """One replica, under leaf1, and no rack labels: leaf1 alone has a route, to its own two nodes."""
    porter.kubectl("apply", "-f", SAMPLES / "porter" / "bgp-conf.yaml")
    porter.apply({"apiVersion": "network.kubesphere.io/v1alpha2", "kind": "BgpPeer", "metadata": {"name": "leaf1"},
                  "spec": {"conf": {"peerAs": LEAVES["leaf1"].asn, "neighborAddress": LEAVES["leaf1"].address}}})
    porter.kubectl("apply", "-f", SAMPLES / "porter" / "eip.yaml")
    porter.apply(backends("bgp-openelb"))
    porter.kubectl("apply", "-f", SAMPLES / "porter" / "service.yaml")
    porter.wait_rollout("deployment/bgp-openelb")
    porter.wait_next_hops({"leaf1": {"192.168.0.3", "192.168.0.4"}, "leaf2": set()}, timeout=20)
    wait_until(lambda: not ask(porter["client"], VIP, 30).lost, what="answers to a client")
    assert set(ask(porter["client"], VIP, 200).answers) == {"master1", "worker1"}


def test_the_page(porter):
    """Its commands in order; what it has put into BgpPeers is in config/samples/porter."""
    porter.type("kubectl label --overwrite nodes master1 worker-p002 lb.kubesphere.io/v1alpha1=porter")
    porter.type("kubectl scale deployment porter-manager --replicas=0 -n porter-system")
    wait_until(lambda: not porter.managers(), 30, what=f"no {MANAGER}")
    # It leaves in order: no route stays behind, and what is planned forgets it.
    wait_until(lambda: not any(router.next_hops(PREFIX) for router in porter.routers.values()), 30, what="no route")
    porter.type("kubectl edit deployment porter-manager -n porter-system")
    pod = porter.get("deployment", MANAGER, NAMESPACE)["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"kubernetes.io/os": "linux", "lb.kubesphere.io/v1alpha1": "porter"}
    porter.type("kubectl scale deployment porter-manager --replicas=2 -n porter-system")
    porter.wait_managers("master1", "worker-p002")
    lines = porter.type("kubectl get po -n porter-system -o wide").splitlines()
    assert sum(line.startswith(f"{MANAGER}-") and line.split()[1:3] == ["1/1", "Running"] for line in lines) == 2, lines
    porter.type("kubectl label --overwrite nodes master1 porter.kubesphere.io/rack=leaf1")
    porter.type("kubectl label --overwrite nodes worker-p002 porter.kubesphere.io/rack=leaf2")
    porter.kubectl("apply", "-f", SAMPLES / "porter" / "bgp-peers.yaml")
    porter.wait_documented(timeout=30)
    assert set(ask(porter["client"], VIP, 300).answers) == ALL


def test_one_replica_for_each_node(porter):
    """The third finds no node: two would be one speaker too many."""
    porter.type("kubectl scale deployment porter-manager --replicas=3 -n porter-system")
    wait_until(lambda: None in porter.managers(), 20, what="a Pod that waits")
    porter.wait_documented()
    porter.type("kubectl scale deployment porter-manager --replicas=2 -n porter-system")
    porter.wait_managers("master1", "worker-p002")


def test_a_speaker_that_moves_is_forgotten_where_it_was(porter):
    """With one left, the nodes of the other rack have no session, and no condition waits for the one that is gone."""
    porter.kubectl("label", "nodes", "worker-p002", "lb.kubesphere.io/v1alpha1-")
    porter.kubectl("-n", NAMESPACE, "delete", "pod", porter.managers()["worker-p002"]["metadata"]["name"])
    porter.wait_next_hops({"leaf1": {"192.168.0.3", "192.168.0.4"}, "leaf2": set()}, timeout=30)
    wait_until(lambda: set(porter.status("bgpconf", "default")["nodesConfStatus"]) == {"master1"}, 20,
               what="only master1 has a speaker")
    porter.kubectl("label", "nodes", "worker-p002", "lb.kubesphere.io/v1alpha1=porter")
    porter.wait_managers("master1", "worker-p002")
    porter.wait_documented(timeout=30)


def test_arguments_of_the_old_manager_do_no_harm(porter):
    """As in "What do I do if the porter-manager Pod is stuck in pending state": its webhook has another port."""
    container, = porter.get("deployment", MANAGER, NAMESPACE)["spec"]["template"]["spec"]["containers"]
    args = [*container["args"], "--webhook-port=30443"]
    porter.kubectl("-n", NAMESPACE, "patch", "deployment", MANAGER, "-p", json.dumps(
        {"spec": {"template": {"spec": {"containers": [{"name": container["name"], "args": args}]}}}}))
    porter.wait_rollout(f"deployment/{MANAGER}", NAMESPACE, timeout=90)
    porter.wait_documented(timeout=30)
