"""Checks of arrays, tensors and the numbers in them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from coursekit.checks import _guesses
from coursekit.checks._failure import fail
from coursekit.checks._values import Array, Numeric, nested_numbers, read_numeric, read_shape
from coursekit.checks._words import describe, describe_numeric, plural, remedy, show, shown

__all__ = ["close", "dtype", "shape", "unchanged"]


def shape(actual: object, expected: int | Sequence[int | None], *, name: str = "the result") -> None:
    """
    Check the shape of an array or tensor.

    Parameters
    ----------
    actual : object
        A NumPy array, a number, a tensor, a Keras variable, or a symbolic tensor of a network's plan.
    expected : int or sequence of int or None
        Length of each axis; None where any length will do. A number stands for one axis.
    name : str
        What the array is called in the message.

    Raises
    ------
    CheckFailed
        When it has another shape or none at all.
    """
    asked = (expected,) if isinstance(expected, int) else tuple(expected)
    came = read_shape(actual)
    if came is None:
        problem = f"{describe(actual)} came, but an array of shape {asked} is asked."
        fail(name, problem, _array_of(actual) or remedy(actual))
    if not _guesses.like(came, asked):
        fail(name, f"shape {came} came, but shape {asked} is asked.", _guesses.about_shape(came, asked))


def dtype(actual: object, expected: npt.DTypeLike, *, name: str = "the result") -> None:
    """
    Check the data type of an array or tensor.

    Parameters
    ----------
    actual : object
        A NumPy array or scalar, a number, a tensor or a Keras variable. A Python number counts as what NumPy makes of
        it: float64, int64, bool.
    expected : str or dtype
        A dtype ("float32") or a kind of them: "floating", "integer", "signedinteger", "unsignedinteger",
        "complexfloating", "inexact", "number".
    name : str
        What the array is called in the message.

    Raises
    ------
    CheckFailed
        When it has another dtype or none at all.
    TypeError
        When there is no such dtype: a mistake in the test.
    """
    kind = _KINDS.get(expected) if isinstance(expected, str) else None
    asked = str(expected) if kind is not None or expected == "bfloat16" else np.dtype(expected).name
    numeric = read_numeric(actual)
    if numeric is None:
        problem = f"{describe(actual)} came, which has no dtype; {asked} is asked."
        fail(name, problem, _array_of(actual) or remedy(actual))
    came = numeric.array.dtype.name if numeric.kind == "number" else numeric.dtype
    right = came == asked if kind is None else issubclass(numeric.array.dtype.type, kind)
    if not right:
        fail(
            name,
            f"dtype {came} came, but {asked} is asked.",
            _guesses.about_dtype(came, asked, tensor=numeric.kind == "tensor"),
        )


_KINDS: dict[str, Any] = {
    "number": np.number,
    "inexact": np.inexact,
    "floating": np.floating,
    "integer": np.integer,
    "signedinteger": np.signedinteger,
    "unsignedinteger": np.unsignedinteger,
    "complexfloating": np.complexfloating,
}


@dataclass(frozen=True)
class _Tolerance:
    """How far from the asked value a right value may be: ``atol + rtol * |asked|``."""

    rtol: float
    atol: float

    def __post_init__(self) -> None:
        for value in (self.rtol, self.atol):
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"A tolerance is a number from 0 up, not {value!r}.")

    def wrong(self, came: Array, asked: Array) -> Array:
        """Tell for each value whether it is wrong; both arrays have the same shape."""
        with np.errstate(all="ignore"):
            common = np.result_type(came.dtype, asked.dtype, np.float64)
            a, b = came.astype(common), asked.astype(common)
            allowed = self.atol + self.rtol * np.abs(b)
            near = np.isfinite(a) & np.isfinite(b) & (np.abs(a - b) <= allowed)
            if came.dtype.kind in "iub" and asked.dtype.kind in "iub":
                # float64 cannot tell whole numbers above 2**53 apart; if they differ, then by 1 at least.
                return np.asarray((came != asked) & ~(near & (allowed >= 1)))
            return np.asarray(~(near | (a == b) | (np.isnan(a) & np.isnan(b))))

    def same(self, came: Array, asked: Array) -> bool:
        """Tell whether shape and all values are right."""
        return came.shape == asked.shape and not self.wrong(came, asked).any()

    def same_whole_numbers(self, came: int, asked: int) -> bool:
        """Tell whether a whole number of any length is right, without rounding."""
        return abs(came - asked) <= Fraction(self.atol) + Fraction(self.rtol) * abs(asked)


def close(
    actual: object,
    expected: Any,
    *,
    name: str = "the result",
    rtol: float = 1e-6,
    atol: float = 1e-8,
    mistakes: Mapping[str, npt.ArrayLike] | None = None,
    reveal: bool = False,
) -> None:
    """
    Check that numbers are the asked ones, up to rounding: ``|actual - expected| <= atol + rtol * |expected|``.

    What ``expected`` is decides what may come: for an array or tensor, an array or tensor; for a number, a number or an
    array without axes; for a list or tuple, any of list, tuple and array. NaN or infinity is right only where just that
    is expected. Truth values are no numbers.

    Parameters
    ----------
    actual : object
        What the student's code gave.
    expected : array_like
        What is asked.
    name : str
        What the value is called in the message.
    rtol, atol : float
        Tolerances, relative and absolute. A value computed in float32 carries about 7 digits.
    mistakes : mapping of str to array_like, optional
        Results of known mistakes. If one came, its key is the message: "this is correlation without the flip".
    reveal : bool
        Also show the expected values: for visible tests. Otherwise the message tells what came and where it is wrong.

    Raises
    ------
    CheckFailed
        When it is of another type or shape, is not finite, or differs.
    TypeError, ValueError
        When ``expected``, a mistake or a tolerance is unusable: a mistake in the test.
    """
    tolerance = _Tolerance(rtol, atol)
    asked = _own(expected, "expected")
    known = {text: _own(value, f"the mistake {text!r}") for text, value in (mistakes or {}).items()}
    came = _read_like(actual, expected, asked, name)
    if type(actual) is int and type(expected) is int:
        right = tolerance.same_whole_numbers(actual, expected)
    else:
        right = tolerance.same(came, asked)
    if right:
        return
    values = [shown("What came", came), *([shown("Asked is", asked)] if reveal else [])]
    for text, value in known.items():
        if tolerance.same(came, value):
            fail(name, text, *values)
    if came.shape != asked.shape:
        problem = f"shape {came.shape} came, but shape {asked.shape} is asked."
        fail(name, problem, _guesses.about_shape(came.shape, asked.shape), *values)
    if not came.ndim:
        values = []  # the first line has them
    _fail_infinite(came, asked, name, values)
    hint = _guesses.about_values(came, asked, tolerance.same)
    fail(name, _about_worst(came, asked, tolerance.wrong(came, asked), reveal=reveal), hint, *values)


def _own(value: object, what: str) -> Array:
    """Read an array that the test's author gave."""
    numeric = read_numeric(value)
    array = nested_numbers(value) if numeric is None else numeric.array
    if array is None or array.dtype.kind not in "biufc":
        raise TypeError(f"checks.close compares numbers, but {what} is {describe(value)}.")
    return array


def _read_like(actual: object, expected: object, asked: Array, name: str) -> Array:
    """Read the student's value, or say why it is none of the kind that is asked."""
    wish = f"{_wish(expected, asked)} is asked"
    numeric = read_numeric(actual)
    if numeric is None and type(expected) in (list, tuple):
        array = nested_numbers(actual)
        numeric = None if array is None else Numeric(array, array.dtype.name, "array")
    if numeric is None:
        hint = "One number is asked, not several." if type(actual) in (list, tuple) else remedy(actual)
        fail(name, f"{describe(actual)} came, but {wish}.", (asked.ndim and _array_of(actual)) or hint)
    problem = f"{describe_numeric(numeric)} came, but {wish}."
    if numeric.is_truth != (asked.dtype.kind == "b"):
        to_number = (
            "True and False are no numbers: was something compared (<, ==)? .astype(float) makes 1 and 0 of them."
        )
        fail(name, problem, to_number if numeric.is_truth else "A comparison (<, ==) gives True and False.")
    if not (numeric.is_number or numeric.is_truth):
        fail(
            name,
            problem,
            "Do its rows have different lengths, or does it hold texts? NumPy calculates with numbers only.",
        )
    if numeric.array.dtype.kind == "c" and asked.dtype.kind != "c":
        fail(name, problem, "Complex numbers are not asked: was the root of a negative number taken?")
    return numeric.array


def _wish(expected: object, asked: Array) -> str:
    of_truth = asked.dtype.kind == "b"
    if asked.ndim == 0:
        return "a truth value" if of_truth else "a number"
    noun = f"a {type(expected).__name__}" if type(expected) in (list, tuple) else "an array"
    return f"{noun} of {'True and False, of ' if of_truth else ''}shape {asked.shape}"


def _array_of(actual: Any) -> str:
    if type(actual) not in (list, tuple):
        return ""
    parts = {read_shape(part) for part in actual}
    # Arrays of one shape, in a list: np.array makes one of them.
    if nested_numbers(actual) is None and (len(parts) != 1 or parts <= {None, ()}):
        return "Its rows have different lengths, or not all of its entries are numbers."
    return f"np.array(...) makes an array of a {type(actual).__name__}."


def _position(index: Sequence[int]) -> str:
    return f"[{', '.join(map(str, index))}]"


def _first(where: Array) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(where)[0])


def _fail_infinite(came: Array, asked: Array, name: str, values: Sequence[str]) -> None:
    wrong = ~np.isfinite(came) & np.isfinite(asked)
    if not wrong.any():
        return
    first = _first(wrong)
    what = "NaN (not a number)" if np.isnan(came[first]) else "infinite"
    problem = f"it is {what}."
    if came.ndim:
        count = f"{int(wrong.sum()):,} of {plural(came.size, 'value')}"
        problem = f"{count} not finite; the first, at {_position(first)}, is {what}."
    fail(name, problem, _guesses.about_infinite(came[first]), *values)


def _about_worst(came: Array, asked: Array, wrong: Array, *, reveal: bool) -> str:
    """Say how many values are wrong, and which one is furthest off."""
    common = np.result_type(came.dtype, asked.dtype, np.float64)
    with np.errstate(all="ignore"):
        distance = np.abs(came.astype(common) - asked.astype(common))
    distance = np.where(np.isnan(distance), np.inf, distance)
    worst = tuple(int(i) for i in np.unravel_index(int(np.argmax(np.where(wrong, distance, -1))), came.shape))
    instead = f"{show(asked[worst])} is asked" if reveal else "another value is asked"
    if not came.ndim:
        return f"{show(came[worst])} came, but {instead}."
    count = int(wrong.sum())
    off = f"{count:,} of {plural(came.size, 'value')} {'is' if count == 1 else 'are'} wrong"
    instead = f" and {instead}" if reveal else ""
    where = "it is" if count == 1 else "the furthest off is"
    return f"{off}; {where} at {_position(worst)}, where {show(came[worst])} came{instead}."


def became(value: object) -> object:
    """Give what a student's function has made of a value. Where it is called with a copy, this is replaced."""
    return value


def unchanged(before: object, after: object, *, name: str = "the input") -> None:
    """
    Check that a function left its input alone.

    Parameters
    ----------
    before : object
        A copy of the input, made before the call: an array, a number, or a list or tuple of numbers.
    after : object
        The input itself, after the call.
    name : str
        What the input is called in the message.

    Raises
    ------
    CheckFailed
        When type, shape, dtype or any value is not as before.
    TypeError
        When ``before`` is nothing that can be compared: a mistake in the test.
    """
    change = _change(_own(before, "before"), before, became(after))
    if change:
        fail(name, change, "Your function changed its input: work on a copy (x = x.copy()) or make a new array.")


def _change(old: Array, before: object, after: object) -> str:
    numeric = read_numeric(after)
    new = nested_numbers(after) if numeric is None else numeric.array
    if type(before) is not type(after) or new is None:
        return f"it was {describe(before)} and is now {describe(after)}."
    if old.shape != new.shape:
        return f"its shape was {old.shape} and is now {new.shape}."
    if old.dtype != new.dtype:
        return f"its dtype was {old.dtype} and is now {new.dtype}."
    changed = (old != new) & ~(np.isnan(old) & np.isnan(new))
    if not changed.any():
        return ""
    first = _first(changed)
    became = f"{show(old[first])} became {show(new[first])}"
    if not first:
        return f"{became}."
    return f"{int(changed.sum()):,} of its {plural(old.size, 'value')} changed: at {_position(first)}, {became}."
