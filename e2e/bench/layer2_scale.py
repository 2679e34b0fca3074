#!/usr/bin/python3
"""5,000 addresses without routers on one speaker, and a second speaker that stands by.

On one LAN (hack/lab/lan.py), in this order: CPU of both speakers and the controller at rest; 10,000 questions a second for the
addresses, to a kernel that has as many on its NIC (the floor) and to our speaker; then in turns the owner's speaker killed, the
other one announcing all. At last the owner's node is declared not ready, and the controller moves all. Times are those that the
client's kernel stamps on frames. On a busy machine a program waits for its turn, which the kernel's own answers do not.
"""

import argparse
import collections
import ipaddress
import os
import statistics
import time

from harness import cpu_seconds, memory_mib, percentiles, tool

from drops import Drops
from lab import yaml_subset
from lab.lan import Lan, mac
from lab.net import wait_until

HOSTS = {"client": 2, "master1": 3, "worker1": 4, "floor": 20}
NETWORK = {4: "10.64.0.{}/16", 6: "fd00:64::{}/64"}
POOL = {4: "10.64.32.0", 6: "fd00:64::1:0"}
FLOOR = {4: "10.64.96.0", 6: "fd00:64::2:0"}
NODES = ("master1", "worker1")
PER_FILE = 200


def addresses(first, count):
    return [str(ipaddress.ip_address(first) + i) for i in range(count)]


def write_objects(cluster, family, count):
    """Two nodes, a pool that just fits, and a Service for each address, all with one endpoint."""
    cluster.delete("Service", "layer2-svc")
    for node in ("worker2", "worker3"):
        cluster.delete("Node", node)
    cluster.edit("Eip", "layer2-eip", lambda o: o["spec"].update(
        address="-".join(addresses(POOL[family], count)[::count - 1])))
    for first in range(0, count, PER_FILE):
        objects = []
        for i in range(first, min(first + PER_FILE, count)):
            objects.append({
                "apiVersion": "v1", "kind": "Service",
                "metadata": {"name": f"s{i}", "namespace": "default",
                             "annotations": {"lb.kubesphere.io/v1alpha1": "openelb",
                                             "eip.openelb.kubesphere.io/v1alpha2": "layer2-eip"}},
                "spec": {"type": "LoadBalancer", "ipFamilies": [f"IPv{family}"], "ipFamilyPolicy": "SingleStack",
                         "ports": [{"name": "http", "port": 80}]}})
            objects.append({
                "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": f"IPv{family}",
                "metadata": {"name": f"s{i}-1", "namespace": "default",
                             "labels": {"kubernetes.io/service-name": f"s{i}"}},
                "ports": [{"name": "http", "port": 8080}],
                "endpoints": [{"addresses": ["10.233.64.9" if family == 4 else "fd00:10:233::9"],
                               "nodeName": "worker1", "conditions": {"ready": True}}]})
        cluster.write(f"services-{first:05}.yaml", yaml_subset.dump_all(objects))


class Load:
    """neighbor_load on the client, from now on."""

    def __init__(self, lab, first, count, rate, seconds):
        self.role = f"load-{time.time_ns()}"
        self.seconds = seconds
        source = NETWORK[ipaddress.ip_address(first).version].format(HOSTS["client"]).partition("/")[0]
        self.host = lab["client"]
        self.process = self.host.spawn(self.role, [tool("neighbor_load"), "eth0", source, first, count, rate, seconds])
        wait_until(lambda: "ready" in self.host.log(self.role), 20, what="the load")

    def frames(self):
        """[(seconds since the epoch, kind, number of the address, MAC)], at the end; the kinds are neighbor_load's."""
        if not self.process.wait(5 * self.seconds + 20) or self.process.exit_code() != 0:
            raise RuntimeError(self.host.log(self.role)[-500:])
        frames = []
        _, *lines, last = self.host.log(self.role).splitlines()
        self.dropped = int(last.removeprefix("dropped "))  # frames that it had no room for
        for line in lines:
            at, kind, number, source = line.split()
            frames.append((float(at), kind, int(number), source))
        return frames

    def where(self, drops):
        """Where frames were dropped meanwhile, as text."""
        places = drops.since() | ({"the load's own socket": self.dropped} if self.dropped else {})
        return ", ".join(f"{count:.0f} {place}" for place, count in places.items()) or "nowhere that is counted"


class Scale:
    def __init__(self, lab, family, count):
        self.lab, self.family, self.count = lab, family, count

    def up(self):
        lab = self.lab
        lab.up()
        lab.run_dir.process("proxy").kill()  # no client here, and it would read all manifests over and over
        lab.attach("floor", "192.168.0.20")
        for host in ("worker2", "worker3", "floor"):
            lab.silence(host)
        for host, number in HOSTS.items():
            lab[host].ip(*(f"addr add {network.format(number)} dev eth0 {'nodad' if v == 6 else ''}"
                           for v, network in NETWORK.items()))
        prefix = 32 if self.family == 4 else 128
        lab["floor"].ip(*(f"addr add {a}/{prefix} dev eth0 {'nodad' if self.family == 6 else ''}"
                          for a in addresses(FLOOR[self.family], self.count)))
        write_objects(lab.cluster, self.family, self.count)
        began = time.time()
        lab.start_controller()
        lab.start_speaker("master1")
        wait_until(lambda: self.owned("master1") == self.count, 120, interval=0.1, what="all addresses owned")
        print(f"all {self.count} IPv{self.family} addresses are owned {time.time() - began:.1f} s after the start of all")
        lab.start_speaker("worker1")
        wait_until(self.watched, 60, interval=0.2, what="a standby")
        return self

    def owned(self, node):
        return self.lab.speakers[node].metric("openelb_speaker_layer2_owned")

    def watched(self):
        return all(s.metric("openelb_speaker_bfd_sessions", state="Up") == 1 and s.metric("openelb_speaker_attached") == 1
                   for s in self.lab.speakers.values())

    def owner(self):
        """The node that owns all, once the other one stands by."""
        def one():
            owned = {node: self.owned(node) or 0 for node in NODES}
            if not self.watched() or sorted(owned.values()) != [0, self.count]:
                raise ValueError(f"{owned}, both watched: {self.watched()}")
            return max(owned, key=owned.get)
        return wait_until(one, 60, interval=0.2, what="one owner, and a standby")

    def processes(self):
        owner = self.owner()
        standby = next(node for node in NODES if node != owner)
        return {"owner": self.lab.speakers[owner].process, "standby": self.lab.speakers[standby].process,
                "controller": self.lab.controller.process}

    def cpu_of(self, what, act):
        """Prints the share of a CPU that each of our programs takes meanwhile."""
        processes = self.processes()
        used, began = {name: cpu_seconds(p.pid) for name, p in processes.items()}, time.time()
        result = act()
        took = time.time() - began
        print(f"CPU {what}: " + ", ".join(
            f"{name} {(cpu_seconds(p.pid) - used[name]) / took * 100:.2f} %" for name, p in processes.items()), flush=True)
        return result

    def ask_floor(self, rate, seconds):
        # Heard no longer than needed: what is sent to all costs each kernel that is in thousands of groups.
        self.lab.silence("floor", False)
        try:
            return self.ask(FLOOR[self.family], rate, seconds, "floor")
        finally:
            self.lab.silence("floor")

    def ask(self, first, rate, seconds, owner):
        """The median of the times to an answer, in seconds. Prints where the questions and answers were dropped that were:
        `owner` is who answers, by the name of its host."""
        drops = Drops(self.lab, ("client", owner), self.lab.speakers.get(owner))
        load = Load(self.lab, first, self.count, rate, seconds)
        waiting, took, overtaken, asked, told = {}, [], 0, 0, 0
        for at, kind, number, _ in load.frames():
            asked += kind == "ask"
            told += kind == "told"
            if kind == "ask":
                overtaken += number in waiting
                waiting[number] = at
            elif kind == "told" and number in waiting:
                took.append(at - waiting.pop(number))
        lost = overtaken + len(waiting)
        print(f"    {percentiles(took)} ms, most {max(took) * 1e3:.1f}; asked {asked}, lost {lost}", flush=True)
        if lost:
            sent = f", sent {drops.answers():.0f}" if owner in self.lab.speakers else ""
            print(f"    answers heard {told}{sent}; dropped: {load.where(drops)}", flush=True)
        return statistics.median(took)

    def moved(self, what, act, seconds=4):
        """Prints when the addresses were announced by another node after `act(owner)`."""
        owner = self.owner()
        heir = next(node for node in NODES if node != owner)
        address, drops = mac(self.lab[heir]), Drops(self.lab, ("client", heir), self.lab.speakers[heir])
        load = Load(self.lab, POOL[self.family], self.count, 0, seconds)
        time.sleep(0.2)
        since = time.time()
        act(owner)
        told = [(at - since, number) for at, kind, number, source in load.frames()
                if kind == "announced" and source == address]
        first = {}
        for at, number in told:
            first.setdefault(number, at)
        if len(first) < self.count:
            raise RuntimeError(f"{len(first)} of {self.count} addresses announced; dropped: {load.where(drops)}")
        busiest = max(collections.Counter(int(at * 100) for at, _ in told).values())
        print(f"  {what}: first announced after {min(first.values()) * 1e3:.0f} ms, last after "
              f"{max(first.values()) * 1e3:.0f} ms; at most {busiest} announcements within 10 ms", flush=True)

    def killed(self):
        def kill(owner):
            self.lab.speakers[owner].kill()

        before = self.owner()
        self.moved("owner's speaker killed", kill)
        self.lab.speakers[before].start()
        if self.owner() == before:
            raise RuntimeError("the owner that came back took its addresses back")
        time.sleep(1)

    def node_lost(self):
        node = self.lab.cluster.get("Node", self.owner())
        node["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
        manifest = yaml_subset.dump_all([node])
        used = cpu_seconds(self.lab.controller.process.pid)
        self.moved("owner's node not ready, from its manifest",
                   lambda owner: self.lab.cluster.write(f"node-{owner}.yaml", manifest), seconds=6)
        print(f"    controller: {cpu_seconds(self.lab.controller.process.pid) - used:.2f} CPU s")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", type=int, choices=(4, 6), default=4)
    parser.add_argument("--addresses", type=int, default=5_000)
    parser.add_argument("--rate", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=10, help="of questions; rest takes three times as long")
    parser.add_argument("--trials", type=int, default=5, help="of the take-over")
    args = parser.parse_args()
    lab = Lan(f"bench-layer2-scale-{os.getpid()}", "layer2-quick-start", "layer2-svc")
    try:
        scale = Scale(lab, args.family, args.addresses).up()
        time.sleep(10)  # the last of the first announcements
        scale.cpu_of("at rest", lambda: time.sleep(3 * args.seconds))
        for name, process in scale.processes().items():
            memory = memory_mib(process.pid)
            print(f"  {name}: resident {memory['VmRSS']:.1f} MiB, its own {memory['RssAnon']:.1f}")
        for _ in range(2):
            print(f"{args.rate} questions a second, the floor:")
            floor = scale.ask_floor(args.rate, args.seconds)
            print(f"{args.rate} questions a second, our speaker:")
            ours = scale.cpu_of("under them", lambda: scale.ask(POOL[args.family], args.rate, args.seconds, scale.owner()))
            print(f"    ratio of p50 {ours / floor:.2f}")
        for _ in range(args.trials):
            scale.killed()
        scale.node_lost()
        print(f"load average {os.getloadavg()[0]:.1f}")
    finally:
        lab.down()


if __name__ == "__main__":
    main()
