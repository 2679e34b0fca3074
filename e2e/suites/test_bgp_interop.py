"""What a session can do, with FRR, BIRD, GoBGP and ExaBGP, each seen in the router's own output. The last test writes
the matrix to e2e/interop.md."""

import time
from pathlib import Path

import interop_ways
import pytest
from interop_peers import SPEAKER, routers
from interop_ways import WAYS
from lab import dual_stack
from lab.dual_stack import v6_of
from lab.lan import NODES, Lan
from lab.net import RouteRecorder, run, wait_until
from lab.router import Shown
from watch import peer_status, says

VIP, VIP6 = "172.22.0.2", "fd00:172:22::2"
PREFIX, PREFIX6 = f"{VIP}/32", f"{VIP6}/128"
MATRIX = Path(__file__).resolve().parents[1] / "interop.md"
PEERS = ("FRR", "BIRD", "GoBGP", "ExaBGP")
PACKAGES = {"FRR": "frr", "BIRD": "bird2", "GoBGP": "gobgpd", "ExaBGP": "exabgp"}
# What each shows of a session; "-": it cannot do it, "(in use)": it does it and shows nothing of it.
OFFERED = ("4-octet AS", "ADD-PATH", "route refresh", "enhanced route refresh", "extended messages", "graceful restart",
           "graceful restart, N bit", "long-lived graceful restart", "End-of-RIB", "TCP MD5", "TTL security")
CANNOT = {("GoBGP", "extended messages"), ("GoBGP", "enhanced route refresh"), ("BIRD", "graceful restart, N bit"),
          ("ExaBGP", "TTL security"), ("ExaBGP", "graceful restart, N bit"), ("ExaBGP", "long-lived graceful restart")}
KEEPERS = ("FRR", "BIRD")


@pytest.fixture(scope="module")
def shared_lab():
    with Lan.running("bgp-quick-start", "bgp-svc", VIP) as lab:
        lab.cluster.edit("BgpConf", "default", lambda conf: conf["spec"].pop("routerId"))
        lab.cluster.delete("BgpPeer", "bgp-peer")
        lab.peers = routers(lab)
        for peer in lab.peers.values():
            peer.start()
        lab.cluster.apply(*(peer.peer for peer in lab.peers.values()))
        lab.matrix = {}
        yield lab


@pytest.fixture
def lab(shared_lab):
    """All sessions are up, and every router holds all next hops."""
    up(shared_lab)
    yield shared_lab
    shared_lab.cluster.apply(*(peer.peer for peer in shared_lab.peers.values()))
    shared_lab.revive()


@pytest.fixture(params=PEERS)
def peer(lab, request):
    return lab.peers[request.param]


def up(lab):
    for peer in lab.peers.values():
        wait_until(lambda peer=peer: peer.established(SPEAKER), 20, what=f"{peer.name}: session")
        wait_until(lambda peer=peer: peer.next_hops(PREFIX) == set(NODES.values()), 20,
                   what=f"{peer.name}: all next hops")


def record(lab, peer, what, shown=True):
    lab.matrix[what, peer.name] = "yes" if shown else "(in use)"


@pytest.mark.parametrize("what", OFFERED)
def test_capability(lab, peer, what):
    if (peer.name, what) in CANNOT:
        lab.matrix[what, peer.name] = "-"
        assert not peer.seen(what)
        return
    shown = wait_until(lambda: (peer.seen(what),) if peer.seen(what) is not False else None, 5)[0]
    record(lab, peer, what, shown)


def test_answers_a_refresh(lab, peer):
    if peer.name == "GoBGP":  # its softresetin looks at what it has kept, and asks nobody
        lab.matrix["answer to a refresh", peer.name] = "-"
        return
    before = peer.updates()
    answered = lab.speakers["master1"].metric("openelb_speaker_bgp_route_refreshes_total", outcome="answered") or 0
    peer.refresh()
    wait_until(lambda: peer.updates() > before)
    assert lab.speakers["master1"].metric("openelb_speaker_bgp_route_refreshes_total", outcome="answered") > answered
    assert peer.established(SPEAKER)
    record(lab, peer, "answer to a refresh")


def test_marks_the_answer(lab):
    """BoRR and EoRR of RFC 7313, where the router counts or shows ROUTE-REFRESH messages."""
    for name in ("FRR", "ExaBGP"):
        peer = lab.peers[name]
        before = peer.refresh_marks()
        time.sleep(1)  # a family is sent again once in a second
        peer.refresh()
        wait_until(lambda: peer.refresh_marks() == before + 2)  # noqa: B023
        record(lab, peer, "marked answer")


def test_says_why_it_is_shut_down(lab, peer):
    if peer.name == "ExaBGP":  # it tells its helpers nothing of how a session ended
        lab.matrix["shutdown text shown", peer.name] = "-"
        return
    lab.cluster.edit("BgpPeer", peer.name.lower(), lambda obj: obj["spec"]["conf"].update(adminDown=True))
    wait_until(lambda: "adminDown is set" in peer.last_words(), what=f"{peer.name}: {peer.last_words()[-300:]}")
    record(lab, peer, "shutdown text shown")


def test_shows_why_it_is_shut_down(lab):
    bird = lab.peers["BIRD"]
    protocol = f"peer_{SPEAKER.replace('.', '_')}"
    bird.run(f'disable {protocol} "moving to rack 7"')
    try:
        says(lab.speakers["master1"], "Administrative Shutdown", "moving to rack 7")
        wait_until(lambda: peer_status(lab, "bird", "master1").get("sessionState") not in (None, "ESTABLISHED"))
    finally:
        bird.run(f"enable {protocol}")
    record(lab, bird, "shutdown text received")


def test_ttl_security_is_needed_on_both_ends(lab):
    frr = lab.peers["FRR"]
    lab.cluster.edit("BgpPeer", "frr", lambda obj: obj["spec"].pop("ttlSecurity"))
    wait_until(lambda: not frr.established(SPEAKER), 15, what="FRR drops packets from far away")


@pytest.mark.parametrize("end", ["killed", "restarted"])
def test_restart_moves_no_route(lab, end):
    """RFC 4724: the routers' kernels do not notice that the speaker was away."""
    recorders = {name: RouteRecorder(lab.peers[name].host) for name in KEEPERS}
    since = time.time()
    try:
        speaker = lab.speakers["master1"]
        speaker.kill() if end == "killed" else speaker.stop()
        for name in KEEPERS:
            wait_until(lambda: not lab.peers[name].established(SPEAKER))  # noqa: B023
        lab.start_speaker("master1")
        up(lab)
        time.sleep(1)
        for name, recorder in recorders.items():
            assert recorder.events(PREFIX, since) == [], name
            assert lab.peers[name].kernel_next_hops(PREFIX) == set(NODES.values())
            record(lab, lab.peers[name], f"no route event: speaker {end}")
    finally:
        for recorder in recorders.values():
            recorder.stop()


def test_a_long_absence_moves_no_route(lab):
    """RFC 9494: the restart time is over long before the speaker is back, and what it announced is the last choice
    until then."""
    restart_s, bird = 2, lab.peers["BIRD"]
    lab.cluster.edit("BgpPeer", "bird", lambda obj: obj["spec"]["gracefulRestart"].update(restartTime=restart_s))
    lab.speakers["master1"].stop()  # what a session has offered stands until it ends
    lab.start_speaker("master1")
    up(lab)
    wait_until(lambda: f"Restart time: {restart_s}" in bird.protocol().partition("Neighbor capabilities")[2])
    recorder = RouteRecorder(bird.host)
    since = time.time()
    try:
        lab.speakers["master1"].kill()
        wait_until(lambda: {path.communities for path in bird.paths(PREFIX)} == {frozenset({"65535:6"})}
                   or Shown(map(str, bird.paths(PREFIX))), restart_s + 10, what="BIRD: the route is LLGR_STALE")
        assert time.time() - since > restart_s
        assert bird.kernel_next_hops(PREFIX) == set(NODES.values())
        lab.start_speaker("master1")
        up(lab)
        wait_until(lambda: not any(path.communities for path in bird.paths(PREFIX)), what="BIRD: no longer stale")
        assert [what for _, what, _ in recorder.events(PREFIX, since) if what == "del"] == []
        assert bird.kernel_next_hops(PREFIX) == set(NODES.values())
        record(lab, bird, "no route withdrawn: speaker away for longer than the restart time")
    finally:
        recorder.stop()


def test_a_speaker_that_leaves_for_good_says_so(lab):
    """Nothing is kept for it: RFC 8538 calls that a Hard Reset."""
    lab.cluster.label("Node", "master1", "openelb-speaker", None)
    try:
        time.sleep(1)  # the plan arrives; nothing shows it from outside
        lab.speakers["master1"].stop()
        for name in KEEPERS:
            wait_until(lambda: lab.peers[name].kernel_next_hops(PREFIX) == set(), 5)  # noqa: B023
            record(lab, lab.peers[name], "leaves for good: routes gone")
    finally:
        lab.cluster.label("Node", "master1", "openelb-speaker", "true")


@pytest.fixture(scope="module")
def ways(shared_lab):
    """Routers of their own, and an IPv6 Service beside the other one."""
    lab = shared_lab
    lab.ways = interop_ways.routers(lab)
    dual_stack.enable(lab)
    interop_ways.add_loopbacks(lab)
    for node, address in NODES.items():
        lab.cluster.edit("Node", node, lambda obj, address=address: obj["status"]["addresses"].append(
            {"type": "InternalIP", "address": v6_of(address)}))
    for router in lab.ways.values():
        router.start()
    lab.cluster.apply(*interop_ways.service(VIP6), *(peer for router in lab.ways.values()
                                                     for peer in interop_ways.peers(router)))
    return lab


@pytest.mark.parametrize(("name", "way"), [pytest.param(name, way, id=f"{name}-{way.token}")
                                          for way in WAYS for name in way.routers])
def test_way(ways, name, way):
    """Both families over each session; without ADD-PATH the speaker's own node is the one next hop."""
    ipv6_next_hops = way.ipv6_next_hops or (name == "GoBGP" and way.ipv6)
    hops = set(NODES.values()) if way.add_path else {NODES[way.node]}
    expected = {PREFIX: {v6_of(hop) for hop in hops} if ipv6_next_hops else hops,
                PREFIX6: {v6_of(hop) for hop in hops}}
    router = ways.ways[name]
    wait_until(lambda: router.routes(way) == expected or Shown(router.routes(way)), 20,
               what=f"{name}: {expected} over {way.name}")
    record(ways, router, way.name)


def test_matrix(shared_lab):
    """Every line above was seen in this run."""
    rows = list(dict.fromkeys(what for what, _ in shared_lab.matrix))
    if not set(OFFERED) | {way.name for way in WAYS} <= set(rows):
        pytest.fail("the matrix needs a run of the whole module")
    versions = [run("dpkg-query", "-W", "-f=${Version}", PACKAGES[name]) for name in PEERS]
    lines = ["# Interoperability", "",
             "Written by `e2e/suites/test_bgp_interop.py`: each \"yes\" was seen in the router's own output. Capabilities:",
             "over IPv4 sessions of eBGP with all of it at once. Sessions: routes of both families, with all next hops where",
             "ADD-PATH is used; \"IPv6 next hops\" are those of IPv4 routes (RFC 8950). \"(in use)\": the router has it and",
             "shows nothing of it; \"-\": it cannot do it, or show it; empty: not asked.", "",
             f"| | {' | '.join(f'{name} {version}' for name, version in zip(PEERS, versions))} |",
             f"| --- |{' --- |' * len(PEERS)}"]
    lines += [f"| {what} | {' | '.join(shared_lab.matrix.get((what, name), '') for name in PEERS)} |" for what in rows]
    MATRIX.write_text("\n".join(lines) + "\n")
