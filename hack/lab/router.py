"""What the lab asks of a router, whoever makes it. frr.py and bird.py answer."""

from dataclasses import dataclass, field

from lab.net import wait_until


@dataclass(frozen=True)
class Neighbor:
    address: str
    asn: int
    port: int = 179  # that the router dials
    passive: bool = True  # waits for the neighbour to dial
    add_path: bool = True  # offers to receive several paths (RFC 7911)
    ipv6: bool = False  # the session carries IPv6 as well
    password: str = ""  # TCP MD5
    hold_s: int = 9


@dataclass(frozen=True)
class Session:
    """What the router says of one neighbour."""
    established: bool
    add_path: bool = False  # negotiated towards us
    prefixes: int = 0
    router_id: str = ""  # the neighbour's
    hold_s: int = 0  # negotiated
    updates: int = 0  # UPDATEs or, with BIRD, announced and withdrawn prefixes received since start


@dataclass(frozen=True)
class Path:
    """One path of a prefix, as the router shows it. Communities are written a:b, a:b:c and rt:a:b."""
    next_hop: str
    as_path: tuple = ()
    med: int | None = None
    local_pref: int | None = None
    communities: frozenset = frozenset()  # of all three kinds


@dataclass
class RouterConfig:
    asn: int
    router_id: str
    neighbors: dict = field(default_factory=dict)  # address -> Neighbor
    # Static routes to announce, prefix -> next hops: a stand-in for a speaker. BIRD only.
    announce: dict = field(default_factory=dict)
    kernel: bool = True  # installs what it learns


class Router:
    """A BGP router on a host. `start` runs it, `apply` makes it follow `config`; sessions of neighbours that
    stay the same are not touched."""

    kind = ""

    def __init__(self, host, config):
        self.host = host
        self.config = config

    def start(self):
        raise NotImplementedError

    def apply(self):
        raise NotImplementedError

    def roles(self):
        """The processes that make up the router."""
        raise NotImplementedError

    def routes(self):
        """The BGP table: {prefix: {next hop of every valid path}}; best and other paths alike."""
        raise NotImplementedError

    def path_count(self, prefix):
        """How many paths the BGP table holds for `prefix`."""
        raise NotImplementedError

    def paths(self, prefix):
        """What the BGP table says of each path of an IPv4 prefix, sorted by next hop."""
        raise NotImplementedError

    def sessions(self):
        """{neighbour's address: Session}"""
        raise NotImplementedError

    def accept_any_next_hop(self):
        """New paths may have next hops that are not on a connected network."""
        raise NotImplementedError

    def run(self, command):
        """One command of the router's own shell; returns its text."""
        raise NotImplementedError

    # -- common --

    def set_neighbor(self, neighbor):
        self.config.neighbors[neighbor.address] = neighbor
        self.apply()

    def remove_neighbor(self, address):
        del self.config.neighbors[address]
        self.apply()

    def next_hops(self, prefix):
        return self.routes().get(prefix, set())

    def kernel_next_hops(self, prefix):
        return self.host.kernel_next_hops(prefix)

    def established(self, address):
        session = self.sessions().get(address)
        return session is not None and session.established

    def wait_kernel(self, prefix, next_hops, timeout=10.0):
        wait_until(lambda: self.kernel_next_hops(prefix) == next_hops or Shown(self.kernel_next_hops(prefix)),
                   timeout, what=f"{self.host.name}: kernel route {prefix} via {sorted(next_hops)}")

    def wait_table(self, prefix, next_hops, timeout=10.0, besides=frozenset()):
        """Like wait_kernel for the BGP table, where the next hops `besides` may be there or not."""
        wait_until(lambda: self.next_hops(prefix) - besides == next_hops - besides or Shown(self.next_hops(prefix)),
                   timeout, what=f"{self.host.name}: BGP paths of {prefix} via {sorted(next_hops)}")

    def stop(self, kill=False):
        for role in self.roles():
            process = self.host.process(role)
            if process is not None:
                process.kill() if kill else process.stop()


class Shown:
    """A false value that prints as what was seen instead."""

    def __init__(self, value):
        self.value = value

    def __bool__(self):
        return False

    def __repr__(self):
        return repr(sorted(self.value))
