"""Notebook files: read as they are written, with errors that a student understands; and written the same way always."""

from __future__ import annotations

import codecs
import json
import os
import re
import stat
from typing import TYPE_CHECKING, Any

import nbformat

from autograder import bounded_json
from autograder.errors import AutograderError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from nbformat import NotebookNode

MAX_BYTES = 32 * 2**20
"""No honest notebook is larger; a larger one would only fill the memory of whoever opens it."""

MAX_PARTS = 1_000_000
"""Lists and objects in all: what JSON of that size may take in memory and time."""

MAX_DEPTH = 100
"""Levels of lists and objects; who copies or writes a notebook takes several steps down for each."""

_CLEAR_OUTPUTS = "Clear its outputs (in JupyterLab: Edit, Clear Outputs of All Cells) and save it."
_NOT_UTF8 = "is not a notebook: it is not UTF-8 text. Download it again, or save it anew from JupyterLab."
_HEADING = re.compile(r"^#+\s+(.+?)\s*$", re.M)
_TERMINAL_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_TOO_DEEP = "is not a notebook: its JSON is nested too deeply. Download it again and copy your answers into it."


class NotebookError(AutograderError):
    """A file is not a notebook that can be worked with; the message says why and what to do about it."""


def read_notebook(path: Path) -> NotebookNode:
    """
    Read a notebook of format 4 as it stands: nothing is repaired, nothing converted.

    Raises
    ------
    NotebookError
        When it is missing, unreadable, too large, not UTF-8, not JSON, not a notebook, or of another format.
    """
    return parse_notebook(read_data(path, name=str(path)), name=str(path))


def read_data(path: Path, *, name: str, follow: bool = True) -> bytes:
    """
    Read the bytes of a notebook's file.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        What messages call it.
    follow : bool
        Whether it may be a link to the file.

    Raises
    ------
    NotebookError
        When it is missing, no ordinary file, unreadable or too large.
    """
    try:
        _check_file(path.stat(follow_symlinks=follow), name)
        # What lies there may have become something else meanwhile; without waiting, should that be a pipe.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | (0 if follow else getattr(os, "O_NOFOLLOW", 0))
        with open(os.open(path, flags | getattr(os, "O_BINARY", 0)), "rb") as file:  # noqa: PTH123 - by descriptor
            facts = os.fstat(file.fileno())
            _check_file(facts, name)
            return file.read(facts.st_size)
    except FileNotFoundError:
        raise NotebookError(f"{name} does not exist. Is the name right, and are you in the right folder?") from None
    except OSError as error:
        raise NotebookError(f"{name} cannot be read: {error.strerror}.") from error


def _check_file(facts: os.stat_result, name: str) -> None:
    if stat.S_ISDIR(facts.st_mode):
        raise NotebookError(f"{name} is a folder. Name the notebook in it.")
    if stat.S_ISLNK(facts.st_mode):
        raise NotebookError(f"{name} is a link. The notebook itself is needed in its place.")
    if not stat.S_ISREG(facts.st_mode):
        raise NotebookError(f"{name} is no ordinary file. Save the notebook anew from JupyterLab.")
    if facts.st_size > MAX_BYTES:
        raise NotebookError(
            f"{name} has {facts.st_size / 2**20:.0f} MB; a notebook may have {MAX_BYTES // 2**20} MB. {_CLEAR_OUTPUTS}"
        )


def parse_content(data: bytes | str, *, name: str) -> dict[str, Any]:
    """
    Read the JSON of a notebook of format 4, whatever its cells are.

    Parameters
    ----------
    data : bytes or str
        What the file holds.
    name : str
        What messages call it.

    Raises
    ------
    NotebookError
        When it is not UTF-8, not JSON, or not a notebook of format 4. The message says what to do about it.
    """
    if not data.strip():
        raise NotebookError(f"{name} is empty. Save the notebook and try again.")
    if isinstance(data, bytes) and json.detect_encoding(data).startswith(("utf-16", "utf-32")):
        raise NotebookError(f"{name} is saved as UTF-16, and a notebook is UTF-8 text. Save it anew from JupyterLab.")
    try:
        text = data if isinstance(data, bytes) else data.encode("utf-8")
        content = bounded_json.loads(text.removeprefix(codecs.BOM_UTF8), parts=MAX_PARTS)
    except UnicodeError as error:
        raise NotebookError(f"{name} {_NOT_UTF8}") from error
    except json.JSONDecodeError as error:
        raise NotebookError(
            f"{name} is not a notebook: it stops being JSON in line {error.lineno}. It was cut off or edited by hand; "
            "download it again, or save it anew from JupyterLab."
        ) from error
    except RecursionError as error:
        raise NotebookError(f"{name} {_TOO_DEEP}") from error
    except bounded_json.TooManyPartsError as error:
        raise NotebookError(f"{name} holds {error}. {_CLEAR_OUTPUTS}") from error
    except ValueError as error:  # the one thing left that Python refuses
        raise NotebookError(
            f"{name} is not a notebook: it holds a number with thousands of digits. Download it again and copy your "
            "answers into it."
        ) from error
    version = content.get("nbformat") if isinstance(content, dict) else None
    if type(version) not in (int, str):
        raise NotebookError(f"{name} is JSON, but not a notebook. Is it the right file?")
    if version != nbformat.current_nbformat:
        told = "".join(each if each.isprintable() else "?" for each in str(version)[:20])
        raise NotebookError(
            f"{name} is in notebook format {told}; format {nbformat.current_nbformat} is "
            "needed. Open it in JupyterLab and save it."
        )
    return dict(content)


def parse_notebook(data: bytes | str, *, name: str) -> NotebookNode:
    """
    Make a notebook of what a file holds.

    Parameters
    ----------
    data : bytes or str
        What the file holds.
    name : str
        What messages call it.

    Raises
    ------
    NotebookError
        When it is not a notebook of format 4, or one that could not be written as it was read.
    """
    content = parse_content(data, name=name)
    if not _is_nested_within(content, MAX_DEPTH):
        raise NotebookError(f"{name} {_TOO_DEEP}")
    if not _is_unicode(content):
        raise NotebookError(f"{name} {_NOT_UTF8}")
    if not _has_notebook_structure(content):
        raise NotebookError(
            f"{name} is damaged: it says that it is a notebook, but its cells are not. Download it again and copy "
            "your answers into it."
        )
    return nbformat.v4.to_notebook(content)


def notebook_text(notebook: NotebookNode) -> str:
    """Give the text of a notebook's file: the same for equal notebooks, and as JupyterLab and nbformat write it."""
    text: str = nbformat.v4.writes(notebook)
    return text if text.endswith("\n") else text + "\n"


def nbgrader_metadata(cell: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give what nbgrader notes about a cell; nothing for a cell that it has no say in."""
    noted = cell["metadata"].get("nbgrader", {})
    return noted if isinstance(noted, dict) else {}


def cell_label(cell: Mapping[str, Any], index: int) -> str:
    """Name a cell for a person: its place, counted from 1 as one counts in JupyterLab, and its ``grade_id``."""
    grade_id = nbgrader_metadata(cell).get("grade_id")
    return f"cell {index + 1} ('{grade_id}')" if grade_id else f"cell {index + 1}"


def _has_notebook_structure(content: Mapping[str, Any]) -> bool:
    """Tell whether nbformat can read and write these cells; what they say is not looked at."""
    cells = content.get("cells")
    return isinstance(content.get("metadata"), dict) and isinstance(cells, list) and all(map(_is_cell, cells))


def _is_cell(cell: object) -> bool:
    return (
        isinstance(cell, dict)
        and cell.get("cell_type") in ("code", "markdown", "raw")
        and isinstance(cell.get("metadata"), dict)
        and _is_text(cell.get("source"))
        and _is_bundle_of(cell.get("attachments", {}), dict)
        and (cell["cell_type"] != "code" or _is_list_of(cell.get("outputs"), _is_output))
    )


def _is_output(output: object) -> bool:
    if not isinstance(output, dict):
        return False
    match output.get("output_type"):
        case "stream":
            return _is_text(output.get("text"))
        case "display_data" | "execute_result":
            return isinstance(output.get("data"), dict)
        case "error":
            return "text" not in output
        case _:
            return False


def headings(cell: NotebookNode) -> list[str]:
    """Give the headings in a cell's text, without their signs; none for a cell that is no text."""
    return _HEADING.findall(cell.source) if cell.cell_type == "markdown" else []


def without_colours(text: str) -> str:
    """Give what a program printed without the signs that colour it in a terminal."""
    return _TERMINAL_COLOUR.sub("", text)


def _is_text(value: object) -> bool:
    return isinstance(value, str) or _is_list_of(value, lambda line: isinstance(line, str))


def _is_list_of(value: object, is_right: Callable[[object], bool]) -> bool:
    return isinstance(value, list) and all(map(is_right, value))


def _is_bundle_of(value: object, kind: type) -> bool:
    return isinstance(value, dict) and all(isinstance(item, kind) for item in value.values())


def _is_nested_within(value: object, levels: int) -> bool:
    if not isinstance(value, list | dict):
        return True
    parts = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_is_nested_within(part, levels - 1) for part in parts)


def _is_unicode(content: Mapping[str, Any]) -> bool:
    """Tell whether all text is: JSON can hold half a character, which no file can."""
    try:
        json.dumps(content, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
