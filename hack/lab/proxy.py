#!/usr/bin/python3
"""Stands in for kube-proxy where none runs: on every node, connections to a Service's address go to its Pods.

Run by the lab as one process: proxy.py RUN_DIR MANIFESTS STATUS. What it forwards follows the manifests and
the statuses that the controller writes, and changes with them. Addresses come from Service statuses alone.
Policy Cluster: any ready endpoint, source rewritten when the Pod is on another node, so that replies come
back this way. Policy Local: ready endpoints of this node, source kept.
"""

import itertools
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lab.cluster import Cluster  # noqa: E402
from lab.run_dir import RunDir  # noqa: E402

POLL_S = 0.02


def endpoints(slices, service, family):
    """[(node, address, {port name: port})] of the endpoints of a family that traffic may go to: the ready ones, else those
    that still serve while they terminate."""
    ready, serving = [], []
    for obj in slices:
        if obj["metadata"].get("labels", {}).get("kubernetes.io/service-name") != service:
            continue
        if obj.get("addressType") != family:
            continue
        ports = {port.get("name", ""): port["port"] for port in obj.get("ports") or []}
        for endpoint in obj.get("endpoints") or []:
            conditions = endpoint.get("conditions") or {}
            found = (endpoint.get("nodeName"), endpoint["addresses"][0], ports)
            if conditions.get("ready") is not False:
                ready.append(found)
            elif conditions.get("serving") and conditions.get("terminating"):
                serving.append(found)
    return ready or serving


def rules(node, cluster):
    """The nftables table of one node, as `nft -f` takes it."""
    forward, addresses = [], {"ip": set(), "ip6": set()}
    slices = list(cluster.objects("EndpointSlice"))
    for service in cluster.objects("Service"):
        name = service["metadata"]["name"]
        local = service["spec"].get("externalTrafficPolicy") == "Local"
        for ip in cluster.service_ips(name):
            protocol, family = ("ip6", "IPv6") if ":" in ip else ("ip", "IPv4")
            backends = [e for e in endpoints(slices, name, family) if not local or e[0] == node]
            addresses[protocol].add(ip)
            for port in service["spec"]["ports"]:
                targets = [f"{address} . {ports[port.get('name', '')]}"
                           for _, address, ports in backends if port.get("name", "") in ports]
                if targets:
                    choices = ", ".join(f"{i} : {target}" for i, target in enumerate(targets))
                    forward.append(f"{protocol} daddr {ip} tcp dport {port['port']} "
                                   f"dnat {protocol} to numgen random mod {len(targets)} map {{ {choices} }}")
    unserved = [f"{protocol} daddr {{ {', '.join(sorted(those))} }} reject"
                for protocol, those in addresses.items() if those]
    return "\n".join([
        "table inet services", "delete table inet services", "table inet services {",
        "chain in { type nat hook prerouting priority dstnat;", *forward, "}",
        "chain out { type nat hook postrouting priority srcnat; ct status dnat masquerade; }",
        # Else a connection that no Pod takes would go round between node and leaf.
        "chain unserved { type filter hook forward priority filter;", *unserved, "}", "}"]) + "\n"


def stamp(*folders):
    """Changes whenever a file below the folders does."""
    return [(str(p), s.st_mtime_ns, s.st_ino) for folder in folders
            for p in sorted(folder.rglob("*.yaml")) for s in [p.stat()]]


def main(run_path, manifests, status):
    run_dir = RunDir(Path(run_path).name, Path(run_path).parent)
    cluster = Cluster(manifests, status)
    seen, applied = None, {}
    for _ in itertools.count():
        try:
            now = stamp(cluster.manifests, cluster.status_dir)
            if now != seen:
                for node in [n["metadata"]["name"] for n in cluster.objects("Node")]:
                    text = rules(node, cluster)
                    if applied.get(node) != text and (run_dir.path / "netns" / run_dir.namespace(node)).exists():
                        subprocess.run(["ip", "netns", "exec", run_dir.namespace(node), "nft", "-f", "-"],
                                       input=text, text=True, check=True)
                        applied[node] = text
                        print(f"{time.time():.3f} {node}: {text.count(' dnat ')} rules", flush=True)
                seen = now
        except (OSError, ValueError, KeyError, IndexError, TypeError, subprocess.SubprocessError) as error:
            print(f"{time.time():.3f} waits: {error!r}", flush=True)  # a file in the middle of a test's mischief
        time.sleep(POLL_S)


if __name__ == "__main__":
    main(*sys.argv[1:])
