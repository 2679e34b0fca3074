"""A container of a Pod: one process and what it forks, started again when it ends, probed while it runs.

What a later stand-in must know of it lies in `state.json`: pid and start time, restarts, the last end. A process
that outlived a killed stand-in is taken over as it is; one that has ended meanwhile is restarted.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

from lab.kubelet import probes
from lab.kubelet.api import FAILURES, ApiError
from lab.cgroup import Cgroup
from lab.kubelet.process import UNKNOWN_EXIT, ContainerProcess
from lab.kubelet.security import setpriv

BACK_OFF_S, BACK_OFF_MAX_S = 1, 60  # KEP-4603's; the first restart comes at once
BACK_OFF_RESET_S = 600  # of running


def now():
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Container:
    """`pod.changed()` is called after every change of what the status shows."""

    def __init__(self, pod, spec, startup=False):
        self.pod, self.spec, self.name = pod, spec, spec["name"]
        self.is_init = startup
        self.folder = pod.folder / "containers" / self.name
        self.cgroup = Cgroup(pod.cgroup.path / self.name)
        self.state = {"waiting": {"reason": "ContainerCreating"}}
        self.last_state = {}
        self.restarts = 0
        self.ready = self.started = False
        self.env = {}
        self.process = None
        self._probes = {}
        self._stopping = asyncio.Event()

    # -- life --

    def restore(self):
        """Takes over what an earlier stand-in left."""
        try:
            saved = json.loads((self.folder / "state.json").read_text())
        except (OSError, ValueError):
            return
        self.restarts, self.last_state, self.env = saved["restarts"], saved["last_state"], saved["env"]
        self.state = saved["state"]
        if "running" in self.state:
            self.process = ContainerProcess.adopt(saved["pid"], saved["started"])
            ready, started = self.pod.published_readiness(self)
            self.started = started or "startupProbe" not in self.spec
            self.ready = ready if "readinessProbe" in self.spec else self.started
            if self.process is None:
                self._ended(UNKNOWN_EXIT, "ContainerStatusUnknown")

    async def supervise(self):
        """Runs it, again and again as the Pod's restartPolicy says, until that is over or `stop`."""
        loop = asyncio.get_running_loop()
        wait = 0
        if self.over() or self.succeeded() and self.is_init:
            return
        restart = "terminated" in self.state
        while not self._stopping.is_set():
            if self.process is None:
                if restart:
                    self._restarting(wait)
                    await self._pause(wait)
                    self.restarts += 1
                    wait = min(BACK_OFF_MAX_S, wait * 2) or BACK_OFF_S
                if self._stopping.is_set() or not await self._start():
                    continue
            began = loop.time()
            await self._run()
            if self._stopping.is_set() or not self._again():
                return
            if loop.time() - began > BACK_OFF_RESET_S:
                wait = 0
            restart = True

    async def stop(self, grace):
        """preStop hook and SIGTERM; SIGKILL to all of it after `grace` seconds. Nothing starts it again."""
        self._stopping.set()
        self._end_probes("livenessProbe", "startupProbe")
        if self.process is not None:
            await self._end_process(grace)

    def succeeded(self):
        return self.state.get("terminated", {}).get("exitCode") == 0

    def over(self):
        """Whether it has ended for good."""
        return "terminated" in self.state and (self._stopping.is_set() or not self._again())

    async def _start(self):
        """False if it could not be, with the reason as its state."""
        image = self.pod.node.images.find(self.spec["image"])
        if image is None:
            self._waits("ErrImagePull", f"this node's table has no image {self.spec['image']}")
            await self._pause(BACK_OFF_S)
            return False
        self.folder.joinpath("root").mkdir(parents=True, exist_ok=True)
        self.cgroup.create()
        self.cgroup.kill()  # what a process left behind
        try:
            self.env, spec = await self.pod.launch_spec(self, image)
        except (ApiError, LookupError, *FAILURES) as error:
            self._waits("CreateContainerConfigError", str(error))
            await self._pause(BACK_OFF_S)
            return False
        if self._stopping.is_set():
            return False
        path = self.folder / "spec.json"
        path.write_text(json.dumps(spec))
        child = await self._launch(path)
        self.process = ContainerProcess(child.pid, child)
        self.state = {"running": {"startedAt": now()}}
        self.started = "startupProbe" not in self.spec
        self.ready = self.started and "readinessProbe" not in self.spec
        self._save()
        if self._stopping.is_set():  # since it is launched: `stop` has found no process
            self.cgroup.kill()
        return True

    async def _launch(self, spec):
        """Returns the child once it has become the container's command or has failed to."""
        end, ours = os.pipe()
        with self.pod.log(self.name).open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, "-I", "-S", Path(__file__).with_name("launch.py"), spec, str(ours)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, pass_fds=[ours])
        os.close(ours)
        started = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(end, started.set_result, None)
        await started
        asyncio.get_running_loop().remove_reader(end)
        os.close(end)
        return child

    async def _run(self):
        """From a started process to its end."""
        self.pod.changed()
        if self.started:
            self._begin_probes()
        else:
            self._begin("startupProbe", self._startup)
        code = await self.process.wait()
        self._end_probes(*self._probes)
        self.process = None
        self.cgroup.kill()
        self._ended(code, "Completed" if code == 0 else "Error")

    def _ended(self, code, reason):
        began = self.state["running"]["startedAt"]
        self.state = {"terminated": {"exitCode": code, "reason": reason, "startedAt": began, "finishedAt": now()}}
        self.ready = self.started = False
        self._save()
        self.pod.changed()

    def _restarting(self, wait):
        self.last_state = {"terminated": self.state["terminated"]}
        if wait:
            self.state = {"waiting": {"reason": "CrashLoopBackOff", "message": f"back-off {wait} s"}}
            self.pod.changed()

    def _waits(self, reason, message):
        self.state = {"waiting": {"reason": reason, "message": message}}
        self.pod.changed()

    def _again(self):
        policy = self.pod.obj["spec"].get("restartPolicy", "Always")
        if self.is_init:
            return policy != "Never" and not self.succeeded()
        return policy == "Always" or policy == "OnFailure" and not self.succeeded()

    async def _pause(self, seconds):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    async def _end_process(self, grace):
        hook = self.spec.get("lifecycle", {}).get("preStop")
        process, deadline = self.process, asyncio.get_running_loop().time() + grace
        try:
            if hook:
                async with asyncio.timeout(grace):
                    await probes.act(hook, self)
        except (OSError, EOFError, ValueError) as error:  # TimeoutError is one
            self.pod.say(f"{self.name}: preStop: {error!r}")
        process.signal(15)
        try:
            async with asyncio.timeout_at(deadline):
                await process.wait()
        except TimeoutError:
            self.cgroup.kill()
            await process.wait()

    def _save(self):
        process = self.process
        draft = self.folder / "state.json.new"
        draft.write_text(json.dumps({
            "state": self.state, "last_state": self.last_state, "restarts": self.restarts, "env": self.env,
            "pid": process and process.pid, "started": process and process.started}))
        draft.rename(self.folder / "state.json")

    # -- probes --

    def _begin_probes(self):
        self._begin("readinessProbe", self._readiness)
        self._begin("livenessProbe", self._liveness)

    def _begin(self, kind, report):
        if kind in self.spec:
            self._probes[kind] = asyncio.ensure_future(probes.probe(self.spec[kind], self, report))

    def _end_probes(self, *kinds):
        for kind in kinds:
            if kind in self._probes:
                self._probes[kind].cancel()

    def _startup(self, good, message):
        if not good:
            self._kill_unhealthy("startupProbe", message)
            return
        self._end_probes("startupProbe")
        self.started, self.ready = True, "readinessProbe" not in self.spec
        self.pod.changed()
        self._begin_probes()

    def _readiness(self, good, message):
        self.pod.say(f"{self.name}: {'ready' if good else f'not ready: {message}'}")
        self.ready = good
        self.pod.changed()

    def _liveness(self, good, message):
        if not good:
            self._kill_unhealthy("livenessProbe", message)

    def _kill_unhealthy(self, kind, message):
        self.pod.say(f"{self.name}: {kind} failed, restarting: {message}")
        grace = self.spec[kind].get("terminationGracePeriodSeconds", self.pod.grace)
        self.pod.node.keep(self._end_process(grace))

    # -- for probes and hooks --

    def port(self, port):
        """The number of a port, which may be given by name."""
        if isinstance(port, int) or port.isdigit():
            return int(port)
        return next(p["containerPort"] for p in self.spec.get("ports") or [] if p.get("name") == port)

    def enter(self, command):
        """The command that runs `command` in the container."""
        return ["sh", "-c", f'echo $$ > {self.cgroup.procs} && exec "$@"', "sh", "nsenter", "-t", str(self.process.pid),
                "-m", "-n", "-u", "--", *setpriv(self.pod.obj["spec"], self.spec), *command]
