"""What is compared, each as it is run in earnest: configured by its own files, changed by its own interface.

A sender announces `routes` /32 from 10.64.0.0 with `hops` next hops each, its own address and those after it, to all of
`peers`. `tell` gives one command and returns the moment it did, in ns since 1970:

    withdraw, announce    all routes
    one, undo             a route more
    less, more            the last next hop of all routes
"""

import time

from harness import tool
from network import CONTROLLER, NODE, RECEIVER_AS, SENDER_AS, Pipe

from lab import programs
from lab.net import wait_until

COMMANDS = ("withdraw", "announce", "one", "undo", "less", "more")


def prefix(number):
    return f"10.{64 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


class Sender:
    name, address = "", ""
    # Most paths to all receivers together for which a cell takes no minutes.
    limit = 10**9
    several_hops = True
    renewed = False  # its program ends with its sessions, and `renew` starts it again

    def __init__(self, network):
        self.network = network
        self.host = network.host(self.name.lower(), self.address)

    def hop(self, number):
        """Its own address, or one after it."""
        start, _, last = self.address.rpartition(".")
        return f"{start}.{int(last) + number}"

    def can(self, routes, hops, receivers):
        return (self.several_hops or hops == 1) and routes * hops * receivers <= self.limit

    def start(self, routes, hops, peers, hold_s=90):
        """Runs it; returns once it has all its routes, or has been told of them."""
        self.routes, self.hops, self.peers, self.hold_s = routes, hops, peers, hold_s
        self.run()

    def run(self):
        raise NotImplementedError

    def tell(self, word):
        raise NotImplementedError

    def renew(self):
        """What has to be done before peers that have gone come back."""

    def process(self):
        raise NotImplementedError

    def started_at(self):
        """When its program was executed: ns since 1970, as exact as the kernel's clock of files."""
        record = self.network.run_dir.path / "pids" / self.process().role
        return record.stat().st_ctime_ns

    def kill(self):
        self.process().kill()

    def restart(self):
        """After `kill`: as it was."""
        self.run()

    def stop(self):
        self.process().kill()


class Speaker(Sender):
    """Ours. Its plan comes from plan_feeder, the controller's own push server, over TLS. A change counts from the moment
    it is handed to that server, so the stream is part of it."""

    name, address = "speaker", "192.168.0.10"

    def __init__(self, network):
        super().__init__(network)
        self._state = self._feeder = None

    def run(self):
        folder = self.network.folder("feeder")
        self._pipe = Pipe(folder / "pipe")
        role = f"feeder-{time.time_ns()}"
        c = self.network.credentials
        self._feeder = self.network.hosts["ctl"].spawn(role, [
            tool("plan_feeder"), "--listen", f"{CONTROLLER}:{programs.PLAN_PORT}", "--cert", c.cert, "--key", c.key,
            "--tokens", c.tokens, "--node", NODE, "--local-as", SENDER_AS, "--router-id", self.address,
            "--peers", ",".join(self.peers), "--peer-as", RECEIVER_AS, "--routes", self.routes, "--hops", self.hops,
            "--hold-time", f"{self.hold_s}s", "--pipe", self._pipe.path])
        self._log = lambda: self.network.hosts["ctl"].log(role)
        wait_until(lambda: "listening" in self._log(), 60, what="the feeder")
        self._state = self.network.folder("state")
        self.launch()
        wait_until(lambda: "acked" in self._log(), 60, what="the plan in force")

    def launch(self):
        self.program = programs.speaker(self.host, NODE, CONTROLLER, self._state, self.network.credentials).start()

    def tell(self, word):
        before = self._log().count("told")
        self._pipe.write(word + "\n")
        told = wait_until(lambda: [line for line in self._log().splitlines() if line.startswith("told")][before:], 60,
                          interval=0.001, what="the feeder")
        return int(told[0].split()[1])

    def process(self):
        return self.program.process

    def restart(self):
        self.launch()

    def stop(self):
        super().stop()
        if self._feeder is not None:
            self._feeder.kill()
            self._pipe.close()


class SavedPlan(Speaker):
    """Ours while no controller is there: from the plan on its disk."""

    name, address = "saved-plan", "192.168.0.15"

    def run(self):
        super().run()
        wait_until(lambda: self.program.metric("openelb_speaker_plan_file_saves_total"), 30, what="a saved plan")
        self._feeder.kill()
        self.process().kill()
        self.launch()


class Floor(Sender):
    """Octets built beforehand; a line in a pipe sends them."""

    name, address = "floor", "192.168.0.20"
    renewed = True

    def run(self):
        self._pipe = Pipe(self.network.folder("floor") / "pipe")
        self.renew()

    def renew(self):
        self.kill() if self.process() else None
        self.host.spawn("sender", [tool("bare_sender"), ",".join(self.peers), SENDER_AS, self.address, "routes",
                                   self.routes, self.hops, self._pipe.path])

    def tell(self, word):
        return self._pipe.write(word + "\n")

    def process(self):
        return self.host.process("sender")

    def restart(self):
        self.renew()

    def stop(self):
        super().stop()
        self._pipe.close()
