"""Jobs of a batch system that do not outlive who asked for them, however that ends."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Reads until whoever writes has closed the pipe, or is gone.
_CANCEL = 'jobs=$(cat); [ -z "$jobs" ] || exec {command} $jobs'


@contextmanager
def kept_jobs(job: Any) -> Iterator[Any]:
    """
    Make a kind of job whose jobs are cancelled in the end, also where this process is killed.

    Parameters
    ----------
    job : type
        One of dask-jobqueue's kinds of job.
    """
    with subprocess.Popen(
        ["sh", "-c", _CANCEL.format(command=shlex.join(shlex.split(job.cancel_command)))],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        # Ctrl-C must not reach it.
        start_new_session=True,
    ) as keeper:

        class Kept(job):  # type: ignore[misc]
            async def start(self) -> None:
                await super().start()
                if keeper.stdin is not None:
                    print(self.job_id, file=keeper.stdin, flush=True)

        yield Kept
