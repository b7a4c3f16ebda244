"""Whatever a student hands in as a notebook is read, or refused in words; and it is never worth more than it should."""

from __future__ import annotations

import gzip
import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder import selfcheck
from autograder.build import release_notebook
from autograder.gradebook import GradebookError, submission_time
from autograder.names import names
from autograder.notebook import NotebookError, notebook_text, parse_notebook, read_notebook
from autograder.paper import MAX_CELLS, Role, SubmissionError, blank, build_paper, parse_submission, read_submission
from tests.conftest import Cells

MASTER = Cells.notebook(
    Cells.text("# Doubling", "title"),
    Cells.locked("FACTOR = 2", "setup"),
    Cells.answer(),
    Cells.test(),
    Cells.text("Why?", "why", grade=True, solution=True, points=3),
)
RELEASE = json.loads(notebook_text(release_notebook(MASTER)))
MANAGED = [cell.grade_id for cell in blank(MASTER)]
CODE = {"cell_type": "code", "metadata": {}, "source": "", "outputs": [], "execution_count": None}


def notebook(*cells, **changes):
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [*cells], **changes}).encode()


def nested(levels, opening="[", closing="]"):
    return (opening * levels + "1" + closing * levels).encode()


def told(refusal, data):
    """What is said of a file that is refused: words for a person, fit to be written anywhere."""
    with pytest.raises((NotebookError, SubmissionError)) as caught:
        refusal(data, "a.ipynb") if refusal is parse_submission else refusal(data, name="a.ipynb")
    message = str(caught.value)
    assert message.startswith("a.ipynb")
    assert len(message) < 300
    assert message.isprintable()
    return message


def read_or_refused(data):
    """Read a file in both ways; None where it is refused."""
    try:
        text = notebook_text(parse_notebook(data, name="a.ipynb"))
        assert notebook_text(parse_notebook(text.encode("utf-8"), name="a.ipynb")) == text
    except NotebookError:
        told(parse_notebook, data)
    try:
        return parse_submission(data, "a.ipynb")
    except SubmissionError:
        told(parse_submission, data)
        return None


def paper_of(submission):
    return build_paper(MASTER, submission, student="ada", assignment="a", notebook="a")


def assert_the_instructors_is_the_instructors(paper):
    managed = [cell for cell in paper.cells if cell.grade_id]
    assert [cell.grade_id for cell in managed] == MANAGED
    for cell, original in zip(managed, blank(MASTER), strict=True):
        assert (cell.role, cell.owner, cell.points, cell.metadata) == (
            original.role,
            original.owner,
            original.points,
            original.metadata,
        )
        assert cell.source == original.source or cell.role in (Role.ANSWER, Role.MANUAL)
    assert sum(cell.points for cell in paper.cells) == 5
    assert len({cell.cell_id for cell in paper.cells}) == len(paper.cells)
    assert not [cell for cell in paper.cells if cell.role is Role.OWN and (cell.is_graded or cell.points)]


# Any JSON at all

texts = st.text(st.characters(exclude_categories=()), max_size=12)
scalars = st.none() | st.booleans() | st.integers() | st.integers(-(10**50), 10**50) | st.floats() | texts
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts | st.sampled_from(["text", "data"]), inner),
    max_leaves=6,
)
some_texts = texts | st.lists(texts, max_size=3)
outputs = st.fixed_dictionaries(
    {"output_type": st.sampled_from(["stream", "display_data", "execute_result", "error"])},
    optional={"text": some_texts | trees, "data": st.dictionaries(texts, some_texts | trees) | trees, "name": trees},
)
grade_ids = st.sampled_from(["double", "test_double", "setup", "why", "elsewhere"])
flags = st.fixed_dictionaries(
    {"grade_id": grade_ids | trees},
    optional={name: st.booleans() | trees for name in ("grade", "solution", "locked", "task", "points")},
)
cells = st.fixed_dictionaries(
    {"cell_type": st.sampled_from(["code", "markdown", "raw"]), "source": some_texts},
    optional={
        "metadata": st.fixed_dictionaries({}, optional={"nbgrader": flags | trees, "tags": trees}) | trees,
        "outputs": st.lists(outputs | trees, max_size=2) | trees,
        "attachments": st.dictionaries(texts, st.dictionaries(texts, some_texts | trees)) | trees,
        "id": trees,
    },
)
notebooks = st.fixed_dictionaries(
    {
        "nbformat": st.just(4) | trees,
        "metadata": st.dictionaries(texts, trees, max_size=2) | trees,
        "cells": st.lists(cells | st.sampled_from(RELEASE["cells"]), min_size=1, max_size=7) | trees,
    },
    optional={"nbformat_minor": trees, "worksheets": trees},
)


@given(notebooks)
def test_any_notebook_is_read_or_refused_in_words_and_its_paper_has_the_masters_tests(content):
    submission = read_or_refused(json.dumps(content).encode())

    if submission is not None:
        assert_the_instructors_is_the_instructors(paper_of(submission))


@given(st.binary() | trees.map(lambda tree: json.dumps(tree).encode()))
def test_any_other_file_is_refused_in_words(data):
    assert read_or_refused(data) is None


@settings(max_examples=100)
@given(st.data())
def test_a_damaged_release_is_read_or_refused_in_words(data):
    file = bytearray(json.dumps(RELEASE).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(file) - 1))
        file[at : at + data.draw(st.integers(0, 5))] = data.draw(st.binary(max_size=3))

    submission = read_or_refused(bytes(file))

    if submission is not None:
        assert_the_instructors_is_the_instructors(paper_of(submission))


# What went wrong once, or could


@pytest.mark.parametrize(
    "changes",
    [
        {"outputs": [7]},
        {"outputs": [{}]},
        {"outputs": [{"output_type": ["stream"]}]},
        {"outputs": [{"output_type": "stream"}]},
        {"outputs": [{"output_type": "stream", "text": [7]}]},
        {"outputs": [{"output_type": "error", "text": [7]}]},
        {"outputs": [{"output_type": "display_data", "data": 7}]},
        {"outputs": {"a": 1}},
        {"attachments": 7},
        {"attachments": {"a.png": 7}},
        {"cell_type": ["code"]},
        {"source": {"a": 1}},
        {"metadata": []},
    ],
    ids=str,
)
def test_a_cell_that_nbformat_cannot_read_or_write_is_told_as_damage(changes):
    assert "is damaged" in told(parse_notebook, notebook({**CODE, **changes}))


@pytest.mark.parametrize("levels", [101, 400, 900, 5000, 100_000])
@pytest.mark.parametrize("brackets", ["[]", ('{"a":', "}")], ids=["lists", "objects"])
def test_a_notebook_nested_deeper_than_it_could_be_copied_is_refused(levels, brackets):
    data = notebook()[:-1] + b', "x": ' + nested(levels, *brackets) + b"}"

    assert "nested too deeply" in told(parse_notebook, data)


def test_a_notebook_as_deep_as_it_may_be_is_read_and_written():
    data = notebook()[:-1] + b', "x": ' + nested(99) + b"}"

    assert "x" in parse_notebook(notebook_text(parse_notebook(data, name="a")), name="a")


def test_half_a_character_cannot_be_written_and_is_refused_and_in_a_submission_becomes_a_question_mark():
    data = notebook({**CODE, "source": "print('\ud800')"})

    assert "not UTF-8" in told(parse_notebook, data)
    assert parse_submission(data, "a")[0].source == "print('?')"


def test_text_that_is_no_unicode_is_refused_as_such():
    assert "not UTF-8" in told(parse_notebook, '{"nbformat": "\ud800"}')


@pytest.mark.parametrize("version", ["\ud800", "\x1b[31m", "a\nb", "[/red]" * 100], ids=ascii)
@pytest.mark.parametrize("read", [parse_notebook, parse_submission])
def test_a_format_that_is_none_does_not_spoil_the_message(read, version):
    assert "is in notebook format" in told(read, json.dumps({"nbformat": version}).encode())


@pytest.mark.parametrize("version", [2, 3, 5, 99, 0, -1, 10**4000, "4"], ids=lambda version: str(version)[:5])
@pytest.mark.parametrize("read", [parse_notebook, parse_submission])
def test_every_other_format_is_told(read, version):
    data = json.dumps({"nbformat": version, "worksheets": [], "metadata": {}, "cells": []}).encode()

    assert "format 4 is needed" in told(read, data)


@pytest.mark.parametrize("version", [True, None, 4.0, [4], {"4": 4}], ids=str)
@pytest.mark.parametrize("read", [parse_notebook, parse_submission])
def test_a_format_that_is_no_number_is_no_notebook(read, version):
    assert "not a notebook" in told(read, notebook(CODE, nbformat=version))


def test_a_number_with_thousands_of_digits_is_told():
    assert "thousands of digits" in told(parse_submission, b'{"nbformat": 4, "x": ' + b"1" * 5000 + b"}")


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(notebook(CODE)),
        notebook(CODE).decode().encode("utf-16"),
        notebook(CODE).decode().encode("utf-32"),
        notebook(CODE).decode().encode("utf-16-le"),
        b"\xff\xfe",
        b"\0" * 100,
        b"\xef\xbb\xbf",
        b"",
    ],
    ids=["gzip", "utf-16", "utf-32", "utf-16-le", "mark", "zeros", "mark-alone", "empty"],
)
@pytest.mark.parametrize("read", [parse_notebook, parse_submission])
def test_other_encodings_are_told(read, data):
    told(read, data)


def test_of_two_keys_that_are_the_same_the_last_one_counts_as_everywhere_else():
    data = notebook(CODE).replace(b'"source": ""', b'"source": "1", "source": "2"')

    assert parse_submission(data, "a")[0].source == "2"
    assert parse_notebook(data, name="a").cells[0].source == "2"


@pytest.mark.parametrize("part", ["[]", "{}", '{"":1}', "[1]"])
@pytest.mark.parametrize("read", [parse_notebook, parse_submission])
def test_a_file_that_would_fill_the_memory_with_lists_is_refused_before_they_are_made(read, part, monkeypatch):
    monkeypatch.setattr(json, "loads", None)
    data = notebook(CODE)[:-1] + b', "x": [' + f"{part},".encode() * 1_000_001 + b"1]}"

    assert "more than 1,000,000 lists and objects. Clear its outputs" in told(read, data)


def test_a_hundred_thousand_cells_are_refused_and_soon():
    begin = time.process_time()

    assert f"at most {MAX_CELLS:,}" in told(parse_submission, notebook(*[CODE] * 100_000))
    assert time.process_time() - begin < 5


def test_as_many_cells_as_there_may_be_all_claiming_one_name_are_laid_into_the_master_soon():
    claim = {**CODE, "metadata": {"nbgrader": {"grade_id": "double"}}}
    begin = time.process_time()

    paper = paper_of(parse_submission(notebook(*[claim] * MAX_CELLS), "a"))

    assert_the_instructors_is_the_instructors(paper)
    assert time.process_time() - begin < 5


# What is no file


@pytest.mark.skipif(os.name == "nt", reason="no such files there")
@pytest.mark.parametrize("read", [read_notebook, read_submission])
def test_pipes_devices_and_folders_are_told_and_not_waited_for(tmp_path, read):
    os.mkfifo(tmp_path / "pipe.ipynb")
    (tmp_path / "zero.ipynb").symlink_to("/dev/zero")
    (tmp_path / "folder.ipynb").mkdir()

    for name in ("pipe", "zero", "folder"):
        with pytest.raises((NotebookError, SubmissionError), match=rf"{name}\.ipynb is (no ordinary|a folder|a link)"):
            read(tmp_path / f"{name}.ipynb")


@pytest.mark.skipif(os.name == "nt", reason="no such files there")
def test_a_file_that_becomes_a_pipe_after_it_was_looked_at_is_not_waited_for(tmp_path, monkeypatch):
    path = tmp_path / "a.ipynb"
    path.write_bytes(notebook(CODE))
    before = path.stat()
    path.unlink()
    os.mkfifo(path)
    monkeypatch.setattr(type(path), "stat", lambda _path, **_options: before)

    with pytest.raises(SubmissionError, match="no ordinary file"):
        read_submission(path)


@pytest.mark.parametrize("read", [read_notebook, read_submission])
def test_a_file_of_ten_gigabytes_with_nothing_in_it_is_told(tmp_path, read):
    path = tmp_path / "a.ipynb"
    with path.open("wb") as file:
        file.truncate(10 * 2**30)

    with pytest.raises((NotebookError, SubmissionError), match="has 10240 MB"):
        read(path)


@pytest.mark.skipif(os.name == "nt", reason="no such links there")
def test_a_submission_that_is_a_link_is_refused_for_it_could_lead_to_the_solutions(tmp_path):
    (tmp_path / "master.ipynb").write_text(notebook_text(MASTER), encoding="utf-8")
    (tmp_path / "a.ipynb").symlink_to("master.ipynb")

    with pytest.raises(SubmissionError, match=r"^a\.ipynb is a link\. The notebook itself is needed"):
        read_submission(tmp_path / "a.ipynb")


# What a self-check is given


@pytest.mark.parametrize(
    "changes",
    [
        {"points": 10**400},
        {"points": float("nan")},
        {"points": -1},
        {"points": "2"},
        {"grade_id": ["test_double"]},
        {"grade_id": {"a": 1}},
        {"grade_id": ""},
    ],
    ids=lambda changes: str(changes)[:30],
)
def test_a_test_without_proper_points_or_name_is_told_before_anything_runs(tmp_path, changes):
    release = json.loads(json.dumps(RELEASE))
    release["cells"][3]["metadata"]["nbgrader"].update(changes)
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps(release), encoding="utf-8")

    with pytest.raises(NotebookError, match="a test has lost its points or name"):
        selfcheck.check(path)


@pytest.mark.parametrize("noted", ["broken", [], 7, {"checksum": "a", "grade_id": 7, "locked": True}], ids=str)
def test_metadata_of_any_kind_are_no_obstacle_to_the_report_of_a_self_check(noted):
    release = json.loads(json.dumps(RELEASE))
    release["cells"][1]["metadata"]["nbgrader"] = noted
    checked = parse_notebook(json.dumps(release), name="a")

    report = selfcheck.judge(Path("a"), checked, [None] * len(checked.cells), timeout=1, seconds=1)

    assert [finding.verdict.grade_id for finding in report.findings] == ["test_double", "why"]
    assert report.warnings == ()


# When it was handed in


@given(st.binary(max_size=200) | st.text(max_size=40).map(lambda zone: f"2026-01-31 23:59:00 {zone}".encode()))
def test_whatever_a_timestamp_says_it_is_a_time_or_told(tmp_path_factory, written):
    folder = tmp_path_factory.mktemp("submitted")
    (folder / "timestamp.txt").write_bytes(written)

    try:
        submission_time(folder)
    except GradebookError as error:
        # Not with pytest.raises: it may as well be a time.
        assert "holds no time" in str(error)  # noqa: PT017
        assert len(str(error)) < 1000  # noqa: PT017


@pytest.mark.skipif(os.name == "nt", reason="no such files there")
def test_a_timestamp_that_is_no_file_or_without_end_is_told_and_not_waited_for(tmp_path):
    path = tmp_path / "timestamp.txt"
    os.mkfifo(path)
    with pytest.raises(GradebookError, match="no ordinary file"):
        submission_time(tmp_path)

    path.unlink()
    with path.open("wb") as file:
        file.truncate(10 * 2**30)
    with pytest.raises(GradebookError, match="more than 100 characters"):
        submission_time(tmp_path)


# Names in a student's code


@given(st.text(st.sampled_from("ab:=()[]{}'\"\\\n\t %!?#@,.*\0\ud800"), max_size=40))
def test_of_any_text_the_names_are_found_or_it_is_a_syntax_error(source):
    try:
        found = names(source)
    except SyntaxError:
        return
    assert not found.free & found.bound


@pytest.mark.parametrize(
    ("source", "bound"),
    [
        ("f = " + "lambda: " * 1000 + "1", {"f"}),
        ("f = " + "lambda: " * 2400 + "1", {"f"}),
        ("".join(f"def f{n}(): 0\n" for n in range(1400)), {f"f{n}" for n in range(1400)}),
    ],
    ids=["functions-within-functions", "more-of-them", "many-functions"],
)
def test_the_names_of_the_largest_cells_that_are_looked_at_are_found_soon(source, bound):
    begin = time.process_time()

    assert names(source).bound == bound
    assert time.process_time() - begin < 2
