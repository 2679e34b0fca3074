"""The BGP quick start and the BGP configuration page: a router of its own beside the fabric's leaves."""

import json
import time

import pytest
from faults import without_webhooks
from lab.bird import Bird
from lab.fabric import VIP
from lab.installed import NAMESPACE, SAMPLES, backends
from lab.net import RouteRecorder, wait_until
from lab.router import Neighbor, RouterConfig
from watch import PREFIX

SPEAKER = "192.168.0.3"  # of master1, the one neighbour that the router knows
QUICK_START, FIELDS = SAMPLES / "bgp-quick-start", SAMPLES / "bgp-fields"


def neighbor(**more):
    return Neighbor(SPEAKER, 50000, **{"port": 17900, "passive": False} | more)


@pytest.fixture(scope="module")
def router(cluster):
    """The pages' router: 192.168.0.5 in AS 50001."""
    host = cluster.attach("router", "192.168.0.5")
    host.forwards(seed=120)
    made = Bird(host, RouterConfig(50001, "192.168.0.5", {SPEAKER: neighbor()}))
    made.start()
    return made


@pytest.fixture(scope="module")
def quick_start(cluster, router):
    for name in ("bgp-conf", "bgp-peer", "bgp-eip"):
        cluster.kubectl("apply", "-f", QUICK_START / f"{name}.yaml")
    cluster.apply(backends("bgp-openelb"))
    cluster.kubectl("apply", "-f", QUICK_START / "bgp-svc.yaml")
    return cluster


def sessions(cluster, peer):
    """{node: what a BgpPeer's status says of its session}"""
    return {node: found["peerState"] for node, found in cluster.status("bgppeer", peer)["nodesPeerStatus"].items()}


# -- "Use OpenELB in BGP Mode" --


def test_service_gets_the_first_address_and_the_router_the_nodes_on_its_network(quick_start, router):
    wait_until(lambda: quick_start.ips("bgp-svc") == [VIP])
    router.wait_kernel(PREFIX, {"192.168.0.3", "192.168.0.4"}, 15)
    assert "proto bird" in router.host.exec("ip", "route", "show", VIP)
    assert router.sessions()[SPEAKER].add_path


def test_requests_from_the_router_reach_every_pod(quick_start, router):
    quick_start.wait_rollout("deployment/bgp-openelb")
    ask = f"for i in $(seq 20); do curl -s -m 2 http://{VIP} || exit 1; done"
    wait_until(lambda: router.host.exec("curl", "-s", "-m", "1", f"http://{VIP}"), what="an answer")
    answers = [json.loads(line) for line in router.host.exec("sh", "-c", ask).splitlines()]
    assert len({answer["pod"] for answer in answers}) == 2
    assert {answer["entry"] for answer in answers} == {"master1", "worker1"}


def test_attempts_of_speakers_that_the_router_does_not_know_are_harmless(quick_start, router):
    recorder, since = RouteRecorder(router.host), time.time()
    updates = router.sessions()[SPEAKER].updates
    wait_until(lambda: set(sessions(quick_start, "bgp-peer")) == {"master1", "worker1", "worker-p002"})
    tried = sessions(quick_start, "bgp-peer")["worker1"]["messages"]["sent"]["open"]
    found = wait_until(lambda: [said for said in [sessions(quick_start, "bgp-peer")]
                                if said["worker1"]["messages"]["sent"]["open"] != tried], 40, 0.5, "another attempt")[0]
    assert found["master1"]["sessionState"] == "ESTABLISHED"
    for other in ("worker1", "worker-p002"):
        assert found[other]["sessionState"] in ("IDLE", "CONNECT", "ACTIVE", "OPENSENT")
        assert "192.168.0.5" in found[other]["lastError"]
    assert recorder.events(PREFIX, since) == [] and router.sessions()[SPEAKER].updates == updates
    status = quick_start.status("bgppeer", "bgp-peer")
    assert (status["established"], status["expected"]) == (1, 3)


def test_the_written_router_id_is_used_once(quick_start, router):
    assert router.sessions()[SPEAKER].router_id == "192.168.0.2"
    status = quick_start.status("bgpconf", "default")["nodesConfStatus"]
    assert {node: said["routerId"] for node, said in status.items()} == {
        "master1": "192.168.0.2", "worker1": "192.168.0.4", "worker-p002": "192.168.1.2"}
    assert quick_start.condition("bgpconf", "default", "RouterIdOnce")


def test_policy_local_leaves_the_nodes_with_pods(quick_start, router):
    quick_start.patch("service", "bgp-svc", {"spec": {"externalTrafficPolicy": "Local"}})
    router.wait_kernel(PREFIX, {"192.168.0.4"})
    quick_start.patch("service", "bgp-svc", {"spec": {"externalTrafficPolicy": "Cluster"}})
    router.wait_kernel(PREFIX, {"192.168.0.3", "192.168.0.4"})


# -- "Configure OpenELB in BGP Mode" --


@pytest.fixture(scope="module")
def configured(quick_start):
    """The page's BgpPeer in the quick start's place; master1 carries the rack that it selects."""
    quick_start.kubectl("delete", "bgppeer", "bgp-peer", "--timeout=10s")
    quick_start.kubectl("label", "node", "master1", "openelb.kubesphere.io/rack=leaf1")
    quick_start.kubectl("apply", "-f", FIELDS)
    return quick_start


def edit(cluster, **spec):
    cluster.patch("bgppeer", "bgppeer-sample", {"spec": spec})


def test_node_selector_chooses_the_speaker(configured, router):
    router.wait_kernel(PREFIX, {"192.168.0.3", "192.168.0.4"}, 15)
    wait_until(lambda: set(sessions(configured, "bgppeer-sample")) == {"master1"})
    status = configured.status("bgppeer", "bgppeer-sample")
    assert (status["established"], status["expected"]) == (1, 1)


def test_a_bgpconf_of_another_name_is_ignored(configured):
    assert "nodesConfStatus" not in configured.status("bgpconf", "ignored") or not configured.status(
        "bgpconf", "ignored")["nodesConfStatus"]
    assert set(configured.status("bgpconf", "default")["nodesConfStatus"]["master1"]) == {"as", "routerId"}


def test_hold_time_is_what_the_session_negotiates(configured, router):
    edit(configured, timers={"config": {"holdTime": "6", "keepaliveInterval": "2"}})
    wait_until(lambda: router.sessions()[SPEAKER].established and router.sessions()[SPEAKER].hold_s == 6, 15)
    wait_until(lambda: configured.status("bgppeer", "bgppeer-sample")["nodesPeerStatus"]["master1"]["timersState"][
        "negotiatedHoldTime"] == "6")


def test_send_max_bounds_the_paths(configured, router):
    def families(send_max):
        return [{"config": {"family": {"afi": "AFI_IP", "safi": "SAFI_UNICAST"}, "enabled": True},
                 "addPaths": {"config": {"sendMax": send_max}}}]
    edit(configured, afiSafis=families(1))
    wait_until(lambda: router.path_count(PREFIX) == 1, 15)
    edit(configured, afiSafis=families(10))
    wait_until(lambda: router.path_count(PREFIX) == 2, 15)


def test_password_guards_the_session(configured, router):
    edit(configured, conf={"authPassword": "between-us"})
    wait_until(lambda: not router.established(SPEAKER), 15)
    router.set_neighbor(neighbor(password="between-us"))
    wait_until(lambda: router.established(SPEAKER), 20)
    edit(configured, conf={"authPassword": None})
    router.set_neighbor(neighbor())
    wait_until(lambda: router.established(SPEAKER), 20)


def password_secret(cluster, **data):
    cluster.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "bgp-password", "namespace": NAMESPACE},
                   "stringData": data})


def condition(cluster, kind):
    """What a condition of the BgpPeer says; empty: it is not there."""
    conditions = cluster.status("bgppeer", "bgppeer-sample").get("conditions", [])
    return next((entry["message"] for entry in conditions if entry["type"] == kind), "")


def test_password_of_a_secret_guards_the_session(configured, router):
    """Whose Secret is missing, or lost its key, webhooks would refuse: here nobody asks them."""
    with without_webhooks(configured):
        edit(configured, conf={"authPasswordSecretRef": {"name": "bgp-password"}})
        wait_until(lambda: f'there is no Secret "bgp-password" in the namespace "{NAMESPACE}"'
                   in condition(configured, "HeldDown"))
        assert not router.established(SPEAKER), "without the password that is asked for"
        password_secret(configured, token="between-us")
        wait_until(lambda: 'has no key "password"; it has "token"' in condition(configured, "HeldDown"))
        password_secret(configured, password="between-us\n")
    router.set_neighbor(neighbor(password="between-us"))
    wait_until(lambda: router.established(SPEAKER), 20)
    wait_until(lambda: not condition(configured, "HeldDown"))

    password_secret(configured, password="also-between-us")
    router.set_neighbor(neighbor(password="also-between-us"))
    wait_until(lambda: router.established(SPEAKER), 20)

    configured.kubectl("delete", "secret", "-n", NAMESPACE, "bgp-password")
    wait_until(lambda: not router.established(SPEAKER), 15)
    router.set_neighbor(neighbor())
    wait_until(lambda: "there is no Secret" in condition(configured, "HeldDown"))
    edit(configured, conf={"authPasswordSecretRef": None})
    wait_until(lambda: router.established(SPEAKER), 20)
    for pod in (*configured.controllers(), configured.speaker("master1")):
        assert "between-us" not in configured.logs(pod)


def test_passive_speaker_is_dialled_on_the_port_of_the_bgpconf(configured, router):
    edit(configured, transport={"passiveMode": True})
    configured.patch("bgpconf", "default", {"spec": {"listenPort": 17901}})
    router.set_neighbor(neighbor(port=17901))
    wait_until(lambda: router.established(SPEAKER), 20)
    assert ":17901" in configured["master1"].exec("ss", "-Htn", "state", "established", "src", SPEAKER)


def test_export_policy_is_read_from_its_configmap(configured, router):
    def communities():
        return {community for path in router.paths(PREFIX) for community in path.communities}
    configured.kubectl("apply", "-f", SAMPLES / "export-policy" / "policy.yaml")
    configured.patch("bgpconf", "default", {"spec": {"policy": "export-policy"}})
    wait_until(lambda: communities() == {"50000:100"}, 15)
    text = configured.kubectl("get", "configmap", "export-policy", "-n", "openelb-system", "-o",
                              "jsonpath={.data.gobgp\\.conf}")
    changed = {"data": {"gobgp.conf": text.replace("50000:100", "50000:200")}}
    configured.kubectl("patch", "configmap", "export-policy", "-n", "openelb-system", "--type=merge", "-p",
                       json.dumps(changed))
    wait_until(lambda: communities() == {"50000:200"}, 15)
    configured.patch("bgpconf", "default", {"spec": {"policy": None}})
    configured.kubectl("delete", "configmap", "export-policy", "-n", "openelb-system")
    wait_until(lambda: communities() == set(), 15)


def test_as_of_the_bgpconf_is_what_the_router_sees(configured, router):
    configured.patch("bgpconf", "default", {"spec": {"as": 4200000000}})
    router.remove_neighbor(SPEAKER)
    router.set_neighbor(Neighbor(SPEAKER, 4200000000, port=17901, passive=False))
    wait_until(lambda: router.established(SPEAKER), 20)
    wait_until(lambda: configured.status("bgpconf", "default")["nodesConfStatus"]["master1"]["as"] == 4200000000)


def test_deleted_objects_are_gone_and_so_is_the_route(configured, router):
    configured.kubectl("delete", "svc/bgp-svc", "bgppeer/bgppeer-sample", "bgpconf/default", "bgpconf/ignored",
                       "eip/bgp-eip", "--timeout=15s")
    wait_until(lambda: not router.next_hops(PREFIX) and not router.established(SPEAKER))


def test_nothing_was_denied(cluster):
    assert cluster.denied() == []
