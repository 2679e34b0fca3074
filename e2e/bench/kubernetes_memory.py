#!/usr/bin/python3
"""Memory of controller and speaker with 100 nodes and 0, 1,000, 10,000 Services, each with three endpoints.

Three nodes are real, with a speaker on two of them; the others are objects. Then both controllers start anew with all
Services there: what they need for the lists comes on top of what they keep.
"""

import argparse
import os
import signal

from kubernetes_lab import (BACKENDS, NO_ENDPOINTS, PATIENT_NODES, POOL, add_node_objects, balanced, bare_lab, install,
                            start_backends, stop_kube_proxies)
from kubernetes_load import create, endpoints, next_hops, statuses
from kubernetes_programs import Programs, row

from lab.fabric import LEAVES
from lab.net import wait_until

OURS = ("controller", "standby", "speaker")


def show(what, programs):
    programs.wait_calm()
    row(what, {name: f"{m['VmRSS']:.0f} ({m['RssAnon']:.0f}, {m['VmHWM']:.0f})"
               for name, m in programs.memory().items() if name.startswith(OURS)})


def grow(lab, have, count):
    """From `have` Services to `count`."""
    plane = lab.control_plane
    seen, slices = statuses(plane), endpoints(plane, 3)
    names = [f"bench-{number}" for number in range(have, count)]
    # There are 2,768 ports for nodes.
    create(plane, [balanced(name, POOL, BACKENDS, allocateLoadBalancerNodePorts=False) for name in names])
    seen.wait(names)
    slices.wait(names)
    for leaf in LEAVES:
        wait_until(lambda: len(next_hops(lab, leaf)) == count, 600, interval=1, what=f"{leaf}: {count} routes")


def restart(lab):
    for pod in lab.controllers():
        os.kill(lab.container_pid(pod), signal.SIGTERM)
    lab.wait_installed()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--services", type=int, nargs="+", default=[0, 1000, 10_000])
    parser.add_argument("--nodes", type=int, default=100)
    args = parser.parse_args()
    with bare_lab("memory", PATIENT_NODES, NO_ENDPOINTS) as lab:
        start_backends(lab)
        stop_kube_proxies(lab)
        install(lab)
        add_node_objects(lab, args.nodes - len(lab.nodes))
        programs = Programs(lab)
        print(f"{args.nodes} nodes; resident MiB (its own, most so far)")
        have = 0
        for count in args.services:
            grow(lab, have, count)
            show(f"{count} Services", programs)
            have = count
        restart(lab)
        show("the same, restarted", Programs(lab))


if __name__ == "__main__":
    main()
