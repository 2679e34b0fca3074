"""The images: the same bytes each time, what is in them, and the multi-router page with both in containerd and runc."""

import hashlib
import io
import json
import os
import re
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest
from lab import programs, yaml_subset
from lab.containers import Containerd
from lab.fabric import LEAVES, VIP
from lab.kubelet.security import capabilities
from lab.net import RouteRecorder, wait_until
from lab.topology import MultiRouter
from lab.traffic import ask
from watch import ALL, routes_unchanged

ROOT = Path(__file__).resolve().parents[2]
BASE = ROOT / "config" / "default"
WHICH = ["controller", "speaker"]
NODES = {"leaf1": "master1", "leaf2": "worker-p002"}
# Linked in, so that only the bill of materials and the licences tell.
LINKED_IN = {"libabsl-dev", "libgrpc-dev", "libgrpc++-dev", "libprotobuf-dev"}


def build(out, **environment):
    done = subprocess.run([ROOT / "hack" / "image", "--build", programs.BIN.parent, "--out", out], cwd=out, check=True, text=True,
                          stdout=subprocess.PIPE, env=os.environ | environment)
    return dict(line.split() for line in done.stdout.splitlines())


class Archive:
    """An image as its OCI archive has it."""

    def __init__(self, path):
        with tarfile.open(path) as tar:
            self._files = {entry.name: tar.extractfile(entry).read() for entry in tar if entry.isfile()}
        [described] = json.loads(self._files["index.json"])["manifests"]
        self.name = described["annotations"]["io.containerd.image.name"]
        self.digest = described["digest"]
        manifest = self._json(described)
        [layer] = manifest["layers"]
        self.config = self._json(manifest["config"])
        with tarfile.open(fileobj=io.BytesIO(self._blob(layer))) as tar:
            self.entries = {entry.name: entry for entry in tar}
            self.files = {entry.name: tar.extractfile(entry).read() for entry in tar if entry.isfile()}
        [self.bill_path] = [path for path in self.files if path.endswith(".spdx.json")]
        self.bill = json.loads(self.files[self.bill_path])

    def _blob(self, described):
        content = self._files["blobs/" + described["digest"].replace(":", "/")]
        assert (f"sha256:{hashlib.sha256(content).hexdigest()}", len(content)) == (described["digest"], described["size"])
        return content

    def _json(self, described):
        return json.loads(self._blob(described))

    def related(self, kind):
        """{what: the SPDX elements that it is so related to}"""
        found = {}
        for relation in self.bill["relationships"]:
            if relation["relationshipType"] == kind:
                found.setdefault(relation["spdxElementId"], set()).add(relation["relatedSpdxElement"])
        return found


def container_of(which):
    """(the container, its Pod's spec) that config/default starts from the image."""
    for obj in yaml_subset.load_all((BASE / f"{which}.yaml").read_text()):
        if obj["kind"] in ("Deployment", "DaemonSet"):
            pod = obj["spec"]["template"]["spec"]
            return pod["containers"][0], pod
    raise LookupError(which)


def security(which):
    container, pod = container_of(which)
    return (pod.get("securityContext") or {}) | container["securityContext"]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    build(folder)
    return folder


@pytest.fixture(params=WHICH)
def image(request, built):
    image = Archive(built / f"openelb-{request.param}.tar")
    image.which = request.param
    return image


# -- what is in them --

def test_two_builds_have_one_digest(built, tmp_path):
    """Whatever the folder, time zone, umask and order of hashes."""
    old = os.umask(0o077)
    try:
        again = build(tmp_path, TZ="Asia/Tokyo", PYTHONHASHSEED="7")
    finally:
        os.umask(old)
    for which in WHICH:
        name = f"openelb-{which}.tar"
        assert (built / name).read_bytes() == (tmp_path / name).read_bytes()
        assert again[str(tmp_path / name)] == Archive(built / name).digest


def test_it_is_started_as_the_manifests_say(image):
    container, _ = container_of(image.which)
    assert image.name == f"docker.io/{container['image']}"
    config, context = image.config["config"], security(image.which)
    user, group = config["User"].split(":")
    assert (int(user), int(group)) == (context["runAsUser"], context.get("runAsGroup", 0))
    assert {int(port.removesuffix("/tcp")) for port in config["ExposedPorts"]} == {
        port["containerPort"] for port in container["ports"]}
    assert config["Entrypoint"] == [f"/usr/bin/openelb-{image.which}"]


def test_nothing_in_it_gives_rights(image):
    for path, entry in image.entries.items():
        assert (entry.uid, entry.gid) == (0, 0), path
        assert not entry.mode & (stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX), path
        assert entry.issym() or not entry.mode & stat.S_IWOTH, path
        assert entry.isfile() or entry.isdir() or entry.issym() and not entry.linkname.startswith("/"), path
        assert not entry.pax_headers, path
    assert list(image.entries) == sorted(image.entries)


def test_its_times_are_the_commits(image):
    commit = int(subprocess.check_output(["git", "log", "-1", "--format=%ct"], cwd=ROOT))
    assert {entry.mtime for entry in image.entries.values()} == {commit}


def test_the_program_is_stripped_and_knows_no_checkout(image):
    program = image.files[f"usr/bin/openelb-{image.which}"]
    assert len(program) < (programs.BIN / f"openelb-{image.which}").stat().st_size / 2
    assert str(ROOT).encode() not in program


def test_no_shared_library_is_missing_or_useless(image):
    loaded = re.findall(r"^\s*(?:(\S+) => )?(/\S+) \(", subprocess.check_output(
        ["ldd", programs.BIN / f"openelb-{image.which}"], text=True), re.M)
    assert {path.rpartition("/")[2] for path in image.files if path.startswith("usr/lib")} == {
        name or path.rpartition("/")[2] for name, path in loaded}


def test_its_bill_of_materials_is_what_is_in_it(image):
    """Every file with its sums, every package in the version that is installed here."""
    sums = {file["fileName"].removeprefix("./"): {one["algorithm"]: one["checksumValue"] for one in file["checksums"]}
            for file in image.bill["files"]}
    assert sums == {path: {"SHA1": hashlib.sha1(content).hexdigest(), "SHA256": hashlib.sha256(content).hexdigest()}
                    for path, content in image.files.items() if path != image.bill_path}
    names = {file["SPDXID"]: file["fileName"].removeprefix("./") for file in image.bill["files"]}
    whose = image.related("CONTAINS")
    packages = {package["SPDXID"]: package for package in image.bill["packages"]}
    assert whose["SPDXRef-Image"] - names.keys() == packages.keys() - {"SPDXRef-Image"}
    for of, package in packages.items():
        held = sorted(sums[names[file]]["SHA1"] for file in whose[of] & names.keys())
        code = hashlib.sha1("".join(held).encode()).hexdigest()
        assert package["packageVerificationCode"]["packageVerificationCodeValue"] == code
        if package["supplier"] == "Organization: Debian":
            installed = subprocess.check_output(["dpkg-query", "-W", "-f=${Version}", package["name"]], text=True)
            assert package["versionInfo"] == installed
    static = {packages[one]["name"] for one in image.related("STATIC_LINK")["SPDXRef-Program"]}
    dynamic = {packages[one]["name"] for one in image.related("DYNAMIC_LINK")["SPDXRef-Program"]}
    assert static == LINKED_IN and {"libc6", "libssl3"} <= dynamic


def test_every_package_has_its_licence(image):
    debian = {package["name"] for package in image.bill["packages"] if package["supplier"] == "Organization: Debian"}
    texts = {path: content for path, content in image.files.items() if path.startswith("usr/share/doc/")}
    assert texts.keys() == {f"usr/share/doc/{name}/copyright" for name in debian} | {
        f"usr/share/doc/openelb-{image.which}/LICENSE"}
    for path in texts.keys() - {f"usr/share/doc/openelb-{image.which}/LICENSE"}:
        assert texts[path] == Path("/", path).read_bytes()
    assert b"Apache License" in texts[f"usr/share/doc/openelb-{image.which}/LICENSE"]
    for licence in ("Apache-2.0", "GPL-3", "LGPL-2.1"):
        assert f"usr/share/common-licenses/{licence}" in image.files


def test_the_dockerfile_takes_the_same_files_onto_scratch(image, tmp_path):
    """What its steps would run here, but for docker's own part and what hack/deps installs."""
    text = (ROOT / image.which / "Dockerfile").read_text()
    assert re.findall(r"(?m)^FROM (.*)$", text) == ["debian:12 AS build", "scratch"]
    taken = re.search(r"(?m)^COPY --from=build (\S+) /$", text)[1]
    [step] = re.findall(r"(?m)^RUN (hack/image .*)$", text)
    assert step.split()[:3] == ["hack/image", "--tree", taken]
    program, *words = [str(tmp_path / "tree") if word == taken else word for word in step.split()]
    subprocess.run([ROOT / program, "--build", programs.BIN.parent, *words], check=True, cwd=tmp_path)
    tree = {str(path.relative_to(tmp_path / "tree")): path for path in (tmp_path / "tree").rglob("*")}
    assert tree.keys() == image.entries.keys()
    for path, entry in image.entries.items():
        if entry.issym():
            assert os.readlink(tree[path]) == entry.linkname
        elif entry.isfile():
            assert (tree[path].read_bytes(), tree[path].stat().st_mode & 0o7777) == (image.files[path], entry.mode)


def test_an_old_program_makes_no_image(tmp_path):
    """Its version would not be the checkout's."""
    fake = tmp_path / "bin" / "openelb-speaker"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho 'openelb-speaker 0.1.0 (v0.0.1-1-gabcdef)'\n")
    fake.chmod(0o755)
    done = subprocess.run([ROOT / "hack" / "image", "--build", tmp_path, "--out", tmp_path, "speaker"], text=True,
                          capture_output=True, check=False)
    assert done.returncode == 1 and "is of v0.0.1-1-gabcdef, the checkout is" in done.stderr
    assert not list(tmp_path.glob("*.tar"))


# -- as containers --

class ContainerLab(MultiRouter):
    """Controller and speakers are containers of the images, with the arguments and the securityContext of config/default."""

    def up_with(self, built):
        self.up()
        self.recorders = {name: RouteRecorder(self[name]) for name in ("spine", *LEAVES)}
        self.containerd = Containerd(self.run_dir).up()
        self.images = {which: self.containerd.load(built / f"openelb-{which}.tar") for which in WHICH}
        user = security("controller")["runAsUser"]
        for path in [self.cluster.status_dir, *self.credentials.path.iterdir()]:
            os.chown(path, user, user)
        self.run_container("controller")
        for node in NODES.values():
            self.run_container("speaker", node)
        return self

    def run_container(self, which, node="ctl"):
        """The volumes stand where the manifest mounts them; in the place of the API server are manifests."""
        container, _ = container_of(which)
        mounts = {mount["mountPath"]: mount["name"] for mount in container.get("volumeMounts") or []}
        args, env = container["args"], {"NODE_NAME": node, "OPENELB_NAMESPACE": "openelb-system"}
        if which == "controller":
            tls = self.credentials
            args = [*args, "--manifests=/manifests", "--status-dir=/status", f"--plan-tls-cert=/tls/{tls.cert.name}",
                    f"--plan-tls-key=/tls/{tls.key.name}", f"--token-file=/tls/{tls.tokens.name}",
                    f"--metrics-tls-ca=/tls/{tls.ca.name}"]
            mounts = {"/manifests": (self.cluster.manifests, False), "/status": (self.cluster.status_dir, True),
                      "/tls": (tls.path, False)}
        else:
            sources = {"controllers": self._controllers(), "token": self._token(node), "state": self.state(node)}
            mounts = {path: (sources[name], name == "state") for path, name in mounts.items()}
            mounts["/etc/hosts"] = (self.run_dir.path / "etc-hosts", False)  # as a kubelet does
        self.containerd.start(f"{which}.{node}", self.images[which], self[node], security(which), [
            f"/usr/bin/openelb-{which}", *args], env, mounts)

    def state(self, node):
        """The speaker's hostPath, as a kubelet makes it."""
        folder = self.run_dir.path / "state" / node
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _controllers(self):
        """The ConfigMap's files. The controller goes by a name, which only /etc/hosts has."""
        folder = self.run_dir.path / "controllers"
        folder.mkdir(exist_ok=True)
        (folder / "endpoints").write_text(f"the-controller.test:{programs.PLAN_PORT}\n")
        (folder / "ca.crt").write_bytes(self.credentials.ca.read_bytes())
        (self.run_dir.path / "etc-hosts").write_text(f"{self.controller_address} the-controller.test\n")
        return folder

    def _token(self, node):
        folder = self.run_dir.path / "token" / node
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "token").write_bytes(self.credentials.token(node).read_bytes())
        return folder


@pytest.fixture(scope="module")
def lab(built):
    lab = ContainerLab(f"suite-images-{os.getpid()}", router="frr")
    try:
        yield lab.up_with(built)
    except BaseException:
        print(lab.program_logs())
        raise
    finally:
        lab.down()


def test_the_documented_routes_reach_the_leaves(lab):
    lab.wait_documented(timeout=30)
    wait_until(lambda: not ask(lab["client"], VIP, 30).lost, what="answers to a client")
    assert set(ask(lab["client"], VIP, 300).answers) == ALL
    assert lab.cluster.service_ips("bgp-svc") == [VIP]


@pytest.mark.parametrize("which", WHICH)
def test_it_says_the_checkouts_version(lab, which):
    describe = subprocess.check_output(["git", "describe", "--always", "--match", "v*"], cwd=ROOT, text=True).strip()
    version = re.search(r"project\(openelb VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())[1]
    said = lab.containerd.run(lab.images[which], f"/usr/bin/openelb-{which}", "--version")
    assert said.strip().replace("-dirty", "") == f"openelb-{which} {version} ({describe})"


@pytest.mark.parametrize("name", ["controller.ctl", *(f"speaker.{node}" for node in NODES.values())])
def test_it_has_the_rights_that_the_manifest_gives(lab, name):
    """As the kernel tells of the running process."""
    pid, context = lab.containerd.pid(name), security(name.split(".")[0])
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    assert status["Uid"].split() == [str(context["runAsUser"])] * 4
    bits = {"NET_BIND_SERVICE": 10, "NET_ADMIN": 12, "NET_RAW": 13}
    wanted = sum(1 << bits[one] for one in capabilities(context))
    assert int(status["CapBnd"], 16) == wanted
    assert int(status["CapEff"], 16) == (wanted if context["runAsUser"] == 0 else 0)
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    root = next(line.split() for line in Path(f"/proc/{pid}/mounts").read_text().splitlines() if line.split()[1] == "/")
    assert "ro" in root[3].split(",")


def test_a_speaker_keeps_its_state_on_the_node(lab):
    """In a folder for itself alone: with the controller gone and killed itself, it announces what was planned."""
    folder = lab.state("worker-p002")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    wait_until(lambda: list(folder.iterdir()), what="a saved plan")
    lab.wait_documented()
    lab.containerd.end("controller.ctl")
    with routes_unchanged(lab):
        pass
    lab.containerd.end("speaker.worker-p002")
    lab.routers["leaf2"].wait_kernel("172.22.0.2/32", {LEAVES["leaf2"].spine}, 10)
    lab.run_container("speaker", "worker-p002")
    lab.wait_documented(timeout=30)
    lab.run_container("controller")
    lab.wait_documented()


def test_it_leaves_in_order(lab):
    """SIGTERM reaches the program, which is the container's first process."""
    lab.wait_documented()
    lab.containerd.end("speaker.worker-p002", "SIGTERM")
    lab.run_container("speaker", "worker-p002")
    lab.wait_documented(timeout=30)
