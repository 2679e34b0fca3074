#!/usr/bin/python3
"""Tells who is Active in which virtual router on a LAN: every VRRPv3 ADVERTISEMENT for IPv4 (RFC 9568, section 5.2) that
an interface hears for a while, one per line: VRID, source, addresses.

    vrrp.py INTERFACE SECONDS
"""

import socket
import sys
import time
from pathlib import Path

_ETH_P_ALL = 3  # a socket for IPv4 alone would not see what a bridge only forwards
_VERSION_AND_TYPE = 0x31


def heard(host, interface, seconds=0.5):
    """{address: (VRID, source)} of what a host of a lab hears."""
    lines = host.exec(sys.executable, Path(__file__).resolve(), interface, seconds).splitlines()
    return {address: (int(vrid), source) for vrid, source, *addresses in map(str.split, lines) for address in addresses}


def main(interface, seconds):
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
    raw.bind((interface, _ETH_P_ALL))
    until = time.monotonic() + float(seconds)
    while (left := until - time.monotonic()) > 0:
        raw.settimeout(left)
        try:
            packet = raw.recv(2048)
        except TimeoutError:
            return
        if packet[0] >> 4 != 4 or packet[9] != 112:
            continue
        vrrp = packet[(packet[0] & 15) * 4:]
        if vrrp[0] != _VERSION_AND_TYPE:
            continue
        addresses = (vrrp[8 + 4 * i:12 + 4 * i] for i in range(vrrp[3]))
        print(vrrp[1], socket.inet_ntoa(packet[12:16]), *map(socket.inet_ntoa, addresses), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
