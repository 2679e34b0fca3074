"""Pods' networks on one node: a namespace each, a veth to the node's, an address of the node's podCIDR.

Routed, not bridged: the node has a route to each Pod, and a Pod sends everything to its end of the node's veth. So
traffic between two Pods of a node passes the node's nftables too, where kube-proxy rewrites it.
"""

import ipaddress
from pathlib import Path

from lab.net import run

GATEWAY = "169.254.1.1"  # nobody's address: a Pod knows its hardware address beforehand
GATEWAY_MAC = "ee:ee:ee:ee:ee:ee"


class PodNetworks:
    def __init__(self, run_dir, node, cidr):
        self._run_dir, self._node = run_dir, node
        self._netns = run_dir.namespace(node)
        self._free = [str(a) for a in ipaddress.ip_network(cidr).hosts()][1:]

    def path(self, pod):
        """The file of a Pod's namespace; `pod` is "NAMESPACE.NAME"."""
        return Path("/run/netns", self._run_dir.namespace(self._host(pod)))

    def claim(self, address):
        """Of a Pod that an earlier stand-in has set up."""
        self._free.remove(address)

    def create(self, pod, uid):
        """Returns the address that the Pod got. A released address is given again as late as possible."""
        if self.path(pod).exists():
            raise RuntimeError("the network of its predecessor of the same name is still there")
        self._run_dir.create_namespace(self._host(pod))
        try:
            self._connect(self._free[0], self.path(pod).name, _link(uid))
        except RuntimeError:
            self._run_dir.delete_namespace(self._host(pod))
            raise
        return self._free.pop(0)

    def remove(self, pod, uid, address):
        self._run_dir.delete_namespace(self._host(pod))
        run("ip", "-n", self._netns, "link", "del", _link(uid), check=False)  # else the kernel does it, a little later
        self._free.append(address)

    def _connect(self, address, inside, outside):
        run("ip", "link", "add", outside, "netns", self._netns, "address", GATEWAY_MAC, "type", "veth",
            "peer", "name", "eth0", "netns", inside)
        run("ip", "-n", inside, "-batch", "-", stdin="\n".join([
            "link set lo up", f"addr add {address}/32 dev eth0", "link set eth0 up",
            f"route add {GATEWAY} dev eth0", f"neigh add {GATEWAY} lladdr {GATEWAY_MAC} dev eth0 nud permanent",
            f"route add default via {GATEWAY}"]))
        run("ip", "-n", self._netns, "-batch", "-", stdin=f"link set {outside} up\nroute add {address} dev {outside}")

    def _host(self, pod):
        return f"{self._node}.{pod}"


def _link(uid):
    return f"pod{uid.replace('-', '')[:8]}"
