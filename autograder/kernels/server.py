"""
The fork server: imports what the course needs once, then forks a kernel for each connection.

Started by :class:`autograder.kernels.process.ForkServer` as ``python -m autograder.kernels.server``. It inherits a
listening Unix socket; a connection is one kernel. The server forks before it reads a single byte, so what a kernel is
asked to do (and with which key) is known to that kernel alone. The connection then lives as long as the kernel:

====================  =====================================================
client to kernel      one line of JSON: :class:`Request`
server to client      ``{"pid": ...}`` after the fork, ``{"status": ...}`` after the kernel's end
client hangs up       the server kills the kernel and its process group
====================  =====================================================

When it has imported all, the server says so in a line on its standard output. A line on its standard input names a
data set whose stand-in it draws before it forks again, so that its kernels share the pictures. When its standard input
closes, its owner is gone: it ends, and the kernels with it.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import io
import json
import os
import random
import select
import shutil
import signal
import socket
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from autograder.kernels.pictures import draw_quickly
from autograder.sandbox import Policy, confine, system

_MAX_REQUEST_BYTES = 1 << 20


@dataclass(frozen=True)
class Request:
    """
    What a forked kernel is to be.

    Attributes
    ----------
    arguments : list of str
        Command line of the kernel application, ``["-f", connection_file]`` and more.
    cwd : str
        Folder in which it runs.
    environment : dict
        Its whole environment; nothing of the server's is left.
    policy : Policy, optional
        The sandbox in which it runs; without one it has the rights of whoever started the server.
    """

    arguments: list[str]
    cwd: str
    environment: dict[str, str]
    policy: Policy | None = None

    def to_line(self) -> bytes:
        """One line of JSON."""
        policy = None if self.policy is None else self.policy.to_json()
        return json.dumps({**self.__dict__, "policy": policy}).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Request:
        """Read what :meth:`to_line` wrote."""
        plain = json.loads(line)
        policy = None if plain["policy"] is None else Policy.from_json(plain["policy"])
        return cls(**{**plain, "policy": policy})


def main() -> None:
    """Import the modules named on the command line, then serve until standard input closes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listener", type=int, required=True, help="file descriptor of a listening Unix socket")
    parser.add_argument("--workplace", required=True, help="folder to remove at the end")
    parser.add_argument("modules", nargs="*", help="modules to import before the first fork")
    arguments = parser.parse_args()
    gc.disable()  # all that is made here stays
    _do_without_debugger()
    for module in arguments.modules:
        importlib.import_module(module)
    if not sys.flags.safe_path:
        # The folder in which the server was started, put there by "python -m": a kernel has a folder of its own.
        del sys.path[0]
    _rehearse()
    draw_quickly()
    # What is alive now is shared with every kernel; a collection in a kernel must not touch (and so copy) it.
    gc.collect()
    gc.freeze()
    gc.enable()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    listener = socket.socket(fileno=arguments.listener)
    Server(listener, leaves=(Path(arguments.workplace), Path(listener.getsockname()).parent)).run()


def _do_without_debugger() -> None:
    """Let ipykernel find no debugger: importing it would be half of what a forked kernel needs to be ready."""
    sys.modules["debugpy"] = None  # type: ignore[assignment]
    importlib.import_module("ipykernel.debugger")
    del sys.modules["debugpy"]


def _rehearse() -> None:
    """
    Do once what every kernel would otherwise do for itself: its first traceback, its first formula in a figure.

    The first traceback looks for its module among thousands (0.3 s with TensorFlow imported), the first formula takes a
    tenth of a second; all else of a figure is hardly quicker the second time. Nothing of TensorFlow's is touched: a
    tensor before the fork would break the kernels.
    """
    from IPython.core.ultratb import AutoFormattedTB

    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        AutoFormattedTB(mode="Context").structured_traceback(*sys.exc_info())
    if "matplotlib" in sys.modules:
        from matplotlib import font_manager
        from matplotlib.figure import Figure

        figure = Figure((1, 1))
        figure.text(0, 0, "$x$ and text")
        figure.savefig(io.BytesIO())
        # A font cannot be used on both sides of a fork: matplotlib itself would forget them in every forked process.
        font_manager._get_font.cache_clear()  # type: ignore[attr-defined]


def _draw(name: str) -> None:
    """Draw a stand-in, if the course's data are among what was imported."""
    data = sys.modules.get("coursekit.data")
    if data is not None and name in data.STAND_INS:
        data.prepare(name)


@dataclass(frozen=True)
class _Ending:
    """A kernel that has ended, and what it left, which has been killed: its end is told when all of that is gone."""

    connection: socket.socket
    status: int
    left: set[int]

    def tell(self) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.connection.sendall(json.dumps({"status": self.status}).encode() + b"\n")
        self.connection.close()


class Server:
    """
    The loop that forks on connection, reports ends and kills on hang-up.

    Parameters
    ----------
    listener : socket
        Where kernels are asked for.
    leaves : tuple of Path
        Folders to remove at the end: the owner may have been killed and unable to.
    """

    def __init__(self, listener: socket.socket, leaves: tuple[Path, ...]) -> None:
        self._listener = listener
        self._leaves = leaves
        self._kernels: dict[int, socket.socket] = {}
        self._by_connection: dict[int, int] = {}
        self._ending: list[_Ending] = []
        self._poll = select.poll()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)

    def run(self) -> None:
        """Serve until standard input closes."""
        # What a kernel leaves behind, in whatever group or session, becomes our child and ends with the kernel.
        system.adopt_orphans()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is the grader's to handle
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        owner = sys.stdin.fileno()
        for descriptor in (self._listener.fileno(), owner, self._wake_read):
            self._poll.register(descriptor, select.POLLIN)
        while True:
            # The owner first: what it has had drawn, the kernels that it asks for next shall have.
            for descriptor, _ in sorted(self._poll.poll(), key=lambda event: event[0] != owner):
                if descriptor == owner:
                    self._listen_to(owner)
                elif descriptor == self._listener.fileno():
                    self._fork()
                elif descriptor == self._wake_read:
                    os.read(self._wake_read, 4096)
                    self._reap()
                elif descriptor in self._by_connection:
                    self._hang_up(descriptor)

    def _listen_to(self, owner: int) -> None:
        words = os.read(owner, 4096)
        if not words:
            self._end()
        for name in words.decode().split():
            _draw(name)

    def _fork(self) -> None:
        connection, _ = self._listener.accept()
        server_pid = os.getpid()
        pid = os.fork()
        if pid == 0:
            _become_kernel(connection, server_pid)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # gone already: the poll below tells
            connection.sendall(json.dumps({"pid": pid}).encode() + b"\n")
        self._kernels[pid] = connection
        self._by_connection[connection.fileno()] = pid
        # Never POLLIN: the request in this socket is the kernel's to read.
        self._poll.register(connection.fileno(), select.POLLRDHUP)

    def _hang_up(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)
        _kill_group(self._by_connection.pop(descriptor))

    def _reap(self) -> None:
        while (pid := _ended_child()) is not None:
            # Before the number is given back: what the kernel left running in its group ends with it.
            _kill_group(pid)
            _, status = os.waitpid(pid, 0)
            if pid in self._kernels:
                self._ending.append(_Ending(self._forget(pid), os.waitstatus_to_exitcode(status), self._kill_orphans()))
            for ending in self._ending:
                ending.left.discard(pid)
        for ending in [each for each in self._ending if not each.left]:
            ending.tell()
            self._ending.remove(ending)

    def _forget(self, pid: int) -> socket.socket:
        connection = self._kernels.pop(pid)
        if self._by_connection.pop(connection.fileno(), None) is not None:
            self._poll.unregister(connection.fileno())
        return connection

    def _kill_orphans(self) -> set[int]:
        """Kill the children that are no kernels: processes of a kernel that has ended."""
        orphans = {pid for pid in _children() if pid not in self._kernels}
        for pid in orphans:
            _kill_group(pid)
        return orphans

    def _end(self) -> NoReturn:
        """Kill all children, and theirs as they come to us, and leave."""
        while True:
            for pid in [*self._kernels, *_children()]:
                _kill_group(pid)
            try:
                ended, _ = os.waitpid(-1, 0)
            except ChildProcessError:
                break
            self._kernels.pop(ended, None)
        for folder in self._leaves:
            shutil.rmtree(folder, ignore_errors=True)
        os._exit(0)


def _ended_child() -> int | None:
    """Give a child that has ended and was not waited for yet."""
    try:
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return None if ended is None else ended.si_pid


def _children() -> list[int]:
    """Give this process's children; none where the system does not list them."""
    me = os.getpid()
    try:
        listed = Path(f"/proc/{me}/task/{me}/children").read_text()
    except FileNotFoundError:
        return []
    return [int(pid) for pid in listed.split()]


def _kill_group(pid: int) -> None:
    # Just forked, or an orphan, it may lead no group: then the process alone.
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _become_kernel(connection: socket.socket, server_pid: int) -> NoReturn:
    """Turn this fresh fork into a Jupyter kernel; never returns."""
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.setsid()
        system.die_with_parent(signal.SIGKILL)
        if os.getppid() != server_pid:
            os._exit(1)
        # While it lives, what its processes leave behind is its own; the server would take it for a dead kernel's.
        system.adopt_orphans()
        request = _read_request(connection)
        _leave_the_server_behind()
        os.environ.clear()
        os.environ.update(request.environment)
        sys.dont_write_bytecode = True  # as the kernel's environment says, which Python reads when it starts
        tempfile.tempdir = None  # what the server has found out is not for the kernel, who may not even write there
        let_jax_read_again()
        os.chdir(request.cwd)
        if request.policy is not None:
            confine(request.policy)
            _keep_off_the_log()
        _reseed()
        _run_kernel(request.arguments)
        os._exit(0)
    except BaseException:  # noqa: BLE001 - whatever it was, a fork must never run on as a second server
        import traceback

        traceback.print_exc()
        os._exit(1)


def _read_request(connection: socket.socket) -> Request:
    line = b""
    while not line.endswith(b"\n"):
        chunk = connection.recv(65536)
        if not chunk or len(line) > _MAX_REQUEST_BYTES:
            os._exit(1)
        line += chunk
    return Request.from_line(line)


def _leave_the_server_behind() -> None:
    """Close every descriptor but the standard three; the first two lead nowhere, the third to the server's log."""
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def _keep_off_the_log() -> None:
    """Let standard error lead nowhere too: a sandbox takes nothing back that is open."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def let_jax_read_again() -> None:
    """Have JAX, which reads this variable when it is imported and looks for devices later, go by the kernel's own."""
    if "jax" in sys.modules:
        sys.modules["jax"].config.update("jax_platforms", os.environ.get("JAX_PLATFORMS") or None)


def _reseed() -> None:
    # Two forks must not draw the same "random" numbers, as two fresh interpreters would not.
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()


def _run_kernel(arguments: list[str]) -> None:
    from autograder.kernels.application import Application

    sys.argv = ["ipykernel_launcher", *arguments]
    app = Application.instance()
    app.initialize(arguments)
    app.start()
    sys.stdout.flush()
    sys.stderr.flush()


if __name__ == "__main__":
    main()
