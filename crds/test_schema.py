"""The CRDs on a real API server: what it accepts, what it answers to mistakes, what kubectl shows."""

import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from lab.net import wait_until

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


def peer(**spec):
    return {"conf": {"peerAs": 50001, "neighborAddress": "192.168.0.5"}, **spec}


KEY = {"sendId": 1, "receiveId": 2, "algorithm": "hmac-sha-1-96", "secretRef": {"name": "bgp"}}


def keyed(*keys, **conf):
    return peer(conf={**peer()["conf"], "authKeys": list(keys), **conf})


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


NOT_AN_ADDRESS = ("is not an address (192.168.0.100), a block (192.168.0.0/24) or a range"
                  " (192.168.0.91-192.168.0.100)")
UNUSABLE = ("holds unspecified, loopback, multicast, broadcast or IPv6 link-local addresses,"
            " which no Service can have")
NO_INTERFACE_NAME = "is not the name of an interface (up to 15 characters) or can_reach:IP"
NO_COMMUNITY = ("is not a community (65000:100, large:65000:1:2, rt:65000:100, 0x0002fde800000064) or the name"
                " of one")
PROTOCOLS = 'supported values: "bgp", "layer2", "vip"'
ASN = "in body should be {} than or equal to {}"


def address(text, why):
    return "Eip", {"address": text}, f'spec.address: Invalid value: "{text}": "{text}" {why}'


def interface(text, why):
    return ("Eip", {"address": "10.0.0.1", "protocol": "layer2", "interface": text},
            f'spec.interface: Invalid value: "{text}": "{text}" {why}')


def timer(name, value, why):
    return ("BgpPeer", peer(timers={"config": {name: value}}),
            f'spec.timers.config.{name}: Invalid value: {json.dumps(value)}: "{value}" {why}')


def speaker(spec, field, why):
    return "OpenELB", {"speaker": spec}, f"spec.speaker.{field}: {why}"


def required(*expressions):
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [{"matchExpressions": list(expressions)}]}}}}


REQUIRED = ("affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0]"
            ".matchExpressions[0]")


def number(kind, path, spec, value, bound, limit):
    return kind, spec, f"{path}: Invalid value: {value}: {path} {ASN.format(bound, limit)}"


BAD = [
    *(address(text, NOT_AN_ADDRESS) for text in (
        "", "10.0.0", "10.0.0.256", "010.0.0.1", "10.0.0.1 ", "10.0.0.0/33", "fd00::/129", "10.0.0.0/255.255.255.0",
        "10.0.0.1 - 10.0.0.9", "10.0.0.1-9", "10.0.0.1-", "10.0.0.1-10.0.0.2-10.0.0.3", "10.0.0.1,10.0.0.2",
        "10.0.0.0/24-10.0.1.0/24", "fe80::1%eth0", "::ffff:10.0.0.1", "pool.example.com")),
    *(address(text, "is not a range: its end is below its start") for text in (
        "10.0.0.9-10.0.0.8", "10.0.1.0-10.0.0.255", "100.0.0.1-20.0.0.1")),
    *(address(text, "is not a range: its ends are of different families") for text in (
        "10.0.0.1-fd00::1", "fd00::1-10.0.0.1")),
    *(address(text, UNUSABLE) for text in (
        "0.0.0.0", "127.0.0.1", "127.0.0.0/8", "224.0.0.5", "255.255.255.255", "::", "::1", "fe80::1", "ff02::1",
        "223.255.255.255-224.0.0.9")),
    ("Eip", {"address": "1" * 92}, "spec.address: Too long: may not be more than 91 bytes"),
    ("Eip", {}, "spec.address: Required value"),
    ("Eip", {"address": "10.0.0.1", "protocol": "arp"},
     f'spec.protocol: Unsupported value: "arp": {PROTOCOLS}'),
    *(("Eip", {"address": "10.0.0.1", "protocol": "layer2", **more},
       "spec.interface: Required value: protocol layer2 needs the name of an interface, or can_reach:IP")
      for more in ({}, {"interface": ""})),
    *(interface(text, NO_INTERFACE_NAME) for text in (
        "can_reach:", "can_reach:router", "eth0 eth1", "a/b", "sixteencharacter")),
    *(("Eip", {"address": "10.0.0.1", "offLink": True, **more},
       'spec.offLink: Invalid value: true needs protocol layer2 or vip and the name of an interface, or can_reach:IP')
      for more in ({"interface": "eth0"}, {"protocol": "vip"}, {"protocol": "vip", "interface": ""})),
    ("Eip", {"address": "10.0.0.1", "offLink": "yes"},
     'spec.offLink: Invalid value: "string": spec.offLink in body must be of type boolean: "string"'),
    ("Eip", {"address": "10.0.0.1", "priority": "high"},
     'spec.priority: Invalid value: "string": spec.priority in body must be of type integer: "string"'),
    number("BgpConf", "spec.as", {"as": 0}, 0, "greater", 1),
    number("BgpConf", "spec.as", {"as": 4294967296}, 4294967296, "less", 4294967295),
    number("BgpConf", "spec.listenPort", {"listenPort": -2}, -2, "greater", -1),
    number("BgpConf", "spec.listenPort", {"listenPort": 65536}, 65536, "less", 65535),
    number("BgpConf", "spec.port", {"port": 65536}, 65536, "less", 65535),
    number("BgpConf", "spec.asPerRack.leaf1", {"asPerRack": {"leaf1": -1}}, -1, "greater", 0),
    *(("BgpConf", {field: text},
       f'spec.{field}: Invalid value: "{text}": "{text}" is not an IPv4 address other than 0.0.0.0')
      for field in ("routerId", "routerID") for text in ("0.0.0.0", "fd00::1", "1.2.3", "router")),
    ("BgpConf", {"listenAddresses": ["::", "eth0"]},
     'spec.listenAddresses[1]: Invalid value: "eth0": "eth0" is not an IP address'),
    ("BgpPeer", {}, "spec.conf: Required value: neighborAddress and peerAs of the router are needed"),
    *(("BgpPeer", {"conf": {"neighborAddress": "10.0.0.1"} | more},
       "spec.conf.peerAs: Required value: the AS number of the router is needed, or peerGroup")
      for more in ({}, {"peerGroup": ""})),
    *(("BgpPeer", {"conf": {"peerAs": 1} | more},
       "spec.conf.neighborAddress: Required value: the IP address of the router is needed, or neighborInterface")
      for more in ({}, {"neighborInterface": ""})),
    ("BgpPeer", {"conf": {"peerAs": 1, "neighborInterface": "eth0/1"}},
     'spec.conf.neighborInterface: Invalid value: "eth0/1": "eth0/1" is not the name of an interface (up to 15'
     " characters)"),
    ("BgpPeer", {"config": {"peerAs": 1}}, "spec.config.neighborAddress: Required value"),
    *(("BgpPeer", {"conf": {"peerAs": 1, "neighborAddress": text}},
       f'spec.conf.neighborAddress: Invalid value: "{text}": "{text}" is not the IP address of a router')
      for text in ("", "0.0.0.0", "224.0.0.5", "ff02::1", "leaf1", "10.0.0.1/24")),
    number("BgpPeer", "spec.conf.peerAs", {"conf": {"peerAs": 0, "neighborAddress": "10.0.0.1"}}, 0, "greater", 1),
    *(("BgpPeer", {"conf": {"peerAs": 1, "neighborAddress": text}},
       f'spec.conf.neighborAddress: Invalid value: "{text}": "{text}": link-local addresses, and no others, come with an'
       " interface, as in fe80::1%eth0")
      for text in ("fe80::1", "fe80::1%", "fe80::1%eth0%eth1", "10.0.0.1%eth0", "fd00::1%eth0")),
    *(("BgpPeer", peer(transport={"updateSource": text}),
       f'spec.transport.updateSource: Invalid value: "{text}": "{text}" is neither an address that a node can have nor'
       " the name of an interface (up to 15 characters)")
      for text in ("0.0.0.0", "ff02::1", "fe80::1", "10.0.0.1/24", "a-name-too-long0")),
    ("BgpPeer", {"conf": {"peerAs": 1, "neighborAddress": "10.0.0.1", "authPassword": "x",
                          "authPasswordSecretRef": {"name": "bgp"}}},
     "spec.conf.authPasswordSecretRef: Invalid value: given beside authPassword; a session has one password"),
    ("BgpPeer", {"conf": {"peerAs": 1, "neighborAddress": "10.0.0.1", "authPasswordSecretRef": {"key": "x"}}},
     "spec.conf.authPasswordSecretRef.name: Required value"),
    ("BgpPeer", keyed(KEY, authPassword="x"),
     "spec.conf.authKeys: Invalid value: given beside a password; a session has a password or keys"),
    ("BgpPeer", keyed(KEY, authPasswordSecretRef={"name": "bgp"}),
     "spec.conf.authKeys: Invalid value: given beside a password; a session has a password or keys"),
    *(("BgpPeer", keyed(KEY, KEY | other),
       "spec.conf.authKeys: Invalid value: a sendId or receiveId stands twice; ids tell keys apart")
      for other in ({"sendId": 2}, {"receiveId": 3}, {})),
    *(("BgpPeer", keyed({name: value for name, value in KEY.items() if name != missing}),
       f"spec.conf.authKeys[0].{missing}: Required value") for missing in KEY),
    ("BgpPeer", keyed(KEY | {"secretRef": {"key": "x"}}), "spec.conf.authKeys[0].secretRef.name: Required value"),
    ("BgpPeer", keyed(KEY | {"algorithm": "md5"}),
     'spec.conf.authKeys[0].algorithm: Unsupported value: "md5": supported values: "hmac-sha-1-96", "aes-128-cmac-96", '
     '"hmac-sha-256-96", "hmac-sha-256-128"'),
    number("BgpPeer", "spec.conf.authKeys[0].sendId", keyed(KEY | {"sendId": 256}), 256, "less", 255),
    number("BgpPeer", "spec.conf.authKeys[0].receiveId", keyed(KEY | {"receiveId": -1}), -1, "greater", 0),
    ("BgpPeer", keyed(*(KEY | {"sendId": i, "receiveId": i} for i in range(17))),
     "spec.conf.authKeys: Too many: 17: must have at most 16 items"),
    number("BgpPeer", "spec.transport.remotePort", peer(transport={"remotePort": 65536}), 65536, "less", 65535),
    number("BgpPeer", "spec.ebgpMultihop.multihopTtl", peer(ebgpMultihop={"multihopTtl": 256}), 256, "less", 255),
    number("BgpPeer", "spec.ttlSecurity.ttlMin", peer(ttlSecurity={"enabled": True, "ttlMin": 256}), 256, "less", 255),
    *(timer("holdTime", value, "is not 0 or a whole number of seconds from 3 to 65535")
      for value in (1, "2", 65536, "ninety", -3)),
    *(timer(name, value, "is not a whole number of seconds from 0 to 65535")
      for name in ("connectRetry", "keepaliveInterval", "minimumAdvertisementInterval")
      for value in ("3s", -1, "65536")),
    *(timer("delayOpenTime", value, "is not a whole number of seconds from 0 to 240") for value in ("3s", -1, 241)),
    ("BgpPeer", peer(afiSafis=[{"config": {"family": {"afi": "AFI_IP", "safi": "SAFI_UNICAST"}}}] * 2),
     "spec.afiSafis: Invalid value: an address family stands twice; each may stand once"),
    *(("Eip", {"address": "10.0.0.1", "advertise": {"communities": ["no-export", text]}},
       f'spec.advertise.communities[1]: Invalid value: "{text}": "{text}" {NO_COMMUNITY}')
      for text in ("", "65536:1", "1:65536", "1", "1:2:3:4", "large:1:2", "large:1:2:4294967296", "rt:65000",
                   "0x1", "No-Export", "a b", "-1:1")),
    ("BgpPeer", peer(advertise={"communities": ["1:65536"]}),
     f'spec.advertise.communities[0]: Invalid value: "1:65536": "1:65536" {NO_COMMUNITY}'),
    ("Eip", {"address": "10.0.0.1", "advertise": {"communities": ["1:1"] * 65}},
     "spec.advertise.communities: Too many: 65: must have at most 64 items"),
    number("Eip", "spec.advertise.med", {"address": "10.0.0.1", "advertise": {"med": -1}}, -1, "greater", 0),
    number("Eip", "spec.advertise.localPref", {"address": "10.0.0.1", "advertise": {"localPref": 4294967296}},
           4294967296, "less", 4294967295),
    number("BgpPeer", "spec.advertise.prepend", peer(advertise={"prepend": 65}), 65, "less", 64),
    *(number("Eip", f"spec.advertise.{field}", {"address": "10.0.0.0/8", "advertise": {field: value}}, value, bound,
             limit)
      for field, value, bound, limit in (("aggregationLength", 7, "greater", 8), ("aggregationLength", 33, "less", 32),
                                         ("aggregationLengthV6", 15, "greater", 16),
                                         ("aggregationLengthV6", 129, "less", 128))),
    ("Eip", {"address": "10.0.0.0/24", "advertise": {"aggregationLength": "24"}},
     'spec.advertise.aggregationLength: Invalid value: "string": spec.advertise.aggregationLength in body must be of type'
     ' integer: "string"'),
    ("Eip", {"address": "10.0.0.0/24", "advertise": {"hostRoutes": "yes"}},
     'spec.advertise.hostRoutes: Invalid value: "string": spec.advertise.hostRoutes in body must be of type boolean:'
     ' "string"'),
    ("BgpConf", {"communityAliases": {"mine": "1:65536"}},
     'spec.communityAliases[mine]: Invalid value: "1:65536": "1:65536" is not a community'),
    ("BgpConf", {"communityAliases": {"mine": "yours"}},
     'spec.communityAliases[mine]: Invalid value: "yours": "yours" is not a community'),
    *(("BgpConf", {"communityAliases": {name: "1:1"}},
       "spec.communityAliases: Invalid value: a name is not one of up to 63 lower-case letters, digits, '-', '_' and"
       " '.', or is that of a community already")
      for name in ("1:1", "Mine", "no-export")),
    ("BgpPeer", peer(nodeSelector={"matchExpressions": [{"key": "rack", "operator": "In"}]}),
     "spec.nodeSelector.matchExpressions[0].values: Invalid value: In needs at least one value"),
    ("BgpPeer", peer(nodeSelector={"matchExpressions": [{"key": "rack", "operator": "Exists", "values": ["a"]}]}),
     "spec.nodeSelector.matchExpressions[0].values: Invalid value: Exists takes no values"),
    ("BgpPeer", peer(nodeSelector={"matchExpressions": [{"key": "rack", "operator": "Equals", "values": ["a"]}]}),
     'spec.nodeSelector.matchExpressions[0].operator: Unsupported value: "Equals": supported values: '
     '"In", "NotIn", "Exists", "DoesNotExist"'),
    *(speaker({"nodeSelector": {key: value}}, "nodeSelector",
              f'Invalid value: "{key}: {value}" is not a label that a node can have')
      for key, value in (("-a", "true"), ("a/b/c", "true"), ("a", "not so"), ("A.B/c", "true"))),
    *(speaker({"image": image}, "image", f'Invalid value: "{image}": "{image}" is not the name of an image, such as'
                                         " registry.example/openelb-speaker:v1")
      for image in ("a b", ":v1", " x")),
    speaker({"logLevel": "loud"}, "logLevel",
            'Unsupported value: "loud": supported values: "debug", "info", "warning", "error"'),
    speaker({"modes": {"vip": "yes"}}, "modes.vip",
            'Invalid value: "string": spec.speaker.modes.vip in body must be of type boolean: "string"'),
    speaker({"tolerations": [{"operator": "Equal", "value": "x"}]}, "tolerations[0].operator",
            'Invalid value: must be Exists where no key is given'),
    speaker({"tolerations": [{"key": "x", "effect": "NoWay"}]}, "tolerations[0].effect",
            'Unsupported value: "NoWay": supported values: "", "NoSchedule", "PreferNoSchedule", "NoExecute"'),
    speaker(required({"key": "rack", "operator": "In"}), f"{REQUIRED}.values",
            "Invalid value: In needs at least one value"),
    speaker(required({"key": "rack", "operator": "Exists", "values": ["a"]}), f"{REQUIRED}.values",
            "Invalid value: Exists takes no values"),
    speaker(required({"key": "cores", "operator": "Gt", "values": ["many"]}), f"{REQUIRED}.values",
            "Invalid value: Gt needs one whole number, in quotes"),
    speaker({"updateStrategy": {"type": "Rolling"}}, "updateStrategy.type",
            'Unsupported value: "Rolling": supported values: "RackAware", "RollingUpdate", "OnDelete"'),
    speaker({"updateStrategy": {"rollingUpdate": {"maxUnavailable": 1}}}, "updateStrategy.rollingUpdate",
            "Invalid value: not allowed with another type than RollingUpdate"),
    speaker({"updateStrategy": {"type": "OnDelete", "rackAware": {"maxRacks": 1}}}, "updateStrategy.rackAware",
            "Invalid value: not allowed with another type than RackAware"),
    *(speaker({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": value}}},
              "updateStrategy.rollingUpdate.maxUnavailable",
              f"Invalid value: {json.dumps(value)}: is neither a number from 1 nor 1% to 100%")
      for value in (0, "0%", "101%", "many")),
    *(number("OpenELB", "spec.speaker.updateStrategy.rackAware.maxRacks",
             {"speaker": {"updateStrategy": {"rackAware": {"maxRacks": value}}}}, value, bound, limit)
      for value, bound, limit in ((0, "greater", 1), (1001, "less", 1000))),
]


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
