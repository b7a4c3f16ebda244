"""Grading on a Dask cluster: the same verdicts, from workers that share nothing; a worker that dies loses nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest

from autograder.cluster import ClusterError, ClusterExecutor, pack, perform
from autograder.course import Limits
from autograder.sealed.session import Conditions
from tests.kernel.test_grade_command import RIGHT, Class, outcomes, submission

distributed = pytest.importorskip("distributed")


@pytest.fixture
def cluster(tmp_path):
    """A scheduler and two workers of one core, each a process of its own; its address, and the workers' processes."""
    # As on another machine: no part of the course is in their folder, and none of our variables but these.
    place = tmp_path / "elsewhere"
    place.mkdir()
    environment = {"PATH": os.environ["PATH"], "HOME": str(place)}
    running = []

    def start(module, *arguments):
        command = [sys.executable, "-m", f"distributed.cli.{module}", *arguments]
        with (place / f"{module}-{len(running)}.log").open("w") as log:
            process = subprocess.Popen(command, cwd=place, env=environment, stdout=log, stderr=log)
        running.append(process)
        return process

    file = place / "scheduler.json"
    start("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file))
    workers = [
        start("dask_worker", "--scheduler-file", str(file), "--nthreads", "1", "--no-nanny", "--no-dashboard")
        for _ in range(2)
    ]
    with distributed.Client(scheduler_file=str(file), timeout=60, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
        yield client.scheduler.address, workers
    # Workers first: without a scheduler they would look for it before they end.
    for process in reversed(running):
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


@pytest.fixture
def class_(tmp_path):
    made = Class(tmp_path / "course")
    for number in range(6):
        made.hand_in(f"right-{number}", submission(**RIGHT))
    made.hand_in("wrong", submission(half="def half(x):\n    return x // 2"))
    return made


def scores(records):
    return {student: (record["score"], outcomes(record)) for student, record in records.items()}


@pytest.mark.slow
def test_a_cluster_gives_the_scores_that_this_machine_gives_though_a_worker_is_killed_meanwhile(class_, cluster):
    address, workers = cluster
    code, here, printed = class_.grade()
    assert code == 0, printed
    with subprocess.Popen(
        [
            *(str(Path(sys.executable).with_name("autograder")), "--course", str(class_.root), "grade", "--force"),
            *("--scheduler", address, "--json", str(class_.root / "there.json")),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as grading:
        told = [grading.stdout.readline() for _ in range(2)]
        workers[0].kill()
        told += grading.stdout.readlines()
    assert grading.returncode == 0, "".join(told)
    there = {each["student"]: each for each in json.loads((class_.root / "there.json").read_text())}
    assert scores(there) == scores(here)
    assert scores(here)["wrong"][0] == 2


def test_what_lies_beside_a_notebook_travels_as_a_value_and_no_path_does(tmp_path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.txt").write_text("a picture")
    (tmp_path / "master.ipynb").write_text("{}")
    parcel = pack(
        Conditions({"COURSE_PROFILE": "cpu"}, files=str(tmp_path), readable=("/usr",)), ("autograder.sealed.candidate",)
    )
    assert parcel.files == (("pictures/a.txt", b"a picture"),)
    assert str(tmp_path) not in repr(parcel)

    def look(_paper, _limits, conditions):
        there = Path(conditions.files)
        return [path.relative_to(there).as_posix() for path in there.rglob("*") if path.is_file()], conditions.readable

    found, readable = perform(look, None, Limits(), parcel)
    assert found == ["pictures/a.txt"]
    assert readable
    assert str(tmp_path) not in readable


def test_a_worker_with_its_own_data_uses_them_and_one_without_says_so(tmp_path, monkeypatch):
    own = tmp_path / "own"
    own.mkdir()
    parcel = pack(Conditions({"COURSE_DATA": "/nowhere/on/this/machine"}), ("autograder.sealed.candidate",))

    def data(_paper, _limits, conditions):
        return conditions.environment["COURSE_DATA"], conditions.candidate_environment["COURSE_DATA"]

    monkeypatch.delenv("COURSE_DATA", raising=False)
    with pytest.raises(ClusterError, match="Set COURSE_DATA for the workers"):
        perform(data, None, Limits(), parcel)
    monkeypatch.setenv("COURSE_DATA", str(own))
    whole, without_holdout = perform(data, None, Limits(), parcel)
    assert whole == str(own)
    assert without_holdout != whole


def test_a_worker_with_other_versions_refuses(tmp_path):
    parcel = replace(pack(Conditions(), ("autograder.sealed.candidate",)), versions=(("keras", "1.0"),))
    with pytest.raises(ClusterError, match=r"asked is keras 1\.0"):
        perform(lambda *_: None, None, Limits(), parcel)


def test_a_paper_that_killed_every_worker_is_told_in_words():
    class KilledWorker(Exception):  # noqa: N818 - as Dask calls it
        pass

    class Executor:
        def submit(self, *_):
            future = Future()
            future.set_exception(KilledWorker("task-1"))
            return future

    told = ClusterExecutor(Executor(), ()).submit(None, None, Limits(), Conditions())
    with pytest.raises(ClusterError, match="memory may be too small"):
        told.result(timeout=5)


def test_where_no_scheduler_answers_it_is_told(class_):
    code, _, printed = class_.grade("--scheduler", "tcp://127.0.0.1:9")
    assert code == 2
    assert "No Dask scheduler answers at tcp://127.0.0.1:9" in printed


def test_a_batch_system_that_is_not_there_is_told_and_not_waited_for(class_, monkeypatch):
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    code, _, printed = class_.grade("--cluster", "slurm")
    assert code == 2
    assert "slurm is not here: there is no sbatch" in printed
