import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "hack"))

from lab.fixtures import control_plane, pytest_configure  # noqa: E402, F401
