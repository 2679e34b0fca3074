"""Where the programs are that hack/controlplane and hack/tools build from Go modules."""

import os
import subprocess
from pathlib import Path

VARIABLES = {"controlplane": "OPENELB_CONTROL_PLANE_BIN", "tools": "OPENELB_TOOLS_BIN"}


def binaries(what):
    """The folder of the programs of "controlplane" or "tools", which are built first where they are missing (minutes;
    progress on stderr)."""
    if folder := os.environ.get(VARIABLES[what]):
        return Path(folder)
    build = Path(__file__).resolve().parents[1] / what / "build"
    return Path(subprocess.run([build], check=True, stdout=subprocess.PIPE, text=True).stdout.strip())
