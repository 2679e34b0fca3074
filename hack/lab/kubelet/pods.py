"""A Pod on this node, from the moment it is bound here until its object is gone.

    network and volumes -> init containers one by one -> containers, until deletion
    deletionTimestamp -> SIGTERM, grace, SIGKILL -> network and volumes removed -> last status -> DELETE of the object
"""

import asyncio
import contextlib
import json

from lab.kubelet import fields
from lab.kubelet.api import FAILURES, ApiError
from lab.cgroup import Cgroup
from lab.kubelet.containers import Container, now
from lab.kubelet.mirror import RETRY_S
from lab.kubelet.security import setpriv
from lab.kubelet.status import pod_status
from lab.kubelet.tokens import Tokens
from lab.kubelet.volumes import Missing, Volumes, texts

PROBLEMS = (ApiError, Missing, LookupError, RuntimeError, *FAILURES)
FORCED_GRACE_S = 1  # of a Pod whose object is gone before it


class Pod:
    """`node` is the stand-in: api, references, networks, images, paths."""

    def __init__(self, node, obj):
        self.node, self.obj = node, obj
        meta, spec = obj["metadata"], obj["spec"]
        self.uid, self.namespace, self.name = meta["uid"], meta["namespace"], meta["name"]
        self.full_name = f"{self.namespace}.{self.name}"
        self.host_network = spec.get("hostNetwork", False)
        self.hostname = node.name if self.host_network else spec.get("hostname") or self.name
        self.grace = spec.get("terminationGracePeriodSeconds", 30)
        self.host_ip = node.address
        self.ip = ""
        self.folder = node.pods_folder / self.uid
        self.cgroup = Cgroup(node.cgroup.path / f"pod-{self.uid}")
        self.start_time = obj.get("status", {}).get("startTime") or now()
        self.transitions = {c["type"]: (c["status"], c["lastTransitionTime"])
                            for c in obj.get("status", {}).get("conditions") or []}
        self.inits = [Container(self, c, startup=True) for c in spec.get("initContainers") or []]
        self.containers = [Container(self, c) for c in spec["containers"]]
        self.tokens = Tokens(node.api, self)
        self.volumes = Volumes(self, self.folder / "volumes", node.host_root, self.lookup, self.tokens)
        self._tasks = []
        self._dirty, self._stale = asyncio.Event(), asyncio.Event()
        self._ending, self._gone = asyncio.Event(), asyncio.Event()
        self._published, self._version = None, 0

    # -- what containers ask --

    def changed(self):
        """The status is to be published."""
        self._dirty.set()

    def say(self, text):
        print(f"{self.namespace}/{self.name}: {text}", flush=True)

    def log(self, container):
        return self.node.run_dir.log(f"{self.node.name}.{self.full_name}.{container}")

    def published_readiness(self, container):
        """(ready, started) as the status has it that an earlier stand-in wrote, if it has heard of this run."""
        for status in self.obj.get("status", {}).get("containerStatuses") or []:
            if status["name"] == container.name and status["restartCount"] == container.restarts:
                return status["ready"], status.get("started", False)
        return False, False

    async def lookup(self, resource, name, optional):
        """{key: bytes} of a ConfigMap or Secret; empty when it is optional and there is none."""
        obj = await self.node.references.get((resource, self.namespace, name))
        if obj is None and not optional:
            raise Missing(f"{resource[:-1]} {self.namespace}/{name} does not exist")
        return texts(resource, obj or {})

    async def launch_spec(self, container, image):
        """(environment, what launch.py takes)"""
        spec = container.spec
        env = image.env | await fields.environment(self, spec, self.node.api_service, self.lookup)
        words = [*(spec.get("command") or image.entrypoint), *(spec.get("args") or [])]
        hosts = [f"127.0.0.1 localhost\n::1 localhost\n{self.ip} {self.hostname}\n"]
        hosts += [f"{alias['ip']} {' '.join(alias['hostnames'])}\n" for alias in self.obj["spec"].get("hostAliases") or []]
        netns = None if self.host_network else str(self.node.networks.path(self.full_name))
        return env, {
            "cgroup": str(container.cgroup.procs), "netns": netns, "hostname": self.hostname,
            "root": str(container.folder / "root"), "shares": self.node.shares, "files": image.files,
            "texts": {"/etc/hosts": "".join(hosts), "/etc/hostname": self.hostname + "\n", "/etc/resolv.conf": ""},
            "mounts": [{"source": str(self.volumes.source(m)), "path": m["mountPath"], "readOnly": m.get("readOnly", False)}
                       for m in spec.get("volumeMounts") or []],
            "readOnlyRoot": (spec.get("securityContext") or {}).get("readOnlyRootFilesystem", False),
            "workingDir": spec.get("workingDir") or "/", "env": env,
            "argv": setpriv(self.obj["spec"], spec) + [fields.expand(word, env) for word in words]}

    # -- life --

    def update(self, obj, gone=False):
        """A new version of the object."""
        relabelled = any(obj["metadata"].get(k) != self.obj["metadata"].get(k) for k in ("labels", "annotations"))
        self.obj = obj
        if gone:
            self._gone.set()
        if gone or "deletionTimestamp" in obj["metadata"]:
            self._ending.set()
        if relabelled:
            self._stale.set()
        self._follow()

    async def run(self):
        over = self.obj.get("status", {}).get("phase") in ("Succeeded", "Failed")
        for container in [*self.inits, *self.containers]:
            container.restore()
        life = [] if over else [self.node.keep(self._live()), self.node.keep(self._publish())]
        await self._ending.wait()
        for task in life:
            task.cancel()
        await asyncio.gather(*life, return_exceptions=True)
        if not over:
            await self._stop()
        # As a kubelet does: once the object is gone, nothing is left, and a Pod of the same name may come.
        await asyncio.to_thread(self.node.clean, self.uid)
        await self._delete()

    async def _live(self):
        spec = self.obj["spec"]
        self.folder.mkdir(parents=True, exist_ok=True)
        keys = {(resource, self.namespace, name) for resource, name in fields.references(spec)}
        with self.node.references.follow(keys, self._stale.set):
            await self._prepare()
            for container in self.inits:
                await self._supervise(container)
                if not container.succeeded():
                    return
            for container in self.containers:
                self._supervise(container)
            await self._keep_volumes()

    def _supervise(self, container):
        task = self.node.keep(container.supervise())
        self._tasks.append(task)
        return asyncio.shield(task)

    async def _prepare(self):
        while True:
            try:
                if not self.ip:
                    self.ip = self._network()
                    self.changed()
                self._stale.clear()  # before: what changes meanwhile is news
                await self.volumes.update()
                return
            except PROBLEMS as error:
                self.say(f"waits: {error}")
            await self._stale_or(RETRY_S)

    def _network(self):
        """Returns its address. What a Pod was given once it keeps, over restarts of the stand-in too."""
        if self.host_network:
            return self.host_ip
        record = self.folder / "network.json"
        if not record.exists():
            address = self.node.networks.create(self.full_name, self.uid)
            record.write_text(json.dumps({"pod": self.full_name, "address": address}))
        return json.loads(record.read_text())["address"]

    async def _keep_volumes(self):
        """Refreshes them when an object changes or a token grows old."""
        while True:
            await self._stale_or(self.tokens.next_renewal())
            self._stale.clear()
            try:
                await self.volumes.update()
            except PROBLEMS as error:
                self.say(f"volumes stay as they are: {error}")
                await self._stale_or(RETRY_S)
                self._stale.set()

    async def _stale_or(self, seconds):
        with contextlib.suppress(TimeoutError):
            # Not wait_for: before Python 3.12 it takes no notice of a cancellation in the moment of the event.
            async with asyncio.timeout(seconds if seconds is None else max(0.05, seconds)):
                await self._stale.wait()

    async def _stop(self):
        grace = self.obj["metadata"].get("deletionGracePeriodSeconds", self.grace)
        stops = asyncio.gather(*(c.stop(grace) for c in [*self.inits, *self.containers]))
        publishing = asyncio.ensure_future(self._publish())  # readiness still counts
        gone = asyncio.ensure_future(self._gone.wait())
        await asyncio.wait({stops, gone}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({stops}, timeout=FORCED_GRACE_S)
        await asyncio.to_thread(self.cgroup.kill)
        await stops
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for task in (publishing, gone):
            task.cancel()

    async def _delete(self):
        """The last status, then the object."""
        while not self._gone.is_set():
            try:
                if self._tasks:
                    await self._patch()
                await self.node.api.delete(self._path(), {
                    "apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0,
                    "preconditions": {"uid": self.uid}})
                return
            except ApiError as error:
                if error.status in (404, 409):
                    return
                self.say(f"deletion: {error}")
            except FAILURES as error:
                self.say(f"deletion: {error!r}")
            await asyncio.sleep(RETRY_S)

    # -- status --

    async def _publish(self):
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            try:
                await self._patch()
            except ApiError as error:
                if error.status == 404:
                    return
                self.say(f"status: {error}")
                await asyncio.sleep(RETRY_S)
                self._dirty.set()
            except FAILURES as error:
                self.say(f"status: {error!r}")
                await asyncio.sleep(RETRY_S)
                self._dirty.set()

    async def _patch(self):
        status = pod_status(self, now())
        if status != self._published:
            answer = await self.node.api.patch(self._path() + "/status", {
                "metadata": {"uid": self.uid}, "status": status})
            self._published = status
            self._version = int(answer["metadata"]["resourceVersion"])
            self._follow()

    def _follow(self):
        """Publishes again where another wrote a condition since: the control plane does, of a node it takes for lost, and
        its word may be heard before the answer to ours is."""
        if self._published is None or int(self.obj["metadata"]["resourceVersion"]) <= self._version:
            return
        ours = {c["type"]: c["status"] for c in self._published["conditions"]}
        theirs = {c["type"]: c["status"] for c in self.obj.get("status", {}).get("conditions") or []}
        if any(theirs.get(kind) != status for kind, status in ours.items()):
            self._published = None
        self.changed()

    def _path(self):
        return f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"
