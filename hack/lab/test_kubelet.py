"""The kubelet's stand-in, part by part, with no API server and no root."""

import asyncio
import json
import os
import subprocess
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest
from lab.kubelet import atomic_folder, fields
from lab.kubelet.atomic_folder import File
from lab.kubelet.images import plain
from lab.kubelet.pods import Pod
from lab.kubelet.security import setpriv
from lab.kubelet.tokens import Tokens
from lab.run_dir import start_time


def pod(**spec):
    meta = {"name": "p", "namespace": "ns", "uid": "u", "labels": {"b": "2", "a": "1"}}
    return SimpleNamespace(obj={"metadata": meta, "spec": {"nodeName": "n"} | spec}, ip="10.0.0.1", host_ip="10.9.9.9",
                           hostname="p")


@pytest.mark.parametrize("name, expected", [
    ("openelb/openelb-speaker:latest", "openelb/openelb-speaker"),
    ("docker.io/kubesphere/openelb-speaker:v1@sha256:00ff", "kubesphere/openelb-speaker"),
    ("registry.example:5000/a/b", "a/b"),
    ("openelb.test/backend", "openelb.test/backend"),
    ("busybox", "busybox")])
def test_image_names_lose_registry_tag_and_digest(name, expected):
    assert plain(name) == expected


@pytest.mark.parametrize("text, expected", [
    ("$(A)", "1"), ("$(A)$(A)x", "11x"), ("$(B)", "$(B)"), ("$$(A)", "$(A)"), ("$$$(A)", "$1"), ("$A $ (A)", "$A $ (A)")])
def test_variables_in_arguments(text, expected):
    assert fields.expand(text, {"A": "1"}) == expected


@pytest.mark.parametrize("path, expected", [
    ("metadata.labels['a']", "1"), ("metadata.labels['none']", ""), ("metadata.labels", 'a="1"\nb="2"'),
    ("metadata.annotations", ""), ("spec.nodeName", "n"), ("status.podIP", "10.0.0.1"), ("status.hostIP", "10.9.9.9")])
def test_field_references(path, expected):
    assert fields.field(pod(), path) == expected


def test_unknown_field_is_refused():
    with pytest.raises(ValueError, match="status.phase"):
        fields.field(pod(), "status.phase")


def test_environment_keeps_order_and_optional_gaps():
    async def lookup(resource, name, optional):
        return {"k": b"v"} if name == "there" else {}

    ref = {"configMapKeyRef": {"name": "gone", "key": "k", "optional": True}}
    container = {"envFrom": [{"prefix": "P_", "configMapRef": {"name": "there"}}], "env": [
        {"name": "A", "value": "$(P_k)"}, {"name": "B", "value": "$(A)$(A)"}, {"name": "C", "valueFrom": ref}]}
    env = asyncio.run(fields.environment(pod(), container, ("10.96.0.1", 443), lookup))
    assert (env["P_k"], env["A"], env["B"], "C" in env) == ("v", "v", "vv", False)
    assert (env["KUBERNETES_SERVICE_HOST"], env["KUBERNETES_SERVICE_PORT"]) == ("10.96.0.1", "443")
    del ref["configMapKeyRef"]["optional"]
    with pytest.raises(LookupError, match="configmap gone has no key k"):
        asyncio.run(fields.environment(pod(), container, ("10.96.0.1", 443), lookup))


def test_references_of_a_pod():
    spec = {"volumes": [{"name": "a", "secret": {"secretName": "s"}}, {"name": "b", "projected": {"sources": [
        {"configMap": {"name": "c"}}, {"secret": {"name": "s2"}}, {"serviceAccountToken": {"path": "t"}}]}}],
        "containers": [{"envFrom": [{"configMapRef": {"name": "d"}}],
                        "env": [{"name": "x", "valueFrom": {"secretKeyRef": {"name": "e", "key": "k"}}}]}]}
    assert fields.references(spec) == {("secrets", "s"), ("configmaps", "c"), ("secrets", "s2"), ("configmaps", "d"),
                                       ("secrets", "e")}


def test_folder_changes_at_once_and_only_when_it_must(tmp_path):
    folder = tmp_path / "v"
    atomic_folder.write(folder, {"a": File(b"1", 0o644), "deep/b": File(b"2", 0o600)})
    first = (folder / "..data").readlink()
    assert (folder / "a").read_bytes() == b"1" and (folder / "deep/b").stat().st_mode & 0o777 == 0o600
    atomic_folder.write(folder, {"a": File(b"1", 0o644), "deep/b": File(b"2", 0o600)})
    assert (folder / "..data").readlink() == first
    with (folder / "a").open("rb") as old:
        atomic_folder.write(folder, {"a": File(b"3", 0o644)})
        assert old.read() == b"1"  # who had it open reads on
    assert sorted(p.name for p in folder.iterdir()) == [*sorted(["..data", (folder / "..data").readlink().name]), "a"]
    assert (folder / "a").read_bytes() == b"3"


def test_tokens_are_renewed_at_80_percent():
    now, asked = [0.0], []

    class Api:
        async def post(self, path, body):
            asked.append((path, body["spec"]))
            ends = datetime.now(timezone.utc) + timedelta(seconds=body["spec"]["expirationSeconds"])
            return {"status": {"token": f"t{len(asked)}", "expirationTimestamp": ends.strftime("%Y-%m-%dT%H:%M:%SZ")}}

    tokens = Tokens(Api(), pod(serviceAccountName="sa"), clock=lambda: now[0])
    assert asyncio.run(tokens.get("aud", 1000)) == "t1"
    assert 798 <= tokens.next_renewal() <= 800
    for at, expected in ((790, "t1"), (801, "t2"), (1500, "t2"), (1602, "t3")):
        now[0] = at
        assert asyncio.run(tokens.get("aud", 1000)) == expected
    path, spec = asked[0]
    assert path == "/api/v1/namespaces/ns/serviceaccounts/sa/token"
    assert spec["audiences"] == ["aud"]
    assert spec["boundObjectRef"] == {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}


@pytest.mark.parametrize("pod_context, own, words", [
    ({"runAsUser": 7}, {"capabilities": {"drop": ["ALL"]}}, ["--reuid=7", "--bounding-set=-all"]),
    ({"runAsUser": 7}, {"runAsUser": 8, "runAsGroup": 9}, ["--reuid=8", "--regid=9"]),
    ({"fsGroup": 5}, {"capabilities": {"drop": ["ALL"], "add": ["NET_RAW", "CAP_KILL"]}},
     ["--groups=5", "--bounding-set=-all,+kill,+net_raw"]),
    ({}, {"allowPrivilegeEscalation": False}, ["--no-new-privs", "--clear-groups"])])
def test_security_context_in_words(pod_context, own, words):
    assert set(words) <= set(setpriv({"securityContext": pod_context}, {"securityContext": own}))


def test_privileged_keeps_everything():
    assert not [w for w in setpriv({}, {"securityContext": {"privileged": True}}) if "bounding" in w]


def pod_object(version, container=None, conditions=(), status=None):
    return {"metadata": {"name": "p", "namespace": "ns", "uid": "u", "resourceVersion": str(version)},
            "spec": {"hostNetwork": True, "containers": [{"name": "c", "image": "i"} | (container or {})]},
            "status": {"conditions": list(conditions), "containerStatuses": [status] if status else []}}


def node(folder, api=None):
    return SimpleNamespace(name="n", address="10.9.9.9", pods_folder=folder, host_root=folder, api=api,
                           cgroup=SimpleNamespace(path=folder))


def test_a_word_heard_before_the_answer_to_ours_is_corrected(tmp_path):
    """The control plane takes the node for lost just after its status was written, and its event is the faster."""
    written = []

    class Api:
        async def patch(self, path, body):
            written.append(body["status"]["conditions"])
            if len(written) == 1:
                pod.update(pod_object(2, conditions=[c | {"status": "False"} for c in written[0]]))
            return pod_object(len(written) * 2 - 1)

    async def run():
        nonlocal pod
        pod = Pod(node(tmp_path, Api()), pod_object(0))
        pod.changed()
        publishing = asyncio.ensure_future(pod._publish())
        async with asyncio.timeout(5):
            while len(written) < 2:
                await asyncio.sleep(0.01)
        publishing.cancel()
    pod = None
    asyncio.run(run())
    assert written[1] == written[0]


PROBED = {"readinessProbe": {"tcpSocket": {"port": 1}}}


@pytest.mark.parametrize("spec, published, expected", [
    (PROBED, {"ready": True, "started": True, "restartCount": 1}, (True, True)),
    (PROBED, {"ready": True, "started": True, "restartCount": 0}, (False, True)),  # an earlier run was
    (PROBED, {"ready": False, "started": False, "restartCount": 1}, (False, True)),  # nobody had told of its start
    ({}, {"ready": False, "started": False, "restartCount": 0}, (True, True)),
    ({"startupProbe": PROBED["readinessProbe"]}, {"ready": False, "started": False, "restartCount": 1}, (False, False))])
def test_a_process_taken_over_is_ready_as_was_published_of_it(tmp_path, spec, published, expected):
    folder = tmp_path / "u/containers/c"
    folder.mkdir(parents=True)
    (folder / "state.json").write_text(json.dumps({
        "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}, "last_state": {}, "restarts": 1, "env": {},
        "pid": os.getpid(), "started": start_time(os.getpid())}))

    async def run():
        container = Pod(node(tmp_path), pod_object(1, spec, status={"name": "c"} | published)).containers[0]
        container.restore()
        return container.ready, container.started
    assert asyncio.run(run()) == expected


def test_a_container_that_is_stopped_while_it_is_launched_ends(tmp_path):
    """Its process is not known yet when `stop` looks for it."""
    children = []

    async def launch_spec(container, image):
        return {}, {}

    async def run():
        pod = Pod(node(tmp_path), pod_object(1))
        pod.node.images, pod.launch_spec = SimpleNamespace(find=lambda image: image), launch_spec
        container = pod.containers[0]
        container.cgroup = SimpleNamespace(create=lambda: None, kill=lambda: [child.kill() for child in children])

        async def launch(spec):
            await container.stop(1)
            children.append(subprocess.Popen(["sleep", "100"]))
            return children[0]
        container._launch = launch
        await asyncio.wait_for(container.supervise(), 5)
        assert container.over()
    try:
        asyncio.run(run())
    finally:
        for child in children:
            child.kill()


def test_a_pod_that_is_deleted_with_what_it_names_is_ended(tmp_path):
    """The news of both may come in one moment."""
    async def run():
        pod = Pod(node(tmp_path), pod_object(1))
        pod.tokens = SimpleNamespace(next_renewal=lambda: 100)
        waiting = asyncio.ensure_future(pod._keep_volumes())
        await asyncio.sleep(0)
        pod._stale.set()
        await asyncio.sleep(0)
        waiting.cancel()
        assert (await asyncio.wait({waiting}, timeout=1))[0] and waiting.cancelled()
    asyncio.run(run())
