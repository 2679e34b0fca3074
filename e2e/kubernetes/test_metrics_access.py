"""Who reads the metrics of controllers and speakers where OpenELB is installed as it is shipped."""

import json
import re
import sys
import time

import pytest
from faults import unharmed, wait_attached
from lab.installed import CONTROLLER, CONTROLLER_USER, NAMESPACE, ROOT, SPEAKER
from lab.net import Host, wait_until

README = ROOT / "config" / "README.md"


class Scraper:
    """Asks a Pod from its own network, as `curl` does."""

    def __init__(self, lab, pod):
        speaks = pod["metadata"]["labels"]["component"] == "speaker"
        self.host = lab[pod["spec"]["nodeName"]] if speaks else Host(lab.run_dir, lab.pod_host(pod))
        self.port = 50053 if speaks else 50052

    def get(self, token=None, path="/metrics", scheme="https", options=("-k",), name="127.0.0.1"):
        """(status, body); status 0 where nothing was answered."""
        words = ["-H", f"Authorization: Bearer {token}"] if token is not None else []
        said = self.host.exec("curl", "-s", "--max-time", "10", "-w", "\n%{http_code}", *options, *words,
                              f"{scheme}://{name}:{self.port}{path}", check=False)
        body, _, status = said.rpartition("\n")
        return int(status), body.strip()


def everybody(lab):
    return [*lab.controllers(), *(lab.speaker(node) for node in lab.speaker_nodes())]


def token_of(lab, account, namespace=NAMESPACE, *more):
    return lab.kubectl("-n", namespace, "create", "token", account, *more).strip()


@pytest.fixture(scope="module")
def reader(documented):
    """The token of who may read, made as the README says; (its command for that, the one that asks)."""
    block = README.read_text().partition("### Who reads metrics")[2].partition("```")[2].partition("```")[0]
    bind, ask = block.strip().splitlines()
    documented.kubectl(*bind.split()[1:])
    made = re.search(r"\$\(kubectl (create token \w+)\)", ask)
    token = documented.kubectl(*made[1].split()).strip()
    return token, ask.replace(made[0], token)


def test_the_documented_command(documented, reader):
    said = documented["master1"].exec("sh", "-c", reader[1])
    assert "openelb_speaker_plan_routes" in said


def test_who_may_read(documented, reader):
    """Everywhere the same."""
    lab = documented
    strangers = {"none": (None, 401), "nobody's": ("abc", 401), "no token at all": ("", 401),
                 "another audience": (token_of(lab, SPEAKER, NAMESPACE, f"--audience={CONTROLLER}"), 401),
                 "of who may not": (token_of(lab, SPEAKER), 403), "the reader's": (reader[0], 200)}
    for pod in everybody(lab):
        scraper = Scraper(lab, pod)
        for what, (token, expected) in strangers.items():
            status, body = scraper.get(token)
            assert status == expected, (pod["metadata"]["name"], what, body)
            assert ("openelb_" in body) == (expected == 200), (what, body)
        counted = dict(re.findall(r'^openelb_(?:speaker_)?scrapes_total{outcome="(\w+)"} (\d+)', scraper.get(reader[0])[1],
                                  re.MULTILINE))
        assert int(counted["unauthenticated"]) >= 4 and int(counted["forbidden"]) >= 1 <= int(counted["allowed"]), counted


def test_everybody_may_ask_for_health_and_nobody_in_plain_text(documented, reader):
    for pod in everybody(documented):
        scraper = Scraper(documented, pod)
        for path in ("/healthz", "/readyz"):
            assert scraper.get(path=path) == (200, "ok")
        status, body = scraper.get(reader[0], scheme="http")
        assert status in (0, 400) and "openelb_" not in body


def test_controllers_are_believed_by_their_authority(documented, reader, tmp_path):
    """Both, as the ServiceMonitor asks for it; speakers cannot pass for one."""
    (tmp_path / "ca.crt").write_text(documented.get("configmap", "openelb-controllers", NAMESPACE)["data"]["ca.crt"])
    name = f"{CONTROLLER}.{NAMESPACE}.svc"
    for pod in everybody(documented):
        scraper = Scraper(documented, pod)
        options = ("--cacert", str(tmp_path / "ca.crt"), "--connect-to", f"{name}:{scraper.port}:127.0.0.1:{scraper.port}")
        expected = 200 if pod["metadata"]["labels"]["component"] == "controller" else 0
        assert scraper.get(reader[0], options=options, name=name)[0] == expected


def test_without_controllers_known_scrapers_go_on(documented, reader):
    """And nobody else begins; what is announced stays."""
    lab = documented
    newcomer = token_of(lab, "default", "default", "--duration=30m")
    scrapers = [Scraper(lab, lab.speaker(node)) for node in lab.speaker_nodes()]
    assert [scraper.get(reader[0])[0] for scraper in scrapers] == [200] * len(scrapers)
    with unharmed(lab):
        lab.kubectl("-n", NAMESPACE, "scale", "deployment", CONTROLLER, "--replicas=0")
        try:
            wait_until(lambda: not lab.controllers(), 60, what="no controllers")
            for scraper in scrapers:
                assert scraper.get(reader[0])[0] == 200
                status, body = scraper.get(newcomer)
                assert status == 503 and "openelb_" not in body, body
                assert scraper.get(path="/readyz") == (200, "ok")
        finally:
            lab.kubectl("-n", NAMESPACE, "scale", "deployment", CONTROLLER, "--replicas=2")
        lab.wait_installed()
        wait_attached(lab)
        for scraper in scrapers:
            wait_until(lambda scraper=scraper: scraper.get(newcomer)[0] == 200, 20, what="the newcomer is let in")


def reviews(lab):
    """TokenReviews that the controllers have asked for."""
    return sum(event["objectRef"]["resource"] == "tokenreviews" for event in lab.control_plane.audited(CONTROLLER_USER))


FLOOD = """
import http.client, itertools, json, ssl, sys, threading, time
tls = ssl._create_unverified_context()
end = time.monotonic() + float(sys.argv[2])
counts = {}
def work():
    for number in itertools.count():
        if time.monotonic() > end:
            return
        try:
            one = http.client.HTTPSConnection("127.0.0.1", int(sys.argv[1]), context=tls, timeout=10)
            one.request("GET", "/metrics", headers={"Authorization": f"Bearer {threading.get_ident()}-{number}"})
            status = one.getresponse().status
            one.close()
        except OSError:
            status = 0
        counts[status] = counts.get(status, 0) + 1
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps(counts))
"""


def test_a_flood_of_tokens_costs_the_api_server_little(documented, reader):
    """And delays nobody who is known."""
    lab = documented
    scraper, host = Scraper(lab, lab.speaker("master1")), lab["master1"]
    assert scraper.get(reader[0])[0] == 200
    before, begun = reviews(lab), time.monotonic()
    flood = host.spawn("flood", [sys.executable, "-c", FLOOD, scraper.port, 10])
    try:
        while not host.log("flood"):
            assert scraper.get(reader[0])[0] == 200
            assert time.monotonic() < begun + 60, "the flood does not end"
            time.sleep(0.2)
    finally:
        flood.kill()
    reviewed, seconds = reviews(lab) - before, time.monotonic() - begun
    answers = json.loads(host.log("flood"))
    assert answers["503"] > 200 and set(answers) <= {"401", "503"}, answers
    assert 20 <= answers["401"] <= reviewed < 20 * (seconds + 2), (answers, reviewed, seconds)
