"""The pictures of the course: read from a data folder, or drawn on the spot.

Two environment variables steer it: ``$COURSE_DATA`` is a folder with one ``<name>.npz`` a data set, and
``$COURSE_DATA_SOURCE`` (``real`` or ``standin``) pins the source. Without either, a data set that somebody has
downloaded (`coursekit.download`) is read from the cache; else the course works with no network and no files at all: a
stand-in is drawn.
"""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from zipfile import BadZipFile

import numpy as np

from coursekit import download
from coursekit.digits import draw_digits
from coursekit.litter import draw_litter
from coursekit.objects import CLASSES as OBJECTS
from coursekit.objects import draw_objects
from coursekit.parcels import CLASSES as KINDS
from coursekit.parcels import draw_parcels
from coursekit.runtime import MEASURING
from coursekit.stripes import draw_stripes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Pictures = NDArray[Any]
    Labels = NDArray[np.int64]
    Drawer = Callable[[Sequence[int], int], tuple[Pictures, Labels]]

__all__ = ["STAND_INS", "DataError", "Dataset", "Source", "holdout", "load", "prepare", "source", "stripes"]

Source = Literal["folder", "download", "stand-in"]

_HOLDOUT_SEED = 20_231_122


class DataError(Exception):
    """A data set that cannot be had; the message names the file and the remedy."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Pictures and labels of one data set, split in three.

    Pictures are raw: uint8 from 0 to 255, grey (N, 50, 50) for `litter`, grey (N, 28, 28) for `mnist`, red, green and
    blue (N, 32, 32, 3) for `cifar10`; for `parcels` uint16 heights in millimetres, (N, 48, 48). Labels are int64, (N,),
    and index `class_names`.
    """

    name: str
    source: Source
    x_train: Pictures
    y_train: Labels
    x_val: Pictures
    y_val: Labels
    x_test: Pictures
    y_test: Labels
    class_names: tuple[str, ...]


class _Split(NamedTuple):
    """How many pictures of each class a drawn split has, and the seed that draws it."""

    counts: tuple[int, ...]
    seed: int


class _StandIn(NamedTuple):
    """A data set that is drawn: by what, and how its splits look."""

    draw: Drawer
    train: _Split
    val: _Split
    test: _Split
    holdout: _Split


def _litter(counts: Sequence[int], seed: int) -> tuple[Pictures, Labels]:
    return draw_litter(sum(counts), counts[1], seed)


def _tens(pictures: int) -> tuple[int, ...]:
    return (pictures // 10,) * 10


# The seeds of the splits are all negative, those of the hold-out set never: no seed that a grader may choose draws a
# picture that somebody has trained on.
_STAND_INS = {
    # The shares of bottles are those of the set the lecture shows: 37 % in training and validation (56 of 150), 21 % in
    # the test split (32 of 150).
    "litter": _StandIn(
        draw=_litter,
        train=_Split((756, 444), -1),
        val=_Split((94, 56), -2),
        test=_Split((118, 32), -3),
        holdout=_Split((236, 64), _HOLDOUT_SEED),
    ),
    "mnist": _StandIn(
        draw=draw_digits,
        train=_Split(_tens(6000), -1),
        val=_Split(_tens(1000), -2),
        test=_Split(_tens(1000), -3),
        holdout=_Split(_tens(1000), _HOLDOUT_SEED),
    ),
    "cifar10": _StandIn(
        draw=draw_objects,
        train=_Split(_tens(5000), -1),
        val=_Split(_tens(1000), -2),
        test=_Split(_tens(1000), -3),
        holdout=_Split(_tens(1000), _HOLDOUT_SEED),
    ),
    "parcels": _StandIn(
        draw=draw_parcels,
        train=_Split((600, 1000, 400), -1),
        val=_Split((90, 150, 60), -2),
        test=_Split((90, 150, 60), -3),
        holdout=_Split((180, 300, 120), _HOLDOUT_SEED),
    ),
}


STAND_INS = tuple(_STAND_INS)
"""The data sets that can be drawn."""


class _Form(NamedTuple):
    """What the pictures of a known data set are like, wherever they come from."""

    shape: tuple[int, ...]
    dtype: str
    class_names: tuple[str, ...]


_FORMS = {
    "litter": _Form((50, 50), "uint8", ("no bottle", "bottle")),
    "mnist": _Form((28, 28), "uint8", tuple("0123456789")),
    "cifar10": _Form((32, 32, 3), "uint8", OBJECTS),
    "parcels": _Form((48, 48), "uint16", KINDS),
}
# What NumPy raises for a file that is empty, cut off, damaged, pickled or no npz at all.
_UNREADABLE = (OSError, EOFError, ValueError, TypeError, BadZipFile, zlib.error)


def load(name: str) -> Dataset:
    """Load a data set from the best source at hand, and say in one line which one it was.

    The arrays are the caller's own: writing to them changes nothing for the next call.

    Parameters
    ----------
    name
        The data set, such as ``"litter"``.

    Returns
    -------
    Dataset
        Raw pictures and integer labels for training, validation and test.

    Raises
    ------
    DataError
        If the data set is unknown, cannot be had from the pinned source, or its file is broken.
    """
    where = source(name)
    if where == "stand-in":
        dataset, remark = _from_stand_in(name), "drawn by the course's stand-in"
    else:
        dataset, remark = _from_file(name, where)
    sizes = f"{len(dataset.y_train)} training, {len(dataset.y_val)} validation and {len(dataset.y_test)} test pictures"
    print(f"{name}: {sizes} ({remark})")
    return dataset


def prepare(name: str) -> None:
    """Draw a stand-in's pictures for `load` now, so that this process and its forks need not draw them later.

    Hold-out pictures are not among them.

    Parameters
    ----------
    name
        One of `STAND_INS`.
    """
    _from_stand_in(name)


def source(name: str) -> Source:
    """Say which source `load` would use, without reading, drawing or fetching anything.

    Raises
    ------
    DataError
        If no source has this data set, or ``$COURSE_DATA_SOURCE`` asks for one that has not.
    """
    pinned = os.environ.get("COURSE_DATA_SOURCE", "")
    if pinned not in {"", "real", "standin"}:
        raise DataError(f"COURSE_DATA_SOURCE is {pinned!r}: set it to 'real' or 'standin', or unset it")
    if pinned == "standin":
        if name not in _STAND_INS:
            raise DataError(
                f"there is no stand-in for {name!r} (only for {', '.join(_STAND_INS)}): unset COURSE_DATA_SOURCE"
            )
        return "stand-in"
    path = _path(name)
    if path is not None and path.is_file():
        return "folder"
    if pinned == "real":
        if name in download.downloadable():
            return "download"
        wanted = "set COURSE_DATA to the folder that has" if path is None else f"there is no {path}: put there"
        raise DataError(
            f"COURSE_DATA_SOURCE is 'real', but {wanted} {name}.npz, or set COURSE_DATA_SOURCE to 'standin'"
        )
    # A folder that was named is the course's choice: what somebody downloaded for another one is not mixed with it.
    if path is None and name in download.downloadable() and download.is_cached(name):
        return "download"
    if name not in _STAND_INS:
        known = ", ".join(sorted(_FORMS))
        raise DataError(
            f"no source has {name!r}: put {name}.npz into the folder that COURSE_DATA names (known: {known})"
        )
    return "stand-in"


def holdout(name: str) -> tuple[Pictures, Labels]:
    """Give pictures that nobody has trained on, in the same raw form as `load`.

    Of real data these are ``x_holdout, y_holdout`` where the file has them, else its test split. The stand-in
    draws new ones from the integer ``$COURSE_HOLDOUT_SEED``, with the class shares of the test split: 300 for `litter`,
    600 for `parcels`, 1,000 for `mnist` and `cifar10`.

    A run that measures for the table of targets (`runtime.MEASURING`) is to show how much a result owes to which
    pictures were held out. Real ones are then drawn with replacement, as many as there are: Efron's bootstrap (1979).

    Returns
    -------
    x, y
        Raw pictures (N, ...) and int64 labels (N,).

    Raises
    ------
    DataError
        As `load`, and if ``$COURSE_HOLDOUT_SEED`` is not a whole number that is zero or more.
    """
    where = source(name)
    if where != "stand-in":
        path = _existing_path(name, where)
        arrays = _read(path)
        kind = "holdout" if "x_holdout" in arrays else "test"
        x, y = _split(name, path, arrays, kind)
        if not os.environ.get(MEASURING):
            return x, y
        drawn = np.random.default_rng(_holdout_seed(0)).integers(len(y), size=len(y))
        return x[drawn], y[drawn]
    split = _STAND_INS[name].holdout
    return _copied(name, split._replace(seed=_holdout_seed(split.seed)))


def stripes(count: int, *, size: int = 50, seed: int = 0) -> tuple[NDArray[np.float32], Labels]:
    """Draw pictures with upright (label 0) or lying (label 1) stripes: a task for one single kernel.

    Parameters
    ----------
    count
        How many pictures; half of them of each class.
    size
        Height and width in pixels.
    seed
        The same seed gives the same pictures.

    Returns
    -------
    x, y
        Pictures (count, size, size), float32 in [0, 1], and labels (count,), int64.

    Raises
    ------
    ValueError
        If `count` is negative or `size` is below 12.
    """
    return draw_stripes(count, size, seed)


def _holdout_seed(default: int) -> int:
    text = os.environ.get("COURSE_HOLDOUT_SEED", "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdecimal()):
        raise DataError(f"COURSE_HOLDOUT_SEED is {text!r}: set it to a whole number that is zero or more, or unset it")
    return int(text)


@lru_cache(maxsize=16)
def _drawn(name: str, split: _Split) -> tuple[Pictures, Labels]:
    return _STAND_INS[name].draw(*split)


def _copied(name: str, split: _Split) -> tuple[Pictures, Labels]:
    # What is drawn once is kept; a caller who writes into an array must not change what the next one gets.
    x, y = _drawn(name, split)
    return x.copy(), y.copy()


def _from_stand_in(name: str) -> Dataset:
    stand_in = _STAND_INS[name]
    x_train, y_train = _copied(name, stand_in.train)
    x_val, y_val = _copied(name, stand_in.val)
    x_test, y_test = _copied(name, stand_in.test)
    return Dataset(name, "stand-in", x_train, y_train, x_val, y_val, x_test, y_test, _FORMS[name].class_names)


def _path(name: str) -> Path | None:
    folder = os.environ.get("COURSE_DATA", "")
    if not folder:
        return None
    if not Path(folder).is_dir():
        raise DataError(f"COURSE_DATA is {folder!r}, which is not a folder: mend or unset it")
    return Path(folder) / f"{name}.npz"


def _existing_path(name: str, where: Source) -> Path:
    if where == "download":
        try:
            with download.shown() as progress:
                return download.fetch(name, progress)
        except download.DownloadError as error:
            raise DataError(f"{error} With COURSE_DATA_SOURCE=standin the course draws its own.") from error
    path = _path(name)
    if path is None:
        raise DataError(f"set COURSE_DATA to the folder that has {name}.npz")
    return path


def _read(path: Path) -> dict[str, Pictures]:
    try:
        # Opened here, because NumPy forgets to close a file that turns out to be no zip.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except _UNREADABLE as error:
        raise DataError(
            f"{path} cannot be read ({error}): replace it with a file that np.savez_compressed wrote"
        ) from error


def _split(name: str, path: Path, arrays: dict[str, Pictures], kind: str) -> tuple[Pictures, Labels]:
    """Take one split out of a file's arrays, checked."""
    missing = [key for key in (f"x_{kind}", f"y_{kind}") if key not in arrays]
    if missing:
        raise DataError(f"{path} has no {' and no '.join(missing)}: it needs x_train, y_train, x_test and y_test")
    x, y = arrays[f"x_{kind}"], arrays[f"y_{kind}"]
    if y.ndim != 1 or len(x) != len(y) or y.dtype.kind not in "iu":
        raise DataError(
            f"{path}: y_{kind} is {y.dtype} of shape {y.shape} for x_{kind} of shape {x.shape}: "
            "write one whole-number label a picture"
        )
    form = _FORMS.get(name)
    if form is not None and (x.dtype != form.dtype or x.shape[1:] != form.shape):
        wanted = ", ".join(map(str, ("N", *form.shape)))
        raise DataError(
            f"{path}: x_{kind} is {x.dtype} of shape {x.shape}: write it as {form.dtype} of shape ({wanted})"
        )
    if form is not None and len(y) and not 0 <= y.min() <= y.max() < len(form.class_names):
        raise DataError(
            f"{path}: y_{kind} goes from {y.min()} to {y.max()}: label the {len(form.class_names)} classes from 0"
        )
    return x, y.astype(np.int64)


def _from_file(name: str, where: Source) -> tuple[Dataset, str]:
    path = _existing_path(name, where)
    arrays = _read(path)
    x_train, y_train = _split(name, path, arrays, "train")
    x_test, y_test = _split(name, path, arrays, "test")
    remark = f"from {path.name} in the data folder" if where == "folder" else "downloaded"
    if "x_val" in arrays:
        x_val, y_val = _split(name, path, arrays, "val")
    else:
        kept = len(y_train) - len(y_train) // 10
        x_val, y_val = x_train[kept:], y_train[kept:]
        x_train, y_train = x_train[:kept], y_train[:kept]
        remark += "; it has no validation split: the last 10 % of its training pictures serve"
    names = _names(name, arrays, y_train)
    return Dataset(name, where, x_train, y_train, x_val, y_val, x_test, y_test, names), remark


def _names(name: str, arrays: dict[str, Pictures], y: Labels) -> tuple[str, ...]:
    if "class_names" in arrays:
        return tuple(str(text) for text in arrays["class_names"])
    if name in _FORMS:
        return _FORMS[name].class_names
    return tuple(str(label) for label in range(int(y.max(initial=-1)) + 1))
