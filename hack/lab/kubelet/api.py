"""A node's client of the API server: JSON over HTTP/1.1 on TLS, on one event loop.

Written for the stand-in alone and apart from the operator's own client: a bug they shared would stay hidden.
"""

import asyncio
import json
import socket
import ssl
from urllib.parse import urlencode, urlsplit

MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
TIMEOUT_S = 10

FAILURES = (OSError, EOFError, ValueError, TimeoutError, asyncio.IncompleteReadError)  # of one exchange


class ApiError(Exception):
    """The API server's refusal."""

    def __init__(self, status, message):
        super().__init__(f"{status}: {message}")
        self.status = status


class Api:
    def __init__(self, server, ca, cert, key):
        url = urlsplit(server)
        self._host, self._port = url.hostname, url.port or 443
        self._tls = ssl.create_default_context(cafile=ca)
        self._tls.load_cert_chain(cert, key)
        self._idle = []

    async def call(self, method, path, body=None, content_type="application/json"):
        """One request; returns the decoded answer. Raises ApiError when refused, one of FAILURES otherwise."""
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                connection, used = await self._connection()
                try:
                    status, headers = await connection.ask(method, path, body, content_type)
                    text = await connection.body(headers)
                except (OSError, EOFError):
                    connection.close()
                    if used:
                        continue  # the server had closed it meanwhile
                    raise
                except BaseException:
                    connection.close()
                    raise
                self._idle.append(connection)
                return _decoded(status, text)

    def get(self, path):
        return self.call("GET", path)

    def post(self, path, body):
        return self.call("POST", path, body)

    def put(self, path, body):
        return self.call("PUT", path, body)

    def patch(self, path, body, content_type=STRATEGIC_PATCH):
        return self.call("PATCH", path, body, content_type)

    def delete(self, path, body):
        return self.call("DELETE", path, body)

    async def watch(self, path, **query):
        """Yields watch events until the server ends the stream."""
        connection = await self._open()
        try:
            async with asyncio.timeout(TIMEOUT_S):
                status, headers = await connection.ask("GET", f"{path}?{urlencode({'watch': 'true'} | query)}")
                if status != 200:
                    _decoded(status, await connection.body(headers))
            async for line in connection.lines():
                yield json.loads(line)
        finally:
            connection.close()

    async def _connection(self):
        """(connection, whether it was used before)"""
        if self._idle:
            return self._idle.pop(), True
        return await self._open(), False

    async def _open(self):
        async with asyncio.timeout(TIMEOUT_S):
            reader, writer = await asyncio.open_connection(self._host, self._port, ssl=self._tls, limit=1 << 24)
        # A network that goes silent ends a watch in some 5 s.
        sock = writer.get_extra_info("socket")
        for level, option, value in ((socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
                                     (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 2),
                                     (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1),
                                     (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)):
            sock.setsockopt(level, option, value)
        return _Connection(reader, writer, self._host)


def _decoded(status, text):
    answer = json.loads(text) if text.startswith(b"{") else {"message": text.decode(errors="replace")}
    if status >= 300:
        raise ApiError(status, answer.get("message", ""))
    return answer


class _Connection:
    def __init__(self, reader, writer, host):
        self._reader, self._writer, self._host = reader, writer, host

    async def ask(self, method, target, body=None, content_type="application/json"):
        """Sends a request; returns (status, headers) of its answer."""
        data = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {target} HTTP/1.1\r\nHost: {self._host}\r\nAccept: application/json\r\n"
        if body is not None:
            head += f"Content-Type: {content_type}\r\nContent-Length: {len(data)}\r\n"
        self._writer.write(head.encode() + b"\r\n" + data)
        await self._writer.drain()
        first = await self._reader.readline()
        if not first:
            raise EOFError("closed before an answer")
        headers = {}
        while (line := (await self._reader.readline()).strip()):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        return int(first.split()[1]), headers

    async def body(self, headers):
        if headers.get("transfer-encoding") == "chunked":
            return b"".join([chunk async for chunk in self._chunks()])
        return await self._reader.readexactly(int(headers.get("content-length", 0)))

    async def lines(self):
        """The lines of a chunked body, as they come."""
        rest = b""
        async for chunk in self._chunks():
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                yield line

    async def _chunks(self):
        while size := int(await self._reader.readline() or b"0", 16):
            yield await self._reader.readexactly(size)
            await self._reader.readexactly(2)
        await self._reader.readline()

    def close(self):
        self._writer.transport.abort()
