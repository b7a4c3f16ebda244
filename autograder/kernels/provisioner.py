"""
Kernel provisioner behind the kernel name ``warm``.

Any Jupyter client (nbclient, nbval, papermill, JupyterLab) that asks for the kernel ``warm`` gets one forked from this
process's fork server. Where forking is not to be had the kernel starts cold, and everything else is the same.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from jupyter_client.provisioning import LocalProvisioner

from autograder.kernels.process import CALM, ForkedProcess, can_fork, shared_server
from autograder.kernels.server import Request
from autograder.sandbox import SandboxError

_MODULE_SWITCH = "-m"


def _finish(ended: asyncio.Future[None]) -> None:
    if not ended.done():
        ended.set_result(None)


class WarmProvisioner(LocalProvisioner):  # type: ignore[misc]
    """Launches kernels by forking; signals, polling and clean-up are those of any local process."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Fork a kernel for the connection file that ``cmd`` names."""
        if not can_fork():
            if kwargs.pop("policy", None) is not None:
                raise SandboxError("namespaces", "kernels cannot be forked on this system", "Grade on Linux.")
            return await super().launch_kernel(cmd, **kwargs)
        arguments = cmd[cmd.index(_MODULE_SWITCH) + 2 :] if _MODULE_SWITCH in cmd else cmd[1:]
        environment = {**os.environ, **CALM} if kwargs.get("env") is None else {**CALM, **kwargs["env"]}
        self.process = shared_server().fork(
            Request(arguments, str(kwargs.get("cwd") or Path.cwd()), environment, kwargs.get("policy"))
        )
        self.pid = self.process.pid
        self.pgid = self.process.pid  # a session of its own, see server.py
        self.cwd = kwargs.get("cwd")
        return self.connection_info

    async def wait(self) -> int | None:
        """Wait for the kernel's end."""
        if isinstance(self.process, ForkedProcess) and self.process.poll() is None:
            loop = asyncio.get_running_loop()
            ended = loop.create_future()
            descriptor = self.process.fileno()
            loop.add_reader(descriptor, _finish, ended)
            try:
                await ended
            finally:
                loop.remove_reader(descriptor)
        code: int | None = await super().wait()
        return code
