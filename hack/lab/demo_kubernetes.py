#!/usr/bin/python3
"""make demo KUBERNETES=1: the documented procedure, typed by kubectl on a real control plane, through failures."""

import json
import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lab.demo import NAME, RATE, Demo, check, main  # noqa: E402
from lab.installed import BASE, NAMESPACE, ROOT, SAMPLES, SPEAKER, InstalledLab, backends  # noqa: E402
from lab.net import wait_until  # noqa: E402
from lab.screen import bold  # noqa: E402

SELECTOR = {"kubernetes.io/os": "linux", "lb.kubesphere.io/v1alpha1": "openelb"}
PATCH = json.dumps({"spec": {"template": {"spec": {"nodeSelector": SELECTOR}}}}, separators=(",", ":"))
PAGE = [  # "Configure OpenELB for Multi-router Clusters"; the patch stands for kubectl edit
    "label --overwrite nodes master1 worker-p002 lb.kubesphere.io/v1alpha1=openelb",
    f"-n {NAMESPACE} patch ds {SPEAKER} -p {PATCH}",
    "label --overwrite nodes master1 openelb.kubesphere.io/rack=leaf1",
    "label --overwrite nodes worker-p002 openelb.kubesphere.io/rack=leaf2",
    *(f"apply -f {(SAMPLES / 'multi-router').relative_to(ROOT)}/{name}.yaml"
      for name in ("bgp-conf", "bgp-peers", "eip", "service"))]


class KubernetesDemo(Demo):
    def run(self):
        lab, screen = self.lab, self.screen
        screen.say(bold("OpenELB on Kubernetes: client - spine - leaf1, leaf2 - three nodes"))
        screen.say("etcd, API server, controller manager, scheduler and kube-proxy are real; so is FRR as spine and "
                   "leaves. Nodes are namespaces, Pods processes.")
        began = time.time()
        lab.up()
        self.recorders = lab.recorders
        screen.say(f"Three nodes are Ready after {time.time() - began:.1f} s. The installation:")
        began = time.time()
        self.type(f"apply -k {BASE.relative_to(ROOT)}")
        lab.wait_installed()
        screen.say(f"After {time.time() - began:.1f} s a controller leads, another stands by, each node has a speaker. "
                   "The multi-router page:")
        began = time.time()
        lab.apply(backends("bgp-openelb"))
        for line in PAGE:
            self.type(line)
        self.start_traffic(began)
        self.type("get svc bgp-svc")
        self.step("worker1's kubelet falls silent: NotReady after 5 s", lab.nodes["worker1"].kill_kubelet,
                  self.routes_without_worker1, timeout=25)
        self.step("leaf1's link to the spine is cut", self.cut, self.only_leaf2, outage=1.5)
        self.step("the link is back, so is worker1's kubelet", self.repair, self.documented, timeout=25)
        self.step("the leading controller is killed (-9)", self.leader_away, self.other_leads, unchanged=True, timeout=40)
        self.step("the speaker on master1 is killed (-9)", self.speaker_away, self.documented, outage=1.5)
        self.step("kubectl rollout restart of the controllers", self.restart_controllers, self.all_attached, unchanged=True)
        return self.summary()

    def type(self, line):
        """One command of a user, shown with its answer."""
        answer = self.lab.kubectl(*(str(ROOT / word) if word.startswith("config/") else word for word in line.split()))
        self.screen.say(bold(f"$ kubectl {line}"))
        for said in answer.splitlines():
            self.screen.say(f"  {said}")

    def repair(self):
        self.lab["leaf1"].mend("uplink")
        self.lab.nodes["worker1"].start_kubelet()

    def leader_away(self):
        self.led = self.lab.holder()
        os.kill(self.lab.container_pid(self.lab.leader()), signal.SIGKILL)

    def other_leads(self):
        if self.lab.holder() not in ("", self.led) and self.documented():
            return "a new leader, nothing has moved"
        return None

    def speaker_away(self):
        speaker = self.lab.speaker("master1")
        old = self.lab.container_pid(speaker)
        os.kill(old, signal.SIGKILL)
        wait_until(lambda: self.lab.container_pid(speaker) != old, what="a new process of the speaker")

    def restart_controllers(self):
        self.type(f"-n {NAMESPACE} rollout restart deployment/openelb-controller")
        self.until(lambda: "successfully" in self.lab.kubectl(
            "-n", NAMESPACE, "rollout", "status", "deployment/openelb-controller", "--watch=false"), "new controllers", 60)

    def all_attached(self):
        """Every speaker has a stream to the new leader, who reviews for it who may read its metrics."""
        leader = self.lab.leader()
        told = self.lab.metrics(leader).splitlines() if leader else []
        attached = [line for line in told if line.startswith("openelb_speaker_attached{") and line.endswith(" 1")]
        return len(attached) == len(self.lab.speaker_nodes()) and self.documented()

    def kept(self):
        return f"""\
  hack/lab/lab kubectl {NAME} get eip,bgpconf,bgppeer
  hack/lab/lab kubectl {NAME} get svc bgp-svc -o yaml
  hack/lab/lab kubectl {NAME} label node worker1 openelb.kubesphere.io/rack=leaf2 --overwrite
  hack/lab/lab exec {NAME}/leaf1 ip monitor route
  hack/lab/lab kubectl {NAME} create clusterrolebinding me --clusterrole=openelb-metrics-reader --serviceaccount=default:default
  hack/lab/lab exec {NAME}/master1 curl -sk https://127.0.0.1:50053/metrics -H "Authorization: Bearer $(hack/lab/lab kubectl {NAME} create token default)"\
"""


if __name__ == "__main__":
    check()
    main(KubernetesDemo(InstalledLab(NAME, router="frr")))
