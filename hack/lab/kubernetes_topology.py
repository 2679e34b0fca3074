"""The topology of OpenELB's multi-router page on a real Kubernetes control plane.

The network is that of `fabric.py`. Each node is on its leaf's network and on the management network, where the
control plane is and where Pods of different nodes meet. Pods are processes, started by the kubelet's stand-in from
whatever the API server binds to their node; kube-proxy forwards. So nothing here knows of Services, endpoints or
what our programs do: kubectl says it.
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import programs
from lab.control_plane import FAST_NODES, ControlPlane
from lab.fabric import CLIENT, Fabric
from lab.net import run, wait_until
from lab.nodes import KubeNode
from lab.workloads import BACKEND

NODES = {  # name: (address, podCIDR)
    "master1": ("192.168.0.3", "10.233.64.0/24"),
    "worker1": ("192.168.0.4", "10.233.65.0/24"),
    "worker-p002": ("192.168.1.2", "10.233.66.0/24")}
SPEAKERS = ("master1", "worker-p002")  # whom the leaves expect
HOSTS_FILE = "/etc/lab-hosts"  # in a backend
KUBIA = "luksa/kubia"  # the backend of the documentation's samples


class KubernetesLab(Fabric):
    """flags: sets of flags for the control plane's components; shares: folders that Pods see and change as they are."""

    def __init__(self, name, router="frr", flags=(FAST_NODES,), shares=()):
        super().__init__(name, router)
        self.control_plane = ControlPlane(self.run_dir, *flags)
        self.management = self.control_plane.management
        self.images = self.run_dir.path / "images.json"
        self.shares = shares
        self.nodes = {}

    # -- building --

    def up(self):
        """Returns when all nodes are Ready and the fabric is complete."""
        self.run_dir.create(topology="kubernetes", router=self.router_kind)
        self.images.write_text(json.dumps(self._images(), indent=2))
        with ThreadPoolExecutor() as pool:
            control_plane = pool.submit(self.control_plane.up)
            self.build({"client": CLIENT})
            control_plane.result()
            routers = pool.submit(self.start_routers, [NODES[node][0] for node in SPEAKERS])
            for name, (address, pod_cidr) in NODES.items():
                self.add_node(name, address, pod_cidr)
            self.wait_nodes(*NODES)
            routers.result()
        return self

    def add_node(self, name, address, pod_cidr):
        host = self.attach(name, address)
        host.forwards(seed=len(self.hosts))
        node = KubeNode(self, host, address, pod_cidr, self.management.attach(host, behind=[pod_cidr]))
        for other in self.nodes.values():
            other.host.ip(f"route replace {pod_cidr} via {node.management}")
            host.ip(f"route replace {other.pod_cidr} via {other.management}")
        with (self.run_dir.path / "hosts").open("a") as file:  # what a backend takes a node's address for
            file.write(f"{address} {name}\n{node.management} {name}\n")
        self.nodes[name] = node
        return node.start()

    def remove_node(self, name):
        """For good: the machine, its object and its Pods, which the control plane alone would keep for a minute."""
        node = self.nodes.pop(name)
        node.remove()
        del self.hosts[name]
        self.kubectl("delete", "node", name)
        self.kubectl("delete", "pods", "-A", f"--field-selector=spec.nodeName={name}", "--force", "--grace-period=0")
        for other in self.nodes.values():
            other.host.ip(f"route del {node.pod_cidr}")

    def _images(self):
        """What the images of manifests stand for here."""
        def program(name):
            path = f"/usr/local/bin/{name}"
            return {"entrypoint": [path], "files": {path: str(programs.BIN / name)}}

        backend = {"/usr/local/bin/backend.py": str(Path(__file__).with_name("backend.py")),
                   HOSTS_FILE: str(self.run_dir.path / "hosts")}
        # Takes no arguments, and does not know its node.
        kubia = f'exec {sys.executable} /usr/local/bin/backend.py 0.0.0.0 8080 "$HOSTNAME" - {HOSTS_FILE}'
        return {
            **{f"{owner}/{name}": program(name) for owner in ("openelb", "kubesphere")
               for name in ("openelb-controller", "openelb-speaker")},
            BACKEND: {"entrypoint": [sys.executable, "/usr/local/bin/backend.py"], "files": backend},
            KUBIA: {"entrypoint": ["/bin/sh", "-c", kubia], "files": backend}}

    # -- the API --

    def kubectl(self, *args, **more):
        return self.control_plane.kubectl(*args, **more)

    def apply(self, *objects):
        self.kubectl("apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))

    def get(self, kind, name=None, namespace="default", selector=""):
        """One object, or the list of all of a kind that carry the labels."""
        return self.control_plane.objects.get(kind, name, namespace, labelSelector=selector)

    def node_pods(self, node, namespace="default", selector=""):
        return [pod for pod in self.get("pods", None, namespace, selector) if pod["spec"].get("nodeName") == node]

    def pod_host(self, pod):
        """The lab's name of the namespace of a Pod with a network of its own: for `lab exec` and Host."""
        meta = pod["metadata"]
        return f"{pod['spec']['nodeName']}.{meta['namespace']}.{meta['name']}"

    def logs(self, pod, container=None):
        """What a container has written so far, over all its restarts."""
        path = self.run_dir.log(f"{self.pod_host(pod)}.{container or pod['spec']['containers'][0]['name']}")
        return path.read_text(errors="replace") if path.exists() else ""

    def container_pid(self, pod, container=None):
        """The first process of a running container, which a test may kill."""
        folder = self.run_dir.cgroup(pod["spec"]["nodeName"]).path / f"pod-{pod['metadata']['uid']}"
        procs = folder / (container or pod["spec"]["containers"][0]["name"]) / "cgroup.procs"
        return int(procs.read_text().split()[0])

    def exec_in(self, pod, *command, container=None):
        """Runs a command in a container and returns its output."""
        return run("nsenter", "-t", self.container_pid(pod, container), "-m", "-n", "-u", "--", *command)

    def ready(self, node):
        """Status of the Ready condition: "True", "False" or "Unknown"."""
        conditions = self.get("node", node)["status"].get("conditions", [])
        return next((c["status"] for c in conditions if c["type"] == "Ready"), "")

    def wait_nodes(self, *names, ready="True", timeout=30.0):
        """Until their Ready conditions say so and, when Ready, no taint keeps Pods away."""
        def settled():
            found = {}
            for node in self.get("nodes"):
                conditions = {c["type"]: c["status"] for c in node["status"].get("conditions", [])}
                taints = [t["key"] for t in node["spec"].get("taints", []) if t["key"].startswith("node.kubernetes.io/")]
                found[node["metadata"]["name"]] = (conditions.get("Ready"), ready == "True" and taints)
            return all(found.get(name) in ((ready, False), (ready, [])) for name in names)
        wait_until(settled, timeout, interval=0.1, what=f"{', '.join(names)}: Ready is {ready}")

    def wait_rollout(self, what, namespace="default", timeout=50):
        """`what` as in "deployment/web"."""
        self.kubectl("-n", namespace, "rollout", "status", what, f"--timeout={timeout}s")

    # -- for whoever looks at a failure --

    def program_logs(self, lines=40):
        """The last lines of our programs, the nodes' and the control plane's."""
        parts = []
        for path in sorted((self.run_dir.path / "logs").glob("*.log")):
            role = path.stem.split(".")[-1]
            if role.startswith(("openelb", "kube")):
                parts += [f"--- {path.stem}", *path.read_text(errors="replace").splitlines()[-lines:]]
        return "\n".join(parts)
