"""Grading on a Dask cluster: the same verdicts, from workers that share nothing; a worker that dies loses nothing."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

import numpy as np
import pytest
from nbformat.v4 import new_notebook

from autograder import cluster as cluster_module
from autograder.cluster import ClusterExecutor, Order, on_scheduler, promises_gpu
from autograder.course import Limits
from autograder.errors import ClusterError
from autograder.parcel import NoDataError, pack, perform
from autograder.sealed.session import Conditions
from tests.kernel.test_gpus import LongClass
from tests.kernel.test_grade_command import KERNEL, RIGHT, Class, code, outcomes, submission

distributed = pytest.importorskip("distributed")


# Hides a folder from a process and all that it starts.
HIDDEN = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"')


@pytest.fixture
def senders(tmp_path):
    """A folder of this machine that no worker sees."""
    folder = tmp_path / "senders"
    folder.mkdir()
    if subprocess.run([*HIDDEN, folder, "true"], capture_output=True, check=False).returncode:
        pytest.skip("ordinary users have no namespaces here: see `autograder doctor`")
    return folder


@contextlib.contextmanager
def running_cluster(tmp_path, *workers, hidden=None):
    """
    Start a scheduler and a worker of one core for each tuple of options, each a process of its own; give the
    scheduler's address, and the workers' processes.
    """
    # As on another machine: no part of the course is in their folder, and none of our variables but these.
    place = tmp_path / "elsewhere"
    place.mkdir()
    (place / "nvidia-smi").write_text("#!/bin/sh\necho '0, GPU-aaaa, 16000'\necho '1, GPU-bbbb, 16000'\n")
    (place / "nvidia-smi").chmod(0o755)
    environment = {"PATH": f"{place}:{os.environ['PATH']}", "HOME": str(place), "CUDA_VISIBLE_DEVICES": "1"}
    running = []

    def start(module, *arguments, around=()):
        command = [*around, sys.executable, "-m", f"distributed.cli.{module}", *arguments]
        with (place / f"{module}-{len(running)}.log").open("w") as log:
            process = subprocess.Popen(command, cwd=place, env=environment, stdout=log, stderr=log)
        running.append(process)
        return process

    file = place / "scheduler.json"
    start("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file))
    plain = ("--scheduler-file", str(file), "--nthreads", "1", "--no-nanny", "--no-dashboard")
    around = () if hidden is None else (*HIDDEN, str(hidden))
    processes = [start("dask_worker", *plain, *options, around=around) for options in workers]
    try:
        with distributed.Client(scheduler_file=str(file), timeout=60, set_as_default=False) as client:
            if workers:
                client.wait_for_workers(len(workers), timeout=60)
            yield client.scheduler.address, processes
    finally:
        # Workers first: without a scheduler they would look for it before they end.
        for process in reversed(running):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


@pytest.fixture
def cluster(tmp_path, senders):
    """A scheduler and two workers that do not see the sender's folder."""
    with running_cluster(tmp_path, (), (), hidden=senders) as started:
        yield started


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


def test_workers_that_are_there_begin_to_import_what_kernels_need_before_a_paper_comes(tmp_path):
    def imported():
        from autograder.kernels import process

        return process._shared and process._shared.modules

    with running_cluster(tmp_path, (), ()) as (address, _), on_scheduler(address, Order(("json",))):  # noqa: SIM117
        with distributed.Client(address, set_as_default=False) as client:
            workers = client.scheduler_info(n_workers=-1)["workers"]
            # A worker of one core does this after what it was asked before.
            asked = [client.submit(imported, workers=[each], pure=False) for each in workers]
            assert client.gather(asked) == [("json",)] * 2


def test_the_scheduler_imports_nothing_of_what_runs_a_paper(tmp_path):
    def imported(dask_scheduler):
        return sorted(name for name in sys.modules if name.startswith("autograder."))

    def verdict(*_):
        return "the verdict"

    with running_cluster(tmp_path, ()) as (address, _):
        with on_scheduler(address, Order(("json",))) as executor:
            told = executor.submit(verdict, None, Limits(), Conditions()).result(timeout=60)
        with distributed.Client(address, set_as_default=False) as client:
            on_the_scheduler = client.run_on_scheduler(imported)

    assert told == "the verdict"
    assert on_the_scheduler == ["autograder.worker"]


@pytest.mark.slow
def test_dask_looks_at_its_worker_less_often_while_a_paper_runs_and_then_as_often_as_before(tmp_path):
    def intervals(*_):
        return {name: look.callback_time for name, look in distributed.get_worker().periodic_callbacks.items()}

    with running_cluster(tmp_path, ()) as (address, _), distributed.Client(address, set_as_default=False) as client:
        before = client.submit(intervals, pure=False).result()
        with on_scheduler(address, Order(("json",))) as executor:
            during = executor.submit(intervals, None, Limits(), Conditions()).result(timeout=60)
        after = client.submit(intervals, pure=False).result()

    assert {name: (before[name], during[name]) for name in before if before[name] != during[name]} == {
        "profile": (10, 1000),
        "tick": (20, 1000),
    }
    assert after == before


# GPUs: made up, as what each worker's nvidia-smi says; its CUDA_VISIBLE_DEVICES allows the second one.

HAS_GPU = "import os\nassert os.environ['CUDA_VISIBLE_DEVICES'] == {!r}"


@pytest.mark.slow
def test_papers_that_need_a_gpu_are_for_workers_that_have_one_and_get_that_workers_own(tmp_path):
    class_ = LongClass(tmp_path / "course")
    for number in range(3):
        class_.hand_in_long(f"long-{number}", HAS_GPU.format("GPU-bbbb"))
        class_.hand_in(f"short-{number}", submission(**RIGHT))
    with running_cluster(tmp_path, (), ("--name", "with-gpu", "--resources", "GPU=1")) as (address, _):
        scores, printed = class_.scores("--profile", "gpu", "--scheduler", address)

    assert scores == {
        **{(f"long-{number}", "02_long"): 4 for number in range(3)},
        **{(f"short-{number}", "01_twice"): 5 for number in range(3)},
    }, printed


@pytest.mark.slow
def test_where_no_worker_has_a_gpu_it_is_told_and_not_waited_for(tmp_path):
    class_ = LongClass(tmp_path / "course")
    class_.hand_in_long("ada", HAS_GPU.format("-1"))
    with running_cluster(tmp_path, ()) as (address, _):
        scores, printed = class_.scores("--profile", "gpu", "--scheduler", address)

    assert scores == {("ada", "02_long"): 4}, printed
    assert f"No worker has a GPU. Start those that do with: dask worker {address} --resources GPU=1" in printed


def test_a_worker_that_is_said_to_have_a_gpu_and_has_none_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    parcel = pack(Conditions(gpu_users=("candidate",)), ("autograder.sealed.candidate",), gpu_memory=4096)
    with pytest.raises(ClusterError, match=r"is to have a GPU \(GPU=1\)\. No GPU was found"):
        perform(lambda *_: None, None, Limits(), parcel)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("python -m distributed.cli.dask_worker tcp://10.0.0.7:1 --nthreads 1 --resources GPU=1 --name x", True),
        ("python -m distributed.cli.dask_worker tcp://10.0.0.7:1 --resources 'FAST=1 GPU=2'", True),
        ("python -m distributed.cli.dask_worker tcp://10.0.0.7:1 --resources=GPU=1", True),
        ("python -m distributed.cli.dask_worker tcp://10.0.0.7:1 --resources FAST=1", False),
        ("#SBATCH --gres=gpu:1\npython -m distributed.cli.dask_worker tcp://10.0.0.7:1", False),
    ],
)
def test_whether_workers_of_a_batch_system_will_have_a_gpu_is_read_from_how_they_are_started(line, expected):
    assert promises_gpu(line) is expected


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


def data(_paper, _limits, conditions):
    return conditions.environment["COURSE_DATA"], conditions.candidate_environment["COURSE_DATA"]


def test_a_worker_with_its_own_data_uses_them_and_one_without_says_so(tmp_path, monkeypatch):
    own = tmp_path / "own"
    own.mkdir()
    parcel = pack(Conditions({"COURSE_DATA": "/nowhere/on/this/machine"}), ("autograder.sealed.candidate",))
    monkeypatch.delenv("COURSE_DATA", raising=False)
    with pytest.raises(NoDataError):
        perform(data, None, Limits(), parcel)
    monkeypatch.setenv("COURSE_DATA", str(own))
    whole, without_holdout = perform(data, None, Limits(), parcel)
    assert whole == str(own)
    assert without_holdout != whole


def test_a_folder_that_has_the_name_of_the_senders_and_holds_something_else_is_another_one(tmp_path, monkeypatch):
    monkeypatch.delenv("COURSE_DATA", raising=False)
    parcel = pack(Conditions({"COURSE_DATA": str(tmp_path)}), ("autograder.sealed.candidate",))
    assert perform(data, None, Limits(), parcel)[0] == str(tmp_path)
    np.savez(tmp_path / "pictures.npz", x_train=np.zeros(2))
    with pytest.raises(NoDataError):
        perform(data, None, Limits(), parcel)


# The test has the pictures that were held out. The answer looks for them.
LOOKING = new_notebook(
    metadata=KERNEL,
    cells=[
        code("setup", "import os, pathlib\nimport numpy as np\nfolder = pathlib.Path(os.environ['COURSE_DATA'])"),
        code("look", "### BEGIN SOLUTION\n...\n### END SOLUTION", solution=True),
        code(
            "test_look",
            "assert np.load(folder / 'own.npz')['x_holdout'].tolist() == [7, 7]\n"
            "assert np.load(folder / 'weights' / 'w.npz')['x_train'].tolist() == [1, 2]\n"
            "assert sorted(found) == ['own.npz: x_train', 'w.npz: x_train'], found",
            points=1,
        ),
    ],
)
LOOK = """found = []
for path in [*pathlib.Path("/tmp").rglob("*.npz"), *folder.rglob("*.npz"), *folder.glob("*/*.npz")]:
    try:
        found += [f"{path.name}: {name}" for name in np.load(path).files]
    except OSError:
        pass
found = sorted(set(found))"""


@pytest.mark.slow
def test_data_that_workers_do_not_see_are_sent_to_each_once_and_what_is_held_out_reaches_no_candidate(
    tmp_path, senders, cluster, monkeypatch
):
    address, _ = cluster
    (senders / "weights").mkdir()
    np.savez(senders / "own.npz", x_train=np.array([1, 2]), x_holdout=np.array([7, 7]))
    np.savez(senders / "weights" / "w.npz", x_train=np.array([1, 2]))
    made = Class(tmp_path / "course", LOOKING)
    students = [f"student{number}" for number in range(6)]
    for student in students:
        made.hand_in(student, submission(LOOKING, look=LOOK))
    monkeypatch.setenv("COURSE_DATA", str(senders))
    monkeypatch.delenv("COURSE_DATA_SOURCE", raising=False)

    def seen_and_received(folder):
        from autograder import parcel as here

        return [path.name for path in Path(folder).iterdir()], len(here._received)

    code, records, printed = made.grade("--scheduler", address)
    assert code == 0, printed
    assert {student: record["score"] for student, record in records.items()} == dict.fromkeys(students, 1), records
    with distributed.Client(address, set_as_default=False) as client:
        assert list(client.run(seen_and_received, str(senders)).values()) == [([], 1), ([], 1)]


def test_a_worker_with_other_versions_refuses(tmp_path):
    parcel = replace(pack(Conditions(), ("autograder.sealed.candidate",)), versions=(("keras", "1.0"),))
    with pytest.raises(ClusterError, match=r"asked is keras 1\.0"):
        perform(lambda *_: None, None, Limits(), parcel)


class KilledWorker(Exception):  # noqa: N818 - as Dask calls it
    pass


class Killing:
    """A Dask client whose workers die; before that, the paper's turn had come there so many times."""

    def __init__(self, *begun):
        self.begun = list(begun)
        self.tell = None

    def get_executor(self, **_):
        return self

    def subscribe_topic(self, _topic, handler):
        self.tell = handler

    def submit(self, _run, errand):
        _, (ticket, *_) = pickle.loads(errand)
        for _ in range(self.begun[0] if self.begun else 0):
            self.tell((0.0, ticket))
        future = Future()
        if self.begun:
            self.begun.pop(0)
            future.set_exception(KilledWorker("task-1"))
        else:
            future.set_result("the verdict")
        return future


def test_a_paper_that_killed_every_worker_is_told_in_words():
    told = ClusterExecutor(Killing(3), Order(())).submit(None, None, Limits(), Conditions())
    with pytest.raises(ClusterError, match="3 workers that ran it was killed: its memory may be too small"):
        told.result(timeout=5)


def test_a_paper_that_waited_where_another_one_killed_the_workers_is_run_elsewhere():
    told = ClusterExecutor(Killing(0, 1), Order(())).submit(None, None, Limits(), Conditions())
    assert told.result(timeout=5) == "the verdict"


@pytest.mark.slow
def test_where_no_worker_comes_it_is_told_and_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster_module, "_SECONDS_UNTIL_TOLD", 0.01)
    told = SimpleQueue()
    with running_cluster(tmp_path) as (address, _), on_scheduler(address, Order((), warn=told.put)):
        line = told.get(timeout=60)
    assert f"No worker has joined {address} yet. Start them, on any machine: dask worker {address}" in line
    assert "This run waits" in line


def test_where_a_worker_has_come_nothing_is_told(monkeypatch):
    monkeypatch.setattr(cluster_module, "_SECONDS_UNTIL_TOLD", 0.01)
    asked, told = threading.Event(), []

    class Client:
        def scheduler_info(self):
            asked.set()
            return {"workers": {"tcp://10.0.0.1:9": {}}}

    with cluster_module._telling_of_none(Client(), Order((), warn=told.append), "Nobody."):
        assert asked.wait(timeout=60)
    assert told == []


def test_where_no_scheduler_answers_it_is_told(class_):
    code, _, printed = class_.grade("--scheduler", "tcp://127.0.0.1:9")
    assert code == 2
    assert "No Dask scheduler answers at tcp://127.0.0.1:9" in printed


def test_a_batch_system_that_is_not_there_is_told_and_not_waited_for(class_, monkeypatch):
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    code, _, printed = class_.grade("--cluster", "slurm")
    assert code == 2
    assert "slurm is not here: there is no sbatch" in printed
