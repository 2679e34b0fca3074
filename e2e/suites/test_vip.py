"""VIP quick start, and what moves an address of that mode, on one LAN. The client asks every 5 ms and keeps its neighbour
cache throughout; each test tells how many requests were lost."""

import contextlib
import re
import time
from datetime import datetime

import pytest
from lab import dual_stack, programs
from lab.dual_stack import v6_of
from lab.lan import NODES, PODS, SPEAKERS, Lan, endpoint_slice, mac
from lab.net import run, wait_until

ADDRESS = "192.168.0.91"
ADDRESS6 = "fd00:192:168::91"


@pytest.fixture(scope="module")
def shared_lab():
    with Lan.running("vip-quick-start", "vip-svc", ADDRESS) as lab:
        yield lab


@pytest.fixture
def lab(shared_lab):
    """All programs run, and one node holds the address."""
    yield shared_lab
    shared_lab.revive()
    active(shared_lab)


def holders(lab, address=ADDRESS):
    """The nodes that have the address on their NIC."""
    return {node for node in SPEAKERS
            if f" {address}/" in run("ip", "-n", lab[node].netns, "-o", "addr", "show", "dev", "eth0")}


def active(lab, address=ADDRESS, other_than=None):
    """The one node that holds the address, once there is one."""
    def one():
        found = holders(lab, address) - {other_than}
        return len(found) == 1 and found.pop()
    return wait_until(one, 10, what=f"one node with {address}")


def traffic(lab, capsys, what, address=ADDRESS):
    return lab.traffic(capsys, what, address, active(lab, address))


def test_quick_start(lab, capsys):
    """As documented: one node's MAC, an answer to ping, an answer from both Pods."""
    holder = active(lab)
    lab["client"].exec("ping", "-c", "1", "-W", "1", ADDRESS)
    assert mac(lab[holder]) in lab["client"].exec("ip", "neigh", "show", ADDRESS)
    with traffic(lab, capsys, "nothing") as client:
        time.sleep(0.5)
    assert client.count().lost == []
    pods = {re.search(r'"pod": "([^"]+)"', lab["client"].exec("curl", "-sf", f"http://{ADDRESS}/"))[1]
            for _ in range(20)}
    assert pods == {"vip-svc-0", "vip-svc-1"}


def test_offline_plan(lab):
    """It names the nodes in the order in which they take over."""
    text = run(programs.BIN / "openelb-controller", "plan", "--manifests", lab.cluster.manifests,
               "--status-dir", lab.cluster.status_dir)
    order = re.search(rf"^{re.escape(ADDRESS)} +vip-eip +{router_id(lab)} +(.*)$", text, re.MULTILINE)[1].split()
    assert sorted(order) == sorted(SPEAKERS) and order[0] == shown(lab, active(lab))["planned"]


def shown(lab, node):
    """What the Eip's status says of the address, once it says that this node has it."""
    def entry():
        found = next(e for e in lab.cluster.status("Eip", "vip-eip")["owners"] if e["address"] == ADDRESS)
        return found.get("actual") == [node] and found
    return wait_until(entry, what=f"{node} in the Eip's status")


def test_owner_in_the_status(lab):
    """Who is to have the address, who has it and since when; a controller that starts anew says the same."""
    before = active(lab)
    planned = shown(lab, before)["planned"]
    assert planned in SPEAKERS
    killed_at = int(time.time())
    lab.speakers[before].kill()
    after = active(lab, other_than=before)
    entry = shown(lab, after)
    assert entry["planned"] == planned  # that a speaker is silent changes no plan
    assert killed_at <= datetime.fromisoformat(entry["since"]).timestamp() <= time.time()
    state = "as_planned" if after == planned else "elsewhere"
    assert lab.controller.metric("openelb_layer2_addresses", state=state) == 1
    lab.start_speaker(before)
    lab.controller.kill()
    lab.start_controller()
    wait_until(lambda: lab.controller.metric("openelb_layer2_addresses", state=state) == 1, what="the owner, told anew")
    assert shown(lab, after) == entry


@pytest.mark.parametrize("controller", ["alive", "dead"])
def test_active_killed(lab, capsys, controller):
    """Its kernel keeps the address until its next speaker takes it off; nothing goes back to it."""
    if controller == "dead":
        lab.controller.kill()
    before = active(lab)
    with traffic(lab, capsys, f"speaker killed, controller {controller}") as client:
        lab.speakers[before].kill()
        after = active(lab, other_than=before)
        client.wait_flow({after})
        assert holders(lab) == {before, after}
        lab.start_speaker(before)
        wait_until(lambda: holders(lab) == {after}, what="the address off the node whose speaker was killed")
        client.wait_flow({after})


def test_link_unplugged(lab, capsys):
    before = active(lab)
    with traffic(lab, capsys, "cable pulled") as client:
        lab.unplug(before)
        after = active(lab, other_than=before)
        assert holders(lab) == {after}
        client.wait_flow({after})
        lab.unplug(before, False)
        client.wait_flow({after})


def test_partition(lab, capsys):
    """Both sides serve; they agree on one when they meet again."""
    before = active(lab)
    with traffic(lab, capsys, "node cut off in silence, and back") as client:
        lab.silence(before)
        after = active(lab, other_than=before)
        client.wait_flow({after})
        assert holders(lab) == {before, after}
        shown(lab, after)  # the other has not been heard since
        lab.silence(before, False)
        client.wait_flow({active(lab)})
        shown(lab, active(lab))


def test_orderly_stop(lab, capsys):
    before = active(lab)
    with traffic(lab, capsys, "speaker stopped") as client:
        lab.speakers[before].stop()
        assert before not in holders(lab)
        after = active(lab)
        client.wait_flow({after})
        lab.start_speaker(before).wait_ready()
        assert active(lab) == after


def test_speakers_upgraded_one_by_one(lab, capsys):
    with traffic(lab, capsys, "all speakers replaced in turn") as client:
        for node in SPEAKERS:
            lab.speakers[node].stop()
            lab.start_speaker(node).wait_ready()
            client.wait_flow({active(lab)})


def test_policy_local_is_held_where_a_pod_is(lab):
    def set_policy(policy):
        lab.cluster.edit("Service", "vip-svc", lambda o: o["spec"].update(externalTrafficPolicy=policy))
    set_policy("Local")
    lab.start_pod("vip-svc-local", "worker2", "10.233.66.11")
    lab.cluster.apply(endpoint_slice("vip-svc", PODS | {"10.233.66.11": "worker2"}))
    wait_until(lambda: holders(lab) == {"worker2"}, what="the one node with a Pod and a speaker")
    lab.cluster.apply(endpoint_slice("vip-svc", PODS))
    set_policy("Cluster")


def test_another_station(lab):
    """Named in a condition of the Eip."""
    lab["ctl"].ip(f"addr add {ADDRESS}/32 dev eth0")
    try:
        before = active(lab)
        lab.speakers[before].stop()  # who takes over asks
        seen = wait_until(lambda: [c for c in lab.cluster.status("Eip", "vip-eip").get("conditions", [])
                                   if c["type"] == "SpeakerProblem"], what="a condition")
        assert mac(lab["ctl"]) in seen[0]["message"] and ADDRESS in seen[0]["message"]
    finally:
        lab["ctl"].ip(f"addr del {ADDRESS}/32 dev eth0")


def test_mode_turned_off(lab, capsys):
    """A speaker that is to leave VIPs alone takes off what one before it left behind."""
    before = active(lab)
    with traffic(lab, capsys, "VIP mode turned off on the node that had the address") as client:
        lab.speakers[before].kill()
        after = active(lab, other_than=before)
        lab.speakers[before].start("--enable-keepalived-vip=false")
        wait_until(lambda: holders(lab) == {after}, what="the address off the node")
        assert lab.speakers[before].metric("openelb_speaker_vrrp_addresses") is None
        client.wait_flow({after})
    lab.speakers[before].stop()
    lab.start_speaker(before)


def router_id(lab):
    """The VRID of the router that holds the address."""
    return re.findall(r'vrrp_router_state\{.*router="eth0/4/(\d+)"\} 2', lab.speakers[active(lab)].get("/metrics"))[0]


@contextlib.contextmanager
def keepalived(lab, node, address=ADDRESS):
    """In the virtual router that holds the address, as the last choice, on a host without a speaker."""
    folder = lab.run_dir.path / f"keepalived.{node}"
    folder.mkdir()
    (folder / "conf").write_text(f"""
global_defs {{
  vrrp_version 3
}}
vrrp_instance V1 {{
  state BACKUP
  interface eth0
  virtual_router_id {router_id(lab)}
  priority 1
  nopreempt
  advert_int 0.1
  virtual_ipaddress {{
    {address}/32 dev eth0
  }}
}}
""")
    process = lab[node].spawn("keepalived", ["keepalived", "-n", "-l", "-D", "-P", "-f", folder / "conf",
                                             "-p", folder / "pid", "-r", folder / "vrrp.pid"])
    try:
        wait_until(lambda: "Entering BACKUP" in lab[node].log("keepalived"), what="keepalived as backup")
        yield process
    finally:
        process.stop()


def test_keepalived_as_third_router(lab, capsys):
    """It takes over when both speakers stop, keeps the address when they are back, and gives it to one of them."""
    outsider = next(node for node in SPEAKERS if node != active(lab))
    lab.speakers[outsider].stop()
    ours = set(SPEAKERS) - {outsider}
    with traffic(lab, capsys, "to keepalived and back") as client, keepalived(lab, outsider) as other:
        before = active(lab)
        assert before in ours
        for node in ours:
            lab.speakers[node].stop()
        wait_until(lambda: holders(lab) == {outsider}, what="the address at keepalived")
        client.wait_flow({outsider})
        for node in ours:
            lab.start_speaker(node).wait_ready()
        client.wait_flow({outsider})
        other.stop()
        after = active(lab)
        assert after in ours
        client.wait_flow({after})


def test_foreign_router_with_our_id(lab, capsys):
    """It cannot be told to go away, so ours takes another id."""
    taken = router_id(lab)
    with traffic(lab, capsys, "to another VRID") as client:
        with keepalived(lab, "ctl", "192.168.0.200"):
            wait_until(lambda: router_id(lab) != taken, 20, what="another id")
            client.wait_flow({active(lab)})
        client.wait_flow({active(lab)})


def test_ipv6(lab, capsys):
    dual_stack.enable(lab)
    for address, node in PODS.items():
        dual_stack.start_pod(lab, f"vip-svc6-{address}", node, address)
    for node, address in NODES.items():
        lab.cluster.edit("Node", node, lambda o, v6=v6_of(address): o["status"]["addresses"].append(
            {"type": "InternalIP", "address": v6}))
    eip = {"apiVersion": "network.kubesphere.io/v1alpha2", "kind": "Eip", "metadata": {"name": "vip-eip6"},
           "spec": {"address": f"{ADDRESS6}-fd00:192:168::100", "interface": "eth0", "protocol": "vip"}}
    service = {"apiVersion": "v1", "kind": "Service",
               "metadata": {"name": "vip-svc6", "namespace": "default",
                            "annotations": {"lb.kubesphere.io/v1alpha1": "openelb",
                                            "eip.openelb.kubesphere.io/v1alpha2": "vip-eip6"}},
               "spec": {"type": "LoadBalancer", "ipFamilies": ["IPv6"], "ipFamilyPolicy": "SingleStack",
                        "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}}
    lab.cluster.apply(eip, service, endpoint_slice("vip-svc6", {v6_of(a): n for a, n in PODS.items()}))
    wait_until(lambda: lab.cluster.service_ips("vip-svc6") == [ADDRESS6], what="an IPv6 address")
    before = active(lab, ADDRESS6)
    lab["client"].exec("ping", "-6", "-c", "1", "-W", "1", ADDRESS6)
    with traffic(lab, capsys, "IPv6, speaker killed", ADDRESS6) as client:
        lab.speakers[before].kill()
        client.wait_flow({active(lab, ADDRESS6, other_than=before)})
    lab.start_speaker(before)
    active(lab, ADDRESS6)
