"""What a kernel says, made into a notebook's outputs: whatever the student's code puts on the wire."""

from __future__ import annotations

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.kernels.outputs import Outputs, clean


def taken(*messages, **options):
    outputs = Outputs(**options)
    for kind, content in messages:
        outputs.take(kind, content)
    return outputs.items


def stream(text, name="stdout"):
    return "stream", {"name": name, "text": text}


def shown(text, kind="display_data", **more):
    return kind, {"data": {"text/plain": text}, "metadata": {}, **more}


def assert_valid(items):
    cell = nbformat.v4.new_code_cell(outputs=nbformat.from_dict(items))
    nbformat.validate(nbformat.v4.new_notebook(cells=[cell]))
    nbformat.v4.writes(nbformat.v4.new_notebook(cells=[cell])).encode("utf-8")


def test_what_follows_on_one_stream_is_joined_and_two_streams_are_kept_apart():
    items = taken(stream("a"), stream("b"), stream("c", "stderr"), stream("d"))

    assert [(item["name"], item["text"]) for item in items] == [("stdout", "ab"), ("stderr", "c"), ("stdout", "d")]
    assert_valid(items)


def test_displays_results_and_errors_are_kept_as_they_are():
    error = {"ename": "ValueError", "evalue": "no", "traceback": ["line"]}
    items = taken(
        (
            "display_data",
            {"data": {"image/png": "aGk=", "application/json": {"a": [1]}}, "metadata": {"image/png": {"width": 3}}},
        ),
        shown("3", "execute_result", execution_count=7),
        ("error", error),
    )

    assert items == [
        {
            "output_type": "display_data",
            "data": {"image/png": "aGk=", "application/json": {"a": [1]}},
            "metadata": {"image/png": {"width": 3}},
        },
        {"output_type": "execute_result", "data": {"text/plain": "3"}, "metadata": {}, "execution_count": None},
        {"output_type": "error", **error},
    ]
    assert_valid(items)


def test_a_display_is_updated_where_it_stands():
    items = taken(
        shown("1", transient={"display_id": "bar"}),
        stream("between"),
        shown("2", "update_display_data", transient={"display_id": "bar"}),
        shown("3", "update_display_data", transient={"display_id": "unknown"}),
    )

    assert [item.get("data", item.get("text")) for item in items] == [{"text/plain": "2"}, "between"]


def test_clearing_waits_for_the_next_output_if_asked_to():
    assert taken(stream("a"), ("clear_output", {"wait": False})) == []
    assert [item["text"] for item in taken(stream("a"), ("clear_output", {"wait": True}))] == ["a"]
    assert [item["text"] for item in taken(stream("a"), ("clear_output", {"wait": True}), stream("b"))] == ["b"]


def test_what_is_too_much_is_left_out_and_told_once():
    items = taken(stream("x" * 500), *[shown("y" * 500)] * 10, limit=1300)

    assert [item["output_type"] for item in items] == ["stream", "display_data", "stream"]
    assert items[-1]["name"] == "stderr"
    assert "What follows was left out: a cell may say 1,300 characters." in items[-1]["text"]


@pytest.mark.parametrize(
    "message",
    [
        stream(""),
        shown(""),
        ("display_data", {"data": {"application/json": [1] * 100}, "metadata": {}}),
        ("error", {"ename": "", "evalue": "", "traceback": []}),
        shown("x" * 100, "update_display_data", transient={"display_id": "bar"}),
    ],
)
def test_many_small_outputs_are_too_much_as_well(message):
    items = taken(shown("", transient={"display_id": "bar"}), *[message] * 1000, limit=5000)

    assert len(items) <= 52
    assert "left out" in items[-1]["text"]


def test_a_cleared_output_counts_no_more():
    messages = [message for _ in range(100) for message in (("clear_output", {"wait": True}), stream("x" * 300))]

    assert [item["text"] for item in taken(*messages, limit=1000)] == ["x" * 300]


@pytest.mark.parametrize(
    "message",
    [
        ("stream", {"text": "no name"}),
        ("stream", {"name": "stdin", "text": "x"}),
        ("display_data", {"metadata": {}}),
        ("display_data", {"data": ["text/plain"]}),
        ("update_display_data", {"data": {}, "transient": 7}),
        ("status", {"execution_state": "busy"}),
        ("comm_open", {}),
    ],
)
def test_what_is_no_output_is_passed_over(message):
    assert taken(message) == []


def test_text_that_is_none_becomes_nothing_and_half_a_character_a_question_mark():
    items = taken(
        ("stream", {"name": "stdout", "text": 7}),
        ("error", {"ename": 7, "evalue": "\ud800", "traceback": [1, "\udfff"]}),
        ("display_data", {"data": {"text/plain": 7, "text/html": "\ud800", "application/json": {"\ud800": "\ud800"}}}),
    )

    assert items[0]["text"] == ""
    assert (items[1]["ename"], items[1]["evalue"], items[1]["traceback"]) == ("", "?", ["", "?"])
    assert items[2]["data"] == {"text/html": "?", "application/json": {"?": "?"}}
    assert clean("ä€😀") == "ä€😀"
    assert_valid(items)


@pytest.mark.parametrize(
    "said",
    [
        {"width": "1 onerror=alert(1)"},
        {"width": float("nan"), "height": None},
        {"alt": "x", "filenames": {"image/png": "x"}, "isolated": True},
        "3",
    ],
)
def test_of_what_a_display_says_about_itself_numbers_alone_are_kept(said):
    metadata = {"image/png": said, "image/jpeg": {"width": 2.5, "height": 1}, "filenames": 7}

    (item,) = taken(("display_data", {"data": {"image/png": "aGk="}, "metadata": metadata}))

    assert item["metadata"] == {"image/jpeg": {"width": 2.5, "height": 1}}


def test_json_nested_beyond_reason_is_cut():
    deep = []
    for _ in range(900):
        deep = [deep]

    assert_valid(taken(("display_data", {"data": {"application/json": deep}, "metadata": {"deep": deep}})))


halves = st.text(st.characters(exclude_categories=()))
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=6,
)
bundles = st.dictionaries(st.sampled_from(["text/plain", "image/png", "application/json", "a/json"]), json_values)
contents = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["stdout", "stderr"]) | json_values,
        "text": json_values,
        "data": bundles | json_values,
        "metadata": json_values,
        "transient": st.fixed_dictionaries({"display_id": st.sampled_from("ab")}) | json_values,
        "traceback": json_values,
        "ename": json_values,
        "wait": st.booleans(),
    },
)
kinds = st.sampled_from(
    ["stream", "display_data", "execute_result", "update_display_data", "error", "clear_output", "status"]
)


@given(st.lists(st.tuples(kinds, contents), max_size=8))
def test_whatever_comes_the_outputs_can_be_written_into_a_notebook(messages):
    assert_valid(taken(*messages, limit=2000))
