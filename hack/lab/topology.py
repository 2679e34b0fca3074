"""The topology of OpenELB's multi-router page, with the manifests of a folder as the cluster.

The controller runs on "ctl", and its stream to its speakers crosses the same fabric as the clients' traffic. Pods are
processes with an address of their own on their node; the networks of Pods are static routes in the fabric.
"""

import sys
from pathlib import Path

from lab import programs
from lab.cluster import PREFIXES, Cluster, internal_ip, selected_nodes
from lab.fabric import CLIENT, LEAVES, Fabric, leaf_of

CONTROLLER = "10.2.0.2"
SAMPLES = Path(__file__).resolve().parents[2] / "config" / "samples"


class MultiRouter(Fabric):
    """`up` builds fabric, nodes and Pods; `start_controller` and `start_speakers` run our programs."""

    controller_address = CONTROLLER

    def __init__(self, name, router="frr", samples="multi-router"):
        super().__init__(name, router)
        self.samples = samples
        self.cluster = Cluster(self.run_dir.path / "manifests", self.run_dir.path / "status")
        self.credentials = programs.Credentials(self.run_dir.path / "tls")
        self.speakers = {}
        self.controller = None

    # -- building --

    def up(self):
        self.run_dir.create(topology="multi-router", router=self.router_kind, samples=self.samples)
        self.cluster.load(SAMPLES / self.samples)
        self.build({"client": CLIENT, "ctl": self.controller_address})
        self.start_cluster()
        self.start_routers([internal_ip(self.cluster.get("Node", node)) for node in selected_nodes(self.cluster)])
        return self

    def start_cluster(self):
        """Nodes, Pods, what forwards to them, and credentials for the speakers."""
        for node in self.cluster.objects("Node"):
            self.add_node(node["metadata"]["name"], internal_ip(node), node["spec"]["podCIDR"])
        for obj in self.cluster.objects("EndpointSlice"):
            for endpoint in obj["endpoints"]:
                self.start_pod(endpoint["targetRef"]["name"], endpoint["nodeName"], endpoint["addresses"][0],
                               obj["ports"][0]["port"])
        self.credentials.create(selected_nodes(self.cluster))
        for node in selected_nodes(self.cluster):
            # A speaker reports its node's networks; the annotation is for those who plan without one.
            self.cluster.edit("Node", node, lambda obj: obj["metadata"].get("annotations", {}).pop(PREFIXES, None))
        self.run_dir.spawn("proxy", [sys.executable, Path(__file__).with_name("proxy.py"), self.run_dir.path,
                                     self.cluster.manifests, self.cluster.status_dir])

    def add_node(self, name, address, pod_cidr):
        """A node: it forwards, and the fabric knows the way to its Pods. Its Node object is the caller's."""
        node = self.attach(name, address)
        node.forwards(seed=len(self.hosts))
        leaf = leaf_of(address)
        self[leaf].ip(f"route add {pod_cidr} via {address}")
        self["spine"].ip(f"route add {pod_cidr} via {LEAVES[leaf].uplink}")
        for other in LEAVES.keys() - {leaf}:
            self[other].ip(f"route add {pod_cidr} via {LEAVES[other].spine}")
        with (self.run_dir.path / "hosts").open("a") as file:
            file.write(f"{address} {name}\n")
        return node

    def start_pod(self, pod, node, address, port=8080):
        self[node].ip(f"addr add {address}/32 dev lo")
        self[node].spawn(f"pod.{pod}", [sys.executable, Path(__file__).with_name("backend.py"), address, port, pod,
                                        node, self.run_dir.path / "hosts"])

    # -- our programs --

    def start_controller(self):
        self.controller = programs.controller(self["ctl"], self.controller_address, self.cluster, self.credentials)
        self.controller.start().wait_ready()
        return self.controller

    def start_speaker(self, node):
        self.credentials.add(node)
        self.speakers[node] = programs.speaker(self[node], node, self.controller_address,
                                               self.run_dir.path / "state" / node, self.credentials)
        return self.speakers[node].start()

    def start_speakers(self):
        """One on each node that the DaemonSet selects, all at once."""
        for node in selected_nodes(self.cluster):
            self.start_speaker(node)

    def program_logs(self, lines=40):
        """The last lines of what our programs said, for whoever looks at a failure."""
        parts = []
        for path in sorted((self.run_dir.path / "logs").glob("*.log")):
            role = path.stem.split(".")[-1]
            if role.startswith(("controller", "speaker", "proxy")):
                parts += [f"--- {path.stem}", *path.read_text(errors="replace").splitlines()[-lines:]]
        return "\n".join(parts)
