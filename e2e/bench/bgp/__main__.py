"""Our speaker, BIRD, FRR, GoBGP, ExaBGP and prebuilt octets (the floor), side by side: how fast a table is sent and
changed, how soon a session is up and BIRD as a router has a table, what that costs, and how soon a leaf knows of a failure.

    python3 e2e/bench/bgp                  all of it: about half an hour
    python3 e2e/bench/bgp --quick          1,000 routes, one trial: under 2 minutes
    python3 e2e/bench/bgp --only router    10,000 routes to BIRD: 2 minutes; with --senders speaker BIRD 20 seconds
"""

import argparse
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import harness  # noqa: E402, F401  (it knows where the lab is)
import failures  # noqa: E402
import router  # noqa: E402
import series  # noqa: E402
from network import Network  # noqa: E402
from peers import BirdPeer, ExaBgpPeer, FrrPeer, GoBgpPeer  # noqa: E402
from report import table  # noqa: E402
from senders import Floor, SavedPlan, Speaker  # noqa: E402

SENDERS = (Speaker, Floor, BirdPeer, FrrPeer, GoBgpPeer, ExaBgpPeer)
COLUMNS = (  # attribute of series.Took, factor, title
    ("table", 1e3, "ESTABLISHED to last prefix, ms"),
    ("announce", 1e3, "told to last prefix over sessions that are up, ms"),
    ("one", 1e3, "one route more, ms"),
    ("less", 1e3, "a next hop less in all routes, ms"),
    ("withdraw", 1e3, "withdraw all, ms"),
    ("cpu", 1, "CPU s: table, withdraw and announce all"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="1,000 routes, one trial of each")
    parser.add_argument("--routes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--repeat", type=int, default=3, help="tables sent in each cell, starts")
    parser.add_argument("--trials", type=int, default=30, help="of each failure")
    parser.add_argument("--budget", type=float, default=20, help="seconds after which a cell is not repeated")
    parts = ("start", "transfer", "router", "failures")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    parser.add_argument("--senders", nargs="+", default=[sender.name for sender in SENDERS])
    args = parser.parse_args()
    if args.quick:
        args.routes, args.repeat, args.trials = [1_000], 1, 1
    chosen = [sender for sender in SENDERS if sender.name in args.senders]
    cells = [series.Cell(n, h, r) for n in args.routes for h in (1, 4) for r in (1, 8)]
    if args.quick:
        cells = [series.Cell(1_000, 1, 1), series.Cell(1_000, 4, 8)]
    print(f"load average {os.getloadavg()[0]:.1f}", flush=True)
    network = Network(f"bench-bgp-{os.getpid()}")
    try:
        network.up()
        began = time.time()
        idle = {}
        if "start" in args.only:
            idle = starts(network, chosen, args.repeat)
        if "transfer" in args.only:
            transfers(network, chosen, cells, args, idle)
        if "router" in args.only:
            routers(network, chosen, min(10_000, max(args.routes)), args.repeat)
        if "failures" in args.only:
            failing(network, chosen, args.trials)
        print(f"took {time.time() - began:.0f} s; load average {os.getloadavg()[0]:.1f}")
    finally:
        network.down()


def starts(network, chosen, repeat):
    """Resident MiB of each when idle."""
    senders = [sender(network) for sender in chosen]
    senders += [SavedPlan(network)] if Speaker in chosen else []
    found = {sender.name: series.start(network, sender, repeat) for sender in senders}
    names = [sender.name for sender in senders]
    print(table("start, and idle with a session", names, {
        "start to ESTABLISHED, s": {name: series.median(found[name].took) for name in names}}))
    print(table("resident", names, {
        "MiB": {name: found[name].rss_mib for name in names},
        "of which its own, MiB": {name: found[name].own_mib for name in names}}, ratios=False), flush=True)
    return found


def transfers(network, chosen, cells, args, idle):
    senders = [sender(network) for sender in chosen]
    names = [sender.name for sender in senders]
    found, late = {}, []
    for cell in cells:
        for sender in senders:
            if not sender.can(cell.routes, cell.hops, cell.receivers):
                continue
            try:
                found[cell, sender.name] = series.transfer(network, sender, cell, args.repeat, args.budget)
            except TimeoutError as error:  # the others' figures count all the same
                late.append(str(error))
        print(f"  {cell}: " + ", ".join(f"{name} {series.median(found[cell, name].table) * 1e3:.1f} ms"
                                        for name in names if (cell, name) in found), flush=True)

    def rows(value):
        return {cell: {name: value(found[cell, name]) for name in names if (cell, name) in found} for cell in cells}

    for attribute, factor, title in COLUMNS:
        print(table(title, names, rows(
            lambda took: factor * series.median(getattr(took, attribute)) if getattr(took, attribute) else None)))
    print(table("UPDATEs of the table to one receiver", names, rows(lambda took: took.updates), ratios=False))
    print(table("resident, MiB", names, rows(lambda took: took.rss_mib)))
    if idle:
        print(table("octets a path above idle", names, {
            cell: {name: (found[cell, name].own_mib - idle[name].own_mib) * 2**20 / (cell.routes * cell.hops)
                   for name in names if (cell, name) in found} for cell in cells}, ratios=False), flush=True)
    if late:
        sys.exit("\n".join(late))


def routers(network, chosen, routes, repeat):
    senders = [sender(network) for sender in chosen]
    names = [sender.name for sender in senders]
    found = {(hops, sender.name): router.transfer(network, sender, routes, hops, repeat)
             for hops in (1, 4) for sender in senders if sender.can(routes, hops, 1)}

    def rows(value):
        return {f"{routes} x {hops}": {name: value(found[hops, name]) for name in names if (hops, name) in found}
                for hops in (1, 4)}

    print(table("ESTABLISHED to all routes in BIRD's table, ms", names, rows(lambda took: 1e3 * series.median(took.table))))
    print(table("resident, MiB", names, rows(lambda took: took.rss_mib)))
    print(table("of which its own, MiB", names, rows(lambda took: took.own_mib)))
    print(table("resident meanwhile, MiB: the router", names, rows(lambda took: took.router_rss_mib), ratios=False), flush=True)


def failing(network, chosen, trials):
    senders = [sender(network) for sender in chosen]
    names = [sender.name for sender in senders]
    found = failures.measure(network, senders, trials)
    for title, pick in (("p50", series.median), ("max", max)):
        print(table(f"to the leaf's kernel route, ms, {title} of {trials}", names, {
            fault: {name: 1e3 * pick(took) for name, took in by_name.items()} for fault, by_name in found.items()}),
            flush=True)


if __name__ == "__main__":
    main()
