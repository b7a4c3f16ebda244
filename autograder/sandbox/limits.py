"""Limits of single processes, and the privileges they give up."""

from __future__ import annotations

import contextlib
import os
import platform
import re
from pathlib import Path

from autograder.sandbox import system
from autograder.sandbox.policy import Policy
from autograder.sandbox.system import SandboxError

_PID_MAX = Path("/proc/sys/kernel/pid_max")
_PID_MAX_OF_A_NAMESPACE = (6, 14)
# Numbers below are never given again once the count has gone round.
_RESERVED_PIDS = 300


def apply(policy: Policy) -> None:
    """
    Set the limits of the process and, in namespaces of its own, of all its processes together.

    How many processes there are is counted by ``RLIMIT_NPROC`` for each user namespace, so it is set in one alone:
    outside it would count whatever else the user has running. Linux does not hold the user root to it, not even
    without a capability. What holds root is the highest process number of the PID namespace, which Linux has since
    6.14 (at most 300 more than asked for, then); with an older kernel nothing does.

    Raises
    ------
    SandboxError
        A limit is above what this process may have itself.
    """
    import resource

    counts = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: policy.file_size,
        resource.RLIMIT_NOFILE: policy.open_files,
    }
    if policy.memory:
        counts[resource.RLIMIT_DATA] = _private_memory() + policy.memory
    if "namespaces" in policy.layers:
        counts[resource.RLIMIT_NPROC] = policy.processes
        if _pid_max_is_the_namespaces_own():
            _PID_MAX.write_text(str(highest_pid(policy)), encoding="ascii")
    for kind, wanted in counts.items():
        _, most = resource.getrlimit(kind)
        value = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        try:
            resource.setrlimit(kind, (value, value))
        except (OSError, ValueError) as error:
            remedy = "Please report this as a bug."
            raise SandboxError("limits", f"limit {kind} to {value}: {error}", remedy) from error
    # Out of memory, the system is to take the candidate's process and not the grader's.
    with contextlib.suppress(OSError):  # a wish, not a limit: not every container lets it be made
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def highest_pid(policy: Policy) -> int:
    """Give the process number below which all of the PID namespace are to be, where Linux can keep them there."""
    return _RESERVED_PIDS + policy.processes


def holds_root(policy: Policy) -> bool:
    """Tell, in the confined process, whether the policy's number of processes holds the user root too."""
    return int(_PID_MAX.read_text(encoding="ascii")) == highest_pid(policy)


def _pid_max_is_the_namespaces_own() -> bool:
    # Before, it is the whole machine's, and root may set it whatever namespace it is in.
    release = re.match(r"(\d+)\.(\d+)", platform.release())
    known = release is not None and (int(release[1]), int(release[2])) >= _PID_MAX_OF_A_NAMESPACE
    return known and os.access(_PID_MAX, os.W_OK)


def give_up_privileges() -> None:
    """
    Drop all capabilities, and let no program started from here have any.

    Raises
    ------
    SandboxError
        The system refused.
    """
    try:
        system.gain_no_privileges()
        system.drop_capabilities()
    except OSError as error:
        raise SandboxError(
            "privileges", f"to give up all capabilities: {error}", "Please report this as a bug."
        ) from error


def _private_memory() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    found = re.search(r"^VmData:\s+(\d+) kB$", status, re.MULTILINE)
    if found is None:
        raise SandboxError("limits", "/proc/self/status does not say how much memory there is", "Is /proc mounted?")
    return int(found[1]) * 1024
