"""Services by the thousand: made and deleted by several clients; statuses, EndpointSlices and routes as they come."""

import json
import threading
import time

from kubernetes_lab import POOL_PREFIX, SERVICES, SLICES, ingress

from lab.api import Api, in_parallel
from lab.fabric import LEAVES
from lab.net import wait_until

CLIENTS = 8


class Follower:
    """When each object of a resource was first seen to be as asked for, by a watch in a thread of its own. An object is
    known by `name(object)`."""

    def __init__(self, plane, path, accepts, name=lambda item: item["metadata"]["name"]):
        self._api = Api(plane)
        self._accepts, self._name = accepts, name
        self.seen = {}  # name: seconds since the epoch
        revision = self._api.ask("GET", f"{path}?limit=1")["metadata"]["resourceVersion"]
        threading.Thread(target=self._run, args=(path, revision), daemon=True).start()

    def _run(self, path, revision):
        for at, kind, item in self._api.watch(path, revision):
            if self._accepts(kind, item):
                self.seen.setdefault(self._name(item), at)

    def wait(self, names, timeout=600):
        """The time at which the last of them was seen."""
        names = list(names)
        wait_until(lambda: all(name in self.seen for name in names), timeout, interval=0.2,
                   what=f"{len(names)} objects")
        return max((self.seen[name] for name in names), default=0)


def statuses(plane):
    return Follower(plane, SERVICES, lambda _, item: ingress(item))


def deletions(plane):
    return Follower(plane, SERVICES, lambda kind, _: kind == "DELETED")


def endpoints(plane, ready):
    """When each Service's EndpointSlice first had so many ready endpoints, and no others."""
    def accepts(kind, item):
        return kind != "DELETED" and ready == sum(
            endpoint["conditions"]["ready"] for endpoint in item["endpoints"] or [])
    return Follower(plane, SLICES, accepts, lambda item: item["metadata"]["labels"].get("kubernetes.io/service-name"))


def create(plane, items):
    """All of them by several clients at once: ({name: when its POST began}, seconds in all)."""
    began = {}

    def post(api, item):
        began[item["metadata"]["name"]] = time.time()
        while True:
            try:
                return api.ask("POST", SERVICES, item)
            except RuntimeError as error:
                if ": 409 " in str(error):  # it was made after all
                    return None
                if ": 504 " not in str(error):  # a busy server gave up
                    raise
    return began, in_parallel(plane, CLIENTS, items, post)


def delete(plane, names):
    """Seconds in all."""
    return in_parallel(plane, CLIENTS, names, lambda api, name: api.ask("DELETE", f"{SERVICES}/{name}"))


def next_hops(lab, leaf):
    """{address of the bench's pool: {next hop}} of what a leaf's kernel leads to nodes of its own network."""
    found = {}
    for route in json.loads(lab[leaf].exec("ip", "-j", "route", "show", "proto", "bird")):
        hops = {hop.get("gateway", "") for hop in route.get("nexthops", [route])}
        if route["dst"].startswith(POOL_PREFIX) and all(hop.startswith("192.168.") for hop in hops):
            found[route["dst"]] = hops
    return found


def wait_routes(lab, count, hops, timeout=600):
    """Until the leaves' kernels hold that many addresses of the pool, each with exactly `hops[leaf]`."""
    for leaf in LEAVES:
        wait_until(lambda: sorted(map(sorted, next_hops(lab, leaf).values())) == [sorted(hops[leaf])] * count, timeout,
                   interval=0.5, what=f"{leaf}: {count} routes over {sorted(hops[leaf])}")


def route_changes(lab, since):
    """{address of the pool: time of the last change of its route at any leaf}."""
    last = {}
    for leaf in LEAVES:
        for prefix, at, _, _ in lab.recorders[leaf].changes(since):
            if prefix.startswith(POOL_PREFIX):
                last[prefix] = max(at, last.get(prefix, at))
    return last
