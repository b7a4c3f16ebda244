"""
Compare the time that a class takes on this machine's own pool with that on a Dask cluster of as many workers.

Examples::

    python -m benchmarks.scaling
    python -m benchmarks.scaling 05_convolution_by_hand --students 20 --jobs 1 --jobs 2 --jobs 4
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from autograder.course import Assignment, Course, load_course
from autograder.sample import cases
from benchmarks import nbgrader

AUTOGRADER = str(Path(sys.executable).with_name("autograder"))


@dataclass(frozen=True)
class Timed:
    """
    A class graded twice with as many submissions at the same time.

    Attributes
    ----------
    jobs : int
        How many at the same time: of the pool, and workers of one core.
    pool, cluster : float
        Seconds from the command's start to its end. The workers are there before; warm servers are started in the run.
    """

    jobs: int
    pool: float
    cluster: float

    @property
    def ratio(self) -> float:
        """How much longer the cluster takes."""
        return self.cluster / self.pool


def main(
    name: Annotated[str, typer.Argument(help="Which assignment.")] = "02_sigmoid_neuron",
    students: Annotated[int, typer.Option(help="Size of the class.")] = 30,
    jobs: Annotated[list[int] | None, typer.Option(help="Submissions at the same time; may be repeated.")] = None,
) -> None:
    """Measure, and print the table."""
    course = load_course(Path(__file__).parents[1])
    (assignment,) = course.select([name])
    console = Console()
    with tempfile.TemporaryDirectory(prefix="scaling-") as folder, console.status(name) as status:
        timed = compare(course, assignment, students, jobs or (1, 2), Path(folder), status.update)
    table = Table(title=f"{students} submissions of {name}, {os.cpu_count()} cores")
    for heading in ("jobs", "pool s", "times faster", "cluster s", "times faster", "cluster / pool"):
        table.add_column(heading, justify="right")
    first = timed[0]
    for each in timed:
        gains = first.pool / each.pool, first.cluster / each.cluster
        row = (each.pool, gains[0], each.cluster, gains[1], each.ratio)
        table.add_row(str(each.jobs), *(f"{value:.2f}" for value in row))
    console.print(table)


def compare(
    course: Course,
    assignment: Assignment,
    students: int,
    jobs: Sequence[int],
    folder: Path,
    tell: Callable[[str], None] = lambda _line: None,
) -> list[Timed]:
    """
    Grade the same class on the pool and on a cluster, with each number of jobs.

    Raises
    ------
    SystemExit
        They gave different scores.
    """
    from distributed import LocalCluster

    benign = [case for case in cases(course, assignment) if nbgrader.benign(case)]
    endless = itertools.islice(itertools.cycle(benign), students)
    class_ = [replace(case, student=f"s{number:03}-{case.student}") for number, case in enumerate(endless)]
    nbgrader.make_course(course, assignment, class_, folder / "course")
    tell("warming up")
    _grade(folder, assignment, "--student", class_[0].student)
    timed, scores = [], []
    for number in jobs:
        tell(f"{number} at the same time on the pool")
        pool = _grade(folder, assignment, "--jobs", str(number))
        scores.append(_scores(folder))
        tell(f"{number} workers of a cluster")
        with LocalCluster(n_workers=number, threads_per_worker=1, dashboard_address=None) as workers:
            cluster = _grade(folder, assignment, "--scheduler", workers.scheduler_address)
        scores.append(_scores(folder))
        timed.append(Timed(number, pool, cluster))
    if any(each != scores[0] for each in scores):
        raise SystemExit(f"{assignment.name}: the pool and the cluster gave different scores")
    return timed


def _grade(folder: Path, assignment: Assignment, *options: str) -> float:
    environment = {name: value for name, value in os.environ.items() if name != "COURSE_DATA"}
    command = [AUTOGRADER, "--course", folder / "course", "grade", assignment.name, "--force", *options]
    begin = time.monotonic()
    subprocess.run(
        [*command, "--data", "standin", "--json", folder / "verdicts.json"],
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.monotonic() - begin


def _scores(folder: Path) -> dict[str, float]:
    return {each["student"]: each["score"] for each in json.loads((folder / "verdicts.json").read_text())}


if __name__ == "__main__":
    typer.run(main)
