"""The clocks of our programs jump, by an hour and by years, and are right again: nothing is withdrawn, no request lost,
nobody stops leading for it, and new Services are served meanwhile or, where certificates seem to have run out, at the
latest when the clock is right. Each Pod has a calendar of its own (`clock_shim.c`); the machine's is never touched."""

import contextlib
import json
import struct
import time
from pathlib import Path

import pytest
from faults import delete_pod, drop, said, serve_new, unharmed, wait_attached
from lab.installed import CONTROLLER, NAMESPACE, SPEAKER
from lab.net import run, wait_until

CLOCKS, SHIM = "/run/clocks", "/run/clock-shim.so"
HOUR, YEARS = 3600, 20 * 365 * 86400
LEASE_S, POLLED_S = 15, 30  # how long a Lease lasts; how often the Secret of the certificate is looked at
NOTICED_S = 3  # Abseil's clock counts cycles, and looks at the kernel's about once a second


@pytest.fixture(scope="module")
def clocks(documented):
    """The folder of the calendars of our Pods: a file each, of its host name, holds the seconds that it is ahead."""
    folder, shim = documented.run_dir.path / "clocks", documented.run_dir.path / "clock_shim.so"
    run("cc", "-shared", "-fPIC", "-O2", "-o", shim, Path(__file__).with_name("clock_shim.c"))
    folder.mkdir()
    images = json.loads(documented.images.read_text())
    for name, image in images.items():
        if name.rpartition("/")[2] in (CONTROLLER, SPEAKER):
            image["files"] |= {CLOCKS: str(folder), SHIM: str(shim)}
            image["env"] = {"CLOCKS": CLOCKS, "LD_PRELOAD": SHIM}
    documented.images.write_text(json.dumps(images))
    for what in (f"deployment/{CONTROLLER}", f"daemonset/{SPEAKER}"):
        documented.kubectl("-n", NAMESPACE, "rollout", "restart", what)
        documented.wait_rollout(what, NAMESPACE, timeout=60)
    documented.wait_installed()
    return folder


def calendar(folder, pod):
    """A speaker is on its node's network, and has its name."""
    return folder / (pod["spec"]["nodeName"] if pod["spec"].get("hostNetwork") else pod["metadata"]["name"])


@contextlib.contextmanager
def jumped(folder, seconds, *pods):
    """Their clocks are that far ahead meanwhile."""
    def put(ahead):
        for pod in pods:
            with calendar(folder, pod).open("r+b", buffering=0) as file:
                file.write(struct.pack("q", ahead))
        time.sleep(NOTICED_S)

    put(seconds)
    try:
        yield
    finally:
        put(0)


def speakers(lab):
    return [lab.speaker(node) for node in sorted(lab.speaker_nodes())]


WHO = {
    "leader": lambda lab: [lab.leader()],
    "standby": lambda lab: [lab.standby()],
    "speakers": speakers,
    "all": lambda lab: [*lab.controllers(), *speakers(lab)]}


@pytest.mark.parametrize(("who", "seconds"), [
    pytest.param(who, seconds, id=f"{who}-{'ahead' if seconds > 0 else 'behind'}")
    for who, seconds in (("leader", HOUR), ("leader", -HOUR), ("standby", HOUR), ("speakers", -HOUR), ("all", HOUR))])
def test_an_hour(lab, clocks, who, seconds):
    with unharmed(lab):
        before = lab.holder()
        with jumped(clocks, seconds, *WHO[who](lab)):
            serve_new(lab, "while-wrong")
            time.sleep(LEASE_S + 2)  # a Lease that ran out by anybody's clock would have been taken
            assert lab.holder() == before
            wait_attached(lab)
        serve_new(lab, "when-right")
        assert lab.holder() == before
        wait_attached(lab)
    drop(lab, "while-wrong", "when-right")


@pytest.mark.parametrize("seconds", [pytest.param(YEARS, id="ahead"), pytest.param(-YEARS, id="behind")])
def test_leader_by_twenty_years(lab, clocks, seconds):
    """Long enough that it looks at its certificates by that clock, and makes them anew if it still can. Whatever it made,
    all is well once its clock is right."""
    with unharmed(lab):
        with jumped(clocks, seconds, lab.leader()):
            time.sleep(POLLED_S + 5)
        serve_new(lab, "when-right", timeout=30)
    for node in ("master1", "worker-p002"):
        delete_pod(lab, lab.speaker(node), "--force", "--grace-period=0")
    lab.wait_installed()
    wait_attached(lab, 30)
    drop(lab, "when-right")


def test_speaker_by_forty_years(lab, clocks):
    """By its clock the controllers' certificate has run out, also one of the test before, and it starts anew meanwhile: it
    says so, serves what it has saved, and is served once the clock is right."""
    pod = lab.speaker("master1")
    with jumped(clocks, 2 * YEARS, pod):
        delete_pod(lab, pod, "--force", "--grace-period=0")
        wait_until(lambda: (now := lab.speaker("master1")) and now["metadata"]["uid"] != pod["metadata"]["uid"]
                   and said(lab, now, r"not valid now, which is 2066-.* by the clock here"), 30, what="why there is no plan")
        lab.wait_documented(timeout=20)
    with unharmed(lab):
        wait_attached(lab, 90)
        serve_new(lab, "when-right")
    drop(lab, "when-right")
