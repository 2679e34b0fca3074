#!/usr/bin/python3
"""make demo: the multi-router topology, live, through four failures. KEEP=1 leaves it up; KUBERNETES=1 runs
demo_kubernetes.py: a real control plane and kubectl in the place of manifests.

Each step does one thing to the network, waits until the routers show what should follow, and notes what it
did to routes and requests. Exit 0 if all of it came out as it should. OPENELB_DEMO_LAB names another lab than "demo".
"""

import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lab import programs  # noqa: E402
from lab.fabric import LEAVES, VIP  # noqa: E402
from lab.net import RouteRecorder  # noqa: E402
from lab.screen import Screen, bold, verdict  # noqa: E402
from lab.topology import MultiRouter  # noqa: E402
from lab.traffic import TIMEOUT_S, Traffic, ask  # noqa: E402

NAME = os.environ.get("OPENELB_DEMO_LAB", "demo")
PREFIX = f"{VIP}/32"
RATE = 100
ALL = {"master1", "worker1", "worker-p002"}
DOCUMENTED = {"leaf1": {"192.168.0.3", "192.168.0.4"}, "leaf2": {"192.168.1.2"}}
NAMES = {"192.168.0.3": "master1", "192.168.0.4": "worker1", "192.168.1.2": "worker-p002",
         "10.0.1.2": "leaf1", "10.0.2.2": "leaf2", "10.0.1.1": "spine", "10.0.2.1": "spine"}


class Failed(Exception):
    pass


class Demo:
    """The steps, and what is shown of them."""

    def __init__(self, lab):
        self.lab = lab
        self.screen = Screen(self.table)
        self.traffic = None
        self.results = []  # (what was done, route changes, requests lost, what followed, as it should be)
        self.sessions = {}
        self.began = time.monotonic()

    def run(self):
        lab, screen = self.lab, self.screen
        screen.say(bold("OpenELB on a fabric of namespaces: client - spine - leaf1, leaf2 - three nodes"))
        screen.say("FRR is spine and leaves; a Service with one Pod on worker1 and one on worker-p002.")
        began = time.time()
        lab.up()
        self.recorders = {name: RouteRecorder(lab[name]) for name in lab.routers}
        screen.say(f"The network is up after {time.time() - began:.1f} s. Now the controller, and a speaker on "
                   "master1 and one on worker-p002.")
        began = time.time()
        lab.start_controller()
        lab.start_speakers()
        self.start_traffic(began)
        self.step("worker1 becomes NotReady", lambda: lab.cluster.set_ready("worker1", "False"),
                  self.routes_without_worker1)
        self.step("leaf1's link to the spine is cut", self.cut, self.only_leaf2, outage=1.5)
        self.step("the link is back, worker1 is Ready again", self.repair, self.documented, timeout=15)
        self.step("the controller is killed (-9), 2 s later started again", self.controller_away,
                  self.documented, unchanged=True)
        self.step("the speaker on master1 is killed (-9)", lab.speakers["master1"].kill, self.only_leaf2, outage=1.5)
        self.step("the speaker is started again and reads its plan from disk",
                  lambda: lab.start_speaker("master1"), self.documented)
        return self.summary()

    def start_traffic(self, began):
        """Once the documented next hops are there; `began`: when what leads to them was done."""
        lab = self.lab
        self.until(lambda: lab.kernels_hold(DOCUMENTED), "the documented next hops on leaf1, leaf2 and spine", 30)
        self.screen.say(f"{VIP} has its next hops on every router after {time.time() - began:.1f} s. "
                        f"A client sends {RATE} requests a second, each on a connection of its own.")
        self.until(lambda: not ask(lab["client"], VIP, 20).lost, "answers to a client")  # the nodes forward
        self.traffic = Traffic(lab["client"], VIP, rate=RATE)
        self.until(lambda: self.flows(ALL), "answers through all three nodes")
        self.linger(1.5)

    # -- steps --

    def step(self, title, act, follows, timeout=10, outage=1.0, unchanged=False):
        """Does `act`, waits for `follows()` (a description once true), and notes what it cost."""
        self.screen.say(bold(f"> {title}"))
        since = time.time()
        act()
        what = self.until(follows, f"what should follow after: {title}", timeout)
        settled = time.time()
        self.linger(TIMEOUT_S + 0.4)  # requests begun before are decided then
        changes = {name: len(recorder.events(PREFIX, since)) for name, recorder in self.recorders.items()}
        seen = self.traffic.count(since)
        fine = seen.outage() <= outage and not (unchanged and (seen.lost or any(changes.values())))
        self.results.append((title, sum(changes.values()), len(seen.lost), seen.total, what, fine))
        changed = ", ".join(f"{name} {n}" for name, n in changes.items() if n) or "none"
        self.screen.say(f"  {what} after {settled - since:.1f} s; route changes: {changed}; "
                        f"lost {len(seen.lost)} of {seen.total} requests. {verdict(fine)}")

    def routes_without_worker1(self):
        if self.lab.kernels_hold(DOCUMENTED | {"leaf1": {"192.168.0.3"}}) and self.flows(ALL - {"worker1"}):
            return "leaf1 sends to master1 alone"
        return None

    def cut(self):
        self.lab["leaf1"].cut("uplink")

    def only_leaf2(self):
        if self.lab["spine"].kernel_next_hops(PREFIX) == {LEAVES["leaf2"].uplink} and self.flows({"worker-p002"}):
            return "the spine sends to leaf2 alone"
        return None

    def repair(self):
        self.lab["leaf1"].mend("uplink")
        self.lab.cluster.set_ready("worker1", "True")

    def documented(self):
        if self.lab.kernels_hold(DOCUMENTED) and self.flows(ALL):
            return "all three nodes are entered"
        return None

    def controller_away(self):
        self.lab.controller.kill()
        self.linger(2)
        self.lab.start_controller()

    # -- looking --

    def until(self, predicate, what, timeout=15):
        deadline = time.monotonic() + timeout
        while not (value := predicate()):
            if time.monotonic() > deadline:
                raise Failed(f"not seen in {timeout} s: {what}")
            self.screen.refresh()
            time.sleep(0.05)
        return value

    def linger(self, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.screen.refresh()
            time.sleep(0.05)

    def flows(self, nodes):
        """Whether the last 0.3 s of requests were answered through exactly `nodes`, none refused."""
        now = time.time()
        seen = self.traffic.count(now - 0.35, now - 0.05)
        return set(seen.answers) == set(nodes) and not seen.lost

    def table(self):
        """The lines of the live table."""
        if len(self.lab.routers) == 3:
            self.sessions = {leaf: self.session(leaf) for leaf in LEAVES}
        lines = [f"{'router':8}{'session':22}next hops of {PREFIX}"]
        for name in ("spine", *LEAVES):
            if name in self.lab.routers:
                hops = sorted(self.lab.routers[name].kernel_next_hops(PREFIX))
                shown = "  ".join(f"{hop} ({NAMES.get(hop, '?')})" for hop in hops)
                lines.append(f"{name:8}{self.sessions.get(name, ''):22}{shown or '-'}")
        if self.traffic is not None:
            now = time.time()
            seen, total = self.traffic.count(now - 1), self.traffic.count()
            rates = "  ".join(f"{node} {seen.answers[node]:3}/s" for node in sorted(ALL))
            lines.append(f"answers {rates}   lost so far {len(total.lost)} of {total.total}")
        return lines

    def session(self, leaf):
        """"master1 up" for the speakers a leaf waits for."""
        sessions = self.lab.routers[leaf].sessions()
        return " ".join(f"{NAMES[address]} {'up' if session.established else 'down'}"
                        for address, session in sessions.items() if address in NAMES and NAMES[address] in ALL)

    def kept(self):
        """What to try in the lab that stays, besides what every lab offers."""
        cluster = self.lab.cluster
        return f"""\
  hack/lab/lab exec {NAME}/ctl curl -s {programs.METRICS}/metrics
  hack/lab/lab exec {NAME}/master1 curl -s {programs.METRICS}/metrics
  edit {cluster.manifests}/*.yaml and watch the routes: hack/lab/lab exec {NAME}/leaf1 ip monitor route
  {cluster.status_dir} holds what the controller says of each object"""

    def summary(self):
        self.screen.close()
        print(bold(f"\n{'what was done':60}{'route changes':>14}{'lost':>6}{'of':>6}"))
        for title, changes, lost, total, _, fine in self.results:
            print(f"{title:60}{changes:14}{lost:6}{total:6}  {verdict(fine)}")
        good = all(result[-1] for result in self.results)
        print(f"\n{verdict(good)}: " + ("every router held what it should, and clients were served throughout."
                                        if good else "see the steps above."))
        print(f"All of it took {time.monotonic() - self.began:.0f} s.")
        return good


LOOK = """
Where to go next:
  config/samples/multi-router     the manifests that were used here
  README.md                       the documented procedure, metrics, limits
  make demo KEEP=1                the same, left up to look around"""

KEPT = """
The lab is up. Look around:
  hack/lab/lab status {name}
  hack/lab/lab exec {name}/client curl -s {vip}
  hack/lab/lab vtysh {name}/leaf1 show bgp ipv4 unicast
{more}
Take it down:
  hack/lab/lab down {name}"""


def main(demo):
    """Runs it and exits."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    keep = os.environ.get("KEEP", "") not in ("", "0")
    good, finished = False, False
    try:
        good = demo.run()
        finished = True
    except (Failed, RuntimeError, TimeoutError) as error:
        demo.screen.close()
        print(f"\n{verdict(False)}: {error}", file=sys.stderr)
        print(demo.lab.program_logs(lines=10), file=sys.stderr)
        finished = True
    except KeyboardInterrupt:
        demo.screen.close()
        print("\nStopped.", file=sys.stderr)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # an impatient second one would leave half of the lab
        if keep and finished:
            print(KEPT.format(name=NAME, vip=VIP, more=demo.kept()))
        else:
            demo.lab.down()
            print(LOOK if good else "", end="\n" if good else "")
    sys.exit(0 if good else 1)


def check():
    """Ends the process where the demo cannot run."""
    if os.geteuid() != 0:
        sys.exit("demo: needs root, for network namespaces")
    for program in ("openelb-controller", "openelb-speaker"):
        if not (programs.BIN / program).exists():
            sys.exit(f"demo: {programs.BIN / program} is missing; build first: make build")


if __name__ == "__main__":
    check()
    main(Demo(MultiRouter(NAME, router="frr")))
