"""JSON that nobody vouches for: its parts are counted before they are made."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.bounded_json import TooManyPartsError, count_parts, loads

texts = st.text('[]{}"\\,: ä', max_size=6)
trees = st.recursive(
    st.none() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


def parts(tree):
    if not isinstance(tree, list | dict):
        return 0
    return 1 + sum(map(parts, tree.values() if isinstance(tree, dict) else tree))


@given(trees, st.booleans())
def test_brackets_within_texts_are_no_parts(tree, ascii_only):
    assert count_parts(json.dumps(tree, ensure_ascii=ascii_only).encode()) == parts(tree)


@given(trees)
def test_what_has_as_many_parts_as_there_may_be_is_read_and_with_one_more_it_is_not(tree):
    text = json.dumps(tree).encode()

    assert loads(text, parts=parts(tree)) == tree
    if parts(tree):
        with pytest.raises(TooManyPartsError):
            loads(text, parts=parts(tree) - 1)


@given(st.binary())
def test_of_any_other_bytes_something_is_counted(text):
    assert 0 <= count_parts(text) <= len(text)
