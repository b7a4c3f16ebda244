"""The litter stand-in: drawn pictures of litter on the street, with and without a bottle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from coursekit import litter_things as things
from coursekit.litter_ground import FINE, draw_ground, grid, sample, textures
from coursekit.litter_things import Light, Place

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from coursekit.litter_ground import Field

SIDE = FINE // 2


def draw_litter(count: int, bottles: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Draw pictures of litter, some of them with a bottle.

    Parameters
    ----------
    count
        How many pictures.
    bottles
        How many of them show a bottle; which ones is random.
    seed
        The same three numbers give the same pictures.

    Returns
    -------
    x
        Grey pictures, (count, 50, 50), uint8.
    y
        Labels, (count,), int64: 1 where there is a bottle.
    """
    rng = np.random.default_rng([1717, abs(seed), seed < 0])
    y = rng.permutation(np.arange(count) < bottles).astype(np.int64)
    x = np.empty((count, SIDE, SIDE), np.float32)
    for picture, label in zip(x, y, strict=True):
        canvas = _scene(rng, with_bottle=bool(label))
        picture[...] = canvas.reshape(SIDE, 2, SIDE, 2).mean(axis=(1, 3))
    return _photograph(rng, x), y


def _scene(rng: np.random.Generator, *, with_bottle: bool) -> Field:
    canvas, kind = draw_ground(rng)
    light = Light(
        angle=rng.uniform(0, 2 * np.pi),
        height=rng.uniform(0.45, 0.9),
        shadow=rng.uniform(0.1, 0.65),
        reach=rng.uniform(0.2, 1.0),
    )
    _scatter(rng, canvas, light, rng.choice([0, 1, 2], p=(0.5, 0.33, 0.17)))
    others = rng.choice([0, 1, 2], p=(0.8, 0.17, 0.03)) if with_bottle else rng.choice([0, 1, 2], p=(0.5, 0.44, 0.06))
    for number in range(others):
        _other(rng, canvas, light, _place(rng, 52.0 if with_bottle or number else 68.0, 42.0 if with_bottle else 34.0))
    if with_bottle:
        thing, length = things.bottle(rng)
        things.draw_lathe(rng, canvas, light, _place(rng, length * rng.uniform(95, 130), 11.0), thing)
    _scatter(rng, canvas, light, rng.choice([0, 1], p=(0.7, 0.3)))
    if kind == "grass" or rng.random() < 0.08:
        for _ in range(rng.integers(2, 7)):
            things.draw_blade(rng, canvas, light, _place(rng, rng.uniform(25, 60), 50.0))
    _shade(rng, canvas, light)
    return canvas


def _place(rng: np.random.Generator, size: float, spread: float) -> Place:
    """Put something within `spread` of the middle, turned at random."""
    dx, dy = rng.uniform(-spread, spread, 2)
    return Place(FINE / 2 + dx, FINE / 2 + dy, rng.uniform(0, 2 * np.pi), size)


def _other(rng: np.random.Generator, canvas: Field, light: Light, place: Place) -> None:
    """Draw some large litter that is no bottle."""
    kind = rng.choice(
        ["can", "cup", "jar", "branch", "sheet", "paper", "bag", "stone"],
        p=(0.09, 0.10, 0.04, 0.04, 0.38, 0.09, 0.19, 0.07),
    )
    if kind == "sheet":
        things.draw_sheet(rng, canvas, light, place._replace(size=place.size * rng.uniform(0.6, 1.1)))
    elif kind == "bag":
        things.draw_bag(rng, canvas, light, place._replace(size=place.size * rng.uniform(0.7, 1.1)))
    elif kind in {"paper", "stone"}:
        things.draw_lump(rng, canvas, light, place._replace(size=place.size * rng.uniform(0.5, 0.9)), kind)
    else:
        thing, length = {"can": things.can, "cup": things.cup, "jar": things.jar, "branch": things.branch}[kind](rng)
        things.draw_lathe(rng, canvas, light, place._replace(size=place.size * length * rng.uniform(0.9, 1.4)), thing)


def _scatter(rng: np.random.Generator, canvas: Field, light: Light, count: int) -> None:
    """Strew small things about."""
    for _ in range(count):
        kind = rng.choice(["leaf", "stone", "butt", "disc", "straw", "twig"], p=(0.32, 0.2, 0.16, 0.1, 0.06, 0.16))
        place = _place(rng, rng.uniform(6, 22), 50.0)
        if kind == "leaf":
            things.draw_leaf(rng, canvas, light, place._replace(size=rng.uniform(12, 32)))
        elif kind == "stone":
            things.draw_lump(rng, canvas, light, place, "stone")
        elif kind == "disc":
            things.draw_disc(rng, canvas, light, place._replace(size=rng.uniform(7, 15)))
        elif kind == "twig":
            things.draw_blade(rng, canvas, light, place._replace(size=rng.uniform(30, 90)))
        else:
            thing, length = things.butt(rng) if kind == "butt" else things.straw(rng)
            things.draw_lathe(rng, canvas, light, place._replace(size=90 * length), thing)


def _shade(rng: np.random.Generator, canvas: Field, light: Light) -> None:
    """Let the light fall off across the picture, and sometimes a tree or a person throw a shadow on it."""
    x, y = grid()
    ramp = (np.cos(light.angle) * (x - 49.5) + np.sin(light.angle) * (y - 49.5)) / 70
    canvas *= 1 + np.float32(rng.uniform(0, 0.25)) * ramp.astype(np.float32)
    if rng.random() < 0.15:
        left, top = rng.uniform(0, 512, 2).astype(np.float32)
        level = sample(textures().cloud, 0.5 * x + left, 0.5 * y + top) + ramp.astype(np.float32) * rng.uniform(-3, 3)
        canvas *= 1 - np.float32(rng.uniform(0.2, 0.55)) * np.clip(level * rng.uniform(2, 6), 0, 1)


def _photograph(rng: np.random.Generator, x: NDArray[Any]) -> NDArray[np.uint8]:
    """Take the photographs: lens blur, exposure, noise, eight bits."""
    count = len(x)
    blur = rng.uniform(0, 0.7, (count, 1, 1)).astype(np.float32)
    for axis in (1, 2):
        x += blur * (0.5 * (np.roll(x, 1, axis) + np.roll(x, -1, axis)) - x) * np.float32(0.6)
    x -= x.mean(axis=(1, 2), keepdims=True)
    contrast = np.exp(rng.normal(np.log(0.19), 0.18, (count, 1, 1)))
    x *= np.clip(contrast / (x.std(axis=(1, 2), keepdims=True) + 1e-3), 0.5, 3.2).astype(np.float32)
    x += np.clip(rng.normal(0.5, 0.09, (count, 1, 1)), 0.25, 0.75).astype(np.float32)
    noise = rng.standard_normal(x.shape, np.float32)
    x += noise * rng.uniform(0.0, 0.025, (count, 1, 1)).astype(np.float32)
    eight_bits: NDArray[np.uint8] = (np.clip(x, 0, 1) * 255 + 0.5).astype(np.uint8)
    return eight_bits
