#!/usr/bin/python3
"""One of three Pods turns unready under many Services that select it, and ready again: CPU seconds of each program,
changes of routes, and whether the routes are right afterwards.

With policy Cluster no route changes; with Local each loses the Pod's node. The Pod's process is suspended, so its
readiness probe fails.
"""

import argparse
import os
import signal
import time

from kubernetes_lab import (BACKENDS, PATIENT_NODES, POOL, balanced, bare_lab, install, start_backends,
                            stop_kube_proxies)
from kubernetes_load import create, endpoints, route_changes, statuses, wait_routes
from kubernetes_programs import Programs, row

ALL = {"leaf1": {"192.168.0.3", "192.168.0.4"}, "leaf2": {"192.168.1.2"}}
WITHOUT_WORKER1 = {"leaf1": {"192.168.0.3"}, "leaf2": {"192.168.1.2"}}


def turn(lab, programs, names, number, ready, hops):
    """Sends a signal to the Pod on worker1; `ready` endpoints and these next hops are what comes of it."""
    slices = endpoints(lab.control_plane, ready)
    programs.wait_calm()
    programs.mark()
    since = time.time()
    pod = lab.node_pods("worker1", selector=f"app={BACKENDS}")[0]
    os.kill(lab.container_pid(pod), number)
    first = min(slices.seen.values()) if slices.wait(names) else since
    last = max(slices.seen.values())
    wait_routes(lab, len(names), hops)
    programs.wait_calm()
    wait_routes(lab, len(names), hops, 1)
    changed = route_changes(lab, since)
    row(f"{ready} of 3 ready", {
        "slices changed in, s": last - first, "routes changed": str(len(changed)),
        "last after last slice, s": max(changed.values()) - last if changed else None, **programs.cpu()})
    programs.print_calls()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--services", type=int, default=1000)
    parser.add_argument("--policy", choices=("Cluster", "Local"), default="Cluster")
    args = parser.parse_args()
    names = [f"bench-{number}" for number in range(args.services)]
    with bare_lab("readiness", PATIENT_NODES) as lab:
        start_backends(lab)
        stop_kube_proxies(lab)
        install(lab)
        seen = statuses(lab.control_plane)
        create(lab.control_plane, [balanced(name, POOL, BACKENDS, policy=args.policy) for name in names])
        seen.wait(names)
        wait_routes(lab, len(names), ALL)
        programs = Programs(lab)
        print(f"{args.services} Services, policy {args.policy}; CPU seconds by program")
        turn(lab, programs, names, signal.SIGSTOP, 2, ALL if args.policy == "Cluster" else WITHOUT_WORKER1)
        turn(lab, programs, names, signal.SIGCONT, 3, ALL)


if __name__ == "__main__":
    main()
