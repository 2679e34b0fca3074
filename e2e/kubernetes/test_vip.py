"""VIP quick start, and which nodes may carry its traffic. The client is leaf1, a host on the nodes' own network that keeps
its neighbour cache throughout."""

import json
import re

import pytest
from lab import vrrp
from lab.installed import SAMPLES, backends
from lab.lan import OUTAGE_S
from lab.net import wait_until
from lab.traffic import counted
from lab.workloads import service

QUICK_START = SAMPLES / "vip-quick-start"
ADDRESS = "192.168.0.91"
ON_LINK = ("master1", "worker1")
PLACED = "openelb-speaker"  # the label of the page "Configure Multiple Replicas"


@pytest.fixture(scope="module")
def vip(cluster):
    """As the page types it."""
    cluster.kubectl("apply", *(word for name in ("vip-openelb", "vip-eip", "vip-svc")
                               for word in ("-f", QUICK_START / f"{name}.yaml")))
    cluster.wait_rollout("deployment/vip-openelb")
    return cluster


@pytest.fixture
def lab(vip):
    vip.wait_installed()
    wait_until(lambda: vip.ips("vip-svc") == [ADDRESS], 10, what="the first address of the pool")
    holder(vip)
    return vip


def holders(lab):
    """The nodes that have the address on their NIC."""
    return {node for node in lab.nodes if f" {ADDRESS}/" in lab[node].exec("ip", "-o", "addr", "show", "dev", "eth0")}


def holder(lab, other_than=None):
    """The one node that holds the address, once there is one."""
    def one():
        found = holders(lab)
        return len(found) == 1 and found != {other_than} and found.pop()
    return wait_until(one, 20, what=f"one node with {ADDRESS}")


def shown(lab):
    """The entry of the address in the Eip's status."""
    owners = json.loads(lab.kubectl("get", "eip", "vip-eip", "-o", "json"))["status"].get("owners", [])
    return next(entry for entry in owners if entry["address"] == ADDRESS)


def mac(lab, node):
    return re.search(r"ether (\S+)", lab[node].exec("ip", "link", "show", "eth0"))[1]


def pods(lab):
    """Pod to node."""
    return {pod["metadata"]["name"]: pod["spec"]["nodeName"]
            for pod in lab.get("pods", None, selector="app=vip-openelb") if "deletionTimestamp" not in pod["metadata"]}


def ping(lab):
    return "1 received" in lab["leaf1"].exec("ping", "-c", "1", "-W", "1", ADDRESS, check=False)


def test_quick_start(lab):
    """As documented: the pool's first address, an answer to ping by one node's MAC, an answer from both Pods."""
    assert lab.kubectl("get", "svc", "vip-svc", "-o", "jsonpath={.status.loadBalancer.ingress[*].ip}") == ADDRESS
    assert ADDRESS in lab.kubectl("get", "svc", "vip-svc")
    node = holder(lab)
    assert node in ON_LINK
    assert ping(lab)
    assert mac(lab, node) in lab["leaf1"].exec("ip", "neigh", "show", ADDRESS)
    answered = {re.search(r'"pod": "([^"]+)"', lab["leaf1"].exec("curl", "-sf", f"http://{ADDRESS}/"))[1]
                for _ in range(20)}
    assert len(answered) == 2 and answered == pods(lab).keys()

    def settled():
        status = lab.status("eip", "vip-eip")
        return (status.get("used") == {ADDRESS: "default/vip-svc"}
                and [c["type"] for c in status["conditions"] if c["status"] == "True"] == ["Ready"])
    wait_until(settled, 5, what="used, and nothing to complain of")


def test_owner_is_shown(lab):
    """Planned, actual and since when, on the Eip and as an Event of the Service, by get and by describe."""
    node = holder(lab)
    entry = wait_until(lambda: shown(lab).get("actual") == [node] and shown(lab), 10, what="the owner on the Eip")
    assert entry["planned"] in ON_LINK
    said = lab.kubectl("describe", "eip", "vip-eip")
    told = re.search(r"Owners:\s+Actual:\s+(\S+)\s+Address:\s+(\S+)\s+Planned:\s+(\S+)\s+Since:\s+(\S+)", said)
    assert told and told.groups() == (node, ADDRESS, entry["planned"], entry["since"]), said
    assert lab.status("eip", "vip-eip")["ownersTotal"] == 1
    text = f"{ADDRESS} is answered for by node {node} (planned: {entry['planned']})"
    wait_until(lambda: re.search(rf"Normal\s+OwnerChanged.*{re.escape(text)}",
                                 lab.kubectl("describe", "svc", "vip-svc")), 10, what="an Event of the Service")
    assert text in lab.kubectl("get", "events", "--field-selector=involvedObject.name=vip-svc,reason=OwnerChanged")


def test_policy_local_is_held_where_a_pod_is(lab):
    lab.apply(backends("vip-openelb"))
    lab.wait_rollout("deployment/vip-openelb")
    lab.patch("service", "vip-svc", {"spec": {"externalTrafficPolicy": "Local"}})
    wait_until(lambda: holders(lab) == {"worker1"}, 10, what="the one node on the network with a Pod")
    lab.patch("service", "vip-svc", {"spec": {"externalTrafficPolicy": "Cluster"}})


def test_speakers_placed_by_affinity(lab, record_property):
    """The page "Configure Multiple Replicas", by node affinity: only nodes with the label carry traffic, and one that loses
    it hands over."""
    node = holder(lab)
    other = next(name for name in ON_LINK if name != node)
    lab.kubectl("label", "nodes", other, "worker-p002", f"{PLACED}=true")
    lab.set_speaker_affinity(PLACED)
    wait_until(lambda: lab.speaker_nodes() == {other, "worker-p002"}, 30, what="speakers on the chosen nodes")
    lab.wait_installed()
    assert holder(lab) == other
    try:
        with counted(record_property, "vip: the node's label removed", lab["leaf1"], ADDRESS, {other}, OUTAGE_S) as client:
            lab.kubectl("label", "nodes", node, f"{PLACED}=true")
            lab.wait_installed()
            client.wait_flow({other})  # nothing is taken back
            lab.kubectl("label", "nodes", other, f"{PLACED}-")
            assert holder(lab, other_than=other) == node
            client.wait_flow({node})
            assert lab.speaker_nodes() == {node, "worker-p002"}
    finally:
        lab.set_speaker_affinity(None)
        lab.kubectl("label", "nodes", "--all", f"{PLACED}-")


# The page "VIP Mode" of the concepts: addresses that the same nodes hold on the same NIC share a VRRP instance, and no
# others do. Service: (NIC, app on whose Pods' nodes it is by policy Local, None: policy Cluster; the nodes that take part).
# The eth0 of worker-p002 is on another network than the others'.
PAIR, ALL = {"master1", "worker1"}, {"master1", "worker1", "worker-p002"}
INSTANCES = {
    "vip-svc": ("eth0", None, PAIR), "second": ("eth0", None, PAIR), "third": ("eth0", None, PAIR),
    "same-nodes": ("eth0", "pair", PAIR),
    "other-nodes": ("eth0", "vip-openelb", {"worker1"}),
    "other-nic": ("mgmt", "pair", PAIR),
    "both-other": ("mgmt", None, ALL)}
POOLS = {"eth0": "vip-eip", "mgmt": "mgmt-eip"}


@pytest.fixture
def instances(lab):
    """The Services of INSTANCES: {name: address}."""
    added = [name for name in INSTANCES if name != "vip-svc"]
    lab.apply(backends("vip-openelb"), backends("pair", sorted(PAIR)), {
        "apiVersion": "network.kubesphere.io/v1alpha2", "kind": "Eip", "metadata": {"name": "mgmt-eip"},
        "spec": {"address": "10.250.0.200-10.250.0.209", "protocol": "vip", "interface": "mgmt"}})
    for app in ("vip-openelb", "pair"):
        lab.wait_rollout(f"deployment/{app}")
    for name in added:
        nic, app, _ = INSTANCES[name]
        lab.apply(service(name, app or "vip-openelb", "Local" if app else "Cluster", {
            "lb.kubesphere.io/v1alpha1": "openelb", "eip.openelb.kubesphere.io/v1alpha2": POOLS[nic]}))
    try:
        yield {name: wait_until(lambda name=name: lab.ips(name), 10, what=f"{name}: an address")[0] for name in INSTANCES}
    finally:
        lab.kubectl("delete", "service", *added, "--timeout=10s")
        lab.kubectl("delete", "eip", "mgmt-eip", "--timeout=10s")
        lab.kubectl("delete", "deployment", "pair", "--timeout=20s")


def routers(lab):
    """{(NIC, VRID): the nodes that take part}, by the speakers' metrics."""
    found = {}
    for node in lab.nodes:
        for nic, vrid in re.findall(r'^openelb_speaker_vrrp_router_state{.*router="(\w+)/4/(\d+)"',
                                    lab.metrics(lab.speaker(node)), re.MULTILINE):
            found.setdefault((nic, int(vrid)), set()).add(node)
    return found


def test_instances(lab, instances):
    """As documented, but that nodes which share addresses have as many routers for them as they are nodes: each leads one.
    Seen in what the routers advertise, on each network."""
    leaders = {node.address: name for name, node in lab.nodes.items()}
    leaders |= {node.management: name for name, node in lab.nodes.items()}

    def led():
        """{Service: (NIC, VRID, who leads)}, once every address is advertised, and of those that share a pair of nodes by
        each of them: a router that starts first leads until the one of higher priority is there."""
        wire = {"eth0": vrrp.heard(lab["leaf1"], "br0"), "mgmt": vrrp.heard(lab.management.bridge, "br0")}
        seen = {name: (nic, *wire[nic][instances[name]]) for name, (nic, _, _) in INSTANCES.items()}
        taking_part = routers(lab)
        led_by = {name: (nic, vrid, leaders[source]) for name, (nic, vrid, source) in seen.items()}
        if all(taking_part.get(entry[:2]) == INSTANCES[name][2] for name, entry in seen.items()) \
                and {leader for _, _, leader in shared_of(led_by)} == PAIR:
            return led_by
        raise ValueError(f"{seen}, {taking_part}")

    def shared_of(led_by):
        return {led_by[name] for name, (nic, _, nodes) in INSTANCES.items() if (nic, nodes) == ("eth0", PAIR)}
    found = wait_until(led, 20, 0.2, what="every address in a router of its nodes")
    shared = shared_of(found)
    assert len(shared) == 2, found
    others = [found[name] for name in ("other-nodes", "other-nic", "both-other")]
    vrids = [vrid for _, vrid, _ in [*shared, *others]]
    assert len(set(vrids)) == len(vrids), found  # one id is never two routers', whatever the NIC
    assert lab.control_plane.host.exec("curl", "-sf", "--max-time", "2", f"http://{instances['both-other']}/")


def test_mode_turned_off_and_on(lab):
    """By the flag of the quick start, in the DaemonSet: the address is on no NIC meanwhile, and the Eip says why."""
    lab.set_speaker_flag("enable-keepalived-vip", "false")
    said = wait_until(lambda: lab.condition("eip", "vip-eip", "ModeDisabled"), 60, what="a condition")
    assert "--enable-keepalived-vip is false" in said["message"]
    assert holders(lab) == set() and not ping(lab) and lab.ips("vip-svc") == [ADDRESS]
    lab.set_speaker_flag("enable-keepalived-vip", "true")
    wait_until(lambda: holder(lab) in ON_LINK and ping(lab), 60, what="a node with the address")
    lab.wait_installed()
    wait_until(lambda: lab.condition("eip", "vip-eip", "ModeDisabled") is None, 10, what="no condition")


def test_deleted(lab):
    """The address is off the NIC, nobody answers, and the Eip says so."""
    lab.kubectl("delete", "service", "vip-svc", "--timeout=10s")
    wait_until(lambda: holders(lab) == set(), 10, what="the address off every NIC")
    assert not ping(lab)
    wait_until(lambda: "owners" not in lab.status("eip", "vip-eip"), 10, what="no owner on the Eip")
    lab.kubectl("delete", "eip", "vip-eip", "--timeout=10s")
