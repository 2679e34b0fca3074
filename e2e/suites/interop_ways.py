"""The ways to one router: IPv4 and IPv6 sessions, eBGP and iBGP, with and without ADD-PATH, all at once, and what the
router says it learned over each.

    routes(way)   {prefix: {next hops}} of the routes that came over the session
"""

import json
import os
import re
import sys
import textwrap
from dataclasses import dataclass

from lab.bird import Bird
from lab.dual_stack import v6_of
from lab.frr import Frr
from lab.lan import NODES, SPEAKERS, endpoint_slice
from lab.net import run, wait_until
from lab.router import RouterConfig

SPEAKERS_AS = 50000


@dataclass(frozen=True)
class Way:
    name: str
    node: str  # whose speaker it is
    ipv6: bool  # transport
    internal: bool = False  # iBGP
    add_path: bool = False
    ipv6_next_hops: bool = False  # the router takes them for IPv4 routes (RFC 8950)
    link_local: bool = False  # both ends are named by their link-local addresses
    loopback: bool = False  # the speaker's end is an address on its node's loopback (updateSource)
    routers: tuple = ("FRR", "BIRD", "GoBGP", "ExaBGP")

    def speaker(self, lab):
        if self.link_local:
            return link_local(lab[self.node])
        if self.loopback:
            return loopback_of(self.node)
        return v6_of(NODES[self.node]) if self.ipv6 else NODES[self.node]

    def router(self, router):
        """The router's end, as the BgpPeer names it."""
        if self.link_local:
            return f"{link_local(router.host)}%eth0"
        address = second(router.config.router_id) if self.loopback else router.config.router_id
        return v6_of(address) if self.ipv6 else address

    def asn(self, router):
        """The speaker's AS as that router knows it."""
        return router if self.internal else SPEAKERS_AS

    @property
    def families(self):
        return ("ipv4", "ipv6")

    @property
    def token(self):
        return self.name.replace(" ", "_").replace(",", "").replace("-", "_").lower()


WAYS = (
    Way("IPv6 session, eBGP, ADD-PATH, IPv6 next hops", "master1", ipv6=True, add_path=True, ipv6_next_hops=True),
    Way("IPv6 session, eBGP", "worker1", ipv6=True),
    Way("IPv4 session, eBGP, ADD-PATH", "worker2", ipv6=False, add_path=True),
    Way("IPv4 session, iBGP, ADD-PATH", "worker1", ipv6=False, internal=True, add_path=True),
    Way("IPv4 session, iBGP", "master1", ipv6=False, internal=True),
    Way("IPv6 session, iBGP, ADD-PATH", "worker2", ipv6=True, internal=True, add_path=True),
    Way("link-local session, eBGP, ADD-PATH, IPv6 next hops", "worker1", ipv6=True, add_path=True, ipv6_next_hops=True,
        link_local=True, routers=("FRR", "BIRD", "GoBGP")),
    Way("IPv4 session from a loopback, multihop eBGP, ADD-PATH", "worker2", ipv6=False, add_path=True, loopback=True,
        routers=("FRR", "BIRD")),
)


def of(router):
    return [way for way in WAYS if router.name in way.routers]


def link_local(host):
    """The address that eth0 gave itself."""
    for link in json.loads(run("ip", "-n", host.netns, "-j", "-6", "addr", "show", "dev", "eth0", "scope", "link")):
        for info in link.get("addr_info", []):
            if "local" in info:
                return info["local"]
    raise RuntimeError(f"{host.name}: eth0 has no link-local address")


def loopback_of(node):
    return "10.255.0." + NODES[node].rpartition(".")[2]


def second(address):
    """Another address of the router: a speaker has one session with each."""
    return address.replace("192.168.0.2", "192.168.0.12")


class Ways:
    """What all routers here are made of."""

    def __init__(self, name, lab, host, config):
        self.name, self.lab, self.host, self.config = name, lab, host, config


class WaysFrr(Ways, Frr):
    def apply(self):
        lines = []
        for way in of(self):
            line = f"neighbor {way.speaker(self.lab)}"
            lines += [f"{line} remote-as {way.asn(self.config.asn)}", f"{line} timers 3 9", f"{line} passive"]
            lines += [f"{line} interface eth0"] if way.link_local else []
            lines += [f"{line} ebgp-multihop"] if way.loopback else []
            lines += [f"{line} capability extended-nexthop"] if way.ipv6_next_hops else []
            for family in way.families:
                lines += [f"address-family {family} unicast", f"{line} activate"]
                lines += [f"{line} route-map global in"] if family == "ipv6" else []
                lines += [] if way.add_path else [f"{line} disable-addpath-rx"]
                lines += ["exit-address-family"]
        self._load([f"router bgp {self.config.asn}", *lines])

    def routes(self, way):
        found = {}
        for family in way.families:
            learned = json.loads(self.run(f"show bgp {family} unicast neighbors {way.speaker(self.lab)} routes json"))
            for prefix, paths in learned.get("routes", {}).items():
                found[prefix] = {hop["ip"] for path in paths for hop in path["nexthops"]
                                 if hop.get("scope") != "link-local"}
        return found


class WaysBird(Ways, Bird):
    def _write(self):
        channels = []
        for way in of(self):
            add_paths = "add paths rx;" if way.add_path else ""
            hops = "extended next hop on;" if way.ipv6_next_hops else ""
            reach = 'interface "eth0";' if way.link_local else "multihop;" if way.loopback else ""
            channels.append(
                f"protocol bgp {way.token} {{ local as {self.config.asn}; neighbor "
                f"{way.speaker(self.lab)} as {way.asn(self.config.asn)}; {reach} passive; hold time 9; "
                f"ipv4 {{ import all; export none; {add_paths} {hops} }}; "
                f"ipv6 {{ import all; export none; {add_paths} }}; }}")
        self._path("conf").write_text("\n".join([
            f"router id {self.config.router_id};", "protocol device { scan time 1; }",
            "protocol direct { ipv4; ipv6; }", *channels]) + "\n")

    def routes(self, way):
        found, prefix = {}, None
        for line in self.run(f"show route all protocol {way.token}").splitlines():
            if head := re.match(r"(\S+/\d+)?\s+\w+ \[", line):
                prefix = head[1] or prefix
            elif "BGP.next_hop:" in line:
                found.setdefault(prefix, set()).add(line.split()[1])
        return found


class WaysGoBgp(Ways):
    """It offers IPv6 next hops on every IPv6 session of both families."""

    def neighbor(self, way):
        return way.speaker(self.lab) + ("%eth0" if way.link_local else "")

    def start(self):
        parts = [f'[global.config]\n  as = {self.config.asn}\n  router-id = "{self.config.router_id}"']
        for way in of(self):
            parts.append(textwrap.dedent(f"""\
                [[neighbors]]
                  [neighbors.config]
                    neighbor-address = "{self.neighbor(way)}"
                    peer-as = {way.asn(self.config.asn)}
                  [neighbors.transport.config]
                    passive-mode = true
                  [neighbors.timers.config]
                    hold-time = 9"""))
            for family in way.families:
                parts.append(textwrap.dedent(f"""\
                      [[neighbors.afi-safis]]
                        [neighbors.afi-safis.config]
                          afi-safi-name = "{family}-unicast"
                        [neighbors.afi-safis.add-paths.config]
                          receive = {str(way.add_path).lower()}"""))
        path = self.host.run_dir.path / f"{self.host.name}.toml"
        path.write_text("\n".join(parts) + "\n")
        self.host.spawn("gobgpd", ["gobgpd", "-f", path, "-t", "toml", "--api-hosts", "127.0.0.1:50051",
                                   "--pprof-disable"])
        wait_until(lambda: self.host.exec("gobgp", "global"), what="gobgpd")

    def routes(self, way):
        found = {}
        for family in way.families:
            learned = json.loads(self.host.exec("gobgp", "-j", "neighbor", self.neighbor(way), "adj-in", "-a",
                                              family))
            for prefix, paths in learned.items():
                found[prefix] = {attribute["nexthop"] for path in paths for attribute in path["attrs"]
                                 if "nexthop" in attribute}
        return found


class WaysExaBgp(Ways):
    """It writes down each UPDATE."""

    HELPER = "import sys\nwith open(sys.argv[1], 'a', buffering=1) as file:\n    for line in sys.stdin:\n" \
             "        file.write(line)\n"

    @property
    def heard(self):
        return self.host.run_dir.path / f"{self.host.name}.heard"

    def start(self):
        folder = self.host.run_dir.path
        (folder / "ways_helper.py").write_text(self.HELPER)
        parts = [f"process helper {{ run {sys.executable} {folder / 'ways_helper.py'} {self.heard}; encoder json; }}"]
        for way in of(self):
            hops = "nexthop { ipv4 unicast ipv6; }" if way.ipv6_next_hops else ""
            parts.append(
                f"neighbor {way.speaker(self.lab)} {{ router-id {self.config.router_id}; local-address {way.router(self)}; "
                f"local-as {self.config.asn}; peer-as {way.asn(self.config.asn)}; hold-time 9; connect 17900;\n"
                f"capability {{ asn4 enable; {'nexthop enable;' if hops else ''} "
                f"{'add-path receive;' if way.add_path else ''} }}\n"
                f"family {{ ipv4 unicast; ipv6 unicast; }} {hops}\n"
                f"api {{ processes [ helper ]; receive {{ parsed; update; }} }} }}")
        config = folder / f"{self.host.name}.conf"
        config.write_text("\n".join(parts).replace("; ", ";\n") + "\n")
        self.host.spawn("exabgp", ["exabgp", config],
                        env={"exabgp_daemon_user": "root", "exabgp_log_level": "WARNING", "exabgp_api_cli": "false",
                             "exabgp_api_ack": "false", "PATH": os.environ["PATH"]})

    def routes(self, way):
        paths = {}
        for line in self.heard.read_text().splitlines():
            neighbor = json.loads(line)["neighbor"]
            update = neighbor.get("message", {}).get("update", {})
            if neighbor["address"]["peer"] != way.speaker(self.lab):
                continue
            for hops in update.get("announce", {}).values():
                for hop, routes in hops.items():
                    paths.update({(route["nlri"], route.get("path-information")): hop for route in routes})
            for routes in update.get("withdraw", {}).values():
                for route in routes:
                    paths.pop((route["nlri"], route.get("path-information")), None)
        return {prefix: {hop for (other, _), hop in paths.items() if other == prefix} for prefix, _ in paths}


def routers(lab):
    """{name: router}, each on a host of its own."""
    found = {}
    for number, (name, kind) in enumerate({"FRR": WaysFrr, "BIRD": WaysBird, "GoBGP": WaysGoBgp,
                                           "ExaBGP": WaysExaBgp}.items()):
        address, asn = f"192.168.0.{21 + number}", 50021 + number
        host = lab.attach(f"{name.lower()}-ways", address)
        host.ip(f"addr add {second(address)}/24 dev eth0")
        found[name] = kind(name, lab, host, RouterConfig(asn, address))
    return found


def add_loopbacks(lab):
    for node in SPEAKERS:
        lab[node].ip(f"addr add {loopback_of(node)}/32 dev lo")
        for router in lab.ways.values():
            router.host.ip(f"route add {loopback_of(node)} via {NODES[node]}")


def service(address):
    """An IPv6 Service with that address, and Pods behind it."""
    yield {"apiVersion": "network.kubesphere.io/v1alpha2", "kind": "Eip", "metadata": {"name": "bgp-eip6"},
           "spec": {"address": address}}
    yield {"apiVersion": "v1", "kind": "Service",
           "metadata": {"name": "bgp-svc6", "namespace": "default",
                        "annotations": {"lb.kubesphere.io/v1alpha1": "openelb",
                                        "eip.openelb.kubesphere.io/v1alpha2": "bgp-eip6"}},
           "spec": {"type": "LoadBalancer", "ipFamilies": ["IPv6"], "ipFamilyPolicy": "SingleStack",
                    "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}}
    yield endpoint_slice("bgp-svc6", {v6_of("10.233.67.11"): "worker3"})


def peers(router):
    """The BgpPeers of its ways, which ExaBGP dials itself."""
    name, asn = router.name.lower(), router.config.asn
    for number, way in enumerate(of(router)):
        conf = {"neighborAddress": way.router(router), "peerAs": asn}
        yield {"apiVersion": "network.kubesphere.io/v1alpha2", "kind": "BgpPeer",
               "metadata": {"name": f"{name}-way{number}"},
               "spec": {"conf": conf | ({"localAs": asn} if way.internal else {}),
                        "timers": {"config": {"holdTime": "9", "connectRetry": "1"}},
                        "transport": {"passiveMode": isinstance(router, WaysExaBgp)} |
                                     ({"updateSource": "lo"} if way.loopback else {}),
                        "ebgpMultihop": {"enabled": way.loopback},
                        "afiSafis": [{"config": {"family": {"afi": afi, "safi": "SAFI_UNICAST"}, "enabled": True},
                                      "addPaths": {"config": {"sendMax": 8}}} for afi in ("AFI_IP", "AFI_IP6")],
                        "nodeSelector": {"matchLabels": {"kubernetes.io/hostname": way.node}}}}
