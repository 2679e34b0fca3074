#!/usr/bin/python3
"""A client: opens connections at a fixed rate, each on its own, and writes down what became of each.

    client.py ADDRESS PORT RATE_PER_S TIMEOUT_S FOLDER [COUNT]

One JSON line per request on stdout: {"at": time of its start, "entry": node, "pod": name} or
{"at": ..., "lost": why}. A request is lost if no full answer came within the timeout, which is shorter than
TCP's first retransmission of a SYN, so every dropped packet of a handshake shows. The timeout is counted in steps, so
time in which the machine did not let this process run is one step at most: that is no loss of the network.

Each request to an address leaves from a port of its own, all clients together that keep count of them in FOLDER. A node
remembers a connection that went on elsewhere for days, with the Pod that it led to, and would send another one from the
same port there; the kernel's choice comes back to a port within half a minute.
"""

import asyncio
import json
import os
import socket
import sys
import time

STEPS = 4  # of a timeout
PORTS = range(2000, 65000)


class SourcePorts:
    def __init__(self, folder, address):
        self.family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.counter = os.open(os.path.join(folder, f"ports.{address}"), os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def socket(self):
        """A socket that is bound to the next port."""
        os.write(self.counter, b".")  # the file's length counts: to append is atomic, and tells where
        taken = os.lseek(self.counter, 0, os.SEEK_CUR)
        bound = socket.socket(self.family, socket.SOCK_STREAM)
        bound.setblocking(False)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a client of another address may have it
        bound.bind(("", PORTS[taken % len(PORTS)]))
        return bound


class Request:
    def __init__(self, address, port, ports):
        self.address, self.port, self.ports = address, port, ports
        self.at = time.time()
        self.waits_for = "a connection"

    async def run(self, timeout):
        exchange = asyncio.ensure_future(self.exchange())
        for _ in range(STEPS):
            if (await asyncio.wait({exchange}, timeout=timeout / STEPS))[0]:
                return self.write(**self.outcome(exchange))
        exchange.cancel()
        return self.write(lost=f"timeout, waiting for {self.waits_for}")

    async def exchange(self):
        with self.ports.socket() as connection:
            await asyncio.get_running_loop().sock_connect(connection, (self.address, self.port))
            self.waits_for = "the answer"
            return await self.ask(connection)

    @staticmethod
    async def ask(connection):
        reader, writer = await asyncio.open_connection(sock=connection)
        try:
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            return json.loads((await reader.read()).partition(b"\r\n\r\n")[2])
        finally:
            writer.close()

    @staticmethod
    def outcome(exchange):
        try:
            return {name: exchange.result()[name] for name in ("entry", "pod")}
        except (OSError, ValueError, KeyError) as error:
            return {"lost": str(error) or type(error).__name__}

    def write(self, **what):
        print(json.dumps({"at": self.at, **what}), flush=True)


async def main(address, port, rate, timeout, folder, count=0):
    ports = SourcePorts(folder, address)
    tasks, sent, begin = set(), 0, time.monotonic()
    while not int(count) or sent < int(count):
        task = asyncio.ensure_future(Request(address, int(port), ports).run(float(timeout)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        sent += 1
        await asyncio.sleep(max(0, begin + sent / float(rate) - time.monotonic()))
    await asyncio.gather(*tasks)


asyncio.run(main(*sys.argv[1:]))
