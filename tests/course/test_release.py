"""Every assignment of this course: its master is sound, and its release gives nothing away."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from nbformat.validator import iter_validate

from autograder.build import build, release_notebook
from autograder.course import find_course, load_course
from autograder.notebook import nbgrader_metadata, notebook_text, read_notebook

COURSE = load_course(find_course(Path(__file__).parent))
NOTEBOOKS = [notebook for assignment in COURSE.assignments for notebook in assignment.notebooks]
SECTIONS = ["Setup", "Data", "Theory", "Exercises", "Experiment", "Summary"]
STUB = {"# YOUR CODE HERE", "raise NotImplementedError()", "YOUR ANSWER HERE"}

every_notebook = pytest.mark.parametrize("source", NOTEBOOKS, ids=lambda source: source.assignment)


def roles(notebook, **flags):
    """Cells of which nbgrader notes all of this."""
    return [
        cell
        for cell in notebook.cells
        if "nbgrader" in cell.metadata and flags.items() <= dict(nbgrader_metadata(cell)).items()
    ]


def grade_ids(cells):
    return [nbgrader_metadata(cell)["grade_id"] for cell in cells]


def visible_lines(source):
    """Lines outside of every marked region, told apart here by other means than nbgrader's."""
    lines, outside = [], True
    for line in source.split("\n"):
        if line.strip().startswith("### BEGIN "):
            outside = False
        elif line.strip().startswith("### END "):
            outside = True
        elif outside:
            lines.append(line)
    return lines


def for_a_person(notebook):
    """Answers that a person grades: they have no test, and all of them is the student's."""
    return roles(notebook, grade=True, solution=True)


def shown_lines(cell):
    """Lines of a master's cell that students see."""
    noted = nbgrader_metadata(cell)
    return [] if noted.get("grade") and noted.get("solution") else visible_lines(cell.source)


def rubric(source):
    """Points by criterion: the rows of a table that begin with a name in bold and end with a number."""
    rows = re.findall(r"^\| \*\*(.+?)\*\* \|.*\| ([\d.]+) \|$", source, re.M)
    return {criterion: float(points) for criterion, points in rows}


def test_there_are_assignments():
    assert NOTEBOOKS


class TestMaster:
    @every_notebook
    def test_it_is_a_valid_notebook_as_nbformat_writes_it(self, source):
        notebook = read_notebook(source.path)

        assert list(iter_validate(notebook)) == []
        assert source.path.read_text(encoding="utf-8") == notebook_text(notebook), (
            "Write it anew: nbformat.write(nbformat.read(path, as_version=4), path)"
        )

    @every_notebook
    def test_nbgraders_own_validator_accepts_it(self, source):
        from nbgrader.nbgraderformat import MetadataValidator

        MetadataValidator().validate_nb(read_notebook(source.path))

    @every_notebook
    def test_it_carries_no_outputs(self, source):
        code = [cell for cell in read_notebook(source.path).cells if cell.cell_type == "code"]

        assert [cell.id for cell in code if cell.outputs or cell.execution_count is not None] == [], (
            f"Clear them: jupyter nbconvert --clear-output --inplace {source.path}"
        )

    @every_notebook
    def test_its_sections_stand_in_the_courses_order(self, source):
        cells = [cell for cell in read_notebook(source.path).cells if cell.cell_type == "markdown"]
        titles = [line[3:] for cell in cells for line in cell.source.splitlines() if line.startswith("## ")]

        assert titles == SECTIONS

    @every_notebook
    def test_grade_ids_are_each_used_once_and_cells_are_called_like_them(self, source):
        cells = [cell for cell in read_notebook(source.path).cells if nbgrader_metadata(cell)]

        assert len(set(grade_ids(cells))) == len(cells)
        assert [cell.id for cell in cells] == grade_ids(cells)

    @every_notebook
    def test_points_add_up_to_ten_or_twenty(self, source):
        tests = roles(read_notebook(source.path), grade=True)

        assert sum(nbgrader_metadata(cell)["points"] for cell in tests) in {10, 20}

    @every_notebook
    def test_every_answer_has_its_test_before_the_next_answer_begins(self, source):
        graded = [
            cell
            for cell in read_notebook(source.path).cells
            if nbgrader_metadata(cell).get("grade") or nbgrader_metadata(cell).get("solution")
        ]
        persons = grade_ids(for_a_person(read_notebook(source.path)))
        names = [name for name in grade_ids(graded) if name not in persons]

        assert len(names) >= 8
        # Its own at once; another one may follow, of what the answer has made in the cells between them.
        for answer, test in pairwise(names):
            assert answer.startswith("test_") or test == f"test_{answer}"
        assert names[-1].startswith("test_")

    @every_notebook
    def test_what_a_person_grades_has_a_rubric_for_students_and_the_same_one_for_staff(self, source):
        notebook = read_notebook(source.path)
        persons = grade_ids(for_a_person(notebook))
        for before, answer in pairwise(notebook.cells):
            if answer.id in persons:
                guide = (COURSE.root / "docs" / "instructors" / f"{source.assignment}.md").read_text(encoding="utf-8")
                assert answer.cell_type == "markdown"
                assert sum(rubric(before.source).values()) == nbgrader_metadata(answer)["points"]
                assert rubric(guide) == rubric(before.source)

    @every_notebook
    def test_a_beginner_learns_from_a_visible_test_and_a_hidden_one_judges(self, source):
        for cell in roles(read_notebook(source.path), grade=True, solution=False):
            visible = [line for line in visible_lines(cell.source) if line.strip() and not line.startswith("#")]
            assert visible, f"{cell.id} shows students nothing"
            assert "### BEGIN HIDDEN TESTS" in cell.source, f"{cell.id} hides nothing: its answer could be written down"

    @every_notebook
    def test_code_that_is_not_the_students_cannot_be_changed(self, source):
        code = [cell for cell in read_notebook(source.path).cells if cell.cell_type == "code"]
        own = [cell for cell in code if not nbgrader_metadata(cell).get("solution")]

        assert [cell.id for cell in own if not nbgrader_metadata(cell).get("locked")] == []


class TestRelease:
    @every_notebook
    def test_what_is_left_is_the_visible_part_of_the_master_and_the_stub(self, source):
        master = read_notebook(source.path)
        release = release_notebook(master)

        assert [cell.id for cell in release.cells] == [cell.id for cell in master.cells]
        for before, after in zip(master.cells, release.cells, strict=True):
            left = [line for line in after.source.split("\n") if line.strip() not in STUB]
            assert left == shown_lines(before)

    @every_notebook
    def test_nothing_of_a_solution_or_hidden_test_stands_beside_the_cells_sources(self, source):
        master = read_notebook(source.path)
        visible = {line.strip() for cell in master.cells for line in shown_lines(cell)}
        secret = {line.strip() for cell in master.cells for line in cell.source.splitlines()} - visible
        release = release_notebook(master)
        for cell in release.cells:
            cell.source = ""
        rest = notebook_text(release)

        assert {"### BEGIN SOLUTION", "### BEGIN HIDDEN TESTS"} < secret
        # What is shorter, "else:" or "x = 0", tells nothing and may be part of any word.
        assert [line for line in secret if len(line) > 8 and line.replace('"', '\\"') in rest] == []

    @every_notebook
    def test_every_answer_waits_for_the_student(self, source):
        for cell in roles(release_notebook(read_notebook(source.path)), solution=True, grade=False):
            assert "raise NotImplementedError()" in cell.source

    @every_notebook
    def test_an_answer_that_a_person_grades_waits_too(self, source):
        for cell in for_a_person(release_notebook(read_notebook(source.path))):
            assert cell.source == "YOUR ANSWER HERE"

    @every_notebook
    def test_it_is_valid_by_the_rules_of_nbformat_and_nbgrader(self, source):
        from nbgrader.nbgraderformat import MetadataValidator

        release = release_notebook(read_notebook(source.path))

        assert list(iter_validate(release)) == []
        MetadataValidator().validate_nb(release)

    @every_notebook
    def test_answers_can_be_edited_and_everything_else_of_nbgraders_cannot(self, source):
        for cell in release_notebook(read_notebook(source.path)).cells:
            if nbgrader_metadata(cell):
                assert cell.metadata.deletable is False
                assert cell.metadata.get("editable", True) is bool(nbgrader_metadata(cell)["solution"])

    @every_notebook
    def test_nbgrader_finds_its_checksums_right(self, source):
        from nbgrader.utils import compute_checksum

        cells = [cell for cell in release_notebook(read_notebook(source.path)).cells if nbgrader_metadata(cell)]

        assert [cell.id for cell in cells if compute_checksum(cell) != nbgrader_metadata(cell)["checksum"]] == []

    def test_another_process_builds_the_same_bytes(self, tmp_path):
        shutil.copytree(COURSE.source, tmp_path / "source")
        shutil.copy(COURSE.root / "course.toml", tmp_path)
        code = (
            "from pathlib import Path; from autograder.build import build; from autograder.course import load_course; "
            "course = load_course(Path.cwd()); build(course, course.assignments)"
        )
        subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONHASHSEED": "4711"}, check=True
        )

        assert build(load_course(tmp_path), load_course(tmp_path).assignments, check=True) == []


@every_notebook
def test_a_page_for_instructors_tells_what_each_test_is_for(source):
    """A page has aims, time and common mistakes, and one line for every graded cell."""
    page = (COURSE.root / "docs" / "instructors" / f"{source.assignment}.md").read_text(encoding="utf-8")
    graded = grade_ids(roles(read_notebook(source.path), grade=True))

    assert [name for name in graded if f"| `{name}` |" not in page] == []
    assert "**Aims.**" in page
    assert "**Time.**" in page


@every_notebook
def test_no_line_of_a_paragraph_begins_as_a_list_would(source):
    """In Markdown "1. And" at the beginning of a line makes a list of what was the end of a sentence."""
    cut = []
    for cell in read_notebook(source.path).cells:
        if cell.cell_type != "markdown":
            continue
        for before, line in pairwise(cell.source.splitlines()):
            starts_a_list = re.match(r"(1[.)]|[-+*]) ", line) is not None
            follows_text = before.strip() and not re.match(r"\s*([-+*]|\d+[.)]) ", before) and not before.endswith(":")
            if starts_a_list and follows_text and not before.startswith((" ", "|", "#")):
                cut.append(f"{cell.id}: {before} / {line}")

    assert cut == []
