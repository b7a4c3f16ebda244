"""Checks of plain Python values and of functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from coursekit.checks._failure import fail
from coursekit.checks._guesses import about_infinite
from coursekit.checks._values import NUMPY_SCALARS, class_name, read_numeric
from coursekit.checks._words import describe, describe_numeric, entries, remedy, show, shown

__all__ = ["between", "equal", "function", "kind"]

_SINGLE = (bool, int, float, complex, str, bytes, type(None))
_SEQUENCES = (list, tuple)
_SETS = (set, frozenset)


def equal(
    actual: object,
    expected: object,
    *,
    name: str = "the result",
    mistakes: Mapping[str, object] | None = None,
    reveal: bool = False,
) -> None:
    """
    Check that a plain value is exactly the one that is asked.

    Types count as much as values: ``True`` is not 1, ``3.0`` is not 3, a list is not a tuple. A NumPy number counts as
    the Python number it holds, so that ``np.int64(92)`` is 92. For arrays and for the results of floating-point
    arithmetic use :func:`close`.

    Parameters
    ----------
    actual : object
        What the student's code gave.
    expected : bool, int, float, complex, str, bytes, None, or a list, tuple, dict or set of these
        What is asked.
    name : str
        What the value is called in the message.
    mistakes : mapping of str to such values, optional
        Results of known mistakes. When one of them came, its key is the message: "the biases are not counted".
    reveal : bool
        Also show the expected value: for visible tests. Otherwise the message tells what came and what is wrong.

    Raises
    ------
    CheckFailed
        When they differ.
    TypeError
        When ``expected`` or a mistake is no plain value: a mistake in the test.
    """
    known = mistakes or {}
    for value in (expected, *known.values()):
        _require_plain(value)
    difference = _difference(actual, expected, "")
    if difference is None:
        return
    came = shown("What came", actual)
    asked = shown("Asked is", expected) if reveal else ""
    for text, value in known.items():
        if _difference(actual, value, "") is None:
            fail(name, text, came, asked)
    where, ours, theirs = difference
    problem = f"{describe(ours)} came, but {_asked(ours, theirs, reveal=reveal)}."
    # None in a list is no sign of a missing return: the list came back.
    hint = "" if where and ours is None else _hint(ours, theirs)
    fail(f"{name}{where}", problem, hint, *((came, asked) if where else ()))


def _require_plain(value: Any) -> None:
    kind = type(value)
    if kind in (*_SEQUENCES, *_SETS, dict):
        for part in [*value, *value.values()] if kind is dict else value:
            _require_plain(part)
    elif kind not in _SINGLE:
        raise TypeError(f"checks.equal compares plain values only; use checks.close for {describe(value)}.")


def _asked(actual: object, expected: object, *, reveal: bool) -> str:
    if reveal or expected is None:
        return f"{show(expected)} is asked"
    if _plain_type(actual) is not type(expected):
        return f"{_NOUNS[type(expected)]} is asked"
    return "another value is asked"


_NOUNS: dict[type, str] = {
    bool: "a truth value",
    int: "a whole number",
    float: "a number with a fraction (float)",
    complex: "a complex number",
    str: "a text",
    bytes: "a value of type bytes",
    list: "a list",
    tuple: "a tuple",
    dict: "a dict",
    set: "a set",
    frozenset: "a frozenset",
}


def _plain_type(value: Any) -> type:
    return type(value.item()) if type(value) in NUMPY_SCALARS else type(value)


Difference = tuple[str, Any, Any]  # how to get to it, what came, what is asked there


def _difference(actual: Any, expected: Any, where: str) -> Difference | None:
    """Find the first place where two values differ."""
    here = (where, actual, expected)
    kind = type(expected)
    if type(actual) in NUMPY_SCALARS and kind in _SINGLE:
        actual = actual.item()
    if type(actual) is not kind:
        return here
    if kind in _SEQUENCES:
        return _difference_of_sequences(actual, expected, where)
    if kind is dict:
        return _difference_of_dicts(actual, expected, where)
    if kind in _SETS:
        same = len(actual) == len(expected) and all(_alike(member, expected) for member in actual)
    else:
        same = actual == expected or (_is_nan(actual) and _is_nan(expected))
    return None if same else here


def _is_nan(value: Any) -> bool:
    return type(value) is float and math.isnan(value)


def _difference_of_sequences(actual: Any, expected: Any, where: str) -> Difference | None:
    if len(actual) != len(expected):
        return where, actual, expected
    for index, (ours, theirs) in enumerate(zip(actual, expected, strict=True)):
        difference = _difference(ours, theirs, f"{where}[{index}]")
        if difference is not None:
            return difference
    return None


def _difference_of_dicts(actual: dict[Any, Any], expected: dict[Any, Any], where: str) -> Difference | None:
    if len(actual) != len(expected):
        return where, actual, expected
    for key, ours in actual.items():
        # Not looked up as it is: an unknown object's own __hash__ and __eq__ would decide.
        same = _alike(key, expected)
        if not same:
            return where, actual, expected
        difference = _difference(ours, expected[same[0]], f"{where}[{show(key)}]")
        if difference is not None:
            return difference
    return None


def _alike(key: object, keys: Any) -> list[Any]:
    """List the one of the keys that is the same as a key, if there is one."""
    return [other for other in keys if _difference(key, other, "") is None][:1]


_COUNTED = "Is it a number of things? '//' divides without a remainder, int(...) cuts the fraction off."

_HINTS: tuple[tuple[Callable[[Any, Any], bool], str], ...] = (
    (
        lambda came, asked: asked is bool and came is not bool,
        "True and False are written without quotes; a comparison (<, ==) gives one of them.",
    ),
    (
        lambda came, asked: came is bool and asked is not bool,
        "True and False are no numbers: give the value itself, not the result of a comparison.",
    ),
    (
        lambda came, asked: asked is float and came is int,
        "A number with a fraction is asked: '/' gives one, '//' cuts the fraction off.",
    ),
    (
        lambda came, asked: asked in (int, float) and came is str,
        "This is a text, not a number: leave the quotes or str(...) away.",
    ),
)


def _hint(actual: Any, expected: Any) -> str:
    came, asked = _plain_type(actual), type(expected)
    if asked in (*_SEQUENCES, *_SETS, dict):
        return _hint_on_container(actual, expected)
    if came is float and asked is int:
        # Of any other number the fraction is not what is wrong: 0.0021 megabytes for 2,100 bytes.
        return _COUNTED if float(actual).is_integer() or actual // 1 == expected else ""
    if came is str and asked is str:
        same = "".join(actual.split()).lower() == "".join(expected.split()).lower()
        return "Only blanks or capital letters differ." if same else ""
    return next((text for fits, text in _HINTS if fits(came, asked)), "") or remedy(actual)


def _hint_on_container(actual: Any, expected: Any) -> str:
    came, asked = type(actual), type(expected)
    if came is asked:
        if len(actual) != len(expected):
            return f"It has {entries(len(actual))}; {len(expected)} {'is' if len(expected) == 1 else 'are'} asked."
        return ""
    if came in (*_SEQUENCES, *_SETS):
        return f"{asked.__name__}(...) makes a {asked.__name__} of a {came.__name__}." if asked is not dict else ""
    numeric = read_numeric(actual)
    if asked in _SEQUENCES and numeric is not None and numeric.array.ndim:
        wrapped = "" if asked is list else " and tuple(...) a tuple of that"
        return f".tolist() makes a list of an array{wrapped}."
    if asked in _SEQUENCES and numeric is not None:
        return f"A {asked.__name__} with {entries(len(expected))} is asked."
    return remedy(actual)


def kind(actual: object, expected: type, *, name: str = "the result") -> None:
    """
    Check that a value is of a plain Python type, whatever it holds.

    Parameters
    ----------
    actual : object
        What the student's code gave.
    expected : type
        One of bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset.
    name : str
        What the value is called in the message.

    Raises
    ------
    CheckFailed
        When it is of another type.
    """
    if _plain_type(actual) is not expected:
        fail(name, f"{describe(actual)} came, but {_NOUNS[expected]} is asked.", _hint(actual, expected()))


def function(f: object, name: str) -> None:
    """
    Check that there is a function of this name.

    Parameters
    ----------
    f : object
        What the name stands for.
    name : str
        The name.

    Raises
    ------
    CheckFailed
        When it cannot be called, or is a class or a value that took the function's place.
    """
    if issubclass(type(f), type) or class_name(f) == "type":
        fail(name, f"{describe(f)} came, but a function is asked.", f"Write it with 'def {name}(...):'.")
    if callable(f):
        return
    hint = f"Did you run the cell that defines {name}?"
    if f is not None and f is not Ellipsis:
        hint = (
            f"Was the name used again, as in '{name} = ...'? Choose another one there and run the function's cell anew."
        )
    fail(name, f"{describe(f)} came, but a function is asked.", hint)


def between(actual: object, low: float, high: float, *, name: str = "the result") -> None:
    """
    Check that a number lies in a range, its ends included.

    Parameters
    ----------
    actual : object
        A Python or NumPy number, or an array or tensor without axes.
    low, high : float
        The smallest and the largest value that pass.
    name : str
        What the value is called in the message.

    Raises
    ------
    CheckFailed
        When it is no single number, is NaN, or lies outside.
    ValueError
        When the range is empty: a mistake in the test.
    """
    # Of a plain number: a bar that measures takes every comparison for the one that counts.
    if not float(low) <= high:
        raise ValueError(f"checks.between: there is no number from {low!r} to {high!r}.")
    asked = f"a number from {low:g} to {high:g} is asked"
    numeric = read_numeric(actual)
    if numeric is None:
        fail(name, f"{describe(actual)} came, but {asked}.", remedy(actual))
    if numeric.array.ndim:
        alone = numeric.array.size == 1
        hint = ".item() takes the one number out of it." if alone else "One number is asked: is a sum or mean missing?"
        fail(name, f"{describe_numeric(numeric)} came, but {asked}.", hint)
    if numeric.array.dtype.kind not in "iuf":
        fail(name, f"{describe_numeric(numeric)} came, but {asked}.")
    value = numeric.array.item() if type(actual) is not int else actual
    if np.isnan(numeric.array):
        fail(name, f"NaN (not a number) came, but {asked}.", about_infinite(value))
    if not low <= value <= high:
        fail(name, f"{show(value)} came, which is too {'small' if value < low else 'large'}: {asked}.")
