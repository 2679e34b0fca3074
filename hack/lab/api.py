"""A lab's API server for programs of this machine: requests and watches, without kubectl's start-up time."""

import ctypes
import http.client
import json
import os
import socket
import ssl
import threading
import time

from lab.management import SERVER

_CLONE_NEWNET = 0x40000000
MERGE_PATCH = "application/merge-patch+json"


def connect_in(netns, address):
    """A TCP connection opened inside a namespace; the caller stays where it is."""
    result = []

    def enter():
        namespace = os.open(f"/run/netns/{netns}", os.O_RDONLY)
        try:
            if ctypes.CDLL(None, use_errno=True).setns(namespace, _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"setns {netns}")
            result.append(socket.create_connection(address))
            result[0].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            result.append(error)
        finally:
            os.close(namespace)

    thread = threading.Thread(target=enter)  # a namespace belongs to a thread, and this one ends here
    thread.start()
    thread.join()
    if isinstance(result[0], OSError):
        raise result[0]
    return result[0]


class Api(http.client.HTTPSConnection):
    """One connection, for one thread. Answers of 400 and above raise RuntimeError."""

    def __init__(self, control_plane, identity=None):
        identity = identity or control_plane.admin
        tls = ssl.create_default_context(cafile=str(control_plane.ca))
        tls.load_cert_chain(identity.cert, identity.key)
        super().__init__(SERVER, 6443, context=tls)
        self._netns, self._tls = control_plane.host.netns, tls

    def connect(self):
        self.sock = self._tls.wrap_socket(connect_in(self._netns, (SERVER, 6443)), server_hostname=SERVER)

    def ask(self, method, path, body=None, content="application/json"):
        self.request(method, path, None if body is None else json.dumps(body), {"Content-Type": content})
        answer = self.getresponse()
        data = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {data[:300]!r}")
        return json.loads(data)

    def watch(self, path, revision):
        """(seconds since the epoch, type, object) of each event, until the server or `close` ends it."""
        self.request("GET", f"{path}?watch=1&resourceVersion={revision}")
        answer = self.getresponse()
        while line := answer.readline():
            event = json.loads(line)
            yield time.time(), event["type"], event["object"]


def in_parallel(control_plane, clients, items, work):
    """`work(api, item)` for all items, by several connections at once; the time that it took."""
    todo, errors = iter(items), []
    lock = threading.Lock()

    def client():
        api = Api(control_plane)
        try:
            while True:
                with lock:
                    item = next(todo, None)
                if item is None or errors:
                    return
                work(api, item)
        except (OSError, RuntimeError, http.client.HTTPException) as error:
            errors.append(error)
        finally:
            api.close()

    began = time.monotonic()
    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return time.monotonic() - began
