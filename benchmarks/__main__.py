"""
Compare our grading with `nbgrader autograde`: one run, the same submissions, the same compiled environment.

Examples::

    python -m benchmarks
    python -m benchmarks 02_sigmoid_neuron --students 30
"""

from __future__ import annotations

import itertools
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console
from rich.table import Table

from autograder.course import Assignment, Course, load_course
from autograder.sample import cases
from benchmarks import nbgrader

AUTOGRADER = str(Path(sys.executable).with_name("autograder"))

_SAMPLE_SECONDS = 0.1
_WIDTH = 110
_MEBIBYTE = 2**20


@dataclass(frozen=True)
class Measured:
    """
    One grading of a class.

    Attributes
    ----------
    wall : float
        Seconds from the command's start to its end.
    processor : float
        Seconds of processor time, of it and of everything it started.
    kernel_memory : float
        MiB: the largest proportional share of memory (PSS) of a single kernel.
    cells : float
        Seconds in which cells ran, summed over the class; nan where that is not known.
    conducted : float
        Seconds from each submission's first kernel to its last cell, summed over the class; nan where not known.
    """

    wall: float
    processor: float
    kernel_memory: float
    cells: float = float("nan")
    conducted: float = float("nan")


def main(
    names: Annotated[list[str] | None, typer.Argument(help="Which assignments; all when none is named.")] = None,
    students: Annotated[int, typer.Option(help="Size of the class.")] = 20,
    jobs: Annotated[int, typer.Option(help="Submissions at the same time, ours.")] = os.cpu_count() or 1,
) -> None:
    """Measure, and print the table of docs/operators.md."""
    course = load_course(Path(__file__).parents[1])
    console = Console(width=_WIDTH)
    table = Table(title=f"{students} submissions of each assignment, {os.cpu_count()} cores")
    for heading in ("assignment", "grader", "s a submission", "times", "overhead s", "cores busy", "MiB a kernel"):
        table.add_column(heading, justify="left" if heading in ("assignment", "grader") else "right")
    for assignment in course.select(names or ()):
        with tempfile.TemporaryDirectory(prefix="bench-") as folder, console.status(assignment.name) as status:
            ours, drawing, theirs = compare(course, assignment, students, jobs, Path(folder), status.update)
        table.add_row(assignment.name, "autograder", *_row(ours, students, theirs.wall / ours.wall))
        table.add_row("", "autograder --pictures", *_row(drawing, students, theirs.wall / drawing.wall))
        table.add_row("", "nbgrader", *_row(theirs, students, 1.0))
    console.print(table)


def compare(
    course: Course, assignment: Assignment, students: int, jobs: int, folder: Path, tell: Callable[[str], None]
) -> tuple[Measured, Measured, Measured]:
    """
    Grade the same class with ours, with ours drawing all pictures as nbgrader does, and with nbgrader.

    Each has read its files from disk once before.
    """
    class_ = _class(course, assignment, students)
    for name in ("ours", "theirs"):
        nbgrader.make_course(course, assignment, class_, folder / name)
    environment = {**os.environ, "COURSE_DATA_SOURCE": "standin"}
    environment.pop("COURSE_DATA", None)
    warm_up = folder / "ours" / "submitted" / class_[0].student
    tell(f"{assignment.name}: warming up")
    grade = [AUTOGRADER, "--course", str(folder / "ours"), "grade", assignment.name, "--jobs", str(jobs)]
    subprocess.run([*grade, "--student", warm_up.name], env=environment, check=True, stdout=subprocess.DEVNULL)
    nbgrader.run(folder / "theirs", "generate_assignment", assignment.name, environment)
    ours, drawing = (
        _measure_ours([*grade, "--force", *option], folder / "ours", assignment, environment, tell)
        for option in ((), ("--pictures",))
    )
    tell(f"{assignment.name}: nbgrader")
    command = [nbgrader.NBGRADER, "autograde", assignment.name]
    theirs = measure(command, folder / "theirs", nbgrader.environment(environment))
    same = nbgrader.scores(folder / "ours", assignment.name) == nbgrader.scores(folder / "theirs", assignment.name)
    if not same:
        raise SystemExit(f"{assignment.name}: the two graders gave different scores")
    shutil.rmtree(folder)
    return ours, drawing, theirs


def _measure_ours(
    command: Sequence[str],
    course: Path,
    assignment: Assignment,
    environment: dict[str, str],
    tell: Callable[[str], None],
) -> Measured:
    tell(f"{assignment.name}: autograder {' '.join(command[1:])}")
    measured = measure(command, course, environment)
    cells, conducted = _recorded_seconds(course, assignment)
    return replace(measured, cells=cells, conducted=conducted)


def measure(command: Sequence[str], cwd: Path, environment: dict[str, str]) -> Measured:
    """
    Run a command and measure it.

    Raises
    ------
    RuntimeError
        It failed.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.monotonic()
    process = subprocess.Popen(command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    memory = _KernelMemory(process.pid)
    with memory:
        output, _ = process.communicate()
    wall = time.monotonic() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}:\n{output.decode()[-4000:]}")
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measured(wall, processor, memory.largest / _MEBIBYTE)


class _KernelMemory:
    """Watches the memory of the kernels below a process, from a thread."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.largest = 0

    def __enter__(self) -> _KernelMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(_SAMPLE_SECONDS):
            try:
                below = self._root.children(recursive=True)
            except psutil.NoSuchProcess:
                return
            for process in below:
                try:
                    if _is_kernel(process):
                        self.largest = max(self.largest, process.memory_full_info().pss)
                except (psutil.NoSuchProcess, psutil.AccessDenied):
                    continue  # it ended while we looked


def _is_kernel(process: psutil.Process) -> bool:
    """Tell a kernel: nbgrader's by its command line; ours, forked, by its parent's."""
    if "ipykernel_launcher" in " ".join(process.cmdline()):
        return True
    parent = process.parent()
    return parent is not None and "autograder.kernels.server" in parent.cmdline()


def _class(course: Course, assignment: Assignment, students: int) -> list[nbgrader.Case]:
    """Make a class of that size from the benign cases, each as often as needed, under names of its own."""
    benign = [case for case in cases(course, assignment) if nbgrader.benign(case)]
    endless = itertools.islice(itertools.cycle(benign), students)
    return [replace(case, student=f"s{number:03}-{case.student}") for number, case in enumerate(endless)]


def _recorded_seconds(folder: Path, assignment: Assignment) -> tuple[float, float]:
    """Give the seconds of cells, and of whole sessions, that our gradebook recorded."""
    from autograder.gradebook import open_gradebook

    with open_gradebook(load_course(folder)) as gradebook:
        verdicts = [stored.verdict for stored in gradebook.recorded(assignment.name).values()]
    return sum(verdict.cell_seconds for verdict in verdicts), sum(verdict.seconds for verdict in verdicts)


def _row(measured: Measured, students: int, factor: float) -> list[str]:
    overhead = (measured.conducted - measured.cells) / students
    return [
        f"{measured.wall / students:.2f}",
        f"{factor:.1f}",
        "" if overhead != overhead else f"{overhead:.2f}",  # noqa: PLR0124 - nan is the one number unlike itself
        f"{measured.processor / measured.wall:.1f}",
        f"{measured.kernel_memory:.0f}",
    ]


if __name__ == "__main__":
    typer.run(main)
