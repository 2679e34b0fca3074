#!/usr/bin/python3
"""From a changed manifest to the route in BIRD's kernel table, 200 times in a row, beside a bare sender.

A Service of a file appears and goes; leaf1 (BIRD) must hold both of its next hops, then none. Times are taken outside our
programs: the rename of the file, packets as the kernel stamps them, netlink events. Between two of ours the
bare sender does the same with a file of its own: what is left when nothing but inotify, TCP, BIRD and the
kernel take part.
"""

import argparse
import os
import re
import subprocess
import time
from datetime import datetime

from harness import Sniffer, percentiles, tool

import packets
from lab.fabric import NODE_AS
from lab.net import wait_until
from lab.router import Neighbor
from lab.topology import MultiRouter

BARE = "192.168.0.10"
BARE_ROUTE = "10.64.0.1"
SERVICE_IP = "172.22.0.3"
SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: probe
  namespace: default
  annotations: {lb.kubesphere.io/v1alpha1: openelb, eip.openelb.kubesphere.io/v1alpha2: bgp-eip}
spec: {type: LoadBalancer, externalTrafficPolicy: Cluster, ports: [{name: http, port: 80}]}
---
"""
ENDPOINTS = """\
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: probe-1, namespace: default, labels: {kubernetes.io/service-name: probe}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.233.65.11], nodeName: worker1, conditions: {ready: true}}]
"""


class Kernel:
    """Route events of a host, waited for without polling."""

    def __init__(self, host):
        self._process = subprocess.Popen(["ip", "netns", "exec", host.netns, "ip", "-o", "-ts", "monitor", "route"],
                                         stdout=subprocess.PIPE, text=True, bufsize=1)
        time.sleep(0.1)

    def wait(self, prefix, hops):
        """The time of the event that gives `prefix` that many next hops (0: its removal)."""
        for line in self._process.stdout:
            stamp, rest = re.match(r"\[([^\]]+)\] (.*)", line).groups()
            gone = rest.startswith("Deleted ")
            words = rest.removeprefix("Deleted ").split()
            if words[0] == prefix and (0 if gone else rest.count("via ")) == hops:
                return datetime.fromisoformat(stamp).timestamp()
        raise RuntimeError("ip monitor ended")

    def stop(self):
        self._process.kill()
        self._process.wait()


def place(path, text):
    """Writes a file aside, then renames it into place: the moment of the change."""
    draft = path.parent.parent / f".{path.name}.draft"
    draft.write_text(text)
    at = time.time()
    os.rename(draft, path)
    return at


def remove(path):
    at = time.time()
    path.unlink()
    return at


def stages(sniffed, wire, at, done):
    """(controller, speaker, router) seconds of one change; None if the packets do not tell."""
    updates = [p.at for p in wire if p.source == "192.168.0.3" and p.bgp_type == packets.UPDATE and at < p.at < done]
    if not updates:
        return None
    plans = [p.at for p in sniffed if p.destination == "192.168.0.3" and at < p.at < updates[0]]
    return (plans[-1] - at, updates[0] - plans[-1], done - updates[0]) if plans else None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--changes", type=int, default=200)
    args = parser.parse_args()
    sender = tool("bare_sender")
    lab = MultiRouter(f"bench-latency-{os.getpid()}", router="bird")
    kernel = None
    try:
        lab.up()
        bare = lab.attach("bare", BARE)
        watched = lab.run_dir.path / "bare"
        watched.mkdir()
        lab.routers["leaf1"].set_neighbor(Neighbor(BARE, NODE_AS))
        bare.spawn("sender", [sender, "192.168.0.2", NODE_AS, BARE, "watch", watched])
        lab.start_controller()
        lab.start_speakers()
        lab.wait_documented()
        wait_until(lambda: lab.routers["leaf1"].established(BARE))
        plan, wire = Sniffer(lab["ctl"], "eth0", 50051), Sniffer(lab["leaf1"], "br0", 179)
        kernel = Kernel(lab["leaf1"])
        probe, route = lab.cluster.manifests / "probe.yaml", watched / BARE_ROUTE
        spans = {"announce": [], "withdraw": [], "bare announce": [], "bare withdraw": []}
        moments = []
        for _ in range(args.changes):
            for what, file, prefix, hops in (("", probe, SERVICE_IP, 2), ("bare ", route, BARE_ROUTE, 1)):
                at = place(file, "" if what else SERVICE + ENDPOINTS)
                done = kernel.wait(prefix, hops)
                spans[what + "announce"].append(done - at)
                if not what:
                    moments.append((at, done))
                time.sleep(0.02)
                # A manifest stays a file: one that is gone counts only a little later, since editors replace files.
                at = remove(file) if what else place(file, ENDPOINTS)
                spans[what + "withdraw"].append(kernel.wait(prefix, 0) - at)
                time.sleep(0.02)
        time.sleep(0.2)
        print(f"{args.changes} changes, manifest to kernel route at a BIRD leaf, ms")
        for what, values in spans.items():
            print(f"  {what:24} {percentiles(values)}")
        known = [s for at, done in moments if (s := stages(plan.packets(), wire.packets(), at, done))]
        print(f"  by stage (announce, {len(known)} changes seen on the wire)")
        for index, name in enumerate(("manifest to plan sent", "plan sent to UPDATE", "UPDATE to kernel route")):
            print(f"    {name:22} {percentiles([s[index] for s in known])}")
    finally:
        if kernel is not None:
            kernel.stop()
        lab.down()


if __name__ == "__main__":
    main()
