#!/usr/bin/python3
"""An address without routers whose owner fails: how long until a client is answered again.

On one LAN (hack/lab/lan.py) a client asks again and again, and waits 20 ms at most for a connection. In each trial the owner's
speaker is killed (and the client's neighbour cache flushed: the kernel of a killed speaker goes on serving who knows its
MAC), or its cable pulled; time counts from the fault to the first answer to an attempt that began after it.

In VIP mode the kernel of a killed speaker answers ARP as well until its next speaker starts, so that fault only shows who
is preferred.
"""

import argparse
import time

from harness import Probe, percentiles

from lab.lan import SPEAKERS, Lan
from lab.net import run, wait_until

ADDRESS = "192.168.0.91"


def holders(lab):
    return {node for node in SPEAKERS
            if f" {ADDRESS}/" in run("ip", "-n", lab[node].netns, "-o", "addr", "show", "dev", "eth0")}


def owner(lab, mode):
    """The one node that answers, when all is well."""
    if mode == "vip":
        return wait_until(lambda: len(holders(lab)) == 1 and holders(lab).pop(), 20, what="one node with the address")

    def one():
        speakers = lab.speakers.items()
        watched = all(s.metric("openelb_speaker_bfd_sessions", state="Up") == len(SPEAKERS) - 1 for _, s in speakers)
        owners = [node for node, s in speakers if s.metric("openelb_speaker_layer2_owned")]
        return watched and len(owners) == 1 and owners[0]
    return wait_until(one, 20, what="one owner, and all watched")


def killed(lab, node):
    lab.speakers[node].kill()
    run("ip", "-n", lab["client"].netns, "neigh", "flush", "to", ADDRESS)
    return lambda: lab.speakers[node].start()


def unplugged(lab, node):
    lab.unplug(node)
    return lambda: lab.unplug(node, False)


def measure(lab, mode, fault, trials):
    """Seconds, of each trial."""
    took = []
    probe = Probe(lab["client"], ADDRESS)
    for _ in range(trials):
        node = owner(lab, mode)
        time.sleep(1.5)  # for whatever the last trial left
        probe.answered(time.time())
        since = time.time()
        mend = fault(lab, node)
        took.append(probe.answered(time.time()).ended - since)
        time.sleep(0.5)
        mend()
    probe.stop()
    return took


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", choices=("layer2", "vip"), default="layer2")
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--dead", action="store_true", help="no controller runs meanwhile")
    args = parser.parse_args()
    with Lan.running(f"{args.mode}-quick-start", f"{args.mode}-svc", ADDRESS) as lab:
        owner(lab, args.mode)
        if args.dead:
            lab.controller.kill()
        for fault in (killed, unplugged):
            took = measure(lab, args.mode, fault, args.trials)
            print(f"{args.mode}{', no controller' if args.dead else ''}: owner {fault.__name__}: "
                  f"ms of {len(took)} trials: {percentiles(took)}", flush=True)


if __name__ == "__main__":
    main()
