"""A real Kubernetes control plane in a namespace of a lab: etcd, API server, controller manager, scheduler.

The programs come from hack/controlplane/build. The API server listens on the management network, so hosts that
`management.attach` put there reach it at `server`; its own host is "control-plane". Nodes are not its business.

  RUN_DIR/control-plane/
    pki/                  authorities, certificates and keys
    NAME.kubeconfig       of the administrator ("admin") and of every other identity
    etcd/                 etcd's data
    audit.log             every request, as JSON lines: who did what, and whether it was allowed
"""

import json
import os
import shlex
import shutil
import signal
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from lab.api import Objects
from lab.go_programs import binaries
from lab.management import API_SERVICE, SERVER, ManagementNetwork
from lab.net import Host, run, wait_until
from lab.pki import Authority

ETCD, API_SERVER = "etcd", "kube-apiserver"
CONTROLLER_MANAGER, SCHEDULER = "kube-controller-manager", "kube-scheduler"
COMPONENTS = (ETCD, API_SERVER, CONTROLLER_MANAGER, SCHEDULER)  # in the order of their start

# What programs of Kubernetes begin with: a lab has more memory than time, so that they look for garbage less often.
GO = ["env", "GOGC=400"]

SERVER_URL = f"https://{SERVER}:6443"
ETCD_URL = "http://127.0.0.1:2379"
SERVICE_RANGES = "10.96.0.0/16,fd00:10:96::/112"
ISSUER = "https://kubernetes.default.svc.cluster.local"

# For `flags`: a lost node is known 5 s after its last lease instead of 50 s. Its leases must come every second.
FAST_NODES = {CONTROLLER_MANAGER: ["--node-monitor-grace-period=5s", "--node-monitor-period=500ms"]}
# For `flags`: the controller manager is not what a burst of Services waits for.
FAST_ENDPOINTS = {CONTROLLER_MANAGER: [
    "--kube-api-qps=1000", "--kube-api-burst=2000", "--concurrent-endpoint-syncs=50",
    "--concurrent-service-endpoint-syncs=50"]}

AUDIT_POLICY = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
                "rules": [{"level": "Metadata"}]}


class Identity(NamedTuple):
    """A client of the API server, known by its certificate."""
    cert: Path
    key: Path
    kubeconfig: Path


class ControlPlane:
    """`up` in a RunDir that exists; ended by that RunDir's `remove`. An object made later for the same RunDir, by
    another process too, finds what `up` left.

    flags: more flags of components, by name: FAST_NODES, {API_SERVER: ["--v=4"]}.
    """

    server = SERVER_URL

    def __init__(self, run_dir, *flags):
        self.run_dir = run_dir
        self.flags = flags
        self.binaries = binaries("controlplane")
        self.path = run_dir.path / "control-plane"
        self.audit_log = self.path / "audit.log"
        self.host = Host(run_dir, "control-plane")
        self.management = ManagementNetwork(run_dir, self.host)
        self._data = self.path / "etcd"
        self._pki = self.path / "pki"
        self._authority = Authority(self._pki)
        self._front_proxy = Authority(self._pki, "front-proxy-ca")
        self.ca = self._authority.cert
        self.service_account_key = self._pki / "service-account.key"  # signs tokens
        self._starts = []  # of the API server: (begun, served)
        self.admin = self._identity("admin")
        self.kube_proxy = self._identity("kube-proxy")
        self.objects = Objects(self)

    def up(self):
        self.host.create()
        self.management.create()
        self._create_pki()
        (self.path / "audit-policy.json").write_text(json.dumps(AUDIT_POLICY))
        for component in COMPONENTS:
            self.start(component)
        # The controller manager works, and Pods can be created.
        wait_until(lambda: self.kubectl("get", "serviceaccount", "default"), 30, what="the default ServiceAccount")
        return self

    # -- who may speak to it --

    def node_credentials(self, node):
        """The identity of a node's kubelet, made at the first call."""
        return self.issue(f"node-{node}", f"system:node:{node}", "system:nodes")

    def issue(self, name, user, group=None):
        """A new certificate and kubeconfig for a user; what the user may do is RBAC's business."""
        identity = self._identity(name)
        if not identity.kubeconfig.exists():
            self._authority.issue(name, f"/O={group}/CN={user}" if group else f"/CN={user}")
            identity.kubeconfig.write_text(json.dumps({
                "apiVersion": "v1", "kind": "Config", "current-context": "lab",
                "clusters": [{"name": "lab", "cluster": {
                    "server": self.server, "certificate-authority": str(self.ca)}}],
                "users": [{"name": user, "user": {
                    "client-certificate": str(identity.cert), "client-key": str(identity.key)}}],
                "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": user}}]}, indent=2))
        return identity

    def kubectl(self, *args, input=None, identity=None, check=True):
        """Runs kubectl as the administrator (or an identity) beside the API server; returns what it printed."""
        return self.host.exec(*self.kubectl_command(identity), *args, stdin=input, check=check)

    def kubectl_command(self, identity=None):
        # All labs' servers have one address: a shared cache would mix up what they serve.
        return [*GO, self.binaries / "kubectl", f"--kubeconfig={(identity or self.admin).kubeconfig}",
                f"--cache-dir={self.path / 'kubectl-cache'}"]

    def kubectl_path(self):
        """A PATH for scripts that call kubectl as the administrator."""
        folder = self.path / "bin"
        folder.mkdir(exist_ok=True)
        wrapper = folder / "kubectl"
        wrapper.write_text(f'#!/bin/sh\nexec {shlex.join(map(str, self.kubectl_command()))} "$@"\n')
        wrapper.chmod(0o755)
        return f"PATH={folder}:{os.environ['PATH']}"

    def audited(self, user=None):
        """The audit log's events so far, oldest first; those of one user, if named."""
        with self.audit_log.open() as file:
            events = [json.loads(line) for line in file if line.endswith("\n")]
        return [event for event in events if user in (None, event["user"].get("username"))]

    def refused(self, user):
        """What a user asked and had no right to, as audit events. An API server that starts has yet to read the rules,
        and refuses whatever it has no rule for: that does not count."""
        def started(event):
            asked = datetime.fromisoformat(event["requestReceivedTimestamp"])
            return all(not begun <= asked <= served for begun, served in self._starts)
        return [event for event in self.audited(user)
                if event.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid" and started(event)]

    # -- its programs --

    def start(self, component):
        """Returns when it serves."""
        begun = datetime.now(timezone.utc)
        argv = [*GO, self.binaries / component, *self._arguments(component)]
        argv += [flag for flags in self.flags for flag in flags.get(component, ())]
        process = self.host.spawn(component, argv)
        if url := {ETCD: f"{ETCD_URL}/readyz", API_SERVER: f"{self.server}/readyz"}.get(component):
            ask = ["curl", "-sf", "--max-time", "2", "--cacert", self.ca, url]
            wait_until(lambda: not process.alive() or self.host.exec(*ask), 60, what=f"{component}: ready")
            if not process.alive():
                raise RuntimeError(f"{component} ended:\n{self.host.log(component)[-2000:]}")
        if component == API_SERVER:
            self._starts.append((begun, datetime.now(timezone.utc)))
        return process

    def stop(self, component):
        self.host.process(component).stop()

    def kill(self, component):
        """SIGKILL: no goodbye."""
        self.host.process(component).kill()

    def save_etcd(self, name):
        """Copies etcd's data under a name. Requests wait meanwhile, for a fraction of a second."""
        etcd = self.host.process(ETCD)
        etcd.signal(signal.SIGSTOP)
        try:
            threads = Path(f"/proc/{etcd.pid}/task")
            wait_until(lambda: all(" T " in (thread / "stat").read_text() for thread in threads.iterdir()))
            run("cp", "-a", "--sparse=always", self._data, self.path / f"etcd-{name}")
        finally:
            etcd.signal(signal.SIGCONT)

    def restore_etcd(self, name):
        """Puts saved data in etcd's place and restarts everything, as after a restore from a backup. Objects and
        the revision go back: a client may see a resourceVersion that is older than one it knows, or one that
        meant something else before. Watches are cut. Nodes are the caller's to restart."""
        for component in reversed(COMPONENTS):
            self.stop(component)
        shutil.rmtree(self._data)
        run("cp", "-a", self.path / f"etcd-{name}", self._data)
        for component in COMPONENTS:
            self.start(component)

    def _identity(self, name):
        return Identity(self._pki / f"{name}.crt", self._pki / f"{name}.key", self.path / f"{name}.kubeconfig")

    def _create_pki(self):
        self._authority.create("kubernetes-ca")
        self._front_proxy.create("front-proxy-ca")
        self._front_proxy.issue("front-proxy-client", "/CN=front-proxy-client")
        names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost"]
        names = [f"DNS:{name}" for name in names] + [f"IP:{ip}" for ip in (SERVER, API_SERVICE, "127.0.0.1")]
        self._authority.issue("apiserver", "/CN=kube-apiserver", ",".join(names))
        run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-out", self.service_account_key)
        run("openssl", "pkey", "-in", self.service_account_key, "-pubout",
            "-out", self._pki / "service-account.pub")
        self.issue("admin", "kubernetes-admin", "system:masters")
        for component in (CONTROLLER_MANAGER, SCHEDULER, "kube-proxy"):
            self.issue(component, f"system:{component}")

    def _arguments(self, component):
        pki = self._pki
        if component == ETCD:
            return [f"--data-dir={self._data}", f"--listen-client-urls={ETCD_URL}",
                    f"--advertise-client-urls={ETCD_URL}", "--listen-peer-urls=http://127.0.0.1:2380",
                    "--log-level=warn", "--unsafe-no-fsync"]
        if component == API_SERVER:
            return [f"--advertise-address={SERVER}", f"--etcd-servers={ETCD_URL}",
                    f"--service-cluster-ip-range={SERVICE_RANGES}", "--allow-privileged=true",
                    "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
                    f"--client-ca-file={self.ca}", f"--tls-cert-file={pki / 'apiserver.crt'}",
                    f"--tls-private-key-file={pki / 'apiserver.key'}",
                    f"--service-account-issuer={ISSUER}",
                    f"--service-account-key-file={pki / 'service-account.pub'}",
                    f"--service-account-signing-key-file={self.service_account_key}",
                    # Without this second authority the other components log errors for ever.
                    f"--requestheader-client-ca-file={self._front_proxy.cert}",
                    "--requestheader-allowed-names=front-proxy-client",
                    "--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
                    "--requestheader-extra-headers-prefix=X-Remote-Extra-",
                    f"--proxy-client-cert-file={pki / 'front-proxy-client.crt'}",
                    f"--proxy-client-key-file={pki / 'front-proxy-client.key'}",
                    # Webhooks and API services are called at their endpoints: no kube-proxy runs beside it.
                    "--enable-aggregator-routing=true",
                    # Else a stop waits a minute for clients to end their watches.
                    "--shutdown-watch-termination-grace-period=1s",
                    f"--audit-policy-file={self.path / 'audit-policy.json'}", f"--audit-log-path={self.audit_log}"]
        kubeconfig = self._identity(component).kubeconfig
        common = [f"--kubeconfig={kubeconfig}", f"--authentication-kubeconfig={kubeconfig}",
                  f"--authorization-kubeconfig={kubeconfig}", "--bind-address=127.0.0.1", "--leader-elect=false"]
        if component == CONTROLLER_MANAGER:
            return [*common, f"--root-ca-file={self.ca}", "--use-service-account-credentials=true",
                    f"--service-account-private-key-file={self.service_account_key}"]
        return common
