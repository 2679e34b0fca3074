"""What an image stands for on this machine: a table {image: what}, where what is the words of a command, or
{"entrypoint": words, "files": {path in the container: file of the machine}, "env": {...}}."""

import json
import re
from pathlib import Path
from typing import NamedTuple


class Image(NamedTuple):
    entrypoint: list
    files: dict
    env: dict


class Images:
    def __init__(self, path):
        self._path = Path(path)

    def find(self, name):
        """The Image of a reference, whose registry, tag and digest do not count; None if the table has none. The
        file is read anew, so an upgrade is a new line in it."""
        table = json.loads(self._path.read_text())
        found = table.get(name, table.get(plain(name)))
        if found is None or isinstance(found, Image):
            return found
        if isinstance(found, list):
            found = {"entrypoint": found}
        return Image(found.get("entrypoint", []), found.get("files", {}), found.get("env", {}))


def plain(name):
    """docker.io/kubesphere/openelb-speaker:v1@sha256:... -> kubesphere/openelb-speaker"""
    name = re.sub(r"(:[^:/]+)?$", "", name.partition("@")[0])
    first, slash, rest = name.partition("/")
    return rest if slash and ("." in first or ":" in first or first == "localhost") and rest.count("/") else name
