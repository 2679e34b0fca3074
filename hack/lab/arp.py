#!/usr/bin/python3
"""Asks a LAN who has an IPv4 address (RFC 826), and prints the MAC of everybody who answers, which should be one.

    arp.py INTERFACE OUR_ADDRESS ADDRESS
"""

import socket
import struct
import sys
import time
from pathlib import Path

_ETH_P_ARP = 0x0806
_REQUEST, _REPLY = 1, 2
WAIT_S = 0.3  # for answers, from the question on


def answering(host, address, interface="eth0"):
    """The MACs that answer a host of a lab: no client of the address, since an answer renews what the host knows."""
    ours = host.exec("ip", "-4", "-br", "addr", "show", "dev", interface).split()[2].partition("/")[0]
    return set(host.exec(sys.executable, Path(__file__).resolve(), interface, ours, address).split())


def main(interface, ours, address):
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ARP))
    raw.bind((interface, _ETH_P_ARP))
    mac = raw.getsockname()[4]
    question = struct.pack("!6s6sHHHBBH6s4s6s4s", b"\xff" * 6, mac, _ETH_P_ARP, 1, 0x0800, 6, 4, _REQUEST,
                           mac, socket.inet_aton(ours), bytes(6), socket.inet_aton(address))
    raw.send(question)
    until = time.monotonic() + WAIT_S
    while (left := until - time.monotonic()) > 0:
        raw.settimeout(left)
        try:
            frame = raw.recv(128)
        except TimeoutError:
            return
        operation, sender, of = struct.unpack_from("!H6s4s", frame, 20)
        if frame[:6] == mac and operation == _REPLY and of == socket.inet_aton(address):
            print(sender.hex(":"), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
