"""What the sandbox asks of Linux that Python's library has no function for, and the error when Linux says no."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
from functools import cache
from typing import Any

from autograder.errors import AutograderError

# From landlock_create_ruleset on, and for mount_setattr, a call has the same number on every architecture.
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_KEYCTL = {"x86_64": 250, "aarch64": 219}
_MOUNT_SETATTR = 442

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_SECCOMP = 22
_PR_CAPBSET_DROP = 24
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_BIND = 1 << 12
MS_REC = 1 << 14
MS_PRIVATE = 1 << 18
_MNT_DETACH = 2

_SECCOMP_MODE_FILTER = 2
_BYTES_OF_AN_INSTRUCTION = 8

_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_KEYCTL_JOIN_SESSION_KEYRING = 1
_CAPABILITY_VERSION_3 = 0x20080522


class SandboxError(AutograderError):
    """
    A layer of the sandbox cannot be had here.

    Attributes
    ----------
    layer : str
        Its name.
    reason : str
        What was tried, and what the system said.
    remedy : str
        What to do about it.
    """

    def __init__(self, layer: str, reason: str, remedy: str) -> None:
        super().__init__(f"The sandbox's layer '{layer}' cannot be applied: {reason}. {remedy}")
        self.layer = layer
        self.reason = reason
        self.remedy = remedy


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def architecture() -> str:
    """Name of the machine's processor as Linux has it: x86_64, aarch64."""
    return platform.machine()


def syscall(number: int, *arguments: Any) -> int:
    """
    Make a system call by number.

    Raises
    ------
    OSError
        The system refused.
    """
    plain = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    return _checked(_libc().syscall(ctypes.c_long(number), *plain))


def _checked(result: int, path: str | None = None) -> int:
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), path)
    return result


def _number(of_architecture: dict[str, int]) -> int:
    try:
        return of_architecture[architecture()]
    except KeyError:
        raise OSError(errno.ENOSYS, f"not known how to ask for it on {architecture()}") from None


def unshare(flags: int) -> None:
    """Leave the namespaces that the flags name for new ones."""
    _checked(_libc().unshare(flags))


def mount(source: str | None, target: str, kind: str | None, flags: int, data: str = "") -> None:
    """Mount, bind or change how a mount spreads."""
    encoded = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    _checked(_libc().mount(*encoded, ctypes.c_ulong(flags), data.encode() or None), target)


def unmount(target: str) -> None:
    """Take a mount away, at once for whoever looks and later for what is still in use."""
    _checked(_libc().umount2(os.fsencode(target), _MNT_DETACH), target)


def restrict_mount(target: str, flags: int, *, recursive: bool = True) -> None:
    """Add to a mount ``MS_RDONLY``, ``MS_NOSUID`` or ``MS_NODEV``: the new call has the old one's bits."""
    attributes = (ctypes.c_uint64 * 4)(flags, 0, 0, 0)
    where = ctypes.c_char_p(os.fsencode(target))
    how = _AT_RECURSIVE if recursive else 0
    syscall(_MOUNT_SETATTR, _AT_FDCWD, where, how, ctypes.byref(attributes), ctypes.sizeof(attributes))


def pivot_root(new: str, old: str) -> None:
    """Make a mount the root; the old root is found at `old`, a folder below it."""
    syscall(_number(_PIVOT_ROOT), ctypes.c_char_p(os.fsencode(new)), ctypes.c_char_p(os.fsencode(old)))


def join_new_keyring() -> None:
    """Leave the session keyring, with whatever keys it holds, for an empty one."""
    syscall(_number(_KEYCTL), _KEYCTL_JOIN_SESSION_KEYRING, ctypes.c_char_p(None))


def die_with_parent(signum: int) -> None:
    """Get this signal when the parent ends."""
    _process_option(_PR_SET_PDEATHSIG, signum)


def adopt_orphans() -> None:
    """Be the parent of what this process's children leave running when they end."""
    _process_option(_PR_SET_CHILD_SUBREAPER, 1)


def close_to_tracers() -> None:
    """Let no process of the same user read or write this one's memory."""
    _process_option(_PR_SET_DUMPABLE, 0)


def gain_no_privileges() -> None:
    """Let no program that is started from here on have more rights than this one."""
    _process_option(_PR_SET_NO_NEW_PRIVS, 1)


def filter_calls(program: bytes) -> None:
    """Have a filter decide, from here on, which system calls this thread and what it starts may make."""
    held = ctypes.create_string_buffer(program, len(program))
    filter_ = _Filter(len(program) // _BYTES_OF_AN_INSTRUCTION, ctypes.cast(held, ctypes.c_void_p))
    _process_option(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(filter_))


def drop_capabilities() -> None:
    """Give up every capability, and the way to get one back."""
    _process_option(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    try:
        for capability in range(64):
            _process_option(_PR_CAPBSET_DROP, capability)
    except OSError as error:
        # EINVAL: past the last one. EPERM: nothing that could be given up, as an ordinary user.
        if error.errno not in {errno.EINVAL, errno.EPERM}:
            raise
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _checked(_libc().capset(ctypes.byref(header), ctypes.byref(nothing)))


def _process_option(option: int, value: int, more: int = 0) -> None:
    # The rest must be zero, and as wide as the kernel reads it.
    rest = [ctypes.c_ulong(each) for each in (value, more, 0, 0)]
    _checked(_libc().prctl(option, *rest))
