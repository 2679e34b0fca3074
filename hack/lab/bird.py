"""BIRD 2: one process, one file, reread on change. As a router, and as a plain sender of given routes."""

import re

from lab.net import run, wait_until
from lab.router import Path, Router, Session


class Bird(Router):
    kind = "bird"

    def roles(self):
        return ["bird"]

    @property
    def control(self):
        """Its control socket."""
        return self._path("ctl")

    _gateway = ""

    def start(self):
        self._write()
        self.host.spawn("bird", ["bird", "-f", "-c", self._path("conf"), "-s", self.control])
        wait_until(lambda: "up" in self.run("show status"), what=f"{self.host.netns}: bird")

    def apply(self):
        self._write()
        answer = self.run("configure")
        if "Reconfigur" not in answer:
            raise RuntimeError(f"{self.host.netns}: {answer}")

    def routes(self):
        return {prefix: {hop for hop in hops if hop} for prefix, hops in self._table().items()}

    def path_count(self, prefix):
        return len(self._table().get(prefix, []))

    def paths(self, prefix):
        found = []
        for block in self.run(f"show route all for {prefix}").split("\tType: BGP")[1:]:
            said = dict(re.findall(r"BGP\.(\w+): ?(.*)", block))
            groups = re.findall(r"\(([^)]*)\)", " ".join(
                said.get(kind, "") for kind in ("community", "ext_community", "large_community")))
            number = {name: int(said[name]) if name in said else None for name in ("med", "local_pref")}
            found.append(Path(next_hop=said["next_hop"].split()[0],
                              as_path=tuple(map(int, said.get("as_path", "").split())), **number,
                              communities=frozenset(":".join(re.split(r",\s*", group)) for group in groups)))
        return sorted(found, key=lambda path: path.next_hop)

    def sessions(self):
        found = {}
        for block in re.split(r"\n(?=\S)", self.run("show protocols all")):
            address = re.search(r"Neighbor address:\s+(\S+)", block)
            if address is None:
                continue
            counts = [re.search(rf"{name}:\s+(\d+)", block) for name in ("Import updates", "Import withdraws")]
            imported = re.search(r"Routes:\s+(\d+) imported", block)
            identifier = re.search(r"Neighbor ID:\s+(\S+)", block)
            hold = re.search(r"Hold timer:\s+\S+/(\d+)", block)
            ours, _, theirs = block.partition("Neighbor capabilities")
            found[address[1]] = Session(
                established="BGP state:          Established" in block,
                add_path="RX: ipv4" in ours and "TX: ipv4" in theirs,
                router_id=identifier[1] if identifier else "",
                hold_s=int(hold[1]) if hold else 0,
                prefixes=int(imported[1]) if imported else 0,
                updates=sum(int(count[1]) for count in counts if count))
        return found

    def accept_any_next_hop(self):
        self._gateway = "gateway recursive;"
        self.apply()

    def run(self, command):
        return run("birdc", "-s", self.control, command, check=False)

    def _table(self):
        """{prefix: [next hop of each usable BGP path]}"""
        found, prefix = {}, None
        for line in self.run("show route all where source = RTS_BGP").splitlines():
            head = re.match(r"(\S+/\d+)?\s+(unicast|unreachable|blackhole) \[", line)
            if head:
                prefix = head[1] or prefix
                usable = head[2] == "unicast"
                found.setdefault(prefix, [])
            elif "BGP.next_hop:" in line and usable:
                found[prefix].append(line.split()[1])
        return found

    def _path(self, suffix):
        return self.host.run_dir.path / f"{self.host.name}.bird.{suffix}"

    def _write(self):
        c = self.config
        lines = [f"router id {c.router_id};",
                 "protocol device { scan time 1; }",
                 "protocol direct { ipv4; ipv6; }"]
        if c.kernel:
            lines += [f"protocol kernel {{ {family} {{ export where source = RTS_BGP; }}; merge paths on; }}"
                      for family in ("ipv4", "ipv6")]
        sources = "[RTS_DEVICE, RTS_BGP]"
        if c.announce:
            sources = "[RTS_STATIC]"
            # A path of its own for each next hop; the sender's own address becomes "self".
            width = max(len(hops) for hops in c.announce.values())
            for rank in range(width):
                routes = "".join(f" route {prefix} {'blackhole' if hops[rank] == c.router_id else 'via ' + hops[rank]};"
                                 for prefix, hops in c.announce.items() if rank < len(hops))
                lines.append(f"protocol static announce{rank} {{ ipv4;{routes} }}")
        for n in c.neighbors.values():
            families = ["ipv4", "ipv6"] if n.ipv6 else ["ipv4"]
            add_paths = "add paths tx;" if c.announce else "add paths rx;" if n.add_path else ""
            lines += [
                f"protocol bgp peer_{re.sub('[^0-9a-f]', '_', n.address)} {{",
                f"  local as {c.asn}; neighbor {n.address} port {n.port} as {n.asn};",
                f"  hold time {n.hold_s}; connect delay time 1; connect retry time 1; error wait time 1, 2;",
                f"  {'passive;' if n.passive else ''} {f'password {chr(34)}{n.password}{chr(34)};' if n.password else ''}",
                *(f"  {family} {{ import all; export where source ~ {sources}; {add_paths} {self._gateway} }};"
                  for family in families),
                "}"]
        self._path("conf").write_text("\n".join(lines) + "\n")
