#!/usr/bin/python3
"""A client: opens connections at a fixed rate, each on its own, and writes down what became of each.

    client.py ADDRESS PORT RATE_PER_S TIMEOUT_S [COUNT]

One JSON line per request on stdout: {"at": time of its start, "entry": node, "pod": name} or
{"at": ..., "lost": why}. A request is lost if no full answer came within the timeout, which is shorter than
TCP's first retransmission of a SYN, so every dropped packet of a handshake shows.
"""

import asyncio
import json
import sys
import time


async def request(address, port, timeout):
    at = time.time()
    try:
        answer = await asyncio.wait_for(exchange(address, port), timeout)
        print(json.dumps({"at": at, "entry": answer["entry"], "pod": answer["pod"]}), flush=True)
    except (OSError, ValueError, KeyError, asyncio.TimeoutError) as error:
        print(json.dumps({"at": at, "lost": str(error) or type(error).__name__}), flush=True)


async def exchange(address, port):
    reader, writer = await asyncio.open_connection(address, port)
    try:
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        return json.loads((await reader.read()).partition(b"\r\n\r\n")[2])
    finally:
        writer.close()


async def main(address, port, rate, timeout, count=0):
    tasks, sent, begin = set(), 0, time.monotonic()
    while not int(count) or sent < int(count):
        task = asyncio.ensure_future(request(address, int(port), float(timeout)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        sent += 1
        await asyncio.sleep(max(0, begin + sent / float(rate) - time.monotonic()))
    await asyncio.gather(*tasks)


asyncio.run(main(*sys.argv[1:]))
