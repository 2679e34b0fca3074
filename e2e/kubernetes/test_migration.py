"""config/MIGRATION.md, every command, from what PorterLB 0.4, OpenELB 0.5 and 0.6 leave: requests are counted through the move."""

import contextlib
import json
import os
import re
import stat
import threading
import time

import old_installations
import pytest
from lab.fabric import VIP
from lab.installed import SAMPLES, InstalledLab, backends
from lab.net import wait_until
from lab.traffic import ask, counted
from old_installations import ADDRESSES, LAYER2, OPENELB_05, OPENELB_06, PORTER_04, ROUTED
from watch import ALL, DOCUMENTED

ROOT = SAMPLES.parents[1]
GUIDE = ROOT / "config" / "MIGRATION.md"
# Without an answer at a time. The other rack serves while one moves, and what is under way ends with a router's path.
OUTAGE_S = 1.5
# A rack that moves is without a route of its own from the old speaker's end to the new one's session: it is there and tries once a
# second, or, in the old one's place, has yet to start.
RACK_OUTAGE_S = 5.0
LEFT_OVER = re.compile(r"porter|admission|manager-role|keepalive|memberlist|webhook|leader-election|vip-configmap")
KINDS = ("namespaces,deployments,daemonsets,jobs,pods,services,serviceaccounts,secrets,configmaps,leases,roles,rolebindings,"
         "clusterroles,clusterrolebindings,mutatingwebhookconfigurations,validatingwebhookconfigurations")


def commands(section):
    """Those that a section shows, in order."""
    text = re.search(rf"(?ms)^## {re.escape(section)}\n(.*?)(?=^## |\Z)", GUIDE.read_text())[1]
    return [line for block in re.findall(r"(?ms)^```\n(.*?)^```", text) for line in block.splitlines()]


class Moved(InstalledLab):
    def __init__(self, old):
        super().__init__(f"k8s-move-{old.brand}-{old.title[-1]}-{os.getpid()}", "frr")
        self.old = old

    def up(self):
        """Returns with the old version at work: what it announces has reached the routers."""
        super().up()
        self.images.write_text(json.dumps(self._images() | old_installations.images()))
        brand = self.old.brand
        self.kubectl("label", "nodes", *old_installations.SITES, f"lb.kubesphere.io/v1alpha1={brand}")
        for node, (leaf, _, _) in old_installations.SITES.items():
            self.kubectl("label", "node", node, f"{brand}.kubesphere.io/rack={leaf}")
        self.apply(*old_installations.definitions())
        self.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=20s")
        self.apply(*old_installations.installation(self.old), backends("bgp-openelb"))
        if self.old is OPENELB_06:  # by `kubectl edit`, as its pages have it
            self.set_speaker_nodes(**{"kubernetes.io/os": "linux", "lb.kubesphere.io/v1alpha1": brand})
        objects = list(old_installations.users_objects(self.old))
        self.apply(*(obj for obj, _ in objects))
        for obj, status in objects:
            self.patch(obj["kind"].lower(), obj["metadata"]["name"], {"status": status}, subresource="status")
        lease = next(obj for obj in old_installations.installation(self.old) if obj["kind"] == "Lease")
        self.patch("lease", lease["metadata"]["name"], {"spec": {"renewTime": time.strftime(
            "%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())}}, self.old.namespace)
        self.wait_rollout("deployment/bgp-openelb")
        self.wait_next_hops(DOCUMENTED, timeout=30)
        self.apply(*old_installations.webhooks(self.old))
        return self

    def type(self, line):
        """A command of the guide, as its reader types it: in a shell, in a checkout."""
        folder = self.run_dir.path / "reader"
        folder.mkdir(exist_ok=True)
        for name in ("config", "crds"):
            if not (folder / name).exists():
                (folder / name).symlink_to(ROOT / name)
        kubectl = folder / "kubectl"
        kubectl.write_text("#!/bin/sh\nexec " + " ".join(map(str, self.control_plane.kubectl_command())) + ' "$@"\n')
        kubectl.chmod(kubectl.stat().st_mode | stat.S_IXUSR)
        return self.control_plane.host.exec("sh", "-ec", f"cd {folder}; PATH={folder}:$PATH; {line}")

    def follow(self, section):
        """Types all of it. As it says, goes on after a question for a session when that is there."""
        for line in commands(section):
            if "sessionState" in line:
                wait_until(lambda line=line: self.type(line) == "ESTABLISHED", 60, interval=0.2, what=line)
            else:
                self.type(line)

    def addresses(self):
        return {obj["metadata"]["name"]: [entry["ip"] for entry in obj["status"].get("loadBalancer", {}).get("ingress", [])]
                for obj in self.get("services") if obj["spec"]["type"] == "LoadBalancer"}

    def named(self):
        """Everything in the cluster that may be of a load balancer and is not installed now, as KIND/NAME."""
        objects = json.loads(self.kubectl("get", KINDS, "-A", "-o", "json"))["items"]
        return {f"{obj['kind']}/{obj['metadata']['name']}" for obj in objects
                if not obj["metadata"]["name"].startswith("system:") and obj["metadata"].get("namespace") != "kube-system"
                and not is_ours(obj)}


def is_ours(obj):
    """The new webhook has the old one's name."""
    webhooks = obj.get("webhooks", []) if obj["kind"] == "ValidatingWebhookConfiguration" else []
    return [hook["name"] for hook in webhooks] == ["validate.network.kubesphere.io"]


def longest_without(cluster, leaf, since):
    """Seconds that a leaf's kernel was without its own rack's next hops at a time."""
    longest, gone = 0.0, None
    for at, kind, hops in cluster.recorders[leaf].events(f"{VIP}/32", since):
        served = kind == "add" and bool(hops & DOCUMENTED[leaf])
        if served and gone is not None:
            longest, gone = max(longest, at - gone), None
        elif not served and gone is None:
            gone = at
    return longest


@pytest.fixture(scope="module", params=[PORTER_04, OPENELB_05, OPENELB_06], ids=["porter-0.4", "openelb-0.5", "openelb-0.6"])
def cluster(request):
    lab = Moved(request.param)
    request.node.cluster = lab
    try:
        yield lab.up()
        assert not lab.denied(), lab.denied()
    except BaseException:
        print(lab.program_logs())
        raise
    finally:
        lab.down()


class AddressWatch:
    """Looks at the Services' addresses all the while; `changes` has every other state than the first."""

    def __init__(self, cluster):
        self._cluster, self._stop = cluster, threading.Event()
        self.first, self.changes, self.looks = cluster.addresses(), [], 0
        self._thread = threading.Thread(target=self._look)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _look(self):
        while not self._stop.wait(0.3):
            seen = self._cluster.addresses()
            self.looks += 1
            if seen != self.first:
                self.changes.append(seen)


def test_the_old_webhooks_are_in_the_way(cluster):
    """What the guide is for: with the old program gone, they refuse whatever is asked."""
    with pytest.raises(RuntimeError, match="failed calling webhook"):
        cluster.apply({"apiVersion": old_installations.VERSION, "kind": "Eip", "metadata": {"name": "new"},
                       "spec": {"address": "172.22.1.1"}})


def test_the_move(cluster, record_property):
    """Two clients ask all the while: one beyond the routers, one on the nodes' network, by ARP."""
    since = time.time()
    title = f"{cluster.old.title[0].lower()}{cluster.old.title[1:]}"
    with contextlib.ExitStack() as stack:
        for host, address, nodes, mode in (("client", VIP, ALL, "bgp"), ("leaf1", *LAYER2.values(), {"master1"}, "layer2")):
            stack.enter_context(counted(record_property, f"{mode}: move {title}", cluster[host], address, nodes, OUTAGE_S))
        addresses = stack.enter_context(AddressWatch(cluster))
        for section in ("Before", cluster.old.title, "Afterwards"):
            cluster.follow(section)
        cluster.wait_next_hops(DOCUMENTED, timeout=60)
        owners = {"address": LAYER2["layer2-svc"], "planned": "master1", "actual": ["master1"]}
        wait_until(lambda: any(owners.items() <= one.items() for one in cluster.status("eip", "layer2-eip").get("owners", [])), 20,
                   what=f"owners {owners}")
    gaps = {leaf: longest_without(cluster, leaf, since) for leaf in DOCUMENTED}
    assert max(gaps.values()) < RACK_OUTAGE_S, gaps
    assert addresses.looks > 10 and addresses.changes == []
    assert addresses.first == {name: [ip] for name, ip in ADDRESSES.items()}
    for address in set(ROUTED.values()):
        cluster.wait_next_hops(DOCUMENTED, f"{address}/32")


def test_nothing_of_the_old_one_is_left(cluster):
    wait_until(lambda: not {name for name in cluster.named() if LEFT_OVER.search(name)}, 60, interval=0.5,
               what="nothing left over")
    images = {container["image"] for kind in ("deployments", "daemonsets", "pods") for obj in cluster.get(
        kind, None, "openelb-system") for container in (obj["spec"].get("template", obj)["spec"])["containers"]}
    assert images == {"openelb/openelb-controller:latest", "openelb/openelb-speaker:latest"}
    assert cluster.speaker_nodes() == set(old_installations.SITES)
    containers = cluster.get("daemonset", "openelb-speaker", "openelb-system")["spec"]["template"]["spec"]["containers"]
    assert [container["name"] for container in containers] == ["openelb-speaker"]


def test_statuses_are_the_new_ones(cluster):
    used = {ip: ";".join(sorted(f"default/{name}" for name in ROUTED if ROUTED[name] == ip)) for ip in ROUTED.values()}
    wait_until(lambda: cluster.status("eip", "bgp-eip")["used"] == used, 20, what=str(used))
    for leaf, node in (("leaf1", "master1"), ("leaf2", "worker-p002")):
        wait_until(lambda: cluster.status("bgppeer", leaf)["nodesPeerStatus"].keys() == {node}, 20, what=leaf)


def test_speakers_on_all_nodes(cluster):
    if cluster.old is PORTER_04:  # the others' objects are the same by now
        cluster.follow("Speakers on all nodes")
        assert cluster.speaker_nodes() == ALL
        cluster.wait_next_hops(DOCUMENTED, timeout=30)


def test_new_objects_come_and_old_ones_go(cluster):
    """No finalizer, no webhook holds anything up."""
    cluster.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "new", "annotations": {
        "lb.kubesphere.io/v1alpha1": "openelb", "eip.openelb.kubesphere.io/v1alpha2": "bgp-eip"}}, "spec": {
            "type": "LoadBalancer", "selector": {"app": "bgp-openelb"}, "ports": [{"port": 80}]}})
    wait_until(lambda: cluster.ips("new") == ["172.22.0.3"], 20, what="the first free address")
    assert not ask(cluster["client"], VIP, 50).lost
    cluster.kubectl("delete", "services", *ADDRESSES, "new", "--timeout=20s")
    wait_until(lambda: not any(router.next_hops(f"{ip}/32") for router in cluster.routers.values() for ip in ROUTED.values()), 20,
               what="no route")
    cluster.kubectl("delete", "eips,bgppeers,bgpconfs", "--all", "--timeout=20s")
