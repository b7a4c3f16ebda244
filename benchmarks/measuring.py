"""What all measurements share: watching a command, and the values in which findings are told."""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from autograder.course import Assignment, Course

AUTOGRADER = str(Path(sys.executable).with_name("autograder"))
MEBIBYTE = 2**20

Cell = str | float | None
Tell = Callable[[str], None]

_KERNELS = 11
# The share of a core that looking may take.
_LOOKING = 0.02
_TAIL_CHARACTERS = 4000


@dataclass(frozen=True)
class Options:
    """
    What is to be measured, and how large.

    Attributes
    ----------
    course : Course
        The repository's own.
    assignments : tuple of Assignment
        Those whose classes are graded.
    students : int
        Size of such a class.
    submissions : int
        Size of the class of thousands.
    jobs : int
        Submissions at the same time.
    """

    course: Course
    assignments: tuple[Assignment, ...]
    students: int
    submissions: int
    jobs: int


@dataclass(frozen=True)
class Ratio:
    """
    Two measurements of one run, one divided by the other: the same on a fast machine and on a slow one. Less is better.

    Attributes
    ----------
    name : str
        What is divided by what, for which assignment.
    of : str
        How large what was measured is: ratios of different sizes are not compared.
    values : tuple of float
        One for each time that it was measured.
    """

    name: str
    of: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The value in the middle."""
        return statistics.median(self.values)

    @property
    def spread(self) -> float:
        """The largest distance of a value from the median, as a share of that."""
        return max(abs(value - self.median) for value in self.values) / self.median


@dataclass(frozen=True)
class Part:
    """
    What one part of the measurements found.

    Attributes
    ----------
    title : str
        Says what was measured, and how large.
    rows : tuple of mapping
        A table: each row has the same columns; None is an empty cell.
    aims : mapping
        What the values of a column should be at most.
    ratios : tuple of Ratio
        What ``--check`` looks at.
    """

    title: str
    rows: tuple[Mapping[str, Cell], ...]
    aims: Mapping[str, float] = field(default_factory=dict)
    ratios: tuple[Ratio, ...] = ()


def combined(parts: Sequence[Part]) -> Part:
    """Make one part of several measurements of it: medians in the table, and all values of each ratio."""
    first = parts[0]
    rows = tuple(
        {column: _middle([each[column] for each in alike]) for column in alike[0]}
        for alike in zip(*(part.rows for part in parts), strict=True)
    )
    ratios = tuple(
        Ratio(alike[0].name, alike[0].of, tuple(value for each in alike for value in each.values))
        for alike in zip(*(part.ratios for part in parts), strict=True)
    )
    return Part(first.title, rows, first.aims, ratios)


def _middle(cells: Sequence[Cell]) -> Cell:
    numbers = [cell for cell in cells if isinstance(cell, float)]
    return statistics.median(numbers) if len(numbers) == len(cells) else cells[0]


@dataclass(frozen=True)
class Watched:
    """
    A command that has run.

    Attributes
    ----------
    wall : float
        Seconds from its start to its end.
    processor : float
        Seconds of processor time, of it and of everything it started.
    lines : tuple of (float, str)
        What it wrote, and how many seconds after its start.
    samples : tuple of (float, float)
        What was looked at meanwhile, and when.
    """

    wall: float
    processor: float
    lines: tuple[tuple[float, str], ...]
    samples: tuple[tuple[float, float], ...]

    def time_of(self, beginning: str) -> float:
        """Give when the first line was written that begins so."""
        return next(seconds for seconds, line in self.lines if line.startswith(beginning))


def watch(
    command: Sequence[str],
    cwd: Path,
    environment: Mapping[str, str],
    *,
    look: Callable[[psutil.Process], float | None] = lambda _process: None,
    every: float = 0.1,
) -> Watched:
    """
    Run a command, and look at its process every so many seconds.

    Where a look takes long it looks less often: that takes processor time from what is measured.

    Raises
    ------
    RuntimeError
        It failed; the message holds the end of what it wrote.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.monotonic()
    process = subprocess.Popen(
        command, cwd=cwd, env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    samples: list[tuple[float, float]] = []
    ended = threading.Event()

    def keep_looking() -> None:
        root = psutil.Process(process.pid)
        pause = every
        while not ended.wait(pause):
            looked = time.thread_time()
            try:
                found = look(root)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue  # something ended while it was looked at
            finally:
                pause = max(every, (time.thread_time() - looked) / _LOOKING)
            if found is not None:
                samples.append((time.monotonic() - begin, found))

    looking = threading.Thread(target=keep_looking)
    with process:
        looking.start()
        try:
            assert process.stdout is not None
            lines = [(time.monotonic() - begin, line.rstrip("\n")) for line in process.stdout]
        finally:
            ended.set()
            looking.join()
    wall = time.monotonic() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode != 0:
        told = "\n".join(line for _, line in lines)[-_TAIL_CHARACTERS:]
        raise RuntimeError(f"{command[0]} ended with {process.returncode}:\n{told}")
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Watched(wall, processor, tuple(lines), tuple(samples))


def kernels(process: psutil.Process) -> Iterator[psutil.Process]:
    """Give the kernels below a process: nbgrader's are known by their command line; ours, forked, by their parent's."""
    for below in process.children(recursive=True):
        try:
            parent = below.parent()
            if "ipykernel_launcher" in " ".join(below.cmdline()) or (
                parent is not None and "autograder.kernels.server" in parent.cmdline()
            ):
                yield below
        except psutil.NoSuchProcess:
            continue


def environment_of_runs(base: Mapping[str, str]) -> dict[str, str]:
    """Give the variables under which graders are measured: the same pictures on every machine."""
    return {**{name: value for name, value in base.items() if name != "COURSE_DATA"}, "COURSE_DATA_SOURCE": "standin"}


def empty_kernel_seconds() -> float:
    """
    Measure how long an empty warm kernel takes, from the request to its end: the unit of what grading adds.

    In a process of its own, since its fork server lives as long as that.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_empty_kernels, _KERNELS).result()


def _empty_kernels(number: int) -> float:
    from jupyter_client.manager import KernelManager

    from autograder.kernels.process import shared_server

    shared_server().wait_until_ready()
    taken = []
    for _ in range(number):
        begin = time.monotonic()
        manager = KernelManager(kernel_name="warm", transport="ipc")
        manager.start_kernel()
        client = manager.client()
        client.start_channels()
        client.wait_for_ready()
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        taken.append(time.monotonic() - begin)
    return statistics.median(taken)
