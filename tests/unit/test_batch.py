"""Jobs of a batch system are cancelled with whoever asked for them, however that ends."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from autograder.batch import kept_jobs

SECONDS = 20


def job(to: Path) -> type:
    """A kind of job with the face of dask-jobqueue's; what is cancelled stands in a file."""

    class Job:
        cancel_command = f"{sys.executable} -c 'import sys; open(sys.argv[1], \"a\").write(str(sys.argv[2:]))' {to}"

        def __init__(self, number: str) -> None:
            self.number = number
            self.job_id = ""

        async def start(self) -> None:
            self.job_id = self.number

    return Job


def test_all_jobs_are_cancelled_in_the_end(tmp_path: Path) -> None:
    with kept_jobs(job(tmp_path / "cancelled")) as kept:
        for number in ("17", "18"):
            asyncio.run(kept(number).start())
        assert not (tmp_path / "cancelled").exists()
    assert (tmp_path / "cancelled").read_text() == "['17', '18']"


def test_where_there_were_none_nothing_is_cancelled(tmp_path: Path) -> None:
    with kept_jobs(job(tmp_path / "cancelled")):
        pass
    assert not (tmp_path / "cancelled").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no batch systems on Windows")
def test_they_are_cancelled_though_their_owner_was_killed(tmp_path: Path) -> None:
    program = """
        import asyncio, os, pathlib, sys
        from autograder.batch import kept_jobs
        from tests.unit.test_batch import job
        with kept_jobs(job(pathlib.Path(sys.argv[1]))) as kept:
            asyncio.run(kept("17").start())
            os.kill(os.getpid(), 9)
    """
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), tmp_path / "cancelled"], env=environment, check=False
    )
    deadline = time.monotonic() + SECONDS
    while not (tmp_path / "cancelled").exists() or not (tmp_path / "cancelled").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert (tmp_path / "cancelled").read_text() == "['17']"
