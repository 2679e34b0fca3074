#!/usr/bin/python3
"""When packets passed: the measuring rod that is neither sender nor receiver.

    packets.py INTERFACE PORT      run in a namespace; one line per TCP packet with payload from or to PORT:
                                   seconds since the epoch (the kernel's stamp), source, destination port,
                                   payload length, first BGP message type if it begins with a BGP header
"""

import socket
import struct
import sys
from dataclasses import dataclass

_SO_TIMESTAMPNS, _SO_RCVBUFFORCE = 35, 33
_ETH_P_ALL, _ETH_P_IP = 3, 0x0800  # only a socket for all protocols sees what goes out
UPDATE, KEEPALIVE = 2, 4


@dataclass(frozen=True)
class Packet:
    at: float
    source: str
    destination: str
    to_port: int
    size: int
    bgp_type: int  # 0: does not begin with a BGP message


def parse(line):
    at, source, destination, port, size, bgp = line.split()
    return Packet(float(at), source, destination, int(port), int(size), int(bgp))


def main(interface, port):
    port = int(port)
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
    raw.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    raw.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 64 << 20)
    raw.bind((interface, _ETH_P_ALL))
    print("ready", flush=True)
    while True:
        data, control, _, address = raw.recvmsg(256, 128)
        if address[1] != _ETH_P_IP or len(data) < 40 or data[9] != socket.IPPROTO_TCP:
            continue
        tcp = (data[0] & 15) * 4
        from_port, to_port = struct.unpack_from("!HH", data, tcp)
        payload = tcp + (data[tcp + 12] >> 4) * 4
        size = struct.unpack_from("!H", data, 2)[0] - payload
        if size <= 0 or port not in (from_port, to_port):
            continue
        seconds, nanoseconds = struct.unpack("qq", control[0][2])
        bgp = data[payload + 18] if data[payload:payload + 16] == b"\xff" * 16 else 0
        print(f"{seconds}.{nanoseconds:09} {socket.inet_ntoa(data[12:16])} {socket.inet_ntoa(data[16:20])} "
              f"{to_port} {size} {bgp}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
