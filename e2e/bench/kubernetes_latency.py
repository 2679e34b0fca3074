#!/usr/bin/python3
"""One Service at a time on a real API server: created, address in its status, route in a BIRD leaf's kernel; deleted,
route gone. Beside it a bare client that only watches and patches, in turn with ours.

Times are a second watch's and the kernel's, on one clock. All Services select the same Pods, so the route waits for
status and EndpointSlice, whichever comes later: both are shown.
"""

import argparse
import queue
import sys
import threading
import time

import bare_client
from bare_client import CLASS
from harness import percentiles
from kubernetes_lab import SERVICES, SLICES, balanced, documented_lab, eip, ingress
from latency import Kernel

from lab.api import Api
from lab.fabric import LEAVES
from lab.management import SERVER
from lab.net import wait_until
from lab.workloads import service

ADDRESS = "172.25.0.1"


class Watch:
    """Events of a resource as they come, from a thread of their own."""

    def __init__(self, plane, path):
        self.api = Api(plane)
        revision = self.api.ask("GET", f"{path}?limit=1")["metadata"]["resourceVersion"]
        self.events = queue.Queue()
        threading.Thread(target=self._run, args=(path, revision), daemon=True).start()

    def _run(self, path, revision):
        for event in self.api.watch(path, revision):
            self.events.put(event)

    def wait(self, accepts, timeout=30):
        """The time of the first event whose object is accepted."""
        deadline = time.monotonic() + timeout
        while True:
            at, kind, item = self.events.get(timeout=max(0.01, deadline - time.monotonic()))
            if accepts(kind, item):
                return at


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--services", type=int, default=50)
    parser.add_argument("--pause", type=float, default=0.4, help="seconds between two Services")
    args = parser.parse_args()
    with documented_lab("k8s-latency") as lab:
        plane = lab.control_plane
        lab.apply(eip("one", ADDRESS))
        wait_until(lambda: lab.status("eip", "one").get("poolSize"))
        plane.host.spawn("bare-client", [sys.executable, bare_client.__file__, SERVER, plane.ca, plane.admin.cert,
                                         plane.admin.key])
        api, services, slices = Api(plane), Watch(plane, SERVICES), Watch(plane, SLICES)
        kernel = Kernel(lab[next(iter(LEAVES))])
        spans = {name: [] for name in (
            "create -> watch", "create -> status", "bare: create -> status", "create -> EndpointSlice",
            "create -> route", "status -> route", "last of both -> route", "delete -> route gone")}
        for number in range(args.services):
            time.sleep(args.pause / 2)  # the cluster clears up after what was deleted, before ours and before the other
            # As the pool has one address, the name is all that differs.
            began = time.time()
            name = f"ours-{number}"
            api.ask("POST", SERVICES, balanced(name, "one"))
            seen = services.wait(lambda _, item: item["metadata"]["name"] == name)
            status = services.wait(lambda _, item: item["metadata"]["name"] == name and ingress(item))
            ready = slices.wait(lambda _, item: item["metadata"]["labels"].get("kubernetes.io/service-name") == name
                                and item["endpoints"])
            route = kernel.wait(ADDRESS, 2)
            for what, span in zip(spans, (seen - began, status - began, None, ready - began, route - began,
                                          route - status, route - max(status, ready))):
                if span is not None:
                    spans[what].append(span)
            time.sleep(args.pause / 2)
            began = time.time()
            name = f"bare-{number}"
            bare = service(name, "bgp-openelb", loadBalancerClass=CLASS, loadBalancerIP="172.26.0.1")
            api.ask("POST", SERVICES, bare)
            status = services.wait(lambda _, item: item["metadata"]["name"] == name and ingress(item))
            spans["bare: create -> status"].append(status - began)
            time.sleep(args.pause / 2)
            began = time.time()
            api.ask("DELETE", f"{SERVICES}/ours-{number}")
            spans["delete -> route gone"].append(kernel.wait(ADDRESS, 0) - began)
            services.wait(lambda kind, item: kind == "DELETED" and item["metadata"]["name"] == f"ours-{number}")
            time.sleep(args.pause / 2)
            api.ask("DELETE", f"{SERVICES}/{name}")
        kernel.stop()
        print(f"{args.services} Services, {args.pause} s apart, ms")
        for what, values in spans.items():
            print(f"  {what:26} {percentiles(values)}")
        ratio = [sorted(spans[what])[args.services // 2] for what in ("create -> status", "bare: create -> status")]
        print(f"  create -> status, ours to bare, p50: {ratio[0] / ratio[1]:.2f}")


if __name__ == "__main__":
    main()
