"""The mnist stand-in: digits written by many hands, drawn from strokes.

A way of writing a digit is a few strokes, each a smooth curve through control points. A picture moves the points,
bends and slants the whole, chooses a pen, and lets the pen run over the curve; then the digit is scaled and centred by
its mass as in MNIST.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Stroke = Sequence[tuple[float, float]]

SIDE = 28
_MARGIN = 6  # around the picture, so that a pen may leave it
_POINTS = 100  # where the pen is looked at: about half a pixel apart
_PEN = 4  # pixels around a point that the pen may ink


class _Way(NamedTuple):
    """A way of writing a digit: how common it is, and its strokes, in a box from (0, 0) top left to (1, 1)."""

    share: float
    strokes: Sequence[Stroke]


# fmt: off
_WAYS: dict[int, Sequence[_Way]] = {
    0: (
        _Way(0.6,
            [[(0.5, 0), (0.15, 0.2), (0.05, 0.55), (0.25, 0.95), (0.6, 0.97),
            (0.9, 0.65), (0.88, 0.25), (0.5, 0)]]),
        _Way(
            0.4,
            [[(0.62, 0.08), (0.3, 0.1), (0.08, 0.5), (0.28, 0.95), (0.68, 0.9),
            (0.92, 0.45), (0.7, 0.06), (0.4, 0.12)]],
        ),
    ),
    1: (
        _Way(0.62, [[(0.5, 0), (0.5, 0.35), (0.5, 0.7), (0.5, 1)]]),
        _Way(0.26, [[(0.32, 0.22), (0.45, 0.13), (0.56, 0)], [(0.56, 0), (0.55, 0.5), (0.55, 1)]]),
        _Way(
            0.12,
            [[(0.3, 0.2), (0.42, 0.12), (0.52, 0)], [(0.52, 0), (0.52, 0.5),
            (0.52, 1)], [(0.25, 1), (0.5, 1), (0.8, 0.99)]],
        ),
    ),
    2: (
        _Way(
            0.5,
            [
                [(0.1, 0.22), (0.3, 0.03), (0.68, 0.03), (0.82, 0.27), (0.62, 0.56), (0.3, 0.82), (0.06, 0.98)],
                [(0.06, 0.98), (0.5, 0.96), (0.95, 0.95)],
            ],
        ),
        _Way(
            0.38,
            [
                [
                    (0.14, 0.2), (0.4, 0.0), (0.76, 0.14), (0.66, 0.5), (0.34, 0.88), (0.12, 0.96), (0.08, 0.8),
                    (0.28, 0.76), (0.55, 0.92), (0.97, 0.92),
                ]
            ],
        ),
        _Way(
            0.12,
            [[(0.1, 0.05), (0.5, 0.02), (0.86, 0.05)], [(0.86, 0.05), (0.5, 0.5),
            (0.1, 0.96)], [(0.1, 0.96), (0.9, 0.96)]],
        ),
    ),
    3: (
        _Way(
            0.65,
            [
                [(0.12, 0.12), (0.45, 0.0), (0.8, 0.14), (0.72, 0.38), (0.36, 0.47)],
                [(0.36, 0.47), (0.76, 0.52), (0.88, 0.76), (0.58, 0.98), (0.1, 0.9)],
            ],
        ),
        _Way(
            0.2,
            [
                [(0.14, 0.03), (0.5, 0.03), (0.82, 0.02)],
                [(0.82, 0.02), (0.6, 0.25), (0.42, 0.4)],
                [(0.42, 0.4), (0.8, 0.5), (0.86, 0.78), (0.5, 1.0), (0.1, 0.9)],
            ],
        ),
        _Way(
            0.15,
            [[(0.15, 0.1), (0.5, 0), (0.8, 0.2), (0.6, 0.43), (0.4, 0.5), (0.62, 0.52),
            (0.85, 0.74), (0.5, 1), (0.08, 0.84)]],
        ),
    ),
    4: (
        _Way(
            0.62,
            [
                [(0.2, 0.04), (0.12, 0.32), (0.08, 0.58)],
                [(0.08, 0.58), (0.45, 0.6), (0.95, 0.54)],
                [(0.76, 0.02), (0.72, 0.45), (0.68, 1.0)],
            ],
        ),
        _Way(
            0.28,
            [
                [(0.64, 0.0), (0.36, 0.3), (0.05, 0.66)],
                [(0.05, 0.66), (0.5, 0.66), (0.97, 0.64)],
                [(0.64, 0.0), (0.64, 0.5), (0.62, 1.0)],
            ],
        ),
        _Way(
            0.10,
            [
                [(0.16, 0.06), (0.1, 0.34), (0.3, 0.52), (0.64, 0.48), (0.78, 0.3)],
                [(0.8, 0.04), (0.74, 0.5), (0.66, 1.0)],
            ],
        ),
    ),
    5: (
        _Way(
            0.6,
            [
                [(0.28, 0.04), (0.24, 0.24), (0.2, 0.44)],
                [(0.2, 0.44), (0.52, 0.36), (0.84, 0.58), (0.7, 0.92), (0.36, 1.0), (0.06, 0.9)],
                [(0.28, 0.04), (0.58, 0.04), (0.92, 0.0)],
            ],
        ),
        _Way(
            0.4,
            [
                [(0.9, 0.04), (0.6, 0.04), (0.34, 0.06)],
                [(0.34, 0.06), (0.22, 0.24), (0.28, 0.42), (0.66, 0.52), (0.78, 0.74), (0.56, 0.96), (0.08, 0.96)],
            ],
        ),
    ),
    6: (
        _Way(
            0.6,
            [
                [
                    (0.68, 0.0), (0.36, 0.2), (0.12, 0.56), (0.18, 0.88), (0.5, 1.0), (0.82, 0.82), (0.74, 0.56),
                    (0.44, 0.54), (0.16, 0.78),
                ]
            ],
        ),
        _Way(
            0.4,
            [[(0.5, 0.0), (0.26, 0.34), (0.14, 0.72), (0.34, 0.98), (0.72, 0.94),
            (0.8, 0.68), (0.5, 0.58), (0.2, 0.76)]],
        ),
    ),
    7: (
        _Way(0.55, [[(0.06, 0.08), (0.5, 0.06), (0.92, 0.05)], [(0.92, 0.05), (0.66, 0.48), (0.44, 1.0)]]),
        _Way(
            0.15,
            [
                [(0.06, 0.06), (0.5, 0.06), (0.9, 0.04)],
                [(0.9, 0.04), (0.66, 0.46), (0.44, 1.0)],
                [(0.3, 0.52), (0.56, 0.5), (0.86, 0.48)],
            ],
        ),
        _Way(
            0.3,
            [
                [(0.08, 0.24), (0.1, 0.06)],
                [(0.1, 0.06), (0.48, 0.1), (0.9, 0.02)],
                [(0.9, 0.02), (0.7, 0.32), (0.58, 0.64), (0.56, 1.0)],
            ],
        ),
    ),
    8: (
        _Way(
            0.7,
            [
                [
                    (0.76, 0.14), (0.46, 0.0), (0.2, 0.2), (0.44, 0.44), (0.76, 0.68), (0.62, 0.98), (0.26, 0.96),
                    (0.16, 0.7), (0.5, 0.46), (0.8, 0.22), (0.7, 0.06),
                ]
            ],
        ),
        _Way(
            0.3,
            [
                [(0.5, 0.0), (0.22, 0.12), (0.26, 0.38), (0.52, 0.46), (0.78, 0.34), (0.76, 0.1), (0.5, 0.0)],
                [(0.52, 0.46), (0.16, 0.6), (0.16, 0.88), (0.5, 1.0), (0.84, 0.88), (0.84, 0.6), (0.52, 0.46)],
            ],
        ),
    ),
    9: (
        _Way(
            0.5,
            [
                [(0.8, 0.16), (0.48, 0.0), (0.14, 0.2), (0.24, 0.46), (0.58, 0.46), (0.82, 0.16)],
                [(0.82, 0.16), (0.78, 0.5), (0.68, 1.0)],
            ],
        ),
        _Way(
            0.3,
            [
                [(0.78, 0.14), (0.46, 0.0), (0.18, 0.22), (0.34, 0.46), (0.64, 0.4), (0.8, 0.12)],
                [(0.8, 0.12), (0.84, 0.5), (0.7, 0.9), (0.42, 1.0), (0.18, 0.9)],
            ],
        ),
        _Way(
            0.2,
            [[(0.7, 0.06), (0.34, 0.08), (0.16, 0.34), (0.42, 0.46), (0.72, 0.26),
            (0.78, 0.06), (0.74, 0.46), (0.6, 1.0)]],
        ),
    ),
}
# fmt: on


def draw_digits(counts: Sequence[int], seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Draw handwritten digits.

    Parameters
    ----------
    counts
        How many pictures of each digit, from 0 to 9; their order is random.
    seed
        The same numbers give the same pictures.

    Returns
    -------
    x
        White ink on black, (N, 28, 28), uint8.
    y
        Labels, (N,), int64.
    """
    rng = np.random.default_rng([2828, abs(seed), seed < 0])
    y = rng.permutation(np.repeat(np.arange(len(counts), dtype=np.int64), counts))
    points = np.empty((len(y), _POINTS, 2), np.float32)
    for digit, ways in _WAYS.items():
        where = np.flatnonzero(y == digit)
        chosen = rng.choice(len(ways), len(where), p=[way.share for way in ways])
        for number in range(len(ways)):
            hand = where[chosen == number]
            points[hand] = _write(rng, len(hand), *_curve(digit, number))
    pen = np.clip(np.exp(rng.normal(0.18, 0.28, len(y))), 0.65, 2.2).astype(np.float32)
    points = _placed(rng, _slanted(rng, points), pen)
    return _inked(rng, points, pen), y


@lru_cache(maxsize=64)
def _curve(digit: int, number: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give the control points (m, 2) of a way of writing, and the weights (points, m) that make the curve of them."""
    strokes = [np.asarray(stroke, float) for stroke in _WAYS[digit][number].strokes]
    control = np.concatenate(strokes)
    lengths = np.concatenate([np.hypot(*np.diff(stroke, axis=0).T) for stroke in strokes])
    starts = np.concatenate([[0.0], np.cumsum(lengths)])
    weights = np.zeros((_POINTS, len(control)))
    segments = [(first + i, first, len(stroke)) for first, stroke in _firsts(strokes) for i in range(len(stroke) - 1)]
    for row, place in enumerate(np.linspace(0, starts[-1] * (1 - 1e-9), _POINTS)):
        number_of = int(np.searchsorted(starts, place, side="right")) - 1
        at, first, many = segments[number_of]
        t = (place - starts[number_of]) / lengths[number_of]
        # Catmull-Rom: the curve goes through its points. A closed one goes round; an open end is its own neighbour.
        share = 0.5 * np.array([-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2])
        closed = np.array_equal(control[first], control[first + many - 1])
        for offset, weight in zip((-1, 0, 1, 2), share, strict=True):
            place_of = at - first + offset
            place_of = place_of % (many - 1) if closed else np.clip(place_of, 0, many - 1)
            weights[row, first + place_of] += weight
    return control, weights


def _firsts(strokes: Sequence[NDArray[Any]]) -> list[tuple[int, NDArray[Any]]]:
    """Pair every stroke with the number of its first point among all."""
    firsts = np.cumsum([0, *(len(stroke) for stroke in strokes)])
    return [(int(first), stroke) for first, stroke in zip(firsts, strokes, strict=False)]


def _write(rng: np.random.Generator, count: int, control: NDArray[Any], weights: NDArray[Any]) -> NDArray[np.float32]:
    """Write a digit so many times, never twice alike: points of the pen, (count, points, 2)."""
    # Where strokes meet, the same point stands twice: both copies move by the same amount, or the digit falls apart.
    _, same = np.unique(control, axis=0, return_inverse=True)
    move = rng.normal(0, 0.05, (count, same.max() + 1, 2))[:, same]
    loose = rng.normal(0, 0.012, (count, len(control), 2))
    unit = np.sqrt(np.exp(rng.normal(0, 0.22, count)))
    shape = (control - 0.5 + move + loose) * np.stack([0.78 * unit, 1 / unit], -1)[:, None]
    written: NDArray[np.float32] = np.einsum("pm,nmc->npc", weights, shape, optimize=True).astype(np.float32)
    return written


def _slanted(rng: np.random.Generator, points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bend, slant and turn what is written."""
    count = len(points)
    x, y = points[..., 0], points[..., 1]

    def each(low: float, high: float) -> NDArray[Any]:
        return rng.uniform(low, high, (count, 1)).astype(np.float32)

    bent = x + each(-0.05, 0.05) * np.sin(each(2, 6) * y + each(0, 6.28))
    y = y + each(-0.05, 0.05) * np.sin(each(2, 6) * x + each(0, 6.28))
    y = y * (1 + each(-0.2, 0.2) * bent)
    slant = rng.normal(-0.18, 0.2, (count, 1)).astype(np.float32)
    x = bent * (1 + each(-0.22, 0.22) * y) + slant * y
    turn = rng.normal(0, 0.09, (count, 1)).astype(np.float32)
    return np.stack([np.cos(turn) * x - np.sin(turn) * y, np.sin(turn) * x + np.cos(turn) * y], -1)


def _placed(rng: np.random.Generator, points: NDArray[np.float32], pen: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale into a box of about 20 pixels, with the centre of mass near the middle; in pixels of the canvas."""
    extent = np.ptp(points, axis=1).max(axis=1)
    wanted = rng.uniform(17.5, 20.5, len(points)) - 2 * pen
    points = points * (wanted / extent)[:, None, None].astype(np.float32)
    middle = points.mean(axis=1, keepdims=True)
    shift = rng.normal(0, 0.75, middle.shape).astype(np.float32)
    placed: NDArray[np.float32] = points - middle + shift + np.float32((SIDE - 1) / 2 + _MARGIN)
    return placed


def _inked(rng: np.random.Generator, points: NDArray[np.float32], pen: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Let the pens run over their points: every pixel is as black as the nearest point says."""
    count = len(points)
    wide = SIDE + 2 * _MARGIN
    canvas = np.zeros((count, wide * wide), np.float32)
    near = np.arange(-_PEN + 1, _PEN, dtype=np.float32)
    pictures = (np.arange(count, dtype=np.int32) * (wide * wide))[:, None, None]
    window = (np.arange(1 - _PEN, _PEN)[:, None] * wide + np.arange(1 - _PEN, _PEN)).astype(np.int32)
    pressure = _pressure(rng, count) * pen[:, None] + np.float32(0.5)
    flat = canvas.ravel()
    limit = np.float32(wide - _PEN)
    for number in range(_POINTS):
        at = np.clip(points[:, number], _PEN, limit)
        nearest = np.rint(at)
        x, y = (near - (at - nearest)[:, axis, None] for axis in (0, 1))
        ink = np.sqrt(np.square(y)[:, :, None] + np.square(x)[:, None, :])
        np.subtract(pressure[:, number, None, None], ink, out=ink)
        corner = nearest.astype(np.int32)
        index = pictures + (corner[:, 1] * wide + corner[:, 0])[:, None, None] + window
        # One point a picture at a time: no pixel is written twice in one go.
        flat[index] = np.maximum(flat[index], ink)
    inner = canvas.reshape(count, wide, wide)[:, _MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    black = rng.uniform(225, 275, (count, 1, 1)).astype(np.float32)
    grey: NDArray[np.uint8] = np.clip(inner * black, 0, 255).astype(np.uint8)
    return grey


def _pressure(rng: np.random.Generator, count: int) -> NDArray[np.float32]:
    """How hard the pen is pressed along its way, around 1, (count, points)."""
    along = np.linspace(0, 1, _POINTS, dtype=np.float32)
    swing = rng.uniform(0, 0.22, (count, 1)).astype(np.float32)
    waves = rng.uniform(2, 12, (count, 1)).astype(np.float32)
    start = rng.uniform(0, 6.28, (count, 1)).astype(np.float32)
    pressure: NDArray[np.float32] = 1 + swing * np.sin(waves * along + start)
    return pressure
