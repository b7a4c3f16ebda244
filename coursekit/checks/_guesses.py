"""
What mistake may be behind a wrong array: those that beginners make, found by undoing them.

Guesses are only made about a result that is wrong already. They never decide whether it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, permutations

import numpy as np

from coursekit.checks._values import Array

__all__ = ["about_dtype", "about_infinite", "about_layer_shape", "about_shape", "about_values", "like"]

Axes = tuple[int | None, ...]


def like(came: Sequence[int | None], asked: Sequence[int | None]) -> bool:
    """Tell whether a shape is the asked one; None stands for any length."""
    return len(came) == len(asked) and all(a is None or c == a for c, a in zip(came, asked, strict=True))


# ---- shapes


def about_shape(came: Sequence[int | None], asked: Sequence[int | None]) -> str:
    """Name the mistake behind a wrong shape, or say what differs."""
    return next(_shape_guesses(tuple(came), tuple(asked)))


def _shape_guesses(came: Axes, asked: Axes) -> Iterator[str]:
    if not asked:
        yield from _about_number(came)
    if not came:
        yield "A single number came: was the sum, mean or maximum taken over all values instead of along one axis?"
    if len(came) == 2 and came[0] == came[1] and asked in ((came[0],), (came[0], 1), (1, came[0])):
        n = came[0]
        combined = f"Arrays of shape ({n},) and ({n}, 1) were combined"
        yield f"{combined}: NumPy stretches them to ({n}, {n}). Give both the same shape."
    if len(came) == len(asked):
        yield from _about_order(came, asked)
        yield from _about_lengths(came, asked)
    if len(came) == len(asked) + 1:
        yield from _about_extra_axis(came, asked)
    if len(came) + 1 == len(asked):
        yield from _about_missing_axis(came, asked)
    if None not in (*came, *asked) and _size(came) == _size(asked):
        yield f"The number of values is right, their arrangement is not: x.reshape{asked} arranges them."
    yield f"{len(asked)} {'axis is' if len(asked) == 1 else 'axes are'} asked, but there {_are(len(came))}."


def _are(count: int) -> str:
    return f"{'is' if count == 1 else 'are'} {count}"


def _about_number(came: Axes) -> Iterator[str]:
    if all(length == 1 for length in came):
        yield "A single number is asked; this is an array that holds one: .item() takes it out."
    yield "A single number is asked: is a sum or mean over all values missing?"


def _about_order(came: Axes, asked: Axes) -> Iterator[str]:
    if like(came[::-1], asked):
        yield "It is transposed: rows and columns are swapped." if len(came) == 2 else "The axes are in reverse order."
    for order in permutations(range(len(came))) if len(came) <= 5 else ():
        if like([came[axis] for axis in order], asked):
            yield f"The axes are in the wrong order: np.transpose(x, {order}) puts them right."


def _about_lengths(came: Axes, asked: Axes) -> Iterator[str]:
    pairs = [(axis, c, a) for axis, (c, a) in enumerate(zip(came, asked, strict=True)) if a is not None and c != a]
    axes = [axis for axis, _, _ in pairs]
    which = f"axis {axes[0]}" if len(axes) == 1 else f"the axes {', '.join(map(str, axes[:-1]))} and {axes[-1]}"
    differences = {None if c is None else c - a for _, c, a in pairs}
    if differences in ({1}, {-1}):
        size = "long" if differences == {1} else "short"
        yield f"Too {size} by one along {which}: look at the sizes and ranges once more."
    yield f"It differs along {which} alone." if len(axes) < len(came) else f"It differs along {which}."


def _about_extra_axis(came: Axes, asked: Axes) -> Iterator[str]:
    for axis, length in enumerate(came):
        if length in (1, None) and like(came[:axis] + came[axis + 1 :], asked):
            where = "first" if axis == 0 else "last" if axis == len(came) - 1 else f"axis {axis}"
            yield f"There is one axis too many, the {where} one of length 1: x.squeeze(axis={axis}) leaves it out."


def _about_missing_axis(came: Axes, asked: Axes) -> Iterator[str]:
    last = len(asked) - 1
    for axis, length in sorted(enumerate(asked), key=lambda pair: pair[0] != last):
        if length in (1, None) and like(came, asked[:axis] + asked[axis + 1 :]):
            if axis == last:
                yield "The last axis of length 1 is missing, in pictures that of the channels: x[..., None] adds it."
            if axis == 0:
                yield "The first axis is missing, in a batch that of the pictures: x[None] adds it."
            yield f"Axis {axis} of length 1 is missing: np.expand_dims(x, {axis}) adds it."


def _size(axes: Axes) -> int:
    return int(np.prod(np.array(axes, dtype=object)))


def about_layer_shape(came: Axes, asked: Axes) -> str:
    """Say what differs in the output of a layer: (batch, height, width, channels) or (batch, values)."""
    if len(came) != len(asked):
        return f"{len(asked)} axes are asked, but there are {len(came)}: is a Flatten missing, or at another place?"
    if len(came) == 2:
        return f"{came[1]} values instead of {asked[1]}: look at units or, for a Flatten, at the layers before it."
    if came[1:-1] == asked[1:-1]:
        return "The channels differ: the number of filters decides how many there are."
    if came[-1] == asked[-1]:
        return "Height or width differs: look at padding, strides, the size of the kernel, and pooling."
    return "Size and channels differ: is a layer missing before it, or has the input another shape?"


# ---- dtypes

_WHOLE = ("int", "uint", "signed", "unsigned")
_DTYPE_GUESSES: tuple[tuple[Callable[[str, str], bool], str], ...] = (
    (
        lambda came, _: came == "object",
        "NumPy found no common type for the values: rows of different lengths, or None or texts among the numbers.",
    ),
    (lambda came, _: came.startswith("str"), "These are texts, not numbers."),
    (
        lambda came, asked: came == "float64" and asked == "float32",
        "float64 is what NumPy takes when it is told nothing: {convert}.",
    ),
    (
        lambda came, asked: came == "uint8" and not asked.startswith(_WHOLE),
        "These are still raw pixel values: {convert}; then divide them by 255.",
    ),
    (
        lambda came, asked: came.startswith(_WHOLE) and not asked.startswith(_WHOLE) and asked != "bool",
        "Whole numbers hold no fractions: was '//' used for '/', or the array made like one of whole numbers?",
    ),
    (
        lambda came, _: came == "bool",
        "True and False came, the result of a comparison: {convert}, as 1 and 0.",
    ),
    (
        lambda came, asked: came.startswith("float") and asked.startswith(_WHOLE),
        "Whole numbers are asked: round first where the text says so (np.round); {convert}.",
    ),
)


# Which dtype to name where any of a kind would do.
_OF_A_KIND = {
    "number": "float32",
    "inexact": "float32",
    "floating": "float32",
    "integer": "int64",
    "signedinteger": "int64",
    "unsignedinteger": "uint8",
    "complexfloating": "complex128",
}


def about_dtype(came: str, asked: str, *, tensor: bool = False) -> str:
    """Name the mistake behind a wrong dtype; of a tensor, which has no ``astype``, with another remedy."""
    wanted = _OF_A_KIND.get(asked, asked)
    convert = f"tf.cast(x, '{wanted}') converts it" if tensor else f".astype('{wanted}') converts it"
    text = next((text for fits, text in _DTYPE_GUESSES if fits(came, asked)), "{convert}.")
    return text.format(convert=convert)


# ---- values


def about_infinite(value: complex) -> str:
    """Name the mistakes that make NaN or infinity."""
    if np.isnan(value):
        return (
            "NaN comes from 0/0, inf - inf, inf/inf, or the log or root of a negative number. "
            "Did exp overflow, or is the log of 0 multiplied by 0?"
        )
    return "Infinity comes from a division by 0, log(0), or exp of a large number (above 709, in float32 above 88)."


Same = Callable[[Array, Array], bool]


def about_values(came: Array, asked: Array, same: Same) -> str:
    """
    Name the mistake behind wrong values of the right shape, or ''.

    Parameters
    ----------
    came, asked : ndarray
        Numbers or truth values, of the same shape.
    same : callable
        Tells whether two such arrays are the same within the tolerances of the check.
    """
    if came.dtype.kind == "b":
        return "True and False are the wrong way round." if came.size > 1 and same(~came, asked) else ""
    with np.errstate(all="ignore"):
        return next((text for text, undone in _MISTAKES if undone(came, asked, same)), "")


def _wrapped(came: Array, asked: Array, _: Same) -> bool:
    if came.dtype != np.uint8 or asked.dtype.kind not in "iuf" or not np.all(np.isfinite(asked)):
        return False
    return bool(np.all(np.mod(np.trunc(asked), 256) == came))


def _cut_off(came: Array, asked: Array, same: Same) -> bool:
    if asked.dtype.kind != "f" or came.dtype.kind == "c" or not np.all(came == np.trunc(came)):
        return False
    return any(same(came, cut(asked)) for cut in (np.trunc, np.floor, np.round))


def _negated(came: Array, asked: Array, same: Same) -> bool:
    return came.dtype.kind != "u" and same(-came, asked)


def _transposed(came: Array, asked: Array, same: Same) -> bool:
    pairs = combinations(range(came.ndim), 2)
    return any(came.shape[a] == came.shape[b] and same(np.swapaxes(came, a, b), asked) for a, b in pairs)


def _mirrored(axis: int) -> Callable[[Array, Array, Same], bool]:
    return lambda came, asked, same: axis < came.ndim and same(np.flip(came, axis), asked)


def _mirrored_twice(came: Array, asked: Array, same: Same) -> bool:
    axes = [some for count in range(2, min(came.ndim, 3) + 1) for some in combinations(range(came.ndim), count)]
    return any(same(np.flip(came, some), asked) for some in axes)


def _moved(came: Array, asked: Array, same: Same) -> bool:
    return any(same(np.roll(came, step, axis), asked) for axis in range(came.ndim) for step in (1, -1))


def _varied(*arrays: Array) -> bool:
    """Tell whether arrays have enough different values for a pattern in them to mean anything."""
    return all(bool(np.all(np.isfinite(array))) and len(np.unique(array)) >= 3 for array in arrays)


def _reordered(came: Array, asked: Array, same: Same) -> bool:
    return _varied(came, asked) and same(np.sort(came, axis=None), np.sort(asked, axis=None))


def _rounded(came: Array, asked: Array, _: Same) -> bool:
    precision = {"float16": 1e-2, "float32": 1e-4}.get(came.dtype.name)
    if precision is None or not np.all(np.isfinite(asked)):
        return False
    allowed = precision * np.maximum(np.abs(asked), 1e-2 * np.max(np.abs(asked), initial=0.0))
    return bool(np.all(np.abs(came - asked) <= allowed))


def _shifted(came: Array, asked: Array, same: Same) -> bool:
    if not _varied(came, asked):
        return False
    return same(came + (asked.flat[0] - came.astype(np.result_type(came, np.float64)).flat[0]), asked)


def _scaled(came: Array, asked: Array, same: Same) -> bool:
    largest = int(np.argmax(np.abs(asked)))
    if not _varied(came, asked) or came.flat[largest] == 0:
        return False
    return same(came * (asked.flat[largest] / came.flat[largest]), asked)


def _partly_zero(came: Array, asked: Array, same: Same) -> bool:
    empty = (came == 0) & (asked != 0)
    return bool(empty.any()) and not bool(empty.all()) and same(came[~empty], asked[~empty])


_MISTAKES: tuple[tuple[str, Callable[[Array, Array, Same], bool]], ...] = (
    ("All values are 0: was the result ever filled?", lambda came, _, __: came.size > 1 and not np.any(came)),
    (
        "The values have wrapped round at 256, for uint8 holds 0 to 255: convert before calculating, x.astype(float).",
        _wrapped,
    ),
    (
        "The fractions are cut off: was the result made for whole numbers (dtype=float), or '//' used for '/'?",
        _cut_off,
    ),
    ("The sign is the wrong way round.", _negated),
    ("Perhaps transposed: with two axes swapped the values are right.", _transposed),
    *(
        (f"Perhaps mirrored: in reverse order along axis {axis} the values are right.", _mirrored(axis))
        for axis in range(4)
    ),
    ("Perhaps mirrored: in reverse order along several axes the values are right.", _mirrored_twice),
    ("Perhaps off by one: moved by one place along an axis the values are right.", _moved),
    ("Perhaps in the wrong order: these are the right values at other places.", _reordered),
    ("Only rounding differs: the calculation ran with few digits (float32 or float16); float64 has more.", _rounded),
    (
        "Every value is off by the same amount: is something added too often or not at all, a bias for instance?",
        _shifted,
    ),
    (
        "Every value is off by the same factor: is a division or multiplication missing, a sum taken for a mean?",
        _scaled,
    ),
    ("Some values are 0 and the others right: does a loop end too early, or leave something out?", _partly_zero),
)
