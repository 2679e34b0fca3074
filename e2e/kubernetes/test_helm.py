"""Installed by Helm, in a namespace of another name: what runs is what config/default runs."""

import os

import pytest
from lab.fabric import VIP
from lab.go_programs import binaries
from lab.installed import CONTROLLER, ROOT, SAMPLES, SPEAKER
from lab.kubernetes_topology import NODES, KubernetesLab
from lab.net import wait_until

CHART = ROOT / "config" / "chart" / "openelb"
NAMESPACE = "load-balancer"


class HelmLab(KubernetesLab):
    def helm(self, *words):
        home = [f"HELM_{what}_HOME={self.run_dir.path / 'helm'}" for what in ("CACHE", "CONFIG", "DATA")]
        return self.control_plane.host.exec("env", *home, binaries("tools") / "helm", *words, "-n", NAMESPACE,
                                            f"--kubeconfig={self.control_plane.admin.kubeconfig}")

    def wait_installed(self):
        for what in (f"deployment/{CONTROLLER}", f"daemonset/{SPEAKER}"):
            self.wait_rollout(what, NAMESPACE)

    def speakers(self):
        """{node: arguments} of those that are Ready: they have a plan from a controller."""
        return {pod["spec"]["nodeName"]: pod["spec"]["containers"][0]["args"]
                for pod in self.get("pods", None, NAMESPACE, "component=speaker")
                if all(status["ready"] for status in pod["status"].get("containerStatuses", [{"ready": False}]))}


@pytest.fixture(scope="module")
def lab():
    lab = HelmLab(f"k8s-helm-{os.getpid()}", "bird")
    try:
        lab.up()
        lab.helm("install", "openelb", CHART, "--create-namespace")
        lab.wait_installed()
        yield lab
    except BaseException:
        print(lab.program_logs())
        raise
    finally:
        lab.down()


def test_speakers_find_the_controllers(lab):
    assert lab.speakers().keys() == NODES.keys()
    endpoints = lab.get("configmap", "openelb-controllers", NAMESPACE)["data"]["endpoints"]
    assert len(endpoints.split()) == 2


def addresses(lab):
    balancer = lab.get("service", "bgp-svc")["status"].get("loadBalancer") or {}
    return [entry["ip"] for entry in balancer.get("ingress") or []]


def test_services_get_addresses(lab):
    for name in ("bgp-conf", "eip", "service"):
        lab.kubectl("apply", "-f", SAMPLES / "multi-router" / f"{name}.yaml")
    wait_until(lambda: addresses(lab) == [VIP], what="the documented address")


def test_controllers_are_apart(lab):
    """The scheduler read the constraint."""
    pods = lab.get("pods", None, NAMESPACE, "component=controller")
    assert len({pod["spec"]["nodeName"] for pod in pods}) == len(pods) == 2


def test_an_upgrade_changes_what_it_says(lab):
    lab.helm("upgrade", "openelb", CHART, "--set", "speaker.vip=false")
    lab.wait_installed()
    wait_until(lambda: lab.speakers().keys() == NODES.keys(), what="all speakers Ready")
    assert all("--enable-keepalived-vip=false" in args for args in lab.speakers().values())
    assert addresses(lab) == [VIP]


def test_uninstalled_in_the_documented_order(lab):
    lab.kubectl("delete", "service", "bgp-svc", "--timeout=20s")
    lab.helm("uninstall", "openelb")
    wait_until(lambda: not lab.get("pods", None, NAMESPACE), 60, what="no Pod left")
    assert [eip["metadata"]["name"] for eip in lab.get("eips")] == ["bgp-eip"]
