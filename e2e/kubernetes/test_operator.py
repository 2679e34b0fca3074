"""Where speakers run and how, by `kubectl edit ds openelb-speaker` and by an OpenELB object: the page "Configure Multiple
Replicas" in BGP mode by each of its ways, then the same by the object, which does not fight the editor; and rolls.

Two racks with two nodes each. Leaves expect every node: a session that is not there is one that no speaker asked for."""

import json
import time

import pytest
from lab.api import Api
from lab.fabric import NODE_AS
from lab.installed import NAMESPACE, SAMPLES, SPEAKER, backends
from lab.net import wait_until
from lab.router import Neighbor
from lab.workloads import deployment
from watch import traffic

ROUTER = "frr"
RACKS = {"leaf1": {"master1": "192.168.0.3", "worker1": "192.168.0.4"},
         "leaf2": {"worker-p002": "192.168.1.2", "worker3": "192.168.1.3"}}
NODES = {node for nodes in RACKS.values() for node in nodes}
HOPS = {leaf: set(nodes.values()) for leaf, nodes in RACKS.items()}
PLACED = "openelb-speaker"  # the label and the taint of the page
CHOSEN = {"master1", "worker-p002"}
AFFINITY = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
    {"matchExpressions": [{"key": PLACED, "operator": "In", "values": ["true"]}]}]}}}
TOLERATION = {"key": PLACED, "operator": "Equal", "value": "true", "effect": "NoSchedule"}


@pytest.fixture(scope="module")
def lab(cluster):
    cluster.add_node("worker3", "192.168.1.3", "10.233.68.0/24")
    cluster.wait_nodes("worker3")
    for leaf, nodes in RACKS.items():
        cluster.kubectl("label", "nodes", *nodes, f"openelb.kubesphere.io/rack={leaf}")
        for address in nodes.values():
            cluster.routers[leaf].set_neighbor(Neighbor(address, NODE_AS))
    for name in ("bgp-conf", "bgp-peers", "eip", "service"):
        cluster.kubectl("apply", "-f", SAMPLES / "multi-router" / f"{name}.yaml")
    cluster.apply(backends("bgp-openelb", drain=4, grace=7))
    cluster.wait_rollout("deployment/bgp-openelb")
    cluster.kubectl("label", "nodes", *CHOSEN, f"{PLACED}=true")
    wait_sessions(cluster, NODES)
    cluster.wait_next_hops(HOPS)
    return cluster


def wait_sessions(lab, nodes):
    """Until exactly the speakers on these nodes have their session, and exactly these run."""
    def sessions():
        return {node for leaf, addresses in RACKS.items() for node, address in addresses.items()
                if lab.routers[leaf].established(address)}
    wait_until(lambda: sessions() == nodes == lab.speaker_nodes(), 60, 0.2, f"sessions from {sorted(nodes)} alone")


def speakers(lab):
    """{node: uid of its speaker's Pod}"""
    return {pod["spec"].get("nodeName"): pod["metadata"]["uid"]
            for pod in lab.get("pods", None, NAMESPACE, "component=speaker")
            if "deletionTimestamp" not in pod["metadata"]}


def daemon_set(lab):
    return lab.get("daemonset", SPEAKER, NAMESPACE)


def pod_spec(lab):
    return daemon_set(lab)["spec"]["template"]["spec"]


def told(lab, kind, name="default"):
    """(status, reason, message) of a condition of an OpenELB object; nothing while it says nothing."""
    found = (lab.get("openelbs", name).get("status") or {}).get("conditions") or []
    return next(((c["status"], c["reason"], c["message"]) for c in found if c["type"] == kind), ("", "", ""))


def wait_told(lab, kind, status, reason, timeout=30):
    return wait_until(lambda: told(lab, kind)[:2] == (status, reason) and told(lab, kind), timeout, 0.2,
                      f"{kind} {status} {reason}")


def ask(lab, **speaker):
    """Changes the OpenELB object; None takes a field out."""
    lab.patch("openelbs", "default", {"spec": {"speaker": speaker}})


def hand_over(lab):
    """As config/README.md says it. Returns the controller's DaemonSet."""
    lab.kubectl("-n", NAMESPACE, "delete", "daemonset", SPEAKER, "--cascade=orphan")
    return wait_until(lambda: json.loads(lab.kubectl("-n", NAMESPACE, "get", "ds", "-o", "json"))["items"], 20)[0]


def by_hand(lab, way, on):
    """`kubectl edit ds openelb-speaker`"""
    if way == "nodeSelector":
        lab.set_speaker_nodes(**{PLACED: "true" if on else None})
    elif way == "affinity":
        lab.set_speaker_affinity(PLACED if on else None)
    else:
        lab.set_speaker_toleration(PLACED, on)


def by_object(lab, way, on):
    value = {"nodeSelector": {PLACED: "true"}, "affinity": AFFINITY, "tolerations": [TOLERATION]}[way]
    ask(lab, **{way: value if on else None})


def check_choice(lab, place, way):
    """Only chosen nodes have sessions, and lead to all nodes of their rack."""
    place(lab, way, True)
    wait_sessions(lab, CHOSEN)
    lab.wait_next_hops(HOPS)
    place(lab, way, False)
    wait_sessions(lab, NODES)


def check_taint(lab, place):
    """A node that is set apart for its speaker keeps it, and other Pods stay away."""
    before = speakers(lab)
    place(lab, "tolerations", True)
    wait_until(lambda: not set(before.values()) & set(speakers(lab).values()), 60, 0.2, "every speaker's Pod anew")
    wait_sessions(lab, NODES)
    try:
        lab.kubectl("taint", "nodes", *CHOSEN, f"{PLACED}=true:NoSchedule")
        before = speakers(lab)
        lab.apply(deployment("others", 6))
        lab.wait_rollout("deployment/others")
        assert {pod["spec"]["nodeName"] for pod in lab.get("pods", None, selector="app=others")} == NODES - CHOSEN
        # One that starts anew is let in.
        lab.kubectl("-n", NAMESPACE, "delete", "pod", lab.speaker("master1")["metadata"]["name"])
        wait_until(lambda: set(speakers(lab)) == NODES, 30, what="the speaker on the tainted node")
        wait_sessions(lab, NODES)
        assert {node: uid for node, uid in speakers(lab).items() if node != "master1"} == {
            node: uid for node, uid in before.items() if node != "master1"}
        place(lab, "tolerations", False)
        wait_sessions(lab, NODES - CHOSEN)
    finally:
        lab.kubectl("taint", "nodes", *CHOSEN, f"{PLACED}-")
        lab.kubectl("delete", "deployment", "others", "--ignore-not-found")
    wait_sessions(lab, NODES)


# -- by hand --


@pytest.mark.parametrize("way", ["nodeSelector", "affinity"])
def test_edited_by_hand_speakers_run_on_chosen_nodes(lab, way):
    check_choice(lab, by_hand, way)


def test_edited_by_hand_a_taint_keeps_others_away(lab):
    check_taint(lab, by_hand)


# -- by an object --


def test_others_daemon_set_keeps_what_its_owner_set(lab):
    """The one of config/default is kubectl's: what the object wants otherwise is shown, what nobody set is applied."""
    before, running = pod_spec(lab), speakers(lab)
    lab.apply({"apiVersion": "network.kubesphere.io/v1alpha2", "kind": "OpenELB", "metadata": {"name": "default"},
               "spec": {"speaker": {"nodeSelector": {PLACED: "true"}}}})
    said = wait_told(lab, "Drifted", "True", "SetByOthers")[2]
    assert "spec.template.spec.nodeSelector was set by \"kubectl" in said
    assert pod_spec(lab) == before and speakers(lab) == running
    ask(lab, nodeSelector=None)
    wait_told(lab, "Applied", "True", "Applied")
    assert told(lab, "Drifted")[0] == "False" and pod_spec(lab) == before and speakers(lab) == running


def test_the_controller_takes_over_and_disturbs_nobody(lab):
    """The DaemonSet goes, its Pods stay, and the controller's own takes them over."""
    before, running = pod_spec(lab), speakers(lab)
    with traffic(lab, NODES) as client:
        made = hand_over(lab)
        wait_told(lab, "Progressing", "False", "RolledOut")
        wait_told(lab, "Available", "True", "SpeakersReady")
        client.settle()
        assert not client.count().lost
    assert made["spec"]["template"]["spec"] == before and made["spec"]["updateStrategy"]["type"] == "OnDelete"
    assert speakers(lab) == running
    header, row = (line.split() for line in lab.kubectl("get", "openelbs").splitlines())
    assert dict(zip(header, row)) | {"AGE": ""} == {
        "NAME": "default", "DESIRED": "4", "READY": "4", "UPDATED": "4", "AVAILABLE": "True", "DRIFTED": "False", "AGE": ""}


@pytest.mark.parametrize("way", ["nodeSelector", "affinity"])
def test_by_the_object_speakers_run_on_chosen_nodes(lab, way):
    before = pod_spec(lab)
    check_choice(lab, by_object, way)
    assert pod_spec(lab) == before  # what the object no longer says is as config/default has it


def test_by_the_object_a_taint_keeps_others_away(lab):
    check_taint(lab, by_object)


@pytest.mark.parametrize("mode", ["layer2", "vip"])
def test_by_the_object_only_chosen_nodes_carry_an_address_of_their_network(lab, mode):
    """Which of the two nodes on leaf1's network answers is the placement's to say."""
    pool, address = f"{mode}-pool", "192.168.0.91"
    lab.apply({"apiVersion": "network.kubesphere.io/v1alpha2", "kind": "Eip", "metadata": {"name": pool},
               "spec": {"address": address, "interface": "eth0", "protocol": mode}},
              {"apiVersion": "v1", "kind": "Service", "metadata": {"name": mode, "annotations": {
                  "lb.kubesphere.io/v1alpha1": "openelb", "eip.openelb.kubesphere.io/v1alpha2": pool}},
               "spec": {"type": "LoadBalancer", "selector": {"app": "bgp-openelb"},
                        "ports": [{"port": 80, "targetPort": "http"}]}})

    def answers():
        owners = lab.status("eip", pool).get("owners") or [{}]
        return owners[0].get("actual")
    try:
        for node in ("master1", "worker1"):
            lab.kubectl("label", "nodes", "--all", f"{PLACED}-")
            lab.kubectl("label", "nodes", node, "worker-p002", f"{PLACED}=true")
            ask(lab, nodeSelector={PLACED: "true"})
            wait_until(lambda: set(speakers(lab)) == {node, "worker-p002"}, 60, 0.2, "speakers on the chosen nodes")
            wait_until(lambda: answers() == [node], 30, 0.2, f"{node} answers for {address}")
            assert lab["leaf1"].exec("curl", "-sf", "--max-time", "5", f"http://{address}/")
    finally:
        lab.kubectl("delete", "service", mode)
        lab.kubectl("delete", "eip", pool)
        ask(lab, nodeSelector=None)
        lab.kubectl("label", "nodes", "--all", f"{PLACED}-")
        lab.kubectl("label", "nodes", *CHOSEN, f"{PLACED}=true")
    wait_sessions(lab, NODES)
    wait_told(lab, "Progressing", "False", "RolledOut")


def test_kubectl_edit_wins_and_is_shown(lab):
    ask(lab, logLevel="debug")
    wait_until(lambda: "--log-level=debug" in pod_spec(lab)["containers"][0]["args"], 10)
    lab.set_speaker_flag("log-level", "warning")
    said = wait_told(lab, "Drifted", "True", "SetByOthers")[2]
    assert f'spec.template.spec.containers[name="{SPEAKER}"].args was set by "kubectl' in said
    wait_until(lambda: "SetByOthers" in lab.kubectl("get", "events", "--field-selector=involvedObject.kind=OpenELB"), 10)
    ask(lab, resources={"requests": {"cpu": "21m"}})  # the rest is applied all the same
    wait_until(lambda: pod_spec(lab)["containers"][0]["resources"] == {"requests": {"cpu": "21m"}}, 10)
    generation = daemon_set(lab)["metadata"]["generation"]
    time.sleep(3)
    assert daemon_set(lab)["metadata"]["generation"] == generation
    assert "--log-level=warning" in pod_spec(lab)["containers"][0]["args"]
    lab.set_speaker_flag("log-level", "debug")  # both mean the same again
    wait_told(lab, "Drifted", "False", "InSync")
    # What was edited stays its editor's, until the DaemonSet is handed over.
    ask(lab, logLevel="info")
    wait_told(lab, "Drifted", "True", "SetByOthers")
    hand_over(lab)
    wait_told(lab, "Drifted", "False", "InSync")
    wait_until(lambda: "--log-level=info" in pod_spec(lab)["containers"][0]["args"], 10)
    wait_told(lab, "Progressing", "False", "RolledOut", 60)


# -- rolls --


def roll(lab, running, timeout=90):
    """Until every speaker's Pod is another one and all is well; meanwhile each rack has a Pod that is Ready. The nodes in the
    order of their new Pods' readiness."""
    api, order, path = Api(lab.control_plane), [], f"/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=component%3Dspeaker"
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        ready = set()
        for pod in api.ask("GET", path)["items"]:
            node, good = pod["spec"].get("nodeName"), any(
                c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions") or [])
            if good and "deletionTimestamp" not in pod["metadata"]:
                ready.add(node)
                if pod["metadata"]["uid"] != running[node] and node not in order:
                    order.append(node)
        assert all(ready & set(nodes) for nodes in RACKS.values()), ready
        if len(order) == len(NODES):
            break
        time.sleep(0.02)
    wait_told(lab, "Progressing", "False", "RolledOut")
    assert set(order) == NODES
    return order


def test_a_roll_under_load_loses_nothing(lab):
    running = speakers(lab)
    with traffic(lab, NODES) as client:
        ask(lab, logLevel="error")
        order = roll(lab, running)
        lab.wait_next_hops(HOPS)
        client.settle()
        assert not client.count().lost
    assert order[:2] in (["master1", "worker1"], ["worker-p002", "worker3"])  # one rack after the other
    assert len(lab.events("OpenELB", "default", "RolledOut")) >= 1


def test_a_new_leader_goes_on_with_a_roll(lab):
    running, leader = speakers(lab), lab.leader()["metadata"]["name"]
    with traffic(lab, NODES) as client:
        ask(lab, logLevel="debug")
        wait_until(lambda: speakers(lab) != running, 20, what="the first speaker that is replaced")
        lab.kubectl("-n", NAMESPACE, "delete", "pod", leader, "--grace-period=0", "--force")
        roll(lab, running)
        client.settle()
        assert not client.count().lost
    lab.wait_rollout("deployment/openelb-controller", NAMESPACE)


def test_a_broken_image_costs_one_speaker_and_no_request(lab):
    running = speakers(lab)
    with traffic(lab, NODES) as client:
        ask(lab, image="openelb/no-such-image:v9", updateStrategy={"rackAware": {"maxRacks": 4}})
        said = wait_told(lab, "Degraded", "True", "SpeakerCannotRun", 40)[2]
        assert "ErrImagePull: this node's table has no image openelb/no-such-image:v9" in said
        hit = said.removeprefix("node ").partition(":")[0]
        time.sleep(5)
        assert {node for node, uid in speakers(lab).items() if running[node] != uid} == {hit}
        assert told(lab, "Progressing")[:2] == ("False", "Stopped")
        assert told(lab, "Available")[:2] == ("True", "SpeakersReady")
        ask(lab, image=None, updateStrategy=None)
        wait_told(lab, "Degraded", "False", "SpeakersRun", 60)
        wait_told(lab, "Progressing", "False", "RolledOut", 60)
        client.settle()
        assert not client.count().lost
    assert {node for node, uid in speakers(lab).items() if running[node] != uid} == {hit}


def test_a_placement_without_a_node_changes_nothing(lab):
    running, before = speakers(lab), pod_spec(lab)
    ask(lab, nodeSelector={"no-node": "has-this"})
    wait_told(lab, "Applied", "False", "PlacementMatchesNoNode")
    time.sleep(2)
    assert (speakers(lab), pod_spec(lab)) == (running, before)
    assert told(lab, "Available")[0] == "True"
    ask(lab, nodeSelector=None)
    wait_told(lab, "Applied", "True", "Applied")
    assert (speakers(lab), pod_spec(lab)) == (running, before)


def test_what_the_api_server_does_not_take_is_said(lab):
    """Limits below requests: no schema sees that, the DaemonSet's own checks do."""
    running, before = speakers(lab), pod_spec(lab)
    ask(lab, resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1"}})
    assert "must be less than or equal to cpu limit" in wait_told(lab, "Applied", "False", "Refused")[2]
    assert (speakers(lab), pod_spec(lab)) == (running, before)
    ask(lab, resources={"requests": {"cpu": "21m"}, "limits": None})
    wait_told(lab, "Applied", "True", "Applied")


def test_another_object_has_no_effect_and_says_so(lab):
    before = pod_spec(lab)
    lab.apply({"apiVersion": "network.kubesphere.io/v1alpha2", "kind": "OpenELB", "metadata": {"name": "another"},
               "spec": {"speaker": {"logLevel": "error"}}})
    wait_until(lambda: told(lab, "Applied", "another")[:2] == ("False", "NotInEffect"), 10)
    assert pod_spec(lab) == before
    lab.kubectl("delete", "openelbs", "another")


def test_without_the_object_speakers_go_on(lab):
    running, before = speakers(lab), pod_spec(lab)
    with traffic(lab, NODES) as client:
        lab.kubectl("delete", "openelbs", "default")
        time.sleep(3)
        assert (speakers(lab), pod_spec(lab)) == (running, before)
        client.settle()
        assert not client.count().lost
