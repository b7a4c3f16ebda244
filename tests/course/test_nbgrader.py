"""
On benign submissions every score is the one that `nbgrader autograde` gives, and nbgrader reads our gradebook.

What a submission of the sample class deserves, and that this grader gives it, is test_sample_class.py's to say; here
nbgrader gives the same. It is slow: only a long run asks it about more than two assignments.
"""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from autograder.build import read_master
from autograder.course import load_course
from autograder.grading import Settings, grade
from autograder.kernels.process import shared_server
from autograder.paper import Role, blank
from autograder.sample import cases, expected_scores
from autograder.submitted import find_submissions
from benchmarks import nbgrader

from .conftest import COURSE, SHORT

pytestmark = pytest.mark.slow

BASE = {**os.environ, "COURSE_DATA_SOURCE": "standin"}

# Running them in nbgrader, one after the other, is most of this test's time.
STUDENTS = 4


def chosen(assignment):
    """The reference, the untouched release, one who made mistakes, and one who wrote right answers differently."""
    benign = [case for case in cases(COURSE, assignment) if nbgrader.benign(case)]
    right = next(case for case in benign if case.answers and not case.scores)
    wrong = next(case for case in benign if case.answers and case.scores and case.base == "reference")
    general = [case for case in benign if case.student in {"reference", "untouched"}]
    return [*general, right, wrong]


EVERY = [
    pytest.param(each, marks=[] if each in SHORT[:2] else pytest.mark.long, id=each.name) for each in COURSE.assignments
]


def machine_graded(folder, assignment):
    """Scores in a gradebook by student and cell, but for cells that a person grades."""
    (notebook,) = assignment.notebooks
    tests = {cell.grade_id for cell in blank(read_master(notebook.path)) if cell.role is Role.TEST}
    return {
        student: {grade_id: score for grade_id, score in scores.items() if grade_id in tests}
        for student, scores in nbgrader.scores(folder, assignment.name).items()
    }


def deserved(class_, assignment):
    (notebook,) = assignment.notebooks
    master = read_master(notebook.path)
    return {case.student: expected_scores(case, master) for case in class_}


@pytest.mark.parametrize("of", EVERY)
def test_scores_are_those_of_nbgrader(of, tmp_path):
    class_ = chosen(of)
    assert len(class_) == STUDENTS
    nbgrader.make_course(COURSE, of, class_, tmp_path / "course")

    nbgrader.run(tmp_path / "course", "generate_assignment", of.name, BASE)
    nbgrader.run(tmp_path / "course", "autograde", of.name, BASE)

    assert machine_graded(tmp_path / "course", of) == deserved(class_, of)


def test_nbgrader_reads_the_gradebook_and_exports_the_same_scores(tmp_path):
    of = SHORT[0]
    class_ = chosen(of)
    nbgrader.make_course(COURSE, of, class_, tmp_path / "course")
    course = load_course(tmp_path / "course")
    shared_server(course.preload)
    submissions = find_submissions(course, course.select([of.name]))
    with ThreadPoolExecutor(2) as executor:
        grade(course, submissions, Settings(environment=(("COURSE_DATA_SOURCE", "standin"),)), executor)

    assert machine_graded(course.root, of) == deserved(class_, of)
    exported = subprocess.run(
        [nbgrader.NBGRADER, "export", "--to", str(tmp_path / "grades.csv")],
        cwd=course.root,
        env=nbgrader.environment(BASE),
        capture_output=True,
        text=True,
        check=False,
    )
    assert exported.returncode == 0, exported.stderr
    rows = (tmp_path / "grades.csv").read_text().splitlines()
    assert len(rows) == 1 + STUDENTS
