"""
How a notebook runs: reproducibly, and as large as the machine allows.

The variable ``COURSE_PROFILE`` says what the machine is: ``cpu`` (the default, two cores, a minute or so a notebook) or
``gpu`` (full size). A notebook asks :func:`budget` for its numbers of epochs and pictures and is otherwise the same.
"""

from __future__ import annotations

import os
import random
import sys
from typing import Literal, TypeVar

import numpy as np

__all__ = ["MEASURING", "SEED_OFFSET", "Profile", "budget", "profile", "seed_everything"]

Profile = Literal["cpu", "gpu"]
T = TypeVar("T")

SEED_OFFSET = "COURSE_SEED_OFFSET"
"""Variable with a number that is added to every seed: the same notebook, with other random numbers."""

MEASURING = "COURSE_MEASURING"
"""Variable that is set in runs that measure what solutions reach: nothing is asked there, and all is told."""

_VARIABLE = "COURSE_PROFILE"
_PROFILES: tuple[Profile, ...] = ("cpu", "gpu")
_LARGEST_SEED = 2**32 - 1  # NumPy takes no larger one


def seed_everything(seed: int = 1) -> None:
    """
    Start every random number generator of the course at the same place.

    Seeds Python and NumPy, and Keras with TensorFlow where the notebook has imported Keras: call it after the imports.
    A notebook that needs no Keras does not pay for loading it.

    Parameters
    ----------
    seed : int
        Any whole number from 0 to 4,294,967,295. The same seed gives the same random numbers.

    Raises
    ------
    ValueError
        When the seed is no whole number or out of that range.
    """
    if type(seed) is not int or not 0 <= seed <= _LARGEST_SEED:
        raise ValueError(f"The seed must be a whole number from 0 to {_LARGEST_SEED:,}, not {seed!r}.")
    seed = (seed + int(os.environ.get(SEED_OFFSET, "0"))) % (_LARGEST_SEED + 1)
    random.seed(seed)
    np.random.seed(seed)
    keras = sys.modules.get("keras")
    if keras is not None:
        keras.utils.set_random_seed(seed)


def profile() -> Profile:
    """
    Tell which machine the notebook is to run on.

    Returns
    -------
    "cpu" or "gpu"
        The value of ``COURSE_PROFILE``; ``"cpu"`` where the variable is not set.

    Raises
    ------
    ValueError
        When the variable has any other value.
    """
    value = os.environ.get(_VARIABLE, "cpu")
    if value not in _PROFILES:
        allowed = " or ".join(_PROFILES)
        raise ValueError(f"{_VARIABLE} is {value!r}; allowed is {allowed}. Without it the course runs as for a cpu.")
    return value


def budget(*, cpu: T, gpu: T) -> T:
    """
    Choose between a small and a full-size value, by the profile in use.

    Parameters
    ----------
    cpu, gpu : any
        The value for either profile, a number of epochs for instance.

    Examples
    --------
    >>> epochs = budget(cpu=12, gpu=30)
    """
    return cpu if profile() == "cpu" else gpu
