"""A small colour picture for first steps: things that somebody has left in the street."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Field = NDArray[Any]

HEIGHT, WIDTH = 120, 180
_FINE = 2  # drawn twice as large in each direction, then averaged: edges are smooth

ASPHALT = (112, 112, 118)
KERB = (176, 172, 164)
GRASS = (74, 128, 52)
GLASS = (24, 122, 66)
PAPER = (238, 232, 214)
CUP = (232, 112, 22)
CAP = (36, 82, 200)


def draw_street(seed: int = 1) -> NDArray[np.uint8]:
    """Draw a bottle of green glass, an orange cup and a blue cap on asphalt, next to a lawn.

    Parameters
    ----------
    seed
        The same seed gives the same picture; another one, other grains of asphalt and blades of grass.

    Returns
    -------
    array
        One picture, (120, 180, 3), uint8: the channels are red, green and blue.
    """
    rng = np.random.default_rng([2024, seed])
    height, width = HEIGHT * _FINE, WIDTH * _FINE
    y, x = np.mgrid[0:height, 0:width] / _FINE
    picture = np.empty((height, width, 3))
    picture[:] = ASPHALT
    picture += rng.normal(0, 13, (height, width, 1))
    _lawn(rng, picture, x, y)
    _bottle(picture, x, y)
    _cup(picture, x, y)
    _cap(picture, x, y)
    mean = picture.reshape(HEIGHT, _FINE, WIDTH, _FINE, 3).mean(axis=(1, 3))
    pixels: NDArray[np.uint8] = np.clip(mean.round(), 0, 255).astype(np.uint8)
    return pixels


def _lawn(rng: np.random.Generator, picture: Field, x: Field, y: Field) -> None:
    edge = 88 + 0.03 * x
    kerb = (y > edge) & (y <= edge + 7)
    grass = y > edge + 7
    picture[kerb] = KERB + rng.normal(0, 5, (int(kerb.sum()), 1))
    blades = rng.normal(0, 20, picture.shape[:2]) + 12 * np.sin(0.9 * x + rng.uniform(0, 6, x.shape[1]))
    picture[grass] = GRASS + blades[grass][:, None] * (0.7, 1.0, 0.5)


def _turned(x: Field, y: Field, centre: tuple[float, float], angle: float) -> tuple[Field, Field]:
    """Give positions along and across an axis through `centre` (x, y)."""
    dx, dy = x - centre[0], y - centre[1]
    return dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)


def _shade(picture: Field, where: Field) -> None:
    picture[where] *= 0.55


def _bottle(picture: Field, x: Field, y: Field) -> None:
    along, across = _turned(x, y, (62, 46), -0.45)
    # Half the width of the bottle at each place: body, shoulder, neck, lip.
    half = np.interp(along, [-45, -43, 10, 24, 40, 40.5, 45], [10, 12, 12, 4.5, 4, 5.2, 5.2])
    inside = (np.abs(across) <= half) & (along >= -45) & (along <= 45)
    below, beside = _turned(x, y, (65, 52), -0.45)
    half_below = np.interp(below, [-45, -43, 10, 24, 45], [10, 12, 12, 4.5, 5])
    _shade(picture, (np.abs(beside) <= half_below) & (np.abs(below) <= 45) & ~inside)
    round_ = np.sqrt(np.clip(1 - (across / np.maximum(half, 1)) ** 2, 0, 1))
    picture[inside] = np.array(GLASS) * (0.45 + 0.65 * round_[inside])[:, None]
    label = inside & (np.abs(along + 16) < 13)
    picture[label] = np.array(PAPER) * (0.6 + 0.4 * round_[label])[:, None]
    stripe = label & (np.abs(along + 16) < 3)
    picture[stripe] = np.array(CAP) * (0.6 + 0.4 * round_[stripe])[:, None]
    gleam = inside & ~label & (np.abs(across + 0.45 * half) < 0.13 * half)
    picture[gleam] = (205, 240, 215)


def _cup(picture: Field, x: Field, y: Field) -> None:
    along, across = _turned(x, y, (136, 40), 1.2)
    half = np.interp(along, [-20, 20], [13, 9])
    inside = (np.abs(across) <= half) & (np.abs(along) <= 20)
    mouth = (along + 20) ** 2 / 16 + across**2 / 169 <= 1
    below, beside = _turned(x, y, (139, 45), 1.2)
    _shade(picture, (np.abs(beside) <= 11) & (np.abs(below) <= 21) & ~inside & ~mouth)
    picture[inside] = np.array(CUP) * (1.0 - 0.35 * ((across / half)[inside] + 1) / 2)[:, None]
    picture[mouth] = (96, 48, 18)


def _cap(picture: Field, x: Field, y: Field) -> None:
    inside = (x - 100) ** 2 + (y - 74) ** 2 <= 49
    _shade(picture, ((x - 102) ** 2 + (y - 77) ** 2 <= 49) & ~inside)
    picture[inside] = CAP
    picture[(x - 98.5) ** 2 + (y - 72.5) ** 2 <= 16] = (92, 138, 240)
