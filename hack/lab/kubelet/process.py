"""A container's first process: our child, or one that an earlier stand-in left running."""

import asyncio
import os
import signal

from lab.run_dir import start_time

UNKNOWN_EXIT = 137  # what a kubelet says of a container whose end it has not seen


class ContainerProcess:
    def __init__(self, pid, child=None):
        self.pid = pid
        self.started = start_time(pid)
        self._child = child
        self._fd = os.pidfd_open(pid)
        self.ended = asyncio.get_running_loop().create_future()  # its exit code
        asyncio.get_running_loop().add_reader(self._fd, self._end)

    @classmethod
    def adopt(cls, pid, started):
        """The process of that pid and start time; None if it has ended."""
        try:
            found = cls(pid)
        except OSError:
            return None
        if started is None or found.started != started:
            found._forget()
            return None
        return found

    def signal(self, number):
        if not self.ended.done():
            signal.pidfd_send_signal(self._fd, number)

    async def wait(self):
        """The exit code; 128 + n after signal n."""
        return await asyncio.shield(self.ended)

    def _end(self):
        code = UNKNOWN_EXIT if self._child is None else self._child.wait()
        self._forget()
        self.ended.set_result(128 - code if code < 0 else code)

    def _forget(self):
        asyncio.get_running_loop().remove_reader(self._fd)
        os.close(self._fd)
