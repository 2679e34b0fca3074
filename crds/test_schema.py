"""The CRDs on a real API server: what it accepts, what it answers to mistakes, what kubectl shows."""

import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from lab.net import wait_until
from mistakes import BAD, peer

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PLURALS = {"Eip": "eips", "BgpConf": "bgpconfs", "BgpPeer": "bgppeers", "OpenELB": "openelbs"}
SAMPLES = sorted([*HERE.glob("testdata/*.yaml"), *ROOT.glob("config/samples/*/*.yaml"),
                  *ROOT.glob("api/codec/corpus/ok-bgp*.yaml"), ROOT / "api/codec/corpus/ok-eip.yaml"])
# What the server adds where types, bounds or required fields are wrong already.
RULES_WAIT = ("<nil>: Invalid value: null: some validation rules were not checked because the object was invalid;"
              " correct the existing errors to complete validation")


class Api:
    """kubectl against a server that has the CRDs."""

    def __init__(self, control_plane):
        self.control_plane = control_plane
        self("apply", "-k", HERE)
        self("wait", "--for=condition=Established", "crd", "--all", "--timeout=20s")
        # Samples have objects there.
        for namespace in ("openelb-system", "namespace-1", "namespace-2", "namespace-3"):
            self("create", "namespace", namespace)

    def __call__(self, *args, **options):
        return self.control_plane.kubectl(*args, **options)

    def apply(self, *objects):
        self("apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))

    def get(self, kind, name, version="v1alpha2"):
        return json.loads(self("get", f"{PLURALS[kind]}.{version}.network.kubesphere.io", name, "-o", "json"))

    def patch(self, kind, name, patch, *options):
        return self("patch", PLURALS[kind], name, "--type=merge", "-p", json.dumps(patch), *options)

    def refusal(self, *args, input=None):
        """What kubectl says on standard error to something that must be refused."""
        argv = [*self.control_plane.kubectl_command(), *args]
        done = subprocess.run(["ip", "netns", "exec", self.control_plane.host.netns, *map(str, argv)],
                              input=input, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode != 0, f"accepted: {done.stdout}"
        return done.stderr

    def mistakes(self, obj):
        """The lines about one object that must be refused, as a user sees them."""
        said = self.refusal("apply", "--dry-run=server", "-f", "-", input=json.dumps(obj))
        prefix = f'The {obj["kind"]} "{obj["metadata"]["name"]}" is invalid: '
        assert said.startswith(prefix), said
        lines = [line.removeprefix("* ") for line in said.removeprefix(prefix).strip().splitlines()]
        return sorted(line for line in lines if line != RULES_WAIT)


@pytest.fixture(scope="module")
def server(control_plane):
    """For tests that leave nothing behind."""
    return Api(control_plane)


@pytest.fixture
def api(server):
    """For tests that write: their objects go afterwards."""
    yield server
    for name in server("get", ",".join(PLURALS.values()), "-o", "name").split():
        server("patch", name, "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
        server("delete", name)


def an(kind, spec, name="x", version="v1alpha2", **metadata):
    return {"apiVersion": f"network.kubesphere.io/{version}", "kind": kind,
            "metadata": {"name": name, **metadata}, "spec": spec}


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_documented_samples_apply(server, path):
    # kubectl asks the server to refuse unknown fields.
    said = server("apply", "--dry-run=server", "-f", path)
    assert said and all(line.endswith("(server dry run)") for line in said.splitlines())


def test_a_pasted_status_is_ignored(api):
    for sample in ("openelb-eip", "openelb-everything"):
        api("apply", "-f", HERE / "testdata" / f"{sample}.yaml")
    for kind, name in (("Eip", "eip-sample-pool"), ("BgpConf", "default"), ("BgpPeer", "everything")):
        assert "status" not in api.get(kind, name)


def test_every_field_is_kept(api):
    api("apply", "-f", HERE / "testdata" / "openelb-everything.yaml")
    for kind, name in (("BgpConf", "default"), ("BgpPeer", "everything")):
        found = api.get(kind, name)
        written = json.loads(found["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"])
        assert found["spec"] == written["spec"]


@pytest.fixture(scope="module")
def answers(server):
    """What the server says to each of BAD, asked in one go: {index: what is wrong}."""
    said = server.refusal("apply", "--dry-run=server", "-f", "-", input="\n".join(
        json.dumps(an(kind, spec, f"bad-{i}")) for i, (kind, spec, _) in enumerate(BAD)))
    return {int(i): what for i, what in re.findall(r'"bad-(\d+)" is invalid: (.*)', said)}


@pytest.mark.parametrize("i", range(len(BAD)), ids=[message[:70] for _, _, message in BAD])
def test_mistakes_are_named(answers, i):
    assert answers[i].removeprefix("[").removesuffix("]").removesuffix(f", {RULES_WAIT}") == BAD[i][2]


def test_the_controller_refuses_the_same(tmp_path):
    """Whoever switches the schema off gets the same answers later, as conditions."""
    for i, (kind, spec, _) in enumerate(BAD):
        (tmp_path / f"{i}.json").write_text(json.dumps(an(kind, spec, f"bad-{i}")))
    done = subprocess.run([ROOT / "build/bin/openelb-controller", "plan", "--manifests", tmp_path],
                          capture_output=True, text=True, timeout=20, check=False)
    # Pools of Layer 2 mode without an interface may be older than that rule: they are served, with a condition.
    refused = {int(i) for i in re.findall(r"/bad-(\d+)(?:: |  InterfaceMissing )", done.stdout + done.stderr)}
    accepted = [BAD[i][1] for i in range(len(BAD)) if i not in refused]
    # The controller takes a mapped address for what it is; CEL has no such addresses.
    assert accepted == [{"address": "::ffff:10.0.0.1"}]


def test_a_peer_group_is_kept_as_written(api):
    """What is in it the controller judges; that it is a map, the schema does."""
    said = api.refusal("apply", "--dry-run=server", "-f", "-", input=json.dumps(
        an("BgpConf", {"peerGroups": {"leaves": "all"}})))
    assert "spec.peerGroups.leaves in body must be of type object" in said
    groups = {"leaves": {"timers": {"config": {"holdTime": "9"}}, "conf": {"localAs": 0}}}
    api("apply", "-f", "-", input=json.dumps(an("BgpConf", {"peerGroups": groups}, "grouped")))
    assert api.get("BgpConf", "grouped")["spec"]["peerGroups"] == groups


def test_a_wrong_quantity_is_refused(server):
    [said] = server.mistakes(an("OpenELB", {"speaker": {"resources": {"limits": {"cpu": "much"}}}}))
    assert said.startswith('spec.speaker.resources.limits.cpu: Invalid value: "much": '), said


def test_all_mistakes_are_named_at_once(server):
    assert server.mistakes(an("BgpConf", {"as": 0, "listenPort": 70000, "routerId": "x"})) == [
        "spec.as: Invalid value: 0: spec.as in body should be greater than or equal to 1",
        "spec.listenPort: Invalid value: 70000: spec.listenPort in body should be less than or equal to 65535",
        'spec.routerId: Invalid value: "x": "x" is not an IPv4 address other than 0.0.0.0']


def test_a_password_is_not_repeated(server):
    secret = "geheim" * 14
    said = server.mistakes(an("BgpPeer", {"conf": {**peer()["conf"], "authPassword": secret}}))
    assert said == ["spec.conf.authPassword: Too long: may not be more than 80 bytes"]


def test_misspelt_fields_are_named(server):
    for kind, spec, field in (("Eip", {"address": "10.0.0.1", "adress": "10.0.0.2"}, "spec.adress"),
                              ("BgpPeer", peer(conf={**peer()["conf"], "peerAS": 1}), "spec.conf.peerAS")):
        said = server.refusal("apply", "-f", "-", input=json.dumps(an(kind, spec)))
        assert f'strict decoding error: unknown field "{field}"' in said


@pytest.mark.parametrize("version", ["v1alpha1", "v1alpha2"])
def test_the_address_stays(api, version):
    api.apply(an("Eip", {"address": "10.0.0.1-10.0.0.9"}))
    changed = json.dumps(an("Eip", {"address": "10.0.0.1-10.0.0.99"}, version=version))
    assert ('spec.address: Invalid value: "10.0.0.1-10.0.0.99": "10.0.0.1-10.0.0.99" differs from "10.0.0.1-10.0.0.9":'
            " the addresses of an Eip cannot be changed; make another Eip") in api.refusal("apply", "-f", "-",
                                                                                           input=changed)
    api.patch("Eip", "x", {"spec": {"disable": True, "priority": 5, "protocol": "vip", "interface": "eth0"}})


def test_spellings_of_both_versions_are_kept(api):
    api("apply", "-f", HERE / "testdata" / "porter-v1alpha1.yaml")
    conf = api.get("BgpConf", "default")["spec"]
    assert conf == {"as": 65000, "routerID": "192.168.98.111", "port": 17900}
    sample = api.get("BgpPeer", "bgppeer-sample")["spec"]
    assert sample["config"] == {"peerAs": 65001, "neighborAddress": "192.168.98.1"}
    # Whoever writes in the old version loses nothing of the new one.
    api.apply(an("BgpPeer", peer(transport={"passiveMode": True}), "new"))
    api("annotate", "bgppeers.v1alpha1.network.kubesphere.io", "new", "note=1")
    assert api.get("BgpPeer", "new")["spec"] == peer(transport={"passiveMode": True})


def without_rules(schema):
    """A schema of spec as an earlier installation may have had it: types only."""
    if isinstance(schema, list):
        return [without_rules(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    rules = {"x-kubernetes-validations", "maxLength", "maxItems", "minimum", "maximum", "required", "enum"}
    return {key: without_rules(value) for key, value in schema.items() if key not in rules}


def test_objects_from_before_the_rules_can_be_changed_and_deleted(api):
    """Labels, finalizers, statuses and other fields: nothing that the rules now refuse stands in the way."""
    for plural in PLURALS.values():
        crd = json.loads(api("get", "crd", f"{plural}.network.kubesphere.io", "-o", "json"))
        for version in crd["spec"]["versions"]:
            fields = version["schema"]["openAPIV3Schema"]["properties"]
            fields["spec"] = without_rules(fields["spec"])
        api("replace", "-f", "-", input=json.dumps({**crd, "metadata": {"name": crd["metadata"]["name"]}}))
    old = {"Eip": {"address": "10.0.0.1-9", "protocol": "layer2"},
           "BgpConf": {"as": 0, "routerId": "fd00::1", "listenPort": 99999},
           "BgpPeer": {"conf": {"neighborAddress": "leaf1"}, "timers": {"config": {"holdTime": "1"}}}}
    harmless = {"Eip": {"disable": True}, "BgpConf": {"policy": "p"}, "BgpPeer": {"ebgpMultihop": {"enabled": True}}}

    def applied():
        for kind, spec in old.items():
            api("apply", "--validate=false", "-f", "-", input=json.dumps(
                an(kind, spec, "old", finalizers=["finalizer.lb.kubesphere.io/v1alpha1"])))
        return True

    try:
        # The server takes a moment to serve by a changed schema.
        wait_until(applied, 10, 0.2, what="a server without rules")
    finally:
        api("apply", "-k", HERE)
    for kind, spec in old.items():
        new = json.dumps(an(kind, spec, "new"))
        wait_until(lambda: not api("apply", "--dry-run=server", "-f", "-", input=new, check=False), 10, 0.2,
                   what=f"rules for {kind}")
    for kind in old:
        api("label", PLURALS[kind], "old", "a=b")
        api.patch(kind, "old", {"status": {"conditions": [{"type": "Refused", "status": "True"}]}},
                  "--subresource=status")
        api.patch(kind, "old", {"spec": harmless[kind]})
        api("delete", PLURALS[kind], "old", "--wait=false")
        api.patch(kind, "old", {"metadata": {"finalizers": None}})
        assert api("get", PLURALS[kind]) == ""
    # What is written anew is judged.
    api.apply(an("Eip", {"address": "10.0.0.1"}))
    assert "spec.interface: Required value" in api.refusal(
        "patch", "eip", "x", "--type=merge", "-p", '{"spec": {"protocol": "layer2"}}')


def nodes_of(schema, path):
    """(path, schema) of every object with fields of its own, list items and map values included."""
    if "properties" in schema:
        yield path, schema
        for name, field in schema["properties"].items():
            yield from nodes_of(field, f"{path}.{name}")
    for inner in ("items", "additionalProperties"):
        if isinstance(schema.get(inner), dict):
            yield from nodes_of(schema[inner], path)


@pytest.mark.parametrize("kind", PLURALS)
def test_kubectl_explains_every_field(server, kind):
    crd = json.loads(server("get", "crd", f"{PLURALS[kind]}.network.kubesphere.io", "-o", "json"))
    stored = next(version for version in crd["spec"]["versions"] if version["storage"])
    nodes = list(nodes_of(stored["schema"]["openAPIV3Schema"], PLURALS[kind]))
    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(lambda node: server("explain", node[0]), nodes))
    for (path, schema), text in zip(nodes, said):
        assert "<no description>" not in text and "<empty>" not in text, f"{path}:\n{text}"
        assert all(f"  {name}\t<" in text for name in schema["properties"]), f"{path}:\n{text}"
    assert len(nodes) >= 4


def columns(text):
    header, *rows = text.splitlines()
    return header.split(), [row.split() for row in rows]


def test_kubectl_shows_the_state(api):
    api.apply(an("Eip", {"address": "172.22.0.2-172.22.0.10"}, "pool"), an("BgpConf", {"as": 50000, "listenPort": 17900}),
              an("BgpPeer", peer(), "leaf1"))
    api.patch("Eip", "pool", {"status": {"usage": 3, "poolSize": 9, "ready": True}}, "--subresource=status")
    api.patch("BgpPeer", "leaf1", {"status": {"established": 1, "expected": 2}}, "--subresource=status")
    header, [row] = columns(api("get", "eip"))
    assert header == ["NAME", "CIDR", "USAGE", "TOTAL", "PROTOCOL", "READY", "AGE"]
    assert row[:-1] == ["pool", "172.22.0.2-172.22.0.10", "3", "9", "bgp", "true"]
    header, [row] = columns(api("get", "bgpp"))
    assert header == ["NAME", "ADDRESS", "AS", "ESTABLISHED", "EXPECTED", "AGE"]
    assert row[:-1] == ["leaf1", "192.168.0.5", "50001", "1", "2"]
    api.apply(an("OpenELB", {}, "default"))
    api.patch("OpenELB", "default", {"status": {"desired": 3, "ready": 2, "updated": 1, "conditions": [
        {"type": "Available", "status": "True"}, {"type": "Drifted", "status": "False"}]}}, "--subresource=status")
    header, [row] = columns(api("get", "openelbs"))
    assert header == ["NAME", "DESIRED", "READY", "UPDATED", "AVAILABLE", "DRIFTED", "AGE"]
    assert row[:-1] == ["default", "3", "2", "1", "True", "False"]
    header, [row] = columns(api("get", "bgpc"))
    assert header == ["NAME", "AS", "PORT", "AGE"]
    assert row[:-1] == ["x", "50000", "17900"]
    assert api("get", "openelb", "-o", "name").split() == [
        "bgpconf.network.kubesphere.io/x", "bgppeer.network.kubesphere.io/leaf1", "eip.network.kubesphere.io/pool",
        "openelb.network.kubesphere.io/default"]
    assert api("get", "networking", "-o", "name").split() == ["eip.network.kubesphere.io/pool"]


def test_a_status_is_written_apart(api):
    """A patch of the object leaves the status alone, and the other way round."""
    api.apply(an("Eip", {"address": "10.0.0.1"}))
    api.patch("Eip", "x", {"status": {"usage": 1}})
    assert "status" not in api.get("Eip", "x")
    api.patch("Eip", "x", {"spec": {"disable": True}, "status": {"usage": 1}}, "--subresource=status")
    found = api.get("Eip", "x")
    assert found["status"] == {"usage": 1} and "disable" not in found["spec"]
