"""Notebook files: read as they are written, with errors that a student understands; and written the same way always."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Any

import nbformat

from autograder.errors import AutograderError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nbformat import NotebookNode

MAX_BYTES = 32 * 2**20
"""No honest notebook is larger; a larger one would only fill the memory of whoever opens it."""


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


def read_data(path: Path, *, name: str) -> bytes:
    """
    Read the bytes of a notebook's file.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        What messages call it.

    Raises
    ------
    NotebookError
        When it is missing, no ordinary file, unreadable or too large.
    """
    try:
        facts = path.stat()
        if stat.S_ISDIR(facts.st_mode):
            raise NotebookError(f"{name} is a folder. Name the notebook in it.")
        if not stat.S_ISREG(facts.st_mode):
            raise NotebookError(f"{name} is no ordinary file. Save the notebook anew from JupyterLab.")
        if facts.st_size > MAX_BYTES:
            raise NotebookError(
                f"{name} has {facts.st_size / 2**20:.0f} MB; a notebook may have {MAX_BYTES // 2**20} MB. Clear its "
                "outputs (in JupyterLab: Edit, Clear Outputs of All Cells) and save it."
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise NotebookError(f"{name} does not exist. Is the name right, and are you in the right folder?") from None
    except OSError as error:
        raise NotebookError(f"{name} cannot be read: {error.strerror}.") from error


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
        content = json.loads(data.decode("utf-8-sig") if isinstance(data, bytes) else data)
    except UnicodeDecodeError as error:
        raise NotebookError(
            f"{name} is not a notebook: it is not UTF-8 text. Download it again, or save it anew from JupyterLab."
        ) from error
    except json.JSONDecodeError as error:
        raise NotebookError(
            f"{name} is not a notebook: it stops being JSON in line {error.lineno}. It was cut off or edited by hand; "
            "download it again, or save it anew from JupyterLab."
        ) from error
    except RecursionError as error:
        raise NotebookError(
            f"{name} is not a notebook: its JSON is nested too deeply. Download it again and copy your answers into it."
        ) from error
    except ValueError as error:  # the one thing left that Python refuses
        raise NotebookError(
            f"{name} is not a notebook: it holds a number with thousands of digits. Download it again and copy your "
            "answers into it."
        ) from error
    if not isinstance(content, dict) or "nbformat" not in content:
        raise NotebookError(f"{name} is JSON, but not a notebook. Is it the right file?")
    if content["nbformat"] != nbformat.current_nbformat:
        raise NotebookError(
            f"{name} is in notebook format {str(content['nbformat'])[:20]}; format {nbformat.current_nbformat} is "
            "needed. Open it in JupyterLab and save it."
        )
    return content


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
        When it is not a notebook of format 4.
    """
    content = parse_content(data, name=name)
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
    cells = content.get("cells")
    return (
        isinstance(content.get("metadata"), dict)
        and isinstance(cells, list)
        and all(
            isinstance(cell, dict)
            and cell.get("cell_type") in {"code", "markdown", "raw"}
            and isinstance(cell.get("metadata"), dict)
            and _is_text(cell.get("source"))
            and (cell["cell_type"] != "code" or isinstance(cell.get("outputs"), list))
            for cell in cells
        )
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(line, str) for line in value))
