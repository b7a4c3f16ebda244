"""Before the first verdict: how long it takes, and what an idle pair of kernels holds."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import psutil

from benchmarks import tiny
from benchmarks.measuring import (
    AUTOGRADER,
    MEBIBYTE,
    Options,
    Part,
    Ratio,
    Tell,
    empty_kernel_seconds,
    environment_of_runs,
    kernels,
    watch,
)

_IDLE_SECONDS = 6
_FIRST = "[1/"


def measure_first_verdict(options: Options, tell: Tell) -> Part:
    """
    Measure the time from the command to the first verdict on a notebook that imports Keras.

    On a machine that has just been started (as far as its system lets go of files that it has read), on one that has
    read the files before, and in a process whose warm server is ready: there from the first import of the command.
    """
    tell("the first verdict")
    environment = environment_of_runs(os.environ)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        course = Path(folder) / "course"
        tiny.make_course(options.course, course, 1, package="keras")
        arguments = ["--course", str(course), "grade", "--force", "--jobs", str(options.jobs)]
        forget((Path(sys.prefix), Path(os.__file__).parent, options.course.root / "autograder"))
        cold, read = (watch([AUTOGRADER, *arguments], course, environment).time_of(_FIRST) for _ in range(2))
        ready = watch([sys.executable, "-m", "benchmarks.warm_start", *arguments], options.course.root, environment)
        warm = ready.time_of(_FIRST) - ready.time_of("ready")
        modules = f"import {', '.join(options.course.preload)}"
        importing = watch([sys.executable, "-c", modules], options.course.root, environment).wall
    empty = empty_kernel_seconds()
    row = {
        "cold machine, s": cold,
        "files in memory, s": read,
        "server warm, s": warm,
        "imports alone, s": importing,
        "an empty kernel, s": empty,
    }
    return Part(
        "From the command to the first verdict",
        (row,),
        aims={"cold machine, s": 8.0, "server warm, s": 2.0},
        ratios=(
            Ratio("first verdict: files in memory / imports alone", "1 submission", (read / importing,)),
            Ratio("first verdict: server warm / an empty kernel", "1 submission", (warm / empty,)),
        ),
    )


def measure_idle_pair(options: Options, tell: Tell) -> Part:
    """Measure what candidate and examiner hold that is theirs alone (USS), while a cell waits, with Keras imported."""
    tell("an idle pair of kernels")
    servers: list[float] = []

    def pair(process: psutil.Process) -> float | None:
        own = [kernel.memory_full_info().uss for kernel in kernels(process)]
        if len(own) < 2:
            return None
        servers.extend(float(each.memory_info().rss) for each in process.children())
        return float(sum(own))

    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        course = Path(folder) / "course"
        answer = f"import time\ntime.sleep({_IDLE_SECONDS})\n{tiny.ANSWER}"
        tiny.make_course(options.course, course, 1, package="keras", answer=answer)
        command = [AUTOGRADER, "--course", str(course), "grade", "--jobs", "1"]
        watched = watch(command, course, environment_of_runs(os.environ), look=pair)
    own = statistics.median(size for _, size in watched.samples)
    row = {"pair's own MiB": own / MEBIBYTE, "server's MiB": max(servers) / MEBIBYTE}
    return Part(
        "Memory of an idle warm pair",
        (row,),
        aims={"pair's own MiB": 150.0},
        ratios=(Ratio("idle pair: memory / the server's", "1 submission", (own / max(servers),)),),
    )


def forget(folders: Iterable[Path]) -> None:
    """Ask the system to let go of what it has read of these folders' files; it keeps what other processes use."""
    for folder in folders:
        for parent, _, names in os.walk(folder):
            for name in names:
                path = Path(parent, name)
                if path.is_file() and not path.is_symlink():
                    descriptor = os.open(path, os.O_RDONLY)
                    try:
                        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
                    finally:
                        os.close(descriptor)
