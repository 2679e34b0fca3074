"""The four other speakers."""

import os
import shutil
import socket
import sys
import textwrap
import time
from pathlib import Path

import grpc
from network import RECEIVER_AS, SENDER_AS, BirdControl, Pipe
from senders import Sender, prefix

from lab.net import run, wait_until


class Announced:
    """What is announced after each command: for peers that are given all of it."""

    def __init__(self, routes, hops):
        self._all = routes
        self.routes, self.hops = routes, hops

    def follow(self, word):
        self.routes = {"withdraw": 0, "announce": self._all, "one": self._all + 1, "undo": self._all}.get(
            word, self.routes)
        self.hops += {"less": -1, "more": 1}.get(word, 0)


class BirdPeer(Sender):
    """A file and `configure` on its control socket: it reads all of the file each time."""

    name, address = "BIRD", "192.168.0.30"

    def run(self):
        self._folder = self.network.folder("bird")
        self._announced = Announced(self.routes, self.hops)
        self._width = self.hops
        self._write_routes()
        statics = "".join(f'protocol static hop{i} {{ ipv4;\ninclude "{self._folder}/hop{i}";\n}}\n'
                          for i in range(self._width))
        add_paths = "add paths tx;" if self.hops > 1 else ""
        sessions = "".join(textwrap.dedent(f"""\
            protocol bgp peer{i} {{
              local {self.address} as {SENDER_AS}; neighbor {peer} as {RECEIVER_AS}; hold time {self.hold_s};
              connect delay time 1; connect retry time 1; error wait time 1, 2;
              ipv4 {{ import none; export where source = RTS_STATIC; {add_paths} }};
            }}
            """) for i, peer in enumerate(self.peers))
        (self._folder / "conf").write_text(
            f"router id {self.address};\nprotocol device {{ scan time 1; }}\n{statics}{sessions}")
        control = self._folder / "ctl"
        self.host.spawn("bird", ["bird", "-f", "-c", self._folder / "conf", "-s", control])
        wait_until(lambda: "up" in run("birdc", "-s", control, "show status", check=False), 60, what="bird")
        self._control = BirdControl(control)

    def _write_routes(self):
        for i in range(self._width):
            how = "blackhole" if i == 0 else f"via {self.hop(i)}"  # of its own, its address is the next hop
            count = self._announced.routes if i < self._announced.hops else 0
            (self._folder / f"hop{i}").write_text("".join(f"route {prefix(n)}/32 {how};\n" for n in range(count)))

    def tell(self, word):
        self._announced.follow(word)
        self._write_routes()
        at = time.time_ns()
        answer = self._control.ask("configure")
        if "Reconfigur" not in answer:
            raise RuntimeError(answer)
        return at

    def process(self):
        return self.host.process("bird")


class FrrPeer(Sender):
    """bgpd with a file, then `network` lines on its own socket, which vtysh uses too. It has one path of a prefix that it
    announces itself. zebra, which it needs, is not counted."""

    name, address = "FRR", "192.168.0.40"
    limit, several_hops = 800_000, False

    def run(self):
        space = self.host.netns
        for folder in ("/etc/frr", "/run/frr"):
            path = Path(folder) / space
            path.mkdir(parents=True, exist_ok=True)
            shutil.chown(path, "frr", "frr")
        self._run = Path("/run/frr") / space
        self._conf = self.network.folder("frr") / "bgpd.conf"
        networks = "".join(f" network {prefix(n)}/32\n" for n in range(self.routes))
        neighbors = "".join(f"neighbor {p} remote-as {RECEIVER_AS}\nneighbor {p} timers {max(1, self.hold_s // 3)} "
                            f"{self.hold_s}\nneighbor {p} timers connect 1\n" for p in self.peers)
        self._conf.write_text(
            f"frr defaults datacenter\nrouter bgp {SENDER_AS}\nbgp router-id {self.address}\ncoalesce-time 100\n"
            f"bgp graceful-restart-disable\nno bgp ebgp-requires-policy\nno bgp network import-check\n{neighbors}"
            f"address-family ipv4 unicast\n{networks}exit-address-family\n")
        self._conf.parent.chmod(0o755)
        self.network.run_dir.path.chmod(0o755)
        self._daemon("zebra", "/dev/null")
        self.restart()

    def restart(self):
        self._daemon("bgpd", self._conf)
        self._vty = socket.socket(socket.AF_UNIX)
        self._vty.connect(str(self._run / "bgpd.vty"))
        self._say("enable", "configure terminal", f"router bgp {SENDER_AS}", "address-family ipv4 unicast")

    def _daemon(self, name, conf):
        vty = self._run / f"{name}.vty"
        vty.unlink(missing_ok=True)
        self.host.spawn(name, [f"/usr/lib/frr/{name}", "-N", self.host.netns, "-A", "127.0.0.1", "-P", "0",
                               "-f", conf, "--log", "stdout"])
        wait_until(vty.exists, 60, what=name)

    def _say(self, *commands):
        for command in commands:
            self._vty.sendall(command.encode() + b"\0")
            answer = b""
            while len(answer) < 4 or answer[-4:-1] != b"\0\0\0":
                answer += self._vty.recv(4096)
            if answer[-1] != 0:
                raise RuntimeError(f"bgpd: {command}: {answer!r}")

    def tell(self, word):
        verb = {"withdraw": "no network", "undo": "no network"}.get(word, "network")
        numbers = [self.routes] if word in ("one", "undo") else range(self.routes)
        commands = [f"{verb} {prefix(n)}/32" for n in numbers]
        at = time.time_ns()
        self._say(*commands)
        return at

    def process(self):
        return self.host.process("bgpd")

    def stop(self):
        super().stop()
        self.host.process("zebra").kill()


class GoBgpPeer(Sender):
    """gRPC, as programs that embed it do, with the paths of a command in messages built beforehand."""

    name, address = "GoBGP", "192.168.0.50"
    limit = 400_000
    PER_MESSAGE = 1000

    def run(self):
        folder = self.network.folder("gobgp")
        self._api = folder / "api"
        neighbors = "".join(textwrap.dedent(f"""\
            [[neighbors]]
              [neighbors.config]
                neighbor-address = "{peer}"
                peer-as = {RECEIVER_AS}
              [neighbors.timers.config]
                connect-retry = 1
                idle-hold-time-after-reset = 1
                hold-time = {self.hold_s}
                keepalive-interval = {max(1, self.hold_s // 3)}
              [[neighbors.afi-safis]]
                [neighbors.afi-safis.config]
                  afi-safi-name = "ipv4-unicast"
                [neighbors.afi-safis.add-paths.config]
                  send-max = {self.hops if self.hops > 1 else 0}
            """) for peer in self.peers)
        conf = folder / "conf"
        conf.write_text(f'[global.config]\n  as = {SENDER_AS}\n  router-id = "{self.address}"\n  port = 179\n{neighbors}')
        self.host.spawn("gobgpd", ["gobgpd", "-f", conf, "-t", "toml", "--api-hosts", f"unix://{self._api}",
                                   "--pprof-disable", "--log-level", "warn"])
        wait_until(self._api.exists, 20, what="gobgpd")
        self._channel = grpc.insecure_channel(f"unix:{self._api}")
        self._stream = self._channel.stream_unary("/apipb.GobgpApi/AddPathStream")
        self._delete = self._channel.unary_unary("/apipb.GobgpApi/DeletePath")
        if self.routes:
            wait_until(lambda: self._try_announce(), 60, interval=0.1, what="gobgpd to take routes")

    def _try_announce(self):
        """It listens before it has read its configuration."""
        try:
            return self.tell("announce")
        except grpc.RpcError as error:
            raise RuntimeError(error.details()) from error

    def tell(self, word):
        if word == "withdraw":
            at = time.time_ns()
            self._delete(_field(3, _number(1, 1) + _number(2, 1)))  # all of IPv4 unicast
            return at
        numbers = [self.routes] if word in ("one", "undo") else range(self.routes)
        hops = [self.hops - 1] if word in ("less", "more") else range(self.hops)
        paths = [_field(3, self._path(n, hop, word in ("undo", "less"))) for n in numbers for hop in hops]
        messages = [b"".join(paths[i:i + self.PER_MESSAGE]) for i in range(0, len(paths), self.PER_MESSAGE)]
        at = time.time_ns()
        self._stream(iter(messages))
        return at

    def _path(self, number, hop, withdrawn):
        """apipb.Path"""
        return (_field(1, _any("IPAddressPrefix", _number(1, 32) + _field(2, prefix(number).encode()))) +
                _field(2, _any("OriginAttribute", b"")) +
                _field(2, _any("NextHopAttribute", _field(1, self.hop(hop).encode()))) +
                (_number(5, 1) if withdrawn else b"") +
                _field(9, _number(1, 1) + _number(2, 1)) + _number(18, hop + 1))

    def process(self):
        return self.host.process("gobgpd")

    def stop(self):
        super().stop()
        self._channel.close()


def _varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def _number(field, value):
    """A field of a protobuf message: an integer."""
    return _varint(field << 3) + _varint(value)


def _field(field, content):
    """A string or a message."""
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _any(kind, content):
    return _field(1, f"type.googleapis.com/apipb.{kind}".encode()) + _field(2, content)


class ExaBgpPeer(Sender):
    """A file, then lines on its API pipe."""

    name, address = "ExaBGP", "192.168.0.60"
    limit = 40_000
    HELPER = "import sys\nwith open(sys.argv[1]) as pipe:\n    for line in pipe:\n        print(line, end='', flush=True)\n"

    def run(self):
        folder = self.network.folder("exabgp")
        self._pipe = Pipe(folder / "pipe")
        (folder / "helper.py").write_text(self.HELPER)
        routes = "".join(f"route {route};\n" for route in self._all(range(self.routes), range(self.hops)))
        neighbors = "".join(textwrap.dedent(f"""\
            neighbor {peer} {{
              router-id {self.address}; local-address {self.address}; local-as {SENDER_AS}; peer-as {RECEIVER_AS};
              hold-time {self.hold_s};
              family {{ ipv4 unicast; }}
              {'capability { add-path send; }' if self.hops > 1 else ''}
              api {{ processes [ helper ]; }}
            """).replace("; ", ";\n") + f"static {{\n{routes}}}\n}}\n" for peer in self.peers)
        conf = folder / "conf"
        conf.write_text(f"process helper {{\nrun {sys.executable} {folder}/helper.py {self._pipe.path};\n"
                        f"encoder text;\n}}\n{neighbors}")
        self.host.spawn("exabgp", ["exabgp", conf],
                        env={"exabgp_daemon_user": "root", "exabgp_log_level": "WARNING", "exabgp_api_cli": "false",
                             "exabgp_api_ack": "false", "PATH": os.environ["PATH"]})

    def _all(self, numbers, hops):
        for n in numbers:
            for hop in hops:
                path_id = f" path-information 0.0.0.{hop + 1}" if self.hops > 1 else ""
                yield f"{prefix(n)}/32 next-hop {self.hop(hop)}{path_id}"

    def tell(self, word):
        verb = "withdraw" if word in ("withdraw", "undo", "less") else "announce"
        numbers = [self.routes] if word in ("one", "undo") else range(self.routes)
        hops = [self.hops - 1] if word in ("less", "more") else range(self.hops)
        return self._pipe.write("".join(f"{verb} route {route}\n" for route in self._all(numbers, hops)))

    def process(self):
        return self.host.process("exabgp")

    def stop(self):
        super().stop()
        self._pipe.close()
