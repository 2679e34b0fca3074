"""Layer 2 and VIP mode on nodes with two NICs, each on a LAN with a client of its own: pools of both families on both."""

import json
import time

import pytest
from lab import dual_stack
from lab.dual_stack import v6_of
from lab.lan import CLIENT, NODES, OUTAGE_S, PODS, SPEAKERS, Lan, endpoint_slice, second
from lab.net import run, wait_until
from lab.traffic import counted

# By pool: the address, the client on whose LAN it is, the nodes' NIC there, and how the Eip says so.
FIRST, SECOND = ("client", "eth0"), ("client2", "eth1")
ADDRESS, ADDRESS6 = "192.168.0.91", v6_of("192.168.0.91")
OTHER, OTHER6 = second(ADDRESS), v6_of(second(ADDRESS))
POOLS = {ADDRESS: (*FIRST, "eth0"), ADDRESS6: (*FIRST, f"can_reach:{v6_of(CLIENT)}"),
         OTHER: (*SECOND, "eth1"), OTHER6: (*SECOND, f"can_reach:{second(CLIENT)}")}
WARM = "192.168.0.12"  # of clients beside these, whose neighbour cache stays as it is
NAMES = {ADDRESS6: "first6", OTHER: "second", OTHER6: "second6"}


@pytest.fixture(scope="module", params=["layer2", "vip"])
def shared_lab(request):
    mode = request.param
    with Lan.running(f"{mode}-quick-start", f"{mode}-svc", ADDRESS) as lab:
        lab.mode = mode
        lab.add_second()
        lab.attach("warm", WARM)
        lab.add_host("warm2")
        lab.plug_in("warm2", second(WARM), switch="switch2")
        dual_stack.enable(lab)
        for address, node in PODS.items():
            dual_stack.start_pod(lab, f"pod6-{address}", node, address)
        for node, address in NODES.items():
            lab.cluster.edit("Node", node, lambda o, v6=v6_of(address): o["status"]["addresses"].append(
                {"type": "InternalIP", "address": v6}))
        for address, name in NAMES.items():
            lab.cluster.apply(*pool(mode, name, address, POOLS[address][2]))
        for client, foreign in (("client", (OTHER, OTHER6)), ("client2", (ADDRESS, ADDRESS6))):
            lab[client].ip(*(f"route add {address} dev eth0" for address in foreign))
        yield lab


@pytest.fixture
def lab(shared_lab):
    """Every address is answered for by one node."""
    for address in POOLS:
        owner(shared_lab, address)
    return shared_lab


def pool(mode, name, address, interface):
    """An Eip, a Service that takes the first address from it, and the endpoints."""
    six = ":" in address
    yield {"apiVersion": "network.kubesphere.io/v1alpha2", "kind": "Eip", "metadata": {"name": name},
           "spec": {"address": f"{address}-{address[:-2]}99", "interface": interface, "protocol": mode}}
    yield {"apiVersion": "v1", "kind": "Service",
           "metadata": {"name": name, "namespace": "default",
                        "annotations": {"lb.kubesphere.io/v1alpha1": "openelb",
                                        "eip.openelb.kubesphere.io/v1alpha2": name}},
           "spec": {"type": "LoadBalancer", "ipFamilies": ["IPv6" if six else "IPv4"],
                    "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}}
    yield endpoint_slice(name, {v6_of(pod) if six else pod: node for pod, node in PODS.items()})


def eip(lab, address):
    return NAMES.get(address, f"{lab.mode}-eip")


def claimed(lab, address):
    """The nodes that answer, by the Eip's status."""
    owners = lab.cluster.status("Eip", eip(lab, address)).get("owners") or [{}]
    return owners[0].get("actual") or []


def station(lab, address, client):
    """The node and NIC (or else the MAC) that answer a client which asks for the address anew; None: nobody does."""
    lab[client].exec("ip", "neigh", "del", address, "dev", "eth0", check=False)
    host = f"[{address}]" if ":" in address else address
    lab[client].exec("curl", "-s", "-o", "/dev/null", "--max-time", "1", f"http://{host}/", check=False)
    entry = json.loads(run("ip", "-n", lab[client].netns, "-j", "neigh", "show", address, "dev", "eth0") or "[]")
    heard = entry[0].get("lladdr") if entry else None
    links = {(node, link["ifname"]): link.get("address") for node in SPEAKERS
             for link in json.loads(run("ip", "-n", lab[node].netns, "-j", "link"))}
    return next((link for link, own in links.items() if own == heard), heard)


def owner(lab, address):
    """The node that answers on the address's own LAN, once status and wire agree on one."""
    client, nic, _ = POOLS[address]

    def agreed():
        nodes = claimed(lab, address)
        return len(nodes) == 1 and station(lab, address, client) == (nodes[0], nic) and nodes[0]
    return wait_until(agreed, 15, 0.1, what=f"one node that answers for {address} with {nic}")


def condition(lab, what, name="second"):
    """Its message on an Eip, that of OTHER by default; None: there is no such condition."""
    return next((c["message"] for c in lab.cluster.status("Eip", name).get("conditions") or [] if c["type"] == what), None)


def unplug(lab, nodes, unplugged=True):
    """From the second LAN."""
    for node in nodes:
        lab.unplug(node, unplugged, "switch2")


def test_every_address_is_on_its_own_lan(lab):
    """Nobody answers for it on the other one. (In VIP mode the node has it, and Linux answers for all that a host has.)"""
    for address, (client, nic, _) in POOLS.items():
        assert station(lab, address, client) == (owner(lab, address), nic)
        if lab.mode == "layer2":
            assert station(lab, address, "client2" if client == "client" else "client") is None


def test_a_nic_that_goes_down_moves_its_addresses_alone(lab, record_property):
    stays = owner(lab, ADDRESS)
    others = [node for node in SPEAKERS if node != stays]
    unplug(lab, others)  # all of the second LAN to the node that answers on the first
    for address in (OTHER, OTHER6):
        wait_until(lambda a=address: owner(lab, a) == stays, what=f"{address} at {stays}")
    unplug(lab, others, False)
    first = {address: owner(lab, address) for address in (ADDRESS, ADDRESS6)}
    time.sleep(1)  # standbys that were gone watch again
    case = f"{lab.mode}: one of two cables pulled"
    try:
        with counted(record_property, f"{case}, other LAN", lab["warm"], ADDRESS, {stays}, OUTAGE_S) as still, \
                counted(record_property, case, lab["warm2"], OTHER, {stays}, OUTAGE_S) as client:
            since = time.time()
            unplug(lab, [stays])
            moved = {address: owner(lab, address) for address in (OTHER, OTHER6)}
            assert stays not in moved.values()
            still.wait_flow({stays})
            client.wait_flow({moved[OTHER]})
            unplug(lab, [stays], False)
            client.wait_flow({moved[OTHER]})
        assert still.count(since).lost == []
        assert {address: owner(lab, address) for address in first} == first
        assert {address: owner(lab, address) for address in moved} == moved  # nothing is taken back
    finally:
        unplug(lab, SPEAKERS, False)


# What happens to eth1 of every node, and how it is undone.
FAULTS = {
    "missing": (["link del eth1"], None),
    "down": (["link set eth1 down"], ["link set eth1 up"]),
    "renamed": (["link set eth1 down", "link set eth1 name lan1", "link set lan1 up"],
                ["link set lan1 down", "link set lan1 name eth1", "link set eth1 up"]),
    "without an address": (["addr del {} dev eth1"], ["addr add {} dev eth1"]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_interface(lab, fault):
    """Its Eip has a condition that names it; the other LAN's addresses stay where they are."""
    first = {address: owner(lab, address) for address in (ADDRESS, ADDRESS6)}
    do, undo = FAULTS[fault]
    for node in SPEAKERS:
        lab[node].ip(*(line.format(f"{second(NODES[node])}/24") for line in do))
    try:
        seen = wait_until(lambda: condition(lab, "NoOwner"), what="a condition")
        assert OTHER in seen and "interface eth1" in seen
        wait_until(lambda: station(lab, OTHER, "client2") is None, what=f"silence about {OTHER}")
        assert {address: owner(lab, address) for address in first} == first
    finally:
        for node in SPEAKERS:
            address = second(NODES[node])
            if undo is None:
                lab.plug_in(node, address, "eth1", "switch2")
            else:
                lab[node].ip(*(line.format(f"{address}/24") for line in undo))
            lab[node].ip(f"addr replace {v6_of(address)}/64 dev eth1 nodad")
    owner(lab, OTHER)
    wait_until(lambda: condition(lab, "NoOwner") is None, what="no condition")


def test_no_carrier(lab):
    unplug(lab, SPEAKERS)
    try:
        assert OTHER in wait_until(lambda: condition(lab, "NoCarrier"), what="a condition")
    finally:
        unplug(lab, SPEAKERS, False)
    owner(lab, OTHER)
    wait_until(lambda: condition(lab, "NoCarrier") is None, what="no condition")


def test_nic_that_the_eip_does_not_name(lab):
    """As on OpenELB 0.5's pages. VIP mode without an interface: the NIC on whose network the address is. Layer 2: the NIC with
    the address that a node is annotated with."""
    def set_interface(name):
        lab.cluster.edit("Eip", "second", lambda o: o["spec"].pop("interface", None))
        if name:
            lab.cluster.edit("Eip", "second", lambda o: o["spec"].update(interface=name))

    def annotate(address):
        lab.cluster.edit("Node", "worker1", lambda o: o["metadata"].update(
            annotations={"layer2.openelb.kubesphere.io/v1alpha1": address} if address else {}))
    try:
        set_interface("lan9")
        wait_until(lambda: station(lab, OTHER, "client2") is None, what=f"silence about {OTHER}")
        if lab.mode == "vip":
            set_interface(None)
            owner(lab, OTHER)
        else:
            annotate(second(NODES["worker1"]))
            assert owner(lab, OTHER) == "worker1"
    finally:
        annotate(None)
        set_interface("eth1")


def test_addresses_on_no_network(lab):
    """With offLink, on the NIC that the Eip names; the clients there have a route to them."""
    address, name = "203.0.113.91", "off-link"
    made = list(pool(lab.mode, name, address, "eth1"))
    lab["client2"].ip("route add 203.0.113.0/24 dev eth0")
    POOLS[address], NAMES[address] = (*SECOND, "eth1"), name
    try:
        lab.cluster.apply(*made)
        refused = wait_until(lambda: condition(lab, "NoOwner", name), what="a condition")
        assert address in refused and "a network there that contains the address" in refused
        lab.cluster.edit("Eip", name, lambda o: o["spec"].update(offLink=True))
        owner(lab, address)
        wait_until(lambda: condition(lab, "NoOwner", name) is None, what="no condition")
        wait_until(lambda: lab["client2"].exec("curl", "-sf", "-m", "1", f"http://{address}/", check=False).strip(),
                   what=f"an answer of {address}")
    finally:
        for obj in made:
            lab.cluster.delete(obj["kind"], obj["metadata"]["name"])
        del POOLS[address], NAMES[address]
        lab["client2"].ip("route del 203.0.113.0/24 dev eth0")


def test_what_is_reached_over_the_default_route(lab):
    """can_reach of an address behind a gateway means the NIC of the default route, also when that changes."""
    def lead(gateway, nic):
        for node in SPEAKERS:
            lab[node].ip(f"route replace default via {gateway} dev {nic}")

    def set_interface(name):
        lab.cluster.edit("Eip", "second", lambda o: o["spec"].update(interface=name))
    lead(CLIENT, "eth0")
    try:
        set_interface("can_reach:198.51.100.1")
        assert "can_reach:198.51.100.1" in wait_until(lambda: condition(lab, "NoOwner"), what="a condition")
        lead(second(CLIENT), "eth1")
        wait_until(lambda: condition(lab, "NoOwner") is None, what="no condition")
        owner(lab, OTHER)
    finally:
        set_interface("eth1")
        for node in SPEAKERS:
            lab[node].ip("route del default")
    owner(lab, OTHER)
