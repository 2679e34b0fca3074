import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "hack"))

from lab.fixtures import control_plane, pytest_configure  # noqa: E402, F401
from lab.go_programs import binaries  # noqa: E402
from rendered import Renderer  # noqa: E402


@pytest.fixture
def renderer(tmp_path):
    return Renderer(binaries("tools"), tmp_path)
