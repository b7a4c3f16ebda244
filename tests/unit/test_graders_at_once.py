"""Several graders, each a process of its own, keep their verdicts on one PostgreSQL server at the same time."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from itertools import cycle
from typing import TYPE_CHECKING

import nbgrader.api
import pytest
from sqlalchemy import create_engine, text

from autograder.gradebook import open_gradebook
from autograder.verdict import CellVerdict, Outcome, Status, Verdict
from tests.conftest import gradebook_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from multiprocessing.synchronize import Barrier

    from conftest import Cells

    from autograder.course import Course
    from tests.postgresql import Server

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the graders are forked"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]

GRADERS = 8
OWN, SHARED = 4, 3
NOTEBOOKS = ("first", "second")
# A slow or busy machine is no fault of the code.
PATIENCE = 300
FORK = multiprocessing.get_context("fork")


@pytest.fixture
def course(make_course: Callable[..., Course], cells: type[Cells], postgresql: Server) -> Course:
    """Two notebooks in an assignment, and an empty database."""
    exercise = cells.notebook(cells.answer(), cells.test())
    course = make_course({f"01_pair/{name}.ipynb": exercise for name in NOTEBOOKS})
    url = postgresql.new("course")
    (course.root / "nbgrader_config.py").write_text(f"get_config().CourseDirectory.db_url = {url!r}\n")
    return course


def verdict_for(student: str, notebook: str, score: float = 2.0) -> Verdict:
    cell = CellVerdict("test_double", score, 2, Outcome.PARTIAL, f"{student} has {score:g}.")
    return Verdict(student, "01_pair", notebook, Status.GRADED, "", (cell,))


def score_of(student: str) -> float:
    return len(student) % 5 / 2


def students_of(grader: int) -> list[str]:
    """Give a grader's own students and, in between, those whom all graders mark."""
    own = [f"grader{grader}{'x' * number}" for number in range(OWN)]
    shared = [f"everyone{'x' * number}" for number in range(SHARED)]
    return [student for pair in zip(own, [*shared, ""], strict=True) for student in pair if student]


def grade(course: Course, start: Barrier, grader: int) -> None:
    """Do what a run does with the gradebook, from making it on."""
    start.wait(PATIENCE)
    with open_gradebook(course, patience=PATIENCE) as gradebook:
        gradebook.sync(course.assignments)
        for student in students_of(grader):
            for notebook in NOTEBOOKS:
                verdict = verdict_for(student, notebook, score_of(student))
                gradebook.doubt(verdict)
                gradebook.record(verdict, f"of grader {grader}")
                gradebook.standing("01_pair")


def rows(course: Course) -> dict[str, int]:
    """Count what is in the tables."""
    engine = create_engine(gradebook_url(course))
    tables = [
        *("course", "assignment", "notebook", "base_cell", "source_cell", "student"),
        *("submitted_assignment", "submitted_notebook", "grade", "comment", "autograder_verdicts"),
    ]
    with engine.connect() as connection:
        found = {name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in tables}
    engine.dispose()
    return found


def expected_rows(students: Iterable[str]) -> dict[str, int]:
    number = len(list(students))
    once = {"course": 1, "assignment": 1, "notebook": 2, "base_cell": 4, "source_cell": 4}
    of_each_notebook = ("submitted_notebook", "grade", "comment", "autograder_verdicts")
    return {**once, "student": number, "submitted_assignment": number, **dict.fromkeys(of_each_notebook, 2 * number)}


def test_eight_graders_that_begin_at_once_lose_and_double_nothing(course: Course) -> None:
    start = FORK.Barrier(GRADERS)
    graders = [FORK.Process(target=grade, args=(course, start, grader)) for grader in range(GRADERS)]
    for grader in graders:
        grader.start()
    for grader in graders:
        grader.join()
    assert [grader.exitcode for grader in graders] == [0] * GRADERS

    students = {student for grader in range(GRADERS) for student in students_of(grader)}
    assert len(students) == GRADERS * OWN + SHARED
    assert rows(course) == expected_rows(students)
    with open_gradebook(course) as gradebook:
        standing = gradebook.standing("01_pair")
        assert standing.keys() == {(student, notebook) for student in students for notebook in NOTEBOOKS}
        for (student, notebook), stored in standing.items():
            assert stored.verdict == verdict_for(student, notebook, score_of(student))
        scores = {score.student: score.score for score in gradebook.scores()}
    assert scores == {student: 2 * score_of(student) for student in students}
    with nbgrader.api.Gradebook(gradebook_url(course)) as theirs:
        assert {each.id: each.score for each in theirs.students} == scores


@pytest.mark.parametrize("place", ["_write_grades", "_write_comments", "_write_penalty"])
def test_a_grader_that_is_killed_while_it_writes_keeps_what_it_told_and_holds_up_nobody(
    course: Course, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, tell = os.pipe()

    def stop_here(*_: object) -> None:
        os.write(tell, b"writing\n")
        signal.pause()

    def grade_until_stopped() -> None:
        with open_gradebook(course) as gradebook:
            gradebook.sync(course.assignments)
            for student in ("anna", "bo"):
                gradebook.record(verdict_for(student, "first"), "f1")
                os.write(tell, f"{student}\n".encode())
            monkeypatch.setattr(f"autograder.nbgrader_tables.{place}", stop_here)
            gradebook.record(verdict_for("cy", "first"), "f1")

    grader = FORK.Process(target=grade_until_stopped)
    grader.start()
    os.close(tell)
    with os.fdopen(told) as lines:
        assert [next(lines) for _ in range(3)] == ["anna\n", "bo\n", "writing\n"]
        os.kill(grader.pid, signal.SIGKILL)
    grader.join(PATIENCE)
    assert grader.exitcode == -signal.SIGKILL

    with open_gradebook(course, patience=20) as gradebook:
        assert set(gradebook.recorded("01_pair")) == {("anna", "first"), ("bo", "first")}
        assert {score.student for score in gradebook.scores()} == {"anna", "bo"}, "nothing of cy is there"
        gradebook.record(verdict_for("cy", "first"), "f2")
        assert [score.score for score in gradebook.scores()] == [2, 2, 2]


def test_of_eight_graders_those_that_are_not_killed_finish(course: Course) -> None:
    """Half of them are killed with whatever they are at; what any of them told is kept."""
    told, tell = os.pipe()
    start = FORK.Barrier(GRADERS)

    def grade_and_tell(grader: int) -> None:
        start.wait(PATIENCE)
        with open_gradebook(course, patience=PATIENCE) as gradebook:
            gradebook.sync(course.assignments)
            # Half of them never come to an end by themselves.
            for student in cycle(students_of(grader)) if grader % 2 else students_of(grader):
                gradebook.record(verdict_for(student, "first"), "f1")
                os.write(tell, f"{grader} {student}\n".encode())

    graders = [FORK.Process(target=grade_and_tell, args=(grader,)) for grader in range(GRADERS)]
    for grader in graders:
        grader.start()
    os.close(tell)
    students = set()
    with os.fdopen(told) as lines:
        for line in lines:
            number, student = line.split()
            students.add(student)
            if int(number) % 2:
                graders[int(number)].kill()
    for grader in graders:
        grader.join(PATIENCE)
    assert [grader.exitcode for grader in graders] == [0, -signal.SIGKILL] * (GRADERS // 2)
    assert {student for grader in range(0, GRADERS, 2) for student in students_of(grader)} <= students
    with open_gradebook(course) as gradebook:
        kept = {student for student, _ in gradebook.standing("01_pair")}
        # A grader can be killed between its verdict and its word.
        assert students <= kept
        assert {score.student for score in gradebook.scores()} == kept
