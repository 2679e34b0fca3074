#!/usr/bin/python3
"""One address, two nodes, one of them fails: ours in VIP mode and keepalived, in turns, on one LAN.

Both speak VRRPv3 with 100 ms between advertisements and priorities 254 and 222 (what ours get), and take nothing back. In each trial
the node that holds the address has its program killed, or its cable pulled. One client asks both addresses all the while, and keeps
its neighbour cache; each node answers itself, by the same small server. Time counts from the fault to the first request
that the other node answers, and to that node's first gratuitous ARP, as the client's kernel stamps it. The kernel of a node whose
program is killed (keepalived: parent and child, the parent stopped first, for it would take the child's end for a wish to
leave) keeps the address and answers until then, whichever program it was, so that hardly a request is lost; the address is taken off
before the program starts again.
"""

import argparse
import ipaddress
import os
import signal
import statistics
import sys
import time
from pathlib import Path

from harness import REPOSITORY, Probe, percentiles, tool

from lab.lan import Lan, mac
from lab.net import run, wait_until
from lab.run_dir import start_time

OURS = ("master1", "worker1")
KEEPALIVED = {"keep1": "192.168.0.21", "keep2": "192.168.0.22"}
CLIENT = "192.168.0.2"
PORT = 8000  # no Service's
BACKEND = REPOSITORY / "hack" / "lab" / "backend.py"
PRIORITIES = (254, 222)  # as controller/plan gives them to two nodes


class Ours:
    name, address = "ours", "192.168.0.91"

    def __init__(self, lab):
        self.lab, self.nodes = lab, OURS
        for node in OURS:
            lab.start_speaker(node)

    def kill(self, node):
        self.lab.speakers[node].kill()

    def start(self, node):
        self.lab.speakers[node].start()

    def stands_by(self, node):
        return self.lab.speakers[node].metric("openelb_speaker_vrrp_router_state") == 1


class Keepalived:
    name, address = "keepalived", "192.168.0.201"

    def __init__(self, lab):
        self.lab, self.nodes = lab, tuple(KEEPALIVED)
        for number, (node, address) in enumerate(KEEPALIVED.items()):
            lab.attach(node, address)
            self._folder(node).mkdir()
            (self._folder(node) / "conf").write_text(f"""
global_defs {{
  vrrp_version 3
}}
vrrp_instance V1 {{
  state BACKUP
  interface eth0
  virtual_router_id 250
  priority {PRIORITIES[number]}
  nopreempt
  advert_int 0.1
  virtual_ipaddress {{
    {self.address}/32 dev eth0
  }}
}}
""")
            self.start(node)

    def _folder(self, node):
        return self.lab.run_dir.path / f"keepalived.{node}"

    def start(self, node):
        folder = self._folder(node)
        for left in ("pid", "vrrp.pid"):
            (folder / left).unlink(missing_ok=True)
        self.lab[node].spawn("keepalived", ["keepalived", "-n", "-l", "-D", "-P", "-f", folder / "conf",
                                            "-p", folder / "pid", "-r", folder / "vrrp.pid"])
        wait_until((folder / "vrrp.pid").exists, what="keepalived")

    def kill(self, node):
        parent = self.lab[node].process("keepalived")
        child = int((self._folder(node) / "vrrp.pid").read_text())
        if f"{parent.pid}" not in Path(f"/proc/{child}/stat").read_text().rpartition(") ")[2].split()[1]:
            raise RuntimeError(f"{child} is not the child of keepalived on {node}")
        parent.signal(signal.SIGSTOP)
        os.kill(child, signal.SIGKILL)
        parent.kill()
        wait_until(lambda: start_time(child) is None, what="the end of keepalived")

    def stands_by(self, node):
        log = self.lab[node].log("keepalived")
        return log.rfind("Entering BACKUP") > log.rfind("Starting Keepalived")


class Side:
    """One of the two, and what it took."""

    def __init__(self, lab, program):
        self.lab, self.program = lab, program
        self.answered, self.told, self.failed = ({"killed": [], "unplugged": []} for _ in range(3))
        nobody = lab.run_dir.path / "no-hosts"
        nobody.touch()
        for node in program.nodes:
            lab[node].spawn("server", [sys.executable, BACKEND, "0.0.0.0", PORT, node, node, nobody])
        self.probe = Probe(lab["client"], program.address, PORT)

    def holders(self):
        return [node for node in self.program.nodes if f" {self.program.address}/" in run(
            "ip", "-n", self.lab[node].netns, "-o", "addr", "show", "dev", "eth0")]

    def trial(self, fault):
        holder = wait_until(lambda: len(self.holders()) == 1 and self.holders()[0], 20, what="one node with the address")
        heir = next(node for node in self.program.nodes if node != holder)
        wait_until(lambda: self.program.stands_by(heir), 20, what=f"{self.program.name} on {heir} as backup")
        time.sleep(1)  # the last of its gratuitous ARPs
        self.probe.answered(time.time(), holder)
        failed = self.probe.failed
        role = f"heard-{time.time_ns()}"
        load = self.lab["client"].spawn(
            role, [tool("neighbor_load"), "eth0", CLIENT, ipaddress.ip_address(self.program.address), 1, 0, 2])
        wait_until(lambda: "ready" in self.lab["client"].log(role), what="the listener")
        time.sleep(0.1 + 0.01 * (len(self.told[fault]) % 10))  # anywhere between two advertisements
        since = time.time()
        if fault == "killed":
            self.program.kill(holder)
        else:
            self.lab.unplug(holder)
        self.answered[fault].append(self.probe.answered(since, heir).ended - since)
        self.failed[fault].append(self.probe.failed - failed)
        load.wait(20)
        told = [line.split() for line in self.lab["client"].log(role).splitlines()[1:-1]]
        first = min(float(at) for at, _, _, source in told if source == mac(self.lab[heir]) and float(at) > since)
        self.told[fault].append(first - since)
        if fault == "killed":
            run("ip", "-n", self.lab[holder].netns, "addr", "flush", "dev", "eth0", "to", self.program.address)
            self.program.start(holder)
        else:
            self.lab.unplug(holder, False)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=30)
    args = parser.parse_args()
    lab = Lan(f"bench-vip-keepalived-{os.getpid()}", "vip-quick-start", "vip-svc")
    try:
        lab.up()
        lab.cluster.label("Node", "worker2", "openelb-speaker", None)
        lab.start_controller()
        sides = [Side(lab, Ours(lab)), Side(lab, Keepalived(lab))]
        for fault in ("killed", "unplugged"):
            for _ in range(args.trials):
                for side in sides:
                    side.trial(fault)
            for side in sides:
                print(f"{fault}: {side.program.name:10} answered {percentiles(side.answered[fault])} ms, gratuitous ARP "
                      f"{percentiles(side.told[fault])} ms, attempts without an answer "
                      f"{statistics.median(side.failed[fault])}, most {max(side.failed[fault])}", flush=True)
            for what in ("answered", "told"):
                ours, other = (statistics.median(getattr(side, what)[fault]) for side in sides)
                print(f"{fault}: ratio of p50, {what}: {ours / other:.2f}; load average {os.getloadavg()[0]:.1f}", flush=True)
    finally:
        lab.down()


if __name__ == "__main__":
    main()
