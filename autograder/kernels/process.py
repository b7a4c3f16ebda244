"""The grader's side of the fork server: starting it, and holding the processes it forks."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType

from autograder.errors import AutograderError
from autograder.kernels.gpus import NO_GPU
from autograder.kernels.server import Request
from autograder.temporary import HeldFolder

KERNEL_MODULES = (
    "autograder.kernels.application",
    "ipykernel.zmqshell",
    # These a kernel imports while it starts.
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.core.logger",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    "numpy.random",
    "tornado.platform.asyncio",
)
"""What every warm kernel has imported; without it nothing would be warm."""

DEFAULT_MODULES = (
    "matplotlib.pyplot",
    "keras",
    "coursekit.checks",
    "coursekit.data",
    "coursekit.plots",
    "coursekit.runtime",
    "coursekit.targets",
    "autograder.sealed.candidate",
    "autograder.sealed.examiner",
)
"""
What a warm kernel has imported besides, when nothing else is said.

Not ``matplotlib_inline.backend_inline``: it ties itself to the kernel in which it is imported.
"""

_NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"

CALM = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    _NO_BYTECODE: "1",
    # TensorFlow then asks for no GPU, and says nothing about it; JAX does not stop for want of one.
    **NO_GPU,
}
"""Environment that keeps standard error quiet and results comparable."""

# What the server may know of the grader's environment. A forked kernel's memory holds whatever the server's held, and
# its /proc/self/environ is the server's: no key or seed of the grader's may be there.
_INHERITED = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "PYTHONPATH",
    "LD_LIBRARY_PATH",
    "KERAS_BACKEND",
    "MPLCONFIGDIR",
    "XDG_CACHE_HOME",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    _NO_BYTECODE,
)

_LOG_TAIL_BYTES = 4000
# A process that has closed its sockets is gone in no time.
_LAST_SECONDS = 2.0


class ForkServerError(AutograderError):
    """The fork server could not be started, or has ended."""


def can_fork() -> bool:
    """Tell whether warm kernels are to be had on this system."""
    return sys.platform == "linux" and hasattr(os, "fork")


def _of_server() -> dict[str, str]:
    """Give the server's environment: a kernel's, but it keeps the bytecode of what it imports, as any program does."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {**{name: value for name, value in CALM.items() if name != _NO_BYTECODE}, **inherited}


class ForkedProcess:
    """
    A forked kernel process, with the face of :class:`subprocess.Popen` that Jupyter expects.

    Attributes
    ----------
    lost : bool
        It ended because the server did; known once its end was noticed.

    Raises
    ------
    ForkServerError
        The server is not there any more.
    """

    stdin = stdout = stderr = None

    def __init__(self, connection: socket.socket, mourn: Callable[[], None]) -> None:
        self._connection = connection
        self._mourn = mourn
        self._buffer = b""
        self.returncode: int | None = None
        self.lost = False
        first = self._next_line()
        if first is None:
            connection.close()
            msg = "the fork server ended while it forked a kernel"
            raise ForkServerError(msg)
        self.pid = int(first["pid"])

    def fileno(self) -> int:
        """Descriptor that becomes readable when the process has ended; -1 once that was noticed."""
        return self._connection.fileno()

    def has_ended(self) -> bool:
        """Tell whether it has ended, and leave the exit code to whoever waits for it."""
        return self.returncode is not None or _has_news(self._connection, 0)

    def poll(self) -> int | None:
        """Exit code, negative for a signal; None while it runs."""
        if self.returncode is None and _has_news(self._connection, 0):
            self.wait()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit code."""
        if self.returncode is None:
            if not _has_news(self._connection, timeout):
                raise subprocess.TimeoutExpired("kernel", timeout or 0.0)
            last = self._next_line()
            # No status: the server itself was killed, and its kernels with it.
            self.lost = last is None
            self.returncode = -signal.SIGKILL if last is None else int(last["status"])
            self._connection.close()
            if self.lost:
                self._mourn()
        return self.returncode

    def send_signal(self, signum: int) -> None:
        """Send a signal to the process and its group."""
        if signum == signal.SIGKILL:
            self.kill()
        elif self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signum)

    def kill(self) -> None:
        """Kill the process and its group, through the server, which knows whether the number is still theirs."""
        if self.returncode is None:
            with contextlib.suppress(OSError):  # not connected any more: it is dead already
                self._connection.shutdown(socket.SHUT_WR)

    def terminate(self) -> None:
        """Ask the process to end."""
        self.send_signal(signal.SIGTERM)

    def _next_line(self) -> dict[str, int] | None:
        while b"\n" not in self._buffer:
            try:
                chunk = self._connection.recv(4096)
            except ConnectionResetError:
                return None
            if not chunk:
                return None
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        message: dict[str, int] = json.loads(line)
        return message


def _has_news(connection: socket.socket, timeout: float | None) -> bool:
    """Wait for something to read, or the end; not with select(), which knows 1,024 descriptors alone."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(None if timeout is None else timeout * 1000))


class ForkServer:
    """
    A running fork server; a context manager that ends it.

    Parameters
    ----------
    modules : sequence of str
        What to import before the first fork, besides :data:`KERNEL_MODULES`.
    environment : mapping, optional
        Variables for the server, which has little of this process's; a kernel gets its own with its request.

    Attributes
    ----------
    modules : tuple of str
        What it was asked to import.
    workplace : Path
        Folder for the files of kernels' owners; whatever becomes of this process, it is gone when the server has ended.

    Notes
    -----
    ``fork`` may be called at once: the request waits in the socket until the imports are done.
    """

    def __init__(self, modules: Sequence[str] = DEFAULT_MODULES, environment: Mapping[str, str] | None = None) -> None:
        self.modules = tuple(modules)
        self._held = HeldFolder("server"), HeldFolder("papers")
        self._folder, self.workplace = (held.path for held in self._held)
        self._address = str(self._folder / "fork.sock")
        self._log = self._folder / "server.log"
        listener = socket.socket(socket.AF_UNIX)
        try:
            listener.bind(self._address)
            listener.listen(256)
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(
                    [
                        sys.executable,
                        "-m",
                        __package__ + ".server",
                        "--listener",
                        str(listener.fileno()),
                        "--workplace",
                        str(self.workplace),
                        *KERNEL_MODULES,
                        *modules,
                    ],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env={**_of_server(), **(environment or {})},
                    pass_fds=[listener.fileno()],
                    # Ctrl-C reaches the grader alone, which then ends what it started.
                    start_new_session=True,
                )
        finally:
            listener.close()
        self._waiting = threading.Lock()
        self._prepared: set[str] = set()

    def wait_until_ready(self) -> None:
        """Wait until the imports are done, or the server has ended (:meth:`fork` then says why)."""
        with self._waiting:
            if self._process.stdout is not None and not self._process.stdout.closed:
                self._process.stdout.readline()
                self._process.stdout.close()

    def prepare(self, data_sets: Iterable[str]) -> None:
        """
        Let kernels that are forked from now on share the stand-ins of these data sets.

        Returns at once: the server draws what it has not drawn yet before it forks again.
        """
        with self._waiting:
            missing = sorted(set(data_sets) - self._prepared)
            if missing and self._process.stdin is not None:
                self._prepared.update(missing)
                # A server that has ended is told of by whoever asks it for a kernel.
                with contextlib.suppress(BrokenPipeError):
                    self._process.stdin.write("".join(f"{name}\n" for name in missing).encode())
                    self._process.stdin.flush()

    @property
    def pid(self) -> int:
        """Process number of the server."""
        return self._process.pid

    def fork(self, request: Request) -> ForkedProcess:
        """
        Fork a kernel.

        Raises
        ------
        ForkServerError
            The server has ended; the message holds the end of its log.
        """
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(self._address)
            connection.sendall(request.to_line())
            return ForkedProcess(connection, self._mourn)
        except (OSError, ForkServerError) as error:
            connection.close()
            self._mourn()
            msg = f"The fork server for warm kernels is not running: {error}.\n{self.log_tail()}"
            raise ForkServerError(msg) from error

    def has_ended(self) -> bool:
        """Tell whether the server is gone."""
        return self._process.poll() is not None

    def _mourn(self) -> None:
        """Wait for the end of a server that has hung up, so that the next kernel is asked of another one."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_LAST_SECONDS)

    def log_tail(self) -> str:
        """Return the end of what the server and its kernels wrote to standard error."""
        if not self._log.exists():
            return ""
        return self._log.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace").strip()

    def close(self) -> None:
        """End the server and every kernel it forked."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()
        self.wait_until_ready()  # which closes the pipe
        # The server has removed them already, unless it was killed.
        for held in self._held:
            held.remove()

    def __enter__(self) -> ForkServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


_shared: ForkServer | None = None
_shared_lock = threading.Lock()


def shared_server(modules: Sequence[str] = DEFAULT_MODULES) -> ForkServer:
    """
    Return this process's fork server; the first call starts it with these modules, the process's end ends it.

    One that was killed is replaced by one with the modules that it had.
    """
    global _shared  # noqa: PLW0603 - one server a process is the point
    with _shared_lock:
        if _shared is not None and not _shared.has_ended():
            return _shared
        if _shared is not None:
            modules = _shared.modules
            _shared.close()  # which removes the folders that it could not remove itself
        _shared = ForkServer(modules)
        atexit.register(_shared.close)
        return _shared
