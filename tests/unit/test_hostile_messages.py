"""What a student's kernel puts on the wire becomes outputs that can be written, and is worth what its test is worth."""

from __future__ import annotations

import json
import math
import time

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.kernels.kernel import CellRun, End
from autograder.kernels.outputs import Outputs, Talk
from autograder.paper import Owner, PaperCell, Role, State
from autograder.sealed.scoring import Answered, Trouble, judge
from autograder.verdict import Outcome

CELL = PaperCell(
    "test_f", "code", "", Role.TEST, Owner.EXAMINER, grade_id="test_f", points=4.0, needs=("f",), answers=("f",)
)
ANSWERED = Answered({"f": State.ANSWERED}, (Trouble("f", frozenset({"f"}), "Cell 3 ended with x."),))
FAULT = "The test of this cell is at fault. Please tell your instructor."


def taken(*messages, **options):
    outputs = Outputs(**options)
    for kind, content in messages:
        outputs.take(kind, content)
    return outputs.items


def assert_can_be_written(items):
    cell = nbformat.v4.new_code_cell(outputs=nbformat.from_dict(items))
    nbformat.validate(nbformat.v4.new_notebook(cells=[cell]))
    json.dumps(items, allow_nan=False, ensure_ascii=False).encode("utf-8")


# Outputs


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf], ids=str)
def test_a_number_that_json_does_not_have_is_left_out_for_nobody_could_open_the_notebook(number):
    content = {"data": {"application/json": [number, 1.5]}, "metadata": {"image/png": {"width": number, "height": 3}}}
    (item,) = taken(("display_data", content))

    assert item["data"]["application/json"] == [None, 1.5]
    assert item["metadata"] == {"image/png": {"height": 3}}
    assert_can_be_written([item])


@pytest.mark.parametrize(
    "width", [True, "1 onerror=alert(1)", 10**400, -1, 0, [640], None], ids=lambda each: repr(each)[:9]
)
def test_the_size_of_a_picture_is_a_number_of_pixels_or_left_out(width):
    (item,) = taken(("display_data", {"data": {"image/png": "AAAA"}, "metadata": {"image/png": {"width": width}}}))

    assert item["metadata"] == {}


@pytest.mark.parametrize("kind", ["stream", "error"])
def test_nothing_but_a_display_can_be_updated_whatever_its_message_says(kind):
    claims = {"name": "stdout", "text": "a", "transient": {"display_id": "bar"}}
    items = taken(
        (kind, claims), ("update_display_data", {"data": {"text/plain": "b"}, "transient": {"display_id": "bar"}})
    )

    assert "data" not in items[0]
    assert_can_be_written(items)


@pytest.mark.parametrize("text", ["x" * 100, "\U0001f600" * 100], ids=["letters", "pictures"])
def test_text_that_comes_in_many_pieces_is_put_together_soon(text):
    begin = time.process_time()

    items = taken(*[("stream", {"name": "stdout", "text": text})] * 17_000)

    assert items == [{"output_type": "stream", "name": "stdout", "text": text * 17_000}]
    assert time.process_time() - begin < 2


def test_numbers_of_thousands_of_digits_count_for_as_many_characters():
    content = {"data": {"application/json": [10**4000] * 2000}, "metadata": {}}

    items = taken(*[("display_data", content)] * 10)

    assert [item["output_type"] for item in items] == ["stream"]
    assert len(json.dumps(items)) < Talk.characters


texts = st.text(st.characters(exclude_categories=()), max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**40), 10**40) | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
bundles = st.dictionaries(
    st.sampled_from(["text/plain", "image/png", "application/json", "application/x+json", "a", "application/json\n"]),
    json_values,
)
contents = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["stdout", "stderr"]) | json_values,
        "text": json_values,
        "data": bundles | json_values,
        "metadata": json_values,
        "transient": st.just({"display_id": "a"}) | json_values,
        "traceback": json_values,
        "ename": json_values,
        "evalue": json_values,
        "wait": json_values,
    },
)
kinds = st.sampled_from(["stream", "display_data", "execute_result", "update_display_data", "error", "clear_output"])


@given(st.lists(st.tuples(kinds | texts, contents), max_size=8), st.integers(0, 3000))
def test_messages_of_any_shape_become_outputs_that_can_be_written_and_are_not_too_much(messages, limit):
    items = taken(*messages, limit=limit)

    assert_can_be_written(items)
    assert len(json.dumps(items, ensure_ascii=False)) < 3 * limit + 500


# Reports


@pytest.mark.parametrize(
    "report",
    [
        "",
        "{",
        "null",
        "7",
        "[]",
        "{}",
        '{"number": 4}',
        '{"where": ""}',
        '{"number": "4", "where": ""}',
        '{"number": true, "where": ""}',
        '{"number": [4], "where": ""}',
        '{"number": 4, "where": 7}',
        '{"number": 4, "where": null}',
        '{"number": ' + "9" * 5000 + ', "where": ""}',
        "[" * 100_000,
        "\ud800",
    ],
    ids=lambda report: ascii(report[:30]),
)
def test_a_report_that_is_none_gives_nothing_and_blames_nobody_else(report):
    verdict = judge(CELL, CellRun(End.OK), report, ANSWERED)

    assert (verdict.score, verdict.outcome, verdict.message) == (0.0, Outcome.ERROR, FAULT)
    assert verdict.staff_note == "the test: it left no report"


@pytest.mark.parametrize("number", ["5", "-1", "NaN", "Infinity", "1e999", "9" * 400, "4.0000001"])
def test_a_number_that_is_no_score_gives_nothing(number):
    verdict = judge(CELL, CellRun(End.OK), f'{{"number": {number}, "where": ""}}', ANSWERED)

    assert (verdict.score, verdict.outcome) == (0.0, Outcome.ERROR)
    assert "which is no score between 0 and 4" in verdict.staff_note


def test_where_it_failed_is_told_in_text_that_can_be_kept_and_at_no_greater_length_than_anything_else():
    run = CellRun(End.ERROR, error_name="ValueError", error_message="no")

    half = judge(CELL, run, json.dumps({"number": None, "where": "in f, line 1: \ud800"}), ANSWERED)
    long = judge(CELL, run, json.dumps({"number": None, "where": "x" * 10**6}), ANSWERED)

    assert half.message == "ValueError: no (in f, line 1: ?)"
    assert len(long.message) == 2000


reports = st.one_of(
    texts,
    json_values.map(json.dumps),
    st.fixed_dictionaries({"number": json_values | st.floats(-1, 6), "where": json_values}).map(json.dumps),
)
runs = st.builds(
    CellRun,
    st.sampled_from(End),
    error_name=st.sampled_from(["", "AssertionError", "NameError", "NotImplementedError", "CallTimeoutError"]),
    error_message=st.text(max_size=8),
    seconds=st.floats(0, 1e6),
    overdue=st.booleans(),
)
answers = st.sampled_from(State).map(lambda state: Answered({"f": state}, ANSWERED.troubles))


@given(runs, reports, answers)
def test_whatever_the_examiner_reports_no_test_is_worth_more_than_its_points(run, report, answered):
    verdict = judge(CELL, run, report, answered)

    assert 0 <= verdict.score <= verdict.max_score == 4.0
    assert type(verdict.score) is float
    assert verdict.score == 0 or run.end is End.OK
    assert (verdict.outcome is Outcome.PASSED) == (verdict.score == 4.0)
    verdict.message.encode("utf-8")
    verdict.staff_note.encode("utf-8")
    assert len(verdict.message) <= 2000
