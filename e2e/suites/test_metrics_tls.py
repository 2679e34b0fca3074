"""Metrics with certificates on both sides, where no API server reviews tokens: controller and speaker on one host,
on manifests."""

import os
import signal

import pytest
from lab import programs
from lab.net import Host, wait_until
from lab.pki import Authority
from lab.run_dir import RunDir, remove_orphans

PORTS = {"controller": 50052, "speaker": 50053}


@pytest.fixture(scope="module")
def site():
    """(host, scrapers' authority, strangers' authority, where certificates of the programs are)"""
    remove_orphans("metrics-")
    run_dir = RunDir(f"metrics-{os.getpid()}")
    run_dir.create(topology="one-host")
    try:
        host = Host(run_dir, "one")
        host.create()
        ours, others = (Authority(run_dir.path / name) for name in ("ours", "others"))
        for authority in (ours, others):
            authority.create("scrapers")
            authority.issue("scraper", "/CN=prometheus")
        cert, key = ours.issue("served", "/CN=metrics", "DNS:metrics.test")
        secure = ["--plan-insecure", "--metrics-secure", "--metrics-tls-ca", ours.cert, "--metrics-tls-cert", cert,
                  "--metrics-tls-key", key, "--metrics-addr"]
        manifests = run_dir.path / "manifests"
        manifests.mkdir()
        host.spawn("controller", [programs.BIN / "openelb-controller", "--manifests", manifests, "--plan-addr",
                                  "127.0.0.1:50051", *secure, f"127.0.0.1:{PORTS['controller']}"])
        host.spawn("speaker", [programs.BIN / "openelb-speaker", "--controller", "127.0.0.1:50051", "--node-name", "one",
                               "--state-dir", run_dir.path / "state", *secure, f"127.0.0.1:{PORTS['speaker']}"])
        for program in PORTS:
            wait_until(lambda program=program: ask(host, program, "/healthz", "-k")[0] == 200, what=f"{program} serves")
        yield host, ours, others
    finally:
        run_dir.remove()


def ask(host, program, path, *options):
    """(status, body), status 0 where nothing was answered."""
    said = host.exec("curl", "-s", "--max-time", "5", "-w", "\n%{http_code}", *options,
                     f"https://127.0.0.1:{PORTS[program]}{path}", check=False)
    body, _, status = said.rpartition("\n")
    return int(status), body


def shown_by(authority):
    return "--cert", authority.folder / "scraper.crt", "--key", authority.folder / "scraper.key"


@pytest.mark.parametrize("program", PORTS)
def test_a_certificate_of_the_authority_is_let_in(site, program):
    host, ours, others = site
    assert "openelb_" in ask(host, program, "/metrics", "-k", *shown_by(ours))[1]
    for options, statuses in (((), {401}), (("-H", "Authorization: Bearer abc"), {401, 503}),
                              (shown_by(others), {0, 401})):
        status, body = ask(host, program, "/metrics", "-k", *options)
        assert status in statuses and "openelb_" not in body, (options, status, body)
        wait_until(lambda options=options: ask(host, program, "/healthz", "-k")[0] == 200)  # others are not disturbed


@pytest.mark.parametrize("program", PORTS)
def test_scrapers_know_whom_they_ask(site, program):
    """By the certificate that the flags name, and by one that takes its place."""
    host, ours, _ = site
    served = (ours.folder / "served.crt").read_bytes(), (ours.folder / "served.key").read_bytes()

    def named(name):
        port = PORTS[program]
        said = host.exec("curl", "-sf", "--max-time", "5", "--cacert", ours.cert, *shown_by(ours), "--connect-to",
                         f"{name}:{port}:127.0.0.1:{port}", f"https://{name}:{port}/metrics", check=False)
        return "openelb_" in said
    assert named("metrics.test") and not named("other.test")
    ours.issue("new", "/CN=metrics", "DNS:other.test")
    try:
        os.replace(ours.folder / "new.key", ours.folder / "served.key")
        os.replace(ours.folder / "new.crt", ours.folder / "served.crt")
        wait_until(lambda: named("other.test"), 20, 0.2, what="the new certificate")
    finally:
        for suffix, content in zip(("crt", "key"), served):
            (ours.folder / f"served.{suffix}").write_bytes(content)
    wait_until(lambda: named("metrics.test"), 20, 0.2, what="the old one again")


def test_bad_files_leave_what_was_served(site):
    """The programs say which one is bad."""
    host, ours, _ = site
    cert = ours.folder / "served.crt"
    good = cert.read_bytes()
    try:
        cert.write_text("no certificate")
        for program in PORTS:
            assert "openelb_" in ask(host, program, "/metrics", "-k", *shown_by(ours))[1]
            assert f"--metrics-tls-cert: {cert}: " in host.log(program)
    finally:
        cert.write_bytes(good)
    for program in PORTS:  # in order, all the same
        host.process(program).signal(signal.SIGTERM)
        assert host.process(program).wait(10)
