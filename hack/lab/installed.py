"""A Kubernetes lab with OpenELB in it: config/default as it is shipped, and what its pages type."""

import json
from pathlib import Path

from lab.fabric import LEAVES
from lab.kubernetes_topology import KubernetesLab
from lab.net import Host, RouteRecorder, wait_until
from lab.workloads import deployment

ROOT = Path(__file__).resolve().parents[2]
BASE = ROOT / "config" / "default"
SAMPLES = ROOT / "config" / "samples"
NAMESPACE = "openelb-system"
CONTROLLER, SPEAKER = "openelb-controller", "openelb-speaker"
CONTROLLER_USER, SPEAKER_USER = (f"system:serviceaccount:{NAMESPACE}:{name}" for name in (CONTROLLER, SPEAKER))
SECURE = "--metrics-secure"
KINDS = "bgppeers,bgpconfs,eips"


class InstalledLab(KubernetesLab):
    """`install` applies the base; `multi_router` is the page of that name."""

    def __init__(self, name, router="frr", **more):
        super().__init__(name, router, **more)
        self.recorders = {}
        self._token = None

    def up(self):
        super().up()
        self.recorders = {name: RouteRecorder(self[name]) for name in ("spine", *LEAVES)}
        return self

    def install(self):
        """Returns when one controller leads, the other stands by, and every node's speaker is Ready."""
        self.kubectl("apply", "-k", BASE)
        self.wait_installed()
        return self

    def wait_installed(self, timeout=90):
        """Longer than a container that was killed many times waits for its next start."""
        def rolled_out():
            for what in (f"deployment/{CONTROLLER}", f"daemonset/{SPEAKER}"):
                self.wait_rollout(what, NAMESPACE, timeout=10)
            return True
        wait_until(rolled_out, timeout, what="OpenELB rolled out")
        wait_until(self.leader, timeout, interval=0.1, what="a controller that leads")

    # -- who is who --

    def controllers(self):
        return self.get("pods", None, NAMESPACE, "app=openelb,component=controller")

    def holder(self):
        """Which process of which Pod leads, as the Lease says; "" for none."""
        return self.get("lease", CONTROLLER, NAMESPACE)["spec"].get("holderIdentity") or ""

    def leader(self):
        """The Pod of the controller that leads, None without one."""
        name = self.holder().rpartition("_")[0]
        return next((pod for pod in self.controllers() if pod["metadata"]["name"] == name), None)

    def standby(self):
        """A controller's Pod that does not lead."""
        name = self.holder().rpartition("_")[0]
        return next((pod for pod in self.controllers() if pod["metadata"]["name"] != name
                     and "deletionTimestamp" not in pod["metadata"]), None)

    def speaker(self, node):
        """The Pod of the speaker on a node, None without one."""
        return next(iter(self.node_pods(node, NAMESPACE, "component=speaker")), None)

    def speaker_nodes(self):
        return {pod["spec"]["nodeName"] for pod in self.get("pods", None, NAMESPACE, "component=speaker")
                if "deletionTimestamp" not in pod["metadata"]}

    def metric(self, pod, name):
        """The value of one of our metrics, its name with labels: 'openelb_leader'."""
        return next(float(line.rpartition(" ")[2]) for line in self.metrics(pod).splitlines() if line.rpartition(" ")[0] == name)

    def metrics(self, pod):
        """All of them, as somebody reads them who may; "" while nobody answers."""
        speaks = pod["metadata"]["labels"]["component"] == "speaker"
        host = self[pod["spec"]["nodeName"]] if speaks else Host(self.run_dir, self.pod_host(pod))
        return host.exec("curl", "-skf", "--max-time", "5", "-H", f"Authorization: Bearer {self._scraper_token()}",
                         f"{'https' if _secure(pod['spec']) else 'http'}://127.0.0.1:{50053 if speaks else 50052}/metrics",
                         check=False)

    def serve_plain_speaker_metrics(self):
        """As the component plain-metrics: for tests that look where no controller says who may."""
        found = self.get("daemonset", SPEAKER, NAMESPACE)["spec"]["template"]["spec"]
        [container] = found["containers"]
        plain = {"httpGet": {"scheme": "HTTP"}}
        self.kubectl("-n", NAMESPACE, "patch", "ds", SPEAKER, "-p", json.dumps({"spec": {"template": {"spec": {"containers": [
            {"name": SPEAKER, "args": [word for word in container["args"] if word != SECURE], "livenessProbe": plain,
             "readinessProbe": plain}]}}}}))

    def _scraper_token(self):
        """Of an account that is nobody's and stays, whatever becomes of OpenELB."""
        if self._token is None:
            self.kubectl("create", "clusterrole", "lab-scraper", "--verb=get", "--non-resource-url=/metrics")
            self.kubectl("-n", "kube-public", "create", "serviceaccount", "lab-scraper")
            self.kubectl("create", "clusterrolebinding", "lab-scraper", "--clusterrole=lab-scraper",
                         "--serviceaccount=kube-public:lab-scraper")
            self._token = self.kubectl("-n", "kube-public", "create", "token", "lab-scraper", "--duration=24h").strip()
        return self._token

    # -- objects --

    def patch(self, kind, name, change, namespace="default", **more):
        """A merge patch; more: subresource="status"."""
        self.kubectl("-n", namespace, "patch", kind, name, "--type=merge", "-p", json.dumps(change),
                     *(f"--{key}={value}" for key, value in more.items()))

    def status(self, kind, name):
        return self.get(kind, name).get("status") or {}

    def condition(self, kind, name, what, namespace="default"):
        """The condition of a type while it is True, else None."""
        found = (self.get(kind, name, namespace).get("status") or {}).get("conditions") or []
        return next((c for c in found if c["type"] == what and c["status"] == "True"), None)

    def ips(self, name, namespace="default"):
        """The addresses of a Service, as its status says."""
        balancer = self.get("service", name, namespace)["status"].get("loadBalancer") or {}
        return [entry["ip"] for entry in balancer.get("ingress") or []]

    def events(self, kind, name, reason, namespace="default"):
        """Messages of the Events about an object, by reason."""
        chosen = f"involvedObject.kind={kind},involvedObject.name={name},reason={reason}"
        return [e["message"] for e in self.control_plane.objects.get("events", None, namespace, fieldSelector=chosen)]

    def denied(self):
        """What the API server refused to the controller, and whatever speakers asked of it: nothing, if all is well."""
        events = [*self.control_plane.refused(CONTROLLER_USER), *self.control_plane.audited(SPEAKER_USER)]
        return [(event["verb"], event["requestURI"], event["responseStatus"].get("message")) for event in events]

    def set_speaker_nodes(self, **labels):
        """`kubectl edit ds openelb-speaker` as the pages do it: the nodeSelector gains labels (None: loses them)."""
        self.kubectl("-n", NAMESPACE, "patch", "ds", SPEAKER, "-p", json.dumps(
            {"spec": {"template": {"spec": {"nodeSelector": labels}}}}))

    def set_speaker_affinity(self, label):
        """Likewise, with a required node affinity: the label must be "true" (None: no affinity)."""
        chosen = [{"matchExpressions": [{"key": label, "operator": "In", "values": ["true"]}]}]
        required = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": chosen}}}
        self.kubectl("-n", NAMESPACE, "patch", "ds", SPEAKER, "-p", json.dumps(
            {"spec": {"template": {"spec": {"affinity": required if label else None}}}}))

    def set_speaker_toleration(self, key, tolerated=True):
        """Likewise, with a toleration of the taint KEY=true:NoSchedule; or without."""
        pod = self.get("daemonset", SPEAKER, NAMESPACE)["spec"]["template"]["spec"]
        kept = [entry for entry in pod["tolerations"] if entry["key"] != key]
        added = [{"key": key, "operator": "Equal", "value": "true", "effect": "NoSchedule"}] if tolerated else []
        self.patch("daemonset", SPEAKER, {"spec": {"template": {"spec": {"tolerations": kept + added}}}}, NAMESPACE)

    def set_speaker_flag(self, name, value):
        """Likewise, a flag of the speaker: --NAME=VALUE in the place of the one that is there."""
        container, = self.get("daemonset", SPEAKER, NAMESPACE)["spec"]["template"]["spec"]["containers"]
        args = [f"--{name}={value}" if arg.startswith(f"--{name}=") else arg for arg in container["args"]]
        assert f"--{name}={value}" in args, args
        self.kubectl("-n", NAMESPACE, "patch", "ds", SPEAKER, "-p", json.dumps(
            {"spec": {"template": {"spec": {"containers": [{"name": container["name"], "args": args}]}}}}))

    # -- the pages --

    def multi_router(self, brand="openelb", policy="Cluster"):
        """The page "Configure OpenELB for Multi-router Clusters", or PorterLB's. Its Pods are on worker1 and
        worker-p002. Returns once every router holds the documented next hops."""
        samples = SAMPLES / ("porter" if brand == "porter" else "multi-router")
        self.kubectl("label", "--overwrite", "nodes", "master1", "worker-p002", f"lb.kubesphere.io/v1alpha1={brand}")
        self.set_speaker_nodes(**{"kubernetes.io/os": "linux", "lb.kubesphere.io/v1alpha1": brand})
        self.kubectl("label", "--overwrite", "nodes", "master1", f"{brand}.kubesphere.io/rack=leaf1")
        self.kubectl("label", "--overwrite", "nodes", "worker-p002", f"{brand}.kubesphere.io/rack=leaf2")
        for name in ("bgp-conf", "bgp-peers", "eip"):
            self.kubectl("apply", "-f", samples / f"{name}.yaml")
        self.apply(backends("bgp-openelb", drain=4, grace=7))
        self.kubectl("apply", "-f", samples / "service.yaml")
        if policy != "Cluster":
            self.patch("service", "bgp-svc", {"spec": {"externalTrafficPolicy": policy}})
        self.wait_rollout("deployment/bgp-openelb")
        self.wait_rollout(f"daemonset/{SPEAKER}", NAMESPACE)
        if policy == "Cluster":
            self.wait_documented()
        return self

    def clear(self):
        """Back to what `install` left."""
        self.kubectl("delete", "services,deployments", "--field-selector=metadata.name!=kubernetes", "--timeout=20s")
        self.kubectl("delete", KINDS, "--all", "--timeout=20s")
        self.kubectl("label", "nodes", "--all", "lb.kubesphere.io/v1alpha1-", "openelb.kubesphere.io/rack-",
                     "porter.kubesphere.io/rack-")
        self.set_speaker_nodes(**{"lb.kubesphere.io/v1alpha1": None})
        self.wait_installed()


def backends(name, nodes=("worker1", "worker-p002"), **more):
    """A Deployment of one backend on each of some nodes; applied to one that exists, its old Pods do not count."""
    labels = {"matchLabels": {"app": name}}
    chosen = [{"key": "kubernetes.io/hostname", "operator": "In", "values": list(nodes)}]
    return deployment(
        name, len(nodes),
        affinity={"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": chosen}]}}},
        topologySpreadConstraints=[{"maxSkew": 1, "topologyKey": "kubernetes.io/hostname",
                                    "whenUnsatisfiable": "DoNotSchedule", "labelSelector": labels,
                                    "matchLabelKeys": ["pod-template-hash"]}], **more)


def _secure(pod):
    return any(SECURE in container["args"] for container in pod["containers"])
