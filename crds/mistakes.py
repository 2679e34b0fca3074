"""Specs that must be refused: [(kind, spec, what the API server says)]."""

import json


def peer(**spec):
    return {"conf": {"peerAs": 50001, "neighborAddress": "192.168.0.5"}, **spec}


KEY = {"sendId": 1, "receiveId": 2, "algorithm": "hmac-sha-1-96", "secretRef": {"name": "bgp"}}


def keyed(*keys, **conf):
    return peer(conf={**peer()["conf"], "authKeys": list(keys), **conf})


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
