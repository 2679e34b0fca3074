"""For suites in any folder: what a conftest.py imports from here, pytest knows there."""

import os
import signal

import pytest

from lab.control_plane import ControlPlane
from lab.run_dir import RunDir, remove_orphans
from lab.traffic import Lost

_TOLD = pytest.StashKey()


def pytest_configure():
    """SIGTERM ends a run as Ctrl-C does, in the background too: what it set up is taken down."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter, config):
    """What clients lost, case by case, as a table of Markdown."""
    if config.stash.get(_TOLD, False):
        return  # each conftest.py that has this function asks
    config.stash[_TOLD] = True
    cases = [("/".join(report.nodeid.partition("::")[0].split("/")[-2:]), what)
             for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, ())
             for name, what in report.user_properties if name == Lost.__name__ and report.when == "call"]
    if cases:
        terminalreporter.section("requests lost")
        for line in ("| suite | case | lost, of | at most at a time, ms |", "| --- | --- | --- | --- |"):
            terminalreporter.write_line(line)
        for suite, what in cases:
            terminalreporter.write_line(
                f"| `{suite}` | {what.case} | {what.lost}, {what.total} | {what.longest * 1000:.0f} |")


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
