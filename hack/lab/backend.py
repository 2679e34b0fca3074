#!/usr/bin/python3
"""A Pod: answers every connection with its name and with the node that the connection was entered through.

    backend.py ADDRESS PORT POD NODE HOSTS

HOSTS names a file of lines "address node", reread at each request. A node that forwards to a Pod elsewhere
rewrites the source to its own address; a connection from any other address was entered through this node.
"""

import asyncio
import json
import sys
from pathlib import Path


async def main(address, port, pod, node, hosts):
    async def serve(reader, writer):
        try:
            await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            source = writer.get_extra_info("peername")[0]
            nodes = dict(line.split() for line in Path(hosts).read_text().splitlines())
            body = json.dumps({"pod": pod, "node": node, "entry": nodes.get(source, node)}) + "\n"
            writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
                         + body.encode())
            await writer.drain()
        except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError):
            pass  # the client went away
        finally:
            writer.close()

    server = await asyncio.start_server(serve, address, int(port), backlog=1024)
    await server.serve_forever()


asyncio.run(main(*sys.argv[1:]))
