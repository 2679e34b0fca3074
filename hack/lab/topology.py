"""The topology of OpenELB's multi-router page.

                         client 10.1.0.2        ctl 10.2.0.2 (the controller)
                              |                      |
                            spine ---------------- spine            AS 65100
                           /            \\
      AS 50001   leaf1 192.168.0.2     leaf2 192.168.1.1   AS 50002
                  |          |               |
            master1 .0.3  worker1 .0.4  worker-p002 .1.2            AS 50000 (the speakers)

Leaves and spine speak BGP and share their connected networks, so the controller's stream to its speakers
crosses the same fabric as the clients' traffic. Pods are processes with an address of their own on their
node; the networks of Pods are static routes in the fabric.
"""

import sys
from pathlib import Path

from lab import programs
from lab.bird import Bird
from lab.cluster import PREFIXES, Cluster, internal_ip, selected_nodes
from lab.frr import Frr
from lab.net import Host, connect, wait_until
from lab.router import Neighbor, RouterConfig
from lab.run_dir import RunDir

SAMPLES = Path(__file__).resolve().parents[2] / "config" / "samples"
KINDS = {"frr": Frr, "bird": Bird}
SPINE_AS, NODE_AS = 65100, 50000
CLIENT, CONTROLLER = "10.1.0.2", "10.2.0.2"
VIP = "172.22.0.2"


class Leaf:
    """What the plan of the network says of one leaf."""

    def __init__(self, number, asn, address):
        self.asn = asn
        self.address = address
        self.uplink = f"10.0.{number}.2"  # ours towards the spine
        self.spine = f"10.0.{number}.1"


LEAVES = {"leaf1": Leaf(1, 50001, "192.168.0.2"), "leaf2": Leaf(2, 50002, "192.168.1.1")}


def leaf_of(address):
    """The leaf on whose network an address lies."""
    return next(n for n, leaf in LEAVES.items() if leaf.address.rsplit(".", 1)[0] == address.rsplit(".", 1)[0])


class MultiRouter:
    """`up` builds fabric, nodes and Pods; `start_controller` and `start_speakers` run our programs."""

    def __init__(self, name, router="frr", samples="multi-router"):
        self.run_dir = RunDir(name)
        self.router_kind = router
        self.samples = samples
        self.cluster = Cluster(self.run_dir.path / "manifests", self.run_dir.path / "status")
        self.credentials = programs.Credentials(self.run_dir.path / "tls")
        self.hosts = {}
        self.routers = {}
        self.speakers = {}
        self.controller = None

    def __getitem__(self, name):
        return self.hosts[name]

    # -- building --

    def up(self):
        self.run_dir.create(topology="multi-router", router=self.router_kind, samples=self.samples)
        self.cluster.load(SAMPLES / self.samples)
        self._build_fabric()
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
        for name in ("spine", *LEAVES):
            self._start_router(name)
        self.run_dir.spawn("proxy", [sys.executable, Path(__file__).with_name("proxy.py"), self.run_dir.path,
                                     self.cluster.manifests, self.cluster.status_dir])
        self.wait_fabric()
        return self

    def down(self):
        self.run_dir.remove()

    def add_host(self, name):
        self.hosts[name] = Host(self.run_dir, name).create()
        return self.hosts[name]

    def attach(self, name, address):
        """A new host on the network of the leaf whose subnet holds `address`, with the leaf as its gateway."""
        leaf = leaf_of(address)
        host = self.add_host(name)
        connect(host, "eth0", self[leaf], name)
        host.ip(f"addr add {address}/24 dev eth0", f"route add default via {LEAVES[leaf].address}")
        self[leaf].ip(f"link set {name} master br0")
        return host

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

    def _build_fabric(self):
        spine = self.add_host("spine")
        for name, address in (("client", CLIENT), ("ctl", CONTROLLER)):
            host = self.add_host(name)
            gateway = address[:-1] + "1"
            connect(host, "eth0", spine, name)
            host.ip(f"addr add {address}/24 dev eth0", f"route add default via {gateway}")
            spine.ip(f"addr add {gateway}/24 dev {name}")
        spine.forwards(seed=101)
        for seed, (name, leaf) in enumerate(LEAVES.items(), 102):
            host = self.add_host(name)
            connect(host, "uplink", spine, name)
            host.ip(f"addr add {leaf.uplink}/30 dev uplink", "link add br0 type bridge",
                    f"addr add {leaf.address}/24 dev br0", "link set br0 up")
            spine.ip(f"addr add {leaf.spine}/30 dev {name}")
            host.forwards(seed)

    def _start_router(self, name):
        if name == "spine":
            neighbors = [Neighbor(leaf.uplink, leaf.asn, passive=False) for leaf in LEAVES.values()]
            config = RouterConfig(SPINE_AS, "10.1.0.1")
        else:
            leaf = LEAVES[name]
            neighbors = [Neighbor(leaf.spine, SPINE_AS, passive=False)]
            neighbors += [Neighbor(internal_ip(self.cluster.get("Node", node)), NODE_AS)
                          for node in selected_nodes(self.cluster)
                          if leaf_of(internal_ip(self.cluster.get("Node", node))) == name]
            config = RouterConfig(leaf.asn, leaf.address)
        config.neighbors = {n.address: n for n in neighbors}
        self.routers[name] = KINDS[self.router_kind](self[name], config)
        self.routers[name].start()

    def wait_fabric(self):
        """Until every network of the fabric reaches every leaf."""
        for name, router in self.routers.items():
            for leaf in LEAVES.values():
                if name == "spine" or LEAVES[name] is not leaf:
                    network = leaf.address.rsplit(".", 1)[0] + ".0/24"
                    wait_until(lambda: router.kernel_next_hops(network), what=f"{name}: route to {network}")

    # -- our programs --

    def start_controller(self):
        self.controller = programs.controller(self["ctl"], CONTROLLER, self.cluster, self.credentials)
        self.controller.start().wait_ready()
        return self.controller

    def start_speaker(self, node):
        self.credentials.add(node)
        self.speakers[node] = programs.speaker(self[node], node, CONTROLLER, self.run_dir.path / "state" / node,
                                               self.credentials)
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

    # -- what it should come to --

    def wait_documented(self, prefix=f"{VIP}/32", timeout=15.0):
        """The page's result: both leaves and the spine hold exactly its next hops, in table and kernel."""
        self.wait_next_hops({"leaf1": {"192.168.0.3", "192.168.0.4"}, "leaf2": {"192.168.1.2"}}, prefix, timeout)

    def expected(self, per_leaf):
        """What each kernel holds when the leaves' own next hops are `per_leaf`: a leaf without any learns the
        address from the spine, and the spine holds exactly the leaves that have some."""
        serving = {leaf for leaf, hops in per_leaf.items() if hops}
        found = {leaf: hops or ({LEAVES[leaf].spine} if serving else set()) for leaf, hops in per_leaf.items()}
        return found | {"spine": {LEAVES[leaf].uplink for leaf in serving}}

    def kernels_hold(self, per_leaf, prefix=f"{VIP}/32"):
        return all(self.routers[name].kernel_next_hops(prefix) == hops
                   for name, hops in self.expected(per_leaf).items())

    def wait_next_hops(self, per_leaf, prefix=f"{VIP}/32", timeout=10.0):
        """Until kernels hold what is expected, and each leaf's BGP table exactly `per_leaf` (beside the longer
        path over the spine)."""
        for name, hops in self.expected(per_leaf).items():
            self.routers[name].wait_kernel(prefix, hops, timeout)
        for name, hops in self.expected(per_leaf).items():
            self.routers[name].wait_table(prefix, hops, timeout,
                                          besides={LEAVES[name].spine} if name in LEAVES else set())
