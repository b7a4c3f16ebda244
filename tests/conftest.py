"""Small courses for tests that need no real assignment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from hypothesis import HealthCheck, settings

from autograder.course import Course, load_course
from autograder.nbgrader_settings import database_url, load_settings
from autograder.notebook import notebook_text
from tests.postgresql import Server, served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from nbformat import NotebookNode

# A slow or busy machine is no fault of the code, and the same code gets the same verdict every time.
settings.register_profile("steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")

ANSWER = '''def double(x):
    """Twice x."""
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION'''

TEST = """assert double(1) == 2, "double(1) is 2"
### BEGIN HIDDEN TESTS
assert double(-3) == -6, "a negative number"
### END HIDDEN TESTS"""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a long run be asked for by command."""
    parser.addoption("--kills", type=int, default=12, help="how many processes test_kills.py kills")
    parser.addoption("--long", action="store_true", help="run the long tests, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long tests out, and say how many, unless they are asked for."""
    if not config.getoption("--long"):
        long = [item for item in items if item.get_closest_marker("long")]
        items[:] = [item for item in items if item not in long]
        config.hook.pytest_deselected(items=long)


@pytest.fixture(scope="session", autouse=True)
def no_settings_of_ones_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Whoever runs the tests may have set where nbgrader's gradebook lies: nothing is to be written there."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("JUPYTER_CONFIG_DIR", str(tmp_path_factory.mktemp("jupyter")))
        yield


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A PostgreSQL server; the test is skipped where there is none to start."""
    with served() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have the gradebook in a database of each kind: on a server, because the user's settings for nbgrader say so."""
    kind: str = request.param
    if kind == "postgresql":
        url = request.getfixturevalue("postgresql").new("course")
        settings = tmp_path / "jupyter" / "nbgrader_config.py"
        settings.parent.mkdir()
        settings.write_text(f"get_config().CourseDirectory.db_url = {url!r}\n")
        monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(settings.parent))
    return kind


def gradebook_url(course: Course) -> str:
    """Give where a course's gradebook lies, as nbgrader takes it."""
    return database_url(load_settings(course.root), course.root).render_as_string(hide_password=False)


class Cells:
    """Cells as a master has them."""

    @staticmethod
    def code(source: str, cell_id: str, **flags: Any) -> NotebookNode:
        """A code cell; with flags, one that nbgrader has a say in."""
        cell = nbformat.v4.new_code_cell(source, id=cell_id)
        if flags:
            plain = {"grade": False, "solution": False, "locked": False, "task": False}
            cell.metadata["nbgrader"] = {"schema_version": 3, "grade_id": cell_id, **plain, **flags}
        return cell

    @staticmethod
    def text(source: str, cell_id: str, **flags: Any) -> NotebookNode:
        """A markdown cell."""
        cell = Cells.code(source, cell_id, **flags)
        text = nbformat.v4.new_markdown_cell(source, id=cell_id)
        text.metadata = cell.metadata
        return text

    @staticmethod
    def answer(source: str = ANSWER, grade_id: str = "double") -> NotebookNode:
        """An answer with its reference."""
        return Cells.code(source, grade_id, solution=True)

    @staticmethod
    def test(source: str = TEST, grade_id: str = "test_double", points: float = 2) -> NotebookNode:
        """A test."""
        return Cells.code(source, grade_id, grade=True, locked=True, points=points)

    @staticmethod
    def locked(source: str, grade_id: str) -> NotebookNode:
        """A read-only cell."""
        return Cells.code(source, grade_id, locked=True)

    @staticmethod
    def notebook(*cells: NotebookNode) -> NotebookNode:
        """A notebook of these cells."""
        notebook = nbformat.v4.new_notebook(cells=list(cells))
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook.nbformat_minor = 5
        return notebook


@pytest.fixture(scope="session")
def cells() -> type[Cells]:
    """Makers of cells."""
    return Cells


@pytest.fixture
def master() -> NotebookNode:
    """A sound master: one exercise, two points."""
    return Cells.notebook(
        Cells.text("# Doubling\n\n## Exercises\n\n### Exercise 1: Double", "title"),
        Cells.locked("FACTOR = 2", "setup"),
        Cells.answer(),
        Cells.test(),
    )


@pytest.fixture
def make_course(tmp_path: Path) -> Callable[..., Course]:
    """
    Lay out a course in a temporary folder.

    Called with masters by path below ``source/`` (``"01_a/a.ipynb"``) and the text of ``course.toml``.
    """

    def make(masters: Mapping[str, NotebookNode], settings: str = 'title = "Small"\n') -> Course:
        root = tmp_path / "course"
        for name, notebook in masters.items():
            path = root / "source" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(notebook_text(notebook), encoding="utf-8")
        root.mkdir(exist_ok=True)
        (root / "course.toml").write_text(settings, encoding="utf-8")
        return load_course(root)

    return make
