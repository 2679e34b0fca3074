"""A table taken by BIRD, as a router of a site takes it: from ESTABLISHED to BIRD's own word that it holds all routes."""

import re
import time
from dataclasses import dataclass, field

import packets
from harness import Sniffer, memory_mib
from network import RECEIVER_AS, SENDER_AS, BirdControl

from lab.bird import Bird
from lab.net import wait_until
from lab.router import Neighbor, RouterConfig

ADDRESS = "192.168.0.210"
PATIENCE_S = 60
ASKED_EVERY_S = 0.001


@dataclass
class Took:
    """Of one sender: seconds of each trial, and memory once the router has it all."""
    table: list = field(default_factory=list)
    rss_mib: float = 0  # the sender's
    own_mib: float = 0  # of that, what no file backs
    router_rss_mib: float = 0


def trial(host, sniffer, sender, paths, took):
    router = Bird(host, RouterConfig(RECEIVER_AS, ADDRESS, kernel=False, neighbors={
        sender.address: Neighbor(sender.address, SENDER_AS, add_path=sender.hops > 1, hold_s=90)}))
    began = time.time()
    router.start()
    control = BirdControl(router.control)
    try:
        wait_until(lambda: imported(control, sender) == paths, PATIENCE_S, interval=ASKED_EVERY_S,
                   what=f"BIRD with {paths} paths of {sender.name}")
        done = time.time()
        took.table.append(done - wait_until(lambda: established(sniffer, sender, began), what="the sniffer"))
        memory = memory_mib(sender.process().pid)
        took.rss_mib, took.own_mib = memory["VmRSS"], memory["RssAnon"]
        took.router_rss_mib = memory_mib(host.process("bird").pid)["VmRSS"]
    finally:
        control.close()
        router.stop(kill=True)


def established(sniffer, sender, since):
    """When the sender's first KEEPALIVE passed, which makes the router's session ESTABLISHED (RFC 4271 section 8.2.2)."""
    return next((packet.at for packet in sniffer.packets() if packet.at > since and packet.source == sender.address
                 and packet.bgp_type == packets.KEEPALIVE), None)


def imported(control, sender):
    """Paths that the router holds from the sender. BIRD keeps that number, so asking for it costs the same at any."""
    protocol = control.ask(f"show protocols all peer_{sender.address.replace('.', '_')}")
    found = re.search(r"Routes: +(\d+) imported", protocol)
    return int(found[1]) if found else 0  # without a session nothing is said of routes


def transfer(network, sender, routes, hops, trials):
    """What so many tables take, each over a session of its own with a router that has just been started."""
    took = Took()
    host = network.host("router", ADDRESS)
    sniffer = Sniffer(host, "eth0", 179)
    sender.start(routes, hops, [ADDRESS])
    try:
        for number in range(trials):
            if number > 0:
                sender.renew()
            trial(host, sniffer, sender, routes * hops, took)
    finally:
        sender.stop()
        sniffer.stop()
    return took
