"""`make demo` and `make demo KUBERNETES=1` as a user without a terminal gets them: what is said, that the kept lab can be
looked at as it says, and that nothing is left behind, neither at the end nor after an interruption."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from lab.cgroup import mount_point
from lab.cluster import Cluster
from lab.fabric import VIP
from lab.go_programs import VARIABLES, binaries
from lab.net import run, wait_until
from lab.run_dir import ROOT, RunDir, every_lab, start_time

REPOSITORY = Path(__file__).resolve().parents[2]
LABS = "demo-test-"

LEAF1_ALONE, LEAF2_ALONE = "leaf1 sends to master1 alone", "the spine sends to leaf2 alone"
ALL_NODES = "all three nodes are entered"
UNCHANGED = "none"
# What is done, what follows, and which routers' routes change by it.
STEPS = [
    ("worker1 becomes NotReady", LEAF1_ALONE, "leaf1"),
    ("leaf1's link to the spine is cut", LEAF2_ALONE, "spine"),
    ("the link is back, worker1 is Ready again", ALL_NODES, "spine"),
    ("the controller is killed (-9), 2 s later started again", ALL_NODES, UNCHANGED),
    ("the speaker on master1 is killed (-9)", LEAF2_ALONE, "leaf1"),
    ("the speaker is started again and reads its plan from disk", ALL_NODES, "leaf1"),
]
KUBERNETES_STEPS = [
    ("worker1's kubelet falls silent: NotReady after 5 s", LEAF1_ALONE, "leaf1"),
    ("leaf1's link to the spine is cut", LEAF2_ALONE, "spine"),
    ("the link is back, so is worker1's kubelet", ALL_NODES, "spine"),
    ("the leading controller is killed (-9)", "a new leader, nothing has moved", UNCHANGED),
    ("the speaker on master1 is killed (-9)", ALL_NODES, "leaf1"),
    ("kubectl rollout restart of the controllers", ALL_NODES, UNCHANGED),
]


class Demo:
    """What `make demo VARIABLES` runs once all is built, under a lab's name of its own."""

    def __init__(self, folder, *variables):
        self.name = f"{LABS}{os.getpid()}"
        self.output = folder / "output"
        # As if no `make test` ran this.
        environment = {name: value for name, value in os.environ.items()
                       if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
        printed = subprocess.run(["make", "--no-print-directory", "-n", "demo", *variables], cwd=REPOSITORY,
                                 env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
        _, found, command = printed.partition("echo '== running the demo in network namespaces'\n")
        assert found, printed
        environment |= {"OPENELB_DEMO_LAB": self.name, VARIABLES["controlplane"]: str(binaries("controlplane"))}
        self.began = time.monotonic()
        with self.output.open("w") as output:
            # In a process group of its own, which a terminal would interrupt as a whole.
            self.process = subprocess.Popen(command, shell=True, cwd=REPOSITORY, env=environment, process_group=0,
                                            stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def said(self):
        return self.output.read_text()

    def interrupt(self):
        os.killpg(self.process.pid, signal.SIGINT)

    def wait(self, timeout=240):
        return self.process.wait(timeout)

    def end(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        RunDir(self.name).remove()


@pytest.fixture(scope="module", autouse=True)
def clean_slate():
    """Nothing of a run of these tests that was killed. A lab that is kept outlives its owner, so its name tells whose it is."""
    for lab in every_lab():
        if lab.name.startswith(LABS) and start_time(lab.name.removeprefix(LABS)) is None:
            lab.remove()


@pytest.fixture
def start(tmp_path):
    started = []

    def demo(*variables):
        started.append(Demo(tmp_path, *variables))
        return started[-1]
    yield demo
    for each in started:
        each.end()


def left(name):
    """What there is of a lab: its folders, namespaces, control groups, and processes that carry its name."""
    found = [path for parent in (ROOT, mount_point() / "openelb-lab") for path in (parent / name,) if path.exists()]
    found += [path for parent in ("/run/netns", "/etc/frr", "/run/frr") for path in Path(parent).glob(f"lab-{name}-*")]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            about = b"".join((process / what).read_bytes() for what in ("cmdline", "environ", "cgroup"))
        except OSError:
            continue  # it has ended
        if name.encode() in about:
            found.append(process)
    return [str(path) for path in found]


def told(text, pattern):
    found = re.search(pattern, text, re.MULTILINE)
    assert found, f"no {pattern!r} in\n{text}"
    return found


def check_steps(text, steps):
    """What each step did to routes and requests, as it happened and in the summary."""
    happened, _, summary = text.partition("what was done")
    for title, follows, changed in steps:
        block = told(happened, rf"^> {re.escape(title)}\n(?:(?!>).*\n)*").group()
        result = told(block, rf"^  {follows} after [\d.]+ s; route changes: (.*); lost (\d+) of (\d+) requests\. PASS$")
        changes, lost, total = result.groups()
        assert int(total) > 0
        if changed == UNCHANGED:
            assert (changes, lost) == (UNCHANGED, "0"), block
        else:
            told(changes, rf"\b{changed} [1-9]")
        several = sum(map(int, re.findall(r" (\d+)", changes)))
        told(summary, rf"^{re.escape(title)} +{several} +{lost} +{total}  PASS$")
    told(summary, r"^PASS: every router held what it should, and clients were served throughout\.$")
    return float(told(summary, r"^All of it took (\d+) s\.$")[1])


def check_table(text):
    """The live table: sessions and next hops of each leaf, and the answers of each node."""
    told(text, r"^    leaf1 master1 up 192\.168\.0\.3 \(master1\) 192\.168\.0\.4 \(worker1\)$")
    told(text, r"^    leaf1 master1 up 192\.168\.0\.3 \(master1\)$")
    told(text, r"^    leaf2 worker-p002 up 192\.168\.1\.2 \(worker-p002\)$")
    told(text, r"^    spine 10\.0\.1\.2 \(leaf1\) 10\.0\.2\.2 \(leaf2\)$")
    told(text, r"^    spine 10\.0\.2\.2 \(leaf2\)$")
    told(text, r"^    answers master1 [1-9]\d*/s worker-p002 [1-9]\d*/s worker1 [1-9]\d*/s lost so far \d+ of \d+$")
    told(text, r"^    answers master1 [1-9]\d*/s worker-p002 [1-9]\d*/s worker1 0/s ")


def show(capsys, what, seconds):
    """A figure for whoever reads the log: how fast a machine is no test judges."""
    with capsys.disabled():
        print(f"\n{what} took {seconds:.0f} s")


def look(command):
    """Types one of the commands that were printed; its output."""
    return run("sh", "-c", f"cd {REPOSITORY} && {command}")


def listens(pid):
    """Whether a process has joined groups of netlink: then it misses nothing."""
    rows = (line.split() for line in Path(f"/proc/{pid}/net/netlink").read_text().splitlines())
    return any(row[2] == str(pid) and row[3] != "00000000" for row in rows)


def look_around(demo, change):
    """Every command that is printed for the kept lab works, the last of them takes it down; returns the outputs of the
    others. `change` moves a next hop of leaf1, which one of them shows."""
    text = demo.said().partition("The lab is up. Look around:")[2]
    commands = re.findall(r"hack/lab/lab .*", text)
    *others, down = commands
    watch = next(command for command in others if command.endswith("ip monitor route"))
    answers = {command: look(command) for command in others if command != watch and " label " not in command}
    routes = demo.output.with_name("routes")
    with routes.open("w") as output:
        monitor = subprocess.Popen(watch.split(), cwd=REPOSITORY, stdout=output)
    try:
        wait_until(lambda: listens(monitor.pid), what=f"{watch}: listens")
        change(text)
        wait_until(lambda: VIP in routes.read_text(), 20, what=f"{watch}: a change")
    finally:
        monitor.kill()
        monitor.wait()
    assert down == f"hack/lab/lab down {demo.name}"
    assert look(down) == f"{demo.name} is down\n"
    assert left(demo.name) == []
    return answers


def answer(answers, *words):
    """The output of the command that holds all words."""
    return next(text for command, text in answers.items() if all(word in command for word in words))


def test_demo(start, capsys):
    demo = start()
    assert demo.wait() == 0, demo.said()
    text = demo.said()
    assert left(demo.name) == []
    told(text, r"^172\.22\.0\.2 has its next hops on every router after [\d.]+ s\.")
    check_table(text)
    told(text, r"^    leaf1 master1 down ")
    show(capsys, "make demo", check_steps(text, STEPS))
    told(text, r"^Where to go next:$")
    assert "\x1b" not in text, "no terminal, no colours"


def test_kept_demo(start):
    demo = start("KEEP=1")
    assert demo.wait() == 0, demo.said()
    check_steps(demo.said(), STEPS)
    here = left(demo.name)
    assert any("/run/netns/" in path for path in here) and any("/proc/" in path for path in here)

    def worker1_not_ready(text):
        manifests = told(text, r"edit (\S+)/\*\.yaml")[1]
        statuses = told(text, r"^  (\S+) holds what the controller says")[1]
        assert list(Path(statuses).glob("*.yaml"))
        Cluster(Path(manifests), Path(statuses)).set_ready("worker1", "False")
    answers = look_around(demo, worker1_not_ready)
    assert "leaf1: 172.22.0.2 via 192.168.0.3, 192.168.0.4" in answer(answers, "status")
    assert answer(answers, "client", "curl").strip()
    assert "192.168.0.4" in answer(answers, "vtysh", "leaf1")
    assert "openelb_eip_addresses_used" in answer(answers, "/ctl", "metrics")
    assert "openelb_speaker_bgp_session_state" in answer(answers, "/master1", "metrics")


def test_kept_demo_on_kubernetes(start, capsys):
    demo = start("KUBERNETES=1", "KEEP=1")
    assert demo.wait() == 0, demo.said()
    text = demo.said()
    for line in ("apply -k config/default", "label --overwrite nodes master1 openelb.kubesphere.io/rack=leaf1",
                 "apply -f config/samples/multi-router/service.yaml"):
        told(text, rf"^\$ kubectl {line}$")
    told(text, r"^  bgp-svc +LoadBalancer +\S+ +172\.22\.0\.2 ")
    check_table(text)
    show(capsys, "make demo KUBERNETES=1", check_steps(text, KUBERNETES_STEPS))
    here = left(demo.name)
    assert any(str(mount_point()) in path for path in here) and any("/proc/" in path for path in here)
    answers = look_around(demo, lambda text: look(told(text, "hack/lab/lab kubectl .* label node .*").group()))
    assert "bgp-eip" in answer(answers, "get", "eip")
    assert "ip: 172.22.0.2" in answer(answers, "get", "svc")
    assert "openelb_speaker_bgp_session_state" in answer(answers, "/master1", "metrics")


@pytest.mark.parametrize("variables, moment", [
    ([], "FRR is spine and leaves"), (["KEEP=1"], "> leaf1's link"), (["KUBERNETES=1"], "$ kubectl apply -k")])
def test_interrupted_demo_leaves_nothing(start, variables, moment):
    """While the network is built, under traffic, and while Pods start; and whoever interrupts may be impatient."""
    demo = start(*variables)
    wait_until(lambda: moment in demo.said() and len(left(demo.name)) > 5, 120, what=f"{moment!r} in {demo.output}")
    demo.interrupt()
    wait_until(lambda: "Stopped." in demo.said(), 30)
    demo.interrupt()
    assert demo.wait() != 0
    assert left(demo.name) == []
    assert "Where to go next" not in demo.said()
