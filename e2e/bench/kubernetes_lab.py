"""What benchmarks on Kubernetes need: a lab with or without OpenELB, endpoints, nodes without machines, Services."""

import contextlib
import os
import sys

import harness  # noqa: F401  (makes hack/lab known)

from lab.api import in_parallel
from lab.control_plane import CONTROLLER_MANAGER, ETCD, FAST_ENDPOINTS, FAST_NODES
from lab.installed import InstalledLab, backends
from lab.kubernetes_topology import NODES
from lab.net import wait_until
from lab.workloads import service

SERVICES = "/api/v1/namespaces/default/services"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
APP = "bgp-openelb"  # the Pods that the multi-router page starts
BACKENDS = "bench"  # one Pod on each node
POOL, POOL_SIZE = "bench", 16384
POOL_PREFIX = "172.24."

# Nobody renews the Leases of nodes that are objects only, and a busy machine is no lost node.
PATIENT_NODES = {CONTROLLER_MANAGER: ["--node-monitor-grace-period=1h"]}
# Endpoints, which nothing here reads, would be a third of what 10,000 Services cost.
NO_ENDPOINTS = {CONTROLLER_MANAGER: ["--controllers=*,-endpoints-controller"]}
FSYNC = {ETCD: ["--unsafe-no-fsync=false"]}


@contextlib.contextmanager
def bare_lab(name, *flags):
    """Three nodes, BIRD leaves, no load balancer; the controller manager is not what a Service waits for."""
    print(f"load average {os.getloadavg()[0]:.1f} before", flush=True)
    lab = InstalledLab(f"bench-{name}-{os.getpid()}", "bird", flags=(FAST_ENDPOINTS, *flags))
    try:
        yield lab.up()
        print(f"load average {os.getloadavg()[0]:.1f} after")
    except BaseException:
        print(lab.program_logs(), file=sys.stderr)
        raise
    finally:
        lab.down()


@contextlib.contextmanager
def documented_lab(name):
    """The multi-router page."""
    with bare_lab(name, FAST_NODES) as lab:
        lab.install().multi_router()
        yield lab


def start_backends(lab):
    """A Pod on every node, for Services of `BACKENDS`."""
    lab.apply(backends(BACKENDS, NODES))
    lab.wait_rollout(f"deployment/{BACKENDS}")


def stop_kube_proxies(lab):
    """What they wrote stays, so Pods go on reaching the API server. Nothing here sends requests to Services, and with a
    thousand of them two cores would do little else."""
    for name in NODES:
        lab[name].process("kube-proxy").stop()


def install(lab):
    """OpenELB as on the multi-router page, and the pool of the benchmarks."""
    lab.install().multi_router()
    lab.apply(eip(POOL, f"{POOL_PREFIX}0.0/18"))
    wait_until(lambda: lab.status("eip", POOL).get("poolSize") == POOL_SIZE, what="the pool")


def add_node_objects(lab, count):
    """Ready nodes in racks of ten, that of leaf1 among them; there is nothing behind them."""
    def node(number):
        rack, host = 1 + number // 10, 20 + number % 10
        return {"apiVersion": "v1", "kind": "Node",
                "metadata": {"name": f"object-{number}", "labels": {"openelb.kubesphere.io/rack": f"leaf{rack}"}},
                "status": {"addresses": [{"type": "InternalIP", "address": f"192.168.{rack - 1}.{host}"}],
                           "conditions": [{"type": "Ready", "status": "True", "reason": "Object", "message": ""}]}}
    in_parallel(lab.control_plane, 4, map(node, range(count)), lambda api, item: api.ask("POST", "/api/v1/nodes", item))


def eip(name, address):
    return {"apiVersion": "network.kubesphere.io/v1alpha2", "kind": "Eip", "metadata": {"name": name},
            "spec": {"address": address}}


def balanced(name, pool, app=APP, **spec):
    return service(name, app, annotations={
        "lb.kubesphere.io/v1alpha1": "openelb", "eip.openelb.kubesphere.io/v1alpha2": pool}, **spec)


def ingress(item):
    """The first address that a Service's status shows, or None."""
    return next((entry["ip"] for entry in item["status"]["loadBalancer"].get("ingress") or []), None)
