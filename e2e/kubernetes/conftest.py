"""One cluster per module, OpenELB installed in it from config/default, unmodified."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
for folder in (ROOT / "hack", ROOT / "e2e" / "suites", Path(__file__).resolve().parent):
    sys.path.insert(0, str(folder))

from faults import assert_writers, wait_attached  # noqa: E402
from lab.control_plane import FAST_NODES  # noqa: E402
from lab.fixtures import pytest_configure, pytest_terminal_summary  # noqa: E402, F401
from lab.installed import InstalledLab  # noqa: E402
from lab.kubernetes_topology import NODES  # noqa: E402
from lab.run_dir import remove_orphans  # noqa: E402


def pytest_sessionstart():
    remove_orphans("k8s-")


@pytest.fixture(scope="module")
def cluster(request):
    """The module's cluster: a controller leads, another stands by, a speaker is Ready on every node, nothing is
    configured yet. In the end the API server has denied nothing to our programs. A module may set ROUTER ("bird" by
    default; an indirect parameter comes first) and FLAGS of the control plane."""
    router = getattr(request, "param", getattr(request.module, "ROUTER", "bird"))
    name = request.module.__name__.rpartition(".")[2].removeprefix("test_").replace("_", "-")
    flags = getattr(request.module, "FLAGS", (FAST_NODES,))
    lab = InstalledLab(f"k8s-{name[:12]}-{os.getpid()}", router, flags=flags)
    request.node.cluster = lab
    try:
        yield lab.up().install()
        denied = lab.denied()
        assert denied == [], denied
    except BaseException:
        print(lab.program_logs())
        raise
    finally:
        lab.down()


@pytest.fixture(scope="module")
def documented(cluster):
    """The module's cluster after the multi-router page: the Service bgp-svc is on every router."""
    return cluster.multi_router()


@pytest.fixture
def lab(documented):
    """For faults: the documented cluster, whose speakers are attached to a leader; and so it heals afterwards, and only
    who led has written what is a leader's."""
    wait_attached(documented)
    yield documented
    try:
        documented.wait_nodes(*NODES)
        documented.wait_installed()
        wait_attached(documented)
    except BaseException:
        print(documented.program_logs())  # the cluster may be gone before the report is made
        raise
    assert_writers(documented)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure shows what our programs said."""
    report = (yield).get_result()
    lab = item.funcargs.get("cluster") if hasattr(item, "funcargs") else None
    if report.failed and lab is not None:
        report.sections.append(("programs", lab.program_logs()))
