"""The grader gives every made-up student the points that their case deserves, and says the words it should."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from autograder.build import read_master
from autograder.course import load_course
from autograder.grading import Settings, grade
from autograder.kernels.process import shared_server
from autograder.sample import cases, expected_scores, write_class
from autograder.submitted import find_submissions
from autograder.verdict import Outcome, Status

from .conftest import COURSE

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """Verdicts on the whole class of an assignment, by student; made once for each assignment."""
    done = {}

    def of(assignment):
        if assignment.name not in done:
            folder = tmp_path_factory.mktemp(assignment.name)
            write_class(COURSE, [assignment], folder)
            course = load_course(folder)
            shared_server(course.preload)
            submissions = find_submissions(course, course.select([assignment.name]))
            settings = Settings(
                environment=(("COURSE_DATA_SOURCE", "standin"), ("COURSE_PROFILE", "cpu")),
                examiner_environment=(("COURSE_HOLDOUT_SEED", str(course.holdout_seed)),),
            )
            with ThreadPoolExecutor(2) as executor:
                verdicts = grade(course, submissions, settings, executor)
            done[assignment.name] = {verdict.student: verdict for verdict in verdicts}
        return done[assignment.name]

    return of


def test_a_class_has_at_least_twelve_students_of_many_kinds(course, assignment):
    kinds = cases(course, assignment)
    assert len({case.student for case in kinds}) == len(kinds) >= 12
    full = [case for case in kinds if case.answers and not case.scores]
    wrong = [case for case in kinds if case.answers and case.scores and case.base == "reference"]
    assert len(full) >= 3, "right answers written in other ways"
    assert len(wrong) >= 4, "typical mistakes"
    assert any(case.base == "release" and case.answers for case in kinds), "half done"


def test_each_student_gets_the_points_that_the_case_deserves(course, assignment, graded):
    (notebook,) = assignment.notebooks
    master = read_master(notebook.path)
    wrong = []
    for case in cases(course, assignment):
        verdict = graded(assignment)[case.student]
        given = {cell.grade_id: cell.score for cell in verdict.cells if cell.outcome is not Outcome.MANUAL}
        for grade_id, points in expected_scores(case, master).items():
            if given[grade_id] != pytest.approx(points):
                message = next(cell.message for cell in verdict.cells if cell.grade_id == grade_id)
                wrong.append(f"{case.student} {grade_id}: {given[grade_id]} for {points}: {message}")
        if verdict.status is not case.status:
            wrong.append(f"{case.student}: {verdict.status} for {case.status}: {verdict.message}")
    assert not wrong, "\n".join(wrong)


def test_each_student_is_told_what_went_wrong(course, assignment, graded):
    silent = []
    for case in cases(course, assignment):
        verdict = graded(assignment)[case.student]
        messages = {cell.grade_id: cell.message for cell in verdict.cells} | {"": verdict.message}
        for grade_id, words in case.says.items():
            if words not in messages[grade_id]:
                silent.append(f"{case.student} {grade_id!r}: {words!r} is not in {messages[grade_id]!r}")
    assert not silent, "\n".join(silent)


def test_no_cell_that_lost_points_is_without_a_message(assignment, graded):
    lost = [
        f"{verdict.student} {cell.grade_id}"
        for verdict in graded(assignment).values()
        for cell in verdict.cells
        if cell.score < cell.max_score and not cell.message
    ]
    assert not lost


def test_no_test_of_ours_fails_in_the_examiner(assignment, graded):
    notes = [
        f"{verdict.student} {cell.grade_id}: {cell.staff_note}"
        for verdict in graded(assignment).values()
        for cell in verdict.cells
        if cell.staff_note
    ]
    assert not notes


def test_a_failed_submission_is_told_once_and_the_others_are_marked(assignment, graded):
    failed = [verdict for verdict in graded(assignment).values() if verdict.status is Status.FAILED]
    assert {verdict.student for verdict in failed} == {"not-json", "cut-off"}
    assert all(verdict.message.count(verdict.notebook) == 1 for verdict in failed)
