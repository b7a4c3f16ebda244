"""
Litter with and without a bottle, cut from the photographs of TACO (Proença and Simões 2020, http://tacodataset.org).

TACO publishes annotations (COCO: a box around every piece of litter) and the addresses of the photographs. These are
fetched a few at a time with a pause after each; what was cut from one is kept, so that a broken run goes on.
"""

from __future__ import annotations

import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from coursekit.download import DownloadError, Published

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from PIL.Image import Image

    from coursekit.download import Answer, Arrays, Progress

    Pictures = NDArray[np.uint8]

SIDE = 50
AT_A_TIME = 2
PAUSE = 0.5
"""Seconds that each of the two connections waits after a photograph."""

_SMALLEST = 28  # pixels of a photograph that a crop must have on a side
_VIEWS = 2  # crops of one bottle, and crops without one of one photograph
_MOST_FAILED = 0.1
# The sizes and shares of the set that the lecture shows; less where there are not enough photographs left.
_WANTED = {"train": (756, 444), "val": (94, 56), "test": (118, 32)}
_TENTHS = {"train": range(8), "val": range(8, 9), "test": range(9, 10)}


ANNOTATIONS = Published(
    "https://raw.githubusercontent.com/pedropro/TACO/508da019a19be9ebcdacf164e2152444e57cd12c/data/annotations.json",
    "sha256:ac1ec605c9e1fcda767970de3457c69b4a43b62c02aca8c4c80f51d1b5ae8449",
)


class Box(NamedTuple):
    """A box in a photograph, in shares of its width and height."""

    left: float
    top: float
    wide: float
    high: float


class Photograph(NamedTuple):
    """A photograph: its number, address and shape (width by height), and boxes around bottles and other litter."""

    number: int
    url: str
    shape: float
    bottles: tuple[Box, ...]
    others: tuple[Box, ...]


class State(Enum):
    """What became of a photograph."""

    CUT = "cut"
    GONE = "gone"
    FAILED = "failed"


def photographs(annotations: Mapping[str, Any]) -> list[Photograph]:
    """
    Read COCO annotations.

    Raises
    ------
    KeyError, TypeError, ValueError, ZeroDivisionError
        When they are not such.
    """
    bottles = {each["id"] for each in annotations["categories"] if _is_bottle(each["name"])}
    boxes: dict[int, tuple[list[Box], list[Box]]] = {each["id"]: ([], []) for each in annotations["images"]}
    sizes = {each["id"]: (float(each["width"]), float(each["height"])) for each in annotations["images"]}
    for each in annotations["annotations"]:
        wide, high = sizes[each["image_id"]]
        left, top, across, down = (float(value) for value in each["bbox"])
        box = Box(left / wide, top / high, across / wide, down / high)
        boxes[each["image_id"]][0 if each["category_id"] in bottles else 1].append(box)
    return [
        Photograph(
            each["id"],
            each.get("flickr_640_url") or each["flickr_url"],
            sizes[each["id"]][0] / sizes[each["id"]][1],
            *(tuple(group) for group in boxes[each["id"]]),
        )
        for each in annotations["images"]
    ]


def _is_bottle(category: str) -> bool:
    words = category.lower().split()
    return "bottle" in words and "cap" not in words


def litter(
    annotations: Path,
    folder: Path,
    get: Callable[[str], Answer],
    progress: Progress = lambda *_: None,
    *,
    pause: float | None = None,
) -> Arrays:
    """
    Fetch TACO's photographs and cut litter with and without bottles from them.

    Parameters
    ----------
    annotations : Path
        TACO's ``annotations.json``.
    folder : Path
        Where crops are kept until all are there.
    get : callable
        Fetches an address.
    progress : callable
        Is told "photographs", how many are done, and how many there are.
    pause : float, optional
        Seconds to wait after a photograph; `PAUSE` where it is not given.

    Returns
    -------
    dict
        The arrays of the `litter` data set, and ``photographs``: how many were cut, and how many are gone.

    Raises
    ------
    DownloadError
        When the annotations are not such, too many photographs could not be fetched, or hardly any are left.
    """
    try:
        all_ = photographs(json.loads(annotations.read_text(encoding="utf-8")))
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise DownloadError(f"{annotations} are not TACO's annotations ({error!r}): remove the file.") from error
    folder.mkdir(parents=True, exist_ok=True)
    states = _fetch_all(all_, folder, get, progress, PAUSE if pause is None else pause)
    failed = states.count(State.FAILED)
    if failed > _MOST_FAILED * len(all_):
        raise DownloadError(
            f"{failed} of {len(all_)} photographs could not be fetched. Try again: the others are kept in {folder}."
        )
    arrays = _splits([photo for photo, state in zip(all_, states, strict=True) if state is State.CUT], folder)
    arrays["photographs"] = np.array([states.count(State.CUT), states.count(State.GONE)])
    return arrays


def _fetch_all(
    all_: Sequence[Photograph], folder: Path, get: Callable[[str], Answer], progress: Progress, pause: float
) -> list[State]:
    stopped = threading.Event()
    counting = threading.Lock()
    done = 0

    def fetch(photo: Photograph) -> State:
        nonlocal done
        state = _kept(photo, folder)
        if state is None:
            if stopped.is_set():
                return State.FAILED
            state = _fetch(photo, folder, get)
            stopped.wait(pause)
        with counting:
            done += 1
            progress("photographs", done, len(all_))
        return state

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        try:
            return list(pool.map(fetch, all_))
        finally:
            # After Ctrl-C the threads finish what they are at, and no more.
            stopped.set()


def _kept(photo: Photograph, folder: Path) -> State | None:
    if _file(photo, folder).is_file():
        return State.CUT
    return State.GONE if _file(photo, folder).with_suffix(".gone").exists() else None


def _file(photo: Photograph, folder: Path) -> Path:
    return folder / f"{photo.number}.npz"


def _fetch(photo: Photograph, folder: Path, get: Callable[[str], Answer]) -> State:
    from PIL import Image, UnidentifiedImageError
    from requests import RequestException

    try:
        answer = get(photo.url)
    except RequestException:
        return State.FAILED
    if answer.status in {404, 410}:
        _file(photo, folder).with_suffix(".gone").touch()
        return State.GONE
    if answer.status != 200:
        return State.FAILED
    try:
        with Image.open(io.BytesIO(answer.content), formats=("JPEG", "PNG")) as picture:
            with_bottle, without = crops(picture, photo)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return State.FAILED
    part = _file(photo, folder).with_suffix(".part")
    with part.open("wb") as file:
        np.savez_compressed(file, with_bottle=with_bottle, without=without)
    part.replace(_file(photo, folder))
    return State.CUT


def crops(picture: Image, photo: Photograph) -> tuple[Pictures, Pictures]:
    """
    Cut square grey pictures from a photograph.

    Parameters
    ----------
    picture : Image
        The photograph, of any size.
    photo : Photograph
        What is known of it.

    Returns
    -------
    with_bottle, without : ndarray
        (n, 50, 50), uint8. A bottle lies whole in its crop and fills much of it; no part of one is in the others.

    Raises
    ------
    ValueError
        The picture has another shape than the annotations say.
    """
    from PIL import ImageOps

    picture = ImageOps.exif_transpose(picture).convert("L")
    wide, high = picture.size
    if not 0.97 < (wide / high) / photo.shape < 1.03:
        raise ValueError(f"photograph {photo.number} is {wide} x {high}")
    rng = np.random.default_rng([1500, photo.number])
    bottles = [_pixels(box, wide, high) for box in photo.bottles]
    with_bottle = [
        square
        for left, top, right, low in bottles
        for _ in range(_VIEWS)
        if (square := _square(rng, (left, top, right, low), wide, high))
    ]
    others = [_pixels(box, wide, high) for box in photo.others]
    rng.shuffle(others)
    # Without other litter any piece of the ground will do, as large as a bottle would be cut.
    ground = [_somewhere(rng, wide, high) for _ in range(6)]
    without: list[tuple[int, int, int, int]] = []
    for place in (*others, *ground):
        square = _square(rng, place, wide, high)
        if len(without) < _VIEWS and square and not any(_overlap(square, bottle) for bottle in bottles):
            without.append(square)
    return _cut(picture, with_bottle), _cut(picture, without)


def _pixels(box: Box, wide: int, high: int) -> tuple[float, float, float, float]:
    left, top = box.left * wide, box.top * high
    return left, top, left + box.wide * wide, top + box.high * high


def _somewhere(rng: np.random.Generator, wide: int, high: int) -> tuple[float, float, float, float]:
    side = min(wide, high) * rng.uniform(0.1, 0.35)
    left, top = rng.uniform(0, wide - side), rng.uniform(0, high - side)
    return left, top, left + side, top + side


def _square(
    rng: np.random.Generator, box: tuple[float, float, float, float], wide: int, high: int
) -> tuple[int, int, int, int] | None:
    """Choose a square around a box, a little larger and off the middle; None where there is no room for it."""
    left, top, right, low = box
    longest = max(right - left, low - top)
    side = round(min(max(longest * rng.uniform(1.1, 1.6), _SMALLEST), wide, high))
    if side < longest:
        return None
    free_x, free_y = side - (right - left), side - (low - top)
    corner_x = round(np.clip(left - free_x * rng.uniform(0.2, 0.8), 0, wide - side))
    corner_y = round(np.clip(top - free_y * rng.uniform(0.2, 0.8), 0, high - side))
    # Litter that is a speck in the photograph would be a blot in the crop.
    return (corner_x, corner_y, corner_x + side, corner_y + side) if longest >= 0.7 * _SMALLEST else None


def _overlap(one: Sequence[float], other: Sequence[float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _cut(picture: Image, squares: Sequence[tuple[int, int, int, int]]) -> Pictures:
    from PIL.Image import Resampling

    # Resizing averages over as many pixels as fall on one.
    cut = [np.asarray(picture.resize((SIDE, SIDE), Resampling.BOX, box=square)) for square in squares]
    return np.stack(cut) if cut else np.empty((0, SIDE, SIDE), np.uint8)


def _splits(cut: Sequence[Photograph], folder: Path) -> Arrays:
    """Put crops together, no photograph in two splits, bottles as rare as in the lecture."""
    order = np.random.default_rng(640).permutation(len(cut))
    arrays: Arrays = {}
    for split, tenths in _TENTHS.items():
        groups: tuple[list[Pictures], list[Pictures]] = ([], [])
        for place, index in enumerate(order):
            if place % 10 in tenths:
                with np.load(_file(cut[index], folder), allow_pickle=False) as file:
                    groups[0].extend(file["without"])
                    groups[1].extend(file["with_bottle"])
        wanted = _WANTED[split]
        share = min(1.0, *(len(group) / count for group, count in zip(groups, wanted, strict=True)))
        counts = [int(share * count) for count in wanted]
        if min(counts) < 1:
            raise DownloadError(
                f"too few photographs of TACO are left for a {split} split of litter ({len(cut)} in all)."
            )
        rng = np.random.default_rng([640, counts[1]])
        pictures = [
            group[number]
            for group, count in zip(groups, counts, strict=True)
            for number in rng.permutation(len(group))[:count]
        ]
        mixed = rng.permutation(len(pictures))
        arrays[f"x_{split}"] = np.stack(pictures)[mixed]
        arrays[f"y_{split}"] = np.repeat(np.array([0, 1], np.uint8), counts)[mixed]
    return arrays
