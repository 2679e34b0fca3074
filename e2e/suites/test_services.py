"""Services, their endpoints and their pools."""

import time

from lab.net import wait_until
from watch import DOCUMENTED, PREFIX, routes_unchanged, traffic

ROUTERS = ["bird", "frr"]
SLICE = "bgp-svc-7xk2p"


def policy(value):
    return lambda obj: obj["spec"].update(externalTrafficPolicy=value)


def endpoint(number, **conditions):
    """Changes the conditions of one endpoint of the slice."""
    return lambda obj: obj["endpoints"][number]["conditions"].update(conditions)


def service(name, **annotations):
    return {"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "namespace": "default",
                         "annotations": {"lb.kubesphere.io/v1alpha1": "openelb",
                                         "eip.openelb.kubesphere.io/v1alpha2": "bgp-eip"} | annotations},
            "spec": {"type": "LoadBalancer", "ports": [{"name": "http", "port": 80}]}}


def nowhere(lab, prefix=PREFIX):
    return all(not router.kernel_next_hops(prefix) and not router.next_hops(prefix)
               for router in lab.routers.values())


def test_policy_local_follows_the_endpoints(lab):
    cluster = lab.cluster
    cluster.edit("Service", "bgp-svc", policy("Local"))
    lab.wait_next_hops({"leaf1": {"192.168.0.4"}, "leaf2": {"192.168.1.2"}})
    with traffic(lab, {"worker1", "worker-p002"}) as client:
        lab.start_pod("bgp-openelb-3", "master1", "10.233.64.13")
        third = {"addresses": ["10.233.64.13"], "nodeName": "master1",
                 "targetRef": {"kind": "Pod", "name": "bgp-openelb-3", "namespace": "default"},
                 "conditions": {"ready": True}}
        with routes_unchanged(lab, "leaf2"):
            cluster.edit("EndpointSlice", SLICE, lambda o: o["endpoints"].append(third))
            lab.wait_documented()
            client.wait_flow({"master1", "worker1", "worker-p002"})
            cluster.edit("EndpointSlice", SLICE, lambda o: o["endpoints"].pop(0))  # the Pod on worker1
            lab.wait_next_hops({"leaf1": {"192.168.0.3"}, "leaf2": {"192.168.1.2"}})
            client.wait_flow({"master1", "worker-p002"})


def test_policy_local_withdraws_a_node_whose_pod_is_not_ready(lab):
    lab.cluster.edit("Service", "bgp-svc", policy("Local"))
    lab.wait_next_hops({"leaf1": {"192.168.0.4"}, "leaf2": {"192.168.1.2"}})
    lab.cluster.edit("EndpointSlice", SLICE, endpoint(0, ready=False, serving=False))
    lab.wait_next_hops({"leaf1": set(), "leaf2": {"192.168.1.2"}})
    lab.cluster.edit("EndpointSlice", SLICE, endpoint(0, ready=True, serving=True))
    lab.wait_next_hops({"leaf1": {"192.168.0.4"}, "leaf2": {"192.168.1.2"}})


def test_the_last_endpoint_that_serves_while_it_terminates_counts(lab):
    def all_terminating(obj):
        for each in obj["endpoints"]:
            each["conditions"].update(ready=False, serving=True, terminating=True)
    with routes_unchanged(lab):
        lab.cluster.edit("EndpointSlice", SLICE, all_terminating)


def test_no_endpoint_at_all_withdraws(lab):
    def none_ready(obj):
        for each in obj["endpoints"]:
            each["conditions"].update(ready=False, serving=False)
    lab.cluster.edit("EndpointSlice", SLICE, none_ready)
    wait_until(lambda: nowhere(lab), what="no route to an address without endpoints")
    assert lab.cluster.service_ips("bgp-svc") == ["172.22.0.2"]


def test_policy_edited_both_ways(lab):
    lab.cluster.edit("Service", "bgp-svc", policy("Local"))
    lab.wait_next_hops({"leaf1": {"192.168.0.4"}, "leaf2": {"192.168.1.2"}})
    lab.cluster.edit("Service", "bgp-svc", policy("Cluster"))
    lab.wait_documented()


def test_service_deleted_and_created_again(lab):
    deleted = lab.cluster.delete("Service", "bgp-svc")
    wait_until(lambda: nowhere(lab), what="no route of a deleted Service")
    wait_until(lambda: not lab.cluster.service_ips("bgp-svc"))
    wait_until(lambda: not lab.cluster.status("Eip", "bgp-eip").get("used"))
    lab.cluster.apply(deleted)
    lab.wait_documented()


def test_opting_out_releases_the_address(lab):
    lab.cluster.edit("Service", "bgp-svc", lambda o: o["metadata"].pop("annotations"))
    wait_until(lambda: nowhere(lab), what="no route of a Service that opted out")
    wait_until(lambda: not lab.cluster.service_ips("bgp-svc"))


def test_disabled_pool_keeps_what_it_gave_and_gives_nothing_new(lab):
    def disable(value):
        return lambda obj: obj["spec"].update(disable=value)
    with routes_unchanged(lab):
        lab.cluster.edit("Eip", "bgp-eip", disable(True))
        lab.cluster.edit("Service", "bgp-svc", lambda o: o["metadata"].update(labels={"any": "edit"}))
        lab.cluster.apply(service("late"))
        time.sleep(0.5)
        assert lab.cluster.service_ips("late") == []
        assert lab.cluster.service_ips("bgp-svc") == ["172.22.0.2"]
        lab.cluster.edit("Eip", "bgp-eip", disable(False))
        wait_until(lambda: lab.cluster.service_ips("late") == ["172.22.0.3"])


def test_two_services_share_an_address_on_different_ports(lab):
    shared = service("second", **{"eip.openelb.kubesphere.io/v1alpha1": "172.22.0.2"})
    shared["spec"]["ports"][0]["port"] = 81
    with routes_unchanged(lab):
        lab.cluster.apply(shared)
        wait_until(lambda: lab.cluster.service_ips("second") == ["172.22.0.2"])
        lab.cluster.delete("Service", "second")
        wait_until(lambda: not lab.cluster.service_ips("second"))
