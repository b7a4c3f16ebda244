"""
The grader gives every made-up student the points that their case deserves, and says the words it should.

Where notebooks train for long, some of the class stand for it; the whole of it is marked in a long run.
"""

import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from autograder.build import read_master
from autograder.course import load_course
from autograder.grading import Settings, grade
from autograder.kernels.process import shared_server
from autograder.sample import cases, expected_scores, write_class
from autograder.submitted import find_submissions
from autograder.verdict import Outcome, Status

from .conftest import COURSE, SHORT

pytestmark = pytest.mark.slow


CLASSES = [
    *(pytest.param(each, True, id=each.name) for each in SHORT),
    *(pytest.param(each, False, id=f"{each.name}-some") for each in COURSE.assignments if each not in SHORT),
    *(
        pytest.param(each, True, id=each.name, marks=pytest.mark.long)
        for each in COURSE.assignments
        if each not in SHORT
    ),
]
every_class = pytest.mark.parametrize(("of", "whole"), CLASSES)


def chosen(assignment, *, whole):
    """The cases of a class; else those that have little or nothing to train, the reference, and the first mistakes."""
    every = cases(COURSE, assignment)
    if whole:
        return every
    first = next(case for case in every if case.answers and case.scores and case.base == "reference")
    return tuple(
        case
        for case in every
        if case is first or case.student == "reference" or case.base == "release" or case.status is Status.FAILED
    )


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """Verdicts on a class, by student; made once for each."""
    done = {}

    def of(assignment, whole):
        key = assignment.name, whole
        if key not in done:
            folder = tmp_path_factory.mktemp(assignment.name)
            write_class(COURSE, [assignment], folder)
            present = {case.student for case in chosen(assignment, whole=whole)}
            for case in cases(COURSE, assignment):
                if case.student not in present:
                    shutil.rmtree(folder / "submitted" / case.student)
            course = load_course(folder)
            shared_server(course.preload)
            submissions = find_submissions(course, course.select([assignment.name]))
            settings = Settings(
                environment=(("COURSE_DATA_SOURCE", "standin"), ("COURSE_PROFILE", "cpu")),
                examiner_environment=(("COURSE_HOLDOUT_SEED", str(course.holdout_seed)),),
            )
            with ThreadPoolExecutor(2) as executor:
                verdicts = grade(course, submissions, settings, executor)
            done[key] = {verdict.student: verdict for verdict in verdicts}
        return done[key]

    return of


def test_a_class_has_at_least_twelve_students_of_many_kinds(course, assignment):
    kinds = cases(course, assignment)
    assert len({case.student for case in kinds}) == len(kinds) >= 12
    full = [case for case in kinds if case.answers and not case.scores]
    wrong = [case for case in kinds if case.answers and case.scores and case.base == "reference"]
    assert len(full) >= 3, "right answers written in other ways"
    assert len(wrong) >= 4, "typical mistakes"
    assert any(case.base == "release" and case.answers for case in kinds), "half done"


@every_class
def test_each_student_gets_the_points_that_the_case_deserves(of, whole, graded):
    (notebook,) = of.notebooks
    master = read_master(notebook.path)
    wrong = []
    for case in chosen(of, whole=whole):
        verdict = graded(of, whole)[case.student]
        given = {cell.grade_id: cell.score for cell in verdict.cells if cell.outcome is not Outcome.MANUAL}
        for grade_id, points in expected_scores(case, master).items():
            if given[grade_id] != pytest.approx(points):
                message = next(cell.message for cell in verdict.cells if cell.grade_id == grade_id)
                wrong.append(f"{case.student} {grade_id}: {given[grade_id]} for {points}: {message}")
        if verdict.status is not case.status:
            wrong.append(f"{case.student}: {verdict.status} for {case.status}: {verdict.message}")
    assert not wrong, "\n".join(wrong)


@every_class
def test_each_student_is_told_what_went_wrong(of, whole, graded):
    silent = []
    for case in chosen(of, whole=whole):
        verdict = graded(of, whole)[case.student]
        messages = {cell.grade_id: cell.message for cell in verdict.cells} | {"": verdict.message}
        for grade_id, words in case.says.items():
            if words not in messages[grade_id]:
                silent.append(f"{case.student} {grade_id!r}: {words!r} is not in {messages[grade_id]!r}")
    assert not silent, "\n".join(silent)


@every_class
def test_no_cell_that_lost_points_is_without_a_message(of, whole, graded):
    lost = [
        f"{verdict.student} {cell.grade_id}"
        for verdict in graded(of, whole).values()
        for cell in verdict.cells
        if cell.score < cell.max_score and not cell.message
    ]
    assert not lost


@every_class
def test_no_test_of_ours_fails_in_the_examiner(of, whole, graded):
    notes = [
        f"{verdict.student} {cell.grade_id}: {cell.staff_note}"
        for verdict in graded(of, whole).values()
        for cell in verdict.cells
        if cell.staff_note
    ]
    assert not notes


@every_class
def test_a_failed_submission_is_told_once_and_the_others_are_marked(of, whole, graded):
    failed = [verdict for verdict in graded(of, whole).values() if verdict.status is Status.FAILED]
    assert {verdict.student for verdict in failed} == {"not-json", "cut-off"}
    assert all(verdict.message.count(verdict.notebook) == 1 for verdict in failed)
