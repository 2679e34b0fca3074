"""An IPv6 Service beside the IPv4 one: both families over the same sessions."""

import time

import pytest
from lab import dual_stack
from lab.dual_stack import v6_of
from lab.net import wait_until
from lab.traffic import ask
from watch import ALL, DOCUMENTED, PREFIX

ROUTERS = ["bird", "frr"]

VIP6 = "fd00:172:22::2"
PODS = {"worker1": "10.233.65.11", "worker-p002": "10.233.66.12"}

OBJECTS = [
    {"apiVersion": "network.kubesphere.io/v1alpha2", "kind": "Eip", "metadata": {"name": "bgp-eip6"},
     "spec": {"address": f"{VIP6}-fd00:172:22::10"}},
    {"apiVersion": "v1", "kind": "Service",
     "metadata": {"name": "bgp-svc6", "namespace": "default",
                  "annotations": {"lb.kubesphere.io/v1alpha1": "openelb",
                                  "eip.openelb.kubesphere.io/v1alpha2": "bgp-eip6"}},
     "spec": {"type": "LoadBalancer", "ipFamilies": ["IPv6"], "ipFamilyPolicy": "SingleStack",
              "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}},
    {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv6",
     "metadata": {"name": "bgp-svc6-1", "namespace": "default",
                  "labels": {"kubernetes.io/service-name": "bgp-svc6"}},
     "ports": [{"name": "http", "protocol": "TCP", "port": 8080}],
     "endpoints": [{"addresses": [v6_of(address)], "nodeName": node, "conditions": {"ready": True}}
                   for node, address in PODS.items()]},
]


def both_families(obj):
    obj["spec"]["afiSafis"] = [{"config": {"family": {"afi": afi, "safi": "SAFI_UNICAST"}, "enabled": True},
                                "addPaths": {"config": {"sendMax": 10}}}
                               for afi in ("AFI_IP", "AFI_IP6")]


@pytest.fixture(scope="module")
def dual(shared_lab):
    dual_stack.enable(shared_lab)
    for node, address in PODS.items():
        dual_stack.start_pod(shared_lab, f"{node}-6", node, address)
    return shared_lab


def test_service_of_each_family_is_reached_through_every_node(dual, lab):
    cluster = lab.cluster
    for node in ALL:
        cluster.edit("Node", node, lambda o: o["status"]["addresses"].append(
            {"type": "InternalIP", "address": v6_of(o["status"]["addresses"][0]["address"])}))
    for leaf in DOCUMENTED:
        cluster.edit("BgpPeer", leaf, both_families)
    cluster.apply(*OBJECTS)
    wait_until(lambda: cluster.service_ips("bgp-svc6") == [VIP6])
    for router, hops in lab.expected(DOCUMENTED).items():
        lab.routers[router].wait_kernel(f"{VIP6}/128", {v6_of(hop) for hop in hops})
    for leaf, hops in DOCUMENTED.items():
        lab.routers[leaf].wait_table(f"{VIP6}/128", {v6_of(hop) for hop in hops},
                                     besides=lab.routers[leaf].next_hops(f"{VIP6}/128") & {v6_of("10.0.1.1"),
                                                                                         v6_of("10.0.2.1")})
    lab.wait_documented()
    wait_until(lambda: set(ask(lab["client"], VIP6, 50).answers) == ALL)
    seen = ask(lab["client"], VIP6, 300)
    assert not seen.lost and set(seen.answers) == ALL

    since = time.time()
    cluster.delete("Service", "bgp-svc6")
    for router in lab.routers.values():
        router.wait_kernel(f"{VIP6}/128", set())
    assert all(recorder.events(PREFIX, since) == [] for recorder in lab.recorders.values())
