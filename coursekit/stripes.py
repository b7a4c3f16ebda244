"""Pictures of stripes: the smallest task that one convolution kernel can learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SMALLEST = 12
_MARGIN = 3


def draw_stripes(count: int, size: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Draw pictures with upright (label 0) or lying (label 1) stripes; half of them each.

    Every picture has one to five stripes, all brighter or all darker than the ground, and a little noise. Both edges of
    every stripe lie inside the picture, so that neither the place nor the sign of the contrast tells the class.

    Parameters
    ----------
    count
        How many pictures; the odd one is upright.
    size
        Height and width in pixels, at least 12.
    seed
        The same seed gives the same pictures.

    Returns
    -------
    x
        Pictures, (count, size, size), float32 in [0, 1].
    y
        Labels, (count,), int64: 0 upright, 1 lying.

    Raises
    ------
    ValueError
        If `count` is negative or `size` is below 12.
    """
    if count < 0:
        raise ValueError(f"count must not be negative, it is {count}")
    if size < _SMALLEST:
        raise ValueError(f"size must be at least {_SMALLEST} pixels so that a stripe has room, it is {size}")
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(count, dtype=np.int64) % 2)
    profiles = _profiles(rng, count, size)
    x = np.repeat(profiles[:, None, :], size, axis=1)
    x[y == 1] = x[y == 1].transpose(0, 2, 1)
    x += rng.normal(0.0, 0.03, x.shape)
    return np.clip(x, 0.0, 1.0).astype(np.float32), y


def _profiles(rng: np.random.Generator, count: int, size: int) -> NDArray[Any]:
    """Grey levels across the stripes, (count, size)."""
    most = 5
    places = np.arange(size)
    # A stripe that is not wanted has no width: drawing the same number for every picture needs no loop.
    wanted = np.arange(most) < rng.integers(1, most + 1, (count, 1))
    width = rng.integers(1, max(2, size // 6) + 1, (count, most)) * wanted
    start = rng.integers(_MARGIN, size - _MARGIN - size // 6, (count, most))
    inside = (places >= start[..., None]) & (places < (start + width)[..., None])
    ground = rng.uniform(0.35, 0.65, (count, 1))
    contrast = rng.choice([-1.0, 1.0], (count, 1)) * rng.uniform(0.2, 0.35, (count, 1))
    profiles: NDArray[Any] = ground + contrast * inside.any(axis=1)
    return profiles
