"""Grading through a real Slurm: the scores that this machine gives, whatever becomes of the jobs."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from autograder.course import load_course
from autograder.sample import write_class
from tests.kernel.slurm import MISSING, is_installed, running_slurm
from tests.kernel.test_grade_command import AUTOGRADER, RIGHT, Class, outcomes, submission

pytest.importorskip("dask_jobqueue")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not is_installed(), reason=MISSING)]

REPOSITORY = Path(__file__).parents[2]
# Six of the sample class, with right and wrong answers.
STUDENTS = "[abdeik]*"
# A busy machine needs many times what an idle one needs.
SECONDS_FOR_A_RUN = 400
SECONDS_BETWEEN_LOOKS = 0.1

# Kills the worker that runs it, as a machine does whose memory is used up. Its job starts another one.
KILLER = """
import psutil, time
for process in psutil.Process().parents()[:-1]:
    if "distributed.cli.dask_worker" in process.parent().cmdline():
        process.kill()
time.sleep(60)
"""


@pytest.fixture(scope="module")
def slurm():
    with running_slurm() as running:
        yield running


@pytest.fixture
def home(tmp_path):
    """A home folder with the configuration that docs/operators.md shows."""
    page = (REPOSITORY / "docs" / "operators.md").read_text()
    found = re.search(r"`~/(\S+)`:\n\n```yaml\n(jobqueue:\n.*?)```", page, re.DOTALL)
    assert found is not None
    file = tmp_path / "home" / found[1]
    file.parent.mkdir(parents=True)
    file.write_text(found[2])
    return tmp_path / "home"


@pytest.fixture
def grading(slurm, home):
    """Begin to grade a course on Slurm; what is printed can be read line by line."""

    @contextmanager
    def start(course, *options):
        with subprocess.Popen(
            # Whoever runs this in the background has Ctrl-C ignored, and all that they start.
            [
                *("env", "--default-signal=INT", AUTOGRADER, "--course", str(course)),
                *("grade", "--cluster", "slurm", *options),
            ],
            cwd=home,
            env={**os.environ, **slurm.environment, "HOME": str(home), "COURSE_DATA_SOURCE": "standin"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            watchdog = threading.Timer(SECONDS_FOR_A_RUN, process.kill)
            watchdog.start()
            try:
                yield process
            finally:
                watchdog.cancel()
                process.kill()

    return start


def wait_for(what, seconds=60):
    """Wait until something is so; Slurm tells of nothing by itself."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, what
        time.sleep(SECONDS_BETWEEN_LOOKS)


def comparable(file):
    """All of the records that does not depend on time, by student."""
    records = json.loads(file.read_text())
    return {each["student"]: (each["status"], each["score"], each["cells"]) for each in records}


@pytest.mark.long
def test_slurm_gives_the_scores_that_this_machine_gives_though_all_jobs_are_cancelled_meanwhile(
    slurm, grading, tmp_path
):
    repository = load_course(REPOSITORY)
    root = tmp_path / "course"
    write_class(repository, repository.select(["02_sigmoid_neuron"]), root)
    here, there = tmp_path / "here.json", tmp_path / "there.json"
    options = ("--student", STUDENTS, "--data", "standin", "--json")
    done = subprocess.run(
        [AUTOGRADER, "--course", root, "grade", *options, here],
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS_FOR_A_RUN,
    )
    assert done.returncode == 0, done.stdout + done.stderr

    before = set(slurm.ended_jobs())
    with grading(root, "--jobs", "2", "--force", *options, str(there)) as run:
        told = []
        while not told or " graded " not in told[-1]:
            told.append(run.stdout.readline())
            assert told[-1], "".join(told)
        jobs = slurm.jobs()
        assert list(jobs.values()) == ["RUNNING", "RUNNING"], told
        slurm.ask("scancel", *jobs)
        told += run.stdout.readlines()
        assert run.wait(timeout=30) == 0, "".join(told)
    assert comparable(there) == comparable(here)
    assert set(comparable(there)) == {"ada", "boris", "dana", "emil", "ivan", "kim"}
    wait_for(lambda: not slurm.jobs())
    ended = set(slurm.ended_jobs()) - before
    assert set(jobs) < ended, "jobs that were lost were asked for anew"


@pytest.mark.long
def test_a_submission_under_which_three_workers_died_is_told_as_failed_and_the_others_are_graded(
    slurm, grading, tmp_path
):
    class_ = Class(tmp_path / "course")
    class_.hand_in("a-killer", submission(double=KILLER))
    others = {"b", "c", "d"}
    for student in others:
        class_.hand_in(student, submission(**RIGHT))
    file = tmp_path / "verdicts.json"
    # One job: the others wait at the workers that die. Not in the sandbox, out of which nothing can be killed.
    with grading(class_.root, "--jobs", "1", "--sandbox", "off", "--json", str(file)) as run:
        printed = run.stdout.read()
        assert run.wait(timeout=30) == 1, printed
    records = {each["student"]: each for each in json.loads(file.read_text())}
    assert records["a-killer"]["status"] == "failed"
    assert "3 workers that ran it" in records["a-killer"]["message"]
    assert {student for student in records if records[student]["score"] == 5} == others
    assert outcomes(records["b"]) == {"test_double": "passed", "test_half": "passed"}
    wait_for(lambda: not slurm.jobs())


@pytest.mark.parametrize(
    ("how", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)], ids=["Ctrl-C", "kill -9"]
)
def test_a_run_that_ends_early_gives_its_jobs_back_those_that_wait_as_well(slurm, grading, tmp_path, how, code):
    class_ = Class(tmp_path / "course")
    for number in range(4):
        class_.hand_in(f"slow-{number}", submission(double="import time\ntime.sleep(30)"))
    # The node has two cores: the third job waits.
    with grading(class_.root, "--jobs", "3") as run:
        wait_for(lambda: sorted(slurm.jobs().values()) == ["PENDING", "RUNNING", "RUNNING"])
        jobs = slurm.jobs()
        run.send_signal(how)
        assert run.wait(timeout=60) == code
    wait_for(lambda: not slurm.jobs())
    # None of them had to find out for itself that there is nothing to do any more.
    assert {slurm.ended_jobs()[job] for job in jobs} == {"CANCELLED"}
