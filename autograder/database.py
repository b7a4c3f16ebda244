"""
The databases in which a gradebook can lie: a file of sqlite or a PostgreSQL server, and in what they differ.

With either, graders change it one after another, each in one transaction, and whoever reads sees a state between two.
"""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import URL, create_engine, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, OperationalError

from autograder.errors import AutograderError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Table, TextClause
    from sqlalchemy.exc import SQLAlchemyError

# So long a wait is not worth a word; and in the midst of one of sqlite's Ctrl-C is not heard.
_SHORT_WAIT_SECONDS = 0.5

_DAMAGED = " The file is damaged: put a backup in its place, or move it away to begin with an empty one."


class GradebookError(AutograderError):
    """The gradebook cannot be read or written as asked; nothing of the attempt is in it. The message says why."""


class Database(ABC):
    """
    Where a gradebook lies.

    Attributes
    ----------
    name : str
        What people are told it is; no password is in it.
    """

    name: str

    @abstractmethod
    def require_sound(self, autograded: Path) -> None:
        """
        Refuse what could be opened and is damaged: points are not put where a part is lost.

        Raises
        ------
        GradebookError
            It is damaged, or was emptied though `autograded` holds graded notebooks.
        """

    @abstractmethod
    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection that sees one state of the database, whatever is changed meanwhile."""

    @abstractmethod
    def write(self, change: Callable[[Connection], object]) -> None:
        """Make a change, all of it or nothing; `change` may be called again where it ran into another program's."""

    @abstractmethod
    def remedy(self, error: SQLAlchemyError) -> str:
        """Say what to do about an error, as a sentence with a space before it; empty where nothing is known."""

    @abstractmethod
    def close(self) -> None:
        """Close all connections."""


def open_database(url: URL, *, patience: float, warn: Callable[[str], None]) -> Database:
    """
    Give the database at `url`; nothing is asked of it yet.

    Parameters
    ----------
    url : URL
        Of sqlite, with an absolute path, or of PostgreSQL.
    patience : float
        Seconds to wait for another program that is writing.
    warn : callable
        Called with a line for a person when there is such a program to wait for.

    Raises
    ------
    GradebookError
        It is a database of another kind, or what speaks with it is not installed.
    """
    kinds: dict[str, type[File | Server]] = {"sqlite": File, "postgresql": Server}
    kind = kinds.get(url.get_backend_name())
    if kind is None:
        raise GradebookError(
            f"The gradebook cannot be kept in a database of {url.get_backend_name()}, as db_url in nbgrader_config.py "
            "says: it is to be one of sqlite or postgresql."
        )
    return kind(url, patience, warn)


def insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Begin an INSERT that can say what to do about rows that are there already."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def in_row_order(connection: Connection) -> TextClause:
    """Give what sorts a table's rows as they come without sorting: as they were written, if none was changed."""
    return text("rowid" if connection.dialect.name == "sqlite" else "ctid")


# --- sqlite -------------------------------------------------------------------------------------------------------

# Left to itself, Python's sqlite3 begins a transaction only before the first change: after this program has read what
# the change is based on. And sqlite itself begins it only when it comes to the file: there it is sent at once. Nobody
# reads while this program writes, so that all waiting is done at the beginning.
_READ = ("BEGIN", "PRAGMA schema_version")
_WRITE = ("BEGIN EXCLUSIVE",)


class File(Database):
    """
    A file of sqlite.

    The journal is sqlite's ordinary one, not a write-ahead log: that one needs shared memory, which course folders on
    network drives do not have, and leaves the newest points in a second file that nobody thinks of copying.
    """

    def __init__(self, url: URL, patience: float, warn: Callable[[str], None]) -> None:
        self._path = Path(url.database or "")
        self.name = str(self._path)
        self._patience = patience
        self._warn = warn
        self._engine = create_engine(
            url, connect_args={"timeout": min(patience, _SHORT_WAIT_SECONDS), "check_same_thread": False}
        )
        event.listen(self._engine, "begin", self._begin)

    def require_sound(self, autograded: Path) -> None:
        """Look at what sqlite would take for a gradebook that has just begun; then have it look for damage."""
        if self._path.is_dir():
            raise GradebookError(
                f"{self._path} is a folder, and the gradebook is a file: unable to open it. Nothing was changed. "
                "Move the folder away."
            )
        # Killed before its first transaction a run leaves an empty file, but then nothing is graded yet.
        is_empty = self._path.is_file() and self._path.stat().st_size == 0
        if is_empty and next(autograded.glob("*/*/*.ipynb"), None) is not None:
            raise GradebookError(
                f"{self._path} is empty, though {autograded} holds graded notebooks. Nothing was changed.{_DAMAGED}"
            )
        with self.reading() as connection:
            if (found := connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()) != "ok":
                raise GradebookError(f"{self._path}: {found}. Nothing was changed.{_DAMAGED}")

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection; its first question begins a transaction."""
        with self._engine.connect() as connection:
            yield connection

    def write(self, change: Callable[[Connection], object]) -> None:
        """Make a change while nobody else reads or writes."""
        with self._engine.connect() as connection:
            writing = connection.execution_options(begin=_WRITE)
            with writing.begin():
                change(writing)

    def remedy(self, error: SQLAlchemyError) -> str:
        """Say what to do."""
        cause = str(getattr(error, "orig", error))
        folder = self._path.parent
        if "locked" in cause:
            who = self._holders() or "Another program"
            return f" {who} is writing to it: close formgrader or wait for the other run, then start again."
        if "not a database" in cause or "malformed" in cause:
            return _DAMAGED
        if "full" in cause or "disk I/O" in cause:
            return f" Make room on the disk of {folder}, then start again: what is recorded is kept."
        if "readonly" in cause or "unable to open" in cause:
            return f" Make sure that you may write the file and its folder {folder}, then start again."
        return ""

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _begin(self, connection: Connection) -> None:
        """Begin a transaction; sqlite itself waits for a short while each time."""
        deadline = time.monotonic() + self._patience
        is_told = False
        for statement in connection.get_execution_options().get("begin", _READ):
            while True:
                try:
                    connection.exec_driver_sql(statement)
                    break
                except OperationalError as error:
                    if "locked" not in str(error.orig) or time.monotonic() >= deadline:
                        raise
                    if not is_told:
                        who = self._holders() or "another program"
                        self._warn(f"{self._path} is in use by {who}: waiting up to {self._patience:g} s.")
                        is_told = True

    def _holders(self) -> str:
        """Name the processes that have locked the file, where the system tells."""
        try:
            inode = str(self._path.stat().st_ino)
            locks = [line.split() for line in Path("/proc/locks").read_text(encoding="ascii").splitlines()]
        except OSError:
            return ""
        # 1: POSIX  ADVISORY  WRITE 4711 fe:00:123456 1073741824 1073742335
        pids = {int(lock[4]) for lock in locks if len(lock) == 8 and lock[5].rpartition(":")[2] == inode}
        return " and ".join(f"process {pid} ({_program(pid)})" for pid in sorted(pids - {os.getpid()}) if pid > 0)


def _program(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "of another user"


# --- PostgreSQL ---------------------------------------------------------------------------------------------------

# Any number will do that is the same for all graders: whoever changes the gradebook has this lock of the database's.
_TURN = 0x67726164
_ATTEMPTS = 5
_SECONDS_TO_CONNECT = 10

# Codes of PostgreSQL's: https://www.postgresql.org/docs/current/errcodes-appendix.html
_LOCK_NOT_AVAILABLE = "55P03"
_FOREIGN_KEY_VIOLATION = "23503"
_UNIQUE_VIOLATION = "23505"
_ROLLED_BACK = "40"  # all that begin with it: a deadlock, a state that two transactions could not both have seen
_DISK_FULL = "53100"
_TOO_LONG = "22001"
_NO_RIGHT = "42501"


class Server(Database):
    """
    A database of a PostgreSQL server.

    Graders take turns: a transaction begins with a lock that no other grader has. nbgrader's own tools know nothing of
    that lock; what runs into one of their changes is rolled back, and made again.
    """

    def __init__(self, url: URL, patience: float, warn: Callable[[str], None]) -> None:
        self.name = _shown(url)
        self._patience = patience
        self._warn = warn
        known = {"connect_timeout": str(_SECONDS_TO_CONNECT), "application_name": "autograder"}
        url = url.set(drivername="postgresql+psycopg", query={**known, **url.query})
        try:
            # A run can go on for minutes between two verdicts, and some networks end what is silent so long.
            self._engine = create_engine(url, isolation_level="READ COMMITTED", pool_pre_ping=True)
        except ImportError as error:
            raise GradebookError(
                f"{self.name} cannot be used without psycopg ({error}). Install it: "
                "pip install 'deep-learning-course[postgres]'."
            ) from error

    def require_sound(self, autograded: Path) -> None:
        """Look for nothing: a server looks after its files itself."""

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection whose first question fixes the state that it sees."""
        with self._engine.connect() as connection:
            yield connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    def write(self, change: Callable[[Connection], object]) -> None:
        """Make a change when it is this program's turn."""
        for attempt in range(_ATTEMPTS):
            try:
                with self._engine.begin() as connection:
                    self._take_turn(connection)
                    change(connection)
                return
            except DBAPIError as error:
                if attempt + 1 == _ATTEMPTS or not _is_conflict(error):
                    raise

    def remedy(self, error: SQLAlchemyError) -> str:
        """Say what to do."""
        code = _code(error)
        if code == _LOCK_NOT_AVAILABLE:
            return " Another program is writing to it: close formgrader or wait for the other run, then start again."
        if code == _DISK_FULL:
            return " Make room on the server's disk, then start again: what is recorded is kept."
        if code == _TOO_LONG:
            return " A name may have 128 characters there: rename the student's folder or the notebook."
        if code == _NO_RIGHT:
            return " Let the user whom db_url names own the database."
        if isinstance(error, OperationalError) and not code:
            return (
                " Make sure that the server runs, that it has this database and that db_url in nbgrader_config.py is "
                "right, then start again: what is recorded is kept."
            )
        return ""

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _take_turn(self, connection: Connection) -> None:
        """Wait for the graders before this one. From then on no wait is longer than patience allows."""
        turn = text(f"SELECT pg_advisory_xact_lock({_TURN})")
        try:
            with connection.begin_nested():
                _wait_at_most(connection, min(self._patience, _SHORT_WAIT_SECONDS))
                connection.execute(turn)
        except OperationalError as error:
            if _code(error) != _LOCK_NOT_AVAILABLE:
                raise
            self._warn(f"{self.name} is in use by another grader: waiting up to {self._patience:g} s.")
            _wait_at_most(connection, self._patience)
            connection.execute(turn)
        else:
            _wait_at_most(connection, self._patience)


def _wait_at_most(connection: Connection, seconds: float) -> None:
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {max(1, round(1000 * seconds))}")


def _code(error: SQLAlchemyError) -> str:
    return getattr(getattr(error, "orig", None), "sqlstate", None) or ""


def _is_conflict(error: DBAPIError) -> bool:
    code = _code(error)
    return code.startswith(_ROLLED_BACK) or code in (_UNIQUE_VIOLATION, _FOREIGN_KEY_VIOLATION)


def _shown(url: URL) -> str:
    """Write a URL without who connects and with what: an option of it can be a password, too."""
    place = url.query.get("host")
    host = url.host or (place if isinstance(place, str) else None)
    return URL.create("postgresql", host=host, port=url.port, database=url.database).render_as_string()
