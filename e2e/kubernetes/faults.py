"""What the fault suites ask of a cluster at the documented state, and do to it."""

import contextlib
import os
import re
import signal
import time
from datetime import datetime

from lab.fabric import VIP
from lab.installed import BASE, CONTROLLER, CONTROLLER_USER, NAMESPACE
from lab.net import Host, wait_until
from lab.traffic import Traffic
from lab.workloads import service
from watch import ALL, DOCUMENTED

LEASE = ("lease", CONTROLLER)
OPENELB = {"lb.kubesphere.io/v1alpha1": "openelb", "eip.openelb.kubesphere.io/v1alpha2": "bgp-eip"}


@contextlib.contextmanager
def unharmed(lab, loses=0):
    """Whatever is done meanwhile: no next hop of the documented Service goes away on any router, its address stays
    and no request of a client is lost. `loses`: None where kube-proxy itself drops requests."""
    client = Traffic(lab["client"], VIP, rate=100)
    try:
        client.wait_flow(ALL)
        since = time.time()
        yield client
        client.settle()
        seen = client.count(since)
        changes = {name: lab.recorders[name].events(f"{VIP}/32", since) for name in lab.routers}
        assert changes == {name: [] for name in lab.routers}, "routes changed"
        assert loses is None or len(seen.lost) <= loses, f"lost {len(seen.lost)} of {seen.total}: {seen.lost[:5]}"
    finally:
        client.stop()
    lab.wait_documented(timeout=1)
    assert lab.ips("bgp-svc") == [VIP]


def openelb_service(name, app="bgp-openelb", **spec):
    return service(name, app, annotations=OPENELB, **spec)


def wait_served(lab, name, timeout=20.0):
    """Until a Service has one address, every router leads to it and a client is answered; returns the address and
    the seconds that took."""
    begun = time.monotonic()
    address, = wait_until(lambda: lab.ips(name), timeout, what=f"{name}: an address")
    lab.wait_next_hops(DOCUMENTED, f"{address}/32", timeout)
    took = time.monotonic() - begun
    wait_until(lambda: lab["client"].exec("curl", "-sf", "--max-time", "1", f"http://{address}/"), timeout)
    return address, took


def serve_new(lab, name, timeout=20.0, **spec):
    """A new Service, served from end to end; returns its address and the seconds that took."""
    lab.apply(openelb_service(name, **spec))
    return wait_served(lab, name, timeout)


def drop(lab, *names):
    """Deletes Services and waits until no router leads to them."""
    found = [address for name in names for address in lab.ips(name)]
    lab.kubectl("delete", "service", *names, "--timeout=10s")
    for address in found:
        lab.wait_next_hops({"leaf1": set(), "leaf2": set()}, f"{address}/32")


def kill(lab, pod):
    """kill -9 of a controller's process."""
    os.kill(lab.container_pid(pod), signal.SIGKILL)


@contextlib.contextmanager
def suspended(lab):
    """No controller acts meanwhile: for less than its Lease lasts."""
    pids = [lab.container_pid(pod) for pod in lab.controllers()]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def without_webhooks(lab):
    """Nobody is asked whether an object is good: as where they are not installed, or nobody answers."""
    lab.kubectl("delete", "-f", BASE / "webhooks.yaml")
    time.sleep(1)  # until the API server acts on it
    try:
        yield
    finally:
        lab.kubectl("apply", "-f", BASE / "webhooks.yaml")


def delete_pod(lab, pod, *how):
    lab.kubectl("-n", NAMESPACE, "delete", "pod", pod["metadata"]["name"], "--wait=false", *how)


@contextlib.contextmanager
def filtered(lab, pod, **rules):
    """A Pod's network obeys a rule of nftables for what it receives (`input`) or sends (`output`) meanwhile."""
    host = Host(lab.run_dir, lab.pod_host(pod))
    chains = [f"chain {hook} {{ type filter hook {hook} priority 0; {rule}; }}" for hook, rule in rules.items()]
    host.exec("nft", "-f", "-", stdin="\n".join(["table inet fault {", *chains, "}\n"]))
    try:
        yield
    finally:
        host.exec("nft", "delete", "table", "inet", "fault")


def cut_off(lab, pod, half_open=False):
    """Packets between a Pod and the API server vanish, connections hang. Half open: what the Pod sends arrives."""
    sent = {} if half_open else {"output": "tcp dport 443 drop"}
    return filtered(lab, pod, input="tcp sport 443 drop", **sent)


def refused(lab, pod):
    """The connections of a Pod with the API server are reset as soon as it sends anything over them, keepalives
    included, and none can be made."""
    return filtered(lab, pod, output="tcp dport 443 reject with tcp reset")


def mute(lab, pod):
    """The connections that a Pod has with the API server live, acknowledgements and keepalives pass, and deliver
    nothing any more, either way. New ones work."""
    open_now = Host(lab.run_dir, lab.pod_host(pod)).exec("ss", "-tnH", "state", "established", "dport", "=", ":443")
    ports = {line.split()[2].rpartition(":")[2] for line in open_now.split("\n") if line.strip()}
    assert ports, "the Pod has no connection with the API server"
    rule = "tcp {} 443 tcp {} {{ " + ", ".join(sorted(ports)) + " }} ip length > 80 drop"
    return filtered(lab, pod, input=rule.format("sport", "dport"), output=rule.format("dport", "sport"))


def wait_new_leader(lab, before, timeout=30.0):
    """Until another process holds the Lease than `before`; its name."""
    return wait_until(lambda: (lab.holder() not in ("", before) and lab.leader() and lab.holder()), timeout,
                      what=f"a leader other than {before}")


def wait_attached(lab, timeout=20.0):
    """Until every speaker has a stream with the leader."""
    def attached():
        leader = lab.leader()
        return leader and all(lab.metric(leader, f'openelb_speaker_attached{{node="{node}"}}') == 1
                              for node in lab.speaker_nodes())
    wait_until(attached, timeout, interval=0.2, what="speakers attached to the leader")


def lease(lab):
    return lab.get(*LEASE, NAMESPACE)


def lease_epoch(lab):
    return int(lease(lab)["metadata"]["annotations"]["openelb.kubesphere.io/epoch"])


def writes_ours(event):
    """Whether an audit event is a write to what only a leader may write."""
    ref = event.get("objectRef", {})
    return event["verb"] in ("create", "update", "patch", "delete") and (
        (ref.get("resource"), ref.get("subresource")) == ("services", "status")
        or ref.get("apiGroup") == "network.kubesphere.io" and ref.get("subresource") == "status")


def leads_by(event):
    """Whether an audit event is a write of the Lease that the API server took."""
    ref = event.get("objectRef", {})
    return ((ref.get("resource"), ref.get("name")) == ("leases", CONTROLLER) and event["verb"] in ("create", "update")
            and event.get("responseStatus", {}).get("code") in (200, 201))


def writer(event):
    """The Pod that sent a request, by the API server's word: its ServiceAccount's token is bound to it."""
    [pod] = event["user"]["extra"]["authentication.kubernetes.io/pod-name"]
    return pod


def reads_by(lab, pod, since):
    """[(resource, "probe" (a list of one object), "list" or "watch")] of what a Pod asked for after `since`, a datetime:
    of what it keeps up with, so not of lists by label."""
    found = []
    for event in lab.control_plane.audited(CONTROLLER_USER):
        query = event["requestURI"].partition("?")[2]
        if (event["verb"] in ("list", "watch") and "labelSelector" not in query
                and writer(event) == pod["metadata"]["name"]
                and datetime.fromisoformat(event["requestReceivedTimestamp"]) >= since):
            resumed = "watch=1" in query and "sendInitialEvents" not in query
            how = "probe" if "limit=1" in query.split("&") else "watch" if resumed else "list"
            found.append((event["objectRef"]["resource"], how))
    return found


def usurped(events):
    """[(Pod, the one that led, request)] of the writes of ours, among audit events, that were sent by a Pod when another
    one had written the Lease since it did."""
    found, leader = [], None
    for event in sorted(events, key=lambda event: event["requestReceivedTimestamp"]):
        if leads_by(event):
            leader = writer(event)
        elif writes_ours(event) and writer(event) != leader:
            found.append((writer(event), leader, event["requestReceivedTimestamp"], event["requestURI"]))
    return found


def assert_writers(lab):
    """Addresses and statuses are written by the controllers' account (and by tests, as the administrator), and of the
    controllers by the one that leads: after another one's first write of the Lease, none by the Pod that led before."""
    audited = lab.control_plane.audited()
    writers = {event["user"].get("username") for event in audited if writes_ours(event)}
    assert writers <= {CONTROLLER_USER, "kubernetes-admin", None}, writers  # None: nobody known, so refused
    late = usurped(event for event in audited if event["user"].get("username") == CONTROLLER_USER)
    assert late == [], late


def said(lab, pod, words):
    return [line for line in lab.logs(pod).splitlines() if re.search(words, line)]
