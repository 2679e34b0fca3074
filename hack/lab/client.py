#!/usr/bin/python3
"""A client: opens connections at a fixed rate, each on its own, and writes down what became of each.

    client.py ADDRESS PORT RATE_PER_S TIMEOUT_S [COUNT]

One JSON line per request on stdout: {"at": time of its start, "entry": node, "pod": name} or
{"at": ..., "lost": why}. A request is lost if no full answer came within the timeout, which is shorter than
TCP's first retransmission of a SYN, so every dropped packet of a handshake shows. The timeout is counted in steps, so
time in which the machine did not let this process run is one step at most: that is no loss of the network.
"""

import asyncio
import json
import sys
import time

STEPS = 4  # of a timeout


class Request:
    def __init__(self, address, port):
        self.address, self.port = address, port
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
        reader, writer = await asyncio.open_connection(self.address, self.port)
        self.waits_for = "the answer"
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


async def main(address, port, rate, timeout, count=0):
    tasks, sent, begin = set(), 0, time.monotonic()
    while not int(count) or sent < int(count):
        task = asyncio.ensure_future(Request(address, int(port)).run(float(timeout)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        sent += 1
        await asyncio.sleep(max(0, begin + sent / float(rate) - time.monotonic()))
    await asyncio.gather(*tasks)


asyncio.run(main(*sys.argv[1:]))
