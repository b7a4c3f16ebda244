"""
System calls that no notebook needs, refused by a filter (seccomp).

Most of them need rights that a candidate has lost anyway, or have been ways into the kernel before. Some hold memory
that belongs to no process, so that nothing would count it: files of memory, segments and queues of System V.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Collection

from autograder.sandbox import system
from autograder.sandbox.system import SandboxError

# Name: number on x86_64, on aarch64.
_REFUSED = {
    # Memory that no limit counts.
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    # Other processes.
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    # Namespaces and mounts.
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    # Large and often broken parts of the kernel.
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    # The machine itself.
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "acct": (163, 89),
    "settimeofday": (170, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "syslog": (103, 116),
}
# The C library falls back to clone, whose flags a filter can read, where clone3 is not there.
_CLONE, _CLONE3 = (56, 220), (435, 435)
_NEW_NAMESPACES = 0x7E020000

_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_X32 = 0x40000000

# Where a filter finds the call: struct seccomp_data.
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16

_LOAD, _JUMP_IF_EQUAL, _JUMP_IF_AT_LEAST, _JUMP_IF_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _REFUSE, _KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000


def restrict(*, files_of_memory: bool = False) -> None:
    """
    Refuse the calls to this thread and what it starts, for ever.

    Parameters
    ----------
    files_of_memory : bool
        Leave it the call that makes them: NVIDIA's driver does not begin without.

    Raises
    ------
    SandboxError
        The kernel has no such filters, or the machine's calls are not known here.
    """
    machine = system.architecture()
    if machine not in _ARCHITECTURES:
        known = " and ".join(_ARCHITECTURES)
        raise SandboxError("calls", f"the system calls of {machine} are not known here", f"Use {known}.")
    try:
        system.gain_no_privileges()  # the kernel demands it: a set-user-id program must not inherit the filter
        system.filter_calls(program(machine, except_for=("memfd_create",) if files_of_memory else ()))
    except OSError as error:
        remedy = "It needs Linux with CONFIG_SECCOMP_FILTER, and a container that lets seccomp through."
        raise SandboxError("calls", f"to filter system calls: {error}", remedy) from error


def program(machine: str, *, except_for: Collection[str] = ()) -> bytes:
    """Give the filter for a machine, as instructions of the classic Berkeley packet filter."""
    column, architecture = _ARCHITECTURES[machine]
    refuse, not_there = _REFUSE | errno.EPERM, _REFUSE | errno.ENOSYS
    lines = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        # The calls of another architecture have other numbers.
        *_unless(_JUMP_IF_EQUAL, architecture, _KILL_PROCESS),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if machine == "x86_64":
        lines += _when(_JUMP_IF_AT_LEAST, _X32, not_there)
    lines += _when(_JUMP_IF_EQUAL, _CLONE3[column], not_there)
    for name, numbers in _REFUSED.items():
        if name not in except_for:
            lines += _when(_JUMP_IF_EQUAL, numbers[column], refuse)
    lines += [
        (_JUMP_IF_EQUAL, 1, 0, _CLONE[column]),
        (_RETURN, 0, 0, _ALLOW),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        *_when(_JUMP_IF_ANY_BIT, _NEW_NAMESPACES, refuse),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


def _when(comparison: int, value: int, result: int) -> list[tuple[int, int, int, int]]:
    return [(comparison, 0, 1, value), (_RETURN, 0, 0, result)]


def _unless(comparison: int, value: int, result: int) -> list[tuple[int, int, int, int]]:
    return [(comparison, 1, 0, value), (_RETURN, 0, 0, result)]
