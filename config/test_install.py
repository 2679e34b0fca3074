"""The other ways to install: one rendered file, the OLM bundle, overlays; and Helm's on a real API server."""

import json
import re
import shlex
import shutil
import subprocess

import pytest
from lab import yaml_subset
from lab.net import wait_until
from lab.programs import BIN
from rendered import BASE, CHART, HERE, NAMESPACE, ROOT, by_name, parsed

BUNDLE = HERE / "bundle"
CONTROLLER, SPEAKER, MANAGER = "openelb-controller", "openelb-speaker", "porter-manager"
PORTER = HERE / "porter"
MADE_BY_OLM = {f"{kind} {CONTROLLER}" for kind in (
    "Deployment", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")}
BESIDE_OLM = ("namespace", "speaker", "network-policy", "webhooks")


def files(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


# -- what is kept rendered --

def test_what_is_rendered_is_current(tmp_path):
    subprocess.run([ROOT / "hack" / "render", tmp_path], check=True, timeout=60)
    assert (tmp_path / "openelb.yaml").read_text() == (HERE / "openelb.yaml").read_text(), "run make render"
    assert files(tmp_path / "bundle" / "manifests") == files(BUNDLE / "manifests"), "run make render"


def test_kubectl_renders_as_kustomize_does(renderer, control_plane):
    assert by_name(control_plane.kubectl("kustomize", BASE)) == renderer.build(BASE)


def test_the_one_file_holds_the_same_objects(renderer):
    assert by_name((HERE / "openelb.yaml").read_text().partition("\n")[2]) == renderer.build(BASE)


def test_one_version():
    version = re.search(r"project\(openelb VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())[1]
    [chart] = yaml_subset.load_all((CHART / "Chart.yaml").read_text())
    [csv] = yaml_subset.load_all(next((BUNDLE / "manifests").glob("*clusterserviceversion*")).read_text())
    assert [chart["version"], chart["appVersion"], csv["spec"]["version"]] == [version] * 3
    assert csv["metadata"]["name"] == f"openelb.v{version}"
    assert csv["spec"]["minKubeVersion"] == re.search(r"[\d.]+", chart["kubeVersion"])[0]


# -- OLM --

@pytest.fixture
def bundle(renderer):
    return renderer.same_form("---\n".join(files(BUNDLE / "manifests").values()))


def test_the_bundle_is_valid(renderer):
    done = renderer.run("operator-verify", "manifests", BUNDLE)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_validator_finds_what_is_missing(renderer, tmp_path):
    """It tells by its output alone."""
    shutil.copytree(BUNDLE, tmp_path / "bundle")
    next((tmp_path / "bundle" / "manifests").glob("*_eips.*")).unlink()
    done = renderer.run("operator-verify", "manifests", tmp_path / "bundle")
    assert "Kind=Eip" in done.stderr and "not found in bundle" in done.stderr


def test_the_bundle_and_what_is_applied_beside_it_are_everything(renderer, bundle):
    beside = renderer.same_form("---\n".join((BASE / f"{name}.yaml").read_text() for name in BESIDE_OLM))
    base = renderer.build(BASE)
    assert {key: base[key] for key in beside} == beside
    [csv] = bundle.keys() - base.keys()
    assert bundle.keys() | beside.keys() | MADE_BY_OLM == base.keys() | {csv}
    assert not bundle.keys() & (beside.keys() | MADE_BY_OLM)
    for key in bundle.keys() - {csv}:
        assert bundle[key] == base[key].replace(f"  namespace: {NAMESPACE}\n", ""), key


def test_the_bundle_installs_the_same_controller(renderer, bundle):
    base = renderer.build(BASE)
    install = parsed(bundle, next(key for key in bundle if key.startswith("ClusterServiceVersion")))["spec"]["install"]
    [deployment] = install["spec"]["deployments"]
    expected = parsed(base, f"Deployment {CONTROLLER}")
    assert (deployment["name"], deployment["label"], deployment["spec"]) == (
        CONTROLLER, expected["metadata"]["labels"], expected["spec"])
    for field, kind in (("clusterPermissions", "ClusterRole"), ("permissions", "Role")):
        assert install["spec"][field] == [
            {"serviceAccountName": CONTROLLER, "rules": parsed(base, f"{kind} {CONTROLLER}")["rules"]}]


# -- PorterLB's names --

def test_porter_differs_by_what_runs_the_speakers(renderer):
    """What moves objects and names is not looked for twice."""
    base, porter = renderer.build(BASE), renderer.build(PORTER)
    renamed = {"Namespace openelb-system": "Namespace porter-system", f"ServiceAccount {SPEAKER}": f"ServiceAccount {MANAGER}",
               f"DaemonSet {SPEAKER}": f"Deployment {MANAGER}"}
    assert porter.keys() == {renamed.get(key, key) for key in base}
    changed = {*renamed, f"Deployment {CONTROLLER}"}
    for key in base.keys() - changed:
        assert porter[key] == base[key].replace(NAMESPACE, "porter-system"), key
    daemons, deployment = (parsed(objects, key)["spec"] for objects, key in (
        (base, f"DaemonSet {SPEAKER}"), (porter, f"Deployment {MANAGER}")))
    pod = deployment["template"]["spec"]
    assert pod.pop("affinity")["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert pod == daemons["template"]["spec"] | {"serviceAccountName": MANAGER}
    assert (deployment["replicas"], deployment["selector"]) == (1, daemons["selector"])
    controllers = [parsed(objects, f"Deployment {CONTROLLER}")["spec"] for objects in (base, porter)]
    args = [spec["template"]["spec"]["containers"][0].pop("args") for spec in controllers]
    assert args[1] == [*args[0], f"--speaker-service-account={MANAGER}", "--speakers-return=false"]
    assert controllers[0] == controllers[1]
    # --version comes after the other flags are read: a wrong one ends the program with 2.
    done = subprocess.run([BIN / CONTROLLER, *args[1], "--version"], capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_migration_begins_with_speakers_on_no_node(renderer):
    base, migration = renderer.build(BASE), renderer.build(HERE / "migration")
    key = f"DaemonSet {SPEAKER}"
    assert {name for name in base.keys() | migration.keys() if base.get(name) != migration.get(name)} == {key}
    old, new = (parsed(objects, key)["spec"] for objects in (base, migration))
    assert new["template"]["spec"].pop("nodeSelector") == old["template"]["spec"].pop("nodeSelector") | {SPEAKER: "true"}
    assert new == old


# -- on an API server --

def shown(section):
    """The commands that a section of the README shows, by the blocks that they stand in."""
    text = re.search(rf"(?ms)^##+ {section}\n(.*?)(?=^##|\Z)", (HERE / "README.md").read_text())[1]
    blocks = re.findall(r"(?ms)^```\n(.*?)^```", text)
    return [[shlex.split(line) for line in block.splitlines() if line.split()[0] in ("kubectl", "helm", "sh")]
            for block in blocks]


def documented(section):
    return [command for block in shown(section) for command in block]


@pytest.fixture
def typed(control_plane, renderer):
    """Types commands of the README. Without nodes no rollout ends: these are left out."""
    kubeconfig = f"--kubeconfig={control_plane.admin.kubeconfig}"

    def run(commands):
        for program, *words in commands:
            words = [str(ROOT / word) if word.startswith("config/") or word == "crds" else word for word in words]
            if program == "helm":
                home = [f"{name}={value}" for name, value in renderer.helm_home.items()]
                control_plane.host.exec("env", *home, renderer.tools / program, *words, kubeconfig)
            elif program == "sh":
                control_plane.host.exec("env", control_plane.kubectl_path(), program, *words)
            elif "rollout" not in words:
                control_plane.kubectl(*words)
    return run


def names(kubectl, namespace=NAMESPACE):
    """Everything of ours that there is."""
    kinds = ("serviceaccount,role,rolebinding,service,deployment,daemonset,networkpolicy,pdb",
             "clusterrole,clusterrolebinding,crd,validatingwebhookconfiguration")
    return {f"{one['kind']} {one['metadata']['name']}" for words in kinds for one in json.loads(
        kubectl("-n", namespace, "get", words, "-l", "app=openelb", "-o", "json"))["items"]}


def without_namespace(objects):
    return {key for key in objects if not key.startswith("Namespace ")}


def test_kubectl_as_documented(typed, control_plane, renderer):
    typed(documented("With kubectl"))
    assert names(control_plane.kubectl) == without_namespace(renderer.build(BASE))
    control_plane.kubectl("diff", "-f", HERE / "openelb.yaml")  # fails where it finds a difference
    remove, _ = shown("Uninstall")
    typed(remove)
    assert names(control_plane.kubectl) == set()


def test_porter_as_documented(typed, control_plane, renderer):
    apply, remove = shown("With PorterLB's names")
    typed(apply)
    assert names(control_plane.kubectl, "porter-system") == without_namespace(renderer.build(PORTER))
    for account, may in ((CONTROLLER, "yes"), (MANAGER, "no")):
        for right in (("watch", f"daemonsets/{SPEAKER}"), ("update", f"leases/{CONTROLLER}")):
            assert control_plane.kubectl("auth", "can-i", *right, "-n", "porter-system", check=False,
                                         *[f"--as=system:serviceaccount:porter-system:{account}"]).strip() == may
    typed(remove)
    assert names(control_plane.kubectl, "porter-system") == set()


def test_helm_as_documented(typed, control_plane, renderer):
    """Its commands in order; before the last ones also what it says of edits by hand and of CRDs."""
    kubectl = control_plane.kubectl
    commands = documented("With Helm")
    upgrade = next(number for number, command in enumerate(commands) if command[:2] == ["helm", "upgrade"])
    _, (script, uninstall, crds) = shown("Uninstall")
    everything = without_namespace(renderer.build(BASE))

    def pod():
        return json.loads(kubectl("-n", NAMESPACE, "get", "daemonset", SPEAKER, "-o", "json"))["spec"]["template"]["spec"]

    typed(commands[:upgrade])
    assert names(kubectl) == everything
    assert "--enable-keepalived-vip=true" in pod()["containers"][0]["args"]
    typed(commands[upgrade:])
    assert names(kubectl) == everything
    assert "--enable-keepalived-vip=false" in pod()["containers"][0]["args"]

    def edit(labels):
        kubectl("-n", NAMESPACE, "patch", "daemonset", SPEAKER, "-p", json.dumps(
            {"spec": {"template": {"spec": {"nodeSelector": labels}}}}))

    again = [*commands[upgrade], "--set", "speaker.layer2=false"]
    edited = {"kubernetes.io/os": "linux", "lb.kubesphere.io/v1alpha1": "openelb"}
    edit(edited)
    with pytest.raises(RuntimeError, match="conflict with .* .spec.template.spec.nodeSelector"):
        typed([again])
    typed([[*again, "--force-conflicts"]])
    assert pod()["nodeSelector"] == {"kubernetes.io/os": "linux"}
    edit(edited)
    typed([[*again, "--server-side=false"]])
    assert pod()["nodeSelector"] == edited and "--enable-layer2=false" in pod()["containers"][0]["args"]

    kubectl("apply", "-f", "-", input=json.dumps({
        "apiVersion": "network.kubesphere.io/v1alpha2", "kind": "Eip", "metadata": {"name": "kept"},
        "spec": {"address": "192.0.2.1"}}))
    typed([uninstall])
    assert {name.split()[0] for name in names(kubectl)} == {"CustomResourceDefinition"}
    assert kubectl("get", "eips", "-o", "name").split() == ["eip.network.kubesphere.io/kept"]
    typed([script, uninstall + ["--ignore-not-found"], crds])
    assert names(kubectl) == set()
    kubectl("delete", "namespace", NAMESPACE)


def test_an_overlay_for_another_namespace_works(control_plane, tmp_path):
    """As the README shows it: rights are the renamed accounts', and nothing is left in the old namespace."""
    overlay = re.search(r"(?ms)^```\n(apiVersion: kustomize.*?)^```", (HERE / "README.md").read_text())[1]
    tree = tmp_path / "config"
    shutil.copytree(BASE, tree / "default")
    shutil.copytree(ROOT / "crds", tmp_path / "crds", ignore=shutil.ignore_patterns("__pycache__"))
    (tree / "overlay").mkdir()
    (tree / "overlay" / "kustomization.yaml").write_text(overlay)
    namespace = re.search(r"(?m)^namespace: (.*)$", overlay)[1]
    kubectl = control_plane.kubectl
    kubectl("apply", "-k", tree / "overlay")

    def may(account, verb, resource, where=namespace):
        return kubectl("auth", "can-i", verb, resource, "-n", where, f"--as=system:serviceaccount:{account}",
                       check=False).strip() == "yes"
    ours, old = f"{namespace}:{CONTROLLER}", f"{NAMESPACE}:{CONTROLLER}"
    for right in (("watch", "services", "default"), ("create", "tokenreviews"), ("watch", f"daemonsets/{SPEAKER}"),
                  ("update", f"leases/{CONTROLLER}"), ("get", "secrets/openelb-controller-tls")):
        assert may(ours, *right) and not may(old, *right), right
    assert not may(ours, "get", "secrets/openelb-controller-tls", NAMESPACE)
    namespaces = json.loads(kubectl("get", "namespaces", "-l", "app=openelb", "-o", "json"))["items"]
    assert [one["metadata"]["name"] for one in namespaces] == [namespace]
    assert namespaces[0]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "privileged"
    for kind, name in (("deployment", CONTROLLER), ("daemonset", SPEAKER)):
        image = kubectl("-n", namespace, "get", kind, name, "-o=jsonpath={.spec.template.spec.containers[0].image}")
        assert image == f"registry.example/{name}:v1"
    called = kubectl("get", "validatingwebhookconfigurations", "-o=jsonpath={.items[*].webhooks[*].clientConfig.service.namespace}")
    assert called == namespace
    kubectl("-n", namespace, "wait", f"deployment/{CONTROLLER}", "--for=jsonpath={.status.replicas}=2", "--timeout=30s")
    kubectl("delete", "-k", tree / "overlay", "--wait=false")
    # A namespace that goes while CRDs go is tried again at leisure.
    wait_until(lambda: not kubectl("get", "namespaces,customresourcedefinitions", "-l", "app=openelb", "-o", "name"), 180,
               interval=0.5, what="all of it gone")
