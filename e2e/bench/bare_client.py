#!/usr/bin/python3
"""The floor for the first address of a Service: watches Services, patches the status of its own, nothing else.

    bare_client.py CLUSTER_ADDRESS CA CERT KEY

A Service is its own when its loadBalancerClass is "bench/bare"; its address is its loadBalancerIP.
"""

import http.client
import json
import ssl
import sys

CLASS = "bench/bare"


def connection(server, ca, cert, key):
    tls = ssl.create_default_context(cafile=ca)
    tls.load_cert_chain(cert, key)
    return http.client.HTTPSConnection(server, 6443, context=tls)


def main(*server):
    reader, writer = connection(*server), connection(*server)
    reader.request("GET", "/api/v1/services?limit=1")
    revision = json.loads(reader.getresponse().read())["metadata"]["resourceVersion"]
    reader.request("GET", f"/api/v1/services?watch=1&resourceVersion={revision}")
    events = reader.getresponse()
    while line := events.readline():
        event = json.loads(line)
        item = event["object"]
        if event["type"] != "ADDED" or item["spec"].get("loadBalancerClass") != CLASS:
            continue
        meta = item["metadata"]
        patch = {"status": {"loadBalancer": {"ingress": [{"ip": item["spec"]["loadBalancerIP"], "ipMode": "VIP"}]}}}
        writer.request("PATCH", f"/api/v1/namespaces/{meta['namespace']}/services/{meta['name']}/status",
                       json.dumps(patch), {"Content-Type": "application/merge-patch+json"})
        writer.getresponse().read()


if __name__ == "__main__":
    main(*sys.argv[1:])
