"""Gives a lab that is up IPv6 beside IPv4: the same network with the addresses of `v6_of`.

Sessions stay on IPv4 and carry both families (RFC 4760).
"""

import ipaddress
import json
import sys
from dataclasses import replace
from pathlib import Path

from lab.net import run


def v6_of(address):
    """192.168.0.3 -> fd00:192:168:0::3: the last number is the host's, the others name the /64. As routers print it."""
    *network, host = address.split(".")
    return str(ipaddress.ip_address(f"fd00:{':'.join(network)}::{host}"))


def enable(lab):
    for host in lab.hosts.values():
        _mirror(host)
    with (lab.run_dir.path / "hosts").open("a") as file:
        for line in (lab.run_dir.path / "hosts").read_text().splitlines():
            address, name = line.split()
            file.write(f"{v6_of(address)} {name}\n")
    for router in lab.routers.values():
        router.config.neighbors = {a: replace(n, ipv6=True) for a, n in router.config.neighbors.items()}
        router.apply()


def start_pod(lab, pod, node, address, port=8080):
    """The Pod of that IPv4 address answers on its IPv6 one as well."""
    lab[node].ip(f"addr add {v6_of(address)}/128 dev lo nodad")
    lab[node].spawn(f"pod6.{pod}", [sys.executable, Path(__file__).with_name("backend.py"), v6_of(address), port, pod,
                                    node, lab.run_dir.path / "hosts"])


def _mirror(host):
    """Adds to a host an IPv6 address for each IPv4 one, and a route for each static route."""
    if host.exec("sysctl", "-n", "net.ipv4.ip_forward").strip() == "1":
        host.sysctl(net__ipv6__conf__all__forwarding=1, net__ipv6__fib_multipath_hash_policy=3,
                    net__ipv6__fib_multipath_hash_fields=0x37)
    commands = []
    for link in json.loads(run("ip", "-n", host.netns, "-j", "-4", "addr")):
        for info in link["addr_info"]:
            if info["scope"] == "global" and info["prefixlen"] < 32:
                commands.append(f"addr add {v6_of(info['local'])}/64 dev {link['ifname']} nodad")
    for route in json.loads(run("ip", "-n", host.netns, "-j", "-4", "route", "show", "proto", "boot")):
        network = route["dst"]
        if network != "default":
            network = v6_of(network.partition("/")[0]) + "/64"
        commands.append(f"route add {network} via {v6_of(route['gateway'])}")
    host.ip(*commands)
