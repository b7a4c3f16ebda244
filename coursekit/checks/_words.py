"""A value in a learner's words: what it is, what it holds, and what mistake usually brings it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

import numpy as np

from coursekit.checks._values import Array, Numeric, class_name, name_of_class, read_numeric

__all__ = ["describe", "describe_numeric", "entries", "plural", "remedy", "show", "shown"]

_CONTAINERS = (list, tuple, dict, set, frozenset)

# Classes by name only: a stand-in for an object of another process has the name of that object's class.
_FUNCTIONS = ("function", "builtin_function_or_method", "method", "ufunc")
_PROMISES = ("dict_items", "dict_keys", "dict_values", "filter", "generator", "map", "range", "zip")
_NAMES = {
    **dict.fromkeys(_FUNCTIONS, "a function"),
    "dict_items": "the items of a dict",
    "dict_keys": "the keys of a dict",
    "dict_values": "the values of a dict",
    **dict.fromkeys(("Functional", "Sequential"), "a model"),
    "History": "a History",
    "filter": "a filter object",
    "generator": "a generator",
    "map": "a map object",
    "module": "a module",
    "range": "a range",
    "type": "a class",
    "zip": "a zip object",
}
_CONSTANTS = {None: "None", Ellipsis: "the placeholder '...'", NotImplemented: "NotImplemented"}


def describe(value: Any) -> str:
    """Say what a value is; one of an unknown class is named by that class and otherwise left alone."""
    kind = type(value)
    constant = next((text for constant, text in _CONSTANTS.items() if value is constant), None)
    numeric = read_numeric(value)
    if constant is not None:
        return constant
    if numeric is not None:
        return f"the whole number {show(value)}" if kind is int else describe_numeric(numeric)
    if kind in _CONTAINERS:
        return f"a {kind.__name__} of {entries(len(value))}: {show(value)}" if value else f"an empty {kind.__name__}"
    if kind in (str, bytes):
        return f"the {'text' if kind is str else 'bytes'} {show(value)}"
    if issubclass(kind, type):
        return f"the class '{name_of_class(value)}' itself"
    noun = "an array of the special" if issubclass(kind, np.ndarray) else "an object of"
    return _NAMES.get(class_name(value), f"{noun} class '{class_name(value)}'")


def describe_numeric(numeric: Numeric) -> str:
    """Say what a number is by its value, what an array is by its shape and dtype."""
    if numeric.kind in ("number", "NumPy number"):
        noun = {"b": "truth value", "i": "whole number", "u": "whole number", "U": "text"}.get(numeric.array.dtype.kind)
        return f"the {noun or 'number'} {show(numeric.array)}"
    article = "an" if numeric.kind == "array" else "a"
    return f"{article} {numeric.kind} of shape {numeric.array.shape} and dtype {numeric.dtype}"


def plural(count: int, noun: str) -> str:
    """Count things: 1 value, 2 values."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def entries(count: int) -> str:
    """Count entries of a list and the like."""
    return f"{count:,} {'entry' if count == 1 else 'entries'}"


def _is_class(value: object) -> bool:
    return issubclass(type(value), type) or class_name(value) == "type"


_REMEDIES: tuple[tuple[Callable[[Any], bool], str], ...] = (
    (
        lambda value: value is None,
        "Does your function end with 'return ...'? Without it, it gives None; print only shows a value.",
    ),
    (
        lambda value: value is Ellipsis or value is NotImplemented or class_name(value) == "NotImplementedError",
        "This is a placeholder: replace it by your own code.",
    ),
    (_is_class, "This is the class, not an instance of it: put '( )' with its arguments behind the name."),
    (
        lambda value: class_name(value) in _FUNCTIONS,
        "This is the function, not its result: call it, with '( )' and its arguments behind the name.",
    ),
    (
        lambda value: class_name(value) in _PROMISES,
        "It only promises values: list(...) makes a list of it, np.array(list(...)) an array.",
    ),
    (
        lambda value: issubclass(type(value), np.ndarray) or class_name(value) in ("MaskedArray", "matrix", "memmap"),
        "np.array(...) makes a plain array of it.",
    ),
    (lambda value: type(value) is str, "This is a text: leave the quotes or str(...) away."),
    (lambda value: class_name(value) in ("DataFrame", "Series"), ".to_numpy() makes a plain array of it."),
    (
        lambda value: class_name(value) in ("KerasTensor", "SymbolicTensor"),
        "It is a symbol in a network's plan and holds no values: they come when a model is called on data.",
    ),
)


def remedy(value: Any) -> str:
    """Name the mistake that usually brings such a value where a result is asked, and its remedy; or ''."""
    unknown = read_numeric(value) is None and type(value) not in (*_CONTAINERS, str, bytes)
    otherwise = "Only plain Python values, NumPy arrays and tensors can be checked." if unknown else ""
    return next((text for fits, text in _REMEDIES if fits(value)), otherwise)


# ---- values


_MOST_CHARACTERS = 300
_MOST_ITEMS = 6
_LONGEST_TEXT = 80


def shown(label: str, value: Any) -> str:
    """Write what a value holds behind a label, its lines one under the other."""
    start = f"{label}: "
    # As far in as the first line, which fail moves in by two more.
    return start + show(value).replace("\n", "\n" + " " * (len(start) + 2))


def show(value: Any) -> str:
    """Write what a value holds, in bounded length, calling nothing of an unknown object."""
    text = _show(value, 4)
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 4]} ..."


def _show(value: Any, levels: int) -> str:
    kind = type(value)
    if kind in _CONTAINERS:
        return _show_container(value, levels)
    if kind in (str, bytes):
        return repr(value) if len(value) <= _LONGEST_TEXT else f"{value[:_LONGEST_TEXT]!r}..."
    if kind is int and abs(value) >= 10**30:  # Python refuses to write one of more than 4,300 digits
        return f"{'-' if value < 0 else ''}(a number of {int(value.bit_length() * 0.30103) + 1} digits)"
    if value is None or kind in (bool, int, float, complex):
        return repr(value)
    numeric = read_numeric(value)
    return f"<{describe_briefly(value)}>" if numeric is None else _show_array(numeric.array)


def describe_briefly(value: object) -> str:
    """Name what an unknown object in a list or the like is."""
    name = class_name(value)
    return _NAMES.get(name, name)


def _show_array(array: Array) -> str:
    if array.dtype.kind not in "biufcUS":
        return f"<{plural(array.size, 'value')} of dtype {array.dtype.name}>"
    if array.ndim == 0:
        return repr(array.item()) if array.dtype.kind in "US" else str(array[()])
    return np.array2string(array, precision=6, threshold=20, edgeitems=2, max_line_width=100)


def _show_container(value: Any, levels: int) -> str:
    opening, closing = ("[", "]") if type(value) is list else ("(", ")") if type(value) is tuple else ("{", "}")
    if levels == 0:
        return f"{opening}...{closing}"
    if type(value) is dict:
        items = islice(value.items(), _MOST_ITEMS)
        parts = [f"{_show(key, levels - 1)}: {_show(item, levels - 1)}" for key, item in items]
    else:
        parts = [_show(item, levels - 1) for item in islice(value, _MOST_ITEMS)]
    if len(value) > _MOST_ITEMS:
        parts.append("...")
    comma = "," if type(value) is tuple and len(value) == 1 else ""
    return f"{opening}{', '.join(parts)}{comma}{closing}"
