"""One LAN without a router: nodes, a client and the controller on a switch, with the manifests of a folder as the cluster.

          client .0.2     ctl .0.9
                |           |
         ------ switch (192.168.0.0/24) ------
             |            |            |            |
       master1 .0.3  worker1 .0.4  worker2 .0.5  worker3 .0.6

Speakers run on all but worker3, which has the Pods: so whatever happens to a speaker's node, the Pods are there.

`add_second` puts every node on a LAN more, 192.168.7.0/24, with the same last numbers.
"""

import contextlib
import os

from lab import dual_stack
from lab.cluster import internal_ip
from lab.dual_stack import v6_of
from lab.net import Host, connect, run, wait_until
from lab.topology import SAMPLES, MultiRouter
from lab.traffic import counted

CLIENT, CONTROLLER = "192.168.0.2", "192.168.0.9"
NODES = {"master1": "192.168.0.3", "worker1": "192.168.0.4", "worker2": "192.168.0.5", "worker3": "192.168.0.6"}
SPEAKERS = ("master1", "worker1", "worker2")
PODS = {"10.233.67.11": "worker3", "10.233.67.12": "worker3"}
SELECTOR = {"openelb-speaker": "true"}
# From a node's failure to the next answer: 3 x 100 ms, what a request waits, and a machine that does other things.
OUTAGE_S = 2.0


class Lan(MultiRouter):
    """`service` names the Service of the samples whose endpoints the Pods are."""

    controller_address = CONTROLLER

    def __init__(self, name, samples, service):
        super().__init__(name, samples=samples)
        self.service = service

    def up(self):
        self.run_dir.create(topology="lan", samples=self.samples)
        self.cluster.load(SAMPLES / self.samples)
        self.cluster.apply(*objects(self.service))
        self.add_host("switch").ip("link add br0 type bridge", "link set br0 up")
        for name, address in {"client": CLIENT, "ctl": CONTROLLER}.items():
            self.attach(name, address)
        self.start_cluster()
        return self

    @classmethod
    @contextlib.contextmanager
    def running(cls, samples, service, address):
        """With all our programs, and `address` for the Service; a failure shows what they said."""
        lab = cls(f"suite-{samples.split('-')[0]}-{os.getpid()}", samples, service)
        try:
            lab.up()
            lab.start_controller()
            lab.start_speakers()
            wait_until(lambda: lab.cluster.service_ips(service) == [address], 10, what="the first address of the pool")
            yield lab
        except BaseException:
            print(lab.program_logs())
            raise
        finally:
            lab.down()

    def revive(self):
        """Starts whatever of our programs does not run."""
        if not self.controller.running():
            self.start_controller()
        for node, speaker in self.speakers.items():
            if not speaker.running():
                self.start_speaker(node)

    def traffic(self, record, case, address, node):
        """`counted` of the client, served by `node` first."""
        return counted(record, case, self["client"], address, {node}, OUTAGE_S)

    def attach(self, name, address):
        """A new host on the switch, on the port of its name."""
        self.add_host(name)
        return self.plug_in(name, address)

    def plug_in(self, name, address, interface="eth0", switch="switch"):
        """Gives a host a new NIC with that address."""
        host = self[name]
        connect(host, interface, self[switch], name)
        host.ip(f"addr add {address}/24 dev {interface}")
        self[switch].ip(f"link set {name} master br0")
        return host

    def add_second(self):
        """The other LAN: "switch2", "client2", and eth1 of every node."""
        self.add_host("switch2").ip("link add br0 type bridge", "link set br0 up")
        self.add_host("client2")
        self.plug_in("client2", second(CLIENT), switch="switch2")
        for name, address in NODES.items():
            self.plug_in(name, second(address), "eth1", "switch2")

    def add_node(self, name, address, pod_cidr):
        node = self.attach(name, address)
        node.forwards(seed=len(self.hosts))
        for other in self.cluster.objects("Node"):
            if other["metadata"]["name"] != name:
                node.ip(f"route add {other['spec']['podCIDR']} via {internal_ip(other)}")
        with (self.run_dir.path / "hosts").open("a") as file:
            file.write(f"{address} {name}\n")
        return node

    def serve_ipv6(self, mode, interface, address):
        """IPv6 beside IPv4: a pool of that mode, and the Service MODE-svc6 before the same Pods, which has its first
        address."""
        dual_stack.enable(self)
        for pod, node in PODS.items():
            dual_stack.start_pod(self, f"{mode}-svc6-{pod}", node, pod)
        for node, ipv4 in NODES.items():
            self.cluster.edit("Node", node, lambda o, v6=v6_of(ipv4): o["status"]["addresses"].append(
                {"type": "InternalIP", "address": v6}))
        annotations = {"lb.kubesphere.io/v1alpha1": "openelb", "eip.openelb.kubesphere.io/v1alpha2": f"{mode}-eip6"}
        self.cluster.apply(
            {"apiVersion": "network.kubesphere.io/v1alpha2", "kind": "Eip", "metadata": {"name": f"{mode}-eip6"},
             "spec": {"address": f"{address}-{address[:-2]}99", "interface": interface, "protocol": mode}},
            {"apiVersion": "v1", "kind": "Service",
             "metadata": {"name": f"{mode}-svc6", "namespace": "default", "annotations": annotations},
             "spec": {"type": "LoadBalancer", "ipFamilies": ["IPv6"], "ipFamilyPolicy": "SingleStack",
                      "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}},
            endpoint_slice(f"{mode}-svc6", {v6_of(pod): node for pod, node in PODS.items()}))
        wait_until(lambda: self.cluster.service_ips(f"{mode}-svc6") == [address], what="an IPv6 address")

    def silence(self, name, silent=True):
        """The switch forwards nothing to or from a host, which sees its link up all the while."""
        self["switch"].ip(f"link set {name} {'nomaster' if silent else 'master br0'}")

    def unplug(self, name, unplugged=True, switch="switch"):
        """The cable of a host is out of the switch, and the host sees it."""
        self[switch].ip(f"link set {name} {'down' if unplugged else 'up'}")


def second(address):
    """The address on the second LAN of who has this one on the first."""
    return address.replace("192.168.0.", "192.168.7.")


def mac(host: Host, interface="eth0"):
    return run("ip", "-n", host.netns, "-br", "link", "show", interface).split()[2]


def objects(service):
    """What a cluster holds besides the samples."""
    for number, (name, address) in enumerate(NODES.items()):
        yield {"apiVersion": "v1", "kind": "Node",
               "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name} | (SELECTOR if name in SPEAKERS else {})},
               "spec": {"podCIDR": f"10.233.{64 + number}.0/24"},
               "status": {"addresses": [{"type": "InternalIP", "address": address}],
                          "conditions": [{"type": "Ready", "status": "True"}]}}
    for namespace in ("default", "openelb-system"):
        yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    yield {"apiVersion": "apps/v1", "kind": "DaemonSet",
           "metadata": {"name": "openelb-speaker", "namespace": "openelb-system"},
           "spec": {"template": {"spec": {"hostNetwork": True, "nodeSelector": SELECTOR}}}}
    yield endpoint_slice(service, PODS)


def endpoint_slice(service, pods):
    """`pods`: {address: node}."""
    family = "IPv6" if any(":" in address for address in pods) else "IPv4"
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": family,
            "metadata": {"name": f"{service}-1", "namespace": "default",
                         "labels": {"kubernetes.io/service-name": service}},
            "ports": [{"name": "http", "protocol": "TCP", "port": 8080}],
            "endpoints": [{"addresses": [address], "nodeName": node,
                           "targetRef": {"kind": "Pod", "name": f"{service}-{number}"},
                           "conditions": {"ready": True, "serving": True}}
                          for number, (address, node) in enumerate(pods.items())]}
