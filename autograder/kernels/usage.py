"""
What a kernel uses together with all that it started, measured from outside.

Linux limits single processes; a kernel can start many, and share memory between them. Where a grader has no control
group of its own to put them into, it has to look.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

_PROC = Path("/proc")
# Memory that is no file's: a process's own, and shared.
_RESIDENT = re.compile(r"^Rss(?:Anon|Shmem):\s+(\d+) kB$", re.MULTILINE)
_PROPORTIONAL = re.compile(r"^Pss_(?:Anon|Shmem):\s+(\d+) kB$", re.MULTILINE)
_KIBIBYTE = 1024
_BYTES_OF_A_BLOCK = 512


@dataclass(frozen=True)
class Ceiling:
    """
    What a kernel may use together with all that it started.

    Attributes
    ----------
    memory : int
        Bytes, beyond what the kernel has when it is ready; 0: no limit.
    processes : int
        Processes and threads; 0: no limit.
    files : int
        Files (sockets, that is) in the folder of its connection; 0: no limit.
    files_of_memory : bool
        Whether it may make any. What is in them counts as memory, also where no process looks into it.
    """

    memory: int = 0
    processes: int = 0
    files: int = 0
    files_of_memory: bool = False


class Watch:
    """
    Looks how much a kernel uses.

    Parameters
    ----------
    pid : int
        The kernel's first process; the kernel is ready, and has run nothing yet.
    ceiling : Ceiling
        What it may use.
    folder : Path
        The folder of its connection.

    Notes
    -----
    What a kernel shares with the server that forked it counts once for each of its processes at first glance. Only
    where that is too much, each page is divided by the number of processes that have it, which takes long to find out.
    A kernel is never stopped for what it shares with others; for that, it may have as much more than the ceiling says
    as it had when it was ready.
    """

    def __init__(self, pid: int, ceiling: Ceiling, folder: Path) -> None:
        self._pid = pid
        self._ceiling = ceiling
        self._folder = folder
        at_first = [_resident(each) for each in _tree(pid)]
        self._base = sum(at_first)
        self._shared = max(at_first)

    def exceeded(self) -> str:
        """Tell what there is too much of: ``"memory"``, ``"processes"`` or ``"files"``; empty while all is well."""
        ceiling = self._ceiling
        tree = list(_tree(self._pid))
        if ceiling.processes and sum(_count(_PROC / str(each) / "task") for each in tree) > ceiling.processes:
            return "processes"
        if ceiling.files and _count(self._folder) > ceiling.files:
            return "files"
        hidden = _in_files_of_memory(tree) if ceiling.files_of_memory else 0
        if not ceiling.memory or sum(map(_resident, tree)) + hidden <= self._base + ceiling.memory:
            return ""
        sums = accumulate(map(_proportional, tree), initial=hidden)
        return "memory" if any(each > self._shared + ceiling.memory for each in sums) else ""


def _resident(pid: int) -> int:
    """Bytes of a process's own and shared memory, also of what it has in common with others."""
    return _sum(_RESIDENT, _PROC / str(pid) / "status")


def _proportional(pid: int) -> int:
    return _sum(_PROPORTIONAL, _PROC / str(pid) / "smaps_rollup")


def _sum(pattern: re.Pattern[str], file: Path) -> int:
    try:
        text = file.read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0  # it has ended meanwhile
    return _KIBIBYTE * sum(map(int, pattern.findall(text)))


def _in_files_of_memory(pids: Iterable[int]) -> int:
    """Bytes in all files of memory that these processes have open, each counted once."""
    found = {}
    for pid in pids:
        with contextlib.suppress(OSError):  # it has ended meanwhile
            for entry in (_PROC / str(pid) / "fd").iterdir():
                with contextlib.suppress(OSError):  # closed meanwhile
                    if str(entry.readlink()).startswith("/memfd:"):
                        status = entry.stat()
                        found[status.st_dev, status.st_ino] = status.st_blocks * _BYTES_OF_A_BLOCK
    return sum(found.values())


def _tree(pid: int) -> Iterator[int]:
    yield pid
    try:
        threads = list((_PROC / str(pid) / "task").iterdir())
        children = [child for thread in threads for child in (thread / "children").read_text().split()]
    except OSError:
        return  # it has ended meanwhile, or this Linux does not tell
    for child in children:
        yield from _tree(int(child))


def _count(folder: Path) -> int:
    try:
        return sum(1 for _ in folder.iterdir())
    except OSError:
        return 0
