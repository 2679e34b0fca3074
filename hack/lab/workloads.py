"""Objects that tests apply: backends that say who answered, and Services before them."""

BACKEND = "openelb.test/backend"
PORT = 8080


def deployment(name, replicas=1, kind="Deployment", grace=5, drain=1, **pod_spec):
    """A Deployment (or DaemonSet) of backends. `drain`: seconds that a Pod serves on after its deletion, which
    gives routers and nodes time to look elsewhere; `pod_spec` adds to the Pods' spec, nodeSelector for example."""
    labels = {"app": name}
    container = {
        "name": "backend", "image": BACKEND,
        "args": ["$(POD_IP)", str(PORT), "$(POD_NAME)", "$(NODE_NAME)", "/etc/lab-hosts"],
        "env": [{"name": key, "valueFrom": {"fieldRef": {"fieldPath": path}}} for key, path in (
            ("POD_IP", "status.podIP"), ("POD_NAME", "metadata.name"), ("NODE_NAME", "spec.nodeName"))],
        "ports": [{"name": "http", "containerPort": PORT}],
        "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1}}
    if drain:
        container["lifecycle"] = {"preStop": {"sleep": {"seconds": drain}}}
    spec = {"selector": {"matchLabels": labels}, "template": {
        "metadata": {"labels": labels},
        "spec": {"terminationGracePeriodSeconds": grace, "containers": [container], **pod_spec}}}
    if kind == "Deployment":
        spec["replicas"] = replicas
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def service(name, app=None, policy="Cluster", annotations=None, **spec):
    """A Service of type LoadBalancer before the backends of that app (its own name by default)."""
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "annotations": annotations or {}},
            "spec": {"type": "LoadBalancer", "externalTrafficPolicy": policy, "selector": {"app": app or name},
                     "ports": [{"name": "http", "port": 80, "targetPort": "http"}], **spec}}
