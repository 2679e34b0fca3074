#!/usr/bin/python3
"""Stands in for a kubelet: registers a node of a lab and runs the Pods bound to it as processes.

    node_stand_in.py --run-dir DIR --name NODE --address IP --pod-cidr CIDR --images TABLE.json
        --server URL --ca FILE --cert FILE --key FILE [--label KEY=VALUE]... [--share DIR]... [--lease-seconds N]

Runs in the node's network namespace and in the machine's mount namespace. As with a kubelet, Pods outlive it: ended
by a signal it leaves them as they are, and the next one takes them over.
"""

import argparse
import asyncio
import json
import shutil
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lab.kubelet.api import FAILURES, Api, ApiError  # noqa: E402
from lab.cgroup import Cgroup  # noqa: E402
from lab.kubelet.images import Images  # noqa: E402
from lab.kubelet.mirror import RETRY_S, Mirror, References  # noqa: E402
from lab.kubelet.network import PodNetworks  # noqa: E402
from lab.kubelet.node import NodeObject  # noqa: E402
from lab.kubelet.pods import Pod  # noqa: E402
from lab.run_dir import RunDir  # noqa: E402


class NodeStandIn:
    """The node, as its Pods see it."""

    def __init__(self, args):
        self.name, self.address, self.shares = args.name, args.address, args.share
        self.run_dir = RunDir(args.run_dir.name, args.run_dir.parent)
        self.host_root = self.run_dir.path / "nodes" / args.name  # the node's own files: hostPath volumes
        self.pods_folder = self.host_root / "var/lib/kubelet/pods"
        self.pods_folder.mkdir(parents=True, exist_ok=True)
        self.cgroup = self.run_dir.cgroup(args.name)
        self.cgroup.create()
        self.api = Api(args.server, args.ca, args.cert, args.key)
        self.references = References(self.api)
        self.images = Images(args.images)
        self.networks = PodNetworks(self.run_dir, args.name, args.pod_cidr)
        for record in self.pods_folder.glob("*/network.json"):
            self.networks.claim(json.loads(record.read_text())["address"])
        self.api_service = None
        self._lease_period = args.lease_seconds
        self._object = NodeObject(self.api, args.name, args.address, args.pod_cidr,
                                  dict(label.split("=", 1) for label in args.label))
        self._mirror = Mirror(self.api, "/api/v1/pods", f"spec.nodeName={args.name}", self._pod_changed)
        self._pods = {}
        self._tasks = set()

    async def run(self):
        stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        self.keep(self._run())
        await stopped.wait()

    def keep(self, coroutine):
        """Runs it beside everything else; an error in it that nobody foresaw is shown."""
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def clean(self, uid):
        """Leaves nothing of a Pod on the machine, whether its object is known or not."""
        Cgroup(self.cgroup.path / f"pod-{uid}").remove()
        record = self.pods_folder / uid / "network.json"
        if record.exists():
            network = json.loads(record.read_text())
            self.networks.remove(network["pod"], uid, network["address"])
        shutil.rmtree(self.pods_folder / uid, ignore_errors=True)

    async def _run(self):
        await self._object.register()
        self.keep(self._object.keep_ready())
        self.keep(self._object.keep_lease(self._lease_period))
        self.api_service = await self._find_api_service()
        self.keep(self._mirror.run())
        await self._mirror.synced.wait()
        for folder in self.pods_folder.iterdir():
            if folder.name not in self._mirror.objects:
                await asyncio.to_thread(self.clean, folder.name)

    async def _find_api_service(self):
        while True:
            try:
                spec = (await self.api.get("/api/v1/namespaces/default/services/kubernetes"))["spec"]
                return spec["clusterIP"], spec["ports"][0]["port"]
            except (ApiError, *FAILURES) as error:
                print(f"Service kubernetes: {error!r}", flush=True)
                await asyncio.sleep(RETRY_S)

    def _pod_changed(self, obj, gone):
        uid = obj["metadata"]["uid"]
        if uid in self._pods:
            self._pods[uid].update(obj, gone)
        elif not gone:
            pod = self._pods[uid] = Pod(self, obj)
            pod.update(obj)
            self.keep(self._run_pod(pod))

    async def _run_pod(self, pod):
        await pod.run()
        del self._pods[pod.uid]

    def _done(self, task):
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            task.get_loop().call_exception_handler({"message": "unforeseen", "exception": task.exception()})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--name", "--address", "--pod-cidr", "--server", "--ca", "--cert", "--key", "--images"):
        parser.add_argument(name, required=True)
    parser.add_argument("--run-dir", required=True, type=Path)
    parser.add_argument("--label", action="append", default=[])
    parser.add_argument("--share", action="append", default=[], help="a folder that Pods see and change as it is")
    parser.add_argument("--lease-seconds", type=float, default=1)
    args = parser.parse_args()

    async def run():
        await NodeStandIn(args).run()
    asyncio.run(run())


if __name__ == "__main__":
    main()
