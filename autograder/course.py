"""Where things are: the course, its assignments and its limits, read from ``source/`` and ``course.toml``."""

from __future__ import annotations

import math
import re
import tomllib
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from autograder.errors import AutograderError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

SETTINGS = "course.toml"

# Names become folder names, database keys and parts of addresses; nbgrader refuses "+" and white space in them too.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class CourseError(AutograderError):
    """The course is not laid out as it should be; the message names the file and the remedy."""


@dataclass(frozen=True)
class Limits:
    """
    How long things may take, and how much of the machine.

    Attributes
    ----------
    cell_timeout : float
        Seconds for one cell.
    notebook_timeout : float
        Seconds for one notebook, from its kernels' start to its last cell's end.
    call_timeout : float
        Seconds for one call from a test into a student's function.
    memory_limit : float
        MiB of a kernel and all that it starts, beyond what it shares with all others (Python, TensorFlow).
    process_limit : float
        Processes and threads of a kernel.
    file_limit : float
        MiB of one file.
    folder_limit : float
        MiB of all files in the kernel's folder together.
    output_limit : float
        Characters that a cell may print or show.
    message_limit : float
        Outputs of a cell in a second.
    """

    cell_timeout: float = 120
    notebook_timeout: float = 900
    call_timeout: float = 10
    memory_limit: float = 4096
    process_limit: float = 512
    file_limit: float = 256
    folder_limit: float = 512
    output_limit: float = 4_000_000
    message_limit: float = 2000


@dataclass(frozen=True)
class NotebookSource:
    """
    A master notebook.

    Attributes
    ----------
    assignment : str
        The assignment it belongs to.
    name : str
        The file's name without its ending.
    path : Path
        Where the master is.
    """

    assignment: str
    name: str
    path: Path


@dataclass(frozen=True)
class Assignment:
    """
    A folder in ``source/`` with one master notebook or more.

    Attributes
    ----------
    name : str
        The folder's name.
    notebooks : tuple of NotebookSource
        Its masters, by name.
    limits : Limits
        The course's limits with this assignment's own laid over them.
    gpu : bool
        Whether it trains so long in the profile ``gpu`` that its papers are to have a GPU.
    """

    name: str
    notebooks: tuple[NotebookSource, ...]
    limits: Limits
    gpu: bool = False


@dataclass(frozen=True)
class Course:
    """
    A course folder.

    Attributes
    ----------
    root : Path
        The folder that holds ``course.toml``, absolute.
    title : str
        What people call the course.
    assignments : tuple of Assignment
        By name.
    preload : tuple of str
        Modules that a warm kernel has imported before it is asked for.
    holdout_seed : int
        Seed of the stand-in pictures on which models are judged; students do not know it.
    gpu_memory : int
        MiB of a GPU that each paper which needs one has.
    gpu_users : tuple of str
        Which kernels of such a paper compute on it: the candidate, and the examiner if the course says so.
    """

    root: Path
    title: str
    assignments: tuple[Assignment, ...]
    preload: tuple[str, ...]
    holdout_seed: int = 0
    gpu_memory: int = 4096
    gpu_users: tuple[str, ...] = ("candidate",)

    @property
    def source(self) -> Path:
        """Master notebooks."""
        return self.root / "source"

    @property
    def release(self) -> Path:
        """What students get; generated."""
        return self.root / "release"

    @property
    def solutions(self) -> Path:
        """Masters with their outputs; generated, for staff."""
        return self.root / "solutions"

    @property
    def submitted(self) -> Path:
        """What students handed in."""
        return self.root / "submitted"

    @property
    def autograded(self) -> Path:
        """Executed submissions."""
        return self.root / "autograded"

    @property
    def feedback(self) -> Path:
        """What students get back."""
        return self.root / "feedback"

    @property
    def reports(self) -> Path:
        """What instructors look at."""
        return self.root / "reports"

    @property
    def gradebook(self) -> Path:
        """The database of nbgrader, unless ``nbgrader_config.py`` names another."""
        return self.root / "gradebook.db"

    def assignment(self, name: str) -> Assignment:
        """
        Give the assignment of that name.

        Raises
        ------
        CourseError
            When there is none; the message lists the known ones.
        """
        for assignment in self.assignments:
            if assignment.name == name:
                return assignment
        known = ", ".join(assignment.name for assignment in self.assignments) or "none"
        raise CourseError(f"There is no assignment '{name}' in {self.source}. Known: {known}.")

    def select(self, names: Iterable[str] = ()) -> tuple[Assignment, ...]:
        """
        Give the assignments of these names in the course's order, each once; all of them when no name is given.

        Raises
        ------
        CourseError
            When a name is unknown.
        """
        chosen = {self.assignment(name).name for name in names}
        return tuple(each for each in self.assignments if each.name in chosen) if chosen else self.assignments


def find_course(start: Path) -> Path:
    """
    Give the nearest folder with a ``course.toml``: `start` itself or one of those above it.

    Raises
    ------
    CourseError
        When there is none.
    """
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / SETTINGS).is_file():
            return folder
    raise CourseError(
        f"No {SETTINGS} in {start} or in a folder above it. Go to the course's folder or name it with --course DIR."
    )


def load_course(root: Path) -> Course:
    """
    Read the course in `root`: its ``course.toml`` and the names of what lies in ``source/``.

    Every folder in ``source/`` that holds a notebook is an assignment.

    Raises
    ------
    CourseError
        When the settings cannot be read, know a key that is not one, give a value that is out of range or speak of
        an assignment that is not there, or when an assignment or notebook has a name that cannot be used.
    """
    root = root.resolve()
    path = root / SETTINGS
    settings = _read(path)
    _allow(settings, {"title", "preload", "holdout_seed", "limits", "grading", "assignments"}, where="", path=path)
    limits = _limits(settings, Limits(), where="", path=path)
    overrides = _table(settings, "assignments", where="", path=path)
    found = _find_assignments(root / "source", limits)
    for name in overrides:
        if name not in {assignment.name for assignment in found}:
            known = ", ".join(assignment.name for assignment in found) or "none"
            raise CourseError(
                f"{path}: [assignments.{name}] is about an assignment that is not in source/. Known: {known}."
            )
    return Course(
        root=root,
        title=_title(settings, root, path),
        assignments=tuple(_override(assignment, overrides, path) for assignment in found),
        preload=_preload(settings, path),
        holdout_seed=_holdout_seed(settings, path),
        **_grading(settings, path),
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        raise CourseError(f"{path} does not exist: is {path.parent} a course folder?") from None
    except OSError as error:
        raise CourseError(f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CourseError(f"{path} is not valid TOML: {error}.") from error


def _find_assignments(source: Path, limits: Limits) -> tuple[Assignment, ...]:
    if not source.is_dir():
        return ()
    found = []
    for folder in sorted(path for path in source.iterdir() if path.is_dir() and not path.name.startswith(".")):
        files = sorted(file for file in folder.glob("*.ipynb") if not file.name.startswith("."))
        if not files:
            continue
        for path in (folder, *files):
            if not _NAME.fullmatch(path.stem if path.suffix == ".ipynb" else path.name):
                raise CourseError(
                    f"{path}: a name may have only letters, digits, '_', '-' and '.', and begins with a letter or "
                    "digit. Rename it."
                )
        notebooks = tuple(NotebookSource(folder.name, file.stem, file) for file in files)
        found.append(Assignment(folder.name, notebooks, limits))
    return tuple(found)


def _override(assignment: Assignment, overrides: Mapping[str, Any], path: Path) -> Assignment:
    own = _table(overrides, assignment.name, where="assignments.", path=path)
    _allow(own, {"limits", "gpu"}, where=f"assignments.{assignment.name}.", path=path)
    limits = _limits(own, assignment.limits, where=f"assignments.{assignment.name}.", path=path)
    return replace(assignment, limits=limits, gpu=_flag(own, "gpu", where=f"assignments.{assignment.name}.", path=path))


def _limits(settings: Mapping[str, Any], base: Limits, *, where: str, path: Path) -> Limits:
    given = _table(settings, "limits", where=where, path=path)
    _allow(given, {field.name for field in fields(Limits)}, where=f"{where}limits.", path=path)
    for key, value in given.items():
        # bool is an int, and a limit of `true` is a mistake
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise CourseError(f"{path}: {where}limits.{key} is {value!r}; it must be a number above 0.")
    return replace(base, **given)


def _title(settings: Mapping[str, Any], root: Path, path: Path) -> str:
    title = settings.get("title", root.name)
    if not isinstance(title, str) or not title.strip():
        raise CourseError(f'{path}: title is {title!r}; it must be text, for instance title = "Deep learning".')
    return title


def _preload(settings: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    modules = settings.get("preload", [])
    if not isinstance(modules, list) or not all(isinstance(name, str) for name in modules):
        raise CourseError(f'{path}: preload is {modules!r}; it must be a list of modules, for instance ["keras"].')
    for name in modules:
        if not all(part.isidentifier() for part in name.split(".")):
            raise CourseError(f"{path}: preload names {name!r}, which is no module's name.")
    return tuple(modules)


def _holdout_seed(settings: Mapping[str, Any], path: Path) -> int:
    seed = settings.get("holdout_seed", 0)
    if type(seed) is not int or not 0 <= seed < 2**31:
        raise CourseError(f"{path}: holdout_seed is {seed!r}; it must be a whole number from 0 to 2147483647.")
    return seed


def _grading(settings: Mapping[str, Any], path: Path) -> dict[str, Any]:
    given = _table(settings, "grading", where="", path=path)
    _allow(given, {"gpu_memory", "examiner_gpu"}, where="grading.", path=path)
    memory = given.get("gpu_memory", Course.gpu_memory)
    if type(memory) is not int or memory < 1024:
        raise CourseError(f"{path}: grading.gpu_memory is {memory!r}; it must be a whole number of MiB, 1024 at least.")
    both = _flag(given, "examiner_gpu", where="grading.", path=path)
    return {"gpu_memory": memory, "gpu_users": ("candidate", "examiner") if both else ("candidate",)}


def _flag(settings: Mapping[str, Any], key: str, *, where: str, path: Path) -> bool:
    value = settings.get(key, False)
    if not isinstance(value, bool):
        raise CourseError(f"{path}: {where}{key} is {value!r}; it must be true or false.")
    return value


def _table(settings: Mapping[str, Any], key: str, *, where: str, path: Path) -> dict[str, Any]:
    value = settings.get(key, {})
    if not isinstance(value, dict):
        raise CourseError(f"{path}: {where}{key} is {value!r}; it must be a table: [{where}{key}].")
    return value


def _allow(settings: Mapping[str, Any], allowed: set[str], *, where: str, path: Path) -> None:
    for key in settings:
        if key not in allowed:
            raise CourseError(f"{path}: unknown key '{where}{key}'. Allowed here: {', '.join(sorted(allowed))}.")
