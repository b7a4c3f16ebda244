"""What a course has set for nbgrader in ``nbgrader_config.py``, and what of it holds for this grader, too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_core.paths import jupyter_config_path
from nbgrader.preprocessors import AssignLatePenalties
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError
from traitlets.config import Config
from traitlets.config.loader import JSONFileConfigLoader, PyFileConfigLoader

from autograder.database import GradebookError

if TYPE_CHECKING:
    from collections.abc import Callable

    Penalty = Callable[[str, float, float], float | None]

_LOADERS = {"nbgrader_config.py": PyFileConfigLoader, "nbgrader_config.json": JSONFileConfigLoader}


def load_settings(root: Path) -> Config:
    """
    Read what nbgrader reads for the course in `root`: the file there, and before it those in Jupyter's folders.

    nbgrader looks into the current folder, too. That is the course's own when one works in it; any other has nothing
    to say of a course that was named with ``--course``.

    Raises
    ------
    GradebookError
        When a file cannot be used.
    """
    settings = Config()
    for folder in (*reversed(jupyter_config_path()), str(root)):
        for name, loader in _LOADERS.items():
            path = Path(folder) / name
            try:
                if path.is_file():
                    settings.merge(loader(name, path=folder).load_config())
            except Exception as error:  # the file is a program, which can fail in any way
                raise GradebookError(f"{path} cannot be used: {error}") from error
    return settings


def database_url(settings: Config, root: Path) -> URL:
    """
    Give where the gradebook of the course in `root` lies: nbgrader's ``CourseDirectory.db_url``.

    Raises
    ------
    GradebookError
        When it is no URL of a database. The message does not repeat it: there may be a password in it.
    """
    given = settings.CourseDirectory.get("db_url")
    if given is None:
        return URL.create("sqlite", database=str(root / "gradebook.db"))
    try:
        url = make_url(given)
        if "@" in (url.host or ""):
            raise ValueError("a part of the password")
    except (ArgumentError, ValueError, TypeError, AttributeError):
        raise GradebookError(
            "CourseDirectory.db_url in nbgrader_config.py is no URL of a database such as "
            "postgresql://db.example.org/course. In a name or password write @ as %40, : as %3A and / as %2F."
        ) from None
    if url.get_backend_name() != "sqlite":
        return url
    if url.database in (None, "", ":memory:"):
        raise GradebookError("CourseDirectory.db_url in nbgrader_config.py names no file for sqlite.")
    return url.set(database=str(root / url.database))


def late_penalty(settings: Config) -> Penalty:
    """
    Give the late penalty that is set; nbgrader's own, none, without.

    Raises
    ------
    GradebookError
        When the plugin cannot be used.
    """
    try:
        preprocessor = AssignLatePenalties(config=settings)
        plugin = preprocessor.plugin_class(parent=preprocessor)
    except Exception as error:  # a plugin is a program, which can fail in any way
        raise GradebookError(f"The late penalty in nbgrader_config.py cannot be used: {error}") from error
    penalty: Penalty = plugin.late_submission_penalty
    return penalty
