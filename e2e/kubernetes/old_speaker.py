#!/usr/bin/python3
"""Stands in for the announcing part of PorterLB and OpenELB up to 0.6: GoBGP, which they are built on, and who answers ARP.

    old_speaker.py SITES

SITES is JSON: {node: {"as", "port", "router_id", "peer", "peer_as", "next_hops", "prefixes", "layer2"}}. It dials the peer of $NODE_NAME
and announces each prefix with all of the node's next hops, by ADD-PATH; on SIGTERM it says goodbye as they do (Cease). On eth0 it answers
for the addresses "layer2" (RFC 826). A node that is not named is idle.
"""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

CONFIG = """
[global.config]
  as = {as}
  router-id = "{router_id}"
  port = {port}
[[neighbors]]
  [neighbors.config]
    neighbor-address = "{peer}"
    peer-as = {peer_as}
  [neighbors.timers.config]
    connect-retry = 1
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv4-unicast"
    [neighbors.afi-safis.add-paths.config]
      send-max = 10
"""
API = "50060"  # of this process alone: what runs beside it has the usual one


def answer(addresses):
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
    raw.bind(("eth0", 0x0806))
    ours = raw.getsockname()[4]
    while True:
        frame, (_, _, kind, *_) = raw.recvfrom(128)
        operation, mac, ip, _, asked = struct.unpack_from("!H6s4s6s4s", frame, 20)
        if kind != socket.PACKET_OUTGOING and operation == 1 and socket.inet_ntoa(asked) in addresses:
            raw.send(mac + ours + frame[12:20] + struct.pack("!H6s4s6s4s", 2, ours, asked, mac, ip))


def main(sites):
    site = json.loads(sites).get(os.environ["NODE_NAME"])
    if site is None:
        signal.pause()
    threading.Thread(target=answer, args=(site["layer2"],), daemon=True).start()
    with open("/tmp/gobgpd.toml", "w", encoding="utf-8") as file:
        file.write(CONFIG.format(**site))
    daemon = subprocess.Popen(["gobgpd", "-f", "/tmp/gobgpd.toml", "--api-hosts", f"127.0.0.1:{API}", "--pprof-disable"])
    signal.signal(signal.SIGTERM, lambda *_: daemon.terminate())

    def gobgp(*words):
        return subprocess.run(["gobgp", "-p", API, *words], capture_output=True, check=False).returncode == 0

    while not gobgp("global"):
        time.sleep(0.1)
    for prefix in site["prefixes"]:
        for number, hop in enumerate(site["next_hops"], 1):
            assert gobgp("global", "rib", "add", prefix, "identifier", str(number), "nexthop", hop), (prefix, hop)
    sys.exit(daemon.wait())


main(*sys.argv[1:])
