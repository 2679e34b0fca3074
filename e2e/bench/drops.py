"""Where frames are lost between hosts on a switch: by every counter of the kernel that counts drops there, and by our
speaker's own."""

import json
import re
from pathlib import Path

from lab.net import run

# What the speaker counts where an answer cannot be sent, or a question is not understood.
OURS = ("openelb_speaker_layer2_send_errors_total", "openelb_speaker_layer2_errors_total")


class Drops:
    """`hosts`: each with an eth0 and a port of its name on "switch"; `speaker`: of one of them, or None."""

    def __init__(self, lab, hosts, speaker=None):
        self._lab, self._hosts, self._speaker = lab, hosts, speaker
        self._before = self._read()
        self._answers = self._answered()

    def since(self):
        """{place: how many}, of those that have dropped any since."""
        now = self._read()
        return {place: count - self._before.get(place, 0) for place, count in now.items()
                if count > self._before.get(place, 0)}

    def answers(self):
        """How many questions the speaker says that it has answered since."""
        return self._answered() - self._answers

    def _answered(self):
        return 0 if self._speaker is None else self._speaker.metric("openelb_speaker_layer2_answers_total") or 0

    def _read(self):
        # Of received frames, when it is full (net.core.netdev_max_backlog). All namespaces share these queues.
        softnet = Path("/proc/net/softnet_stat").read_text().splitlines()
        found = {"queues of the CPUs": sum(int(line.split()[1], 16) for line in softnet)}
        for host, interface in [*((host, "eth0") for host in self._hosts), *(("switch", host) for host in self._hosts)]:
            netns = self._lab[host].netns
            link, = json.loads(run("ip", "-n", netns, "-s", "-j", "link", "show", "dev", interface))
            for way, counters in link["stats64"].items():
                found |= {f"{host}/{interface} {way} {name}": count for name, count in counters.items()
                          if name in ("dropped", "errors", "over_errors")}
            sockets = self._lab[host].exec("ss", "-0nmH")  # "p_raw 0 0 [2054]:eth0 * skmem:(r0,...,d0)"
            for name, dropped in re.findall(r"(\S+:\w+) \*\s+skmem:\([^)]*,d(\d+)\)", sockets):
                place = f"packet socket {name} of {host}"
                found[place] = found.get(place, 0) + int(dropped)
        if self._speaker is not None:
            found |= {name: self._speaker.metric(name) or 0 for name in OURS}
        return found
