"""The parcels stand-in: height maps of what passes under a depth sensor on a sorting belt.

One pixel is one square centimetre of the belt; its value is the height above the belt in millimetres, and 0 where the
sensor saw the belt or nothing at all. The belt has to carry one thing at a time: two that lie together must be parted
by hand, which is why they are a class of their own.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Field = NDArray[np.float32]

SIDE = 48
CLASSES = ("envelope", "parcel", "double")

_ENVELOPE, _PARCEL, _DOUBLE = range(3)
_TILE = 128
_CHUNK = 128
# What a thing may be, and how common each is, by what it has to pass for.
_FLAT, _PADDED, _BOX, _BAG, _TUBE = range(5)
_SHARES = {
    _ENVELOPE: (0.55, 0.45, 0.0, 0.0, 0.0),
    _PARCEL: (0.0, 0.0, 0.55, 0.37, 0.08),
    _DOUBLE: (0.16, 0.14, 0.44, 0.21, 0.05),
}


class _Things(NamedTuple):
    """One thing a picture, each an array (n, 1, 1): half lengths in pixels, height in millimetres, and its place."""

    kind: NDArray[np.int64]
    long: Field
    wide: Field
    high: Field
    angle: Field
    x: Field
    y: Field


def draw_parcels(counts: Sequence[int], seed: int) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
    """Draw height maps of envelopes, parcels, and doubles.

    Parameters
    ----------
    counts
        How many of each; their order is random.
    seed
        The same numbers give the same maps.

    Returns
    -------
    x
        Heights in millimetres, (N, 48, 48), uint16; 0 is the belt.
    y
        Labels, (N,), int64: 0 envelope, 1 parcel, 2 two things that touch or overlap.
    """
    rng = np.random.default_rng([4848, abs(seed), seed < 0])
    y = rng.permutation(np.repeat(np.arange(len(counts), dtype=np.int64), counts))
    x = np.empty((len(y), SIDE, SIDE), np.uint16)
    for start in range(0, len(y), _CHUNK):
        labels = y[start : start + _CHUNK]
        x[start : start + _CHUNK] = _sensed(rng, _scenes(rng, labels))
    return x, y


def _scenes(rng: np.random.Generator, labels: NDArray[np.int64]) -> Field:
    """Lay things on the belt: true heights, (n, 48, 48)."""
    first = _things(rng, labels)
    second = _beside(rng, first, _things(rng, labels))
    alone = (labels != _DOUBLE)[:, None, None]
    shift_x = rng.normal(0, 1.8, alone.shape) - np.where(alone, 0, (first.x + second.x) / 2)
    shift_y = rng.normal(0, 1.8, alone.shape) - np.where(alone, 0, (first.y + second.y) / 2)
    first = first._replace(x=(first.x + shift_x).astype(np.float32), y=(first.y + shift_y).astype(np.float32))
    second = second._replace(x=(second.x + shift_x).astype(np.float32), y=(second.y + shift_y).astype(np.float32))
    below, _ = _surface(rng, first)
    above, cover = _surface(rng, second)
    # What lies on something is lifted by it; a soft or leaning thing gives way, so that it is not lifted all the way.
    under = np.where(cover > 0.5, below, 0).max(axis=(1, 2), keepdims=True)
    overlap = ((cover > 0.5) & (below > 0)).sum(axis=(1, 2), keepdims=True)
    lifted = above + np.where(overlap > 20, rng.uniform(0.6, 1.0, under.shape) * under, 0) * cover
    both = np.maximum(below, lifted)
    heights: Field = np.where(alone, below, both).astype(np.float32)
    return heights


def _things(rng: np.random.Generator, labels: NDArray[np.int64]) -> _Things:
    count = len(labels)
    kind = np.empty(count, np.int64)
    for label, shares in _SHARES.items():
        where = labels == label
        kind[where] = rng.choice(len(shares), where.sum(), p=shares)
    soft = np.isin(kind, (_FLAT, _PADDED))
    long = np.where(soft, rng.uniform(8, 17, count), rng.uniform(6.5, 17, count))
    wide = long * np.where(soft, rng.uniform(0.55, 0.8, count), rng.uniform(0.5, 1.0, count))
    tube = kind == _TUBE
    wide = np.where(tube, rng.uniform(2.2, 4.5, count), wide)
    long = np.where(tube, rng.uniform(12, 18, count), long)
    # Of two that lie together neither is large: so that the covered area alone does not tell them from one.
    small = np.where(labels == _DOUBLE, rng.uniform(0.5, 0.85, count), 1.0)
    long, wide = np.maximum(long * small, 4.5), np.maximum(wide * small, 2.2)
    high = np.choose(
        kind,
        [
            rng.uniform(3, 14, count),
            rng.uniform(12, 45, count),
            np.exp(rng.uniform(np.log(14), np.log(260), count)),
            rng.uniform(28, 140, count),
            20 * wide,
        ],
    )
    angle = rng.uniform(0, np.pi, count)
    zero = np.zeros(count)
    return _Things(kind[:, None, None], *(_column(each) for each in (long, wide, high, angle, zero, zero)))


def _column(values: NDArray[Any]) -> Field:
    return values.astype(np.float32)[:, None, None]


def _beside(rng: np.random.Generator, first: _Things, second: _Things) -> _Things:
    """Move the second things against the first, or half onto them."""
    count = len(first.kind)
    # Some are the like of the first and lie flush with it: together they have the outline of one.
    twin = rng.random(first.angle.shape) < 0.25
    second = _Things(*(np.where(twin, getattr(first, name), getattr(second, name)) for name in _Things._fields))
    second = second._replace(high=second.high * _column(rng.uniform(0.9, 1.1, count)))
    # Most things on a belt lie along the same direction as what they touch.
    along = first.angle + rng.choice([0, np.pi / 2], count)[:, None, None] + rng.normal(0, 0.12, first.angle.shape)
    angle = np.where(twin, first.angle, np.where(rng.random(first.angle.shape) < 0.5, along, second.angle))
    direction = np.where(
        twin | (rng.random(first.angle.shape) < 0.5),
        first.angle + (np.pi / 2) * rng.integers(0, 4, first.angle.shape),
        rng.uniform(0, 2 * np.pi, first.angle.shape),
    )
    reach = _reach(first, direction - first.angle) + _reach(second, direction - angle)
    touching = reach * rng.uniform(0.82, 1.0, reach.shape) + rng.uniform(-1.0, 1.0, reach.shape)
    overlapping = reach * rng.uniform(0.25, 0.9, reach.shape)
    distance = np.where(rng.random(reach.shape) < 0.6, touching, overlapping)
    distance = np.where(twin, reach + rng.uniform(0.6, 1.6, reach.shape), distance)
    slide = np.where(twin, rng.uniform(-1, 1, reach.shape), rng.uniform(-0.5, 0.5, reach.shape) * first.wide)
    x = distance * np.cos(direction) - slide * np.sin(direction)
    y = distance * np.sin(direction) + slide * np.cos(direction)
    return second._replace(angle=angle.astype(np.float32), x=x.astype(np.float32), y=y.astype(np.float32))


def _reach(thing: _Things, direction: NDArray[Any]) -> NDArray[Any]:
    """Tell how far things reach from their centres in a direction relative to their own, in pixels."""
    reach: NDArray[Any] = np.abs(thing.long * np.cos(direction)) + np.abs(thing.wide * np.sin(direction))
    return reach


def _surface(rng: np.random.Generator, things: _Things) -> tuple[Field, Field]:
    """Heights of things that lie on the belt, and how much of every pixel they cover; both (n, 48, 48)."""
    grid = np.arange(SIDE, dtype=np.float32) - np.float32((SIDE - 1) / 2)
    x, y = grid[None, None, :] - things.x, grid[None, :, None] - things.y
    c, s = np.cos(things.angle), np.sin(things.angle)
    u, v = np.abs(c * x + s * y) / things.long, np.abs(c * y - s * x) / things.wide
    signed_u, signed_v = c * x + s * y, c * y - s * x
    soft = np.isin(things.kind, (_PADDED, _BAG))
    # Soft things have round corners: the edge is where u^p + v^p is 1.
    corner = np.where(soft, 9, 40)
    power = np.where(things.kind == _BAG, rng.uniform(2.6, 6, corner.shape), corner).astype(np.float32)
    inside = np.minimum((1 - u) * things.long, (1 - v) * things.wide)
    # No bag is a rectangle: its outline has two or three bulges.
    around = np.arctan2(signed_v / things.wide, signed_u / things.long)
    lobes = sum(_lean(rng, things, 0.22) * np.cos(many * around + _lean(rng, things, 3.1)) for many in (2, 3))
    bulge = np.where(things.kind == _BAG, 1 + lobes - 0.1, 1).astype(np.float32)
    rim = 1 - (np.minimum(u / bulge, 1.5) ** power + np.minimum(v / bulge, 1.5) ** power)
    cover = np.clip(np.minimum(inside, rim * things.wide / np.float32(2)) + np.float32(0.5), 0, 1)

    folds = _folds(rng, len(things.kind))
    dome = np.clip(1 - u * u, 0, 1) * np.clip(1 - v * v, 0, 1)
    # A few boxes lean on something, and a few have a step in their top: heights that vary do not make two things.
    most = np.where(rng.random(things.long.shape) < 0.2, 0.4, 0.04)
    tilt = _lean(rng, things, 1) * most * signed_u / things.long + _lean(rng, things, 1) * most * signed_v / things.wide
    step = np.where(rng.random(things.long.shape) < 0.2, rng.uniform(0.2, 0.6, things.long.shape), 0)
    tilt = tilt - step * (signed_u / things.long > rng.uniform(-0.4, 0.4, things.long.shape))
    humps = 1 + _lean(rng, things, 0.5) * np.cos(4 * signed_u / things.long + _lean(rng, things, 3.1))
    shapes = (
        (_FLAT, 0.75 + 0.35 * dome + 0.18 * folds),
        (_PADDED, 0.3 + 0.7 * np.sqrt(dome) + 0.14 * folds),
        (_BOX, 1 + tilt + 0.012 * folds),
        (_BAG, 0.25 + (0.75 * humps + 0.2 * folds) * np.sqrt(dome)),
        (_TUBE, 0.5 + 0.5 * np.sqrt(np.clip(1 - v * v, 0, 1))),
    )
    shape = np.zeros_like(cover)
    for kind, of_kind in shapes:
        np.copyto(shape, of_kind, where=things.kind == kind)
    heights: Field = np.maximum(things.high * shape, 2).astype(np.float32) * (cover > 0.5)
    return heights, cover.astype(np.float32)


def _lean(rng: np.random.Generator, things: _Things, most: float) -> Field:
    return rng.uniform(-most, most, things.long.shape).astype(np.float32)


def _folds(rng: np.random.Generator, count: int) -> Field:
    """Take wrinkles for every picture from the tile, turned and zoomed, (n, 48, 48)."""
    grid = np.arange(SIDE, dtype=np.float32)
    angle = _column(rng.uniform(0, 2 * np.pi, count))
    zoom = _column(rng.uniform(0.6, 1.6, count))
    left, top = _column(rng.uniform(500, 600, count)), _column(rng.uniform(500, 600, count))
    c, s = zoom * np.cos(angle), zoom * np.sin(angle)
    x, y = grid[None, None, :], grid[None, :, None]
    column = (c * x - s * y + left).astype(np.int32) & (_TILE - 1)
    row = (s * x + c * y + top).astype(np.int32) & (_TILE - 1)
    folds: Field = _wrinkles().ravel()[row * _TILE + column]
    return folds


@lru_cache(maxsize=1)
def _wrinkles() -> Field:
    """Draw a seamless tile of wrinkles, mean 0, standard deviation 1."""
    rng = np.random.default_rng(48)
    frequency = np.hypot(np.fft.fftfreq(_TILE)[:, None], np.fft.rfftfreq(_TILE)[None, :])
    spectrum = np.fft.rfft2(rng.standard_normal((_TILE, _TILE))) * np.exp(-np.square((frequency - 0.07) / 0.06))
    spectrum[0, 0] = 0
    tile = np.fft.irfft2(spectrum, (_TILE, _TILE))
    folds: Field = (tile / tile.std()).astype(np.float32)
    return folds


def _sensed(rng: np.random.Generator, heights: Field) -> NDArray[np.uint16]:
    """Measure heights as the sensor does: with noise, blind behind steep edges, and with specks that it misses."""
    noise = rng.standard_normal(heights.shape, np.float32)
    measured = heights + noise * (np.float32(0.8) + np.float32(0.008) * heights)
    # The light comes from the left: what lies to the right of a steep edge is in its shadow.
    drop = np.zeros_like(heights)
    drop[..., 1:] = heights[..., :-1] - heights[..., 1:]
    lost = (drop > 60) & (rng.random(heights.shape, np.float32) < 0.7)
    # Dark and shiny wrappings throw back so little light that many of their pixels are missed.
    blind = 0.002 + 0.07 * rng.random((len(heights), 1, 1)) ** 3
    lost |= rng.random(heights.shape, np.float32) < blind
    measured = np.where((heights > 0) & ~lost, np.maximum(np.rint(measured), 1), 0)
    return measured.astype(np.uint16)
