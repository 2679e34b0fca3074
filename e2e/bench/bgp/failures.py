"""What fails, until a leaf's kernel route shows it. Each sender has a BIRD leaf of its own with a hold timer of 3 s."""

import threading
import time

from network import RECEIVER_AS, SENDER_AS

from lab.bird import Bird
from lab.net import RouteRecorder, wait_until
from lab.router import Neighbor, RouterConfig

HOLD_S = 3
ROUTE = "10.64.0.0"
PATIENCE_S = 30


class Pair:
    """A sender and its leaf; one route with two next hops where the sender can have them."""

    def __init__(self, network, sender, number):
        self.sender = sender
        self.hops = 2 if sender.several_hops else 1
        address = f"192.168.0.{220 + number}"
        host = network.host(f"leaf-{sender.name.lower()}", address)
        # It dials too, so that what waits before it dials again does not count.
        self.leaf = Bird(host, RouterConfig(RECEIVER_AS, address, {
            sender.address: Neighbor(sender.address, SENDER_AS, hold_s=HOLD_S, passive=sender.name != "GoBGP")}))
        self.leaf.start()
        self.recorder = RouteRecorder(host)
        sender.start(1, self.hops, [address], hold_s=HOLD_S)
        self.wait()

    def wait(self):
        """Until all is well, and for what the last trial left."""
        try:
            self.since(0, self.hops)
        except TimeoutError as error:  # ExaBGP does that once in a while
            print(f"{error}: started anew", flush=True)
            self.sender.kill()
            self.sender.restart()
            self.since(0, self.hops)
        time.sleep(0.3)

    def since(self, at, hops):
        """Seconds from `at` to the event that gave the kernel's route so many next hops (0: its removal), which is the
        last event of it."""
        def last():
            if hops == self.hops and self.sender.renewed and not self.sender.process().alive():
                self.sender.renew()  # it makes one session only, which the leaf may refuse so soon
            events = self.recorder.events(ROUTE, at)
            if events and (0 if events[-1][1] == "del" else len(events[-1][2])) == hops:
                return events[-1][0]
            return None

        return wait_until(last, PATIENCE_S, interval=0.005, what=f"{self.sender.name}: {hops} next hops at its leaf") - at

    def killed(self):
        at = time.time()
        self.sender.kill()
        took = self.since(at, 0)
        self.sender.restart()
        self.wait()
        return took

    def cut(self):
        at = time.time()
        self.sender.host.ip("link set eth0 down")
        took = self.since(at, 0)
        self.sender.host.ip("link set eth0 up")
        if self.sender.renewed:
            self.sender.renew()
        self.wait()
        return took

    def removed(self):
        took = self.since(self.sender.tell("less") / 1e9, self.hops - 1)
        self.sender.tell("more")
        self.wait()
        return took

    def stop(self):
        self.sender.stop()
        self.leaf.stop(kill=True)
        self.recorder.stop()


def measure(network, senders, trials):
    """{fault: {sender's name: [seconds]}}. Cut links take seconds of waiting, so all senders wait at once."""
    pairs = [Pair(network, sender, number) for number, sender in enumerate(senders)]
    found = {"speaker killed": {}, "next hop removed": {}, "link cut": {}}
    try:
        for pair in pairs:
            found["speaker killed"][pair.sender.name] = [pair.killed() for _ in range(trials)]
            if pair.hops > 1:
                found["next hop removed"][pair.sender.name] = [pair.removed() for _ in range(trials)]
        found["link cut"] = cut_all(pairs, trials)
    finally:
        for pair in pairs:
            pair.stop()
    return found


def cut_all(pairs, trials):
    found, errors = {}, []

    def work(pair):
        try:
            found[pair.sender.name] = [pair.cut() for _ in range(trials)]
        except Exception as error:  # of another thread: raised below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(pair,)) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return found
