"""The network between the control plane and whoever speaks to it, apart from the leaves' networks.

One bridge, 10.250.0.0/24, in a namespace of its own. A host on it has an interface `mgmt`. So a test can cut a host
off from the API server and leave BGP alone, or the other way round.
"""

import ipaddress

from lab.net import Host, connect, run

NETWORK = ipaddress.ip_network("10.250.0.0/24")
SERVER = str(NETWORK[1])  # the control plane
API_SERVICE = "10.96.0.1"  # the address of the Service "kubernetes", the first of the Services' range
INTERFACE = "mgmt"


class ManagementNetwork:
    def __init__(self, run_dir, server):
        self.server = server
        self.bridge = Host(run_dir, "mgmt")
        self._addresses = run_dir.path / "management"  # "HOST ADDRESS" per line: an address is never given twice

    def create(self):
        """Makes the bridge and puts the control plane's host on it, as SERVER."""
        self.bridge.create()
        self.bridge.ip("link add br0 type bridge", "link set br0 up")
        self._addresses.write_text(f"{self.server.name} {SERVER}\n")
        self._plug(self.server, SERVER)

    def attach(self, host, behind=()):
        """Puts a host on the network and returns its address there. The control plane learns the way to the
        prefixes `behind` it (a node's Pods). With kube-proxy on the host, API_SERVICE leads there too."""
        known = self.addresses()
        if host.name not in known:
            known[host.name] = str(NETWORK[10 + len(known)])
            with self._addresses.open("a") as file:
                file.write(f"{host.name} {known[host.name]}\n")
        address = known[host.name]
        self._plug(host, address)
        host.ip(f"route add {API_SERVICE} dev {INTERFACE} src {address}")
        self.server.ip(*(f"route replace {prefix} via {address}" for prefix in behind))
        return address

    def addresses(self):
        """{host's name: its address} of all that were ever attached."""
        return dict(line.split() for line in self._addresses.read_text().splitlines())

    def cut(self, host):
        """From now on the bridge drops what comes from or goes to the host, in silence: carrier and routes stay,
        connections hang. Cutting the control plane's own host cuts off all."""
        self._port_state(host, "disabled")

    def mend(self, host):
        self._port_state(host, "forwarding")

    def _plug(self, host, address):
        connect(host, INTERFACE, self.bridge, host.name)
        host.ip(f"addr add {address}/{NETWORK.prefixlen} dev {INTERFACE}")
        self.bridge.ip(f"link set {host.name} master br0")

    def _port_state(self, host, state):
        run("bridge", "-n", self.bridge.netns, "link", "set", "dev", host.name, "state", state)
