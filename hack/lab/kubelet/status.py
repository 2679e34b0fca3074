"""A Pod's status as its node reports it."""


def container_status(container):
    return {
        "name": container.name, "image": container.spec["image"], "imageID": f"process://{container.spec['image']}",
        "containerID": f"process://{container.pod.uid}/{container.name}/{container.restarts}",
        "ready": container.ready or container.is_init and container.succeeded(), "started": container.started,
        "restartCount": container.restarts, "state": container.state, "lastState": container.last_state}


def phase(pod):
    if all(c.over() for c in pod.containers):
        return "Succeeded" if all(c.succeeded() for c in pod.containers) else "Failed"
    if any(c.over() and not c.succeeded() for c in pod.inits):
        return "Failed"
    if any("running" in c.state or c.restarts or "terminated" in c.state for c in pod.containers):
        return "Running"
    return "Pending"


def conditions(pod, when):
    """{type: (status, reason)}, completed with the time of the last change: `when` if it is one."""
    initialized = all(c.succeeded() for c in pod.inits)
    unready = [c.name for c in pod.containers if not c.ready]
    gates = [gate["conditionType"] for gate in pod.obj["spec"].get("readinessGates") or []]
    given = {c["type"]: c["status"] for c in pod.obj.get("status", {}).get("conditions") or []}
    closed = [gate for gate in gates if given.get(gate) != "True"]
    values = {
        "PodReadyToStartContainers": (bool(pod.ip), ""),
        "Initialized": (initialized, "" if initialized else "ContainersNotInitialized"),
        "ContainersReady": (not unready, "ContainersNotReady" if unready else ""),
        "Ready": (not unready and not closed, "ContainersNotReady" if unready else "ReadinessGatesNotReady" if closed else "")}
    found = []
    for kind, (good, reason) in values.items():
        status = "True" if good else "False"
        if pod.transitions.get(kind, ("", ""))[0] != status:
            pod.transitions[kind] = (status, when)
        found.append({"type": kind, "status": status, "reason": reason or None, "lastProbeTime": None,
                      "lastTransitionTime": pod.transitions[kind][1]})
    return found


def pod_status(pod, when):
    """As a strategic merge patch: lists that the API merges by a key are replaced, so that no old address stays."""
    addresses = [{"$patch": "replace"}, *([{"ip": pod.ip}] if pod.ip else [])]
    return {
        "phase": phase(pod), "hostIP": pod.host_ip, "hostIPs": [{"$patch": "replace"}, {"ip": pod.host_ip}],
        "podIP": pod.ip or None, "podIPs": addresses, "startTime": pod.start_time,
        "conditions": conditions(pod, when), "containerStatuses": [container_status(c) for c in pod.containers],
        **({"initContainerStatuses": [container_status(c) for c in pod.inits]} if pod.inits else {})}
