#!/usr/bin/python3
"""With many Services: both controllers end in order and start anew; the leader is killed; the API server is away for a
minute. Each time: what was asked of the API server, what of the plan was sent to speakers again, whether a route
changed, and, but for the first, how long until a Service is served that is made at once.

That Service's endpoint is an object made with it, so the controller manager is not what it waits for.
"""

import argparse
import os
import signal
import time

from kubernetes_lab import (BACKENDS, NO_ENDPOINTS, PATIENT_NODES, POOL, SERVICES, SLICES, add_node_objects, balanced,
                            bare_lab, ingress, install, start_backends, stop_kube_proxies)
from kubernetes_load import create, next_hops, route_changes, statuses
from kubernetes_programs import Programs, row

from lab.api import Api
from lab.control_plane import API_SERVER
from lab.fabric import LEAVES
from lab.net import Host, wait_until


def serve_new(lab, name, since):
    """Makes a Service as soon as the API server lets us; {leg: seconds since `since`}."""
    spec = balanced(name, POOL, selector=None, allocateLoadBalancerNodePorts=False)
    endpoint = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
                "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
                "ports": [{"name": "http", "port": 8080}],
                "endpoints": [{"addresses": ["10.233.64.99"], "nodeName": "master1", "conditions": {"ready": True}}]}
    api = Api(lab.control_plane)
    wait_until(lambda: api.ask("POST", SERVICES, spec), 60)
    made = time.time()
    api.ask("POST", SLICES, endpoint)
    address = wait_until(lambda: ingress(api.ask("GET", f"{SERVICES}/{name}")), 120, what=f"{name}: an address")
    status = time.time()
    for leaf in LEAVES:
        wait_until(lambda: lab[leaf].kernel_next_hops(f"{address}/32"), 120, what=f"{leaf}: a route to {address}")
    return address, {"made": made - since, "status": status - since, "route": time.time() - since}


def streams(lab, pod, outcome):
    return lab.metric(pod, f'openelb_plan_streams_total{{outcome="{outcome}"}}')


def show(lab, what, programs, since, legs, address=""):
    """`address` is that of a Service made meanwhile, whose routes are no news."""
    time.sleep(12)  # longer than `--settle`, and than speakers' reports take
    row(what, legs)
    programs.print_calls()
    leader = lab.leader()
    sent = {kind: lab.metric(leader, f'openelb_plan_messages_total{{kind="{kind}"}}') for kind in ("snapshot", "delta")}
    changed = set(route_changes(lab, since)) - {address}
    attached = {"streams": streams(lab, leader, "accepted"), "resumed": streams(lab, leader, "resumed")}
    row("  of the leader", {**attached, **sent, "routes changed": str(len(changed))}, ".0f")


def restart_both(lab, programs):
    """Nothing is made meanwhile, so nothing of the plan should be sent."""
    pods, speakers = lab.controllers(), len(lab.speaker_nodes())
    programs.mark()
    since = time.time()
    for name in ("controller", "standby"):
        os.kill(programs.pids[name], signal.SIGTERM)
    wait_until(lambda: not any(os.path.exists(f"/proc/{programs.pids[name]}") for name in ("controller", "standby")))
    ended = time.time()
    for pod in pods:
        host = Host(lab.run_dir, lab.pod_host(pod))
        wait_until(lambda: host.exec("curl", "-skf", "https://127.0.0.1:50052/readyz") is not None, 120)
    ready = time.time()
    wait_until(lambda: any(streams(lab, pod, "accepted") >= speakers for pod in pods), 120, what="every speaker")
    show(lab, "both restarted", programs, since, {"ended": ended - since, "both ready": ready - since,
                                                  "all speakers attached": time.time() - since})


def kill_leader(lab, programs):
    programs.mark()
    since = time.time()
    os.kill(programs.pids["controller"], signal.SIGKILL)
    address, legs = serve_new(lab, "new-kill", since)
    lab.wait_installed()
    show(lab, "leader killed", programs, since, legs, address)


def server_away(lab, seconds):
    began = time.time()
    lab.control_plane.stop(API_SERVER)
    time.sleep(seconds)
    lab.control_plane.start(API_SERVER)
    since = time.time()
    programs = Programs(lab)
    address, legs = serve_new(lab, "new-away", since)
    show(lab, f"API server away {seconds} s", programs, began, legs, address)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--services", type=int, default=10_000)
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--away", type=int, default=60, help="seconds")
    args = parser.parse_args()
    names = [f"bench-{number}" for number in range(args.services)]
    with bare_lab("restart", PATIENT_NODES, NO_ENDPOINTS) as lab:
        start_backends(lab)
        stop_kube_proxies(lab)
        install(lab)
        add_node_objects(lab, args.nodes - len(lab.nodes))
        seen = statuses(lab.control_plane)
        create(lab.control_plane,
               [balanced(name, POOL, BACKENDS, allocateLoadBalancerNodePorts=False) for name in names])
        seen.wait(names)
        for leaf in LEAVES:
            wait_until(lambda: len(next_hops(lab, leaf)) == len(names), 600, interval=1)
        print(f"{args.services} Services, {args.nodes} nodes; seconds")
        for part in (restart_both, kill_leader):
            programs = Programs(lab)
            programs.wait_calm()
            part(lab, programs)
        server_away(lab, args.away)


if __name__ == "__main__":
    main()
