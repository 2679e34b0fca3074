"""Objects as kustomize and helm render them, in one form: what is equal looks equal."""

import os
import re
import subprocess
from pathlib import Path

from lab import yaml_subset

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
BASE, CHART = HERE / "default", HERE / "chart" / "openelb"
NAMESPACE = "openelb-system"


class Renderer:
    """`tools`: the folder of kustomize and helm. `scratch`: an empty folder."""

    def __init__(self, tools, scratch):
        self.tools = tools
        self.scratch = scratch
        # Else helm writes below the home of whoever runs it.
        self.helm_home = {f"HELM_{what}_HOME": str(scratch / what) for what in ("CACHE", "CONFIG", "DATA")}

    def run(self, program, *words):
        """The finished process; whether it may fail is the caller's business."""
        return subprocess.run([self.tools / program, *map(str, words)], capture_output=True, text=True, check=False,
                              timeout=60, env=os.environ | self.helm_home)

    def build(self, folder):
        """{"Kind name": text} of a kustomization."""
        done = self.run("kustomize", "build", folder)
        assert done.returncode == 0, done.stderr
        return by_name(done.stdout)

    def overlay(self, over=BASE, **fields):
        """Likewise, of one over another one."""
        return self._kustomization(over, **fields)

    def same_form(self, text):
        """Likewise, of manifests in whatever order and indentation."""
        (self.scratch / "objects.yaml").write_text(text)
        return self._kustomization("objects.yaml")

    def template(self, *words, chart=CHART, namespace=NAMESPACE):
        """What helm would apply, CRDs too."""
        done = self.run("helm", "template", "openelb", chart, "-n", namespace, "--include-crds", *words)
        assert done.returncode == 0, done.stderr
        return self.same_form(done.stdout)

    def _kustomization(self, resource, **fields):
        if isinstance(resource, Path):
            resource = os.path.relpath(resource, self.scratch)
        lines = [f"resources: [{resource}]", *(f"{key}: {value}" for key, value in fields.items())]
        (self.scratch / "kustomization.yaml").write_text("\n".join(lines) + "\n")
        return self.build(self.scratch)


def by_name(text):
    """{"Kind name": text} of manifests as kustomize writes them."""
    found = {}
    for document in text.split("\n---\n"):
        [kind] = re.findall(r"(?m)^kind: (.*)$", document)
        [name] = re.findall(r"(?m)^metadata:\n(?:  .*\n)*?  name: (.*)$", document)
        assert f"{kind} {name}" not in found
        found[f"{kind} {name}"] = document.strip()
    return found


def parsed(objects, which):
    """One of them, to look into."""
    [value] = yaml_subset.load_all(objects[which])
    return value
