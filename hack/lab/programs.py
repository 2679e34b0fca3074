"""Our two programs as the lab runs them: with TLS, tokens and state directories, in their namespaces."""

import os
import re
import secrets
from pathlib import Path

from lab.net import wait_until
from lab.pki import Authority

BIN = Path(os.environ.get("OPENELB_BIN", Path(__file__).resolve().parents[2] / "build" / "bin"))
SERVER_NAME = "openelb-controller.openelb-system.svc"
PLAN_PORT = 50051
METRICS = "127.0.0.1:50052"


class Credentials:
    """A certificate authority, the controller's certificate and one token per speaker node."""

    def __init__(self, path):
        self.path = path
        self._authority = Authority(path)
        self.ca = self._authority.cert
        self.cert, self.key = path / "tls.crt", path / "tls.key"
        self.tokens = path / "tokens"

    def create(self, nodes):
        self.path.mkdir(parents=True, exist_ok=True)
        self.issue()
        self.tokens.touch()
        for node in nodes:
            self.add(node)

    def issue(self):
        """A new authority and a certificate from it."""
        self._authority.create("openelb-lab-ca")
        self._authority.issue("tls", f"/CN={SERVER_NAME}", f"DNS:{SERVER_NAME}")

    def token(self, node):
        """The file that holds the token of a node's speaker."""
        return self.path / f"{node}.token"

    def add(self, node):
        if not self.token(node).exists():
            self.token(node).write_text(secrets.token_hex(16))
            with self.tokens.open("a") as file:
                file.write(f"{node} {self.token(node).read_text()}\n")


class Program:
    """One of our programs on one host, under one role."""

    def __init__(self, host, role, argv):
        self.host = host
        self.role = role
        self.argv = argv

    def start(self, *more):
        self.host.spawn(self.role, [*self.argv, *more])
        return self

    @property
    def process(self):
        return self.host.process(self.role)

    def running(self):
        return self.process is not None and self.process.alive()

    def kill(self):
        """SIGKILL: no goodbye."""
        self.process.kill()

    def stop(self):
        """SIGTERM; fails if it does not end in order."""
        if not self.process.stop():
            raise RuntimeError(f"{self.role} on {self.host.name} did not stop on SIGTERM")

    def log(self):
        return self.host.log(self.role)

    def get(self, path):
        """One HTTP GET on the metrics address; empty when nobody answers."""
        return self.host.exec("curl", "-s", "--max-time", "2", f"http://{METRICS}{path}", check=False)

    def metric(self, name, /, **labels):
        """The sum of a metric's samples that carry `labels`; None when there is none."""
        found = None
        for held, value in self._samples(name):
            if labels.items() <= held.items():
                found = (found or 0) + value
        return found

    def label_values(self, name, label):
        """What a metric's samples carry as one of their labels."""
        return {held[label] for held, _ in self._samples(name) if label in held}

    def _samples(self, name):
        """(labels, value) of each of a metric's samples."""
        for line in self.get("/metrics").splitlines():
            match = re.match(rf"{re.escape(name)}(?:\{{(.*)\}})? (\S+)", line)
            if match:
                yield dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match[1] or "")), float(match[2])

    def wait_ready(self, timeout=10):
        wait_until(lambda: self.host.exec("curl", "-sf", "--max-time", "2", f"http://{METRICS}/readyz"), timeout,
                   what=f"{self.role} on {self.host.name}: /readyz")


DRAIN_TIME = 2  # seconds that routers get to move off a node or a speaker: enough here, and tests wait for it


def controller(host, address, cluster, credentials):
    return Program(host, "controller", [
        BIN / "openelb-controller", "--manifests", cluster.manifests, "--status-dir", cluster.status_dir,
        "--plan-addr", f"{address}:{PLAN_PORT}", "--metrics-addr", METRICS,
        "--plan-tls-cert", credentials.cert, "--plan-tls-key", credentials.key,
        "--token-file", credentials.tokens, "--drain-time", f"{DRAIN_TIME}s"])


def speaker(host, node, controller_address, state_dir, credentials, role="speaker"):
    """`node` is whom it claims to be, which a test may set apart from the host it runs on."""
    state_dir.mkdir(parents=True, exist_ok=True)
    return Program(host, role, [
        BIN / "openelb-speaker", "--controller", f"{controller_address}:{PLAN_PORT}", "--node-name", node,
        "--state-dir", state_dir, "--metrics-addr", METRICS, "--plan-tls-ca", credentials.ca,
        "--token-file", credentials.token(node), "--drain-time", f"{DRAIN_TIME}s"])
