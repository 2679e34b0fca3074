"""A lab's API server for programs of this machine: requests and watches, without kubectl's start-up time."""

import ctypes
import http.client
import json
import os
import socket
import ssl
import threading
import time
from urllib.parse import urlencode

from lab.management import SERVER

_CLONE_NEWNET = 0x40000000
_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
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
    """One connection, for one thread. Answers of 400 and above raise RuntimeError, and none within `answer_s` seconds
    TimeoutError."""

    def __init__(self, control_plane, identity=None, answer_s=None):
        identity = identity or control_plane.admin
        tls = ssl.create_default_context(cafile=str(control_plane.ca))
        tls.load_cert_chain(identity.cert, identity.key)
        super().__init__(SERVER, 6443, context=tls)
        self._netns, self._tls, self._answer_s = control_plane.host.netns, tls, answer_s

    def connect(self):
        plain = connect_in(self._netns, (SERVER, 6443))
        plain.settimeout(self._answer_s)
        self.sock = self._tls.wrap_socket(plain, server_hostname=SERVER)

    def ask(self, method, path, body=None, content="application/json", accept="application/json"):
        self.request(method, path, None if body is None else json.dumps(body),
                     {"Content-Type": content, "Accept": accept})
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


class Objects:
    """What `kubectl get -o json` shows to the administrator, for a hundredth of what a kubectl costs: tests ask many
    times a second until something is so. For any thread; whatever goes wrong is an OSError or a RuntimeError."""

    def __init__(self, control_plane):
        self._control_plane = control_plane
        self._own = threading.local()  # each thread's connection
        self._resources = {}  # by each name kubectl takes: (path of the group's version, plural, namespaced)

    def get(self, kind, name=None, namespace="default", **selectors):
        """One object, or the list of those that fit labelSelector="..." and fieldSelector="..."."""
        prefix, plural, namespaced = self._resource(kind.lower())
        path = f"{prefix}/namespaces/{namespace}/{plural}" if namespaced else f"{prefix}/{plural}"
        if name:
            return _shown(self._ask(f"{path}/{name}"))
        found = self._ask(f"{path}?{urlencode({key: value for key, value in selectors.items() if value})}")
        about = {"apiVersion": found["apiVersion"], "kind": found["kind"].removesuffix("List")}
        return [_shown(about | item) for item in found["items"] or []]

    def _resource(self, kind):
        if kind not in self._resources:
            self._discover()
        if kind not in self._resources:
            raise RuntimeError(f"the server has no resource {kind!r}")
        return self._resources[kind]

    def _discover(self):
        for root in ("/api", "/apis"):
            for group in self._ask(root, _DISCOVERY)["items"]:
                prefix = "/".join(filter(None, [root, group["metadata"].get("name")]))
                for version in group["versions"]:
                    for found in version.get("resources", ()):
                        names = {found["resource"], found["singularResource"], *found.get("shortNames", ())}
                        for name in names:  # of groups and versions that share a name the first counts
                            self._resources.setdefault(name, (
                                f"{prefix}/{version['version']}", found["resource"], found["scope"] == "Namespaced"))

    def _ask(self, path, accept="application/json"):
        api = getattr(self._own, "api", None)
        if api is None:
            api = self._own.api = Api(self._control_plane, answer_s=60)
        used = api.sock is not None
        try:
            return api.ask("GET", path, accept=accept)
        except (OSError, http.client.HTTPException) as error:
            api.close()
            if used:
                return self._ask(path, accept)  # the server had closed it meanwhile
            if isinstance(error, OSError):
                raise
            raise RuntimeError(f"GET {path}: {error!r}") from error


def _shown(obj):
    obj["metadata"].pop("managedFields", None)
    return obj


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
