"""What PorterLB 0.4, OpenELB 0.5 and 0.6 leave in a cluster: their workloads, rights and webhooks under their names, and users' objects with
the finalizers, labels, annotations and statuses that each writes. Their programs are stand-ins: `old_speaker.py` announces."""

import json
import sys
from pathlib import Path
from typing import NamedTuple

from lab.fabric import LEAVES, NODE_AS, VIP

GROUP, VERSION = "network.kubesphere.io", "network.kubesphere.io/v1alpha2"
FINALIZER, EIP_FINALIZER = "finalizer.lb.kubesphere.io/v1alpha1", "finalizer.ipam.kubesphere.io/v1alpha1"
PORT = 17900
SITES = {"master1": ("leaf1", "192.168.0.3", ["192.168.0.3", "192.168.0.4"]),
         "worker-p002": ("leaf2", "192.168.1.2", ["192.168.1.2"])}
# Not the first free ones: whoever allocates anew would give others.
ROUTED = {"bgp-svc": VIP, "later": "172.22.0.7", "shared": VIP, "by-field": "172.22.0.9"}
LAYER2 = {"layer2-svc": "192.168.0.95"}
ADDRESSES = ROUTED | LAYER2


class Old(NamedTuple):
    title: str  # of the guide's section
    brand: str
    namespace: str
    admission: str
    account: str  # of the webhook's jobs, and until 0.5 of everything
    cluster_rights: tuple  # names of ClusterRoles
    cluster_bindings: tuple
    mutating: bool
    image: str  # of what announces


PORTER_04 = Old("From PorterLB 0.4", "porter", "porter-system", "porter-admission", "default",
                ("porter-admission", "porter-manager-role"), ("porter-admission", "manager-rolebinding"), True,
                "kubespheredev/porter")
OPENELB_05 = Old("From OpenELB 0.5", "openelb", "openelb-system", "openelb-admission", "openelb-admission",
                 ("openelb-admission", "openelb-manager-role", "kube-keepalived-vip"),
                 ("openelb-admission", "openelb-manager-rolebinding", "kube-keepalived-vip"), True, "kubesphere/openelb")
OPENELB_06 = Old("From OpenELB 0.6", "openelb", "openelb-system", "openelb-admission", "openelb-speaker",
                 ("openelb-admission", "openelb-controller", "openelb-speaker"),
                 ("openelb-admission", "openelb-controller", "openelb-speaker"), False, "kubesphere/openelb-speaker")


def images():
    """What the old images stand for."""
    here = Path(__file__).with_name("old_speaker.py")
    sites = {node: {"as": NODE_AS, "port": PORT, "router_id": address, "peer": LEAVES[leaf].address, "peer_as": LEAVES[leaf].asn,
                    "next_hops": hops, "prefixes": sorted({f"{ip}/32" for ip in ROUTED.values()}),
                    "layer2": list(LAYER2.values()) if node == "master1" else []}
             for node, (leaf, address, hops) in SITES.items()}
    speaker = {"entrypoint": [sys.executable, "/usr/local/bin/old_speaker.py", json.dumps(sites)],
               "files": {"/usr/local/bin/old_speaker.py": str(here)}}
    return {**{old.image: speaker for old in (PORTER_04, OPENELB_05, OPENELB_06)},
            "kubesphere/openelb-controller": ["sleep", "infinity"], "kubesphere/kube-keepalived-vip": ["sleep", "infinity"],
            "kube-webhook-certgen": ["true"]}


def definitions():
    """Their CRDs, which know less than ours: any field is let through."""
    anything = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return [{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": f"{plural}.{GROUP}"},
             "spec": {"group": GROUP, "scope": "Cluster",
                      "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
                      "versions": [{"name": name, "served": True, "storage": name == "v1alpha2", "schema": anything,
                                    "subresources": {"status": {}}} for name in ("v1alpha1", "v1alpha2")]}}
            for kind, plural in (("Eip", "eips"), ("BgpConf", "bgpconfs"), ("BgpPeer", "bgppeers"))]


def _of(kind, name, namespace="", api="v1", **fields):
    labels = fields.pop("labels", {})
    meta = {"name": name, **({"namespace": namespace} if namespace else {}), **({"labels": labels} if labels else {})}
    return {"apiVersion": api, "kind": kind, "metadata": meta, **fields}


def _workload(kind, name, old, labels, image, account, host=True, replicas=None, **pod):
    container = {"name": name, "image": image, "env": [
        {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]}
    spec = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": {
        "hostNetwork": host, "terminationGracePeriodSeconds": 10, "serviceAccountName": account, "containers": [container], **pod}}}
    if replicas is not None:
        spec["replicas"] = replicas
    return _of(kind, name, old.namespace, "apps/v1", labels=labels, spec=spec)


def installation(old):
    """Namespace, rights, workloads and jobs."""
    namespace, rbac = old.namespace, "rbac.authorization.k8s.io/v1"
    accounts = {old.admission, *(() if old is PORTER_04 else ("kube-keepalived-vip",) if old is OPENELB_05 else
                                 ("openelb-controller", "openelb-speaker"))}
    yield _of("Namespace", namespace)
    for name in sorted(accounts):
        yield _of("ServiceAccount", name, namespace)
    for name in (old.admission, *(("leader-election-role",) if old is not OPENELB_06 else ())):
        binding = name.replace("-role", "-rolebinding") if name != old.admission else name
        yield _of("Role", name, namespace, rbac, rules=[])
        yield _of("RoleBinding", binding, namespace, rbac, roleRef={
            "apiGroup": rbac.split("/")[0], "kind": "Role", "name": name}, subjects=[])
    for role, binding in zip(old.cluster_rights, old.cluster_bindings):
        yield _of("ClusterRole", role, "", rbac, rules=[])
        yield _of("ClusterRoleBinding", binding, "", rbac, roleRef={
            "apiGroup": rbac.split("/")[0], "kind": "ClusterRole", "name": role}, subjects=[
                {"kind": "ServiceAccount", "name": old.account, "namespace": namespace}])
    for verb in ("create", "patch"):
        yield _of("Job", f"{old.admission}-{verb}", namespace, "batch/v1", spec={"template": {"spec": {
            "restartPolicy": "OnFailure", "containers": [{"name": verb, "image": "kube-webhook-certgen"}]}}})
    yield _of("Secret", old.admission, namespace, stringData={"ca": "-", "cert": "-", "key": "-"})
    manager = f"{old.brand}-manager"
    labels = {"app": manager, "control-plane": manager}
    selector = {"nodeSelector": {"kubernetes.io/os": "linux", "lb.kubesphere.io/v1alpha1": old.brand}}
    if old is OPENELB_06:
        labels = {"app": "openelb", "component": "controller"}
        yield _workload("Deployment", "openelb-controller", old, labels, "kubesphere/openelb-controller:v0.6.0",
                        "openelb-controller", host=False, replicas=1)
        yield _workload("DaemonSet", "openelb-speaker", old, labels | {"component": "speaker"}, f"{old.image}:v0.6.0",
                        "openelb-speaker")
        yield _of("Secret", "memberlist", namespace, stringData={"key": "openelb-speakers"})
    else:
        apart = [{"labelSelector": {"matchLabels": labels}, "topologyKey": "kubernetes.io/hostname"}]
        yield _workload("Deployment", manager, old, labels, old.image, old.account, replicas=2, affinity={
            "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": apart}}, **selector)
    if old is OPENELB_05:
        yield _workload("DaemonSet", "openelb-keepalive-vip", old, {"name": "kube-keepalived-vip"},
                        "kubesphere/kube-keepalived-vip:0.35", "kube-keepalived-vip")
        yield _of("ConfigMap", "openelb-vip-configmap", namespace, data={})
    lease = "openelb-controller" if old is OPENELB_06 else f"{old.brand}-speaker"
    yield _of("Lease", lease, namespace, "coordination.k8s.io/v1", spec={
        "holderIdentity": "old", "leaseDurationSeconds": 15, "leaseTransitions": 3})
    yield _of("Service", old.admission, namespace, spec={"selector": labels, "ports": [{"port": 443}]})


def webhooks(old):
    """With failurePolicy Fail, before a program that is not there: as after the old one has gone."""
    def configuration(kind, name, groups, resources, path):
        return _of(kind, old.admission, "", "admissionregistration.k8s.io/v1", webhooks=[{
            "name": name, "admissionReviewVersions": ["v1"], "failurePolicy": "Fail", "sideEffects": "None", "timeoutSeconds": 1,
            "clientConfig": {"service": {"name": old.admission, "namespace": old.namespace, "path": path}},
            "rules": [{"apiGroups": [groups], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"], "resources": resources}]}])
    yield configuration("ValidatingWebhookConfiguration", "validate.eip.network.kubesphere.io", GROUP, ["eips"],
                        "/validate-network-kubesphere-io-v1alpha2-eip")
    if old.mutating:
        yield configuration("MutatingWebhookConfiguration", "mutating.eip.network.kubesphere.io", "", ["services"],
                            "/validate-network-kubesphere-io-v1alpha2-svc")


def users_objects(old):
    """(object, its status) of what users have made and the old controller has worked on."""
    def ours(kind, name, spec, status, finalizer, annotations=None):
        obj = _of(kind, name, "", VERSION, spec=spec)
        obj["metadata"] |= {"finalizers": [finalizer], "annotations": annotations or {}}
        return obj, status

    nodes = {node: {"as": NODE_AS, "routerId": address} for node, (_, address, _) in SITES.items()}
    yield ours("BgpConf", "default", {"as": NODE_AS, "listenPort": PORT}, {"nodesConfStatus": nodes}, FINALIZER,
               {"lb.kubesphere.io/v1alpha1": "2022-07-01T08:00:00Z"})
    for node, (leaf, _, _) in SITES.items():
        state = {"peerState": {"neighborAddress": LEAVES[leaf].address, "peerAs": LEAVES[leaf].asn, "sessionState": "ESTABLISHED"},
                 "timersState": {"keepaliveInterval": "30", "negotiatedHoldTime": "90"}}
        yield ours("BgpPeer", leaf, {"conf": {"neighborAddress": LEAVES[leaf].address, "peerAs": LEAVES[leaf].asn}, "nodeSelector": {
            "matchLabels": {f"{old.brand}.kubesphere.io/rack": leaf}}}, {"nodesPeerStatus": {node: state}}, FINALIZER)
    for eip, protocol, first, last, services in (("bgp-eip", "bgp", VIP, "172.22.0.10", ROUTED),
                                                 ("layer2-eip", "layer2", "192.168.0.91", "192.168.0.99", LAYER2)):
        used = {}
        for name, address in services.items():
            used[address] = ";".join(filter(None, (used.get(address), f"default/{name}")))
        status = {"firstIP": first, "lastIP": last, "poolSize": 9, "usage": len(used), "used": used, "v4": True}
        yield ours("Eip", eip, {"address": f"{first}-{last}", "protocol": protocol, "interface": "eth0"},
                   status | ({} if old is OPENELB_06 else {"ready": True}), EIP_FINALIZER)
    for number, (name, address) in enumerate(ADDRESSES.items()):
        key, protocol = f"{old.brand}.kubesphere.io", "layer2" if name in LAYER2 else "bgp"
        annotations = {"lb.kubesphere.io/v1alpha1": old.brand, f"eip.{key}/v1alpha2": f"{protocol}-eip"}
        if old is not OPENELB_06:
            annotations[f"protocol.{key}/v1alpha1"] = protocol
            if name in LAYER2:
                annotations[f"layer2.{key}/v1alpha1"] = "master1"
        # Of two on one address each has a port of its own, and both ask for it.
        asked = {"loadBalancerIP": address} if name in ("bgp-svc", "shared", "by-field") else {}
        obj = _of("Service", name, "default", labels={f"eip.{key}/v1alpha2": f"{protocol}-eip"}, spec={
            "type": "LoadBalancer", "selector": {"app": "bgp-openelb"}, "ports": [
                {"name": "http", "port": 80 if name in LAYER2 else 80 + number, "targetPort": "http"}], **asked})
        obj["metadata"] |= {"finalizers": [FINALIZER], "annotations": annotations}
        yield obj, {"loadBalancer": {"ingress": [{"ip": address}]}}
