"""Fixtures for suites in any folder: `from lab.fixtures import control_plane` makes it known there."""

import os

import pytest

from lab.control_plane import ControlPlane
from lab.run_dir import RunDir, remove_orphans


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
