"""One lab per module; every test starts from the documented state and leaves it so."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "hack"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from lab.fabric import LEAVES  # noqa: E402
from lab.fixtures import pytest_configure, pytest_terminal_summary  # noqa: E402, F401
from lab.net import RouteRecorder, wait_until  # noqa: E402
from lab.run_dir import remove_orphans  # noqa: E402
from lab.topology import MultiRouter  # noqa: E402


def pytest_sessionstart():
    remove_orphans("suite-")


def pytest_generate_tests(metafunc):
    """Every test of a module that uses the lab runs with each of the module's ROUTERS, and from each of its SPELLINGS:
    folders of config/samples that say the same."""
    if "lab_router" in metafunc.fixturenames:
        metafunc.parametrize("lab_router", getattr(metafunc.module, "ROUTERS", ["bird"]), indirect=True)
        metafunc.parametrize("lab_samples", getattr(metafunc.module, "SPELLINGS", ["multi-router"]), indirect=True)


@pytest.fixture(scope="module")
def lab_router(request):
    return request.param


@pytest.fixture(scope="module")
def lab_samples(request):
    return request.param


@pytest.fixture(scope="module")
def shared_lab(request, lab_router, lab_samples):
    """The module's lab with controller and speakers, at the documented state."""
    name = request.module.__name__.rpartition(".")[2].removeprefix("test_")
    lab = MultiRouter(f"suite-{name}-{lab_router}-{lab_samples}-{os.getpid()}", router=lab_router, samples=lab_samples)
    try:
        lab.up()
        lab.recorders = {name: RouteRecorder(lab[name]) for name in ("spine", *LEAVES)}
        lab.start_controller()
        lab.start_speakers()
        lab.wait_documented()
        request.node.lab = lab
        yield lab
    except BaseException:
        print(lab.program_logs())
        raise
    finally:
        lab.down()


@pytest.fixture
def lab(shared_lab):
    """Undoes what the test did: manifests, routers' neighbours, programs that it ended."""
    saved = {path.name: path.read_bytes() for path in shared_lab.cluster.manifests.iterdir()}
    neighbors = {name: dict(router.config.neighbors) for name, router in shared_lab.routers.items()}
    speakers = dict(shared_lab.speakers)
    yield shared_lab
    for path in shared_lab.cluster.manifests.iterdir():
        if path.name not in saved:
            path.unlink()
    for name, content in saved.items():
        path = shared_lab.cluster.manifests / name
        if not path.exists() or path.read_bytes() != content:
            shared_lab.cluster.write(name, content.decode())
    for name, router in shared_lab.routers.items():
        if router.config.neighbors != neighbors[name]:
            router.config.neighbors = neighbors[name]
            router.apply()
    if not shared_lab.controller.running():
        shared_lab.start_controller()
    for node in shared_lab.speakers.keys() - speakers.keys():
        shared_lab.speakers.pop(node).kill()
    for node in speakers:
        if not shared_lab.speakers[node].running():
            shared_lab.start_speaker(node)
    shared_lab.wait_documented()
    _wait_peers(shared_lab)


def _wait_peers(lab):
    """Until no speaker holds a session with a peer that a test added: the next one may use its address."""
    peers = {peer["metadata"]["name"] for peer in lab.cluster.objects("BgpPeer")}
    for node, speaker in lab.speakers.items():
        wait_until(lambda: speaker.label_values("openelb_speaker_bgp_session_state", "name") <= peers,
                   what=f"{node}: no session but with {sorted(peers)}")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure shows what our programs said."""
    report = (yield).get_result()
    lab = item.funcargs.get("shared_lab") if hasattr(item, "funcargs") else None
    if report.failed and lab is not None:
        report.sections.append(("programs", lab.program_logs()))
