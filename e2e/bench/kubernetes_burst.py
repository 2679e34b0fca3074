#!/usr/bin/python3
"""Many Services at once by eight clients: time to the last status and the last route, calls, CPU seconds of each
program. The same Services come first with no load balancer installed: what clients, API server and etcd need anyway.

Statuses are a second watch's, routes the kernels' of both leaves. All Services have three endpoints on three nodes.
"""

import argparse
import time

from harness import percentiles
from kubernetes_lab import (BACKENDS, FSYNC, PATIENT_NODES, POOL, balanced, bare_lab, install, start_backends,
                            stop_kube_proxies)
from kubernetes_load import create, delete, deletions, endpoints, route_changes, statuses, wait_routes
from kubernetes_programs import Programs, row

from lab.control_plane import API_SERVER

HOPS = {"leaf1": {"192.168.0.3", "192.168.0.4"}, "leaf2": {"192.168.1.2"}}


class Watches:
    """The same in all parts of a run."""

    def __init__(self, plane):
        self.statuses, self.endpoints, self.deletions = statuses(plane), endpoints(plane, 3), deletions(plane)

    def clear(self):
        for follower in (self.statuses, self.endpoints, self.deletions):
            follower.seen.clear()


def bare(lab, names, watches):
    """The same with no load balancer: seconds of the creates, CPU seconds."""
    plane, programs = lab.control_plane, Programs(lab, installed=False)
    programs.wait_calm()
    programs.mark()
    _, took = create(plane, [balanced(name, POOL, BACKENDS) for name in names])
    watches.endpoints.wait(names)
    programs.wait_calm()
    cpu = programs.cpu()
    row("no load balancer", {"creates": took, **cpu})
    delete(plane, names)
    watches.deletions.wait(names)
    programs.wait_calm()
    watches.clear()
    return took, cpu


def ours(lab, names, watches, bare_took, bare_cpu):
    plane, programs = lab.control_plane, Programs(lab)
    programs.wait_calm()
    programs.mark()
    since = time.time()
    began, took = create(plane, [balanced(name, POOL, BACKENDS) for name in names])
    status = watches.statuses.wait(names) - since
    wait_routes(lab, len(names), HOPS)
    routes = route_changes(lab, since)
    route = max(routes.values()) - since
    watches.endpoints.wait(names)
    programs.wait_calm()
    cpu = programs.cpu()
    row("created", {"creates": took, "last status": status, "last route": route, **cpu})
    programs.print_calls()
    spans = [watches.statuses.seen[name] - began[name] for name in names]
    print(f"  a Service, POST to status, ms: {percentiles(spans)}")
    row("to no load balancer", {"creates": took / bare_took, "last status": status / bare_took,
                                "last route": route / bare_took, API_SERVER: cpu[API_SERVER] / bare_cpu[API_SERVER]})
    row("RSS MiB", {name: memory["VmRSS"] for name, memory in programs.memory().items()}, ".0f")


def deleted(lab, names, watches):
    programs = Programs(lab)
    since = time.time()
    took = delete(lab.control_plane, names)
    last = watches.deletions.wait(names) - since
    wait_routes(lab, 0, HOPS)
    route = max(route_changes(lab, since).values()) - since
    programs.wait_calm()
    row("deleted", {"deletes": took, "last gone": last, "last route gone": route, **programs.cpu()})
    programs.print_calls()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--services", type=int, default=1000)
    parser.add_argument("--kube-proxy", action="store_true", help="let kube-proxies take part")
    args = parser.parse_args()
    names = [f"bench-{number}" for number in range(args.services)]
    with bare_lab("burst", FSYNC, PATIENT_NODES) as lab:
        start_backends(lab)
        if not args.kube_proxy:
            stop_kube_proxies(lab)
        print(f"{args.services} Services by 8 clients; seconds, CPU seconds by program")
        watches = Watches(lab.control_plane)
        floor = bare(lab, names, watches)
        install(lab)
        ours(lab, names, watches, *floor)
        deleted(lab, names, watches)


if __name__ == "__main__":
    main()
