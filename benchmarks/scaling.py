"""The same class on this machine's own pool and on a Dask cluster of as many workers of one core: one, and more."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks import nbgrader
from benchmarks.comparison import class_of, class_size
from benchmarks.measuring import AUTOGRADER, Cell, Options, Part, Ratio, Tell, environment_of_runs, watch

_RATIO = "cluster / pool"
# Each worker imports what kernels need, and the pool does so once: of a run of any length it is to be a small part.
_MOST = 1.1


def measure(options: Options, tell: Tell) -> Part:
    """
    Grade a class of the first assignment that trains for no minutes.

    Workers are there before the clock starts; their warm servers start in the run, as the pool's does.

    Raises
    ------
    SystemExit
        Two runs gave different scores.
    """
    from distributed import LocalCluster

    quick = [each for each in options.assignments if class_size(options, each) == options.students]
    assignment = (quick or options.assignments)[0]
    students = class_size(options, assignment)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        course, verdicts = Path(folder) / "course", Path(folder) / "verdicts.json"
        class_ = class_of(options.course, assignment, students)
        nbgrader.make_course(options.course, assignment, class_, course)
        command = [AUTOGRADER, "--course", str(course), "grade", assignment.name, "--force", "--json", str(verdicts)]
        scores: list[Mapping[str, float]] = []

        def graded(*more: str) -> float:
            seconds = watch([*command, *more], course, environment_of_runs(os.environ)).wall
            scores.append({each["student"]: each["score"] for each in json.loads(verdicts.read_text())})
            return seconds

        tell(f"{assignment.name}: warming up")
        graded("--student", class_[0].student)
        scores.clear()
        taken = []
        for jobs in sorted({1, options.jobs}):
            tell(f"{assignment.name}: {jobs} at the same time on the pool")
            pool = graded("--jobs", str(jobs))
            tell(f"{assignment.name}: {jobs} workers of a cluster")
            with LocalCluster(n_workers=jobs, threads_per_worker=1, dashboard_address=None) as workers:
                taken.append((jobs, pool, graded("--scheduler", workers.scheduler_address)))
    if any(each != scores[0] for each in scores):
        raise SystemExit(f"{assignment.name}: the pool and the cluster gave different scores")
    _, first_pool, first_cluster = taken[0]
    rows: list[Mapping[str, Cell]] = [
        {
            "jobs": str(jobs),
            "pool, s": pool,
            "times faster": first_pool / pool,
            "cluster, s": cluster,
            "times faster there": first_cluster / cluster,
            _RATIO: cluster / pool,
        }
        for jobs, pool, cluster in taken
    ]
    ratios = [
        Ratio(f"{assignment.name}: {_RATIO}, {jobs} jobs", f"{students} submissions", (cluster / pool,))
        for jobs, pool, cluster in taken
    ]
    title = f"Pool and cluster: {students} submissions of {assignment.name}, {os.cpu_count()} cores"
    return Part(title, tuple(rows), {_RATIO: _MOST}, tuple(ratios))
