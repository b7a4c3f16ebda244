"""The cifar10 stand-in: ten kinds of things, each in many shapes, colours, poses and places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from coursekit.objects_bodies import BODIES
from coursekit.objects_camera import SIDE, View, draw, place
from coursekit.objects_scenery import draw_clutter, draw_scenes, draw_shadow, photograph

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

CLASSES = tuple(BODIES)

# Where each kind is met. Most places are shared, so that the colours around a thing hint at what it is and no more.
_PLACES: dict[str, dict[str, float]] = {
    "airplane": {"sky": 0.6, "field": 0.1, "road": 0.15, "plain": 0.15},
    "automobile": {"road": 0.62, "field": 0.16, "snow": 0.05, "plain": 0.17},
    "bird": {"sky": 0.15, "field": 0.2, "wood": 0.3, "pool": 0.13, "soil": 0.12, "plain": 0.1},
    "cat": {"room": 0.55, "soil": 0.12, "field": 0.12, "plain": 0.15, "road": 0.06},
    "deer": {"field": 0.45, "wood": 0.35, "snow": 0.1, "plain": 0.05, "soil": 0.05},
    "dog": {"room": 0.4, "field": 0.25, "soil": 0.08, "snow": 0.07, "plain": 0.12, "road": 0.08},
    "frog": {"soil": 0.45, "wood": 0.15, "pool": 0.12, "plain": 0.16, "room": 0.12},
    "horse": {"field": 0.5, "road": 0.18, "wood": 0.15, "soil": 0.1, "snow": 0.03, "plain": 0.04},
    "ship": {"water": 0.75, "pool": 0.15, "road": 0.02, "plain": 0.08},
    "truck": {"road": 0.66, "field": 0.14, "snow": 0.06, "plain": 0.14},
}
_MACHINES = {"automobile", "truck", "ship"}


def draw_objects(counts: Sequence[int], seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Draw coloured pictures of things.

    Parameters
    ----------
    counts
        How many pictures of each class, in the order of `CLASSES`; their order is random.
    seed
        The same numbers give the same pictures.

    Returns
    -------
    x
        Red, green and blue, (N, 32, 32, 3), uint8.
    y
        Labels, (N,), int64.
    """
    rng = np.random.default_rng([3232, abs(seed), seed < 0])
    y = rng.permutation(np.repeat(np.arange(len(counts), dtype=np.int64), counts))
    x = np.empty((len(y), SIDE, SIDE, 3), np.uint8)
    for number, name in enumerate(CLASSES):
        where = np.flatnonzero(y == number)
        if len(where):
            x[where] = _pictures(rng, len(where), name)
    return x, y


def _pictures(rng: np.random.Generator, count: int, name: str) -> NDArray[np.uint8]:
    shares = _PLACES[name]
    places = rng.choice(list(shares), count, p=list(shares.values()))
    canvas = draw_scenes(rng, places)
    draw_clutter(rng, canvas, 0.35, large=True)
    placed = place(BODIES[name](rng, count), _view(rng, count, name))
    aloft = np.isin(places, ("sky", "water", "pool"))
    draw_shadow(canvas, placed.box, np.where(aloft, 0, rng.uniform(0.1, 0.6, count)))
    draw(canvas, placed)
    draw_clutter(rng, canvas, 0.12, large=False)
    return photograph(rng, canvas)


def _view(rng: np.random.Generator, count: int, name: str) -> View:
    """Choose where each picture is taken from: from the side mostly, from a little above."""
    turned = rng.normal(0, 0.5, count)
    yaw = np.where(rng.random(count) < 0.5, 0, np.pi) + turned
    pitch = rng.uniform(0.0, 0.4, count)
    roll = rng.normal(0, 0.05, count)
    if name == "airplane":
        yaw, pitch, roll = rng.uniform(0, 2 * np.pi, count), rng.normal(0.1, 0.4, count), rng.normal(0, 0.25, count)
    elif name == "frog":
        yaw, pitch = rng.uniform(0, 2 * np.pi, count), rng.uniform(0.1, 1.1, count)
    elif name == "bird":
        yaw, roll = rng.uniform(0, 2 * np.pi, count), rng.normal(0, 0.15, count)
    elif name in _MACHINES:
        yaw = np.where(rng.random(count) < 0.5, 0, np.pi) + rng.normal(0, 0.6, count)
    size = np.where(rng.random(count) < 0.15, rng.uniform(31, 40, count), rng.uniform(20, 31, count))
    around, height = rng.uniform(-1.1, 1.1, count), rng.uniform(0.4, 0.9, count)
    level = np.sqrt(1 - height**2)
    light = np.stack([level * np.sin(around), height, level * np.cos(around)], -1)
    return View(yaw, pitch, roll, size, _shift(rng, count, size), light)


def _shift(rng: np.random.Generator, count: int, size: NDArray[Any]) -> NDArray[Any]:
    """Move off the middle, small things farther than large ones; more stand low than high."""
    room = np.maximum(34 - size, 3)[:, None] / 2
    moved: NDArray[Any] = rng.normal((0, 0.15), (0.5, 0.42), (count, 2)) * room
    return moved
