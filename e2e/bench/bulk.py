#!/usr/bin/python3
"""10,000 routes to a BIRD receiver, from ESTABLISHED: our speaker, BIRD sending the same, a bare sender.

Each sender has its routes before the session exists; then the receiver is told of it. Times come from the
packets at the receiver: ESTABLISHED is the sender's first KEEPALIVE, the end its last UPDATE. Then the
receiver must hold every route. Memory is the sender's resident set afterwards.
"""

import argparse
import os
import time

from harness import Sniffer, rss_mib, tool

import packets
from lab import yaml_subset
from lab.bird import Bird
from lab.fabric import NODE_AS
from lab.net import wait_until
from lab.router import Neighbor, RouterConfig
from lab.topology import MultiRouter

ADDRESSES = {"speaker": "192.168.0.3", "bird": "192.168.0.11", "bare": "192.168.0.12"}
RECEIVER, RECEIVER_AS = "192.168.0.20", 50009
PER_FILE = 200


def address(number):
    return f"10.64.{number >> 8}.{number & 255}"


def write_services(cluster, count):
    """Services with an endpoint each, in files of a few hundred, and a pool that fits. One node, one path each:
    what the other senders send."""
    cluster.delete("Service", "bgp-svc")
    cluster.delete("Node", "worker1")
    cluster.edit("Eip", "bgp-eip", lambda o: o["spec"].update(address="10.64.0.0/18"))
    for first in range(0, count, PER_FILE):
        objects = []
        for i in range(first, min(first + PER_FILE, count)):
            objects.append({
                "apiVersion": "v1", "kind": "Service",
                "metadata": {"name": f"s{i}", "namespace": "default",
                             "annotations": {"lb.kubesphere.io/v1alpha1": "openelb",
                                             "eip.openelb.kubesphere.io/v1alpha2": "bgp-eip"}},
                "spec": {"type": "LoadBalancer", "ports": [{"name": "http", "port": 80}]}})
            objects.append({
                "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
                "metadata": {"name": f"s{i}-1", "namespace": "default",
                             "labels": {"kubernetes.io/service-name": f"s{i}"}},
                "ports": [{"name": "http", "port": 8080}],
                "endpoints": [{"addresses": ["10.233.64.9"], "nodeName": "master1", "conditions": {"ready": True}}]})
        cluster.write(f"services-{first:05}.yaml", yaml_subset.dump_all(objects))


def measure(receiver, name, start, count):
    """Lets the receiver talk to one sender, and reports. `start()` gives the sender's process."""
    source = ADDRESSES[name]
    wire = Sniffer(receiver.host, "eth0", 179, name)
    receiver.set_neighbor(Neighbor(source, NODE_AS))
    process = start()
    wait_until(lambda: receiver.established(source) and receiver.sessions()[source].prefixes >= count, 60,
               interval=0.2, what=f"{count} routes from {name}")
    time.sleep(0.3)
    sent = [p for p in wire.packets() if p.source == source]
    wire.stop()
    established = next(p.at for p in sent if p.bgp_type == packets.KEEPALIVE)
    # Not the KEEPALIVEs (19 bytes) and the End-of-RIB (23) that follow.
    updates = [p.at for p in sent if p.at > established and p.size > 30]
    size = sum(p.size for p in sent)
    print(f"  {name:8} {(updates[-1] - established) * 1e3:20.1f} {(updates[-1] - updates[0]) * 1e3:19.1f} "
          f"{size / 1e3:6.0f} {rss_mib(process.pid):9.1f}", flush=True)
    receiver.remove_neighbor(source)
    wait_until(lambda: receiver.path_count(f"{address(0)}/32") == 0, 30)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--routes", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    sender = tool("bare_sender")
    lab = MultiRouter(f"bench-bulk-{os.getpid()}", router="bird")
    try:
        lab.up()
        lab.run_dir.process("proxy").kill()  # no client here, and it would read all manifests over and over
        write_services(lab.cluster, args.routes)
        for name, host in (*ADDRESSES.items(), ("receiver", RECEIVER)):
            if name != "speaker":
                lab.attach(name, host)
        receiver = Bird(lab["receiver"], RouterConfig(RECEIVER_AS, RECEIVER, kernel=False))
        receiver.start()
        lab.cluster.edit("BgpPeer", "leaf1", lambda o: o["spec"].update(
            conf={"peerAs": RECEIVER_AS, "neighborAddress": RECEIVER}, timers={"config": {"connectRetry": "1"}}))
        began = time.time()
        lab.start_controller()
        speaker = lab.start_speaker("master1")
        wait_until(lambda: lab.controller.metric("openelb_eip_addresses_used") == args.routes, 120, interval=0.1)
        print(f"{args.routes} Services have addresses {time.time() - began:.1f} s after the controller's start; "
              f"controller {rss_mib(lab.controller.process.pid):.0f} MiB")
        bird = Bird(lab["bird"], RouterConfig(
            NODE_AS, ADDRESSES["bird"], {RECEIVER: Neighbor(RECEIVER, RECEIVER_AS, passive=False)},
            announce={f"{address(i)}/32": [ADDRESSES["bird"]] for i in range(args.routes)}, kernel=False))
        bird.start()

        def start_bare():
            return lab["bare"].spawn("sender", [sender, RECEIVER, NODE_AS, ADDRESSES["bare"], "routes", args.routes])

        print("  sender   from ESTABLISHED, ms   first to last, ms     kB   RSS MiB")
        for _ in range(args.repeat):
            measure(receiver, "speaker", lambda: speaker.process, args.routes)
            measure(receiver, "bird", lambda: lab["bird"].process("bird"), args.routes)
            measure(receiver, "bare", start_bare, args.routes)
    finally:
        lab.down()


if __name__ == "__main__":
    main()
