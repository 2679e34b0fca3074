"""VIP quick start, and what moves an address of that mode, on one LAN. The client asks every 5 ms and keeps its neighbour
cache throughout; what it lost is told at the end."""

import contextlib
import re
import time
from datetime import datetime

import pytest
from lab import programs
from lab.lan import PODS, SPEAKERS, Lan, endpoint_slice, mac
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


def traffic(lab, record, case, address=ADDRESS):
    family = "IPv6" if ":" in address else "IPv4"
    return lab.traffic(record, f"vip: {family}, {case}", address, active(lab, address))


def test_quick_start(lab, record_property):
    """As documented: one node's MAC, an answer to ping, an answer from both Pods."""
    holder = active(lab)
    lab["client"].exec("ping", "-c", "1", "-W", "1", ADDRESS)
    assert mac(lab[holder]) in lab["client"].exec("ip", "neigh", "show", ADDRESS)
    with traffic(lab, record_property, "nothing") as client:
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


def shown(lab, node, address=ADDRESS):
    """What the Eip's status says of the address, once it says that this node has it."""
    eip = "vip-eip6" if ":" in address else "vip-eip"

    def entry():
        found = next(e for e in lab.cluster.status("Eip", eip)["owners"] if e["address"] == address)
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


def active_killed(lab, record, controller, address=ADDRESS):
    """Its kernel keeps the address until its next speaker takes it off; nothing goes back to it."""
    if controller == "dead":
        lab.controller.kill()
    before = active(lab, address)
    with traffic(lab, record, f"speaker killed, controller {controller}", address) as client:
        lab.speakers[before].kill()
        after = active(lab, address, other_than=before)
        client.wait_flow({after})
        assert holders(lab, address) == {before, after}
        lab.start_speaker(before)
        wait_until(lambda: holders(lab, address) == {after}, what="the address off the node whose speaker was killed")
        client.wait_flow({after})


@pytest.mark.parametrize("controller", ["alive", "dead"])
def test_active_killed(lab, record_property, controller):
    active_killed(lab, record_property, controller)


def link_unplugged(lab, record, address=ADDRESS):
    before = active(lab, address)
    with traffic(lab, record, "cable pulled", address) as client:
        lab.unplug(before)
        after = active(lab, address, other_than=before)
        assert holders(lab, address) == {after}
        client.wait_flow({after})
        lab.unplug(before, False)
        client.wait_flow({after})


def test_link_unplugged(lab, record_property):
    link_unplugged(lab, record_property)


def partition(lab, record, address=ADDRESS):
    """Both sides serve; they agree on one when they meet again."""
    before = active(lab, address)
    with traffic(lab, record, "node cut off in silence, and back", address) as client:
        lab.silence(before)
        after = active(lab, address, other_than=before)
        client.wait_flow({after})
        assert holders(lab, address) == {before, after}
        shown(lab, after, address)  # the other has not been heard since
        lab.silence(before, False)
        client.wait_flow({active(lab, address)})
        shown(lab, active(lab, address), address)


def test_partition(lab, record_property):
    partition(lab, record_property)


def test_orderly_stop(lab, record_property):
    before = active(lab)
    with traffic(lab, record_property, "speaker stopped") as client:
        lab.speakers[before].stop()
        assert before not in holders(lab)
        after = active(lab)
        client.wait_flow({after})
        lab.start_speaker(before).wait_ready()
        assert active(lab) == after


def test_speakers_upgraded_one_by_one(lab, record_property):
    with traffic(lab, record_property, "all speakers replaced in turn") as client:
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


def test_mode_turned_off(lab, record_property):
    """A speaker that is to leave VIPs alone takes off what one before it left behind."""
    before = active(lab)
    with traffic(lab, record_property, "VIP mode turned off on the node that had the address") as client:
        lab.speakers[before].kill()
        after = active(lab, other_than=before)
        lab.speakers[before].start("--enable-keepalived-vip=false")
        wait_until(lambda: holders(lab) == {after}, what="the address off the node")
        assert lab.speakers[before].metric("openelb_speaker_vrrp_addresses") is None
        client.wait_flow({after})
    lab.speakers[before].stop()
    lab.start_speaker(before)


def router_id(lab, address=ADDRESS):
    """The VRID of the router that holds the address, the one of its family."""
    series = rf'vrrp_router_state\{{.*router="eth0/{6 if ":" in address else 4}/(\d+)"\}} 2'
    return re.findall(series, lab.speakers[active(lab, address)].get("/metrics"))[0]


@contextlib.contextmanager
def keepalived(lab, node, address=ADDRESS, priority=1):
    """In the virtual router that holds our address of that family, on a host without a speaker; with priority 1 as the
    last choice."""
    v6 = ":" in address
    vrid = router_id(lab, ADDRESS6 if v6 else ADDRESS)
    listed = [f"fe80::6f65:6c62:0:{int(vrid):x}", address] if v6 else [address]
    addresses = "\n    ".join(f"{each}/{128 if v6 else 32} dev eth0" for each in listed)
    role = f"keepalived.{6 if v6 else 4}"
    folder = lab.run_dir.path / f"{role}.{node}"
    folder.mkdir()
    (folder / "conf").write_text(f"""
global_defs {{
  vrrp_version 3
}}
vrrp_instance V1 {{
  state BACKUP
  interface eth0
  virtual_router_id {vrid}
  priority {priority}
  nopreempt
  advert_int 0.1
  {"native_ipv6" if v6 else ""}
  virtual_ipaddress {{
    {addresses}
  }}
}}
""")
    process = lab[node].spawn(role, ["keepalived", "-n", "-l", "-D", "-P", "-f", folder / "conf",
                                     "-p", folder / "pid", "-r", folder / "vrrp.pid"])
    try:
        wait_until(lambda: "Entering BACKUP" in lab[node].log(role), what="keepalived as backup")
        yield process
    finally:
        process.stop()


def keepalived_as_third_router(lab, record, address):
    """It leaves ours the address, takes over when both speakers stop, keeps it when they are back, and gives it to one."""
    outsider = next(node for node in SPEAKERS if node != active(lab, address))
    lab.speakers[outsider].stop()
    ours = set(SPEAKERS) - {outsider}
    with traffic(lab, record, "to keepalived and back", address) as client, keepalived(lab, outsider, address) as other:
        before = active(lab, address)
        time.sleep(1)
        assert before in ours and holders(lab, address) == {before}
        for node in ours:
            lab.speakers[node].stop()
        wait_until(lambda: holders(lab, address) == {outsider}, what="the address at keepalived")
        client.wait_flow({outsider})
        for node in ours:
            lab.start_speaker(node).wait_ready()
        client.wait_flow({outsider})
        other.stop()
        after = active(lab, address)
        assert after in ours
        client.wait_flow({after})


def test_keepalived_as_third_router(lab, record_property):
    keepalived_as_third_router(lab, record_property, ADDRESS)


def test_foreign_router_with_our_id(lab, record_property):
    """It serves something else, with the highest priority: ours goes on, and takes another id when a controller is there."""
    taken, before, other = router_id(lab), active(lab), "192.168.0.200"
    lab.controller.kill()
    with keepalived(lab, "ctl", other, priority=254):
        with traffic(lab, record_property, "a foreign router with our id, controller dead") as client:
            wait_until(lambda: f" {other}/" in run("ip", "-n", lab["ctl"].netns, "-o", "addr"), what="the foreign master")
            since = time.time()
            time.sleep(1)
            client.settle()
            assert client.count(since).lost == []
            assert holders(lab) == {before} and router_id(lab) == taken
        with traffic(lab, record_property, "to another VRID") as client:
            lab.start_controller()
            wait_until(lambda: router_id(lab) != taken, 20, what="another id")
            client.wait_flow({active(lab)})
    with traffic(lab, record_property, "the foreign router gone") as client:
        client.wait_flow({active(lab)})


@pytest.fixture(scope="module")
def ipv6(shared_lab):
    """A Service with ADDRESS6."""
    shared_lab.serve_ipv6("vip", "eth0", ADDRESS6)


@pytest.mark.usefixtures("ipv6")
@pytest.mark.parametrize("controller", ["alive", "dead"])
def test_ipv6_active_killed(lab, record_property, controller):
    active_killed(lab, record_property, controller, ADDRESS6)
    lab["client"].exec("ping", "-6", "-c", "1", "-W", "1", ADDRESS6)


@pytest.mark.usefixtures("ipv6")
def test_ipv6_link_unplugged(lab, record_property):
    link_unplugged(lab, record_property, ADDRESS6)


@pytest.mark.usefixtures("ipv6")
def test_ipv6_partition(lab, record_property):
    partition(lab, record_property, ADDRESS6)


@pytest.mark.usefixtures("ipv6")
def test_keepalived_as_third_router_of_ipv6(lab, record_property):
    keepalived_as_third_router(lab, record_property, ADDRESS6)
