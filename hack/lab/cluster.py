"""The cluster's objects as a folder of manifests: read, edited as a user or the control plane would edit them,
and the statuses that the controller writes beside them."""

import os
from pathlib import Path

from lab import yaml_subset

RACK = "openelb.kubesphere.io/rack"
PREFIXES = "openelb.kubesphere.io/prefixes"


def key_of(obj):
    meta = obj["metadata"]
    return obj["kind"], meta.get("namespace", ""), meta["name"]


class Cluster:
    """Files stay as they were loaded until an object in them is edited. Every write is a rename, so a reader
    never sees half a file."""

    def __init__(self, manifests, status):
        self.manifests = Path(manifests)
        self.status_dir = Path(status)

    def load(self, samples):
        """Copies every manifest of a folder, byte for byte."""
        self.manifests.mkdir(parents=True, exist_ok=True)
        self.status_dir.mkdir(parents=True, exist_ok=True)
        for source in sorted(Path(samples).glob("*.yaml")):
            self.write(source.name, source.read_text())

    # -- reading --

    def objects(self, kind=None):
        for path in sorted(self.manifests.glob("*.yaml")):
            for obj in yaml_subset.load_all(path.read_text()):
                if kind in (None, obj["kind"]):
                    yield obj

    def get(self, kind, name):
        for obj in self.objects(kind):
            if obj["metadata"]["name"] == name:
                return obj
        raise KeyError(f"{kind} {name}")

    def status(self, kind, name):
        """The status that the controller wrote for an object; {} before the first."""
        for path in sorted(self.status_dir.rglob("*.yaml")):
            try:
                documents = yaml_subset.load_all(path.read_text())
            except (OSError, ValueError, IndexError):
                continue  # not ours to read, or gone meanwhile
            for obj in documents:
                if isinstance(obj, dict) and obj.get("kind") == kind and obj["metadata"]["name"] == name:
                    return obj.get("status") or {}
        return {}

    def service_ips(self, name):
        ingress = self.status("Service", name).get("loadBalancer", {}).get("ingress") or []
        return [entry["ip"] for entry in ingress]

    # -- writing --

    def write(self, file_name, text):
        draft = self.manifests.parent / f".{file_name}.draft"
        draft.write_text(text)
        os.rename(draft, self.manifests / file_name)

    def apply(self, *objects):
        """Creates or replaces objects."""
        for obj in objects:
            path = self._file(key_of(obj))
            if path is None:
                kind, namespace, name = key_of(obj)
                self.write("-".join(filter(None, (kind.lower(), namespace, name))) + ".yaml",
                           yaml_subset.dump_all([obj]))
            else:
                self._rewrite(path, key_of(obj), obj)

    def edit(self, kind, name, change):
        """Calls `change(object)`, which alters it in place, and writes the result. Returns the old object."""
        obj = self.get(kind, name)
        old = self.get(kind, name)
        change(obj)
        self._rewrite(self._file(key_of(obj)), key_of(obj), obj)
        return old

    def delete(self, kind, name):
        """Returns what was deleted."""
        obj = self.get(kind, name)
        self._rewrite(self._file(key_of(obj)), key_of(obj), None)
        return obj

    def label(self, kind, name, key, value):
        """Sets a label; None removes it."""
        def change(obj):
            labels = obj["metadata"].setdefault("labels", {})
            labels[key] = value
            if value is None:
                del labels[key]
        self.edit(kind, name, change)

    # -- what the control plane does --

    def set_ready(self, node, ready="True"):
        """The Ready condition of a node ("True", "False", "Unknown"), and with it the readiness of its Pods."""
        def node_change(obj):
            for condition in obj["status"]["conditions"]:
                if condition["type"] == "Ready":
                    condition["status"] = ready

        def slice_change(obj):
            for endpoint in obj["endpoints"]:
                if endpoint.get("nodeName") == node:
                    endpoint["conditions"] |= {"ready": ready == "True", "serving": ready == "True"}

        self.edit("Node", node, node_change)
        for obj in list(self.objects("EndpointSlice")):
            if any(e.get("nodeName") == node for e in obj["endpoints"]):
                self.edit("EndpointSlice", obj["metadata"]["name"], slice_change)

    def _file(self, key):
        for path in sorted(self.manifests.glob("*.yaml")):
            try:
                if any(key_of(obj) == key for obj in yaml_subset.load_all(path.read_text())):
                    return path
            except (ValueError, IndexError, KeyError, TypeError):
                continue  # a file that a test broke on purpose
        return None

    def _rewrite(self, path, key, obj):
        documents = [obj if key_of(old) == key else old for old in yaml_subset.load_all(path.read_text())]
        documents = [document for document in documents if document is not None]
        if documents:
            self.write(path.name, yaml_subset.dump_all(documents))
        else:
            path.unlink()


def internal_ip(node):
    return next(a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP")


def selected_nodes(cluster, daemon_set="openelb-speaker"):
    """Names of the nodes where the speakers run: those that the DaemonSet's nodeSelector matches."""
    selector = cluster.get("DaemonSet", daemon_set)["spec"]["template"]["spec"].get("nodeSelector", {})
    return sorted(node["metadata"]["name"] for node in cluster.objects("Node")
                  if selector.items() <= node["metadata"].get("labels", {}).items())
