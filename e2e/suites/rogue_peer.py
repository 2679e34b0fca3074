#!/usr/bin/python3
"""A BGP peer that misbehaves: sends what it is told to whoever connects, and prints what it gets.

    rogue_peer.py HEX [close]      octets to send; "close": then nothing more will come

One line per BGP message received: "type N", for a NOTIFICATION "notification CODE/SUBCODE".
"""

import socket
import sys

NOTIFICATION = 3


def messages(connection):
    """Every whole BGP message until the end."""
    buffer = b""
    while data := connection.recv(4096):
        buffer += data
        while len(buffer) >= 19 and len(buffer) >= (size := int.from_bytes(buffer[16:18], "big")):
            yield buffer[:size]
            buffer = buffer[size:]


def main(octets, *options):
    server = socket.create_server(("", 179))
    while True:
        connection, _ = server.accept()
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
