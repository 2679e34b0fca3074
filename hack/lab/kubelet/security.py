"""securityContext: the user, capabilities and limits that a container's command starts with, set by setpriv."""

# What container runtimes grant when a manifest does not say.
DEFAULT_CAPABILITIES = {
    "CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP",
    "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"}


def setpriv(pod_spec, container):
    """The words before the command."""
    context = (pod_spec.get("securityContext") or {}) | (container.get("securityContext") or {})
    user, group = context.get("runAsUser", 0), context.get("runAsGroup", 0)
    words = ["setpriv", f"--reuid={user}", f"--regid={group}"]
    groups = [str(g) for g in [*context.get("supplementalGroups", []), context.get("fsGroup")] if g is not None]
    words.append(f"--groups={','.join(groups)}" if groups else "--clear-groups")
    if context.get("allowPrivilegeEscalation") is False:
        words.append("--no-new-privs")
    if not context.get("privileged"):
        words.append("--bounding-set=-all" + "".join(f",+{c.lower()}" for c in sorted(capabilities(context))))
    return words


def capabilities(context):
    asked = context.get("capabilities") or {}
    drop, add = ({c.removeprefix("CAP_") for c in asked.get(key) or []} for key in ("drop", "add"))
    return (set() if "ALL" in drop else DEFAULT_CAPABILITIES - drop) | add
