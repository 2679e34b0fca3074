"""Debian's containerd and runc, private to a lab: images from archives, containers in the networks of its hosts.

Everything of theirs is below the lab's folder, in its cgroup or in a mount namespace of its own, so that taking the lab down
takes them down, in whatever state they are.
"""

import shlex

from lab.kubelet.security import DEFAULT_CAPABILITIES, capabilities
from lab.net import run, wait_until

CONFIG = """version = 2
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "{folder}/socket"
[ttrpc]
  address = "{folder}/socket.ttrpc"
"""
# An overlay cannot lie on every file system, such as another one.
SNAPSHOTTER = "--snapshotter=native"


class Containerd:
    def __init__(self, run_dir):
        self._run_dir = run_dir
        self._folder = run_dir.path / "containerd"

    def up(self):
        self._folder.mkdir()
        (self._folder / "config").write_text(CONFIG.format(folder=self._folder))
        cgroup = self._run_dir.cgroup("containerd")
        cgroup.create()
        # Its shims and runc have fixed places in /run/containerd. They outlive it, but not their cgroup.
        script = (f"echo $$ >{cgroup.procs} && mkdir -p /run/containerd && mount -t tmpfs none /run/containerd && "
                  f"exec containerd --config {shlex.quote(str(self._folder / 'config'))}")
        self._run_dir.spawn("containerd", ["unshare", "--mount", "sh", "-c", script])
        wait_until(lambda: self.ctr("version"), what="containerd")
        return self

    def ctr(self, *words, check=True):
        return run("ctr", f"--address={self._folder / 'socket'}", *words, check=check)

    def load(self, archive):
        """Returns the image's name."""
        before = set(self.ctr("images", "list", "--quiet").split())
        self.ctr("images", "import", SNAPSHOTTER, archive)
        name, = set(self.ctr("images", "list", "--quiet").split()) - before
        return name

    def run(self, image, *command):
        """The output of a container that ends by itself."""
        fifos = self._folder / "fifos"  # which ctr and the shim, in mount namespaces of their own, both see
        return self.ctr("run", "--rm", "--read-only", SNAPSHOTTER, f"--fifo-dir={fifos}", f"--cgroup={self._cgroup('once')}",
                        image, "once", *command)

    def start(self, name, image, host, context, command, env, mounts):
        """A container that stays, in the network of `host`, under a manifest's securityContext but for its user, which is the
        image's. `mounts`: {path in it: (folder or file, whether it may write)}. Its log is the lab's of that name."""
        wanted = capabilities(context)
        words = [*(f"--cap-drop=CAP_{one}" for one in sorted(DEFAULT_CAPABILITIES - wanted)),
                 *(f"--cap-add=CAP_{one}" for one in sorted(wanted - DEFAULT_CAPABILITIES)),
                 *(f"--env={key}={value}" for key, value in env.items()),
                 *(f"--mount=type=bind,src={source},dst={path},options=rbind:{'rw' if writes else 'ro'}"
                   for path, (source, writes) in mounts.items())]
        if context.get("readOnlyRootFilesystem"):
            words.append("--read-only")
        if context.get("allowPrivilegeEscalation") is not False:
            words.append("--allow-new-privs")
        if (context.get("seccompProfile") or {}).get("type") == "RuntimeDefault":
            words.append("--seccomp")
        self.ctr("run", "--detach", SNAPSHOTTER, f"--cgroup={self._cgroup(name)}",
                 f"--with-ns=network:/run/netns/{host.netns}", f"--log-uri=file://{self._run_dir.log(name)}", *words, image, name,
                 *command)

    def pid(self, name):
        """Of the container's first process."""
        return next(int(line.split()[1]) for line in self.ctr("tasks", "list").splitlines() if line.split()[0] == name)

    def end(self, name, signal="SIGKILL"):
        """Ends and forgets a container. Returns its exit code."""
        self.ctr("tasks", "kill", f"--signal={signal}", name)
        wait_until(lambda: " STOPPED" in next(line for line in self.ctr("tasks", "list").splitlines() if line.split()[0] == name),
                   20, what=f"{name} has ended")
        code = self.ctr("tasks", "delete", name, check=False)
        self.ctr("containers", "delete", name)
        return code

    def _cgroup(self, name):
        return f"/openelb-lab/{self._run_dir.name}/containers/{name}"
