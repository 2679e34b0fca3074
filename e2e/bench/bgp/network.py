"""One LAN with the receivers, a leaf for each sender, the controller's stand-in and the senders; and what receivers saw."""

import mmap
import os
import re
import socket
import struct
import time
from dataclasses import dataclass

from harness import tool

from lab.net import Host, connect, wait_until
from lab.programs import Credentials
from lab.run_dir import RunDir

SENDER_AS, RECEIVER_AS = 65000, 65001
CONTROLLER = "192.168.0.9"
RECEIVERS = [f"192.168.0.{200 + i}" for i in range(8)]
NODE = "speaker"


class Network:
    """Hosts are made when they are asked for."""

    def __init__(self, name):
        self.run_dir = RunDir(name)
        self.credentials = Credentials(self.run_dir.path / "tls")
        self.hosts = {}

    def up(self):
        self.run_dir.create(topology="bgp-bench")
        self.credentials.create([NODE])
        self.switch = Host(self.run_dir, "switch").create()
        self.switch.ip("link add br0 type bridge", "link set br0 up")
        self.host("ctl", CONTROLLER)
        self.host("receiver", *RECEIVERS)
        return self

    def host(self, name, *addresses):
        if name not in self.hosts:
            host = self.hosts[name] = Host(self.run_dir, name).create()
            connect(host, "eth0", self.switch, name)
            host.ip(*(f"addr add {address}/24 dev eth0" for address in addresses))
            self.switch.ip(f"link set {name} master br0")
        return self.hosts[name]

    def folder(self, name):
        """A new one; nothing of an earlier start is in it."""
        path = self.run_dir.path / f"{name}-{time.time_ns()}"
        path.mkdir()
        return path

    def down(self):
        self.run_dir.remove()


@dataclass(frozen=True)
class Session:
    """As bgp_receiver.cc has it; times in ns since 1970, 0: not yet."""
    established_at: int
    first_at: int
    changed_at: int
    said_at: int
    prefixes: int
    paths: int
    updates: int
    octets: int


class Receivers:
    """Passive sessions at the first `count` addresses, which begin to listen now."""

    _SESSION = struct.Struct("=8Q")

    def __init__(self, network, count, add_path):
        self.count = count
        host = network.hosts["receiver"]
        table = network.run_dir.path / f"table-{time.time_ns()}"
        role = f"receiver-{time.time_ns()}"
        self.process = host.spawn(role, [tool("bgp_receiver"), table, RECEIVER_AS, int(add_path),
                                         ",".join(RECEIVERS[:count])])
        self._log = lambda: host.log(role)
        wait_until(lambda: "listening" in self._log(), what="the receivers")
        with table.open("r+b") as file:
            self._table = mmap.mmap(file.fileno(), count * self._SESSION.size)

    def sessions(self):
        return [Session(*numbers) for numbers in self._SESSION.iter_unpack(self._table[:])]

    def wait(self, prefixes, paths, timeout):
        """The sessions once each holds exactly so much; all of them are established."""
        def reached():
            seen = self.sessions()
            if not self.process.alive():
                raise SystemExit(f"the receivers ended: {self._log()}")
            return seen if all(s.established_at and s.prefixes == prefixes and s.paths == paths for s in seen) else None

        wait_until(reached, timeout, interval=0.002, what=f"{self.count} receivers with {prefixes} prefixes, {paths} "
                   f"paths")
        while True:  # counts change before the time of the change does
            seen = self.sessions()
            time.sleep(0.005)
            if seen == self.sessions():
                return seen

    def stop(self):
        self.process.kill()
        self._table.close()


class Pipe:
    """A FIFO that a program reads lines from."""

    def __init__(self, path):
        os.mkfifo(path)
        self.path = path
        self._fd = os.open(path, os.O_RDWR)  # never without a reader

    def write(self, text):
        """ns since 1970, right before."""
        at = time.time_ns()
        data = text.encode()
        while data:
            data = data[os.write(self._fd, data):]
        return at

    def close(self):
        os.close(self._fd)


class BirdControl:
    """The control socket of a BIRD: commands without a birdc to start."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._answer()  # the greeting

    def ask(self, command):
        """The lines of the answer, without their numbers."""
        self._socket.sendall(command.encode() + b"\n")
        return self._answer()

    def _answer(self):
        text = b""
        while not re.search(rb"^\d{4} .*\n\Z", text, re.MULTILINE):
            if not (more := self._socket.recv(4096)):
                raise RuntimeError(f"BIRD has closed its control socket after {text!r}")
            text += more
        return re.sub(r"^(\d{4}[ -]| )", "", text.decode(), flags=re.MULTILINE)

    def close(self):
        self._socket.close()
