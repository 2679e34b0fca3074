#!/usr/bin/python3
"""A BGP peer that misbehaves: sends what it is told to whoever connects, and prints what it gets.

    rogue_peer.py HEX [close] [PEER SENDID/RECEIVEID/SECRET ...]

HEX: octets to send; "close": then nothing more will come. With keys (TCP-AO, hmac-sha-1-96) it answers PEER only to what
is signed with one of them.

One line per connection: "connected"; and per BGP message received: "type N", for a NOTIFICATION "notification
CODE/SUBCODE".
"""

import socket
import struct
import sys

TCP_AO_ADD_KEY, TCP_AO_INFO = 38, 40  # linux/tcp.h, Linux 6.7

NOTIFICATION = 3


def messages(connection):
    """Every whole BGP message until the end."""
    buffer = b""
    while data := connection.recv(4096):
        buffer += data
        while len(buffer) >= 19 and len(buffer) >= (size := int.from_bytes(buffer[16:18], "big")):
            yield buffer[:size]
            buffer = buffer[size:]


def kernel_has_tcp_ao():
    with socket.socket() as fresh:
        try:
            fresh.getsockopt(socket.IPPROTO_TCP, TCP_AO_INFO, 48)
        except FileNotFoundError:  # ENOENT: none on this socket
            return True
        except OSError:  # ENOPROTOOPT
            return False
    return True


def add_key(server, peer, key):
    """struct tcp_ao_add for an IPv4 peer."""
    send, receive, secret = key.split("/")
    address = struct.pack("=HH4s", socket.AF_INET, 0, socket.inet_aton(peer)).ljust(128, b"\0")
    server.setsockopt(socket.IPPROTO_TCP, TCP_AO_ADD_KEY, struct.pack(
        "=128s64siIHBBBBBB80s", address, b"hmac(sha1)", 0, 0, 0, 32, int(send), int(receive), 12, 0, len(secret),
        secret.encode()))


def main(octets, *options):
    server = socket.create_server(("", 179))
    keys = [option for option in options if "/" in option]
    for key in keys:
        add_key(server, options[options.index(keys[0]) - 1], key)
    while True:
        connection, _ = server.accept()
        print("connected", flush=True)
        try:
            connection.sendall(bytes.fromhex(octets))
            if "close" in options:
                connection.shutdown(socket.SHUT_WR)
            for message in messages(connection):
                print(f"notification {message[19]}/{message[20]}" if message[18] == NOTIFICATION
                      else f"type {message[18]}", flush=True)
        except ConnectionError:
            pass
        connection.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
