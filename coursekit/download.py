"""
The real data sets from the addresses where they were published, kept as one file each.

Nothing is fetched unless somebody asks for it::

    python -m coursekit.download mnist cifar10 litter

or sets ``COURSE_DATA_SOURCE=real`` and loads. A data set ends up as ``<name>.npz`` in the cache: the folder that
``$COURSE_CACHE`` names, else the user's cache folder. What broke off goes on where it stopped; what does not have the
published checksum is thrown away.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tarfile
import tempfile
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
from platformdirs import user_cache_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import requests
    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[Any]]
    Progress = Callable[[str, int, int], None]

__all__ = [
    "ARCHIVES",
    "Archive",
    "DownloadError",
    "Published",
    "cache_folder",
    "cached",
    "downloadable",
    "fetch",
    "is_cached",
]

USER_AGENT = "deep-learning-course (a course's download of a public data set)"
_TIMEOUT = (20, 60)  # seconds: to connect, and between two pieces
_PIECE = 1 << 16
_TRIES = 3
_GONE_ON = range(400, 500)
_BUSY = {408, 425, 429}


class DownloadError(Exception):
    """A data set that could not be fetched; the message says why and what to do."""


class Published(NamedTuple):
    """A published file: where it is, and its checksum as ``algorithm:hexadecimal``."""

    url: str
    checksum: str


class Archive(NamedTuple):
    """A published file that is a whole data set, and how the arrays are read from it."""

    file: Published
    read: Callable[[Path], Arrays]


class Answer(NamedTuple):
    """What a server sent."""

    content: bytes
    status: int


def cache_folder() -> Path:
    """Name the folder for downloads: ``$COURSE_CACHE``, else one in the user's cache folder."""
    folder = os.environ.get("COURSE_CACHE", "")
    return Path(folder) if folder else user_cache_path("deep-learning-course", appauthor=False)


def cached(name: str) -> Path:
    """Name the file of a downloaded data set, whether or not it is there."""
    return cache_folder() / f"{name}.npz"


def is_cached(name: str) -> bool:
    """Tell whether a data set has been downloaded; one that this process may not look for has not."""
    try:
        return cached(name).is_file()
    except OSError:
        return False


def _fetched() -> Path:
    """Name the folder for files as they were published; it is empty again when they have been read."""
    return cache_folder() / "published"


def downloadable() -> tuple[str, ...]:
    """Name the data sets that can be downloaded."""
    return (*ARCHIVES, "litter")


def fetch(name: str, progress: Progress = lambda *_: None) -> Path:
    """
    Download a data set unless it is in the cache.

    Parameters
    ----------
    name : str
        One of `downloadable`.
    progress : callable
        Is told what is fetched, how much of it is there, and how much there is in all (0: nobody knows).

    Returns
    -------
    Path
        The npz file in the cache.

    Raises
    ------
    DownloadError
        When it cannot be had; what has been fetched so far is kept for the next attempt.
    """
    if name not in downloadable():
        raise DownloadError(f"{name!r} cannot be downloaded; what can is {', '.join(downloadable())}.")
    path = cached(name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _only_one(path.with_suffix(".lock")):
            if not path.is_file():
                (_make_litter if name == "litter" else _make_from_archive)(path, progress)
    except OSError as error:
        raise DownloadError(
            f"{path} cannot be written ({error}): make room, or set COURSE_CACHE to another folder."
        ) from error
    return path


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    """Let two notebooks that want the same data set fetch it once."""
    from filelock import FileLock

    with FileLock(path):
        yield


def _make_from_archive(path: Path, progress: Progress) -> None:
    archive = ARCHIVES[path.stem]
    file = fetch_file(archive.file, progress)
    try:
        arrays = archive.read(file)
    except (ValueError, KeyError, EOFError, tarfile.TarError, BadZipFile) as error:
        raise DownloadError(f"{archive.file.url} has not the form it was published in ({error}).") from error
    _save(path, arrays)
    file.unlink()


def _make_litter(path: Path, progress: Progress) -> None:
    from coursekit import taco

    annotations = fetch_file(taco.ANNOTATIONS, progress)
    kept = _fetched() / "taco"
    with session() as web:
        _save(path, taco.litter(annotations, kept, lambda url: get(web, url), progress))
    shutil.rmtree(kept, ignore_errors=True)
    annotations.unlink()


def fetch_file(published: Published, progress: Progress) -> Path:
    """
    Fetch one file into the cache, going on where an earlier attempt stopped, and verify it.

    Raises
    ------
    DownloadError
        When the server does not give it, or gives another file.
    """
    import pooch
    from requests import RequestException

    pooch.get_logger().setLevel("WARNING")
    url, checksum = published
    name = url.rsplit("/", 1)[1]
    keeper = pooch.create(
        _fetched(), base_url="", registry={name: checksum}, urls={name: url}, retry_if_failed=_TRIES - 1
    )
    try:
        return Path(keeper.fetch(name, downloader=_Resuming(progress)))
    except RequestException as error:
        raise DownloadError(
            f"{url} could not be fetched ({error}). Try again: what is there is kept. Or put the data set's npz file "
            "into a folder and set COURSE_DATA to it."
        ) from error
    except ValueError as error:
        raise DownloadError(
            f"{url} sent a file without the published checksum {checksum}; it was thrown away. Try again later, or put "
            "the data set's npz file into a folder and set COURSE_DATA to it."
        ) from error


class _Resuming:
    """Fetches for pooch: into a file that stays when the connection breaks, and that the next attempt goes on with."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def __call__(self, url: str, output_file: str, _: object) -> None:
        part = Path(output_file).parent / f"{url.rsplit('/', 1)[1]}.part"
        with session() as web:
            self._receive(web, url, part)
        part.replace(output_file)

    def _receive(self, web: requests.Session, url: str, part: Path) -> None:
        there = part.stat().st_size if part.is_file() else 0
        # Never compressed on the way: lengths and ranges are those of the file itself.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={there}-"} if there else {})
        with web.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
            if there and response.status_code == 416:
                # Nothing follows: the part is the whole file, which its checksum will tell, or another one.
                return
            if response.status_code in _GONE_ON and response.status_code not in _BUSY:
                raise DownloadError(
                    f"{url} is not there ({response.status_code} {response.reason}). Put the data set's npz file into "
                    "a folder and set COURSE_DATA to it."
                )
            response.raise_for_status()
            if response.status_code != 206:
                there = 0
            total = there + int(response.headers.get("Content-Length", 0))
            with part.open("ab" if there else "wb") as file:
                for piece in response.iter_content(_PIECE):
                    there += file.write(piece)
                    self._progress(part.stem, there, total)


def session() -> requests.Session:
    """Open connections that say who is asking."""
    import requests

    web = requests.Session()
    web.headers["User-Agent"] = USER_AGENT
    return web


def get(web: requests.Session, url: str, largest: int = 30_000_000) -> Answer:
    """
    Fetch something small.

    Raises
    ------
    requests.RequestException
        When the connection fails.
    """
    with web.get(url, stream=True, timeout=_TIMEOUT) as response:
        content = b""
        for piece in response.iter_content(_PIECE):
            content += piece
            if len(content) > largest:
                return Answer(b"", 413)
        return Answer(content, response.status_code)


def _save(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write an npz file that is there whole or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _read_mnist(path: Path) -> Arrays:
    with np.load(path, allow_pickle=False) as file:
        return {key: file[key] for key in ("x_train", "y_train", "x_test", "y_test")}


def _read_cifar10(path: Path) -> Arrays:
    """Read the binary version: records of a label and 3,072 bytes, red, green and blue planes by rows."""
    names = {"train": [f"data_batch_{number}.bin" for number in range(1, 6)], "test": ["test_batch.bin"]}
    arrays: Arrays = {}
    with tarfile.open(path, "r:gz") as archive:
        for split, files in names.items():
            batches = [_records(archive, f"cifar-10-batches-bin/{file}") for file in files]
            records = np.concatenate(batches)
            arrays[f"x_{split}"] = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1).copy()
            arrays[f"y_{split}"] = records[:, 0].copy()
    return arrays


def _records(archive: tarfile.TarFile, name: str) -> NDArray[np.uint8]:
    member = archive.extractfile(name)
    if member is None:
        raise ValueError(f"{name} is no file")
    with member:
        return np.frombuffer(member.read(), np.uint8).reshape(-1, 1 + 3 * 32 * 32)


ARCHIVES = {
    # The checksum is the one that Keras verifies.
    "mnist": Archive(
        Published(
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
            "sha256:731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
        ),
        _read_mnist,
    ),
    # The version without pickles; the checksum stands on the data set's page.
    "cifar10": Archive(
        Published("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", "md5:c32a1d4ab5d03f1284b67883e8d87530"),
        _read_cifar10,
    ),
}


@contextmanager
def shown() -> Iterator[Progress]:
    """Show progress on standard error."""
    from rich import progress as rich
    from rich.console import Console

    columns = (rich.TextColumn("{task.description}"), rich.BarColumn(), rich.TextColumn("{task.percentage:3.0f} %"))
    with rich.Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total or None)
            bars.update(tasks[what], completed=done, total=total or None)

        yield show


def main(arguments: Sequence[str] | None = None) -> int:
    """Download the data sets that are named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m coursekit.download", description="Fetch the course's real data.")
    parser.add_argument("names", nargs="+", choices=downloadable(), metavar="NAME", help=", ".join(downloadable()))
    for name in dict.fromkeys(parser.parse_args(arguments).names):
        try:
            with shown() as progress:
                path = fetch(name, progress)
        except DownloadError as error:
            print(f"{name}: {error}", file=sys.stderr)
            return 1
        print(f"{name}: {path}")
    return 0


if __name__ == "__main__":
    # Run as a module, this file is not the one that others import: its errors would be of another class than theirs.
    sys.exit(import_module("coursekit.download").main())
