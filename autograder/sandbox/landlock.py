"""Landlock: what a process and its children may open, change and reach, kept by the kernel whoever they are."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections.abc import Iterable

from autograder.sandbox import system
from autograder.sandbox.system import SandboxError

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_CREATE_RULESET_VERSION = 1
_RULE_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = (1 << bit for bit in range(4))
_REMOVE_FILE, _MAKE_CHAR, _MAKE_SOCKET, _MAKE_BLOCK = 1 << 5, 1 << 6, 1 << 9, 1 << 11
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
# Which rights of files there are, by the first version that knows them: 13 at first, then REFER, TRUNCATE, IOCTL_DEV.
_FILE_RIGHTS = ((1, (1 << 13) - 1), (2, 1 << 13), (3, _TRUNCATE), (5, _IOCTL_DEV))
_OF_A_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_TCP_SINCE, _BIND_AND_CONNECT_TCP = 4, 0b11
_SCOPE_SINCE, _ABSTRACT_SOCKETS_AND_SIGNALS = 6, 0b11

LIST, READ, WRITE = _READ_DIR, _READ_DIR | _READ_FILE | _EXECUTE, ~(_MAKE_CHAR | _MAKE_BLOCK)
SOCKETS = _READ_DIR | _READ_FILE | _MAKE_SOCKET | _REMOVE_FILE
DEVICE = _READ_FILE | _WRITE_FILE | _IOCTL_DEV
NAMES = _READ_DIR | _READ_FILE | _WRITE_FILE | _TRUNCATE
"""
What may be done with a path: list folders; read and run; whatever else but making devices; make sockets, and remove
what is there; use a device; write into files that are there, as a thread's name is.
"""


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def abi() -> int:
    """Version of Landlock that the running kernel has; 0 where it has none."""
    try:
        return system.syscall(_CREATE_RULESET, ctypes.c_void_p(None), 0, _CREATE_RULESET_VERSION)
    except OSError:
        return 0


def restrict(rules: Iterable[tuple[str, int]]) -> None:
    """
    Close everything but these paths to this thread and what it starts, for ever.

    TCP is closed too, and signals to and abstract sockets of processes outside, where the kernel's Landlock knows them.

    Parameters
    ----------
    rules : iterable of (str, int)
        A path, with all that is below it, and what may be done with it: `LIST`, `READ`, `WRITE` ...

    Raises
    ------
    SandboxError
        The kernel has no Landlock, or a path cannot be opened.
    """
    version = abi()
    if version == 0:
        raise _refused("the kernel does not offer it", _how_to_get_it())
    handled = sum(rights for since, rights in _FILE_RIGHTS if version >= since)
    tcp = _BIND_AND_CONNECT_TCP if version >= _TCP_SINCE else 0
    scope = _ABSTRACT_SOCKETS_AND_SIGNALS if version >= _SCOPE_SINCE else 0
    attributes = (ctypes.c_uint64 * 3)(handled, tcp, scope)
    # An older kernel takes zeros after what it knows.
    ruleset = system.syscall(_CREATE_RULESET, ctypes.byref(attributes), ctypes.sizeof(attributes), 0)
    try:
        for path, allowed in rules:
            _allow(ruleset, path, allowed & handled)
        system.gain_no_privileges()  # the kernel demands it: a set-user-id program must not inherit the ban
        system.syscall(_RESTRICT_SELF, ruleset, 0)
    except OSError as error:
        raise _refused(str(error), "Please report this as a bug.") from error
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, allowed: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        remedy = "The candidate is to have this path: make it, or let the user who grades read it."
        raise _refused(f"{path}: {error.strerror}", remedy) from error
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            allowed &= _OF_A_FILE
        rule = _PathBeneath(allowed, descriptor)
        system.syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(descriptor)


def _refused(reason: str, remedy: str) -> SandboxError:
    return SandboxError("landlock", reason, remedy)


def _how_to_get_it() -> str:
    try:
        system.syscall(_CREATE_RULESET, ctypes.c_void_p(None), 0, _CREATE_RULESET_VERSION)
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            return "It is built in but switched off: add 'landlock' to the kernel's boot option 'lsm='."
    return "It needs Linux 5.13 with CONFIG_SECURITY_LANDLOCK, and a container that lets its system calls through."
