"""The course's data folder as a candidate gets it: without the arrays on which models are judged."""

from __future__ import annotations

import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

from autograder.errors import AutograderError

_HOLDOUT = ("x_holdout.npy", "y_holdout.npy")


class DataFolderError(AutograderError):
    """A file of the data folder cannot be read; the message names it and the remedy."""


@dataclass(frozen=True)
class DataFolder:
    """
    A folder that holds, or leads to, the course's data.

    Attributes
    ----------
    path : str
        The folder, for ``COURSE_DATA``.
    readable : tuple of str
        What a confined kernel must be able to read for it: the folder, and where its links lead.
    """

    path: str
    readable: tuple[str, ...]


def without_holdout(folder: Path, to: Path) -> DataFolder:
    """
    Make a folder with links to everything in a data folder, and copies of what has a hold-out part, without that part.

    Parameters
    ----------
    folder : Path
        The data folder.
    to : Path
        A new folder, to be made.

    Raises
    ------
    DataFolderError
        An npz file cannot be read as one.
    """
    to.mkdir(parents=True)
    readable = [str(to)]
    for path in sorted(folder.iterdir()):
        if path.suffix == ".npz" and _has_holdout(path):
            _copy(path, to / path.name)
        else:
            target = path.resolve()
            (to / path.name).symlink_to(target)
            readable.append(str(target))
    return DataFolder(str(to), tuple(readable))


def _has_holdout(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name in _HOLDOUT for name in archive.namelist())
    except (OSError, zipfile.BadZipFile) as error:
        raise DataFolderError(f"{path} cannot be read as an npz file ({error}): remove it or write it anew.") from error


def _copy(path: Path, to: Path) -> None:
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(to, "w") as copied:
        for member in archive.infolist():
            if member.filename not in _HOLDOUT:
                with archive.open(member) as source, copied.open(member, "w", force_zip64=True) as target:
                    shutil.copyfileobj(source, target)
