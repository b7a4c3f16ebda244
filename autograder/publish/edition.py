"""Making the student edition: notebooks, `coursekit`, an environment, a README with links, a workflow."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import requires
from importlib.resources import files as resources
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
from jinja2 import Environment, StrictUndefined

import coursekit
from autograder.build import read_master, release_notebook, supporting_files, write_file
from autograder.errors import AutograderError
from autograder.notebook import headings, notebook_text
from autograder.publish.proof import leaks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from nbformat import NotebookNode

    from autograder.course import Assignment, Course

LIST = "published.txt"
"""Names the files of an edition, so that the next one knows which it may replace or take away."""

_NEEDS = (
    "filelock",
    "ipykernel",
    "jupyterlab",
    "keras",
    "matplotlib",
    "nbgrader",
    "numpy",
    "pillow",
    "platformdirs",
    "pooch",
    "requests",
    "rich",
    "tensorboard",
    "tensorflow",
)
"""Packages that notebooks, `coursekit` and JupyterLab's *Validate* use; our own requirements say which versions."""

PROJECT = "deep-learning-course"
"""What `coursekit` and the grader are installed as, whichever course they serve."""

_TEMPLATES = {
    "README.md": "README.md.j2",
    "environment.yml": "environment.yml.j2",
    "pyproject.toml": "pyproject.toml.j2",
    ".gitignore": "gitignore",
    ".github/workflows/check.yml": "check.yml",
}
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


class PublishError(AutograderError):
    """An edition cannot be made or put in place; the message says why and what to do."""


@dataclass(frozen=True)
class Entry:
    """
    A notebook as the README lists it.

    Attributes
    ----------
    assignment, path, title : str
        Its assignment, its place in the edition, and its heading.
    points : float
        What there is to be had.
    """

    assignment: str
    path: str
    title: str
    points: float


@dataclass(frozen=True)
class Edition:
    """
    The files of an edition.

    Attributes
    ----------
    files : dict of str to bytes
        By path, with `/` between folders.
    notebooks : tuple of Entry
        The notebooks among them.
    """

    files: dict[str, bytes]
    notebooks: tuple[Entry, ...]


def make_edition(
    course: Course, assignments: Sequence[Assignment], *, repository: str | None = None, branch: str = "main"
) -> Edition:
    """
    Make the student edition, and prove that it gives nothing away.

    Parameters
    ----------
    course : Course
        Whose.
    assignments : sequence of Assignment
        What is given out: a course may go out week by week.
    repository : str, optional
        Where it will be on GitHub, `owner/name`: then there are links that open each notebook in Colab, and a cell in
        it that installs `coursekit` there.
    branch : str
        Of the repository.

    Raises
    ------
    PublishError
        The repository's name is none, or lines of solutions or hidden tests would be given away: each is named.
    BuildError
        A master is not as it should be.
    """
    if repository is not None and not _REPOSITORY.fullmatch(repository):
        raise PublishError(f"'{repository}' is no repository on GitHub: its name is like owner/name.")
    contents = dict(_coursekit())
    sources = [data.decode() for name, data in contents.items() if name.endswith(".py")]
    entries = []
    for assignment in assignments:
        for notebook in assignment.notebooks:
            path = f"{assignment.name}/{notebook.path.name}"
            released = release_notebook(read_master(notebook.path), name=path)
            entries.append(Entry(assignment.name, path, _title(released, notebook.name), _points(released)))
            if repository is not None:
                released.cells.insert(0, _colab_cell(repository, branch))
            contents[path] = notebook_text(released).encode()
        for name, file in supporting_files(assignment):
            contents[f"{assignment.name}/{name}"] = file.read_bytes()
    contents |= _pages(course, tuple(entries), repository, branch)
    # All masters, not only those that go out: next week's solutions are secrets, too.
    masters = [read_master(notebook.path) for each in course.assignments for notebook in each.notebooks]
    if found := leaks(contents, masters, known=sources):
        raise PublishError("\n  ".join(["Nothing was written, for this would be given away:", *found]))
    return Edition(contents, tuple(entries))


def write_edition(edition: Edition, folder: Path, *, tell: Callable[[str], None] = lambda _line: None) -> None:
    """
    Put an edition into a folder; what an earlier edition had and this one has not is taken away.

    Parameters
    ----------
    edition : Edition
        What :func:`make_edition` gave.
    folder : Path
        A new or empty one, or that of an earlier edition: what else lies in that is left alone.
    tell : callable
        Called with the name of each file that changed.

    Raises
    ------
    PublishError
        When the folder holds something else.
    """
    written = folder / LIST
    earlier = set(written.read_text(encoding="utf-8").splitlines()) if written.is_file() else set()
    if not earlier and folder.is_dir():
        others = sorted(path.name for path in folder.iterdir() if path.name != ".git")
        if others:
            raise PublishError(
                f"{folder} is not empty and holds no earlier edition ({', '.join(others[:3])} ...). Name a new folder."
            )
    if folder.exists() and not folder.is_dir():
        raise PublishError(f"{folder} is a file. Name a folder.")
    for name, data in sorted(edition.files.items()):
        path = folder / name
        if not path.is_file() or path.read_bytes() != data:
            write_file(path, data)
            tell(name)
    for name in sorted(earlier - set(edition.files)):
        path = folder / name
        if path.is_file() and path.resolve().is_relative_to(folder.resolve()):
            path.unlink()
            tell(name)
    write_file(written, "".join(f"{name}\n" for name in sorted(edition.files)).encode())


def _coursekit() -> Iterator[tuple[str, bytes]]:
    package = Path(coursekit.__file__).parent
    for path in sorted(package.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield f"{package.name}/{path.relative_to(package).as_posix()}", path.read_bytes()


def _pages(course: Course, entries: tuple[Entry, ...], repository: str | None, branch: str) -> dict[str, bytes]:
    needs = _needs()
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, autoescape=False
    )  # Markdown, TOML and YAML of the course's own texts: nothing of it is HTML
    folder = resources("autograder.publish").joinpath("templates")
    return {
        name: environment.from_string(folder.joinpath(template).read_text(encoding="utf-8"))
        .render(title=course.title, entries=entries, repository=repository, branch=branch, needs=needs)
        .encode()
        for name, template in _TEMPLATES.items()
    }


def _needs() -> list[str]:
    asked = [line for line in requires(PROJECT) or () if "extra ==" not in line]
    return sorted(line for line in asked if re.split(r"[<>=!~\[; ]", line, maxsplit=1)[0] in _NEEDS)


def _title(notebook: NotebookNode, otherwise: str) -> str:
    return next((heading for cell in notebook.cells for heading in headings(cell)), otherwise)


def _points(notebook: NotebookNode) -> float:
    return float(sum(cell.metadata.get("nbgrader", {}).get("points", 0) for cell in notebook.cells))


def _colab_cell(repository: str, branch: str) -> NotebookNode:
    """Make the cell that installs `coursekit` in Colab, and does nothing elsewhere, in grading for instance."""
    source = (
        "# In Colab, the course's own toolbox has to be installed first. Elsewhere this does nothing.\n"
        "import sys\n\n"
        'if "google.colab" in sys.modules:\n'
        f"    %pip install --quiet git+https://github.com/{repository}@{branch}"
    )
    return nbformat.v4.new_code_cell(source, id="colab")
