"""What litter lies on: asphalt, gravel, grass, sand, concrete, fallen leaves, with joints, kerbs and cracks.

Textures are drawn once, on tiles that repeat without a seam; a picture takes a piece of one, turned and zoomed.
Brightness is in [0, 1] throughout.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Field = NDArray[np.float32]

FINE = 100
"""Height and width of the canvas: two fine pixels for each pixel of the finished picture."""

_TILE = 512
_TEXTURE_SEED = 20


class Textures(NamedTuple):
    """Tiles of 512 x 512: grounds with mean 0 and standard deviation 1, and fields that bend and crease things."""

    asphalt: Field
    gravel: Field
    grass: Field
    sand: Field
    concrete: Field
    leaves: Field
    cloud: Field  # slow noise, mean 0, standard deviation 1
    crease_u: Field  # slopes of a crumpled sheet, -1 to 1
    crease_v: Field
    text: Field  # lines of print: 0 paper, 1 ink


GROUNDS = ("asphalt", "gravel", "grass", "sand", "concrete", "leaves")
_SHARES = (0.26, 0.13, 0.17, 0.14, 0.20, 0.10)


@lru_cache(maxsize=1)
def textures() -> Textures:
    """Draw the tiles; they are the same in every picture set."""
    rng = np.random.default_rng(_TEXTURE_SEED)
    crease_u, crease_v = _creases(rng)
    return Textures(
        asphalt=_asphalt(rng),
        gravel=_gravel(rng),
        grass=_grass(rng),
        sand=_sand(rng),
        concrete=_concrete(rng),
        leaves=_leaves(rng),
        cloud=_noise(rng, 1.6),
        crease_u=crease_u,
        crease_v=crease_v,
        text=_text(rng),
    )


def sample(tile: Field, u: Field, v: Field) -> Field:
    """Take a tile's values at places in tile pixels, wherever they lie."""
    rows = v.astype(np.int32) & (_TILE - 1)
    columns = u.astype(np.int32) & (_TILE - 1)
    return tile.ravel()[rows * _TILE + columns]


@lru_cache(maxsize=1)
def grid() -> tuple[Field, Field]:
    """Give the canvas coordinates (x to the right, y down) of every fine pixel, each (100, 100)."""
    y, x = np.mgrid[0:FINE, 0:FINE].astype(np.float32)
    return x, y


def draw_ground(rng: np.random.Generator) -> tuple[Field, str]:
    """Draw one ground, (100, 100), and say what it is."""
    kind = GROUNDS[rng.choice(len(GROUNDS), p=_SHARES)]
    canvas = _piece(rng, kind)
    if kind in {"concrete", "asphalt"} and rng.random() < (0.55 if kind == "concrete" else 0.12):
        _joints(rng, canvas)
    if kind in {"concrete", "asphalt"} and rng.random() < 0.2:
        _cracks(rng, canvas)
    if rng.random() < 0.16:
        _kerb(rng, canvas)
    if rng.random() < 0.3:
        _stains(rng, canvas)
    return canvas, kind


def _piece(rng: np.random.Generator, kind: str) -> Field:
    x, y = grid()
    angle, zoom = rng.uniform(0, 2 * np.pi), rng.uniform(0.7, 1.5)
    c, s = np.float32(zoom * np.cos(angle)), np.float32(zoom * np.sin(angle))
    left, top = rng.uniform(1000, 1000 + _TILE, 2).astype(np.float32)
    piece = sample(getattr(textures(), kind), c * x - s * y + left, s * x + c * y + top)
    contrast = rng.uniform(0.02, 0.055) if kind != "concrete" else rng.uniform(0.012, 0.035)
    piece *= np.float32(contrast)
    piece += np.float32(rng.uniform(0.27, 0.58))
    return piece


def _joints(rng: np.random.Generator, canvas: Field) -> None:
    """Lay slabs or bricks: every stone has its own grey, the joints are dark or filled with sand."""
    x, y = grid()
    angle = rng.uniform(0, np.pi)
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    high = rng.uniform(18, 55)
    wide = high * rng.choice([1.0, 2.0])
    u = (c * x + s * y + rng.uniform(500, 600)).astype(np.float32)
    v = (c * y - s * x + rng.uniform(500, 600)).astype(np.float32)
    row = np.floor(v / high)
    u += row * np.float32(wide * rng.choice([0.0, 0.5]))
    column = np.floor(u / wide)
    edge = np.minimum(
        np.minimum(u - column * wide, (column + 1) * wide - u), np.minimum(v - row * high, (row + 1) * high - v)
    )
    tone = np.sin(row * 127.1 + column * 311.7) * np.float32(rng.uniform(0.0, 0.05))
    joint = np.clip(rng.uniform(0.8, 2.0) + 0.5 - edge, 0, 1)
    canvas += tone
    canvas += joint * np.float32(rng.choice([-1, -1, 1]) * rng.uniform(0.08, 0.2))


def _cracks(rng: np.random.Generator, canvas: Field) -> None:
    x, y = grid()
    left, top = rng.uniform(0, _TILE, 2).astype(np.float32)
    level = sample(textures().cloud, x + left, y + top)
    canvas -= np.float32(rng.uniform(0.1, 0.2)) * np.clip(1 - np.abs(level - rng.uniform(-0.5, 0.5)) / 0.05, 0, 1)


def _kerb(rng: np.random.Generator, canvas: Field) -> None:
    """Put a step across the picture: another ground behind it, the stone's edge and its shadow between."""
    x, y = grid()
    angle = rng.uniform(0, 2 * np.pi)
    across = np.float32(np.cos(angle)) * (x - 49.5) + np.float32(np.sin(angle)) * (y - 49.5) - rng.uniform(8, 38)
    other = _piece(rng, GROUNDS[rng.choice(len(GROUNDS), p=_SHARES)])
    behind = np.clip(across + 0.5, 0, 1)
    canvas += behind * (other - canvas)
    width = rng.uniform(5, 16)
    stone = behind * np.clip(width - across, 0, 1)
    canvas += stone * (np.float32(rng.uniform(0.4, 0.75)) + 0.3 * (other - other.mean()) - canvas)
    shadow = np.clip(1 + across / rng.uniform(2, 8), 0, 1) * (1 - behind)
    canvas *= 1 - np.float32(rng.uniform(0.1, 0.5)) * shadow


def _stains(rng: np.random.Generator, canvas: Field) -> None:
    """Wet, oily or bleached patches."""
    x, y = grid()
    left, top = rng.uniform(0, _TILE, 2).astype(np.float32)
    level = sample(textures().cloud, 0.8 * x + left, 0.8 * y + top)
    patch = np.clip((level - rng.uniform(0.2, 1.2)) * rng.uniform(2, 8), 0, 1)
    canvas *= 1 + np.float32(rng.uniform(-0.35, 0.2)) * patch


def _unit(field: NDArray[Any]) -> Field:
    unit: Field = ((field - field.mean()) / field.std()).astype(np.float32)
    return unit


def _noise(rng: np.random.Generator, slope: float, finest: float = 0.0) -> Field:
    """Noise whose amplitude falls with frequency as ``f ** -slope``; `finest` (tile pixels) smooths it."""
    fy, fx = np.fft.fftfreq(_TILE)[:, None], np.fft.rfftfreq(_TILE)[None, :]
    frequency = np.hypot(fx, fy)
    frequency[0, 0] = 1.0
    gain = frequency**-slope * np.exp(-0.5 * (2 * np.pi * finest * frequency) ** 2)
    gain[0, 0] = 0.0
    spectrum = np.fft.rfft2(rng.standard_normal((_TILE, _TILE)))
    return _unit(np.fft.irfft2(spectrum * gain, (_TILE, _TILE)))


def _cells(rng: np.random.Generator, across: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Split the tile into about `across` x `across` irregular cells.

    Returns each pixel's cell number, its distance to the cell's centre, and how much farther the next centre is, both
    in tile pixels.
    """
    step = _TILE / across
    centre = (np.indices((across, across)) + rng.uniform(0.1, 0.9, (2, across, across))) * step
    y, x = np.mgrid[0:_TILE, 0:_TILE].astype(np.float32)
    row, column = (y / step).astype(int), (x / step).astype(int)
    best = np.full((_TILE, _TILE), np.inf, np.float32)
    second = best.copy()
    number = np.zeros((_TILE, _TILE), int)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            r, c = (row + down) % across, (column + right) % across
            dy = np.abs(y - centre[0][r, c])
            dx = np.abs(x - centre[1][r, c])
            distance = np.hypot(np.minimum(dy, _TILE - dy), np.minimum(dx, _TILE - dx)).astype(np.float32)
            nearer = distance < best
            second = np.where(nearer, best, np.minimum(second, distance))
            number = np.where(nearer, r * across + c, number)
            best = np.minimum(best, distance)
    return number, best, second - best


def _lit(height: NDArray[Any]) -> NDArray[Any]:
    """Shade a relief by its slope towards the upper left."""
    down: NDArray[Any] = np.roll(height, -1, 0) - np.roll(height, 1, 0)
    right: NDArray[Any] = np.roll(height, -1, 1) - np.roll(height, 1, 1)
    return down + 0.6 * right


def _asphalt(rng: np.random.Generator) -> Field:
    grain = _noise(rng, 0.1, 0.9)
    return _unit(grain + 1.2 * np.clip(grain - 1.5, 0, None) + 0.5 * _noise(rng, 1.3))


def _gravel(rng: np.random.Generator) -> Field:
    number, _, gap = _cells(rng, 52)
    tone = rng.uniform(-1, 1, number.max() + 1)[number]
    dome = np.clip(gap / 4, 0, 1)
    return _unit(0.9 * tone + 2.2 * dome + 1.2 * _lit(np.sqrt(dome)) + 0.25 * _noise(rng, 0.2))


def _grass(rng: np.random.Generator) -> Field:
    blades, steps = 7000, 60
    brightness = np.sort(rng.uniform(0, 1, blades) ** 1.3)
    angle = rng.uniform(0, 2 * np.pi, blades)[:, None] + rng.uniform(-1.2, 1.2, blades)[:, None] * np.linspace(
        0, 1, steps
    )
    length = rng.uniform(0.4, 1.0, blades)[:, None]
    x = rng.uniform(0, _TILE, blades)[:, None] + np.cumsum(np.cos(angle) * length, axis=1)
    y = rng.uniform(0, _TILE, blades)[:, None] + np.cumsum(np.sin(angle) * length, axis=1)
    tile = np.full((_TILE, _TILE), -0.2)
    shade = np.repeat(brightness[:, None], steps, axis=1)
    for right, down, light in ((0, 1, 0.55), (1, 0, 0.8), (0, 0, 1.0)):
        tile[(y + down).astype(int) % _TILE, (x + right).astype(int) % _TILE] = light * shade
    return _unit(tile + 0.12 * _noise(rng, 1.2))


def _sand(rng: np.random.Generator) -> Field:
    pebbles = np.clip(_noise(rng, 0.3, 2.0) - 2.0, 0, None)
    ripples = _lit(_noise(rng, 1.3, 3.0))
    return _unit(_noise(rng, 0.9) + 0.4 * _noise(rng, 0.0, 0.6) + 0.4 * _unit(ripples) + 1.6 * pebbles)


def _concrete(rng: np.random.Generator) -> Field:
    pores = np.clip(_noise(rng, 0.0, 1.3) - 2.2, 0, None)
    return _unit(_noise(rng, 1.2) + 0.5 * _noise(rng, 0.0, 0.5) - 3 * pores)


def _leaves(rng: np.random.Generator) -> Field:
    tile = -1.0 + 0.4 * _noise(rng, 0.6)
    y, x = np.mgrid[-24:25, -24:25].astype(np.float32)
    for top, left, angle, size, slim, tone in zip(
        rng.integers(0, _TILE, 1100),
        rng.integers(0, _TILE, 1100),
        rng.uniform(0, 2 * np.pi, 1100),
        rng.uniform(9, 22, 1100),
        rng.uniform(0.35, 0.7, 1100),
        rng.uniform(-1.0, 1.6, 1100),
        strict=True,
    ):
        u = (np.cos(angle) * x + np.sin(angle) * y) / size
        v = (np.cos(angle) * y - np.sin(angle) * x) / size
        inside = np.abs(v) < slim * (1 - u * u)
        rows, columns = (np.arange(49) + top) % _TILE, (np.arange(49) + left) % _TILE
        leaf = tone + 0.8 * v - 0.9 * (np.abs(v) < 0.06)
        patch = tile[np.ix_(rows, columns)]
        tile[np.ix_(rows, columns)] = np.where(inside, leaf, patch)
    return _unit(tile)


def _creases(rng: np.random.Generator) -> tuple[Field, Field]:
    """Slopes of a crumpled sheet: flat facets that meet in sharp edges, large ones broken into small ones."""
    large, _, large_gap = _cells(rng, 20)
    small, _, small_gap = _cells(rng, 44)
    folds = np.clip(1 - large_gap / 2, 0, 1) + 0.6 * np.clip(1 - small_gap / 1.5, 0, 1)
    slopes = []
    for _ in range(2):
        slope = 0.6 * rng.uniform(-1, 1, large.max() + 1)[large] + 0.4 * rng.uniform(-1, 1, small.max() + 1)[small]
        slope = slope + 0.35 * _noise(rng, 1.3, 2.0) + 0.6 * folds
        slopes.append(np.clip(slope, -1, 1).astype(np.float32))
    return slopes[0], slopes[1]


def _text(rng: np.random.Generator) -> Field:
    """Print as it looks from afar: lines of words, some large, some small."""
    tile = np.zeros((_TILE, _TILE), np.float32)
    top = 0
    while top < _TILE:
        high = int(rng.choice([3, 5, 8, 14, 26], p=[0.3, 0.25, 0.2, 0.15, 0.1]))
        left = int(rng.integers(0, 20))
        while left < _TILE:
            wide = int(rng.integers(2, 3 + high))
            if rng.random() < 0.75:
                tile[top : top + high, left : left + wide] = rng.uniform(0.5, 1.0)
            left += wide + int(rng.choice([1, 2, high]))
        top += high + int(rng.integers(2, 6 + high))
    return tile
