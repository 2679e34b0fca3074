"""BgpConf and BgpPeer edited while they carry traffic."""

import time
from dataclasses import replace

from lab.net import wait_until
from watch import ALL, DOCUMENTED, PREFIX, condition, peer_status, routes_unchanged, says, traffic

ROUTERS = ["bird", "frr"]

MASTER = "192.168.0.3"


def conf(**fields):
    return lambda obj: obj["spec"].update(fields)


def peer_conf(**fields):
    return lambda obj: obj["spec"]["conf"].update(fields)


def test_bgpconf_edit_that_concerns_no_session_touches_none(lab):
    with routes_unchanged(lab):
        lab.cluster.edit("BgpConf", "default", conf(useMultiplePaths=True))
        lab.cluster.edit("BgpConf", "default", conf(listenPort=17901))
        lab.cluster.edit("BgpConf", "default", conf(listenPort=-1))


def test_bgpconf_edit_that_resets_sessions_loses_no_route(lab):
    """A new router id is a new OPEN. It can be that of one speaker only (RFC 6286): the others keep theirs."""
    since = time.time()
    with traffic(lab) as client:
        with routes_unchanged(lab, "leaf2"):
            lab.cluster.edit("BgpConf", "default", conf(routerId="10.9.9.9"))
            wait_until(lambda: lab.routers["leaf1"].sessions()[MASTER].router_id == "10.9.9.9")
            lab.wait_documented()
        assert lab.routers["leaf2"].sessions()["192.168.1.2"].router_id == "192.168.1.2"
        wait_until(lambda: condition(lab, "BgpConf", "default", "RouterIdOnce"))
        client.wait_flow(ALL)
        client.settle()
        assert client.count(since).outage() < 2.0


def test_second_bgpconf_is_ignored(lab):
    with routes_unchanged(lab):
        lab.cluster.apply({"apiVersion": "network.kubesphere.io/v1alpha2", "kind": "BgpConf",
                           "metadata": {"name": "other"}, "spec": {"as": 1, "listenPort": 1}})


def test_description_of_a_peer_touches_no_session(lab):
    with routes_unchanged(lab):
        lab.cluster.edit("BgpPeer", "leaf1", peer_conf(description="rack 1, top"))


def test_hold_time_of_a_peer_resets_that_session_only(lab):
    with routes_unchanged(lab, "leaf2"):
        lab.cluster.edit("BgpPeer", "leaf1", lambda o: o["spec"].update(
            timers={"config": {"holdTime": "6", "keepaliveInterval": "2"}}))
        wait_until(lambda: lab.routers["leaf1"].sessions()[MASTER].hold_s == 6)
        lab.wait_documented()


def test_open_waits_for_the_routers(lab):
    """delayOpenTime (RFC 4271 8.1.1): a router that speaks first is answered at once, and OPENSENT does not occur."""
    def opens_first():
        return lab.speakers["worker-p002"].metric("openelb_speaker_bgp_session_transitions_total", state="OPENSENT")
    before = opens_first()
    with routes_unchanged(lab, "leaf1"):
        lab.cluster.edit("BgpPeer", "leaf2", lambda o: o["spec"].update(
            timers={"config": {"holdTime": "6", "delayOpenTime": 30}}))
        wait_until(lambda: lab.routers["leaf2"].sessions()["192.168.1.2"].hold_s == 6)
        lab.wait_documented()
    assert opens_first() == before


def test_peer_removed_and_created_again(lab):
    with routes_unchanged(lab, "leaf2"):
        removed = lab.cluster.delete("BgpPeer", "leaf1")
        lab.wait_next_hops(DOCUMENTED | {"leaf1": set()})
        lab.cluster.apply(removed)
        lab.wait_documented()


def test_node_selector_of_a_peer_acts_at_once(lab):
    def rack(value):
        return lambda obj: obj["spec"]["nodeSelector"]["matchLabels"].update({"openelb.kubesphere.io/rack": value})
    with routes_unchanged(lab, "leaf2"):
        lab.cluster.edit("BgpPeer", "leaf1", rack("elsewhere"))
        lab.wait_next_hops(DOCUMENTED | {"leaf1": set()})
        lab.cluster.edit("BgpPeer", "leaf1", rack("leaf1"))
        lab.wait_documented()


def test_admin_down_and_up(lab):
    with routes_unchanged(lab, "leaf2"):
        speaker = lab.speakers["master1"]
        lab.cluster.edit("BgpPeer", "leaf1", peer_conf(adminDown=True))
        lab.wait_next_hops(DOCUMENTED | {"leaf1": set()})
        assert speaker.metric("openelb_speaker_bgp_session_wanted", name="leaf1") == 0
        assert speaker.metric("openelb_speaker_bgp_session_established_timestamp_seconds", name="leaf1") is None
        since = time.time()
        lab.cluster.edit("BgpPeer", "leaf1", peer_conf(adminDown=False))
        lab.wait_documented()
        assert speaker.metric("openelb_speaker_bgp_session_wanted", name="leaf1") == 1
        assert since < speaker.metric("openelb_speaker_bgp_session_established_timestamp_seconds", name="leaf1") < time.time()


def test_md5_right_then_wrong_then_right(lab):
    leaf1 = lab.routers["leaf1"]
    leaf1.set_neighbor(replace(leaf1.config.neighbors[MASTER], password="s3cret"))
    lab.cluster.edit("BgpPeer", "leaf1", peer_conf(authPassword="s3cret"))
    lab.wait_documented()
    assert leaf1.established(MASTER)
    with routes_unchanged(lab, "leaf2"):
        lab.cluster.edit("BgpPeer", "leaf1", peer_conf(authPassword="wrong"))
        lab.wait_next_hops(DOCUMENTED | {"leaf1": set()})
        wait_until(lambda: peer_status(lab, "leaf1", "master1").get("sessionState") not in (None, "ESTABLISHED"))
        assert not leaf1.established(MASTER)
        lab.cluster.edit("BgpPeer", "leaf1", peer_conf(authPassword="s3cret"))
        lab.wait_documented()


def test_peer_without_add_path_gets_the_speakers_own_node(lab):
    leaf1 = lab.routers["leaf1"]
    leaf1.set_neighbor(replace(leaf1.config.neighbors[MASTER], add_path=False))
    lab.wait_next_hops(DOCUMENTED | {"leaf1": {MASTER}})
    assert leaf1.sessions()[MASTER].prefixes == 1


def test_written_send_max_is_enforced(lab):
    def send_max(number):
        family = {"afi": "AFI_IP", "safi": "SAFI_UNICAST"}
        return lambda obj: obj["spec"].update(afiSafis=[
            {"config": {"family": family, "enabled": True}, "addPaths": {"config": {"sendMax": number}}}])
    lab.cluster.edit("BgpPeer", "leaf1", send_max(1))
    lab.wait_next_hops(DOCUMENTED | {"leaf1": {MASTER}})
    lab.cluster.edit("BgpPeer", "leaf1", send_max(10))
    lab.wait_documented()


def test_leaf_that_dials_the_listen_port(lab):
    """The router dials port 17900 of the node, which waits."""
    leaf1 = lab.routers["leaf1"]
    lab.cluster.edit("BgpPeer", "leaf1", lambda o: o["spec"].update(transport={"passiveMode": True}))
    leaf1.set_neighbor(replace(leaf1.config.neighbors[MASTER], passive=False, port=17900))
    lab.wait_documented()
    wait_until(lambda: leaf1.established(MASTER))


def test_router_with_one_neighbour_is_served_by_it_and_unharmed_by_the_others(lab):
    """The BGP quick start: every speaker has the peer, the router knows one of them and dials it."""
    leaf1 = lab.routers["leaf1"]
    with routes_unchanged(lab, "leaf2"):
        leaf1.set_neighbor(replace(leaf1.config.neighbors[MASTER], passive=False, port=17900))
        lab.cluster.edit("BgpPeer", "leaf1", lambda o: o["spec"].pop("nodeSelector"))
        lab.cluster.label("Node", "worker1", "lb.kubesphere.io/v1alpha1", "openelb")
        lab.start_speaker("worker1")
        lab.wait_documented()
        wait_until(lambda: leaf1.established(MASTER))
        for node in ("worker1", "worker-p002"):
            wait_until(lambda: peer_status(lab, "leaf1", node).get("sessionState") not in (None, "ESTABLISHED"))
        with routes_unchanged(lab), traffic(lab):
            time.sleep(1)
    assert peer_status(lab, "leaf1", "master1")["sessionState"] == "ESTABLISHED"


def test_taken_listen_port_costs_only_passive_sessions(lab):
    lab["master1"].spawn("squatter", ["python3", "-c", "import socket, time\n"
                                      "s = socket.create_server(('', 17905)); time.sleep(60)"])
    wait_until(lambda: ":17905" in lab["master1"].exec("ss", "-Hltn"))
    with routes_unchanged(lab):
        lab.cluster.edit("BgpConf", "default", conf(listenPort=17905))
        says(lab.speakers["master1"], "17905")
        assert lab.speakers["master1"].metric("openelb_speaker_bgp_problems") == 1
        found = wait_until(lambda: condition(lab, "BgpConf", "default", "SpeakerProblem"))
        assert "master1" in found["message"] and "17905" in found["message"]
    lab["master1"].process("squatter").kill()
    assert lab.routers["leaf1"].next_hops(PREFIX) >= DOCUMENTED["leaf1"]


def test_old_metric_names_where_they_are_asked_for(lab):
    """Dashboards made for OpenELB find its names, with its labels, beside ours."""
    speaker, labels = lab.speakers["worker-p002"], {"peerIP": "192.168.1.1", "nodeName": "worker-p002"}
    assert speaker.metric("session_up") is None and lab.controller.metric("addresses_total") is None
    for program in (speaker, lab.controller):
        program.stop()
        program.start("--legacy-metrics").wait_ready()
    wait_until(lambda: speaker.metric("session_up", **labels) == 5)
    wait_until(lambda: speaker.metric("announced_prefixes_total", **labels) == 1)
    assert speaker.metric("openelb_speaker_bgp_session_state", name="leaf2") == 5
    names = ("addresses_total", "addresses_in_use_total", "services_allocated_total")
    wait_until(lambda: [lab.controller.metric(name, eipName="bgp-eip") for name in names] == [9, 1, 1])
    for program in (speaker, lab.controller):
        program.stop()  # those that start then have no such flag
