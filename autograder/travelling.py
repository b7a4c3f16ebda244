"""
A data folder that travels: what it holds, read where it is, and written anew where it is needed.

Whether a folder is still what it was is told by names, sizes and times alone; what travels is known by its content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from autograder.errors import AutograderError

LARGEST = 2**30
"""Bytes of a folder that travels; each worker holds it in memory for a while."""


class TooLargeError(AutograderError):
    """A data folder is too large to be sent; the message says what to do."""


@dataclass(frozen=True)
class Piece:
    """
    A file of a data folder.

    Attributes
    ----------
    name : str
        Its path within the folder.
    path : Path
        Where it is.
    """

    name: str
    path: Path

    @cached_property
    def content(self) -> bytes:
        """What is in it."""
        return self.path.read_bytes()

    @property
    def digest(self) -> str:
        """Identify its content."""
        return hashlib.sha256(self.content).hexdigest()


def state(folder: Path) -> str:
    """Identify what a data folder holds, without reading it: another state is another folder, or was changed."""
    digest = hashlib.sha256()
    for name, path in _files(folder):
        facts = path.stat()
        digest.update(f"{name}\0{facts.st_size}\0{facts.st_mtime_ns}\0".encode())
    return digest.hexdigest()


def pieces(folder: Path) -> list[Piece]:
    """
    Give the files of a data folder.

    Raises
    ------
    TooLargeError
        They are too large to be sent.
    """
    found = [Piece(name, path) for name, path in _files(folder)]
    size = sum(piece.path.stat().st_size for piece in found)
    if size > LARGEST:
        raise TooLargeError(
            f"{folder} is too large to be sent to workers ({size / 2**30:.1f} GiB). Set COURSE_DATA for the workers to "
            "a copy, or put the data where they see them under the same path."
        )
    return found


def lay_out(names: Iterable[str], contents: Iterable[bytes], folder: Path) -> None:
    """Write files into a new folder."""
    folder.mkdir(parents=True)
    for name, content in zip(names, contents, strict=True):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Find a folder's files; those at its top may be links, to folders as well."""
    for top in sorted(folder.iterdir()):
        inside = sorted(top.resolve().rglob("*")) if top.is_dir() else [top]
        for path in inside:
            if path.is_file():
                name = top.name if path == top else f"{top.name}/{path.relative_to(top.resolve()).as_posix()}"
                yield name, path
