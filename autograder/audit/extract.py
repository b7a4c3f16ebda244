"""
The part of a paper that some of its tests need.

Thousands of answers are judged, each alone; cells that have nothing to do with one of them need not run for it. What
is left out are cells after the last test at hand, cells whose names none of the rest uses, and those that only show
something. A cell stays that binds a name which is used, does something to a value that is used (fits a model, writes
into an array), or sets up the kernel as a whole (a warning filter, a seed).
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from autograder.names import names
from autograder.paper import Owner, Paper, PaperCell, Role
from autograder.verdict import CellVerdict

# Calls of these change no value that they are given. Of modules: all that is in them.
_HARMLESS = frozenset(
    (
        "abs",
        "all",
        "any",
        "bool",
        "dict",
        "display",
        "enumerate",
        "float",
        "int",
        "isinstance",
        "len",
        "list",
        "max",
        "min",
        "print",
        "range",
        "round",
        "set",
        "sorted",
        "str",
        "sum",
        "tuple",
        "type",
        "zip",
        "checks",
        "np",
        "plots",
        "plt",
    )
)


@dataclass(frozen=True)
class _Facts:
    free: frozenset[str]
    bound: frozenset[str]
    values: frozenset[str]  # bound by an assignment, so that they can be changed
    touched: frozenset[str]  # given to calls or written into, so that they may be changed
    acts: bool  # calls something for its effect alone


_NOTHING = _Facts(frozenset(), frozenset(), frozenset(), frozenset(), acts=False)


def extract(paper: Paper, tests: Collection[str], answers: Collection[str] = ()) -> Paper:
    """
    Give the part of a paper that some tests need.

    Parameters
    ----------
    paper : Paper
        All of it.
    tests : collection of str
        Grade ids of the tests that are to be judged. Others stay only if these use their names.
    answers : collection of str
        Grade ids of answers that stay whether they are used or not.
    """
    cells = paper.cells
    last = max(index for index, cell in enumerate(cells) if cell.grade_id in tests)
    facts = [_facts(cell) for cell in cells]
    chosen = {
        index
        for index, cell in enumerate(cells)
        if cell.grade_id in tests
        or (index < last and cell.grade_id in answers)
        or _sets_up(cell, facts[index], last, index)
    }
    while True:
        used = frozenset().union(*(facts[index].free for index in chosen))
        values = frozenset().union(*(facts[index].values for index in chosen)) & used
        more = {
            index
            for index in range(last)
            if index not in chosen
            and cells[index].owner is not Owner.NOBODY
            and (facts[index].bound & used or (_may_matter(cells[index]) and facts[index].touched & values))
        }
        if not more:
            return replace(paper, cells=tuple(cells[index] for index in sorted(chosen)))
        chosen |= more


def without_given(paper: Paper, answer: str) -> tuple[Paper, frozenset[str]]:
    """
    Leave out what the notebook itself does after an answer, which is to train a network as a rule.

    A test that fails before it comes to what is missing fails with the same words in the whole paper, much later.

    Returns
    -------
    Paper
        The rest.
    frozenset of str
        Names that are not bound in it.
    """
    begin = next(index for index, cell in enumerate(paper.cells) if cell.grade_id == answer)
    left_out = [cell for cell in paper.cells[begin:] if cell.role is Role.GIVEN and cell.owner is Owner.CANDIDATE]
    missing = frozenset().union(*(names(cell.source).bound for cell in left_out))
    return replace(paper, cells=tuple(cell for cell in paper.cells if cell not in left_out)), missing


def is_for_want_of(verdict: CellVerdict, missing: Collection[str]) -> bool:
    """Whether the message of a test speaks of a name that :func:`without_given` left out, as a NameError's does."""
    return any(f"'{name}'" in verdict.message for name in missing)


def dependent_tests(paper: Paper, answer: str) -> tuple[str, ...]:
    """Give the tests that need an answer: those that judge it and those whose extract holds it."""
    return tuple(
        cell.grade_id
        for cell in paper.cells
        if cell.role is Role.TEST
        and (answer in cell.answers or any(each.grade_id == answer for each in extract(paper, [cell.grade_id]).cells))
    )


def _sets_up(cell: PaperCell, facts: _Facts, last: int, index: int) -> bool:
    return index < last and cell.owner is Owner.BOTH and facts.acts


def _may_matter(cell: PaperCell) -> bool:
    # A cell with the tag is of no use to tests: that is what it says.
    return '"candidate"' not in cell.metadata and cell.role is not Role.TEST


def _facts(cell: PaperCell) -> _Facts:
    if cell.owner is Owner.NOBODY:
        return _NOTHING
    facts = _facts_of(cell.source)
    # What a test's helpers need counts as well; the paper knows it.
    return replace(facts, free=facts.free.union(cell.needs)) if cell.needs else facts


@lru_cache(maxsize=4096)
def _facts_of(source: str) -> _Facts:
    try:
        found, tree = names(source), ast.parse(source)
    except SyntaxError:
        return _NOTHING
    fixed = {
        name
        for node in tree.body
        for name in (
            [node.name]
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
            else [alias.asname or alias.name.partition(".")[0] for alias in node.names]
            if isinstance(node, ast.Import | ast.ImportFrom)
            else []
        )
    }
    touched: set[str] = set()
    acts = False
    for node in _top_level(tree):
        match node:
            case ast.Call(func=function):
                root = _root(function)
                if root not in _HARMLESS or _is_random(function):
                    touched |= {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
            case ast.Expr(value=ast.Call(func=function)):
                acts = acts or _root(function) not in _HARMLESS or _is_random(function)
            case ast.Subscript(value=value, ctx=ast.Store()) | ast.Attribute(value=value, ctx=ast.Store()):
                touched.add(_root(value))
            case ast.AugAssign(target=target):
                touched.add(_root(target))
    return _Facts(found.free, found.bound, found.bound - fixed, frozenset(touched), acts)


def _top_level(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk what runs when the cell runs: not the bodies of functions and classes."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda):
            yield node
            yield from _top_level(node)


def _root(node: ast.AST) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _is_random(function: ast.AST) -> bool:
    return isinstance(function, ast.Attribute) and ast.unparse(function).startswith("np.random.")
