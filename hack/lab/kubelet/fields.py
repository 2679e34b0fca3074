"""What a Pod can be told of itself: fieldRef, environment variables and $(NAME) in arguments."""

import re

_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")


def field(pod, path):
    """The value of a fieldRef as text; `pod` is a Pod with addresses."""
    meta, spec = pod.obj["metadata"], pod.obj["spec"]
    if match := _SUBSCRIPT.fullmatch(path):
        return (meta.get(match[1]) or {}).get(match[2], "")
    if path in ("metadata.labels", "metadata.annotations"):
        values = meta.get(path.partition(".")[2]) or {}
        return "\n".join(f'{key}="{value}"' for key, value in sorted(values.items()))
    simple = {
        "metadata.name": meta["name"], "metadata.namespace": meta["namespace"], "metadata.uid": meta["uid"],
        "spec.nodeName": spec["nodeName"], "spec.serviceAccountName": spec.get("serviceAccountName", ""),
        "status.hostIP": pod.host_ip, "status.hostIPs": pod.host_ip,
        "status.podIP": pod.ip, "status.podIPs": pod.ip}
    if path not in simple:
        raise ValueError(f"fieldRef {path} is not one that a Pod can ask for")
    return simple[path]


def expand(text, values):
    """$(NAME) -> its value, $$ -> $; a name that is not set stays as it is written."""
    def one(match):
        if match[0] == "$$":
            return "$"
        return values.get(match[1], match[0])
    return re.sub(r"\$\$|\$\(([A-Za-z_.\-][\w.\-]*)\)", one, text)


async def environment(pod, container, api_server, lookup):
    """The variables of a container. `api_server`: (host, port) of the Service "kubernetes". `lookup(resource, name,
    optional)` gives {key: bytes} of a ConfigMap or Secret."""
    host, port = api_server
    values = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root",
        "HOSTNAME": pod.hostname, "KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": str(port),
        "KUBERNETES_SERVICE_PORT_HTTPS": str(port), "KUBERNETES_PORT": f"tcp://{host}:{port}"}
    for source in container.get("envFrom") or []:
        for kind, resource in (("configMapRef", "configmaps"), ("secretRef", "secrets")):
            if ref := source.get(kind):
                found = await lookup(resource, ref["name"], ref.get("optional", False))
                values |= {source.get("prefix", "") + key: value.decode() for key, value in found.items()}
    for entry in container.get("env") or []:
        value = await _value(pod, entry, values, lookup)
        if value is not None:
            values[entry["name"]] = value
    return values


async def _value(pod, entry, values, lookup):
    source = entry.get("valueFrom")
    if source is None:
        return expand(entry.get("value", ""), values)
    if ref := source.get("fieldRef"):
        return field(pod, ref["fieldPath"])
    for kind, resource in (("configMapKeyRef", "configmaps"), ("secretKeyRef", "secrets")):
        if ref := source.get(kind):
            found = await lookup(resource, ref["name"], ref.get("optional", False))
            if ref["key"] in found:
                return found[ref["key"]].decode()
            if ref.get("optional"):
                return None
            raise LookupError(f"{resource[:-1]} {ref['name']} has no key {ref['key']}")
    raise ValueError(f"env {entry['name']}: this node knows no valueFrom of kind {', '.join(source)}")


def references(pod_spec):
    """{(resource, name)} of all ConfigMaps and Secrets that variables and volumes of a Pod name."""
    found = set()

    def walk(value):
        if isinstance(value, list):
            for item in value:
                walk(item)
        elif isinstance(value, dict):
            for key, item in value.items():
                if key in ("configMap", "configMapRef", "configMapKeyRef"):
                    found.add(("configmaps", item["name"]))
                elif key in ("secret", "secretRef", "secretKeyRef"):
                    found.add(("secrets", item.get("secretName") or item["name"]))
                else:
                    walk(item)

    walk([pod_spec.get("volumes"), [container.get(key) for kind in ("initContainers", "containers")
                                    for container in pod_spec.get(kind) or [] for key in ("env", "envFrom")]])
    return found
