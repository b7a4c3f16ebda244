"""Our grading beside `nbgrader autograde`: the same submissions, the same compiled environment, one after the other."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from autograder.course import Assignment, Course, load_course
from autograder.sample import cases
from benchmarks import nbgrader
from benchmarks.measuring import (
    AUTOGRADER,
    MEBIBYTE,
    Cell,
    Options,
    Part,
    Ratio,
    Tell,
    empty_kernel_seconds,
    environment_of_runs,
    kernels,
    watch,
)

_OVERHEAD = "beyond its cells, s"
_SHARED_OUT = "wall / cells shared out"
# A tenth of the class where a submission takes minutes.
_SMALLER = 10


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
    cells : float or None
        Seconds that all cells of all submissions ran together; None where not known.
    overhead : float or None
        Seconds of a submission from its first kernel to its last cell in which no cell ran; None where not known.
    """

    wall: float
    processor: float
    kernel_memory: float
    cells: float | None = None
    overhead: float | None = None


def measure(options: Options, tell: Tell) -> Part:
    """Grade a class of each assignment three times: with ours, with ours drawing all pictures, and with nbgrader."""
    rows: list[Mapping[str, Cell]] = []
    ratios: list[Ratio] = []
    empty = empty_kernel_seconds()
    for assignment in options.assignments:
        students = class_size(options, assignment)
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            ours, drawing, theirs = compare(options, assignment, students, Path(folder), tell)
        of = f"{students} submissions, {options.jobs} jobs"
        rows += [
            _row(f"{assignment.name} ({students})", "autograder", ours, students, theirs, options.jobs),
            _row("", "autograder --pictures", drawing, students, theirs, options.jobs),
            _row("", "nbgrader", theirs, students, theirs, options.jobs),
        ]
        ratios += [
            Ratio(f"{assignment.name}: seconds / nbgrader's", of, (ours.wall / theirs.wall,)),
            Ratio(f"{assignment.name}: processor seconds / nbgrader's", of, (ours.processor / theirs.processor,)),
        ]
        if ours.overhead is not None:
            ratios.append(Ratio(f"{assignment.name}: beyond its cells / an empty kernel", of, (ours.overhead / empty,)))
    title = f"Beside nbgrader: {options.jobs} submissions at the same time, {os.cpu_count()} cores"
    return Part(title, tuple(rows), {_OVERHEAD: 0.5}, tuple(ratios))


def class_size(options: Options, assignment: Assignment) -> int:
    """Give the size of an assignment's class: small where the course gives cells more time than usual, to train."""
    usual = min(each.limits.cell_timeout for each in options.course.assignments)
    is_trained = assignment.limits.cell_timeout > usual
    return max(2, options.students // _SMALLER) if is_trained else options.students


def compare(
    options: Options, assignment: Assignment, students: int, folder: Path, tell: Tell
) -> tuple[Measured, Measured, Measured]:
    """
    Grade the same class three times.

    Each grader has read its files from disk once before.

    Raises
    ------
    SystemExit
        The two graders gave different scores.
    """
    class_ = class_of(options.course, assignment, students)
    ours, theirs = folder / "ours", folder / "theirs"
    for each in (ours, theirs):
        nbgrader.make_course(options.course, assignment, class_, each)
    environment = environment_of_runs(os.environ)
    tell(f"{assignment.name}: warming up")
    grade = [AUTOGRADER, "--course", str(ours), "grade", assignment.name, "--jobs", str(options.jobs)]
    watch([*grade, "--student", class_[0].student], ours, environment)
    nbgrader.run(theirs, "generate_assignment", assignment.name, environment)
    measured = []
    for option in ((), ("--pictures",)):
        tell(" ".join((f"{assignment.name}: autograder", *option)))
        graded = _graded([*grade, "--force", *option], ours, environment)
        cells, overhead = _recorded(ours, assignment)
        measured.append(replace(graded, cells=cells, overhead=overhead))
    tell(f"{assignment.name}: nbgrader")
    autograde = [nbgrader.NBGRADER, "autograde", assignment.name]
    measured.append(_graded(autograde, theirs, nbgrader.environment(environment)))
    if nbgrader.scores(ours, assignment.name) != nbgrader.scores(theirs, assignment.name):
        raise SystemExit(f"{assignment.name}: the two graders gave different scores")
    plain, drawing, nbgraders = measured
    return plain, drawing, nbgraders


def _graded(command: Sequence[str], course: Path, environment: Mapping[str, str]) -> Measured:
    watched = watch(command, course, environment, look=_largest_kernel)
    return Measured(watched.wall, watched.processor, max(size for _, size in watched.samples) / MEBIBYTE)


def _largest_kernel(process: psutil.Process) -> float:
    return max((float(kernel.memory_full_info().pss) for kernel in kernels(process)), default=0.0)


def class_of(course: Course, assignment: Assignment, students: int) -> list[nbgrader.Case]:
    """Make a class of that size from the benign cases, each as often as needed, under names of its own."""
    benign = [case for case in cases(course, assignment) if nbgrader.benign(case)]
    endless = itertools.islice(itertools.cycle(benign), students)
    return [replace(case, student=f"s{number:03}-{case.student}") for number, case in enumerate(endless)]


def _recorded(folder: Path, assignment: Assignment) -> tuple[float, float]:
    """Give the seconds of all cells, and those of a submission in which no cell ran, as our gradebook recorded them."""
    from autograder.gradebook import open_gradebook

    with open_gradebook(load_course(folder)) as gradebook:
        verdicts = [stored.verdict for stored in gradebook.recorded(assignment.name).values()]
    cells = sum(verdict.cell_seconds for verdict in verdicts)
    return cells, (sum(verdict.seconds for verdict in verdicts) - cells) / len(verdicts)


def _row(name: str, grader: str, measured: Measured, students: int, theirs: Measured, jobs: int) -> Mapping[str, Cell]:
    return {
        "assignment (students)": name,
        "grader": grader,
        "s a submission": measured.wall / students,
        "times faster": theirs.wall / measured.wall,
        _OVERHEAD: measured.overhead,
        _SHARED_OUT: measured.cells and measured.wall * jobs / measured.cells,
        "cores busy": measured.processor / measured.wall,
        "MiB a kernel": measured.kernel_memory,
    }
