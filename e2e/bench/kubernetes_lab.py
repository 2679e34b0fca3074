"""What benchmarks on Kubernetes need: a lab with OpenELB and endpoints, and Services for it."""

import contextlib
import os

import harness  # noqa: F401  (makes hack/lab known)

from lab.control_plane import FAST_ENDPOINTS, FAST_NODES
from lab.installed import InstalledLab
from lab.workloads import service

SERVICES = "/api/v1/namespaces/default/services"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
APP = "bgp-openelb"  # the Pods that the multi-router page starts


@contextlib.contextmanager
def documented_lab(name):
    """The multi-router page on BIRD leaves; the controller manager is not what a Service waits for."""
    print(f"load average {os.getloadavg()[0]:.1f} before", flush=True)
    lab = InstalledLab(f"bench-{name}-{os.getpid()}", "bird", flags=(FAST_NODES, FAST_ENDPOINTS))
    try:
        lab.up().install().multi_router()
        yield lab
        print(f"load average {os.getloadavg()[0]:.1f} after")
    finally:
        lab.down()


def eip(name, address):
    return {"apiVersion": "network.kubesphere.io/v1alpha2", "kind": "Eip", "metadata": {"name": name},
            "spec": {"address": address}}


def balanced(name, pool, app=APP, **spec):
    return service(name, app, annotations={
        "lb.kubesphere.io/v1alpha1": "openelb", "eip.openelb.kubesphere.io/v1alpha2": pool}, **spec)


def ingress(item):
    """The first address that a Service's status shows, or None."""
    return next((entry["ip"] for entry in item["status"]["loadBalancer"].get("ingress") or []), None)
