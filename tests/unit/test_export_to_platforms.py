"""Grades in the platforms' own files: the same rows and columns, and nothing changed but the grades."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from autograder.cli import app
from autograder.export import ExportError, export_csv, export_to_platform, fill_canvas, fill_moodle
from autograder.gradebook import Score, open_gradebook
from autograder.intake.roster import read_roster, read_table
from autograder.verdict import CellVerdict, Outcome, Status, Verdict

MOODLE = (
    'Identifier,"Full name","Email address",Status,Grade,"Maximum Grade","Grade can be changed",'
    '"Last modified (submission)","Last modified (grade)","Feedback comments"\r\n'
    'Participant 11,"Ada Lovelace",ada@uni.example,Submitted,,20.00,Yes,"Monday, 2 February 2026, 9:05 AM",-,\r\n'
    'Participant 12,"Grace, the ""Admiral"" Hopper",grace@uni.example,Submitted,3.00,20.00,Yes,-,-,"well, done"\r\n'
    'Participant 13,"Zoë Ångström",zoe@uni.example,"No submission",,20.00,Yes,-,-,\r\n'
)
CANVAS = (
    "Student,ID,SIS User ID,SIS Login ID,Section,08_cnn (4711),Essay (4712),Final Score\r\n"
    "    Points Possible,,,,,10,5,(read only)\r\n"
    '"Lovelace, Ada",101,s-1,ada,A,,4,80\r\n'
    '"Hopper, Grace",102,s-2,grace,A,7,,75\r\n'
    '"Student, Test",999,,f00,A,,,\r\n'
)


def score(student, points, assignment="08_cnn", **more):
    fields = {"penalty": 0.0, "submitted": True, "needs_person": False, **more}
    return Score(
        assignment, student, None, None, None, None, None, points, fields["penalty"], 20.0, fields["submitted"],
        fields["needs_person"],
    )  # fmt: skip


@pytest.fixture
def filled(tmp_path):
    def fill(text, how, *scores, encoding="utf-8"):
        path = tmp_path / "roster.csv"
        path.write_bytes(text.encode(encoding))
        return how(read_table(path), read_roster(path), scores)

    return fill


def cells(data, encoding="utf-8"):
    return list(csv.reader(io.StringIO(data.decode(encoding), newline="")))


def changed(before, after):
    return {
        (row, column): new
        for row, (old_row, new_row) in enumerate(zip(cells(before.encode()), cells(after), strict=True))
        for column, (old, new) in enumerate(zip(old_row, new_row, strict=True))
        if old != new
    }


def test_moodle_s_worksheet_comes_back_with_grades_and_nothing_else_changed(filled):
    done = filled(
        MOODLE, fill_moodle, score("ada", 17.5), score("grace", 20.0, penalty=1.0), score("zoe", 0, submitted=False)
    )
    assert changed(MOODLE, done.table.text()) == {(1, 4): "17.5", (2, 4): "19"}
    assert (done.grades, done.strangers, done.waiting, done.remarks) == (2, (), (), ())


def test_grades_are_scaled_to_the_points_of_the_worksheet_and_it_is_told(filled):
    done = filled(MOODLE.replace("20.00", "100.00"), fill_moodle, score("ada", 17.5))
    assert cells(done.table.text())[1][4] == "87.5"
    assert done.remarks == ("08_cnn: scaled from 20 to the worksheet's 100 points.",)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_the_file_keeps_its_encoding_and_delimiter(filled, encoding, delimiter):
    rows = list(csv.reader(io.StringIO(MOODLE, newline="")))
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows(rows)
    done = filled(text.getvalue(), fill_moodle, score("zoe", 5), encoding=encoding)
    read = list(csv.reader(io.StringIO(done.table.text().decode(encoding), newline=""), delimiter=delimiter))
    assert read[3][1:5] == ["Zoë Ångström", "zoe@uni.example", "No submission", "5"]
    assert [row[:4] for row in read] == [row[:4] for row in rows]


def test_who_is_not_in_the_list_and_who_waits_for_a_person_is_told(filled):
    done = filled(
        MOODLE, fill_moodle, score("ada", 4, needs_person=True), score("eve", 20), score("tom", 0, submitted=False)
    )
    assert done.strangers == ("eve",)
    assert done.waiting == ("ada",)


def test_a_list_that_is_no_worksheet_is_refused_with_the_way_to_one(filled):
    with pytest.raises(ExportError, match="Download grading worksheet"):
        filled("Full name,Email address\r\nAda,ada@x\r\n", fill_moodle, score("ada", 1))
    with pytest.raises(ExportError, match="export the gradebook from Canvas"):
        filled(MOODLE, fill_canvas, score("ada", 1))


def test_canvas_s_gradebook_comes_back_with_the_assignment_s_column_filled_and_scaled(filled):
    done = filled(CANVAS, fill_canvas, score("ada", 17), score("grace", 20))
    assert changed(CANVAS, done.table.text()) == {(2, 5): "8.5", (3, 5): "10"}
    assert done.remarks == ("08_cnn: scaled from 20 to Canvas's 10 points.",)


def test_an_assignment_that_canvas_does_not_know_gets_a_column_with_its_points(filled):
    done = filled(CANVAS, fill_canvas, score("ada", 17), score("ada", 12, "14_project"), score("eve", 3, "14_project"))
    read = cells(done.table.text())
    assert [row[8] for row in read] == ["14_project", "20", "12", "", ""]
    assert [row[:5] for row in read] == [row[:5] for row in cells(CANVAS.encode())]
    assert done.strangers == ("eve",)
    assert any("will ask to make the assignment" in remark for remark in done.remarks)


@given(st.lists(st.floats(0, 20), min_size=2, max_size=2), st.sampled_from([5.0, 10.0, 20.0, 100.0]))
def test_a_grade_lies_between_0_and_the_platform_s_points(points, most):
    table, roster = PARSED
    rows = tuple(tuple(f"{most:.2f}" if cell == "20.00" else cell for cell in row) for row in table.rows)
    scores = [score(who, each) for who, each in zip(("ada", "grace"), points, strict=True)]
    done = fill_moodle(replace(table, rows=rows), roster, scores)
    for row, each in zip(done.table.rows[1:3], points, strict=True):
        assert abs(float(row[4]) - each * most / 20) <= 0.005 + 1e-9
        assert 0 <= float(row[4]) <= most


@pytest.fixture(scope="module", autouse=True)
def _parsed(tmp_path_factory):
    global PARSED  # noqa: PLW0603 - hypothesis takes no fixtures of a function
    path = tmp_path_factory.mktemp("roster") / "moodle.csv"
    path.write_text(MOODLE, encoding="utf-8", newline="")
    PARSED = read_table(path), read_roster(path)


PARSED = None


@pytest.fixture
def graded(make_course, master):
    course = make_course({"01_a/a.ipynb": master, "02_b/b.ipynb": master})
    with open_gradebook(course) as gradebook:
        gradebook.sync(course.assignments)
        for student, assignment, notebook, points in [("ada", "01_a", "a", 2), ("grace", "02_b", "b", 1)]:
            cell = CellVerdict("test_double", points, 2, Outcome.PASSED)
            gradebook.record(Verdict(student, assignment, notebook, Status.GRADED, "", (cell,)), "print")
    return course


def test_the_command_writes_the_file_and_says_what_it_did(graded, tmp_path):
    roster = tmp_path / "Grades.csv"
    roster.write_text(MOODLE.replace("20.00", "2.00"), encoding="utf-8", newline="")
    run = CliRunner().invoke(
        app, ["--course", str(graded.root), "export", "01_a", "--to", "moodle", "--roster", str(roster)]
    )
    assert run.exit_code == 0, run.output
    assert "1 grades in" in run.output
    assert cells((graded.root / "grades-01_a.csv").read_bytes())[1][4] == "2"


@pytest.mark.parametrize("arguments", [["--to", "moodle"], ["--to", "canvas"], ["--to", "moodle", "--roster", "FILE"]])
def test_what_is_missing_on_the_command_line_is_said(graded, tmp_path, arguments):
    roster = tmp_path / "Grades.csv"
    roster.write_text(MOODLE, encoding="utf-8", newline="")
    given_arguments = [str(roster) if each == "FILE" else each for each in arguments]
    run = CliRunner().invoke(app, ["--course", str(graded.root), "export", *given_arguments])
    assert run.exit_code == 2
    said = " ".join(run.output.replace("│", " ").split())
    assert ("name it" if "--roster" in arguments else "needs --roster") in said


def test_nothing_is_written_when_the_list_is_none(graded, tmp_path):
    roster, target = tmp_path / "r.csv", tmp_path / "out.csv"
    roster.write_text("Full name,Email address\r\nAda,ada@x\r\n", encoding="utf-8", newline="")
    with pytest.raises(ExportError, match=r"r\.csv"):
        export_to_platform(graded, "moodle", roster, ["01_a"], target)
    assert not target.exists()


def test_a_csv_of_some_assignments_has_these_alone(graded, tmp_path):
    assert export_csv(graded, tmp_path / "some.csv", names=["02_b"]) == 2
    assert "01_a" not in (tmp_path / "some.csv").read_text()
