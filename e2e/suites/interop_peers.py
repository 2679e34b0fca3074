"""Four routers, each with all it can do for a session with a speaker, and what each shows of it in its own words.

    seen(word)   what the router says of a capability (the keys of `Peer.CAPABILITIES`); true when it is in use
    path_ids()   {next hop} of the paths for the address
    last_words() what it shows of how the session last ended
"""

import base64
import json
import os
import re
import sys
import textwrap

from lab.bird import Bird
from lab.frr import Frr
from lab.net import wait_until
from lab.router import Neighbor, RouterConfig

SPEAKER, SPEAKER_AS = "192.168.0.3", 50000
PASSWORD = "s3cret"
NEIGHBOR = Neighbor(SPEAKER, SPEAKER_AS, password=PASSWORD)


class InteropFrr(Frr):
    """MD5 and TTL security; graceful restart as helper, extended messages and enhanced refresh are its defaults."""

    @staticmethod
    def _neighbor(n):
        line = f"neighbor {n.address}"
        yield from Frr._neighbor(n)
        yield f"{line} ttl-security hops 1"

    def neighbor(self):
        return json.loads(self.run(f"show bgp neighbors {SPEAKER} json")).get(SPEAKER, {})

    def seen(self, word):
        neighbor = self.neighbor()
        offers = neighbor.get("neighborCapabilities", {})
        both = {"extended messages": "extendedMessage", "enhanced route refresh": "enhancedRouteRefresh",
                "4-octet AS": "4byteAs"}
        if word in both:
            return offers.get(both[word]) == "advertisedAndReceived"
        if word == "ADD-PATH":
            family = offers.get("addPath", {}).get("ipv4Unicast", {})
            return "txReceived" in family and "rxAdvertised" in family
        if word == "graceful restart":
            return "Restart" in neighbor.get("gracefulRestartInfo", {}).get("remoteGrMode", "")
        if word == "graceful restart, N bit":
            return neighbor["gracefulRestartInfo"].get("nBit") is True
        if word == "long-lived graceful restart":
            return "eceived" in offers.get("longLivedGracefulRestart", "")
        if word == "End-of-RIB":
            return neighbor["gracefulRestartInfo"].get("endOfRibRecv", {}).get("ipv4Unicast") is True
        if word == "route refresh":
            return "Received" in offers.get("routeRefresh", "") or "received" in offers.get("routeRefresh", "")
        if word == "TTL security":
            return neighbor.get("externalBgpNbrMaxHopsAway") == 1 and neighbor.get("bgpState") == "Established"
        if word == "TCP MD5":
            return neighbor.get("authenticationEnabled") is not None or "password" in self.run("show running-config")
        raise KeyError(word)

    def refresh(self):
        self.run(f"clear bgp ipv4 unicast {SPEAKER} soft in")

    def updates(self):
        return self.neighbor()["messageStats"]["updatesRecv"]

    def refresh_marks(self):
        return self.neighbor()["messageStats"]["routeRefreshRecv"]

    def last_words(self):
        return json.dumps({key: value for key, value in self.neighbor().items() if key.startswith("last")})


class InteropBird(Bird):
    def _write(self):
        super()._write()
        path = self._path("conf")
        path.write_text(path.read_text().replace(
            "  hold time", "  ttl security on; enable extended messages on; graceful restart aware; hold time"))

    def protocol(self):
        return self.run("show protocols all")

    def seen(self, word):
        text = self.protocol()
        if "BGP state:          Established" not in text:
            return False
        theirs = text.partition("Neighbor capabilities")[2]
        words = {"extended messages": "Extended message", "enhanced route refresh": "Enhanced refresh",
                 "4-octet AS": "4-octet AS numbers", "graceful restart": "Restart time: 60",
                 "route refresh": "Route refresh", "long-lived graceful restart": "LL stale time: 600"}
        if word in words:
            return words[word] in theirs
        if word == "ADD-PATH":
            return "TX: ipv4" in theirs
        if word in ("TTL security", "TCP MD5"):
            return True  # the configuration has it, and the session stands
        return None  # it shows nothing of it

    def refresh(self):
        self.run(f"reload in peer_{SPEAKER.replace('.', '_')}")

    def updates(self):
        return self.sessions()[SPEAKER].updates

    def last_words(self):
        return "\n".join(re.findall(r"(?:Last error|Message):.*", self.protocol()))


class GoBgp:
    """gobgpd, which waits for the speaker to dial."""

    def __init__(self, host, asn, address):
        self.host, self.asn, self.address = host, asn, address

    def start(self):
        path = self.host.run_dir.path / "gobgpd.toml"
        path.write_text(textwrap.dedent(f"""\
            [global.config]
              as = {self.asn}
              router-id = "{self.address}"
            [[neighbors]]
              [neighbors.config]
                neighbor-address = "{SPEAKER}"
                peer-as = {SPEAKER_AS}
                auth-password = "{PASSWORD}"
              [neighbors.timers.config]
                hold-time = 9
                keepalive-interval = 3
              [neighbors.transport.config]
                passive-mode = true
              [neighbors.ttl-security.config]
                enabled = true
                ttl-min = 255
              [neighbors.graceful-restart.config]
                enabled = true
                restart-time = 60
                notification-enabled = true
              [[neighbors.afi-safis]]
                [neighbors.afi-safis.config]
                  afi-safi-name = "ipv4-unicast"
                [neighbors.afi-safis.mp-graceful-restart.config]
                  enabled = true
                [neighbors.afi-safis.add-paths.config]
                  receive = true
            """))
        self.host.spawn("gobgpd", ["gobgpd", "-f", path, "-t", "toml", "--api-hosts", "127.0.0.1:50051",
                                   "--pprof-disable"])
        wait_until(lambda: self.run("global"), what="gobgpd")

    def run(self, *words):
        return self.host.exec("gobgp", *words)

    def established(self, address):
        return "ESTABLISHED" in self.run("neighbor", address)

    def seen(self, word):
        text = self.run("neighbor", SPEAKER)
        if "ESTABLISHED" not in text:
            return False
        words = {"extended messages": "extended-message", "4-octet AS": "4-octet-as", "route refresh": "route-refresh",
                 "enhanced route refresh": "enhanced-route-refresh", "graceful restart": "graceful-restart",
                 "ADD-PATH": "add-path"}
        if word == "long-lived graceful restart":
            return re.search(r"long-lived-graceful-restart:.*received", text) is not None
        if word == "graceful restart, N bit":
            return "notification flag set" in text.partition("Remote: restart time")[2].partition("\n")[0]
        if word in words:
            return re.search(rf"\b(?<!-){words[word]}:\s+advertised and received", text) is not None
        if word in ("TTL security", "TCP MD5"):
            return True  # the configuration has it, and the session stands
        return None

    def next_hops(self, prefix):
        return {attribute["nexthop"] for path in json.loads(self.run("-j", "global", "rib", prefix)).get(prefix, [])
                for attribute in path["attrs"] if "nexthop" in attribute}

    def refresh(self):
        self.run("neighbor", SPEAKER, "softresetin")

    def updates(self):
        return int(re.search(r"Updates:\s+\d+\s+(\d+)", self.run("neighbor", SPEAKER))[1])

    def last_words(self):
        """It logs a notification's data as they are."""
        return "".join(base64.b64decode(data).decode(errors="replace")
                       for data in re.findall(r'"Data":"([^"]*)"', self.host.log("gobgpd")))


class ExaBgp:
    """exabgp, which dials the speaker. Its helper writes down what it is told, and says what is put into a pipe."""

    HELPER = textwrap.dedent("""\
        import sys, threading
        def say():
            while True:
                with open(sys.argv[2]) as pipe:
                    for line in pipe:
                        print(line, end="", flush=True)
        threading.Thread(target=say, daemon=True).start()
        with open(sys.argv[1], "a", buffering=1) as file:
            for line in sys.stdin:
                file.write(line)
        """)

    def __init__(self, host, asn, address):
        self.host, self.asn, self.address = host, asn, address
        self.heard = host.run_dir.path / "exabgp.heard"
        self.pipe = host.run_dir.path / "exabgp.pipe"

    def start(self):
        helper = self.host.run_dir.path / "exabgp_helper.py"
        helper.write_text(self.HELPER)
        os.mkfifo(self.pipe)
        config = self.host.run_dir.path / "exabgp.conf"
        config.write_text(textwrap.dedent(f"""\
            process helper {{
              run {sys.executable} {helper} {self.heard} {self.pipe};
              encoder json;
            }}
            neighbor {SPEAKER} {{
              router-id {self.address};
              local-address {self.address};
              local-as {self.asn};
              peer-as {SPEAKER_AS};
              hold-time 9;
              connect 17900;
              md5-password "{PASSWORD}";
              capability {{
                asn4 enable;
                route-refresh enable;
                graceful-restart 60;
                extended-message enable;
                add-path receive;
              }}
              family {{ ipv4 unicast; }}
              api {{
                processes [ helper ];
                neighbor-changes;
                receive {{ parsed; open; update; refresh; notification; }}
              }}
            }}
            """))
        self.host.spawn("exabgp", ["exabgp", config],
                        env={"exabgp_daemon_user": "root", "exabgp_log_level": "WARNING", "exabgp_api_cli": "false",
                             "exabgp_api_ack": "false", "PATH": os.environ["PATH"]})

    def messages(self, kind):
        if not self.heard.exists():
            return []
        return [message["neighbor"] for message in map(self.parse, self.heard.read_text().splitlines())
                if message.get("type") == kind]

    @staticmethod
    def parse(line):
        """Of a ROUTE-REFRESH it writes what is no JSON."""
        try:
            return json.loads(line)
        except json.JSONDecodeError:
            return {"type": "refresh", "neighbor": {}} if '"refresh"' in line else {}

    def established(self, _address):
        states = self.messages("state")
        return bool(states) and states[-1]["state"] == "up"

    def seen(self, word):
        opens = [n for n in self.messages("open") if n.get("direction") == "receive"]
        if not opens:
            return False
        text = json.dumps(opens[-1]["open"]["capabilities"]).lower()
        words = {"extended messages": "extended", "4-octet AS": "asn4", "route refresh": "route-refresh",
                 "enhanced route refresh": "enhanced-route-refresh", "graceful restart": "graceful",
                 "ADD-PATH": "addpath"}
        if word in words:
            return words[word] in text or None
        if word == "TCP MD5":
            return self.established(SPEAKER)
        if word == "End-of-RIB":
            return any("eor" in n["message"] for n in self.messages("update") if "message" in n)
        return None

    def next_hops(self, prefix):
        found = {}
        for neighbor in self.messages("update"):
            update = neighbor.get("message", {}).get("update", {})
            for hop, routes in update.get("announce", {}).get("ipv4 unicast", {}).items():
                found.update({route.get("path-information"): hop for route in routes if route.get("nlri") == prefix})
            for route in update.get("withdraw", {}).get("ipv4 unicast", []):
                if route.get("nlri") == prefix:
                    found.pop(route.get("path-information"), None)
        return set(found.values())

    def refresh(self):
        with self.pipe.open("w") as pipe:
            pipe.write("announce route-refresh ipv4 unicast\n")

    def updates(self):
        return len(self.messages("update"))

    def refresh_marks(self):
        return len(self.messages("refresh"))

    def last_words(self):
        return json.dumps([*self.messages("notification"), *self.messages("state")][-3:])


def routers(lab):
    """{name: router}, each on a host of its own; none is started."""
    found = {}
    for number, (name, kind) in enumerate({"FRR": InteropFrr, "BIRD": InteropBird, "GoBGP": GoBgp,
                                           "ExaBGP": ExaBgp}.items()):
        address, asn = f"192.168.0.{11 + number}", 50011 + number
        host = lab.attach(name.lower(), address)
        if kind in (GoBgp, ExaBgp):
            found[name] = kind(host, asn, address)
        else:
            found[name] = kind(host, RouterConfig(asn, address, {SPEAKER: NEIGHBOR}))
        found[name].name = name
        found[name].peer = {"apiVersion": "network.kubesphere.io/v1alpha2", "kind": "BgpPeer",
                            "metadata": {"name": name.lower()},
                            "spec": {"conf": {"neighborAddress": address, "peerAs": asn, "authPassword": PASSWORD},
                                     "timers": {"config": {"holdTime": "9", "connectRetry": "1"}},
                                     "ttlSecurity": {"enabled": kind is not ExaBgp},
                                     "transport": {"passiveMode": kind is ExaBgp},
                                     "gracefulRestart": {"enabled": True, "restartTime": 60,
                                                         "notificationEnabled": True, "longlivedEnabled": True,
                                                         "staleRoutesTime": 600},
                                     "nodeSelector": {"matchLabels": {"kubernetes.io/hostname": "master1"}}}}
    return found
