"""What ../cases.md names is there."""

import re
from pathlib import Path

E2E = Path(__file__).resolve().parents[1]
FOLDERS = {"s": E2E / "suites", "k": E2E / "kubernetes"}


def test_every_named_test_exists():
    text = (E2E / "cases.md").read_text()
    named = re.findall(r"\b([sk]) `(\w+)::(\w+)`", text)
    missing = [f"{file}::{test}" for where, file, test in named
               if f"def test_{test}(" not in (FOLDERS[where] / f"test_{file}.py").read_text()]
    assert named and missing == []
    sources = re.findall(r"`([\w/]+_test\.cc)`", text)
    assert sources and [path for path in sources if not (E2E.parent / path).exists()] == []
