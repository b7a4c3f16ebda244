"""Where bodies are: skies, fields, roads, waters, rooms; what stands behind and before them, and the light.

A scene is what is far (sky or wall), a ridge (hills, houses, hedges, furniture) and the ground. Brightness is from 0 to
1.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from coursekit.objects_camera import SIDE, Columns, Rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from coursekit.objects_camera import Field

    Palette = Sequence[tuple[float, float, float]]

_TILE = 128
_CLOUD, _GRAIN, _GRASS, _WAVES, _LEAVES = range(5)

_SKIES: Palette = (
    (0.45, 0.63, 0.86), (0.6, 0.74, 0.9), (0.75, 0.8, 0.86), (0.86, 0.87, 0.88), (0.35, 0.5, 0.75), (0.55, 0.58, 0.63),
    (0.85, 0.7, 0.58),
)  # fmt: skip
_GREENS: Palette = ((0.3, 0.42, 0.18), (0.42, 0.5, 0.24), (0.22, 0.33, 0.16), (0.52, 0.52, 0.28), (0.36, 0.47, 0.22))
_DARK_GREENS: Palette = ((0.16, 0.24, 0.13), (0.22, 0.3, 0.16), (0.12, 0.17, 0.1), (0.3, 0.34, 0.2))
_GREYS: Palette = ((0.45, 0.45, 0.46), (0.58, 0.57, 0.56), (0.34, 0.34, 0.36), (0.66, 0.64, 0.6))
_EARTHS: Palette = ((0.46, 0.36, 0.26), (0.6, 0.5, 0.36), (0.35, 0.28, 0.2), (0.7, 0.62, 0.48), (0.42, 0.4, 0.3))
_WATERS: Palette = (
    (0.22, 0.36, 0.5), (0.3, 0.45, 0.55), (0.36, 0.42, 0.44), (0.2, 0.4, 0.45), (0.5, 0.58, 0.64), (0.14, 0.25, 0.38),
)  # fmt: skip
_WALLS: Palette = (
    (0.75, 0.7, 0.62), (0.85, 0.83, 0.8), (0.55, 0.35, 0.28), (0.4, 0.45, 0.55), (0.3, 0.25, 0.22), (0.62, 0.55, 0.45),
    (0.5, 0.2, 0.2), (0.2, 0.2, 0.22),
)  # fmt: skip
_PLAIN: Palette = (
    (0.96, 0.96, 0.96), (0.9, 0.9, 0.9), (0.08, 0.08, 0.08), (0.5, 0.5, 0.52), (0.75, 0.72, 0.68), (0.4, 0.5, 0.6),
)  # fmt: skip


class _Place(NamedTuple):
    """A kind of scene: colours, how high the ground reaches (rows from the top), and what everything is made of."""

    far: Palette
    ridge: Palette
    ground: Palette
    horizon: tuple[float, float]
    ridge_rows: tuple[float, float]
    far_texture: tuple[int, float]
    ridge_texture: tuple[int, float]
    ground_texture: tuple[int, float]


# fmt: off
_PLACES = {
    "sky": _Place(_SKIES, _DARK_GREENS, _GREENS, (31, 60), (0, 4), (_CLOUD, 0.06), (_LEAVES, 0.04), (_GRASS, 0.04)),
    "field": _Place(_SKIES, _DARK_GREENS, _GREENS, (2, 20), (0, 14), (_CLOUD, 0.05), (_LEAVES, 0.07), (_GRASS, 0.06)),
    "road": _Place(
        _SKIES, (*_GREYS, *_DARK_GREENS, *_WALLS), (*_GREYS, *_EARTHS), (8, 22), (0, 14), (_CLOUD, 0.04),
        (_GRAIN, 0.07), (_GRAIN, 0.04)
    ),
    "water": _Place(
        _SKIES, (*_DARK_GREENS, *_GREYS), _WATERS, (6, 22), (-1, 5), (_CLOUD, 0.05), (_LEAVES, 0.04), (_WAVES, 0.06)
    ),
    "pool": _Place(_WATERS, _GREENS, _WATERS, (-20, 2), (0, 3), (_WAVES, 0.05), (_LEAVES, 0.06), (_WAVES, 0.06)),
    "room": _Place(
        _WALLS, _WALLS, (*_WALLS, *_EARTHS), (4, 26), (0, 12), (_CLOUD, 0.03), (_GRAIN, 0.04), (_GRAIN, 0.03)
    ),
    "wood": _Place(
        _DARK_GREENS, _DARK_GREENS, (*_GREENS, *_EARTHS), (14, 34), (0, 12), (_LEAVES, 0.1), (_LEAVES, 0.08),
        (_GRASS, 0.07),
    ),
    "snow": _Place(
        _SKIES, (*_DARK_GREENS, *_GREYS), ((0.85, 0.87, 0.9), (0.75, 0.78, 0.83)), (4, 18), (0, 10), (_CLOUD, 0.03),
        (_LEAVES, 0.07), (_GRAIN, 0.03)
    ),
    "soil": _Place(
        _EARTHS, _GREENS, (*_EARTHS, *_GREENS, *_DARK_GREENS), (-20, 6), (0, 4), (_LEAVES, 0.07), (_LEAVES, 0.06),
        (_LEAVES, 0.08),
    ),
    "plain": _Place(_PLAIN, _PLAIN, _PLAIN, (14, 60), (0, 0), (_CLOUD, 0.01), (_CLOUD, 0.01), (_GRAIN, 0.01)),
}
# fmt: on


def draw_scenes(rng: np.random.Generator, kinds: NDArray[Any]) -> Field:
    """Draw a scene of each of these kinds, (n, 3, 32 * 32)."""
    count = len(kinds)
    canvas = np.empty((count, 3, SIDE * SIDE), np.float32)
    for kind, place in _PLACES.items():
        where = np.flatnonzero(kinds == kind)
        if len(where):
            canvas[where] = _scene(rng, len(where), place)
    return canvas


def _column(values: Any) -> Field:
    column: Field = np.asarray(values, np.float32)[:, None]
    return column


def _scene(rng: np.random.Generator, count: int, place: _Place) -> Field:
    horizon = _column(rng.uniform(*place.horizon, count))
    tilt = _column(rng.normal(0, 0.03, count))
    edge = horizon + tilt * (Columns - SIDE / 2)
    # The ridge's outline is a line of noise: rolling hills and treetops, or the steps of houses.
    outline = _texture(rng, count, _CLOUD, rows=False)
    steps = np.floor(2.2 * outline) / 2.2
    outline = np.where(_column(rng.random(count) < 0.4), steps, outline)
    rows = _column(rng.uniform(*place.ridge_rows, count))
    top = edge - np.maximum(rows * (1 + 0.5 * outline), 0)
    is_ridge = np.clip(Rows - top + np.float32(0.5), 0, 1)
    is_ground = np.clip(Rows - edge + np.float32(0.5), 0, 1)
    scene = np.empty((count, 3, SIDE * SIDE), np.float32)
    layers = []
    for palette, (texture, strength), fall in (
        (place.far, place.far_texture, 0.2),
        (place.ridge, place.ridge_texture, 0.05),
        (place.ground, place.ground_texture, 0.25),
    ):
        colour = np.asarray(palette)[rng.integers(len(palette), size=count)] + rng.normal(0, 0.04, (count, 3))
        level = _texture(rng, count, texture) * _column(strength * rng.uniform(0.4, 1.6, count))
        level += _column(rng.normal(0, fall, count)) * ((Rows - SIDE / 2) / SIDE)
        layers.append((colour.astype(np.float32), 1 + 1.6 * level))
    for channel in range(3):
        far, ridge, ground = (colour[:, channel, None] * level for colour, level in layers)
        plane = far + is_ridge * (ridge - far)
        scene[:, channel] = plane + is_ground * (ground - plane)
    return scene


def _texture(rng: np.random.Generator, count: int, which: int, *, rows: bool = True) -> Field:
    """Take a piece of a tile for every picture, zoomed; without `rows` all rows are alike."""
    zoom = _column(rng.uniform(0.7, 1.8, count))
    left, top = _column(rng.uniform(0, _TILE, count)), _column(rng.uniform(0, _TILE, count))
    column = (zoom * Columns + left).astype(np.int32) & (_TILE - 1)
    row = (zoom * (Rows if rows else 0 * Rows) + top).astype(np.int32) & (_TILE - 1)
    piece: Field = _tiles()[which].ravel()[row * _TILE + column]
    return piece


@lru_cache(maxsize=1)
def _tiles() -> Field:
    """Draw the seamless tiles, (5, 128, 128), mean 0 and standard deviation 1; the same in every picture set."""
    rng = np.random.default_rng(32)
    down, right = np.fft.fftfreq(_TILE)[:, None], np.fft.rfftfreq(_TILE)[None, :]
    even = np.maximum(np.hypot(down, right), 1 / _TILE)
    gains = (
        even**-1.7,
        even**-0.3,
        np.maximum(np.hypot(0.3 * down, right), 1 / _TILE) ** -0.8 * np.exp(-np.square(4 * even)),
        np.maximum(np.hypot(down, 3.0 * right), 1 / _TILE) ** -1.1 * np.exp(-np.square(3 * even)),
        np.exp(-np.square((even - 0.09) / 0.07)) + 0.02 * even**-1.2,
    )
    tiles = np.empty((len(gains), _TILE, _TILE), np.float32)
    for tile, gain in zip(tiles, gains, strict=True):
        spectrum = np.fft.rfft2(rng.standard_normal((_TILE, _TILE))) * gain
        spectrum[0, 0] = 0
        noise = np.fft.irfft2(spectrum, (_TILE, _TILE))
        tile[...] = noise / noise.std()
    return tiles


def draw_shadow(canvas: Field, box: Field, strength: NDArray[Any]) -> None:
    """Darken the ground below what stands there: `box` is its left, right, top and low side in pixels, (n, 4)."""
    left, right, _, low = (_column(side) for side in box.T)
    across = (Columns - (left + right) / 2) / (0.45 * (right - left) + 1)
    down = (Rows - low + 1) / np.maximum(0.09 * (right - left), 1.3)
    dark = np.clip(1.4 - (across * across + down * down), 0, 1) * _column(strength)
    canvas *= 1 - dark[:, None]


def draw_clutter(rng: np.random.Generator, canvas: Field, share: float, *, large: bool) -> None:
    """Put posts, trunks, people, blades of grass across some pictures: upright bars with soft ends, of any colour."""
    count = len(canvas)
    chosen = _column(rng.random(count) < share)
    wide = _column(rng.uniform(0.4, 2.6 if large else 1.1, count))
    middle, slope = _column(rng.uniform(0, SIDE, count)), _column(rng.normal(0, 0.22, count))
    top = _column(np.where(rng.random(count) < 0.5, -5, rng.uniform(4, 24, count)))
    bottom = top + _column(rng.uniform(8, 36, count))
    distance = np.abs(Columns - middle - slope * (Rows - SIDE / 2))
    cover = np.clip(wide + 0.5 - distance, 0, 1) * np.clip(Rows - top, 0, 1) * np.clip(bottom - Rows, 0, 1) * chosen
    colours = (*_DARK_GREENS, *_GREYS, *_EARTHS, *_WALLS, *_GREENS)
    colour = np.asarray(colours, np.float32)[rng.integers(len(colours), size=count)]
    for channel in range(3):
        canvas[:, channel] += cover * (colour[:, channel, None] - canvas[:, channel])


def photograph(rng: np.random.Generator, canvas: Field) -> NDArray[np.uint8]:
    """Expose pictures (n, 3, 32 * 32): light, contrast and tint of the day, a lens that is not quite sharp, noise."""
    count = len(canvas)
    pictures = canvas.reshape(count, 3, SIDE, SIDE)
    padded = np.pad(pictures, ((0, 0), (0, 0), (1, 1), (1, 1)), "edge")
    blurred = padded[:, :, :-2] + 2 * padded[:, :, 1:-1] + padded[:, :, 2:]
    blurred = (blurred[..., :-2] + 2 * blurred[..., 1:-1] + blurred[..., 2:]) / 16

    def each(values: Any) -> Field:
        return np.asarray(values, np.float32).reshape(count, -1, 1, 1)

    soft = each(rng.uniform(0.1, 0.6, count))
    pictures = pictures + soft * (blurred - pictures)
    middle = pictures.mean(axis=(1, 2, 3), keepdims=True)
    pictures = middle + each(rng.uniform(0.85, 1.3, count)) * (pictures - middle)
    pictures *= each(np.exp(rng.normal(0, 0.12, count))) * each(np.exp(rng.normal(0, 0.03, (count, 3))))
    grain = rng.standard_normal((count, 1, SIDE, SIDE), np.float32)
    coloured_grain = rng.standard_normal(pictures.shape, np.float32)
    pictures += each(rng.uniform(0.005, 0.022, count)) * (grain + 0.5 * coloured_grain)
    exposed: NDArray[np.uint8] = np.clip(pictures * 255, 0, 255).astype(np.uint8).transpose(0, 2, 3, 1).copy()
    return exposed
