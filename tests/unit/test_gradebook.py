"""The gradebook: the rows that nbgrader would have written, and what it has no column for beside them."""

from __future__ import annotations

import html
import io
import os
import re
import shutil
import sqlite3
import threading
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import alembic.command
import alembic.config
import nbformat
import nbgrader.api
import pytest
from nbconvert.filters import markdown2html
from nbformat.v4 import new_output
from nbgrader.apps import NbGraderAPI
from nbgrader.converters import GenerateAssignment
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import AssignLatePenalties, SaveAutoGrades, SaveCells
from sqlalchemy import create_engine, event, inspect, text

from autograder.build import write_file
from autograder.course import Course, load_course
from autograder.gradebook import Gradebook, GradebookError, open_gradebook, submission_time
from autograder.nbgrader_tables import seconds_late
from autograder.verdict import CellVerdict, Outcome, Status, Verdict
from tests.conftest import gradebook_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Cells
    from nbformat import NotebookNode
    from sqlalchemy import Connection

    LayOut = Callable[[dict[str, list[NotebookNode]]], Course]

MASTER = "01_double/double.ipynb"
A_FILE_ALONE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def every_kind(cells: type[Cells]) -> list[NotebookNode]:
    """A test for 2 points, and 5 points that a person gives."""
    return [
        cells.text("# Doubling", "title"),
        cells.locked("import math", "setup"),
        cells.answer(),
        cells.test(),
        cells.text("Because.", "essay", grade=True, solution=True, points=3),
        cells.text("Draw it.", "drawing", task=True, locked=True, points=2),
        cells.code("print('free')", "free"),
    ]


@pytest.fixture
def lay_out(database: str, cells: type[Cells], make_course: Callable[..., Course]) -> LayOut:
    """Write masters, given as lists of cells by path, over those that are there."""
    return lambda masters: make_course({path: cells.notebook(*each) for path, each in masters.items()})


@pytest.fixture
def course(lay_out: LayOut, every_kind: list[NotebookNode]) -> Course:
    return lay_out({MASTER: every_kind})


@contextmanager
def synced(course: Course, **settings: float) -> Iterator[Gradebook]:
    with open_gradebook(course, **settings) as gradebook:
        gradebook.sync(course.assignments)
        yield gradebook


DOUBLE = CellVerdict("test_double", 2, 2, Outcome.PASSED, seconds=0.25)
ESSAY = CellVerdict("essay", 0, 3, Outcome.MANUAL)
DRAWING = CellVerdict("drawing", 0, 2, Outcome.MANUAL)


def verdict_for(student: str = "anna", *, double: CellVerdict = DOUBLE) -> Verdict:
    return Verdict(student, "01_double", "double", Status.GRADED, "", (double, ESSAY, DRAWING))


def nothing_earned(outcome: Outcome) -> tuple[CellVerdict, ...]:
    return tuple(CellVerdict(cell.grade_id, 0, cell.max_score, outcome) for cell in (DOUBLE, ESSAY, DRAWING))


@contextmanager
def connected(course: Course) -> Iterator[Connection]:
    engine = create_engine(gradebook_url(course))
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def table(course: Course, query: str, **values: str) -> list[tuple[Any, ...]]:
    with connected(course) as connection:
        return [tuple(row) for row in connection.execute(text(query), values)]


def change(course: Course, command: str) -> None:
    with connected(course) as connection:
        connection.execute(text(command))


@contextmanager
def nbgraders_own(course: Course) -> Iterator[nbgrader.api.Gradebook]:
    with nbgrader.api.Gradebook(gradebook_url(course)) as theirs:
        yield theirs


def give(course: Course, cell: str, *, student: str = "anna", **given: float) -> None:
    """Do what formgrader does when a person fills in a field."""
    with nbgraders_own(course) as theirs:
        grade = theirs.find_grade(cell, "double", "01_double", student)
        for field, value in given.items():
            setattr(grade, field, value)
        grade.needs_manual_grade = False
        theirs.db.commit()


# --- the schema ---------------------------------------------------------------------------------------------------


def test_a_new_gradebook_has_the_schema_version_that_nbgrader_gives_a_new_one(
    course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_here(command: list[str]) -> bytes:
        _, _, settings, _ = command
        said = io.StringIO()
        alembic.command.heads(alembic.config.Config(settings, stdout=said))
        return said.getvalue().encode()

    monkeypatch.setattr(nbgrader.api.sp, "check_output", run_here)
    with open_gradebook(course):
        pass
    assert table(course, "SELECT version_num FROM alembic_version") == [(nbgrader.api.get_alembic_version(),)]


def test_a_gradebook_that_nbgrader_made_is_used_as_it_is(course: Course) -> None:
    with open_gradebook(course):
        save_cells_with_nbgrader(course)
    change(course, "DROP TABLE autograder_verdicts")
    before = table(course, "SELECT * FROM base_cell")
    with synced(course) as gradebook:
        gradebook.record(verdict_for(), "f1")
        assert set(gradebook.recorded("01_double")) == {("anna", "double")}
    assert table(course, "SELECT * FROM base_cell") == before


def test_a_gradebook_of_another_nbgrader_is_refused_with_the_remedy(course: Course) -> None:
    with open_gradebook(course):
        pass
    change(course, "UPDATE alembic_version SET version_num = '724cde206c17'")
    with pytest.raises(GradebookError, match="nbgrader db upgrade"), open_gradebook(course):
        pass


def test_a_database_of_another_program_is_refused_and_left_alone(course: Course) -> None:
    change(course, "CREATE TABLE shopping (item TEXT)")
    with pytest.raises(GradebookError, match="not a gradebook"), open_gradebook(course):
        pass
    with connected(course) as connection:
        assert inspect(connection).get_table_names() == ["shopping"]


# --- sync ---------------------------------------------------------------------------------------------------------

MASTER_TABLES = {
    "assignment": "SELECT name, duedate, course_id FROM assignment",
    "notebook": "SELECT name, kernelspec FROM notebook",
    "cells": "SELECT name, type FROM base_cell",
    "grade cells": "SELECT name, max_score, cell_type FROM grade_cells JOIN base_cell USING (id)",
    "task cells": "SELECT name, max_score, cell_type FROM task_cells JOIN base_cell USING (id)",
    "solution cells": "SELECT name FROM solution_cells JOIN base_cell USING (id)",
    # nbgrader does not ask for an order either, and takes the one that it gets for the cells' own.
    "sources": "SELECT name, cell_type, locked, source, checksum FROM source_cell",
}


def master_tables(course: Course) -> dict[str, list[tuple[Any, ...]]]:
    rows = {name: table(course, query) for name, query in MASTER_TABLES.items()}
    return {name: each if name == "sources" else sorted(each) for name, each in rows.items()}


def save_cells_with_nbgrader(course: Course) -> None:
    """Run the steps of ``nbgrader generate_assignment`` up to the one that writes the gradebook."""
    with nbgraders_own(course) as theirs:
        for assignment in course.assignments:
            theirs.update_or_create_assignment(assignment.name)
    steps = GenerateAssignment().preprocessors
    for notebook in (notebook for assignment in course.assignments for notebook in assignment.notebooks):
        master = nbformat.read(notebook.path, as_version=4)
        resources = told_to_nbgrader(course, assignment=notebook.assignment, notebook=notebook.name)
        for step in steps[: steps.index(SaveCells) + 1]:
            master, resources = step().preprocess(master, resources)


def told_to_nbgrader(course: Course, **names: str) -> dict[str, Any]:
    return {"nbgrader": {**names, "db_url": gradebook_url(course)}}


def test_sync_makes_the_rows_that_generate_assignment_makes(
    lay_out: LayOut, cells: type[Cells], every_kind: list[NotebookNode], tmp_path: Path
) -> None:
    ours = lay_out(
        {
            MASTER: every_kind,
            "02_more/first.ipynb": [cells.answer(), cells.test(points=1.5)],
            "02_more/second.ipynb": [cells.text("Nothing to do here", "nothing")],
        }
    )
    shutil.copytree(ours.root, tmp_path / "theirs")
    (tmp_path / "theirs" / "nbgrader_config.py").write_text("get_config().CourseDirectory.db_url = 'sqlite:///own.db'")
    theirs = load_course(tmp_path / "theirs")
    with synced(ours), open_gradebook(theirs):
        save_cells_with_nbgrader(theirs)
    assert master_tables(ours) == master_tables(theirs)
    assert len(master_tables(ours)["sources"]) == 7


def test_sync_stores_the_source_without_the_solution_and_with_the_hidden_tests(course: Course) -> None:
    with synced(course):
        sources = dict(table(course, "SELECT name, source FROM source_cell"))
    assert "return 2 * x" not in sources["double"]
    assert "raise NotImplementedError()" in sources["double"]
    assert "assert double(-3) == -6" in sources["test_double"]


def test_sync_again_changes_no_row(course: Course) -> None:
    names = ("notebook", "base_cell", "grade_cells", "source_cell", "grade", "comment")
    with synced(course) as gradebook:
        gradebook.record(verdict_for(), "f1")
        before = [table(course, f"SELECT * FROM {name}") for name in names]
        gradebook.sync(course.assignments)
    assert [table(course, f"SELECT * FROM {name}") for name in names] == before


def test_a_changed_master_keeps_the_rows_and_the_points_of_its_cells(
    course: Course, lay_out: LayOut, cells: type[Cells], every_kind: list[NotebookNode]
) -> None:
    with synced(course) as gradebook:
        gradebook.record(verdict_for(), "f1")
        give(course, "essay", manual_score=1.5)
        before = sorted(table(course, "SELECT name, type, id FROM base_cell"))
        every_kind[3] = cells.test(points=8)
        gradebook.sync(lay_out({MASTER: every_kind}).assignments)
        points = gradebook.points("01_double")["anna", "double"]
    assert sorted(table(course, "SELECT name, type, id FROM base_cell")) == before
    assert (points["test_double"].score, points["test_double"].max_score) == (2, 8)
    assert points["essay"].score == 1.5


def test_a_cell_that_is_new_in_the_master_gets_an_empty_grade_in_every_submission(
    course: Course, lay_out: LayOut, cells: type[Cells], every_kind: list[NotebookNode]
) -> None:
    added = [cells.answer(grade_id="triple"), cells.test(grade_id="test_triple")]
    with synced(course) as gradebook:
        gradebook.record(verdict_for("anna"), "f1")
        gradebook.record(verdict_for("bo"), "f1")
        gradebook.sync(lay_out({MASTER: every_kind + added}).assignments)
    with nbgraders_own(course) as theirs:
        for student in ("anna", "bo"):
            assert theirs.find_grade("test_triple", "double", "01_double", student).auto_score is None
            assert theirs.find_comment("triple", "double", "01_double", student).comment is None
            assert theirs.find_grade("test_double", "double", "01_double", student).auto_score == 2


def test_a_cell_that_left_the_master_goes_with_its_automatic_grades(
    course: Course, lay_out: LayOut, every_kind: list[NotebookNode]
) -> None:
    with synced(course) as gradebook:
        gradebook.record(verdict_for(), "f1")
        gradebook.sync(lay_out({MASTER: every_kind[4:]}).assignments)
        (score,) = gradebook.scores()
    assert (score.raw_score, score.max_score) == (0, 5)
    assert sorted(table(course, "SELECT name FROM source_cell")) == [("drawing",), ("essay",)]
    with nbgraders_own(course) as theirs:
        assert len(theirs.find_submission("01_double", "anna").notebooks[0].grades) == 2


@pytest.mark.parametrize("given", [{"manual_score": 2.0}, {"extra_credit": 1.0}])
def test_a_cell_that_a_person_gave_points_for_is_not_removed(
    course: Course, lay_out: LayOut, every_kind: list[NotebookNode], given: dict[str, float]
) -> None:
    with synced(course) as gradebook:
        gradebook.record(verdict_for(), "f1")
        give(course, "essay", **given)
        before = master_tables(course)
        with pytest.raises(GradebookError, match=r"'essay'.* points for it in 1 and a comment in 0 submissions"):
            gradebook.sync(lay_out({MASTER: every_kind[:4]}).assignments)
    assert master_tables(course) == before


def test_a_cell_that_a_person_commented_on_is_not_removed(
    course: Course, lay_out: LayOut, every_kind: list[NotebookNode]
) -> None:
    with synced(course) as gradebook:
        gradebook.record(verdict_for(), "f1")
        with nbgraders_own(course) as theirs:
            theirs.find_comment("double", "double", "01_double", "anna").manual_comment = "Well done"
            theirs.db.commit()
        with pytest.raises(GradebookError, match=r"'double'.* in 0 and a comment in 1 submissions"):
            gradebook.sync(lay_out({MASTER: every_kind[4:]}).assignments)


def test_a_notebook_that_left_the_assignment_goes_and_a_new_one_comes_into_every_submission(
    course: Course, lay_out: LayOut, cells: type[Cells]
) -> None:
    with synced(course) as gradebook:
        gradebook.record(verdict_for(), "f1")
        (course.source / MASTER).unlink()
        gradebook.sync(lay_out({"01_double/other.ipynb": [cells.answer(), cells.test()]}).assignments)
        assert gradebook.recorded("01_double") == {}
    with nbgraders_own(course) as theirs:
        assert [notebook.name for notebook in theirs.find_assignment("01_double").notebooks] == ["other"]
        assert [notebook.name for notebook in theirs.find_submission("01_double", "anna").notebooks] == ["other"]


def test_assignments_that_are_not_asked_for_stay_as_they_are(
    course: Course, lay_out: LayOut, cells: type[Cells]
) -> None:
    other = "02_more/more.ipynb"
    with synced(lay_out({other: [cells.test()]})) as gradebook:
        course = lay_out({MASTER: [cells.test(points=99)], other: [cells.test(points=50)]})
        gradebook.sync(course.select(["02_more"]))
    assert sorted(table(course, "SELECT max_score FROM grade_cells")) == [(2,), (3,), (50,)]


@pytest.mark.parametrize(
    ("noted", "words"),
    [
        ({"grade": True, "locked": True}, "points"),
        ({"schema_version": 2, "solution": True}, "schema version"),
        ({"solution": True}, "end solution"),
    ],
)
def test_a_master_that_is_not_in_order_is_named_and_nothing_is_written(
    course: Course, lay_out: LayOut, cells: type[Cells], noted: dict[str, Any], words: str
) -> None:
    bad = lay_out({"02_bad/bad.ipynb": [cells.code("### BEGIN SOLUTION", "bad", **noted)]})
    with open_gradebook(course) as gradebook, pytest.raises(GradebookError, match=rf"bad\.ipynb.*{words}"):
        gradebook.sync(bad.assignments)
    assert table(course, "SELECT * FROM assignment") == []


def test_a_master_that_is_no_notebook_is_named(course: Course) -> None:
    (course.source / MASTER).write_text("{")
    with open_gradebook(course) as gradebook, pytest.raises(GradebookError, match=r"double\.ipynb.*JSON"):
        gradebook.sync(course.assignments)


# --- record -------------------------------------------------------------------------------------------------------

_OF_STUDENT = "JOIN submitted_assignment a ON a.id = n.assignment_id WHERE student_id = :student"
_OF_CELL = f"x JOIN base_cell c ON c.id = x.cell_id JOIN submitted_notebook n ON n.id = x.notebook_id {_OF_STUDENT}"
GRADES = f"SELECT c.name, auto_score, manual_score, extra_credit, needs_manual_grade FROM grade {_OF_CELL}"
COMMENTS = f"SELECT c.name, auto_comment, manual_comment FROM comment {_OF_CELL}"
SUBMISSION_TABLES = {
    "grades": GRADES,
    "comments": COMMENTS,
    "notebooks": "SELECT c.name, flagged, late_submission_penalty FROM submitted_notebook n "
    f"JOIN notebook c ON c.id = n.notebook_id {_OF_STUDENT}",
    "assignments": "SELECT c.name, timestamp, extension FROM submitted_assignment a "
    "JOIN assignment c ON c.id = a.assignment_id WHERE student_id = :student",
    "student": "SELECT first_name, last_name, email, lms_user_id FROM student WHERE id = :student",
}


def comments(course: Course, student: str = "anna") -> dict[str, tuple[str | None, str | None]]:
    return {name: (by_machine, by_person) for name, by_machine, by_person in table(course, COMMENTS, student=student)}


# What SQLAlchemy finds to say about nbgrader's own add_submission
OF_NBGRADER = "ignore:Object of type <Submitted.*> not in session:sqlalchemy.exc.SAWarning"


def autograde_with_nbgrader(
    course: Course, every_kind: list[NotebookNode], student: str, outputs: list[NotebookNode]
) -> None:
    """Do with an executed notebook what ``nbgrader autograde`` does after it has run it."""
    with nbgraders_own(course) as theirs:
        theirs.update_or_create_student(student)
        theirs.update_or_create_submission("01_double", student)
    executed = nbformat.v4.new_notebook(cells=every_kind)
    executed.cells[3].outputs = outputs
    resources = told_to_nbgrader(course, student=student, assignment="01_double", notebook="double")
    for step in (SaveAutoGrades, AssignLatePenalties):
        executed, resources = step().preprocess(executed, resources)


FAILURE = new_output("error", ename="AssertionError", evalue="", traceback=[])
HALF = new_output("execute_result", data={"text/plain": "1.5"}, execution_count=1)


@pytest.mark.parametrize(
    ("outputs", "double"),
    [
        ([], DOUBLE),
        ([HALF], replace(DOUBLE, score=1.5, outcome=Outcome.PARTIAL)),
        ([FAILURE], replace(DOUBLE, score=0, outcome=Outcome.FAILED)),
    ],
)
@pytest.mark.filterwarnings(OF_NBGRADER)
@pytest.mark.parametrize("given", [{}, {"manual_score": 1.0, "extra_credit": 0.5}, {"extra_credit": 0.5}])
def test_a_verdict_makes_the_rows_that_autograde_makes(
    course: Course,
    every_kind: list[NotebookNode],
    outputs: list[NotebookNode],
    double: CellVerdict,
    given: dict[str, float],
) -> None:
    with synced(course) as gradebook:
        autograde_with_nbgrader(course, every_kind, "theirs", [])
        gradebook.record(verdict_for("ours"), "f1")
        for student in ("theirs", "ours"):
            give(course, "test_double", student=student, **given)
        autograde_with_nbgrader(course, every_kind, "theirs", outputs)
        gradebook.record(verdict_for("ours", double=double), "f2")
    ours, theirs = (
        {name: sorted(table(course, query, student=student)) for name, query in SUBMISSION_TABLES.items()}
        for student in ("ours", "theirs")
    )
    assert ours == theirs
    assert [len(rows) for rows in ours.values()] == [3, 3, 1, 1, 1]


def test_a_cell_for_a_person_has_no_automatic_score_and_waits(course: Course) -> None:
    with synced(course) as gradebook:
        gradebook.record(verdict_for(), "f1")
        points = gradebook.points("01_double")["anna", "double"]
        (score,) = gradebook.scores()
    assert ("essay", None, None, None, 1) in table(course, GRADES, student="anna")
    assert {name for name, each in points.items() if each.needs_person} == {"essay", "drawing"}
    assert score.needs_person


def test_a_submission_is_done_when_a_person_has_given_all_points_that_wait(course: Course) -> None:
    with synced(course) as gradebook:
        gradebook.record(verdict_for(), "f1")
        give(course, "essay", manual_score=3.0)
        give(course, "drawing", manual_score=1.0)
        (score,) = gradebook.scores()
        points = gradebook.points("01_double")["anna", "double"]
    assert (score.raw_score, score.max_score, score.needs_person) == (6, 7, False)
    assert {name for name, each in points.items() if each.by_person} == {"essay", "drawing"}


def test_grading_again_replaces_automatic_points_and_keeps_what_a_person_gave(course: Course) -> None:
    wrong = replace(DOUBLE, score=1, outcome=Outcome.PARTIAL, message="double(0) is wrong")
    with synced(course) as gradebook:
        gradebook.record(verdict_for(), "f1")
        give(course, "essay", manual_score=2.0, extra_credit=0.5)
        with nbgraders_own(course) as theirs:
            theirs.find_comment("double", "double", "01_double", "anna").manual_comment = "Well done"
            theirs.db.commit()
        gradebook.record(verdict_for(double=wrong), "f2")
        stored = gradebook.recorded("01_double")["anna", "double"]
        points = gradebook.points("01_double")["anna", "double"]
    assert points["test_double"].score == 1
    assert points["essay"].score == 2.5
    assert points["essay"].needs_person, "nbgrader asks for a second look at a cell that was graded again"
    assert comments(course)["double"] == ("    double(0) is wrong", "Well done")
    assert (stored.fingerprint, stored.verdict.cells[0]) == ("f2", wrong)
    assert table(course, "SELECT count(*) FROM submitted_assignment") == [(1,)]


def test_what_was_said_before_does_not_outlive_the_next_verdict(course: Course) -> None:
    with synced(course) as gradebook:
        gradebook.record(verdict_for(double=replace(DOUBLE, score=0, message="wrong")), "f1")
        assert comments(course)["double"] == ("    wrong", None)
        gradebook.record(verdict_for(), "f2")
    assert comments(course)["double"] == (None, None)


@pytest.mark.parametrize(
    "markup", ["<img src=x onerror=alert(1)>", "a\n\n<script>alert(1)</script>", "![](http://x.org/)"]
)
def test_what_a_student_wrote_stays_text_in_nbgraders_feedback(course: Course, markup: str) -> None:
    with synced(course) as gradebook:
        gradebook.record(verdict_for(double=replace(DOUBLE, score=0, message=markup)), "f1")
    told, _ = comments(course)["double"]
    shown = markdown2html(told)
    assert "<img" not in shown
    assert "<script" not in shown
    assert html.unescape(re.sub("<[^>]*>", "", shown)).strip() == markup


def test_a_submission_that_could_not_be_graded_has_no_points_and_says_why_in_every_comment(course: Course) -> None:
    failed = replace(verdict_for(), status=Status.FAILED, message="not JSON", cells=nothing_earned(Outcome.FAILED))
    with synced(course) as gradebook:
        gradebook.record(verdict_for(), "f1")
        gradebook.record(failed, "f2")
        (score,) = gradebook.scores()
        assert gradebook.recorded("01_double")["anna", "double"].verdict == failed
    assert (score.score, score.needs_person) == (0, False)
    assert comments(course) == dict.fromkeys(("double", "essay", "drawing"), ("    not JSON", None))
    with nbgraders_own(course) as theirs:
        assert theirs.find_submission_notebook("double", "01_double", "anna").failed_tests


def test_a_notebook_that_was_not_handed_in_has_no_points_and_waits_for_nobody(course: Course) -> None:
    with synced(course) as gradebook:
        gradebook.record(replace(verdict_for(), cells=nothing_earned(Outcome.MISSING)), "f1")
        (score,) = gradebook.scores()
    assert (score.raw_score, score.needs_person, score.submitted) == (0, False, True)
    assert comments(course)["double"] == ("No response.", None)


def test_the_other_notebooks_of_an_assignment_are_there_and_empty_until_they_are_graded(
    course: Course, lay_out: LayOut, cells: type[Cells]
) -> None:
    course = lay_out({"01_double/other.ipynb": [cells.answer(), cells.test(points=6)]})
    with synced(course) as gradebook:
        gradebook.record(verdict_for(), "f1")
        assert set(gradebook.recorded("01_double")) == {("anna", "double")}
        assert gradebook.points("01_double")["anna", "other"]["test_double"].needs_person
        full = CellVerdict("test_double", 6, 6, Outcome.PASSED)
        gradebook.record(Verdict("anna", "01_double", "other", Status.GRADED, "", (full,)), "f2")
        (score,) = gradebook.scores()
    assert (score.raw_score, score.max_score) == (8, 13)


def test_a_stored_verdict_is_the_verdict_without_its_notebook(course: Course) -> None:
    noisy = replace(
        DOUBLE, score=1.25, outcome=Outcome.PARTIAL, message="naïve <b>ß</b> 日本\n", staff_note="rounds", seconds=0.5
    )
    verdict = replace(
        verdict_for("Zoë van der Berg", double=noisy),
        message="read from a copy",
        seconds=3.5,
        cell_seconds=1.25,
        executed='{"cells": []}',
    )
    started = datetime.now(UTC)
    with synced(course) as gradebook:
        gradebook.record(verdict, "f1")
    with open_gradebook(course) as gradebook:
        stored = gradebook.recorded("01_double")["Zoë van der Berg", "double"]
    assert stored.verdict == replace(verdict, executed="")
    assert started <= stored.recorded <= datetime.now(UTC)


def test_half_a_surrogate_and_nul_in_a_message_are_replaced(course: Course) -> None:
    with synced(course) as gradebook:
        gradebook.record(verdict_for(double=replace(DOUBLE, message="a\ud800b\0c")), "f1")
        assert gradebook.recorded("01_double")["anna", "double"].verdict.cells[0].message == "a?b\ufffdc"


def test_a_submission_removed_with_nbgrader_is_no_longer_recorded(course: Course) -> None:
    with synced(course) as gradebook:
        gradebook.record(verdict_for("anna"), "f1")
        gradebook.record(verdict_for("bo"), "f1")
        with nbgraders_own(course) as theirs:
            theirs.remove_submission("01_double", "anna")
        assert set(gradebook.recorded("01_double")) == {("bo", "double")}
        gradebook.record(verdict_for("anna"), "f2")
        assert gradebook.recorded("01_double")["anna", "double"].fingerprint == "f2"


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -1.0, 2.5])
def test_a_score_outside_its_cell_is_refused(course: Course, score: float) -> None:
    with synced(course) as gradebook:
        with pytest.raises(ValueError, match="test_double"):
            gradebook.record(verdict_for(double=replace(DOUBLE, score=score)), "f1")
        assert gradebook.recorded("01_double") == {}


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (replace(verdict_for(), assignment="09_none"), "no such notebook"),
        (replace(verdict_for(), notebook="none"), "no such notebook"),
        (replace(verdict_for(), cells=(DOUBLE, CellVerdict("test_new", 1, 1, Outcome.PASSED))), "test_new"),
        (replace(verdict_for(), cells=(ESSAY, DRAWING)), "test_double"),
        (replace(verdict_for(), student="a\udcff"), "Rename the folder"),
    ],
)
def test_a_verdict_that_does_not_fit_is_refused_and_leaves_no_trace(
    course: Course, verdict: Verdict, words: str
) -> None:
    with synced(course) as gradebook, pytest.raises(GradebookError, match=words):
        gradebook.record(verdict, "f1")
    for name in ("student", "submitted_assignment", "grade", "autograder_verdicts"):
        assert table(course, f"SELECT * FROM {name}") == []


# --- large classes ------------------------------------------------------------------------------------------------


@contextmanager
def steps(gradebook: Gradebook) -> Iterator[list[int]]:
    """Count the steps of the database's own machine, in tens: what a clock measures, without the noise."""
    counted = [0]

    def count() -> None:
        counted[0] += 1

    def watch(connection: sqlite3.Connection, *_: Any) -> None:
        connection.set_progress_handler(count, 10)

    event.listen(gradebook._database._engine, "checkout", watch)
    yield counted
    event.remove(gradebook._database._engine, "checkout", watch)


@A_FILE_ALONE
def test_recording_a_late_submission_takes_as_long_in_a_large_class_as_in_a_small_one(course: Course) -> None:
    (course.root / "nbgrader_config.py").write_text(A_POINT_AN_HOUR)
    taken = []
    with synced(course) as gradebook:
        penalty_at(gradebook, course, DUE)
        for size in (10, 100):
            for number in range(size):
                gradebook.record(verdict_for(f"s{number}"), "f1", timestamp=DUE)
            with steps(gradebook) as counted:
                gradebook.record(verdict_for(f"late-{size}"), "f1", timestamp=DUE + timedelta(hours=1))
            taken.append(counted[0])
    assert taken[1] < 1.2 * taken[0]


def test_a_class_that_is_complete_is_brought_up_to_date_with_as_many_statements_as_a_small_one(course: Course) -> None:
    taken = []
    with synced(course) as gradebook:
        for size in (2, 20):
            for number in range(size):
                gradebook.record(verdict_for(f"s{number}"), "f1")
            statements: list[str] = []

            def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
                statements.append(statement)  # noqa: B023 - it listens within this round alone

            event.listen(gradebook._database._engine, "before_cursor_execute", note)
            gradebook.sync(course.assignments)
            event.remove(gradebook._database._engine, "before_cursor_execute", note)
            taken.append(len(statements))
    assert taken[0] == taken[1] > 0


# --- late submissions ---------------------------------------------------------------------------------------------

DUE = datetime(2026, 1, 31, 12)


def penalty_at(gradebook: Gradebook, course: Course, timestamp: datetime, **submission: timedelta) -> float:
    """Hand in at that time, and give what it costs."""
    gradebook.record(verdict_for(), "f0")
    with nbgraders_own(course) as theirs:
        theirs.update_or_create_assignment("01_double", duedate=DUE)
        theirs.update_or_create_submission("01_double", "anna", **submission)
    gradebook.record(verdict_for(), "f1", timestamp=timestamp)
    (score,) = gradebook.scores()
    return score.late_submission_penalty


def test_a_late_submission_costs_nothing_unless_the_course_says_so(course: Course) -> None:
    with synced(course) as gradebook:
        assert penalty_at(gradebook, course, DUE + timedelta(hours=1)) == 0


A_POINT_AN_HOUR = """
from nbgrader.plugins import LateSubmissionPlugin

class PointAnHour(LateSubmissionPlugin):
    def late_submission_penalty(self, student_id, score, total_seconds_late):
        return total_seconds_late / 3600

c = get_config()
c.AssignLatePenalties.plugin_class = PointAnHour
"""


@pytest.mark.parametrize(
    ("hours", "extension", "penalty"), [(-1, 0, 0), (0, 0, 0), (1, 0, 1), (2.5, 2, 0.5), (2.5, 3, 0), (100, 0, 2)]
)
def test_a_late_submission_costs_what_the_plugin_says_but_never_more_than_it_earned(
    course: Course, hours: float, extension: float, penalty: float
) -> None:
    (course.root / "nbgrader_config.py").write_text(A_POINT_AN_HOUR)
    with synced(course) as gradebook:
        cost = penalty_at(gradebook, course, DUE + timedelta(hours=hours), extension=timedelta(hours=extension))
        (score,) = gradebook.scores()
    assert (cost, score.score) == (penalty, 2 - penalty)


def test_nbgraders_own_penalty_method_takes_all_points(course: Course) -> None:
    (course.root / "nbgrader_config.py").write_text("get_config().LateSubmissionPlugin.penalty_method = 'zero'\n")
    with synced(course) as gradebook:
        assert penalty_at(gradebook, course, DUE + timedelta(seconds=1)) == 2


def test_grading_again_without_a_time_keeps_the_time_and_the_penalty(course: Course) -> None:
    (course.root / "nbgrader_config.py").write_text(A_POINT_AN_HOUR)
    with synced(course) as gradebook:
        penalty_at(gradebook, course, DUE + timedelta(hours=1))
        gradebook.record(verdict_for(), "f2")
        (score,) = gradebook.scores()
    assert (score.timestamp, score.late_submission_penalty) == (DUE + timedelta(hours=1), 1)


def test_a_time_with_a_time_zone_is_stored_in_utc(course: Course) -> None:
    with synced(course) as gradebook:
        gradebook.record(verdict_for(), "f1", timestamp=datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=2))))
        (score,) = gradebook.scores()
    assert score.timestamp == datetime(2026, 7, 1, 10)


def test_seconds_late_are_those_of_nbgrader(course: Course) -> None:
    with synced(course) as gradebook:
        penalty_at(gradebook, course, DUE + timedelta(minutes=90), extension=timedelta(hours=1))
    with nbgraders_own(course) as theirs:
        submission = theirs.find_submission("01_double", "anna")
        assert submission.total_seconds_late == 1800
        assert seconds_late(submission.timestamp, DUE, submission.extension) == 1800


def test_a_penalty_that_fails_is_named_and_the_old_verdict_stays(course: Course) -> None:
    (course.root / "nbgrader_config.py").write_text("get_config().AssignLatePenalties.plugin_class = 'no.such'\n")
    with synced(course) as gradebook:
        with pytest.raises(GradebookError, match=r"nbgrader_config\.py"):
            penalty_at(gradebook, course, DUE + timedelta(hours=1))
        assert gradebook.recorded("01_double")["anna", "double"].fingerprint == "f0"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-01-31 23:59:00 UTC\n", datetime(2026, 1, 31, 23, 59)),
        ("2026-01-31 23:59:00 +0100", datetime(2026, 1, 31, 22, 59)),
        ("2026-01-31 23:59:00.5 -02:30", datetime(2026, 2, 1, 2, 29, 0, 500_000)),
        ("2026-07-31 23:59:00 Europe/Berlin", datetime(2026, 7, 31, 21, 59)),
        ("2026-01-31T23:59:00Z", datetime(2026, 1, 31, 23, 59)),
        ("2026-01-31 23:59", datetime(2026, 1, 31, 23, 59)),
        ("", None),
    ],
)
def test_a_timestamp_file_gives_the_time_in_utc(tmp_path: Path, written: str, read: datetime | None) -> None:
    (tmp_path / "timestamp.txt").write_text(written)
    assert submission_time(tmp_path) == read


def test_no_timestamp_file_means_no_time(tmp_path: Path) -> None:
    assert submission_time(tmp_path) is None


@pytest.mark.parametrize(
    "written", ["yesterday", "2026-01-31 23:59:00 Nowhere/City", "2026-13-01 00:00:00 UTC", "\x00"]
)
def test_a_timestamp_file_without_a_time_is_an_error_and_not_forgiven(tmp_path: Path, written: str) -> None:
    (tmp_path / "timestamp.txt").write_text(written)
    with pytest.raises(GradebookError, match=r"timestamp\.txt"):
        submission_time(tmp_path)


# --- what nbgrader sees -------------------------------------------------------------------------------------------


def test_nbgrader_reads_the_same_scores(course: Course) -> None:
    with synced(course) as gradebook:
        for student, score in (("anna", 2), ("bo", 1.5), ("cy", 0)):
            gradebook.record(verdict_for(student, double=replace(DOUBLE, score=score)), "f1")
        give(course, "essay", student="bo", manual_score=3.0, extra_credit=1.0)
        scores = gradebook.scores()
    expected = {"anna": 2, "bo": 5.5, "cy": 0}
    assert {score.student: score.raw_score for score in scores} == expected
    with nbgraders_own(course) as theirs:
        submissions = theirs.assignment_submissions("01_double")
        assert {each.student.id: each.score for each in submissions} == expected
        assert {each.max_score for each in submissions} == {score.max_score for score in scores} == {7}
        assert {row["id"]: row["score"] for row in theirs.student_dicts()} == expected
        assert {row["student"]: row["score"] for row in theirs.submission_dicts("01_double")} == expected
        rows = theirs.notebook_submission_dicts("double", "01_double")
        assert {row["student"]: row["failed_tests"] for row in rows} == {"anna": False, "bo": True, "cy": True}
        assert theirs.average_assignment_score("01_double") == pytest.approx(2.5)


def test_what_formgrader_lists_is_there(course: Course) -> None:
    with synced(course) as gradebook:
        for student, score in (("anna", 2), ("bo", 1.5)):
            gradebook.record(verdict_for(student, double=replace(DOUBLE, score=score)), "f1")
            for folder in (course.submitted, course.autograded):
                write_file(folder / student / MASTER, (course.source / MASTER).read_bytes())
    api = NbGraderAPI(CourseDirectory(root=str(course.root), db_url=gradebook_url(course)))
    (assignment,) = api.get_assignments()
    (notebook,) = api.get_notebooks("01_double")
    assert (assignment["average_score"], assignment["max_score"], assignment["num_submissions"]) == (1.75, 7, 2)
    assert (notebook["average_score"], notebook["needs_manual_grade"]) == (1.75, True)
    assert {each["student"]: each["score"] for each in api.get_submissions("01_double")} == {"anna": 2, "bo": 1.5}
    listed = api.get_notebook_submissions("01_double", "double")
    assert {each["student"]: each["failed_tests"] for each in listed} == {"anna": False, "bo": True}
    assert [each["score"] for each in api.get_students()] == [2, 1.5]
    assert [each["score"] for each in api.get_student_submissions("anna")] == [2]
    assert [each["score"] for each in api.get_student_notebook_submissions("anna", "01_double")] == [2]


def test_a_student_without_a_submission_has_no_points(course: Course) -> None:
    with synced(course) as gradebook:
        gradebook.record(verdict_for("bo"), "f1")
        with nbgraders_own(course) as theirs:
            theirs.add_student("abe", last_name="Zuse", first_name="Abe", email="abe@example.org")
        scores = {score.student: score for score in gradebook.scores()}
    assert {student: (score.submitted, score.score, score.max_score) for student, score in scores.items()} == {
        "bo": (True, 2, 7),
        "abe": (False, 0, 7),
    }
    abe = scores["abe"]
    assert (abe.last_name, abe.first_name, abe.email) == ("Zuse", "Abe", "abe@example.org")


# --- when things go wrong -----------------------------------------------------------------------------------------


@A_FILE_ALONE
def test_a_locked_gradebook_is_told_and_nothing_is_lost(course: Course) -> None:
    with synced(course, patience=0.05) as gradebook:
        gradebook.record(verdict_for("anna"), "f1")
        with closing(sqlite3.connect(course.gradebook, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(GradebookError, match=r"locked.*double of bo was not written.*close formgrader"):
                gradebook.record(verdict_for("bo"), "f1")
            with open_gradebook(course, patience=0.05) as second:
                assert [score.student for score in second.scores()] == ["anna"], "looking on is still possible"
            other.execute("ROLLBACK")
        gradebook.record(verdict_for("bo"), "f1")
        assert set(gradebook.recorded("01_double")) == {("anna", "double"), ("bo", "double")}


@A_FILE_ALONE
def test_a_writer_waits_for_another_writer(course: Course) -> None:
    with synced(course) as gradebook, closing(sqlite3.connect(course.gradebook, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        writer = threading.Thread(target=gradebook.record, args=(verdict_for(), "f1"))
        writer.start()
        writer.join(0.2)
        assert writer.is_alive()
        other.execute("ROLLBACK")
        writer.join()
        assert set(gradebook.recorded("01_double")) == {("anna", "double")}


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_grader_killed_in_the_middle_of_a_submission_leaves_nothing_of_it(
    course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    with synced(course) as gradebook:
        gradebook.record(verdict_for("anna"), "f1")
    child = os.fork()
    if child == 0:
        # At this point nbgrader's tables are written, ours is not.
        monkeypatch.setattr("autograder.gradebook._write_details", lambda *_: os._exit(9))
        with open_gradebook(course) as gradebook:
            gradebook.record(verdict_for("bo"), "f1")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    with open_gradebook(course) as gradebook:
        assert table(course, "SELECT id FROM student") == [("anna",)]
        gradebook.record(verdict_for("bo"), "f1")
        assert [score.score for score in gradebook.scores()] == [2, 2]


@A_FILE_ALONE
def test_a_damaged_gradebook_is_told_and_left_as_it_is(course: Course) -> None:
    content = b"not a database, but long enough to be read as one. " * 20
    course.gradebook.write_bytes(content)
    with pytest.raises(GradebookError, match=r"not a database.*backup"), open_gradebook(course):
        pass
    assert course.gradebook.read_bytes() == content


@A_FILE_ALONE
def test_a_gradebook_that_cannot_be_opened_is_told(course: Course) -> None:
    course.gradebook.mkdir()
    with pytest.raises(GradebookError, match="unable to open"), open_gradebook(course):
        pass
