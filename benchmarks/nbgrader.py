"""nbgrader on the same class: a course folder as nbgrader wants it, and its own autograde run in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from autograder.build import read_master
from autograder.course import Assignment, Course
from autograder.kernels.process import CALM
from autograder.sample import Case, copy_settings, submission_bytes

NBGRADER = str(Path(sys.executable).with_name("nbgrader"))


def benign(case: Case) -> bool:
    """Tell whether a case is one on which nbgrader and the sealed grader must agree: nothing damaged or doubled."""
    return not (case.damage or case.delete or case.duplicate) and case.student.isascii()


def make_course(course: Course, assignment: Assignment, cases: Sequence[Case], folder: Path) -> None:
    """
    Make a course folder in which `nbgrader autograde` can run.

    Parameters
    ----------
    course : Course
        Where the master comes from.
    assignment : Assignment
        With one notebook.
    cases : sequence of Case
        The class.
    folder : Path
        Where; it must not exist.
    """
    (notebook,) = assignment.notebooks
    master = read_master(notebook.path)
    shutil.copytree(course.source, folder / "source")
    copy_settings(course, folder)
    for case in cases:
        path = folder / "submitted" / case.student / assignment.name / notebook.path.name
        path.parent.mkdir(parents=True)
        path.write_bytes(submission_bytes(case, master))


def environment(base: Mapping[str, str]) -> dict[str, str]:
    """Give nbgrader's kernels the same quiet environment that ours have, and nbgrader the programs that it calls."""
    programs = os.pathsep.join([str(Path(sys.executable).parent), base.get("PATH", "")])
    return {**base, **CALM, "PATH": programs}


def run(folder: Path, command: str, assignment: str, base: Mapping[str, str]) -> None:
    """
    Run one of nbgrader's commands on an assignment.

    Raises
    ------
    RuntimeError
        It failed; the message holds the end of what it wrote.
    """
    done = subprocess.run(
        [NBGRADER, command, assignment],
        cwd=folder,
        env=environment(base),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"nbgrader {command} {assignment} ended with {done.returncode}:\n{done.stderr[-4000:]}")


def scores(folder: Path, assignment: str) -> dict[str, dict[str, float]]:
    """Read the points that nbgrader gave, by student and grade id."""
    from nbgrader.api import Gradebook

    found: dict[str, dict[str, float]] = {}
    with Gradebook(f"sqlite:///{folder / 'gradebook.db'}") as gradebook:
        for submission in gradebook.assignment_submissions(assignment):
            grades = (grade for notebook in submission.notebooks for grade in notebook.grades)
            found[submission.student.id] = {grade.name: grade.score for grade in grades}
    return found
