"""Proving that what is given away holds nothing of a solution, a hidden test or a mark scheme."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from nbformat import NotebookNode

_BEGIN = re.compile(r"#+\s*BEGIN (SOLUTION|HIDDEN TESTS|MARK SCHEME)", re.I)
_END = re.compile(r"#+\s*END (SOLUTION|HIDDEN TESTS|MARK SCHEME)", re.I)
_SHORTEST = 12
"""Characters of a line that can tell something: `return x` stands everywhere."""


def leaks(files: Mapping[str, bytes], masters: Iterable[NotebookNode], *, known: Iterable[str] = ()) -> list[str]:
    """
    Find lines of solutions, hidden tests and mark schemes in files that are to be given away.

    A line is secret if it stands between the markers of some master and nowhere outside of them. So this looks at the
    masters, and does not trust whatever took the secrets out.

    Parameters
    ----------
    files : mapping of str to bytes
        What is given away, by path. Notebooks are read cell by cell, with whatever their outputs hold.
    masters : iterable of NotebookNode
        The masters.
    known : iterable of str
        Texts that everybody may know, the source of `coursekit` for instance: their lines are no secrets.

    Returns
    -------
    list of str
        One for each file and line, with the place.
    """
    secret: set[str] = set()
    plain = {line.strip() for text in known for line in text.splitlines()}
    for master in masters:
        for cell in master.cells:
            for line, is_secret in _lines(cell.source):
                (secret if is_secret else plain).add(line.strip())
    telling = {line for line in secret - plain if len(line) >= _SHORTEST}
    return [
        f"{place}: {line.strip()}"
        for name, data in files.items()
        for place, text in _texts(name, data)
        for line in text.splitlines()
        if line.strip() in telling or _BEGIN.search(line) or _END.search(line)
    ]


def _lines(source: str) -> Iterator[tuple[str, bool]]:
    """Give the lines of a master's cell but for the markers, and whether each stands between two of them."""
    inside = False
    for line in source.splitlines():
        if _BEGIN.search(line):
            inside = True
        elif _END.search(line):
            inside = False
        else:
            yield line, inside


def _texts(name: str, data: bytes) -> Iterator[tuple[str, str]]:
    """Give the texts of a file with their places. A file that is no text holds none."""
    if name.endswith(".ipynb"):
        for position, cell in enumerate(json.loads(data)["cells"], start=1):
            yield f"{name}, cell {position}", _joined(cell["source"])
            for output in cell.get("outputs", ()):
                for text in _strings(output):
                    yield f"{name}, output of cell {position}", text
    else:
        try:
            yield name, data.decode("utf-8")
        except UnicodeDecodeError:
            return


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _strings(part)
    elif isinstance(value, list):
        yield _joined(part for part in value if isinstance(part, str))
        for part in value:
            if not isinstance(part, str):
                yield from _strings(part)


def _joined(source: str | Iterable[str]) -> str:
    return source if isinstance(source, str) else "".join(source)
