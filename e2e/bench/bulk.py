#!/usr/bin/python3
"""10,000 Services of manifests: from the controller's start to their addresses, and to the last route at a BIRD router.

What the session with the router takes of it, beside other speakers, is `bgp`'s to measure.
"""

import argparse
import os
import time

from harness import rss_mib

from lab import yaml_subset
from lab.bird import Bird
from lab.fabric import NODE_AS
from lab.net import wait_until
from lab.router import Neighbor, RouterConfig
from lab.topology import MultiRouter

SPEAKER = "192.168.0.3"
RECEIVER, RECEIVER_AS = "192.168.0.20", 50009
PER_FILE = 200


def write_services(cluster, count):
    """Services with an endpoint each, in files of a few hundred, and a pool that fits. One node, one path each."""
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


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--routes", type=int, default=10_000)
    args = parser.parse_args()
    lab = MultiRouter(f"bench-bulk-{os.getpid()}", router="bird")
    try:
        lab.up()
        lab.run_dir.process("proxy").kill()  # no client here, and it would read all manifests over and over
        write_services(lab.cluster, args.routes)
        lab.attach("receiver", RECEIVER)
        receiver = Bird(lab["receiver"], RouterConfig(RECEIVER_AS, RECEIVER, {SPEAKER: Neighbor(SPEAKER, NODE_AS)},
                                                      kernel=False))
        receiver.start()
        lab.cluster.edit("BgpPeer", "leaf1", lambda o: o["spec"].update(
            conf={"peerAs": RECEIVER_AS, "neighborAddress": RECEIVER}, timers={"config": {"connectRetry": "1"}}))
        began = time.time()
        lab.start_controller()
        speaker = lab.start_speaker("master1")
        wait_until(lambda: lab.controller.metric("openelb_eip_addresses_used") == args.routes, 120, interval=0.1)
        addresses = time.time() - began
        wait_until(lambda: receiver.sessions()[SPEAKER].prefixes >= args.routes, 60, interval=0.1)
        print(f"{args.routes} Services have addresses {addresses:.1f} s after the controller's start, the router all routes "
              f"{time.time() - began:.1f} s; resident: controller {rss_mib(lab.controller.process.pid):.0f} MiB, speaker "
              f"{rss_mib(speaker.process.pid):.0f} MiB; load average {os.getloadavg()[0]:.1f}")
    finally:
        lab.down()


if __name__ == "__main__":
    main()
