"""Objects of the API server, kept current by list and watch."""

import asyncio
import contextlib
from urllib.parse import urlencode

from lab.kubelet.api import FAILURES, ApiError

RETRY_S = 0.2


class Mirror:
    """`objects` {uid: object} follow a path and field selector. `changed(object, gone)` is called after each
    change; `synced` is set after the first list."""

    def __init__(self, api, path, selector, changed=lambda obj, gone: None):
        self._api, self._path, self._selector, self._changed = api, path, selector, changed
        self.objects = {}
        self.synced = asyncio.Event()

    async def run(self):
        version = None
        while True:
            try:
                version = version or await self._list()
                async for event in self._api.watch(self._path, fieldSelector=self._selector,
                                                   resourceVersion=version, allowWatchBookmarks="true"):
                    obj = event["object"]
                    if event["type"] == "ERROR":
                        raise ApiError(obj.get("code", 500), obj.get("message", ""))
                    version = obj["metadata"]["resourceVersion"]
                    if event["type"] != "BOOKMARK":
                        self._take(obj, event["type"] == "DELETED")
            except ApiError as error:
                version = None
                print(f"{self._path}: {error}", flush=True)
            except FAILURES as error:
                print(f"{self._path}: {error!r}", flush=True)
            await asyncio.sleep(RETRY_S)

    async def _list(self):
        answer = await self._api.get(f"{self._path}?{urlencode({'fieldSelector': self._selector})}")
        found = {obj["metadata"]["uid"]: obj for obj in answer.get("items") or []}
        for uid in self.objects.keys() - found.keys():
            self._take(self.objects[uid], gone=True)
        for obj in found.values():
            self._take(obj, gone=False)
        self.synced.set()
        return answer["metadata"]["resourceVersion"]

    def _take(self, obj, gone):
        uid = obj["metadata"]["uid"]
        if gone:
            self.objects.pop(uid, None)
        else:
            self.objects[uid] = obj
        self._changed(obj, gone)


class References:
    """ConfigMaps and Secrets that Pods of this node name, each watched by its name while anybody needs it: more
    than that the API server shows no node."""

    def __init__(self, api):
        self._api = api
        self._entries = {}  # (resource, namespace, name) -> [Mirror, task, set of callbacks]

    @contextlib.contextmanager
    def follow(self, keys, changed):
        """Calls `changed()` after each change of one of the objects, until the block ends."""
        for key in keys:
            self._entry(key)[2].add(changed)
        try:
            yield
        finally:
            for key in keys:
                mirror, task, callbacks = self._entries[key]
                callbacks.discard(changed)
                if not callbacks:
                    task.cancel()
                    del self._entries[key]

    async def get(self, key):
        """A followed object as it is now; None if there is none."""
        mirror = self._entries[key][0]
        await mirror.synced.wait()
        return next(iter(mirror.objects.values()), None)

    def _entry(self, key):
        if key not in self._entries:
            resource, namespace, name = key
            callbacks = set()
            mirror = Mirror(self._api, f"/api/v1/namespaces/{namespace}/{resource}", f"metadata.name={name}",
                            lambda obj, gone: [changed() for changed in list(callbacks)])
            self._entries[key] = [mirror, asyncio.ensure_future(mirror.run()), callbacks]
        return self._entries[key]
