"""A class of thousands: the last submissions are graded as fast as the first, and the grader's memory stays."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import psutil

from benchmarks import tiny
from benchmarks.measuring import AUTOGRADER, MEBIBYTE, Options, Part, Ratio, Tell, Watched, environment_of_runs, watch

_SAMPLE_SECONDS = 0.5
_PARTS = 10


def measure(options: Options, tell: Tell) -> Part:
    """Grade a made-up class with `autograder grade`; of 5,000 submissions the first and last 500 are compared."""
    tell(f"a class of {options.submissions}")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        course = Path(folder) / "course"
        tiny.make_course(options.course, course, options.submissions)
        command = [AUTOGRADER, "--course", str(course), "grade", "--jobs", str(options.jobs)]
        watched = watch(command, course, environment_of_runs(os.environ), look=_resident, every=_SAMPLE_SECONDS)
    return found(watched, options)


def found(watched: Watched, options: Options) -> Part:
    """Tell what came of it: seconds a submission and memory at the beginning and at the end."""
    told = [seconds for seconds, line in watched.lines if line.startswith("[") and " graded " in line]
    if len(told) != options.submissions:
        raise RuntimeError(f"{len(told)} of {options.submissions} submissions were graded")
    number = max(2, options.submissions // _PARTS)
    first, last = pace(told[:number]), pace(told[-number:])
    begin, end = _memory(watched.samples, told[number - 1]), _memory(watched.samples, told[-1])
    of = f"{options.submissions} submissions, {options.jobs} jobs"
    row = {
        f"s a submission, first {number}": first,
        f"last {number}": last,
        "last / first": last / first,
        "MiB of the grader, then": begin / MEBIBYTE,
        "at the end": end / MEBIBYTE,
        "growth": (end - begin) / MEBIBYTE,
    }
    return Part(
        f"A class of thousands: {of}",
        (row,),
        aims={"last / first": 1.1, "growth": 100.0},
        ratios=(Ratio("class: last / first", of, (last / first,)), Ratio("class: memory", of, (end / begin,))),
    )


def pace(told: Sequence[float]) -> float:
    """Give the seconds from one verdict to the next, of verdicts told at these times."""
    return (told[-1] - told[0]) / (len(told) - 1)


def _memory(samples: Sequence[tuple[float, float]], until: float) -> float:
    return [size for seconds, size in samples if seconds <= until][-1]


def _resident(process: psutil.Process) -> float:
    return float(process.memory_info().rss)
