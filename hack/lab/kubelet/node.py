"""The Node object: registration, addresses, capacity, the Ready condition; and the Lease that says it is alive."""

import asyncio
import platform
from datetime import datetime, timezone

from lab.kubelet.api import FAILURES, ApiError
from lab.kubelet.containers import now
from lab.kubelet.mirror import RETRY_S, Mirror

CAPACITY = {"cpu": "64", "memory": "64Gi", "pods": "1000", "ephemeral-storage": "100Gi"}
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
CONDITIONS = {"MemoryPressure": "KubeletHasSufficientMemory", "DiskPressure": "KubeletHasNoDiskPressure",
              "PIDPressure": "KubeletHasSufficientPID", "Ready": "KubeletReady"}


class NodeObject:
    def __init__(self, api, name, address, pod_cidr, labels):
        self._api, self._name, self._address, self._pod_cidr, self._labels = api, name, address, pod_cidr, labels

    async def register(self):
        """Creates it, or takes what an earlier stand-in or a user has made; labels are set at creation only."""
        arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
        labels = {"kubernetes.io/hostname": self._name, "kubernetes.io/os": "linux", "kubernetes.io/arch": arch}
        while True:
            try:
                await self._api.post("/api/v1/nodes", {
                    "apiVersion": "v1", "kind": "Node",
                    "metadata": {"name": self._name, "labels": labels | self._labels},
                    "spec": {"podCIDR": self._pod_cidr, "podCIDRs": [self._pod_cidr]}})
                return
            except ApiError as error:
                if error.status == 409:
                    return
                print(f"registration: {error}", flush=True)
            except FAILURES as error:
                print(f"registration: {error!r}", flush=True)
            await asyncio.sleep(RETRY_S)

    async def keep_ready(self):
        """Says Ready, and says it again whenever the control plane says otherwise."""
        wrong = asyncio.Event()

        def look(obj, gone):
            ready = {c["type"]: c["status"] for c in obj.get("status", {}).get("conditions") or []}
            if not gone and any(ready.get(kind) != _good(kind) for kind in CONDITIONS):
                wrong.set()

        mirror = Mirror(self._api, "/api/v1/nodes", f"metadata.name={self._name}", look)
        watching = asyncio.ensure_future(mirror.run())
        try:
            while True:
                try:
                    await self._api.patch(f"/api/v1/nodes/{self._name}/status", {"status": self._status()})
                    await wrong.wait()
                    wrong.clear()
                except (ApiError, *FAILURES) as error:
                    print(f"node status: {error!r}", flush=True)
                    await asyncio.sleep(RETRY_S)
        finally:
            watching.cancel()

    async def keep_lease(self, period):
        """Renews it every `period` seconds."""
        while True:
            try:
                lease = await self._lease()
                while True:
                    lease["spec"]["renewTime"] = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
                    lease = await self._api.put(f"{LEASES}/{self._name}", lease)
                    await asyncio.sleep(period)
            except (ApiError, *FAILURES) as error:
                print(f"lease: {error!r}", flush=True)
                await asyncio.sleep(RETRY_S)

    async def _lease(self):
        try:
            return await self._api.get(f"{LEASES}/{self._name}")
        except ApiError as error:
            if error.status != 404:
                raise
        node = await self._api.get(f"/api/v1/nodes/{self._name}")
        owner = {"apiVersion": "v1", "kind": "Node", "name": self._name, "uid": node["metadata"]["uid"]}
        return await self._api.post(LEASES, {
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": self._name, "namespace": "kube-node-lease", "ownerReferences": [owner]},
            "spec": {"holderIdentity": self._name, "leaseDurationSeconds": 40}})

    def _status(self):
        machine = platform.uname()
        unknown = dict.fromkeys(("machineID", "systemUUID", "bootID"), self._name)
        return {
            "addresses": [{"$patch": "replace"}, {"type": "InternalIP", "address": self._address},
                          {"type": "Hostname", "address": self._name}],
            "capacity": CAPACITY, "allocatable": CAPACITY,
            "conditions": [{"type": kind, "status": _good(kind), "reason": reason, "lastHeartbeatTime": now(),
                            "lastTransitionTime": now()} for kind, reason in CONDITIONS.items()],
            "nodeInfo": unknown | {
                "kernelVersion": machine.release, "osImage": "the machine of the lab", "architecture": machine.machine,
                "containerRuntimeVersion": "process://1", "kubeletVersion": "v1.36.0-stand-in", "kubeProxyVersion": "",
                "operatingSystem": "linux"}}


def _good(kind):
    return "True" if kind == "Ready" else "False"
