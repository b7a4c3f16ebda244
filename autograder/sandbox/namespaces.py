"""
Namespaces: no network, no other processes, nothing shared with the rest of the machine.

Three processes come of one. The *guardian* is the one that was confined: it stays outside the PID namespace, waits, and
ends as the candidate ends. The *first process* of the PID namespace does nothing but inherit orphans, which end without
a trace, and end everything when the guardian is gone. The *candidate* goes on as process 2: Linux shields process 1
from the signals of its own namespace, so that a candidate in its place could not even abort.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import socket
from pathlib import Path
from typing import NoReturn

from autograder.sandbox import system
from autograder.sandbox.system import SandboxError

_NEWNS = 0x00020000
_NEWUTS = 0x04000000
_NEWIPC = 0x08000000
_NEWUSER = 0x10000000
_NEWPID = 0x20000000
_NEWNET = 0x40000000

_REMEDIES = {
    errno.EINVAL: "The process must have one thread.",
    errno.ENOSPC: "The machine allows no more of them: raise the sysctl user.max_user_namespaces.",
    errno.ENOSYS: "The kernel was built without them: it needs CONFIG_USER_NS, CONFIG_PID_NS and CONFIG_NET_NS.",
}
_REMEDY = (
    "User namespaces are forbidden here. On a machine of your own, allow them (sysctl "
    "kernel.unprivileged_userns_clone=1; on Ubuntu kernel.apparmor_restrict_unprivileged_userns=0). In a container, "
    "give it a seccomp profile that allows unshare and mount."
)


def enter() -> None:
    """
    Go on in new user, network, IPC, PID, UTS and mount namespaces; returns in the candidate alone.

    The candidate stays in the guardian's process group, so that a signal to the group reaches it. SIGINT does not end
    the guardian. When the guardian ends, however it does, everything in the namespace ends.

    Raises
    ------
    SandboxError
        The system refuses.
    """
    # Here, for the guardian to have it: the candidate may take the files from under it.
    import resource  # noqa: F401

    try:
        _leave()
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, _REMEDY)
        raise SandboxError("namespaces", f"to make new ones: {error}", remedy) from error
    lifeline, held = os.pipe()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    first = os.fork()
    if first == 0:
        try:
            os.close(held)
            _be_first(lifeline)
        finally:
            os._exit(1)
    candidate = os.fork()
    if candidate:
        os.close(lifeline)
        try:
            _guard(candidate, first, before)
        finally:
            os._exit(1)  # it never goes on as a second candidate
    os.close(held)
    system.die_with_parent(signal.SIGKILL)
    if select.select([lifeline], [], [], 0)[0]:  # the guardian was gone before that
        os._exit(1)
    os.close(lifeline)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _leave() -> None:
    user, group = os.geteuid(), os.getegid()
    with contextlib.suppress(PermissionError):  # an ordinary user keeps the groups
        os.setgroups([])
    system.unshare(_NEWUSER | _NEWNS | _NEWPID | _NEWNET | _NEWIPC | _NEWUTS)
    here = Path("/proc/self")
    (here / "setgroups").write_text("deny", encoding="ascii")
    # Itself, and nobody else: files have the owners they had, and other users are nobody.
    (here / "uid_map").write_text(f"{user} {user} 1", encoding="ascii")
    (here / "gid_map").write_text(f"{group} {group} 1", encoding="ascii")
    system.mount(None, "/", None, system.MS_REC | system.MS_PRIVATE)
    socket.sethostname("candidate")
    # A namespace in the namespace would give capabilities again. Where /proc/sys is read-only, Landlock and the lost
    # devices still hold.
    with contextlib.suppress(OSError):
        Path("/proc/sys/user/max_user_namespaces").write_text("0", encoding="ascii")
    with contextlib.suppress(OSError):  # a kernel without keys has none to share
        system.join_new_keyring()


def _be_first(lifeline: int) -> NoReturn:
    """Be process 1 of the PID namespace; without it all others end."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # orphans leave no zombies
    system.close_to_tracers()
    os.read(lifeline, 1)
    os._exit(0)


def _guard(candidate: int, first: int, mask: set[int | signal.Signals]) -> NoReturn:
    """Wait for the candidate, end what it left, and end as it did."""
    import resource

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    system.close_to_tracers()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the candidate's signal is to leave no core of the guardian
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    _, status = os.waitpid(candidate, 0)
    os.kill(first, signal.SIGKILL)
    os.waitpid(first, 0)  # returns when the last process of the namespace is gone
    if os.WIFSIGNALED(status):
        signum = os.WTERMSIG(status)
        if signum != signal.SIGKILL:
            signal.signal(signum, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signum})
        os.kill(os.getpid(), signum)
    os._exit(os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 1)
