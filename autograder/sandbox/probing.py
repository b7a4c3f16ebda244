"""Trying each layer for real."""

from __future__ import annotations

import _thread
import contextlib
import json
import mmap
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from autograder.sandbox import landlock, limits
from autograder.sandbox.layers import confine
from autograder.sandbox.policy import LAYERS, Policy, default_readable
from autograder.sandbox.system import SandboxError
from autograder.temporary import HeldFolder

_SECONDS = 60
_MEMORY = 64 * 2**20
_FILE_SIZE = 2**20
_PROCESSES = 8
_STACK = 2**16
_REPORT = "Please report this as a bug."

# Whether it works, the reason, the remedy.
_Outcome = tuple[bool, str, str]


@dataclass(frozen=True)
class LayerReport:
    """
    What came of trying a layer.

    Attributes
    ----------
    name : str
        The layer.
    works : bool
        Whether it could be applied and kept what it is to keep.
    tried : str
        What was tried.
    reason : str
        Why it does not work; or what it does not keep although it works.
    remedy : str
        What to do about the reason.
    """

    name: str
    works: bool
    tried: str
    reason: str = ""
    remedy: str = ""


class _Leak(Exception):  # noqa: N818 - that it is there is no error of this program
    """Something was possible that a layer is to prevent."""


def probe() -> list[LayerReport]:
    """
    Try each layer in a process of its own: apply it, and do what it forbids.

    Returns
    -------
    list of LayerReport
        One for each of :data:`autograder.sandbox.policy.LAYERS`, in that order.
    """
    return [_try(name) for name in LAYERS]


def _try(name: str) -> LayerReport:
    tried, attempt = _ATTEMPTS[name]
    if sys.platform != "linux":
        return LayerReport(name, False, tried, "there is no such thing on this system", "It needs Linux.")
    with HeldFolder("probe") as folder:
        works, reason, remedy = _in_fork(lambda: _attempt(name, attempt, folder))
    return LayerReport(name, works, tried, reason, remedy)


def _attempt(name: str, attempt: Callable[[Path], None], folder: Path) -> _Outcome:
    secret, work = folder / "secret", folder / "work"
    secret.write_text("secret", encoding="ascii")
    work.mkdir()
    os.chdir(work)
    layers = {name, "namespaces"} if name in _IN_NAMESPACES else {name}
    readable = tuple(path for path in default_readable() if not folder.is_relative_to(path))
    try:
        confine(_policy(layers, readable, str(work)))
        attempt(secret)
    except SandboxError as error:
        reason = error.reason if error.layer == name else f"it needs the layer '{error.layer}': {error.reason}"
        return False, reason, error.remedy
    except _Leak as leak:
        return False, f"it was applied, but {leak}", _REPORT
    reason, remedy = _CAVEATS.get(name, lambda: ("", ""))()
    return True, reason, remedy


def _policy(layers: Iterable[str], readable: tuple[str, ...], *writable: str) -> Policy:
    return Policy(
        readable, writable, memory=_MEMORY, processes=_PROCESSES, file_size=_FILE_SIZE, layers=frozenset(layers)
    )


def _in_fork(work: Callable[[], _Outcome]) -> _Outcome:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        _answer(work, write)
    os.close(write)
    with open(read, "rb") as pipe:  # noqa: PTH123 - a descriptor
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    if not answer:
        code = os.waitstatus_to_exitcode(status)
        if code == -signal.SIGALRM:
            return False, f"trying it took longer than {_SECONDS} s: this machine is very busy", "Try again later."
        reason = f"the process in which it was tried ended with status {code} and without an answer"
        return False, reason, _REPORT
    works, reason, remedy = json.loads(answer)
    return works, reason, remedy


def _answer(work: Callable[[], _Outcome], pipe: int) -> NoReturn:
    signal.alarm(_SECONDS)
    try:
        answer = work()
    except BaseException as error:  # noqa: BLE001 - a fork must never run on as a second program
        what = traceback.format_exception_only(error)[-1].strip()
        answer = (False, what, _REPORT)
    try:
        os.write(pipe, json.dumps(answer).encode())
    finally:
        os._exit(0)


def _look_around(_: Path) -> None:
    with socket.socket() as one, contextlib.suppress(OSError):
        one.settimeout(1)
        one.connect(("127.0.0.1", 9))
        msg = "a connection could be made"
        raise _Leak(msg)
    numbers = {int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    # Where no /proc of its own could be had, the old one has other numbers: see the caveat.
    if _of_namespaces() == ("", "") and numbers - {1, os.getpid()}:
        msg = "other processes are there"
        raise _Leak(msg)


def _look_for(secret: Path) -> None:
    if secret.exists():
        msg = "a file that the policy does not name can be found"
        raise _Leak(msg)


def _read(secret: Path) -> None:
    with contextlib.suppress(PermissionError):
        secret.read_text(encoding="ascii")
        msg = "a file that the policy does not name could be read"
        raise _Leak(msg)


def _use_up(_: Path) -> None:
    with contextlib.suppress(OSError):
        mmap.mmap(-1, 2 * _MEMORY, flags=mmap.MAP_PRIVATE).close()
        msg = "more memory could be had"
        raise _Leak(msg)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        Path("large").write_bytes(bytes(_FILE_SIZE + 1))
        msg = "a larger file could be written"
        raise _Leak(msg)
    if _of_limits() == ("", ""):
        _multiply()


def _multiply() -> None:
    """Start threads, which are counted like processes and a hundred times as fast to start, until no more are let."""
    most = limits.highest_pid(_policy(LAYERS, ()))
    threading.stack_size(_STACK)
    held = threading.Lock()
    held.acquire()  # they wait for it until this process ends
    try:
        for _ in range(most):
            _thread.start_new_thread(held.acquire, ())
    except RuntimeError:
        mmap.mmap(-1, _STACK, flags=mmap.MAP_PRIVATE).close()  # it was not for want of memory
        return
    msg = f"{most} more processes could be started"
    raise _Leak(msg)


def _have_rights(_: Path) -> None:
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    if int(fields["CapEff"], 16) or int(fields["CapPrm"], 16) or fields["NoNewPrivs"] != "1":
        msg = "there are capabilities left"
        raise _Leak(msg)


def _hide_memory(_: Path) -> None:
    with contextlib.suppress(PermissionError):
        os.close(os.memfd_create("hidden"))
        msg = "a file of memory could be had, which no limit counts"
        raise _Leak(msg)


def _of_namespaces() -> tuple[str, str]:
    if Path("/proc/self").readlink().name == str(os.getpid()):
        return "", ""
    reason = "no /proc of its own could be had: the names of the other processes in this container can be read"
    return reason, "Let the container's /proc be seen whole (Docker: --security-opt systempaths=unconfined)."


def _of_landlock() -> tuple[str, str]:
    version = landlock.abi()
    if version >= 6:
        return "", ""
    missing = ["to cut files off"] * (version < 3) + ["TCP"] * (version < 4) + ["signals and abstract sockets"]
    reason = f"this kernel's Landlock (version {version} of 6) does not cover {', '.join(missing)}; other layers do"
    return reason, "A newer kernel closes the gap (Linux 6.12)."


def _of_limits() -> tuple[str, str]:
    if os.getuid() != 0 or limits.holds_root(_policy(LAYERS, ())):
        return "", ""
    reason = "root is held to no number of processes (Linux since 6.14 does it, where /proc/sys may be written)"
    return reason, "Grade as an ordinary user."


_IN_NAMESPACES = ("view", "limits")
_CAVEATS = {"namespaces": _of_namespaces, "landlock": _of_landlock, "limits": _of_limits}
_ATTEMPTS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "namespaces": ("connect to a port; look for other processes", _look_around),
    "limits": ("take more memory, write a larger file, start more processes than allowed", _use_up),
    "view": ("find a file that the policy does not name", _look_for),
    "landlock": ("read a file that the policy does not name", _read),
    "privileges": ("have a capability left", _have_rights),
    "calls": ("ask for a file of memory", _hide_memory),
}
