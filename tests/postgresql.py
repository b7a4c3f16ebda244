"""A PostgreSQL server of the tests' own, from Debian's package: in a temporary folder, reached by a socket in it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import URL, create_engine

if TYPE_CHECKING:
    from collections.abc import Iterator

USER = "grader"
GUARDED, PASSWORD = "guarded", "correct@horse:battery/staple"
"""The one role that has to give a password, and what it gives."""

_SETTINGS = """
listen_addresses = ''
unix_socket_directories = '{folder}'
shared_buffers = 16MB
fsync = off
"""


class Server:
    """A running server, and its databases."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def url(self, database: str, *, user: str = USER, password: str | None = None) -> str:
        """The address of a database, as a plain ``postgresql://``."""
        place = {"host": str(self._folder)}
        url = URL.create("postgresql", username=user, password=password, database=database, query=place)
        return url.render_as_string(hide_password=False)

    def run(self, *statements: str, database: str = "postgres") -> None:
        """Run statements, each on its own."""
        engine = create_engine(self.url(database), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
        engine.dispose()

    def new(self, database: str) -> str:
        """Make an empty database, in the place of the one that had its name, and give its address."""
        self.run(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)", f"CREATE DATABASE {database}")
        return self.url(database)


@contextmanager
def served() -> Iterator[Server]:
    """Start a server, and stop it at the end; where there is none to start, the test is skipped."""
    programs = _programs()
    if programs is None:
        pytest.skip("no PostgreSQL on this machine: apt-get install postgresql")
    # A socket's path may have 107 characters, and the server has to reach it.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    data = folder / "data"
    # It refuses to run with root's rights.
    nobody = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    if nobody:
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [programs / program, *arguments, "-D", data],
            cwd=folder,
            user=nobody.pw_uid if nobody else None,
            group=nobody.pw_gid if nobody else None,
            extra_groups=[] if nobody else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=True,
        )

    try:
        run("initdb", "--auth=trust", f"--username={USER}", "--encoding=UTF8", "--no-sync")
        with (data / "postgresql.conf").open("a") as settings:
            settings.write(_SETTINGS.format(folder=folder))
        rules = data / "pg_hba.conf"
        rules.write_text(f"local all {GUARDED} scram-sha-256\n{rules.read_text()}")
        run("pg_ctl", "start", "--wait", f"--log={folder / 'log'}")
        try:
            server = Server(folder)
            server.run(f"CREATE ROLE {GUARDED} SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
            yield server
        finally:
            run("pg_ctl", "stop", "--wait", "--mode=immediate")
    finally:
        shutil.rmtree(folder)


def _programs() -> Path | None:
    """Where the server's programs are: Debian keeps them off the path, in a folder for each version."""
    if found := shutil.which("pg_ctl"):
        return Path(found).resolve().parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: float(path.parts[-3]))
    return folders[-1].parent if folders else None
