"""The Helm chart: the same objects as the kustomize base, what each value changes, what is refused."""

import json
import os
import re

import pytest
from lab import yaml_subset
from rendered import CHART, HERE, parsed

DEPLOYMENT, DAEMON_SET = "Deployment openelb-controller", "DaemonSet openelb-speaker"
# What OpenELB's chart documents, with its own defaults where they are not ours, and something in what has none.
OPENELB_VALUES = """
global: {imageRegistry: docker.io, tag: null, imagePullSecrets: []}
admission:
  image: {repository: kubesphere/kube-webhook-certgen, tag: v1.1.1, pullPolicy: IfNotPresent}
controller:
  monitorEnable: false
  monitorPort: 50052
  webhookPort: 443
  image: {repository: kubesphere/openelb-controller, tag: master, pullPolicy: IfNotPresent}
  resources: {limits: {cpu: 500m, memory: 500Mi}, requests: {cpu: 100m, memory: 100Mi}}
  priorityClass: ""
  tolerations:
    - {key: CriticalAddonsOnly, operator: Exists}
    - {effect: NoSchedule, key: node-role.kubernetes.io/control-plane}
  nodeSelector: {node-role.kubernetes.io/control-plane: ""}
speaker:
  enable: true
  vip: false
  layer2: false
  memberlistSecret: openelb-speakers
  apiHosts: ":50051"
  monitorPort: 50052
  image: {repository: kubesphere/openelb-speaker, tag: master, pullPolicy: IfNotPresent}
  affinity:
    nodeAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
        nodeSelectorTerms:
          - matchExpressions: [{key: openelb.io/speaker-node, operator: Exists}]
customImage: {enable: true, forwardImage: "", proxyImage: ""}
"""


def pod(objects, which):
    return parsed(objects, which)["spec"]["template"]["spec"]


def container(objects, which):
    [found] = pod(objects, which)["containers"]
    return found


def base(renderer, **fields):
    """What the base has and the chart as well: helm makes the Namespace before there is a release."""
    return {key: text for key, text in renderer.overlay(**fields).items() if not key.startswith("Namespace ")}


def test_the_objects_are_those_of_the_base(renderer):
    assert renderer.template() == base(renderer)


def test_the_documented_command_gives_them_too(renderer):
    assert renderer.template("--set", "speaker.layer2=true", "--set", "speaker.vip=true") == base(renderer)


def test_a_packaged_chart_is_whole(renderer, tmp_path):
    """What is linked into it is in the archive."""
    done = renderer.run("helm", "package", CHART, "-d", tmp_path)
    assert done.returncode == 0, done.stderr
    [archive] = tmp_path.glob("openelb-*.tgz")
    assert renderer.template(chart=archive) == base(renderer)


def test_another_namespace(renderer):
    assert renderer.template(namespace="load-balancer") == base(renderer, namespace="load-balancer")


def test_lint(renderer):
    done = renderer.run("helm", "lint", "--strict", CHART)
    assert done.returncode == 0 and "WARNING" not in done.stdout, done.stdout


@pytest.mark.parametrize("values, which, image", [
    ("global.imageRegistry=r.example/", DEPLOYMENT, "r.example/openelb/openelb-controller:latest"),
    ("global.imageRegistry=r.example,speaker.image.registry=other", DAEMON_SET, "r.example/openelb/openelb-speaker:latest"),
    ("speaker.image.registry=other:5000", DAEMON_SET, "other:5000/openelb/openelb-speaker:latest"),
    ("global.tag=v2,controller.image.tag=v1", DEPLOYMENT, "openelb/openelb-controller:v2"),
    ("controller.image.tag=v1,controller.image.repository=a/b", DEPLOYMENT, "a/b:v1"),
    (f"speaker.image.digest=sha256:{'0' * 64}", DAEMON_SET, f"openelb/openelb-speaker@sha256:{'0' * 64}")])
def test_images(renderer, values, which, image):
    assert container(renderer.template("--set", values), which)["image"] == image


@pytest.mark.parametrize("values, which, field, expected", [
    ("controller.replicas=3", DEPLOYMENT, "spec.replicas", 3),
    ("global.imagePullSecrets={a,b}", DEPLOYMENT, "imagePullSecrets", [{"name": "a"}, {"name": "b"}]),
    ("speaker.priorityClass=mine", DAEMON_SET, "priorityClassName", "mine"),
    ("speaker.priorityClass=", DAEMON_SET, "priorityClassName", None),
    ("controller.topologySpreadConstraints=null", DEPLOYMENT, "topologySpreadConstraints", None),
    ("controller.affinity.nodeAffinity.x=y", DEPLOYMENT, "affinity", {"nodeAffinity": {"x": "y"}}),
    ("speaker.tolerations[0].key=k,speaker.tolerations[0].operator=Exists", DAEMON_SET, "tolerations",
     [{"key": "k", "operator": "Exists"}]),
    (r"speaker.nodeSelector.lb\.kubesphere\.io/v1alpha1=openelb", DAEMON_SET, "nodeSelector",
     {"kubernetes.io/os": "linux", "lb.kubesphere.io/v1alpha1": "openelb"})])
def test_where_pods_run(renderer, values, which, field, expected):
    objects = renderer.template("--set", values)
    if field == "spec.replicas":
        assert parsed(objects, which)["spec"]["replicas"] == expected
    else:
        assert pod(objects, which).get(field) == expected


@pytest.mark.parametrize("values, which, gone, added", [
    ("speaker.layer2=false", DAEMON_SET, "--enable-layer2=true", "--enable-layer2=false"),
    ("speaker.vip=false", DAEMON_SET, "--enable-keepalived-vip=true", "--enable-keepalived-vip=false"),
    ("speaker.apiHosts=:1", DAEMON_SET, "--api-hosts=:50051", "--api-hosts=:1"),
    ("controller.monitorPort=9000", DEPLOYMENT, "--metrics-addr=:50052", "--metrics-addr=:9000"),
    ("controller.webhookPort=30443", DEPLOYMENT, "--webhook-port=9443", "--webhook-port=30443"),
    ("controller.defaultEip=true", DEPLOYMENT, None, "--default-eip-webhook"),
    ("speaker.monitorSecure=false", DAEMON_SET, "--metrics-secure", None),
    ("controller.extraArgs={--settle=5s}", DEPLOYMENT, None, "--settle=5s")])
def test_arguments(renderer, values, which, gone, added):
    before, after = (container(renderer.template(*words), which) for words in ((), ("--set", values)))
    assert set(after["args"]) == set(before["args"]) - {gone} | ({added} - {None})
    ports = {port["name"]: port["containerPort"] for port in after["ports"]}
    assert f"--metrics-addr=:{ports['metrics']}" in after["args"]
    assert which == DAEMON_SET or f"--webhook-port={ports['webhook']}" in after["args"]


def test_every_port_of_the_controller_is_open(renderer):
    for words in ((), ("--set", "controller.monitorPort=9000,controller.webhookPort=443")):
        objects = renderer.template(*words)
        [rule] = parsed(objects, "NetworkPolicy openelb-controller")["spec"]["ingress"]
        assert rule == {"ports": [{"port": port["containerPort"]} for port in container(objects, DEPLOYMENT)["ports"]]}


def test_a_low_port_is_allowed_to_who_is_not_root(renderer):
    for port, expected in ((9443, None), (443, [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}])):
        objects = renderer.template("--set", f"controller.webhookPort={port}")
        assert pod(objects, DEPLOYMENT)["securityContext"].get("sysctls") == expected


def test_webhooks_are_called_in_the_releases_namespace(renderer):
    objects = renderer.template("--set", "controller.defaultEip=true", namespace="load-balancer")
    for which in ("ValidatingWebhookConfiguration openelb-admission", "MutatingWebhookConfiguration openelb-admission"):
        [webhook] = parsed(objects, which)["webhooks"]
        assert webhook["clientConfig"]["service"]["namespace"] == "load-balancer"
        assert webhook["failurePolicy"] == "Ignore"


def test_default_eips_are_those_of_the_component(renderer):
    """With the value and with the component: the same objects."""
    component = os.path.relpath(HERE / "components" / "default-eip", renderer.scratch)
    assert renderer.template("--set", "controller.defaultEip=true") == base(renderer, components=f"[{component}]")


def test_resources_are_merged(renderer):
    resources = container(renderer.template("--set", "speaker.resources.limits.cpu=1"), DAEMON_SET)["resources"]
    assert resources == {"requests": {"cpu": "20m", "memory": "32Mi"}, "limits": {"cpu": 1, "memory": "256Mi"}}


def test_without_speakers(renderer):
    gone = base(renderer).keys() - renderer.template("--set", "speaker.enable=false,speaker.monitorEnable=true").keys()
    assert gone == {DAEMON_SET, "ServiceAccount openelb-speaker"}


def test_monitors(renderer):
    """Those of config/monitoring, each where its component asks for it."""
    monitors, token = (renderer.same_form((HERE / "monitoring" / f"{name}.yaml").read_text())
                       for name in ("monitors", "metrics-token"))
    for component, name in (("controller", "ServiceMonitor openelb-controller"), ("speaker", "PodMonitor openelb-speaker")):
        objects = renderer.template("--set", f"{component}.monitorEnable=true")
        assert objects == base(renderer) | {name: monitors[name]} | token


def test_monitors_of_another_namespace(renderer):
    monitor = parsed(renderer.template("--set", "controller.monitorEnable=true", namespace="load-balancer"),
                     "ServiceMonitor openelb-controller")
    assert monitor["spec"]["endpoints"][0]["tlsConfig"]["serverName"] == "openelb-controller.load-balancer.svc"


def test_plain_metrics_are_those_of_the_component(renderer):
    """With the values and with the component: the same objects, and in them nothing of TLS or tokens."""
    component = os.path.relpath(HERE / "components" / "plain-metrics", renderer.scratch)
    plain = base(renderer, components=f"[{component}]")
    words = ("--set", "controller.monitorSecure=false,speaker.monitorSecure=false")
    assert renderer.template(*words) == plain != base(renderer)
    assert not re.search("--metrics-secure|HTTPS", "".join(plain.values()))
    monitoring = renderer.overlay(HERE / "monitoring", components=f"[{component}]")
    monitors = {key: monitoring[key] for key in ("ServiceMonitor openelb-controller", "PodMonitor openelb-speaker")}
    assert renderer.template(*words, "--set", "controller.monitorEnable=true,speaker.monitorEnable=true") == plain | monitors
    assert not re.search("scheme|tlsConfig|authorization", "".join(monitors.values()))


def test_values_of_openelbs_chart(renderer, tmp_path):
    values = tmp_path / "values.yaml"
    values.write_text(OPENELB_VALUES)
    objects = renderer.template("-f", values)
    assert container(objects, DEPLOYMENT)["image"] == "docker.io/kubesphere/openelb-controller:master"
    assert "priorityClassName" not in pod(objects, DEPLOYMENT)
    assert "--enable-layer2=false" in container(objects, DAEMON_SET)["args"]
    assert "nodeAffinity" in pod(objects, DAEMON_SET)["affinity"]
    notes = renderer.run("helm", "install", "openelb", CHART, "--dry-run=client", "-f", values).stdout
    assert "--webhook-port=443" in container(objects, DEPLOYMENT)["args"]
    assert ("Values of OpenELB's chart that have no effect here: admission, customImage, "
            "speaker.memberlistSecret") in notes


@pytest.mark.parametrize("value, says", [
    ("speaker.layer2=yes", "at '/speaker/layer2': got string, want boolean"),
    ("speaker.vip=1", "at '/speaker/vip': got number, want boolean"),
    ("controller.replicas=two", "at '/controller/replicas': got string, want integer"),
    ("controller.replicas=-1", "at '/controller/replicas': minimum: got -1, want 0"),
    ("controller.webhookPort=0", "at '/controller/webhookPort': minimum: got 0, want 1"),
    ("controller.defaultEip=yes", "at '/controller/defaultEip': got string, want boolean"),
    ("speaker.monitorSecure=null", "at '/speaker': missing property 'monitorSecure'"),
    ("controller.monitorPort=70000", "at '/controller/monitorPort': maximum: got 70,000, want 65,535"),
    ("speaker.nodeSelector=linux", "at '/speaker/nodeSelector': got string, want object"),
    ("speaker.nodeSelector.openelb-speaker=true", "at '/speaker/nodeSelector/openelb-speaker': got boolean, want string"),
    ("speaker.tolerations.key=a", "at '/speaker/tolerations': got object, want array"),
    ("speaker.tolerations[0].effect=NoRun", "at '/speaker/tolerations/0/effect': value must be one of"),
    ("speaker.resources.memory=1Gi", "at '/speaker/resources': additional properties 'memory' not allowed"),
    ("controller.affinity.nodeAfinity.x=y", "at '/controller/affinity': additional properties 'nodeAfinity' not allowed"),
    ("controller.image.pullPolicy=Sometimes", "at '/controller/image/pullPolicy': value must be one of"),
    ("controller.image.tag=5", "at '/controller/image/tag': got number, want string"),
    ("controller.image.tag=", "at '/controller/image/tag': '' does not match pattern"),
    ("global.imageRegistry=https://r.example", "at '/global/imageRegistry': 'https://r.example' does not match pattern"),
    ("controller.image=openelb:v1", "at '/controller/image': got string, want object"),
    ("controller.image.repository=null", "at '/controller/image': missing property 'repository'"),
    ("global.imagePullSecrets[0].name=a", "at '/global/imagePullSecrets/0': got object, want string"),
    ("speaker.extraArgs={layer2-probe}", "at '/speaker/extraArgs/0': 'layer2-probe' does not match pattern '^--'"),
    ("speakers.vip=true", "at '': additional properties 'speakers' not allowed"),
    ("fullnameOverride=lb", "at '': additional properties 'fullnameOverride' not allowed")])
def test_bad_values_are_refused(renderer, value, says):
    done = renderer.run("helm", "template", CHART, "--set", value)
    assert done.returncode != 0 and says in done.stderr, done.stderr


def test_an_old_cluster_is_refused(renderer):
    done = renderer.run("helm", "template", CHART, "--kube-version", "1.30.9")
    assert done.returncode != 0 and "chart requires kubeVersion: >=1.31.0-0" in done.stderr


def leaves(value, path=""):
    """{path: value}: a list or what Kubernetes defines is one value."""
    if not isinstance(value, dict) or path.rpartition(".")[2] in ("resources", "nodeSelector", "affinity"):
        return {path: value}
    return {key: leaf for name, inner in value.items()
            for key, leaf in leaves(inner, f"{path}.{name}".lstrip(".")).items()}


def in_table(value):
    if value and isinstance(value, (dict, list)):
        return "as in `default`"
    return f"`{value if value and isinstance(value, str) else json.dumps(value)}`"


def test_the_table_shows_every_value():
    [values] = yaml_subset.load_all((CHART / "values.yaml").read_text())
    rows = re.findall(r"(?m)^\| `((?:global|controller|speaker)\.\S+)` \| (.*?) \|", (HERE / "README.md").read_text())
    assert rows == [(path, in_table(value)) for path, value in leaves(values).items()]
