"""The network of OpenELB's multi-router page: routers, a client, and hosts on the leaves' networks.

                         client 10.1.0.2
                              |
                            spine                                   AS 65100
                           /            \\
      AS 50001   leaf1 192.168.0.2     leaf2 192.168.1.1   AS 50002
                  |          |               |
            master1 .0.3  worker1 .0.4  worker-p002 .1.2            AS 50000 (the speakers)

Leaves and spine speak BGP and share their connected networks, so every host reaches every other one. A leaf also has a
default route to the spine: when its link is back, the spine's static routes to its Pods are at once, and what answers them
must not wait for a session.
"""

from lab.bird import Bird
from lab.frr import Frr
from lab.net import Host, connect, wait_until
from lab.router import Neighbor, RouterConfig
from lab.run_dir import RunDir

KINDS = {"frr": Frr, "bird": Bird}
SPINE_AS, NODE_AS = 65100, 50000
CLIENT = "10.1.0.2"
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


class Fabric:
    """`build` makes hosts and cables, `start_routers` the routers on them."""

    def __init__(self, name, router):
        self.run_dir = RunDir(name)
        self.router_kind = router
        self.hosts = {}
        self.routers = {}

    def __getitem__(self, name):
        return self.hosts[name]

    def down(self):
        self.run_dir.remove()

    # -- building --

    def build(self, behind_spine):
        """`behind_spine`: {host: address}, each on a /24 of its own with the spine as gateway."""
        spine = self.add_host("spine")
        for name, address in behind_spine.items():
            host = self.add_host(name)
            gateway = address[:-1] + "1"
            connect(host, "eth0", spine, name)
            host.ip(f"addr add {address}/24 dev eth0", f"route add default via {gateway}")
            spine.ip(f"addr add {gateway}/24 dev {name}")
        spine.forwards(seed=101)
        for seed, (name, leaf) in enumerate(LEAVES.items(), 102):
            host = self.add_host(name)
            connect(host, "uplink", spine, name)
            # A bridge without an address of its own takes the lowest of its ports': when one of them goes, all that its
            # neighbours know is wrong for 8 s.
            host.ip(f"addr add {leaf.uplink}/30 dev uplink", f"link add br0 address 02:00:00:00:00:{seed:02x} type bridge",
                    f"addr add {leaf.address}/24 dev br0", "link set br0 up")
            spine.ip(f"addr add {leaf.spine}/30 dev {name}")
            host.ip(f"route add default via {leaf.spine}")
            host.forwards(seed)

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

    def start_routers(self, speakers):
        """Returns when every network of the fabric reaches every leaf. `speakers`: addresses of the hosts that
        the leaves expect to speak BGP."""
        for name in ("spine", *LEAVES):
            if name == "spine":
                neighbors = [Neighbor(leaf.uplink, leaf.asn, passive=False) for leaf in LEAVES.values()]
                config = RouterConfig(SPINE_AS, "10.1.0.1")
            else:
                leaf = LEAVES[name]
                neighbors = [Neighbor(leaf.spine, SPINE_AS, passive=False)]
                neighbors += [Neighbor(address, NODE_AS) for address in speakers if leaf_of(address) == name]
                config = RouterConfig(leaf.asn, leaf.address)
            config.neighbors = {n.address: n for n in neighbors}
            self.routers[name] = KINDS[self.router_kind](self[name], config)
            self.routers[name].start()
        for name, router in self.routers.items():
            for leaf in LEAVES.values():
                if name == "spine" or LEAVES[name] is not leaf:
                    network = leaf.address.rsplit(".", 1)[0] + ".0/24"
                    wait_until(lambda: router.kernel_next_hops(network), what=f"{name}: route to {network}")

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
