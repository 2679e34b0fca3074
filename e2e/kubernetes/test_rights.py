"""What the API server let us do, from its audit log: nothing was denied, and every right was used.

The API server of this cluster does not stream lists, as older ones do not: so lists are read as well.
"""

import json
from urllib.parse import parse_qs, urlsplit

import pytest
from lab.control_plane import API_SERVER, FAST_NODES
from lab.installed import CONTROLLER, CONTROLLER_USER, NAMESPACE
from lab.net import wait_until

FLAGS = (FAST_NODES, {API_SERVER: ["--feature-gates=WatchList=false"]})
DAMAGED = (("secret", "openelb-controller-tls", "tls.crt"), ("configmap", "openelb-controllers", "endpoints"))
# Only when a write met another one and the watch is late as well: what the tests beside the code bring about.
RARE = {("get", resource) for resource in ("services", "eips", "bgpconfs", "bgppeers")}


@pytest.fixture(scope="module")
def audit(documented):
    """Does what uses the rarer rights, then reads the log."""
    for kind, name, key in DAMAGED:
        documented.patch(kind, name, {"data": {key: ""}}, NAMESPACE)
    for kind in ("ClusterIP", "LoadBalancer"):
        more = {"externalTrafficPolicy": None} if kind == "ClusterIP" else {}
        documented.patch("service", "bgp-svc", {"spec": {"type": kind} | more})
        wait_until(lambda: bool(documented.ips("bgp-svc")) == (kind == "LoadBalancer"))
    wait_until(lambda: repeated(documented), what="one Event, twice")
    for kind, name, key in DAMAGED:
        wait_until(lambda: documented.get(kind, name, NAMESPACE)["data"][key], 45, 0.5, f"{name} as it was")
    return documented


def repeated(cluster):
    events = json.loads(cluster.kubectl("get", "events", "--field-selector=reason=AssignIP", "-o", "json"))["items"]
    return len(events) == 1 and events[0]["count"] == 2


def test_nothing_was_denied_and_speakers_asked_for_nothing(audit):
    assert audit.control_plane.audited(CONTROLLER_USER) and audit.denied() == []


def test_every_right_was_used(audit):
    used = set()
    for event in audit.control_plane.audited(CONTROLLER_USER):
        what = event["objectRef"]
        resource = "/".join(filter(None, (what["resource"], what.get("subresource"))))
        used.add((event["verb"], resource))
    granted = {(verb, resource) for kind in ("clusterrole", "role")
               for rule in audit.get(kind, CONTROLLER, NAMESPACE)["rules"]
               for resource in rule["resources"] for verb in rule["verbs"]}
    assert sorted(granted - used - RARE) == []


def test_rights_bound_to_a_name_are_used_with_it(audit):
    """list and watch too: RBAC sees the name in the field selector."""
    for event in audit.control_plane.audited(CONTROLLER_USER):
        if event["objectRef"]["resource"] == "daemonsets":
            [selector] = parse_qs(urlsplit(event["requestURI"]).query)["fieldSelector"]
            assert selector == "metadata.name=openelb-speaker"
