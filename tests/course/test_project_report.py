"""The report of 14_project is a person's to grade: it waits in the gradebook, and what a person gives is kept."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from autograder.build import read_master, write_file
from autograder.sample import Case, submission_bytes, write_class

from .conftest import COURSE

pytestmark = pytest.mark.slow

AUTOGRADER = str(Path(sys.executable).with_name("autograder"))
REPORT = "My CNN found *more doubles* than my features."
# Nobody has solved anything else, so that nothing trains.
CLASS = (
    Case("anna", "A report", base="release", answers={"report": REPORT}),
    Case("ben", "No report", base="release"),
    Case("cleo", "The report's cell was deleted", base="release", delete=("report",)),
)


class Folder:
    """A course folder with this class, and the commands run in it."""

    def __init__(self, root):
        self.root = root
        assignment = COURSE.assignment("14_project")
        write_class(COURSE, [], root)
        (notebook,) = assignment.notebooks
        for case in CLASS:
            path = root / "submitted" / case.student / assignment.name / notebook.path.name
            write_file(path, submission_bytes(case, read_master(notebook.path)))

    def run(self, *arguments):
        done = subprocess.run(
            [AUTOGRADER, "--course", str(self.root), *arguments],
            env={**os.environ, "COURSE_DATA_SOURCE": "standin"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def grade(self, *options):
        """Grade; the record of each student's report, and the points of each student."""
        records = self.root / "records.json"
        self.run("grade", "14_project", "--jobs", "1", "--json", str(records), *options)
        found = json.loads(records.read_text(encoding="utf-8"))
        cells = {record["student"]: {cell["grade_id"]: cell for cell in record["cells"]} for record in found}
        return {student: each["report"] for student, each in cells.items()}, found

    @contextmanager
    def gradebook(self):
        """Open it as nbgrader's formgrader does."""
        with Gradebook(f"sqlite:///{self.root / 'gradebook.db'}") as book:
            yield book

    def exported(self):
        """What `export` says of each student's points."""
        self.run("export", "--to", "csv", "--output", str(self.root / "grades.csv"))
        with (self.root / "grades.csv").open(encoding="utf-8", newline="") as file:
            return {row["student_id"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return Folder(tmp_path_factory.mktemp("project") / "course")


def test_a_report_waits_for_a_person_and_what_the_person_gave_is_kept(folder):
    reports, records = folder.grade()

    assert {student: (cell["outcome"], cell["score"], cell["max_score"]) for student, cell in reports.items()} == {
        "anna": ("manual", 0, 6),
        "ben": ("failed", 0, 6),
        "cleo": ("missing", 0, 6),
    }
    assert {record["student"]: (record["score"], record["max_score"]) for record in records} == dict.fromkeys(
        ("anna", "ben", "cleo"), (0, 20)
    )
    with folder.gradebook() as book:
        waiting = {row["student"]: row["needs_manual_grade"] for row in book.submission_dicts("14_project")}
        assert waiting == {"anna": True, "ben": False, "cleo": False}
        # The gallery from which a person opens one report after the other.
        (row,) = [row for row in book.notebook_submission_dicts("project", "14_project") if row["needs_manual_grade"]]
        assert (row["student"], row["max_written_score"], row["max_code_score"]) == ("anna", 6, 14)
        grades = {name: book.find_grade("report", "project", "14_project", name) for name in ("anna", "ben", "cleo")}
        assert {name: (grade.auto_score, grade.needs_manual_grade) for name, grade in grades.items()} == {
            "anna": (None, True),
            "ben": (0, False),
            "cleo": (0, False),
        }
    executed = (folder.root / "autograded" / "anna" / "14_project" / "project.ipynb").read_text(encoding="utf-8")
    assert REPORT in executed

    # What formgrader does when a person fills in the fields.
    with folder.gradebook() as book:
        grade = book.find_grade("report", "project", "14_project", "anna")
        grade.manual_score, grade.needs_manual_grade = 4.5, False
        book.find_comment("report", "project", "14_project", "anna").manual_comment = "Which numbers?"
        book.db.commit()
        assert {row["student"]: row["score"] for row in book.submission_dicts("14_project")}["anna"] == 4.5
    assert float(folder.exported()["anna"]["score"]) == 4.5

    folder.grade("--force")

    with folder.gradebook() as book:
        grade = book.find_grade("report", "project", "14_project", "anna")
        assert (grade.manual_score, grade.score) == (4.5, 4.5)
        assert book.find_comment("report", "project", "14_project", "anna").comment == "Which numbers?"
        assert book.find_submission("14_project", "anna").score == 4.5
    assert float(folder.exported()["anna"]["score"]) == 4.5


def test_the_html_report_names_who_waits_and_nbgraders_feedback_shows_what_was_given(folder):
    folder.run("report")
    page = "".join(each.read_text(encoding="utf-8") for each in (folder.root / "reports").glob("*.html"))
    waiting = page.partition('id="waiting"')[2].partition("</table>")[0]
    assert "<code>report</code>" in waiting
    # Graded again, the report asks for a second look; those who wrote none wait for nobody.
    assert [name for name in ("anna", "ben", "cleo") if f"<bdi>{name}</bdi>" in waiting] == ["anna"]

    nbgrader = str(Path(sys.executable).with_name("nbgrader"))
    done = subprocess.run(
        [nbgrader, "generate_feedback", "14_project", "--student", "anna", "--force"],
        cwd=folder.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    shown = (folder.root / "feedback" / "anna" / "14_project" / "project.html").read_text(encoding="utf-8")
    assert "<em>more doubles</em>" in shown
    assert "4.5" in shown
    assert "Which numbers?" in shown
