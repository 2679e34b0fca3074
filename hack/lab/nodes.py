"""A node of a Kubernetes lab: a host on a leaf and on the management network, with the kubelet's stand-in and kube-proxy."""

import json
import sys
from pathlib import Path

from lab.control_plane import GO
from lab.management import INTERFACE

CLUSTER_CIDR = "10.233.0.0/16"  # of all Pods
STAND_IN = Path(__file__).with_name("node_stand_in.py")


class KubeNode:
    """`kubelet` and `kube-proxy` are its roles on its host."""

    def __init__(self, lab, host, address, pod_cidr, management):
        self.lab, self.host, self.name = lab, host, host.name
        self.address, self.pod_cidr, self.management = address, pod_cidr, management

    def start(self):
        self.start_kubelet()
        self.start_kube_proxy()
        return self

    def start_kubelet(self):
        plane, identity = self.lab.control_plane, self.lab.control_plane.node_credentials(self.name)
        self._spawn("kubelet", [
            sys.executable, STAND_IN, "--run-dir", self.lab.run_dir.path, "--name", self.name,
            "--address", self.address, "--pod-cidr", self.pod_cidr, "--images", self.lab.images,
            "--server", plane.server, "--ca", plane.ca, "--cert", identity.cert, "--key", identity.key,
            *(word for folder in self.lab.shares for word in ("--share", folder))])

    def start_kube_proxy(self):
        plane = self.lab.control_plane
        config = self.lab.run_dir.path / f"{self.name}.kube-proxy.json"
        config.write_text(json.dumps({
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration",
            "mode": "nftables", "nftables": {"minSyncPeriod": "10ms", "syncPeriod": "30s"},
            "hostnameOverride": self.name, "clusterCIDR": CLUSTER_CIDR, "metricsBindAddress": "127.0.0.1:10249",
            "clientConnection": {"kubeconfig": str(plane.kube_proxy.kubeconfig)},
            # A namespace's conntrack takes its limits from the machine.
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"}}))
        self._spawn("kube-proxy", [*GO, plane.binaries / "kube-proxy", "--config", config])

    def kill_kubelet(self):
        """SIGKILL. The Pods run on; the control plane loses sight of the node."""
        self.host.process("kubelet").kill()

    def power_off(self):
        """All at once, with no word to anybody: links dark, every process gone."""
        for interface in ("eth0", INTERFACE):
            self.host.cut(interface)
        for role in ("kubelet", "kube-proxy"):
            self.host.process(role).kill()
        self.lab.run_dir.cgroup(self.name).kill()

    def power_on(self):
        """Its Pods are restarted."""
        for interface in (INTERFACE, "eth0"):
            self.host.mend(interface)
        self.start()

    def remove(self):
        """Takes it out of the network with all that runs on it. The Node object is the caller's."""
        for role in ("kubelet", "kube-proxy"):
            self.host.process(role).kill()
        run_dir = self.lab.run_dir
        run_dir.cgroup(self.name).remove()
        for record in (run_dir.path / "netns").glob(f"{self.host.netns}.*"):  # its Pods'
            run_dir.delete_namespace(record.name.removeprefix(run_dir.namespace("")))
        run_dir.delete_namespace(self.name)

    def _spawn(self, role, argv):
        # Not `ip netns exec`: that would hide the cgroups behind a new /sys.
        self.lab.run_dir.spawn(f"{self.name}.{role}", ["nsenter", f"--net=/run/netns/{self.host.netns}", *argv])
