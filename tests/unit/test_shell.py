"""What a warm kernel finds out about a cell before it runs: the same as IPython, only sooner."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from IPython.core.async_helpers import _should_be_async
from IPython.core.inputtransformer2 import TransformerManager

from autograder.build import read_master
from autograder.course import load_course
from autograder.kernels.shell import Compiler, Transformer, can_await

ROOT = Path(__file__).parents[2]

# IPython says so where a cell begins with one of the rarer characters that end a line.
pytestmark = pytest.mark.filterwarnings("ignore:`make_tokens_by_line` received")

_WORDS = (
    *("x", "y", "f(x)", "ls", "timeit", "1", "=", "==", "!=", "%=", "%", "%%", "!", "!!", "?", "??", "/", ",", ";"),
    *("(", ")", "[", "]", "{", "}", "'", '"', '"""', "#", ":", ".", "*", "->", "f'", "\\", "\\\n", "\n", "\n    "),
    *(" ", "  ", "\t", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "é", ">>> ", "... ", "In [1]: "),
    *(
        "await ",
        "async ",
        "async def f():\n    ",
        "async with x as y:\n    ",
        "async for x in y:\n    ",
        "[x async for",
    ),
)
cells = st.lists(st.sampled_from(_WORDS), max_size=12).map("".join)


@given(cells)
def test_a_cell_is_transformed_as_ipython_does(cell):
    try:
        transformed = TransformerManager().transform_cell(cell)
    except IndentationError:
        # Found among the tokens. Where these are not looked at, Python itself finds it.
        reject()

    assert Transformer().transform_cell(cell) == transformed


@pytest.mark.parametrize(
    "cell",
    [
        "%time x = 1",
        "if x:\n    %time y = 1\n",
        "x = %time 1",
        "x =\\\n%time 1",
        "x = !ls",
        "x = \\\n    !ls",
        "!ls",
        "x?",
        "??x",
        "x.y??\n",
        ",f a b",
        ";f a b",
        "/f a b",
    ],
)
def test_each_piece_of_ipythons_syntax_is_seen(cell):
    transformed = Transformer().transform_cell(cell)

    assert transformed == TransformerManager().transform_cell(cell)
    assert transformed.strip() != cell.strip()


def test_the_courses_cells_are_transformed_as_ipython_does():
    course = load_course(ROOT)
    sources = [
        cell.source
        for assignment in course.assignments
        for notebook in assignment.notebooks
        for cell in read_master(notebook.path).cells
        if cell.cell_type == "code"
    ]

    assert len(sources) > 300
    for source in sources:
        assert Transformer().transform_cell(source) == TransformerManager().transform_cell(source)


def test_the_tokens_of_a_cell_of_plain_python_are_not_looked_at(monkeypatch):
    monkeypatch.setattr(TransformerManager, "do_one_token_transform", lambda *_: pytest.fail("they were"))

    cell = "def f(x):\n    return x % 3 != 1  # a remainder\n\nprint(f'{f(2):5.1f} %')\n"

    assert Transformer().transform_cell(cell) == cell


@given(cells)
def test_a_cell_that_awaits_is_one_that_can(cell):
    if _should_be_async(cell):
        assert can_await(cell)


def test_a_cell_that_only_computes_cannot_await():
    assert not can_await("x = [y for y in range(3)]")


def test_cells_have_names_of_their_own_where_the_code_of_all_cells_is():
    compiler = Compiler()

    one, same, other = (compiler.get_code_name(cell, cell, 1) for cell in ("x = 1", "x = 1", "x = 2"))

    assert one == same != other
    assert one.endswith(".py")
