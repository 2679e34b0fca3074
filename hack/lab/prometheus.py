"""A real Prometheus in a Kubernetes lab, on a host of its own on the management network.

It scrapes what ServiceMonitors and PodMonitors of the API server select. Debian's build cannot ask an API server, and no
Prometheus Operator runs. So `discover` writes into a file what the two roles of its discovery would find (Endpoints
with their Pods; Pods with their Nodes), with the same __meta_ labels; everything after that is relabelling by Prometheus
itself, as the Operator generates it from a monitor.
"""

import base64
import json
import os
import re
from pathlib import Path

from lab.installed import NAMESPACE
from lab.net import wait_until

CRDS = Path(__file__).with_name("prometheus_operator_crds.yaml")
ACCOUNT = "system:serviceaccount:monitoring:prometheus-k8s"  # with no right but those of config/monitoring
URL = "http://127.0.0.1:9090"


class Prometheus:
    """`start` returns when it serves; it is ended with the lab. `rules`: texts of rule files."""

    def __init__(self, lab):
        self.lab = lab
        self.path = lab.run_dir.path / "prometheus"
        self.host = None

    def start(self, rules):
        self.path.mkdir()
        self.host = self.lab.add_host("monitor")
        self.lab.management.attach(self.host)
        # Pods, and those on their nodes' network, by a way that no leaf is on.
        self.host.ip(*(f"route add {prefix} via {node.management}" for node in self.lab.nodes.values()
                       for prefix in (node.pod_cidr, f"{node.address}/32")))
        for number, text in enumerate(rules):
            (self.path / f"rules-{number}.yml").write_text(text)
        monitors = self._objects("servicemonitors,podmonitors", "-A")
        (self.path / "prometheus.yml").write_text(json.dumps({  # JSON is YAML, too
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules-*.yml"], "scrape_configs": [self._scrape(monitor) for monitor in monitors]}))
        self.discover()
        self.host.spawn("prometheus", ["prometheus", f"--config.file={self.path / 'prometheus.yml'}",
                                       f"--storage.tsdb.path={self.path / 'data'}",
                                       f"--web.listen-address={URL.removeprefix('http://')}"])
        wait_until(lambda: self.host.exec("curl", "-sf", f"{URL}/-/ready"), 20, what="Prometheus: ready")
        return self

    # -- asking --

    def query(self, expression):
        """[(labels, value)] of an instant query; one that is wrong raises RuntimeError."""
        return [(sample["metric"], float(sample["value"][1]))
                for sample in self._get("query", query=expression)["result"]]

    def label_values(self, metric, label):
        return sorted({labels[label] for labels, _ in self.query(metric) if label in labels})

    def alerts(self, *states):
        """[(name, labels)] of the alerts in one of these states, "pending" and "firing"; of all, without any."""
        return [(alert["labels"]["alertname"], alert["labels"]) for alert in self._get("alerts")["alerts"]
                if not states or alert["state"] in states]

    def targets(self):
        """[(labels, "up" or why not)]"""
        return [(target["labels"], target["health"] if target["health"] == "up" else target["lastError"])
                for target in self._get("targets", state="active")["activeTargets"]]

    def _get(self, what, **parameters):
        words = [word for key, value in parameters.items() for word in ("--data-urlencode", f"{key}={value}")]
        answer = json.loads(self.host.exec("curl", "-sG", "--max-time", "5", f"{URL}/api/v1/{what}", *words))
        if answer["status"] != "success":
            raise RuntimeError(f"{what} {parameters}: {answer['error']}")
        return answer["data"]

    # -- whom to scrape --

    def discover(self):
        """To be called again when Pods have come or gone."""
        pods = self._seen("pods")
        nodes = {node["metadata"]["name"]: node for node in self._seen("nodes")}
        self._write("pod", [target for pod in pods for target in _pod_targets(pod, nodes)])
        services = {_key(service): service for service in self._seen("services")}
        by_key = {_key(pod): pod for pod in pods}
        self._write("endpoints", [target for found in self._seen("endpoints") if _key(found) in services
                                  for target in _endpoint_targets(found, services[_key(found)], by_key)])

    def _write(self, role, targets):
        draft = self.path / f"{role}.draft"
        draft.write_text(json.dumps([{"targets": [labels.pop("__address__")], "labels": labels} for labels in targets]))
        os.rename(draft, self.path / f"{role}.json")

    def _seen(self, kind):
        """What Prometheus may read, where the monitors are: they select nothing elsewhere."""
        return self._objects(kind, "-n", NAMESPACE, f"--as={ACCOUNT}")

    def _objects(self, kind, *where):
        return json.loads(self.lab.kubectl("get", kind, *where, "-o", "json"))["items"]

    def _scrape(self, monitor):
        """The scrape configuration that the Prometheus Operator makes of a monitor with one endpoint."""
        pods = monitor["kind"] == "PodMonitor"
        meta, spec = monitor["metadata"], monitor["spec"]
        [endpoint] = spec["podMetricsEndpoints" if pods else "endpoints"]
        role = "pod" if pods else "service"
        relabel = [_rule("drop", "(Failed|Succeeded)", "__meta_kubernetes_pod_phase"),
                   _rule("keep", re.escape(meta["namespace"]), "__meta_kubernetes_namespace")]
        for key, value in sorted(spec["selector"]["matchLabels"].items()):
            name = _name(key)
            relabel.append(_rule("keep", f"({re.escape(value)});true", f"__meta_kubernetes_{role}_label_{name}",
                                 f"__meta_kubernetes_{role}_labelpresent_{name}"))
        relabel.append(_rule("keep", endpoint["port"], "__meta_kubernetes_pod_container_port_name" if pods
                             else "__meta_kubernetes_endpoint_port_name"))
        copied = {"namespace": "namespace", "pod": "pod_name", "container": "pod_container_name"}
        if not pods:
            copied["service"] = copied["job"] = "service_name"
        relabel += [{"source_labels": [f"__meta_kubernetes_{source}"], "target_label": label}
                    for label, source in copied.items()]
        if pods:
            relabel.append({"target_label": "job", "replacement": f"{meta['namespace']}/{meta['name']}"})
        relabel.append({"target_label": "endpoint", "replacement": endpoint["port"]})
        relabel += [{re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", key): value for key, value in rule.items()}
                    for rule in endpoint.get("relabelings", [])]
        return {"job_name": f"{monitor['kind']}/{meta['namespace']}/{meta['name']}", "relabel_configs": relabel,
                "scheme": endpoint.get("scheme", "http"), **self._trust(endpoint),
                "file_sd_configs": [{"files": [f"{'pod' if pods else 'endpoints'}.json"], "refresh_interval": "1s"}]}


    def _trust(self, endpoint):
        """How targets are believed, and Prometheus by them, with what the Operator reads for that."""
        how = {}
        if tls := endpoint.get("tlsConfig"):
            how["tls_config"] = {"server_name": tls.get("serverName", ""),
                                 "insecure_skip_verify": tls.get("insecureSkipVerify", False)}
            if ca := tls.get("ca", {}).get("configMap"):
                how["tls_config"]["ca_file"] = self._keep(self.lab.get("configmap", ca["name"], NAMESPACE)["data"], ca["key"])
        if credentials := endpoint.get("authorization", {}).get("credentials"):
            data = self.lab.get("secret", credentials["name"], NAMESPACE)["data"]
            data = {key: base64.b64decode(value).decode() for key, value in data.items()}
            how["authorization"] = {"credentials_file": self._keep(data, credentials["key"])}
        return how

    def _keep(self, data, key):
        (self.path / key).write_text(data[key])
        return str(self.path / key)


def plain_rules(path):
    """A PrometheusRule's file as Prometheus reads rules: what the README's command makes of it."""
    text = path.read_text()
    return re.sub("(?m)^  ", "", text[re.search("(?m)^spec:.*\n", text).end():])


def _rule(action, regex, *sources):
    return {"action": action, "regex": regex, "source_labels": list(sources)}


def _key(obj):
    return obj["metadata"]["namespace"], obj["metadata"]["name"]


def _name(text):
    return re.sub("[^a-zA-Z0-9_]", "_", text)


def _labels_of(role, obj):
    for key, value in obj["metadata"].get("labels", {}).items():
        yield f"__meta_kubernetes_{role}_label_{_name(key)}", value
        yield f"__meta_kubernetes_{role}_labelpresent_{_name(key)}", "true"


def _pod_labels(pod, container, port):
    return dict(_labels_of("pod", pod)) | {
        "__meta_kubernetes_namespace": pod["metadata"]["namespace"],
        "__meta_kubernetes_pod_name": pod["metadata"]["name"],
        "__meta_kubernetes_pod_phase": pod["status"]["phase"],
        "__meta_kubernetes_pod_node_name": pod["spec"].get("nodeName", ""),
        "__meta_kubernetes_pod_container_name": container["name"],
        "__meta_kubernetes_pod_container_port_name": port.get("name", "")}


def _ports(pod):
    return [(container, port) for container in pod["spec"]["containers"] for port in container.get("ports", [])]


def _pod_targets(pod, nodes):
    if address := pod["status"].get("podIP"):
        node = dict(_labels_of("node", nodes[pod["spec"]["nodeName"]]))
        for container, port in _ports(pod):
            yield {"__address__": f"{address}:{port['containerPort']}"} | node | _pod_labels(pod, container, port)


def _endpoint_targets(endpoints, service, pods):
    """Those that are not ready count as well: they have metrics, too."""
    for subset in endpoints.get("subsets") or []:
        for address in (subset.get("addresses") or []) + (subset.get("notReadyAddresses") or []):
            reference = address.get("targetRef") or {}
            pod = pods.get((reference.get("namespace"), reference.get("name")))
            for port in subset.get("ports") or []:
                target = {"__address__": f"{address['ip']}:{port['port']}",
                          "__meta_kubernetes_namespace": service["metadata"]["namespace"],
                          "__meta_kubernetes_service_name": service["metadata"]["name"],
                          "__meta_kubernetes_endpoint_port_name": port.get("name", "")} | dict(_labels_of("service", service))
                for container, exposed in _ports(pod) if pod else []:
                    if exposed["containerPort"] == port["port"]:
                        target |= _pod_labels(pod, container, exposed)
                yield target
