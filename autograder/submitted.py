"""
What students handed in: which files there are, and what marking them takes.

Imports nothing but the course, so that the fork server is at work while the rest of the grader is still being imported.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.course import Assignment, Course, CourseError, NotebookSource

_OURS = frozenset({"coursekit", "autograder"})
_KERAS = frozenset({"keras", "tensorflow", "jax"})


@dataclass(frozen=True)
class Submission:
    """
    One notebook of one student.

    Attributes
    ----------
    student : str
        Name of the student's folder.
    assignment : Assignment
        What was handed in.
    notebook : NotebookSource
        Its master.
    path : Path
        Where the file is, or should be.
    """

    student: str
    assignment: Assignment
    notebook: NotebookSource
    path: Path


def find_submissions(course: Course, assignments: Sequence[Assignment], students: str = "*") -> list[Submission]:
    """
    List what is to be graded: every notebook of every assignment folder of every student under ``submitted/``.

    Parameters
    ----------
    course : Course
        Where to look.
    assignments : sequence of Assignment
        Which assignments.
    students : str
        Shell pattern for students' names.

    Raises
    ------
    CourseError
        There is no ``submitted/`` folder.
    """
    if not course.submitted.is_dir():
        raise CourseError(
            f"There is no folder {course.submitted}. Put submissions there as <student>/<assignment>/<notebook>.ipynb, "
            "or make a class to try things out with 'autograder sample'."
        )
    found = []
    for folder in sorted(course.submitted.iterdir()):
        if not folder.is_dir() or folder.name.startswith(".") or not fnmatch.fnmatchcase(folder.name, students):
            continue
        for assignment in assignments:
            place = folder / assignment.name
            if place.is_dir():
                found += [
                    Submission(folder.name, assignment, notebook, place / notebook.path.name)
                    for notebook in assignment.notebooks
                ]
    return found


def preload(course: Course, submissions: Sequence[Submission]) -> tuple[str, ...]:
    """
    Give the modules that warm kernels should have for these submissions.

    Those of the course whose package a master names, or that belong to the repository itself: who grades an assignment
    without TensorFlow need not wait for it. A kernel that needs another one imports it then.
    """
    texts = [notebook.path.read_text(encoding="utf-8") for notebook in {s.notebook for s in submissions}]
    packages = {name.partition(".")[0] for name in course.preload}
    named = {package for package in packages | _KERAS if any(package in text for text in texts)} | _OURS
    # Keras brings what it computes with along, wherever only one of the two is named.
    if named & _KERAS:
        named |= _KERAS
    return tuple(name for name in course.preload if name.partition(".")[0] in named)
