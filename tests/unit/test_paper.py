"""From a master and a submission to a paper: what is the instructor's, what is the student's, and who runs what."""

from __future__ import annotations

import json
import os
import pickle

import nbformat
import pytest

from autograder.build import release_notebook
from autograder.notebook import notebook_text
from autograder.paper import (
    MAX_CELLS,
    MAX_SOURCE_CHARACTERS,
    Owner,
    Role,
    State,
    SubmissionError,
    SubmittedCell,
    build_paper,
    parse_submission,
    read_submission,
)


@pytest.fixture
def release(master):
    return release_notebook(master)


def paper_of(master, notebook=None):
    """The paper of a student who hands in this notebook; nothing at all where there is none."""
    submission = parse_submission(notebook_text(notebook).encode(), "a.ipynb") if notebook else ()
    return build_paper(master, submission, student="anna", assignment="01_a", notebook="a")


def cell_of(paper, grade_id):
    (found,) = [cell for cell in paper.cells if cell.grade_id == grade_id]
    return found


def sources(paper):
    return [cell.source for cell in paper.cells]


# What is the instructor's


def test_an_answer_is_laid_into_the_master_and_nothing_else_is_taken(master, release):
    release.cells[2].source = "def double(x):\n    return x + x"
    for cell in (release.cells[1], release.cells[3]):
        cell.source = "assert True"
        cell.metadata["nbgrader"].update(points=1000, grade=False, solution=True, locked=False)
        cell.metadata["tags"] = ["skip-execution"]
    release.metadata["kernelspec"]["name"] = "julia"

    paper = paper_of(master, release)

    assert cell_of(paper, "setup").source == "FACTOR = 2"
    assert cell_of(paper, "double").source == "def double(x):\n    return x + x"
    assert cell_of(paper, "test_double").source == master.cells[3].source
    assert cell_of(paper, "test_double").points == 2
    assert cell_of(paper, "test_double").role is Role.TEST
    assert json.loads(cell_of(paper, "test_double").metadata) == master.cells[3].metadata
    assert json.loads(paper.metadata) == master.metadata


def test_hidden_tests_are_in_the_test_and_no_solution_is_anywhere(master, release):
    paper = paper_of(master, release)

    assert "assert double(-3) == -6" in cell_of(paper, "test_double").source
    assert not any("return 2 * x" in source for source in sources(paper))


def test_a_deleted_test_is_there_all_the_same(master, release):
    del release.cells[3]

    assert cell_of(paper_of(master, release), "test_double").source == master.cells[3].source


def test_the_order_is_the_masters(master, release):
    release.cells.reverse()

    managed = [cell.grade_id for cell in paper_of(master, release).cells if cell.grade_id]

    assert managed == ["setup", "double", "test_double"]


def test_a_cell_whose_type_was_changed_has_the_masters(master, release):
    answer = nbformat.v4.new_markdown_cell("def double(x): return 2 * x", metadata=release.cells[2].metadata)
    release.cells[2] = answer

    answered = cell_of(paper_of(master, release), "double")

    assert (answered.cell_type, answered.owner, answered.source) == (
        "code",
        Owner.CANDIDATE,
        "def double(x): return 2 * x",
    )


def test_an_answer_claimed_by_a_cell_of_a_stranger_id_is_a_cell_of_the_students_own(master, release):
    release.cells[2].metadata["nbgrader"]["grade_id"] = "elsewhere"
    release.cells[2].source = "def double(x): return 2 * x"

    paper = paper_of(master, release)

    assert cell_of(paper, "double").state is State.MISSING
    assert [cell.source for cell in paper.cells if cell.role is Role.OWN and cell.owner is Owner.CANDIDATE] == [
        "def double(x): return 2 * x"
    ]


# What the student did with an answer


def test_an_answer_as_it_was_handed_out_is_untouched(master, release):
    release.cells[2].source += "\n\n"

    assert cell_of(paper_of(master, release), "double").state is State.UNTOUCHED


def test_a_changed_answer_is_answered_even_if_it_is_empty(master, release):
    release.cells[2].source = ""

    assert cell_of(paper_of(master, release), "double").state is State.ANSWERED


def test_a_deleted_answer_is_missing_and_the_stub_does_not_stand_in_for_it(master, release):
    del release.cells[2]

    answer = cell_of(paper_of(master, release), "double")

    assert (answer.state, answer.source) == (State.MISSING, "")


def test_nothing_handed_in_is_a_paper_without_answers(master):
    paper = paper_of(master)

    assert [cell.grade_id for cell in paper.cells] == ["setup", "double", "test_double"]
    assert cell_of(paper, "double").state is State.MISSING


def test_a_question_for_a_person_takes_the_students_text_and_a_task_keeps_the_instructors(master, cells):
    master.cells += [
        cells.text("Why?", "why", grade=True, solution=True, points=3),
        cells.text("Draw a curve.", "draw", task=True, locked=True, points=4),
    ]
    release = release_notebook(master)
    release.cells[4].source = "Because."
    release.cells[5].source = "No."

    paper = paper_of(master, release)

    why, draw = cell_of(paper, "why"), cell_of(paper, "draw")
    assert (why.role, why.source, why.points, why.state) == (Role.MANUAL, "Because.", 3, State.ANSWERED)
    assert (draw.role, draw.source, draw.points, draw.state) == (Role.MANUAL, "Draw a curve.", 4, State.ANSWERED)
    assert {why.owner, draw.owner} == {Owner.NOBODY}


# Duplicates and cells of the student's own


def test_of_two_cells_with_one_id_the_one_where_it_belongs_counts_and_the_student_is_told(master, release):
    stray = nbformat.from_dict(release.cells[2])
    stray.source = "def double(x): return 0"
    release.cells[2].source = "def double(x): return 2 * x"
    release.cells.insert(1, stray)

    paper = paper_of(master, release)

    assert cell_of(paper, "double").source == "def double(x): return 2 * x"
    assert paper.remarks == (
        "The cell 'double' is there 2 times; the one that stands where it belongs (cell 4) was graded.",
    )


def test_of_two_cells_with_one_id_that_stand_elsewhere_the_first_counts(master, release):
    answer = release.cells.pop(2)
    again = nbformat.from_dict(answer)
    answer.source, again.source = "first", "second"
    release.cells += [answer, again]

    paper = paper_of(master, release)

    assert cell_of(paper, "double").source == "first"
    assert paper.remarks == ("The cell 'double' is there 2 times; the one that comes first (cell 4) was graded.",)


def test_a_copy_that_does_not_count_is_kept_to_look_at_but_does_not_run(master, release):
    copy = nbformat.from_dict(release.cells[2])
    release.cells[2].source = "def double(x): return 2 * x"
    release.cells.insert(3, copy)

    (kept,) = [cell for cell in paper_of(master, release).cells if cell.source == copy.source]

    assert (kept.role, kept.owner, kept.grade_id) == (Role.OWN, Owner.NOBODY, "")


def test_a_students_own_cells_stay_behind_their_neighbours_and_run_in_the_candidate(master, release):
    release.cells.insert(0, nbformat.v4.new_code_cell("before = 1"))
    release.cells.insert(4, nbformat.v4.new_code_cell("helper = 1"))
    release.cells.insert(5, nbformat.v4.new_raw_cell("raw"))
    release.cells.append(nbformat.v4.new_code_cell("after = 1"))

    paper = paper_of(master, release)

    stub = cell_of(paper, "double").source
    assert sources(paper) == [
        "before = 1",
        release.cells[1].source,
        "FACTOR = 2",
        stub,
        "helper = 1",
        "raw",
        master.cells[3].source,
        "after = 1",
    ]
    own = {cell.source: (cell.role, cell.owner) for cell in paper.cells if not cell.grade_id}
    assert own["helper = 1"] == own["after = 1"] == own["before = 1"] == (Role.OWN, Owner.CANDIDATE)
    assert own["raw"] == (Role.OWN, Owner.NOBODY)


def test_every_cell_has_an_id_of_its_own_that_the_format_allows(master, cells):
    long = "a_name_of_an_exercise_as_long_as_the_format_allows_it_"
    master.cells += [cells.answer(grade_id=f"{long}{name}") for name in "xy"]
    release = release_notebook(master)
    release.cells = [
        each for cell in release.cells for each in (cell, cells.code("1", "own"), cells.code("2", "own-too"))
    ]

    paper = paper_of(master, release)

    ids = [cell.cell_id for cell in paper.cells]
    assert len(set(ids)) == len(ids)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(id=cell_id) for cell_id in ids])
    nbformat.validate(notebook)


# Who runs what


def owners(master, *given):
    """Owner of each given cell, put before the first answer."""
    master.cells[2:2] = given
    paper = paper_of(master)
    return {cell.grade_id: cell.owner for cell in paper.cells}


def test_tests_run_in_the_examiner_answers_in_the_candidate_and_a_setup_in_both(master):
    assert owners(master) == {"setup": Owner.BOTH, "double": Owner.CANDIDATE, "test_double": Owner.EXAMINER}


def test_a_given_cell_that_builds_on_other_given_cells_runs_in_both(master, cells):
    found = owners(
        master,
        cells.locked("import numpy as np", "imports"),
        cells.locked("def area(r): return FACTOR * np.pi * r", "helper"),
    )

    assert found["helper"] is Owner.BOTH


def test_a_given_cell_that_needs_the_students_name_runs_in_the_candidate_and_so_does_what_builds_on_it(master, cells):
    found = owners(master, cells.locked("result = double(3)", "use"), cells.locked("print(result)", "show"))

    assert (found["use"], found["show"]) == (Owner.CANDIDATE, Owner.CANDIDATE)


def test_a_given_cell_tagged_so_runs_in_the_candidate_and_so_does_what_builds_on_it(master, cells):
    dear = cells.locked("pictures = 1", "dear")
    dear.metadata["tags"] = ["candidate"]

    found = owners(master, dear, cells.locked("print(pictures)", "show"))

    assert (found["dear"], found["show"]) == (Owner.CANDIDATE, Owner.CANDIDATE)


def test_text_runs_nowhere(master, cells):
    assert owners(master, cells.text("Read this.", "read", locked=True))["read"] is Owner.NOBODY


def test_a_test_knows_what_it_needs_and_which_answers_it_judges(master, cells):
    master.cells += [
        cells.answer("### BEGIN SOLUTION\na = 1\n### END SOLUTION", "a"),
        cells.answer("### BEGIN SOLUTION\nb = 1\n### END SOLUTION", "b"),
        cells.test("_expected = FACTOR\nassert a + b == _expected", "test_sum"),
        cells.test("assert a == double(b)", "test_again"),
    ]

    paper = paper_of(master)

    assert cell_of(paper, "test_double").needs == ("double",)
    assert cell_of(paper, "test_double").answers == ("double",)
    assert cell_of(paper, "test_sum").needs == ("FACTOR", "a", "b")
    assert cell_of(paper, "test_sum").answers == ("a", "b")
    assert cell_of(paper, "test_again").answers == ("a", "b")


def test_a_paper_is_a_value_that_can_be_sent_elsewhere(master, release):
    paper = paper_of(master, release)

    assert pickle.loads(pickle.dumps(paper)) == paper
    assert hash(paper) == hash(paper_of(master, release))


# Reading what was handed in


def test_sources_and_grade_ids_are_read_and_nothing_else_matters(release):
    content = json.loads(notebook_text(release))
    for cell in content["cells"]:
        cell["source"] = cell["source"] if isinstance(cell["source"], list) else [cell["source"]]
        cell["outputs"] = "rubbish"
        cell.pop("id")
    content.pop("nbformat_minor")
    content["metadata"] = 7

    read = parse_submission(json.dumps(content).encode(), "a.ipynb")

    assert [cell.grade_id for cell in read] == ["", "setup", "double", "test_double"]
    assert [cell.source for cell in read] == [cell.source for cell in release.cells]


@pytest.mark.parametrize("metadata", [None, 7, {}, {"nbgrader": 7}, {"nbgrader": {"grade_id": ["x"]}}])
def test_metadata_that_is_none_is_no_claim(metadata):
    cell = {"cell_type": "code", "source": "1", "metadata": metadata}

    assert parse(cell) == (SubmittedCell("code", "1"),)


def test_half_a_character_becomes_a_question_mark_for_it_can_neither_run_nor_be_written():
    (cell,) = parse({"cell_type": "code", "source": "x = '\ud800'", "metadata": {}})

    assert cell.source == "x = '?'"


def parse(*cells):
    return parse_submission(json.dumps({"nbformat": 4, "metadata": {}, "cells": cells}).encode(), "a.ipynb")


CODE = {"cell_type": "code", "metadata": {}, "source": ""}


def notebook_bytes(**changes):
    return json.dumps({"nbformat": 4, "metadata": {}, "cells": [CODE], **changes}).encode()


ANEW = "Download it again, or save it anew from JupyterLab."
COPY = "Download it again and copy your answers into it."


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "a.ipynb is empty. Save the notebook and try again."),
        (b" \n", "a.ipynb is empty. Save the notebook and try again."),
        (
            notebook_bytes().decode().encode("utf-16"),
            "a.ipynb is saved as UTF-16, and a notebook is UTF-8 text. Save it anew from JupyterLab.",
        ),
        (
            notebook_bytes().decode().encode("utf-16-le"),
            "a.ipynb is saved as UTF-16, and a notebook is UTF-8 text. Save it anew from JupyterLab.",
        ),
        ("é".encode("latin-1"), f"a.ipynb is not a notebook: it is not UTF-8 text. {ANEW}"),
        (
            b"My answers are in the other file.",
            "a.ipynb is not a notebook: it stops being JSON in line 1. It was cut off or edited by hand; "
            "download it again, or save it anew from JupyterLab.",
        ),
        (notebook_bytes()[:-20], "a.ipynb is not a notebook: it stops being JSON in line 1. It was cut off"),
        (b"[" * 200_000, f"a.ipynb is not a notebook: its JSON is nested too deeply. {COPY}"),
        (b"[" + notebook_bytes() + b"]", "a.ipynb is JSON, but not a notebook. Is it the right file?"),
        (b"7", "a.ipynb is JSON, but not a notebook. Is it the right file?"),
        (b"{}", "a.ipynb is JSON, but not a notebook. Is it the right file?"),
        (
            notebook_bytes(nbformat=3),
            "a.ipynb is in notebook format 3; format 4 is needed. Open it in JupyterLab and save it.",
        ),
        (notebook_bytes(nbformat="x" * 1000), f"a.ipynb is in notebook format {'x' * 20}; format 4 is needed."),
        (notebook_bytes(cells=[]), "a.ipynb holds no cells. Is it the right file?"),
        (notebook_bytes(cells=None), "a.ipynb holds no cells. Is it the right file?"),
        (
            notebook_bytes(cells=[CODE] * 5000),
            f"a.ipynb has 5,000 cells; at most {MAX_CELLS:,} are graded. Remove what you added.",
        ),
        (notebook_bytes(cells=[CODE, 7]), f"a.ipynb: cell 2 is damaged. {COPY}"),
        (notebook_bytes(cells=[{**CODE, "cell_type": ["code"]}]), f"a.ipynb: cell 1 is damaged. {COPY}"),
        (notebook_bytes(cells=[{**CODE, "source": [7]}]), f"a.ipynb: cell 1 is damaged. {COPY}"),
        (
            notebook_bytes(cells=[{**CODE, "source": "x" * (MAX_SOURCE_CHARACTERS + 1)}]),
            "a.ipynb: cell 1 has 1,000,001 characters; at most 1,000,000 are graded. Make it shorter.",
        ),
        (
            b'{"nbformat": 4, "cells": [' + b"1" * 5000 + b"]}",
            f"a.ipynb is not a notebook: it holds a number with thousands of digits. {COPY}",
        ),
    ],
    ids=[
        "empty",
        "blank",
        "utf-16",
        "utf-16-without-mark",
        "latin-1",
        "text",
        "cut-off",
        "nested-too-deeply",
        "a-list",
        "a-number",
        "an-object",
        "format-3",
        "format-as-text",
        "no-cells",
        "cells-null",
        "5000-cells",
        "a-cell-that-is-none",
        "a-type-that-is-none",
        "a-source-that-is-none",
        "a-huge-cell",
        "a-huge-number",
    ],
)
def test_a_file_that_cannot_be_graded_has_one_message_that_says_what_to_do(data, message):
    with pytest.raises(SubmissionError) as caught:
        parse_submission(data, "a.ipynb")

    assert message in str(caught.value)


def test_a_byte_order_mark_does_no_harm():
    assert parse_submission(b"\xef\xbb\xbf" + notebook_bytes(), "a.ipynb") == (SubmittedCell("code", ""),)


def test_a_message_names_the_file_and_no_folder_of_the_staffs(tmp_path):
    (tmp_path / "a.ipynb").write_bytes(b"nothing")

    with pytest.raises(SubmissionError) as caught:
        read_submission(tmp_path / "a.ipynb")

    assert str(caught.value).startswith("a.ipynb ")
    assert str(tmp_path) not in str(caught.value)


def test_a_file_is_read(tmp_path, release):
    (tmp_path / "a.ipynb").write_text(notebook_text(release), encoding="utf-8")

    assert [cell.grade_id for cell in read_submission(tmp_path / "a.ipynb")] == ["", "setup", "double", "test_double"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no such files there")
def test_what_is_no_file_is_told_and_nobody_waits_for_it(tmp_path):
    (tmp_path / "folder.ipynb").mkdir()
    os.mkfifo(tmp_path / "pipe.ipynb")

    with pytest.raises(SubmissionError, match=r"^folder\.ipynb is a folder"):
        read_submission(tmp_path / "folder.ipynb")
    with pytest.raises(SubmissionError, match=r"^pipe\.ipynb is no ordinary file"):
        read_submission(tmp_path / "pipe.ipynb")


def test_a_file_too_large_is_told_by_its_name_alone(tmp_path):
    with (tmp_path / "large.ipynb").open("wb") as file:
        file.truncate(33 * 2**20)

    with pytest.raises(
        SubmissionError, match=r"^large\.ipynb has 33 MB; a notebook may have 32 MB\. Clear its outputs"
    ):
        read_submission(tmp_path / "large.ipynb")
