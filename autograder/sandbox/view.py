"""
The file system as a candidate sees it: what its policy names, and nothing else.

Landlock says what may be opened; but nothing in it keeps a process from a socket that lies in a folder (of a container
service, of the user's session), and older ones do not know of all that can be done to a file. What is not there cannot
be reached at all.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from autograder.sandbox import system
from autograder.sandbox.policy import Policy
from autograder.sandbox.system import MS_BIND, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY, MS_REC, SandboxError

DEVICES = ("/dev/full", "/dev/null", "/dev/random", "/dev/urandom", "/dev/zero")
SHARED_MEMORY = "/dev/shm"
TERMINALS = "/dev/pts"
THREADS = "/proc/self/task"
"""The candidate's threads. NVIDIA's driver names its own, and ends where it cannot."""

_LINKS = {"/dev/fd": "/proc/self/fd", "/dev/stdin": "fd/0", "/dev/stdout": "fd/1", "/dev/stderr": "fd/2"}
_OUTSIDE = "/.outside"
# How many files a folder may hold, by its size: what one takes at the least.
_BYTES_OF_A_FILE = 4096
# Some folder that is there always: hidden for a moment by the new root, which then is the root.
_FOOTHOLD = "/tmp"


def renew() -> None:
    """
    Mount a ``/proc`` and a ``/dev/shm`` of the new namespaces over the old ones.

    Raises
    ------
    SandboxError
        The system refuses.
    """
    try:
        _mount_proc()
        if Path(SHARED_MEMORY).is_dir():
            _mount_shared_memory()
    except OSError as error:
        raise _refused("namespaces", error) from error


def narrow(policy: Policy) -> None:
    """
    Go on with a root that holds what the policy names alone.

    Besides it has a ``/proc``, a ``/dev/shm`` and terminals of its own, and the harmless devices. Writable folders are
    copies in memory.

    Raises
    ------
    SandboxError
        A path is not there, or the system refuses.
    """
    here = Path.cwd()
    try:
        system.mount("candidate", _FOOTHOLD, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=4m")
        Path(_FOOTHOLD + _OUTSIDE).mkdir()
        system.pivot_root(_FOOTHOLD, _FOOTHOLD + _OUTSIDE)
        os.chdir("/")
        _bring(policy)
        for name, target in _LINKS.items():
            Path(name).symlink_to(target)
        Path(SHARED_MEMORY).mkdir(parents=True, exist_ok=True)
        _mount_shared_memory()
        Path(TERMINALS).mkdir()
        _mount_terminals()
        Path("/proc").mkdir()
        _mount_proc(_OUTSIDE, are_threads_named=policy.cuda)
        system.unmount(_OUTSIDE)
        Path(_OUTSIDE).rmdir()
        system.restrict_mount("/", MS_RDONLY | MS_NODEV | MS_NOSUID, recursive=False)
    except OSError as error:
        raise _refused("view", error) from error
    try:
        os.chdir(here)
    except OSError as error:
        remedy = "The folder in which the candidate runs must be one of those that it may read or write."
        raise SandboxError("view", f"{here} is not in the candidate's view", remedy) from error


def _bring(policy: Policy) -> None:
    _bind_all(policy.readable, MS_RDONLY | MS_NOSUID)
    # What may be written comes last, and so on top of a readable folder around it.
    _bind_all(policy.sockets, MS_NOSUID)
    for path in policy.writable:
        place = _place(path)
        if place.is_dir():
            _copy(place, policy.folder_size)
        else:
            _bind(place, MS_NOSUID)
    for device in DEVICES:
        if Path(_OUTSIDE + device).exists():
            _bind(_place(device), MS_NOSUID)
    for device in policy.devices:
        _bind(_place(device), MS_NOSUID)


def _bind_all(paths: tuple[str, ...], flags: int) -> None:
    brought: list[Path] = []
    for path in sorted(paths):
        place = _place(path)
        if not any(place.is_relative_to(folder) for folder in brought):
            _bind(place, flags | MS_NODEV)
            brought.append(place)


def _copy(place: Path, size: int) -> None:
    """Mount a copy of a folder, in memory: it has an end, whatever is written, and is gone with the candidate."""
    options = f"mode=700,size={size},nr_inodes={max(1024, size // _BYTES_OF_A_FILE)}"
    system.mount("work", str(place), "tmpfs", MS_NOSUID | MS_NODEV, options)
    shutil.copytree(f"{_OUTSIDE}{place}", place, symlinks=True, dirs_exist_ok=True)


def _bind(place: Path, flags: int) -> None:
    system.mount(f"{_OUTSIDE}{place}", str(place), None, MS_BIND | MS_REC)
    system.restrict_mount(str(place), flags)


def _place(path: str) -> Path:
    """
    Make a path's folders and links as they are outside.

    Returns
    -------
    Path
        Where it leads to; an empty folder or file is there to be covered, unless the real one is there already.
    """
    place = Path("/")
    left = list(reversed(Path(path).parts[1:]))
    while left:
        part = left.pop()
        if part == "..":
            place = place.parent
            continue
        outside = Path(f"{_OUTSIDE}{place}") / part
        if outside.is_symlink():
            target = outside.readlink()
            if not os.path.lexists(place / part):
                (place / part).symlink_to(target)
            if target.is_absolute():
                place = Path("/")
            left += reversed(target.parts[1:] if target.is_absolute() else target.parts)
            continue
        place /= part
        if not place.exists():
            if outside.is_dir():
                place.mkdir()
            elif outside.exists():
                place.touch()
            else:
                raise FileNotFoundError(2, os.strerror(2), path)
    return place


def _mount_proc(outside: str = "", *, are_threads_named: bool = False) -> None:
    # Read-only: root's files in it are the machine's settings, and open to a root that has no capability. Where threads
    # are to be named, the mount is so and not the file system, of which one folder is mounted once more.
    whole = 0 if are_threads_named else MS_RDONLY
    try:
        system.mount("proc", "/proc", "proc", whole | MS_NOSUID | MS_NODEV | MS_NOEXEC)
    except PermissionError:
        # In a container whose own /proc is partly covered, nobody gets a fresh one. The old one names the container's
        # processes; their memory and environment are closed to another user namespace.
        system.mount(f"{outside}/proc", "/proc", None, MS_BIND | MS_REC)
        system.restrict_mount("/proc", MS_RDONLY | MS_NOSUID | MS_NODEV)
        if are_threads_named:
            system.mount(outside + THREADS, THREADS, None, MS_BIND)
            system.restrict_mount(THREADS, MS_NOSUID | MS_NODEV)
    else:
        if are_threads_named:
            system.mount(THREADS, THREADS, None, MS_BIND)
            system.restrict_mount("/proc", MS_RDONLY, recursive=False)


def _mount_shared_memory() -> None:
    system.mount("shm", SHARED_MEMORY, "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=64m,nr_inodes=4096")


def _mount_terminals() -> None:
    # IPython runs "!command" in a terminal. It is of no matter for anything else, so it may be missing.
    with contextlib.suppress(OSError):
        system.mount("terminals", TERMINALS, "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=600")
        Path("/dev/ptmx").symlink_to("pts/ptmx")


def _refused(layer: str, error: OSError) -> SandboxError:
    if isinstance(error, FileNotFoundError):
        remedy = "The candidate is to have this path: make it, or leave it out."
    else:
        remedy = (
            "The system lets a user namespace mount nothing, or this user may not read the path. In a container, allow "
            "mount in its seccomp and AppArmor profiles; else let the user who grades read it."
        )
    return SandboxError(layer, f"to mount what the candidate is to see: {error}", remedy)
