"""Which names a cell uses and binds: what decides where a cell runs and what is fetched for a test."""

from __future__ import annotations

import pytest

from autograder.names import BUILTINS, names


def free(source):
    return set(names(source).free)


def bound(source):
    return set(names(source).bound)


def test_a_name_that_a_cell_uses_and_does_not_bind_is_free():
    assert free("checks.close(sigmoid(x), expected)") == {"checks", "sigmoid", "x", "expected"}


def test_builtins_and_what_a_notebook_always_has_are_not_free():
    assert free("print(len(range(3)), __name__)\ndisplay(In, Out, _, get_ipython())\nassert AssertionError") == set()
    assert {"print", "len", "display", "get_ipython"} <= BUILTINS


def test_a_name_bound_anywhere_at_the_top_counts_as_bound_even_where_it_is_used_first():
    found = names("total = total + 1\nprint(later)\nlater = 2")

    assert found.free == frozenset()
    assert found.bound == {"total", "later"}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a, (b, *c) = 1, (2, 3)", {"a", "b", "c"}),
        ("a: int = 1\nb: int", {"a", "b"}),
        ("a += 1", {"a"}),
        ("import a.b, c as d\nfrom e import f as g", {"a", "d", "g"}),
        ("def f(x): y = x\nclass A:\n    z = 1", {"f", "A"}),
        ("for i in (): pass\nelse: j = 1", {"i", "j"}),
        ("with open('f') as (a, b): pass", {"a", "b"}),
        ("try: pass\nexcept ValueError as e: pass", {"e"}),
        ("match 1:\n    case {'a': b, **c}: pass\n    case [d, *e]: pass", {"b", "c", "d", "e"}),
        ("if (n := 3): pass", {"n"}),
        ("[last := i for i in ()]", {"last"}),
        ("def f():\n    global g\n    g = 1", {"f", "g"}),
        ("def f():\n    global g\n    def h():\n        g", {"f"}),
        ("del a", {"a"}),
        ("", set()),
    ],
)
def test_every_way_of_binding_a_name_is_seen(source, expected):
    assert bound(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def f(x, y=a):\n    z = 1\n    return x + z + b", {"a", "b"}),
        ("f = lambda x, y=a: x + b", {"a", "b"}),
        ("[i * a for i in b if i in c]", {"a", "b", "c"}),
        ("{k: v for k, v in pairs}", {"pairs"}),
        ("class A(Base, metaclass=Meta):\n    x = a\n    def f(self): return b", {"Base", "Meta", "a", "b"}),
        ("@decorate\ndef f(x: T) -> R: ...", {"decorate", "T", "R"}),
        ("f'{value!r:>{width}}'", {"value", "width"}),
        ("def f():\n    def g():\n        return [a for _x in b]\n    return g", {"a", "b"}),
        ("try: pass\nexcept MyError: pass", {"MyError"}),
        ("await answer()", {"answer"}),
        ("def f():\n    import os\n    return os", set()),
    ],
)
def test_names_in_inner_functions_count_where_they_are_global(source, expected):
    assert free(source) == expected


def test_lines_of_ipythons_own_are_no_obstacle():
    found = names("%matplotlib inline\n!ls\nimport numpy as np\nnp.mean(x)\nnp.mean?")

    assert found.bound == {"np"}
    assert found.free == {"x"}


@pytest.mark.parametrize(
    "source",
    [
        "def f(:",
        "a\0b",
        "(" * 1000,
        "-" * 100_000 + "1",
        "%m\n" * 600,
        "'\ud800'",
    ],
    ids=["no-python", "null-byte", "brackets", "nested-too-deeply", "hundreds-of-magics", "half-a-character"],
)
def test_what_python_cannot_read_is_a_syntax_error_whatever_python_says(source):
    with pytest.raises(SyntaxError):
        names(source)
