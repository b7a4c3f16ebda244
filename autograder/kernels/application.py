"""
ipykernel's application as the grader needs it: without what only a person at a notebook would use.

A cell that does nothing takes 0.9 ms of processor time in place of 2.1: `python -m benchmarks --part cell`.
"""

from __future__ import annotations

import contextlib
import re
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from ipykernel import ipkernel
from ipykernel.iostream import OutStream
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp
from traitlets import Bool, Type
from traitlets.config import Config

from autograder.kernels.shell import Compiler, ZMQInteractiveShell

_SWITCH = re.compile(r"--(?P<of>\w+)\.(?P<name>\w+)=(?P<value>True|False)")


class Stream(OutStream):  # type: ignore[misc]
    """
    A standard stream that waits for the thread that publishes it only while there is something to publish.

    ipykernel flushes both streams twice a cell, whether they hold anything or not.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._is_publishing = False
        super().__init__(*arguments, **options)

    def flush(self) -> None:
        """Publish what was written: when it returns, that stands in the queue before whatever is published next."""
        with self._buffer_lock:
            is_done = not self._buffers and not self._is_publishing
        if not is_done:
            super().flush()

    def _flush(self) -> None:
        # Told before the buffers are taken, which the other thread looks at under their lock.
        self._is_publishing = True
        try:
            super()._flush()
        finally:
            self._is_publishing = False


class _FewModules:
    """The module ``sys``, with no modules to be listed."""

    modules: ClassVar[dict[str, Any]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(sys, name)


@contextlib.contextmanager
def _few_modules() -> Iterator[None]:
    ipkernel.sys = _FewModules()
    try:
        yield
    finally:
        ipkernel.sys = sys


class _NoThread:
    """Stands where the thread for subshells would, which ipykernel asks whose thread a cell that awaits runs in."""

    def __init__(self) -> None:
        self.parent_thread = threading.current_thread()

    def __bool__(self) -> bool:
        return False


class WarmKernel(IPythonKernel):  # type: ignore[misc]
    """
    A kernel that does not list its thousands of modules for a debugger which it has not.

    Whoever looks at a module writes into its memory (a count of references), which forked kernels share until then:
    it would be two thirds of all that a kernel copies while it starts.
    """

    _supports_kernel_subshells = False
    shell_class = Type(ZMQInteractiveShell)
    compiler_class = Type(Compiler)
    is_terse = Bool(False, help="Of a request, tell the outputs and the end alone.").tag(config=True)

    def __init__(self, **traits: Any) -> None:
        with _few_modules():
            super().__init__(**traits)
        # Outputs and the end of a cell are published in one queue: nothing is gained by a pause between them.
        self._execute_sleep = 0.0

    def _publish_execute_input(self, *arguments: Any) -> None:
        if not self.is_terse:
            super()._publish_execute_input(*arguments)

    def _publish_status(self, status: str, *arguments: Any) -> None:
        if not self.is_terse or status != "busy":
            super()._publish_status(status, *arguments)


class Application(IPKernelApp):  # type: ignore[misc]
    """
    A kernel's application without subshells, which run cells beside a cell, and without a heartbeat.

    A thread for subshells would stand between a message and the kernel. Whether it lives is seen by its process.
    """

    shell_channel_thread: Any

    def __init__(self, **traits: Any) -> None:
        super().__init__(kernel_class=WarmKernel, outstream_class=f"{__name__}.{Stream.__name__}", **traits)
        # Jupyter makes a record of each message for a handler that then leaves it out.
        self.logging_config = {"loggers": {type(self).__name__: {"level": "WARNING"}}}

    def parse_command_line(self, argv: Sequence[str] | None = None) -> None:
        """
        Read the options of a kernel.

        Those that the grader gives are read here: for a few words, traitlets makes a parser of all that there is.
        """
        match list(argv or ()):
            case ["-f", connection_file, *words] if all(switches := [_SWITCH.fullmatch(word) for word in words]):
                options = Config({type(self).__name__: {"connection_file": connection_file}})
                for switch in filter(None, switches):
                    options[switch["of"]][switch["name"]] = switch["value"] == "True"
                self.argv = ["-f", connection_file, *words]
                self.cli_config = options
                self.update_config(options)
            case _:
                super().parse_command_line(argv)

    def init_control(self, context: Any) -> None:
        """Open the control channel."""
        super().init_control(context)
        self.shell_channel_thread.io_loop.close()
        self.shell_channel_thread = _NoThread()

    def init_heartbeat(self) -> None:
        """Leave the heart at rest."""
