"""config/monitoring on a cluster: a real Prometheus finds our programs by the monitors, every query of the dashboards returns
data, and failures raise the alerts that are for them.

Alerts fire after two seconds here instead of minutes; config/test_monitoring.py has their real times.
"""

import contextlib
import json
import math
import re

import pytest
from faults import openelb_service
from lab.fabric import LEAVES
from lab.installed import NAMESPACE, ROOT
from lab.net import wait_until
from lab.prometheus import CRDS, Prometheus, plain_rules
from lab.router import Shown

MONITORING = ROOT / "config" / "monitoring"
DASHBOARDS = sorted(MONITORING.glob("dashboards/*.json"))
# (alert, rack): true of this page as it is documented, since each leaf has one speaker, and of each address in the other modes,
# which has one candidate (the condition FewStandbys).
ALWAYS = {("OpenELBRackWithoutRedundancy", rack) for rack in LEAVES} | {("OpenELBProblems", None)}

# Says every 0.3 s, to all hosts on its LAN, that it has an address.
CLAIM = """
import socket, sys, time
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(("eth0", 0x0806))
mac, address = wire.getsockname()[4], socket.inet_aton(sys.argv[1])
while True:
    wire.send(b"\\xff" * 6 + mac + bytes.fromhex("0806" "0001" "0800" "06" "04" "0001") + mac + address + bytes(6) + address)
    time.sleep(0.3)
"""


def eip(name, address, **spec):
    return {"apiVersion": "network.kubesphere.io/v1alpha2", "kind": "Eip", "metadata": {"name": name},
            "spec": {"address": address, **spec}}


def service_of(pool, name, protocol="bgp"):
    service = openelb_service(name)
    service["metadata"]["annotations"] = {
        "lb.kubesphere.io/v1alpha1": "openelb", "protocol.openelb.kubesphere.io/v1alpha1": protocol,
        "eip.openelb.kubesphere.io/v1alpha2": pool}
    return service


@pytest.fixture(scope="module")
def lab(documented):
    """The documented cluster with an address in each of the other modes on leaf1's network, and monitoring as it is shipped."""
    documented.kubectl("apply", "-f", CRDS)
    documented.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=20s")
    documented.kubectl("apply", "-k", MONITORING)
    for protocol, address in (("layer2", "192.168.0.91"), ("vip", "192.168.0.101")):
        documented.apply(eip(f"{protocol}-eip", address, protocol=protocol, interface="eth0"),
                         service_of(f"{protocol}-eip", f"{protocol}-svc", protocol))
        wait_until(lambda: documented.ips(f"{protocol}-svc") == [address], 10, what=f"an address by {protocol}")
    return documented


@pytest.fixture(scope="module")
def prometheus(lab):
    running = Prometheus(lab).start([re.sub(r"(?m)for: \w+$", "for: 2s", plain_rules(path)).replace("[2m]", "[5s]")
                                     for path in sorted(MONITORING.glob("rules/*.yaml"))])
    wait_until(lambda: len(running.query("up == 1")) == 4, 20, 0.2, what="each Pod is scraped once")
    lab.apply(service_of("bgp-eip", "later"))  # a change whose latencies it sees
    return running


def names(alerts):
    return {name for name, _ in alerts}


def wait_quiet(prometheus):
    def quiet():
        alerts = prometheus.alerts()
        return {(name, labels.get("rack")) for name, labels in alerts} == ALWAYS or Shown(alerts)
    wait_until(quiet, 30, 0.2, what=f"{ALWAYS} alone")


@contextlib.contextmanager
def raises(prometheus, alert, **labels):
    """What is done meanwhile makes this alert fire. Undoing it is the caller's."""
    def fires():
        firing = prometheus.alerts("firing")
        return any(found == alert and labels.items() <= held.items() for found, held in firing) or Shown(firing)
    wait_quiet(prometheus)
    yield
    wait_until(fires, 30, 0.2, what=f"{alert} {labels}")


def test_monitors_select_every_pod(lab, prometheus):
    pods = lab.get("pods", None, NAMESPACE)
    targets = prometheus.targets()
    assert len(pods) == len(targets) == 4 and all(health == "up" for _, health in targets)
    assert {(pod["metadata"]["name"], f"openelb-{pod['metadata']['labels']['component']}") for pod in pods} == {
        (labels["pod"], labels["container"]) for labels, _ in targets}
    speakers = {(labels["node"], labels["rack"]) for labels, _ in targets if labels["container"] == "openelb-speaker"}
    assert speakers == {("master1", "leaf1"), ("worker-p002", "leaf2")}
    assert all(labels["namespace"] == NAMESPACE for labels, _ in targets)


def test_healthy_cluster_is_quiet(prometheus):
    wait_quiet(prometheus)


def test_pool_nearly_full(lab, prometheus):
    with raises(prometheus, "OpenELBPoolNearlyFull", eip="small-eip"):
        lab.apply(eip("small-eip", "172.23.0.1-172.23.0.2"), *(service_of("small-eip", name) for name in ("one", "two")))
    lab.apply(service_of("small-eip", "three"))
    wait_until(lambda: "OpenELBServicesWaiting" in names(prometheus.alerts("firing")), 10, 0.2, what="three waits")
    lab.kubectl("delete", "service", "one", "two", "three")
    lab.kubectl("delete", "eip", "small-eip")
    wait_quiet(prometheus)


def variables(prometheus, dashboard):
    """What Grafana fills in when the dashboard is opened: All where that is offered, else the first value."""
    chosen = {"__rate_interval": "30s"}
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            metric, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()
            values = prometheus.label_values(fill(metric, chosen), label)
            assert values, variable["name"]
            chosen[variable["name"]] = variable["allValue"] if variable.get("includeAll") else values[0]
    return chosen


def fill(expression, chosen):
    return re.sub(r"\$(\w+)", lambda found: chosen[found[1]], expression)


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_query_returns_data(prometheus, path):
    dashboard = json.loads(path.read_text())
    chosen = variables(prometheus, dashboard)
    targets = [(panel["title"], target) for panel in dashboard["panels"] for target in panel["targets"]]

    def without_data():
        for title, target in targets:
            found = prometheus.query(fill(target["expr"], chosen))
            legend = re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", ""))
            if not found or any(math.isnan(value) or not labels.keys() >= set(legend) for labels, value in found):
                yield title, target["expr"], found
    assert len(targets) >= 10
    wait_until(lambda: not (missing := list(without_data())) or Shown(missing), 20, 0.5, what="data for every query")


def test_every_recording_rule_has_data(prometheus):
    recorded = re.findall(r"record: (\S+)", (MONITORING / "rules" / "recording.yaml").read_text())
    assert len(recorded) == 8 and [name for name in recorded if not prometheus.query(name)] == []


def test_router_stopped(lab, prometheus):
    leaf1 = lab.routers["leaf1"]
    with raises(prometheus, "OpenELBSessionDown", name="leaf1", node="master1", rack="leaf1"):
        leaf1.stop(kill=True)
    wait_until(lambda: "OpenELBRackDown" in names(prometheus.alerts("firing")), 10, 0.2, what="rack leaf1 is down")
    assert {labels["rack"] for name, labels in prometheus.alerts() if name == "OpenELBRackDown"} == {"leaf1"}
    leaf1.start()
    wait_quiet(prometheus)


def test_session_that_is_shut_down(lab, prometheus):
    """It is not wanted, so nobody is told that it is down."""
    lab.patch("bgppeer", "leaf2", {"spec": {"conf": {"adminDown": True}}})
    down = 'openelb_speaker_bgp_session_state{name="leaf2"} < 5'
    wait_until(lambda: prometheus.query(down) and prometheus.query('openelb_speaker_bgp_session_wanted{name="leaf2"} == 0'),
               20, 0.2, what="the session is shut down")
    wait_until(lambda: "OpenELBRackDown" in names(prometheus.alerts("firing")), 10, 0.2, what="rack leaf2 has no session")
    assert "OpenELBSessionDown" not in names(prometheus.alerts())
    lab.patch("bgppeer", "leaf2", {"spec": {"conf": {"adminDown": False}}})
    wait_quiet(prometheus)


def test_plan_not_acknowledged(lab, prometheus):
    """The speaker of master1 is cut off from controllers, and a change comes that it would have to know."""
    cut = "table ip test { chain out { type filter hook output priority 0; tcp dport 50051 drop; }; }"
    with raises(prometheus, "OpenELBPlanNotAcknowledged", node="master1"):
        lab["master1"].exec("nft", "-f", "-", stdin=cut)
        lab.apply(service_of("bgp-eip", "unheard"))
    wait_until(lambda: "OpenELBSpeakerDetached" in names(prometheus.alerts("firing")), 10, 0.2, what="no controller")
    lab["master1"].exec("nft", "delete table ip test")
    lab.kubectl("delete", "service", "unheard")
    wait_quiet(prometheus)


def test_duplicate_address(lab, prometheus):
    [(labels, _)] = [found for found in prometheus.query("openelb_speaker_layer2_owned") if found[1] == 1]
    with raises(prometheus, "OpenELBDuplicateAddress", node=labels["node"]):
        lab["worker1"].spawn("rival", ["/usr/bin/python3", "-c", CLAIM, "192.168.0.91"])
        counted = 'max by (eip) (openelb_layer2_duplicate_addresses) == 1'
        wait_until(lambda: prometheus.query(counted) == [({"eip": "layer2-eip"}, 1)], 20, 0.2, what="the address is counted")
    lab["worker1"].process("rival").kill()
