"""FRR: zebra and bgpd in a pathspace of their own, so that many run on one machine."""

import json
import shutil
from pathlib import Path

from lab.net import run, wait_until
from lab.router import Path as BgpPath
from lab.router import Router, Session


class Frr(Router):
    kind = "frr"

    def roles(self):
        return ["bgpd", "zebra"]

    def start(self):
        space = self.host.netns
        for folder in ("/etc/frr", "/run/frr"):
            path = Path(folder) / space
            path.mkdir(parents=True, exist_ok=True)
            shutil.chown(path, "frr", "frr")
        (Path("/etc/frr") / space / "vtysh.conf").touch()
        for daemon in ("zebra", "bgpd"):
            socket = Path("/run/frr") / space / f"{daemon}.vty"
            socket.unlink(missing_ok=True)  # left by one that was killed
            self.host.spawn(daemon, [f"/usr/lib/frr/{daemon}", "-N", space, "-A", "127.0.0.1", "-P", "0",
                                     "-f", "/dev/null", "--log", "stdout"])
            wait_until(socket.exists, what=f"{space}: {daemon}")
        self._applied = {}
        self._load(self._base())
        self.apply()

    def apply(self):
        lines = []
        for address in self._applied.keys() - self.config.neighbors.keys():
            lines.append(f"no neighbor {address}")
        for address, neighbor in self.config.neighbors.items():
            if self._applied.get(address) != neighbor:
                if address in self._applied:
                    lines.append(f"no neighbor {address}")
                lines += self._neighbor(neighbor)
        if lines:
            self._load([f"router bgp {self.config.asn}", *lines])
        self._applied = dict(self.config.neighbors)

    def routes(self):
        return {prefix: {hop["ip"] for path in paths if path.get("valid") for hop in path.get("nexthops", [])
                         if hop.get("scope") != "link-local"}
                for prefix, paths in self._table().items()}

    def path_count(self, prefix):
        return len(self._table().get(prefix, []))

    def paths(self, prefix):
        found = []
        for path in json.loads(self.run(f"show bgp ipv4 unicast {prefix} json")).get("paths", []):
            texts = [path.get(kind, {}).get("string", "")
                     for kind in ("community", "extendedCommunity", "largeCommunity")]
            found.append(BgpPath(next_hop=path["nexthops"][0]["ip"],
                              as_path=tuple(int(number) for number in path["aspath"]["string"].split()
                                            if number.isdigit()),
                              med=path.get("metric"), local_pref=path.get("locPrf"),
                              communities=frozenset(text.lower() for text in " ".join(texts).split())))
        return sorted(found, key=lambda path: path.next_hop)

    def sessions(self):
        found = {}
        for address, peer in json.loads(self.run("show bgp neighbors json")).items():
            if not isinstance(peer, dict):
                continue
            add_path = peer.get("neighborCapabilities", {}).get("addPath", {}).get("ipv4Unicast", {})
            family = peer.get("addressFamilyInfo", {}).get("ipv4Unicast", {})
            found[address] = Session(
                established=peer.get("bgpState") == "Established",
                add_path="rxAdvertised" in add_path and "txReceived" in add_path,
                router_id=peer.get("remoteRouterId", ""),
                hold_s=peer.get("bgpTimerHoldTimeMsecs", 0) // 1000,
                prefixes=family.get("acceptedPrefixCounter", 0),
                updates=peer.get("messageStats", {}).get("updatesRecv", 0))
        return found

    def accept_any_next_hop(self):
        self._load([f"router bgp {self.config.asn}", "bgp disable-ebgp-connected-route-check"])

    def run(self, command):
        return run("vtysh", "-N", self.host.netns, "-c", command)

    def _table(self):
        return {prefix: paths for family in ("ipv4", "ipv6")
                for prefix, paths in json.loads(self.run(f"show bgp {family} unicast json") or "{}")
                .get("routes", {}).items()}

    def _base(self):
        return ["frr defaults datacenter",
                # With next-hop objects zebra 8.4 takes a group for installed whose member the kernel has dropped
                # with a link, and the route stays without it after the link is back.
                "no zebra nexthop kernel enable",
                "route-map global permit 10",  # next hops as the topology names them, not link-local ones
                "set ipv6 next-hop prefer-global",
                f"router bgp {self.config.asn}",
                f"bgp router-id {self.config.router_id}",
                "no bgp ebgp-requires-policy",
                "bgp bestpath as-path multipath-relax",
                "coalesce-time 100",
                *(line for family in ("ipv4", "ipv6") for line in (
                    f"address-family {family} unicast", "redistribute connected", "maximum-paths 16",
                    "exit-address-family"))]

    @staticmethod
    def _neighbor(n):
        line = f"neighbor {n.address}"
        yield f"{line} remote-as {n.asn}"
        yield f"{line} timers {max(1, n.hold_s // 3)} {n.hold_s}"
        yield f"{line} timers connect 1"
        if n.port != 179:
            yield f"{line} port {n.port}"
        if n.passive:
            yield f"{line} passive"
        if n.password:
            yield f"{line} password {n.password}"
        for family in ("ipv4", "ipv6") if n.ipv6 else ("ipv4",):
            yield f"address-family {family} unicast"
            yield f"{line} activate"
            if family == "ipv6":
                yield f"{line} route-map global in"
            if not n.add_path:
                yield f"{line} disable-addpath-rx"
            yield "exit-address-family"

    def _load(self, lines):
        path = self.host.run_dir.path / f"{self.host.name}.frr.conf"
        path.write_text("\n".join(lines) + "\n")
        run("vtysh", "-N", self.host.netns, "-f", path)
