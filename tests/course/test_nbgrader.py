"""On benign submissions every score is the one that `nbgrader autograde` gives, and nbgrader reads our gradebook."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from autograder.course import load_course
from autograder.grading import Settings, grade
from autograder.kernels.process import shared_server
from autograder.sample import cases
from autograder.submitted import find_submissions
from benchmarks import nbgrader

from .conftest import COURSE

pytestmark = pytest.mark.slow

# Running them in nbgrader, one after the other, is most of this test's time.
STUDENTS = 4


def chosen(assignment):
    """The reference, the untouched release, one who made mistakes, and one who wrote right answers differently."""
    benign = [case for case in cases(COURSE, assignment) if nbgrader.benign(case)]
    right = next(case for case in benign if case.answers and not case.scores)
    wrong = next(case for case in benign if case.answers and case.scores and case.base == "reference")
    general = [case for case in benign if case.student in {"reference", "untouched"}]
    return [*general, right, wrong]


def test_scores_are_those_of_nbgrader(assignment, tmp_path):
    class_ = chosen(assignment)
    assert len(class_) == STUDENTS
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    for folder in (theirs, ours):
        nbgrader.make_course(COURSE, assignment, class_, folder)
    base = {**os.environ, "COURSE_DATA_SOURCE": "standin"}
    nbgrader.run(theirs, "generate_assignment", assignment.name, base)
    nbgrader.run(theirs, "autograde", assignment.name, base)

    course = load_course(ours)
    shared_server(course.preload)
    submissions = find_submissions(course, course.select([assignment.name]))
    with ThreadPoolExecutor(2) as executor:
        grade(course, submissions, Settings(environment=(("COURSE_DATA_SOURCE", "standin"),)), executor)

    expected = nbgrader.scores(theirs, assignment.name)
    assert set(expected) == {case.student for case in class_}
    assert nbgrader.scores(ours, assignment.name) == expected
    exported = subprocess.run(
        [nbgrader.NBGRADER, "export", "--to", str(tmp_path / "grades.csv")],
        cwd=ours,
        env=nbgrader.environment(base),
        capture_output=True,
        text=True,
        check=False,
    )
    assert exported.returncode == 0, exported.stderr
    rows = (tmp_path / "grades.csv").read_text().splitlines()
    assert len(rows) == 1 + STUDENTS
