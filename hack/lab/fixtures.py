"""For suites in any folder: what a conftest.py imports from here, pytest knows there."""

import os
import signal

import pytest

from lab.control_plane import ControlPlane
from lab.run_dir import RunDir, remove_orphans


def pytest_configure():
    """SIGTERM ends a run as Ctrl-C does, in the background too: what it set up is taken down."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)


@pytest.fixture(scope="session")
def control_plane():
    """A Kubernetes API without nodes, one per test process."""
    remove_orphans("bare-")
    run_dir = RunDir(f"bare-{os.getpid()}")
    run_dir.create(topology="control-plane")
    try:
        yield ControlPlane(run_dir).up()
    finally:
        run_dir.remove()
