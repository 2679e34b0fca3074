"""config/monitoring: rules by promtool, monitors that select what config/default runs, dashboards and runbook that fit.

What the queries return from a Prometheus that scrapes a cluster is in e2e/kubernetes/test_monitoring.py.
"""

import json
import re
import subprocess
from pathlib import Path

import pytest
from lab import yaml_subset
from lab.net import run
from lab.prometheus import ACCOUNT, CRDS, plain_rules

HERE = Path(__file__).resolve().parent
MONITORING = HERE / "monitoring"
NAMESPACE = "openelb-system"
RULES = sorted(MONITORING.glob("rules/*.yaml"))
UNIT_TESTS = sorted(MONITORING.glob("testdata/*.yaml"))
DASHBOARDS = sorted(MONITORING.glob("dashboards/*.json"))


def load(path):
    [document] = yaml_subset.load_all(path.read_text())
    return document


def rules():
    return [rule for path in RULES for group in load(path)["spec"]["groups"] for rule in group["rules"]]


ALERTS = {rule["alert"]: rule for rule in rules() if "alert" in rule}


# -- rules --

@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A folder with the rules as Prometheus reads them, made by the command that the README shows, and their unit tests."""
    folder = tmp_path_factory.mktemp("promtool")
    (folder / "rules").mkdir()
    [command] = re.findall(r"sed '[^']+'", (MONITORING / "README.md").read_text())
    for path in RULES:
        (folder / "rules" / path.name).write_text(run("sh", "-c", f'{command} "$0"', path))
    for path in UNIT_TESTS:
        (folder / path.name).write_text(path.read_text())
    return folder


def promtool(*words):
    done = subprocess.run(["promtool", *map(str, words)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_rules_are_what_prometheus_reads(plain):
    assert "SUCCESS" in promtool("check", "rules", *sorted((plain / "rules").iterdir()))
    for path in RULES:
        assert (plain / "rules" / path.name).read_text() == plain_rules(path)


@pytest.mark.parametrize("name", [path.name for path in UNIT_TESTS])
def test_alerts_fire_when_they_should(plain, name):
    promtool("test", "rules", plain / name)


def test_each_alert_is_tested_both_ways():
    cases = [case for path in UNIT_TESTS for test in load(path)["tests"] for case in test.get("alert_rule_test", [])]
    assert {case["alertname"] for case in cases if "exp_alerts" in case} == ALERTS.keys()
    assert {case["alertname"] for case in cases if "exp_alerts" not in case} == ALERTS.keys()


def test_each_alert_has_its_paragraph():
    paragraphs = re.findall(r"(?m)^### (\w+)\n\n(?=\w)", (MONITORING / "runbook.md").read_text())
    assert sorted(paragraphs) == sorted(ALERTS)
    for name, rule in ALERTS.items():
        assert rule["annotations"]["runbook"] == f"config/monitoring/runbook.md#{name.lower()}"
        assert rule["annotations"]["summary"] and rule["labels"]["severity"] in ("critical", "warning", "info")


def test_each_recording_rule_is_explained_and_named_as_it_is_custom():
    recorded = [rule["record"] for rule in rules() if "record" in rule]
    assert all(re.fullmatch(r"(node|rack|eip|cluster):openelb_\w+:\w+", name) for name in recorded)
    assert re.findall(r"(?m)^\| `(\w+:\w+:\w+)` \|", (MONITORING / "README.md").read_text()) == recorded


def known_metrics():
    """Names that the programs export, as their READMEs list them."""
    text = "".join((HERE.parent / program / "README.md").read_text() for program in ("controller", "speaker"))
    names = set()
    for name, kind in re.findall(r"(?m)^\| `?(openelb_\w+)`? \| (\w+) \|", text):
        names |= {f"{name}_{suffix}" for suffix in ("bucket", "sum", "count")} if kind == "histogram" else {name}
    return names | {rule["record"] for rule in rules() if "record" in rule}


def queries(dashboard):
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def test_only_metrics_that_exist_are_asked_for():
    asked = [rule["expr"] for rule in rules()]
    for path in DASHBOARDS:
        dashboard = json.loads(path.read_text())
        asked += queries(dashboard) + [v["query"]["query"] for v in dashboard["templating"]["list"] if v["type"] == "query"]
    known = known_metrics()
    assert len(known) > 80
    for expression in asked:
        without_strings = re.sub(r'"[^"]*"', '""', expression)
        assert set(re.findall(r"[a-z:_0-9]*openelb_[a-z:_0-9]+", without_strings)) <= known, expression


# -- dashboards --

@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_dashboard_can_be_loaded(path):
    dashboard = json.loads(path.read_text())
    assert dashboard["uid"].startswith("openelb-") and dashboard["title"].startswith("OpenELB / ")
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    source = {"type": "prometheus", "uid": "${datasource}"}
    assert all(variable["datasource"] == source for name, variable in variables.items() if name != "datasource")
    cells = set()
    for panel in dashboard["panels"]:
        assert panel["datasource"] == source and panel["title"] and panel["targets"]
        place = panel["gridPos"]
        covered = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not covered & cells and place["x"] + place["w"] <= 24, panel["title"]
        cells |= covered
        used = set(re.findall(r"\$(\w+)", " ".join(target["expr"] for target in panel["targets"])))
        assert used <= variables.keys() | {"__rate_interval"}, panel["title"]
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_dashboards_are_told_apart():
    loaded = [json.loads(path.read_text()) for path in DASHBOARDS]
    assert [path.stem for path in DASHBOARDS] == ["cluster", "node", "rack", "services"]
    assert len({dashboard["uid"] for dashboard in loaded}) == len({dashboard["title"] for dashboard in loaded}) == 4


# -- on an API server --

@pytest.fixture(scope="module")
def installed(control_plane):
    """get(kind, name) where both bases are applied as they are; fields that the Operator does not know are refused."""
    control_plane.kubectl("apply", "-f", CRDS)
    control_plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=20s")
    control_plane.kubectl("apply", "-k", HERE / "default")
    control_plane.kubectl("apply", "-k", MONITORING)

    def get(kind, name):
        return json.loads(control_plane.kubectl("-n", NAMESPACE, "get", kind, name, "-o", "json"))
    get.kubectl = control_plane.kubectl
    return get


def metrics_port(workload):
    """The container's port that --metrics-addr means."""
    [container] = workload["spec"]["template"]["spec"]["containers"]
    [address] = [word for word in container["args"] if word.startswith("--metrics-addr=")]
    [port] = [port for port in container["ports"] if port["containerPort"] == int(address.rpartition(":")[2])]
    return port


def selects(selector, obj):
    return selector.items() <= obj["metadata"]["labels"].items()


def test_service_monitor_selects_the_controllers(installed):
    monitor, service = installed("servicemonitor", "openelb-controller"), installed("service", "openelb-controller")
    deployment = installed("deployment", "openelb-controller")
    assert selects(monitor["spec"]["selector"]["matchLabels"], service)
    assert selects(service["spec"]["selector"], deployment["spec"]["template"])
    [endpoint] = monitor["spec"]["endpoints"]
    [port] = [port for port in service["spec"]["ports"] if port["name"] == endpoint["port"]]
    assert port["targetPort"] == metrics_port(deployment)["name"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    assert container["name"] == "openelb-controller"  # the label that rules ask for


def test_pod_monitor_selects_the_speakers(installed):
    monitor, daemon_set = installed("podmonitor", "openelb-speaker"), installed("daemonset", "openelb-speaker")
    assert selects(monitor["spec"]["selector"]["matchLabels"], daemon_set["spec"]["template"])
    assert not selects(monitor["spec"]["selector"]["matchLabels"],
                       installed("deployment", "openelb-controller")["spec"]["template"])
    [endpoint] = monitor["spec"]["podMetricsEndpoints"]
    assert endpoint["port"] == metrics_port(daemon_set)["name"]
    [container] = daemon_set["spec"]["template"]["spec"]["containers"]
    assert container["name"] == "openelb-speaker"


def test_targets_are_asked_as_they_serve(installed):
    """Over TLS, for their authority where they have one, with a token that may read metrics and nothing else."""
    for kind, name, workload in (("servicemonitor", "openelb-controller", "deployment"),
                                 ("podmonitor", "openelb-speaker", "daemonset")):
        spec = installed(kind, name)["spec"]
        [endpoint] = spec.get("endpoints") or spec["podMetricsEndpoints"]
        [container] = installed(workload, name)["spec"]["template"]["spec"]["containers"]
        assert endpoint["scheme"] == "https" and "--metrics-secure" in container["args"]
        for probe in ("livenessProbe", "readinessProbe"):
            assert container[probe]["httpGet"]["scheme"] == "HTTPS"
        secret = installed("secret", endpoint["authorization"]["credentials"]["name"])
        assert secret["type"] == "kubernetes.io/service-account-token"
    reader = f"system:serviceaccount:{NAMESPACE}:{secret['metadata']['annotations']['kubernetes.io/service-account.name']}"

    def may(*words, who=reader):
        return installed.kubectl("auth", "can-i", *words, f"--as={who}", check=False).strip() == "yes"
    assert may("get", "/metrics")
    assert not may("get", "/metrics", who=f"system:serviceaccount:{NAMESPACE}:default")
    assert not any(may(*words.split(), "-n", NAMESPACE) for words in ("get pods", "list secrets", "get secrets", "list services"))
    trusted = installed("servicemonitor", "openelb-controller")["spec"]["endpoints"][0]["tlsConfig"]
    assert trusted["serverName"] == f"openelb-controller.{NAMESPACE}.svc" and not trusted.get("insecureSkipVerify")


@pytest.mark.parametrize("words, answer", [
    ("list pods", "yes"), ("watch endpoints", "yes"), ("list services", "yes"), ("watch nodes", "yes"),
    ("get secrets", "no"), ("delete pods", "no"), ("list pods -A", "no")])
def test_prometheus_may_find_them(installed, words, answer):
    where = [] if words.endswith("-A") else ["-n", NAMESPACE]
    assert installed.kubectl("auth", "can-i", *words.split(), *where, f"--as={ACCOUNT}", check=False).strip() == answer


def test_what_is_applied_is_what_is_tested(installed):
    for path in RULES:
        manifest = load(path)
        applied = installed("prometheusrule", manifest["metadata"]["name"])
        assert [len(group["rules"]) for group in applied["spec"]["groups"]] == [
            len(group["rules"]) for group in manifest["spec"]["groups"]]
    for path in DASHBOARDS:
        found = installed("configmap", f"openelb-dashboard-{path.stem}")
        assert found["data"] == {path.name: path.read_text()} and found["metadata"]["labels"]["grafana_dashboard"] == "1"
