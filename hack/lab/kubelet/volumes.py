"""A Pod's volumes: folders on the machine, bound into its containers; those made of objects follow them."""

import base64

from lab.kubelet import atomic_folder
from lab.kubelet.atomic_folder import File
from lab.kubelet.fields import field


class Missing(Exception):
    """An object that the Pod needs is not there (yet)."""


def texts(resource, obj):
    """{key: bytes} of a ConfigMap or Secret."""
    plain = {} if resource == "secrets" else obj.get("data") or {}
    encoded = (obj.get("data") if resource == "secrets" else obj.get("binaryData")) or {}
    return {key: text.encode() for key, text in plain.items()} | {
        key: base64.b64decode(text) for key, text in encoded.items()}


class Volumes:
    """`lookup(resource, name, optional)` gives {key: bytes} of an object and raises Missing; `host_root` is the
    folder that stands for the node's own file system."""

    def __init__(self, pod, folder, host_root, lookup, tokens):
        self._pod, self._folder, self._host_root = pod, folder, host_root
        self._lookup, self._tokens = lookup, tokens

    def source(self, mount):
        """What a container's volumeMount binds."""
        volume = next(v for v in self._pod.obj["spec"]["volumes"] if v["name"] == mount["name"])
        if "hostPath" in volume:
            path = self._host_root / volume["hostPath"]["path"].lstrip("/")
        else:
            path = self._folder / volume["name"]
        return path / mount["subPath"] if mount.get("subPath") else path

    async def update(self):
        """Writes what is new. Raises Missing, or what the API says, and leaves the volumes before it done."""
        for volume in self._pod.obj["spec"].get("volumes") or []:
            folder = self._folder / volume["name"]
            kind = next((key for key in volume if key != "name"), "emptyDir")
            source = volume.get(kind) or {}
            if kind == "emptyDir":
                folder.mkdir(parents=True, exist_ok=True)
                folder.chmod(0o777)
            elif kind == "hostPath":
                self._make_host_path(source)
            elif kind in ("configMap", "secret", "downwardAPI", "projected"):
                user, group = self._owner()
                atomic_folder.write(folder, await self._files(kind, source), user, group)
            else:
                raise ValueError(f"volume {volume['name']}: this node knows no volume of kind {kind}")

    async def _files(self, kind, source):
        mode = source.get("defaultMode", 0o644)
        files = {}
        for part in source["sources"] if kind == "projected" else [{kind: source}]:
            files |= await self._part(part, mode)
        user, group = self._owner()
        return {path: File(f.content, f.mode | 0o440 if group != -1 else f.mode) for path, f in files.items()}

    async def _part(self, part, mode):
        if token := part.get("serviceAccountToken"):
            text = await self._tokens.get(token.get("audience"), token.get("expirationSeconds", 3600))
            return {token["path"]: File(text.encode(), 0o600 if self._owner() != (-1, -1) else mode)}
        if "downwardAPI" in part:
            return {item["path"]: File(field(self._pod, item["fieldRef"]["fieldPath"]).encode(), item.get("mode", mode))
                    for item in part["downwardAPI"].get("items") or []}
        resource, source = ("configmaps", part["configMap"]) if "configMap" in part else ("secrets", part["secret"])
        name = source.get("secretName") or source["name"]
        found = await self._lookup(resource, name, source.get("optional", False))
        if "items" not in source:
            return {key: File(content, mode) for key, content in found.items()}
        for item in source["items"]:
            if item["key"] not in found and not source.get("optional"):
                raise Missing(f"{resource[:-1]} {name} has no key {item['key']}")
        return {item["path"]: File(found[item["key"]], item.get("mode", mode))
                for item in source["items"] if item["key"] in found}

    def _owner(self):
        """(user, group) of the files, -1 for the one that root leaves: the user that all containers run as, fsGroup."""
        spec = self._pod.obj["spec"]
        context = spec.get("securityContext") or {}
        users = {(c.get("securityContext") or {}).get("runAsUser", context.get("runAsUser")) for c in spec["containers"]}
        user = users.pop() if len(users) == 1 else None
        return -1 if user is None else user, context.get("fsGroup", -1)

    def _make_host_path(self, source):
        path = self._host_root / source["path"].lstrip("/")
        kind = source.get("type") or "DirectoryOrCreate"
        if kind == "DirectoryOrCreate":
            path.mkdir(parents=True, exist_ok=True)
        elif kind == "FileOrCreate":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        elif not path.exists():
            raise Missing(f"hostPath {source['path']} is not on this node")
