"""Exported scores: what ``nbgrader export`` would write, in a file that every CSV reader reads."""

from __future__ import annotations

import csv
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import nbgrader.api
import pytest

from autograder.errors import UnwritableError
from autograder.export import COLUMNS, export_csv, to_csv, to_rows
from autograder.gradebook import Score, open_gradebook
from autograder.verdict import CellVerdict, Outcome, Status, Verdict
from tests.conftest import gradebook_url

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Cells

    from autograder.course import Course

SCORE = Score(
    assignment="08_cnn",
    student="anna",
    last_name="Ng",
    first_name=None,
    email=None,
    duedate=datetime(2026, 1, 31, 12),
    timestamp=None,
    raw_score=7.5,
    late_submission_penalty=1.0,
    max_score=10.0,
    submitted=True,
    needs_person=False,
)


def test_a_row_has_nbgraders_columns_and_its_way_of_writing_values() -> None:
    assert to_rows([SCORE]) == [
        {
            "assignment": "08_cnn",
            "duedate": "2026-01-31 12:00:00",
            "timestamp": "",
            "student_id": "anna",
            "last_name": "Ng",
            "first_name": "",
            "email": "",
            "raw_score": "7.5",
            "late_submission_penalty": "1.0",
            "score": "6.5",
            "max_score": "10.0",
        }
    ]


def test_a_penalty_never_makes_a_score_negative() -> None:
    assert to_rows([replace(SCORE, raw_score=0.5)])[0]["score"] == "0.0"


def test_nobody_makes_a_file_with_just_the_head() -> None:
    assert to_csv([]) == ",".join(COLUMNS) + "\n"


@pytest.mark.parametrize("name", ["Ng, Anna", 'Anna "Ann" Ng', "Åsa\nNg", "李"])
def test_awkward_names_survive_the_file(name: str) -> None:
    (row,) = csv.DictReader(to_csv([replace(SCORE, last_name=name)]).splitlines(keepends=True))
    assert row["last_name"] == name


@pytest.fixture
def course(database: str, cells: type[Cells], make_course: Callable[..., Course]) -> Course:
    """Three students, two assignments; one was late, one has a person's points, one handed in once."""
    course = make_course(
        {
            "01_one/one.ipynb": cells.notebook(cells.answer(), cells.test()),
            "02_two/two.ipynb": cells.notebook(cells.answer(), cells.test(points=5)),
        }
    )
    (course.root / "nbgrader_config.py").write_text("get_config().LateSubmissionPlugin.penalty_method = 'zero'\n")
    with nbgrader_gradebook(course) as theirs:
        theirs.update_or_create_assignment("02_two", duedate=datetime(2026, 1, 31, 12))
        for student, last_name in (("anna", "Ng"), ("bo", "Abel"), ("cy", "Zuse")):
            theirs.add_student(student, last_name=last_name, first_name=student.title(), email=f"{student}@example.org")
    with open_gradebook(course) as gradebook:
        for student, assignment, score, timestamp in (
            ("anna", "01_one", 2, None),
            ("anna", "02_two", 3.5, datetime(2026, 1, 31, 11)),
            ("bo", "01_one", 0.25, None),
            ("cy", "02_two", 5, datetime(2026, 2, 1)),
        ):
            cell = CellVerdict("test_double", score, 5, Outcome.PARTIAL)
            verdict = Verdict(student, assignment, assignment[3:], Status.GRADED, "", (cell,))
            gradebook.record(verdict, "f", timestamp=timestamp)
    with nbgrader_gradebook(course) as theirs:
        theirs.find_grade("test_double", "one", "01_one", "bo").extra_credit = 1.5
        theirs.db.commit()
    return course


def nbgrader_gradebook(course: Course) -> nbgrader.api.Gradebook:
    with open_gradebook(course) as gradebook:
        gradebook.sync(course.assignments)
    return nbgrader.api.Gradebook(gradebook_url(course))


def test_the_file_is_the_one_that_nbgrader_export_writes(course: Course, tmp_path: Path) -> None:
    assert export_csv(course, tmp_path / "ours.csv") == 6
    subprocess.run(
        [sys.executable, "-m", "nbgrader", "export", "--to", str(tmp_path / "theirs.csv")],
        cwd=course.root,
        check=True,
        capture_output=True,
    )
    ours = (tmp_path / "ours.csv").read_text()
    assert ours == (tmp_path / "theirs.csv").read_text()
    # What has no due date comes first in one database, and last in the other.
    rows = csv.DictReader(ours.splitlines())
    assert sorted((row["assignment"], row["student_id"], row["score"]) for row in rows) == [
        ("01_one", "anna", "2.0"),
        ("01_one", "bo", "1.75"),
        ("01_one", "cy", "0.0"),
        ("02_two", "anna", "3.5"),
        ("02_two", "bo", "0.0"),
        ("02_two", "cy", "0.0"),
    ]


def test_a_file_that_cannot_be_written_is_an_error(course: Course, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(UnwritableError, match="taken could not be written"):
        export_csv(course, tmp_path / "taken")
