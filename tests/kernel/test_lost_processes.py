"""What is killed from outside, in the middle of a notebook: the machine's failure is never the student's."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from autograder.conducting import conduct_twice
from autograder.course import Limits
from autograder.errors import UnwritableError
from autograder.kernels.kernel import KernelError
from autograder.kernels.process import ForkServerError, shared_server
from autograder.sealed.session import Conditions, conduct
from autograder.temporary import HeldFolder, sweep
from tests.kernel.conftest import Exercise, paper, verdict_on

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux alone")

SECONDS = 30
# Says by a file that it is running, and gives the test time to kill.
ANSWER = "import time\nfrom pathlib import Path\nPath('running').touch()\ntime.sleep(1.5)\ndef double(x): return 2 * x"
SLOW = paper(Exercise(ANSWER, "assert double(2) == 4"))


def killed_while_it_runs(run: Callable[..., Any], find: Callable[[Path], int]) -> Any:
    """Run the paper and kill the process that `find` gives for the session's folder; the run's result or error."""
    workplace = shared_server().workplace
    with ThreadPoolExecutor(1) as executor:
        future = executor.submit(run, SLOW, Limits(), Conditions())
        while not (running := list(workplace.glob("p-*/candidate/running"))):
            assert not future.done(), future.exception()
        os.kill(find(running[0].parents[1]), signal.SIGKILL)
        return future.result(timeout=SECONDS)


def the_examiner(session: Path) -> int:
    for process in psutil.Process(shared_server().pid).children():
        with suppress(OSError):
            if Path(f"/proc/{process.pid}/cwd").readlink() == session / "examiner":
                return process.pid
    raise LookupError("no examiner")


def the_server(_session: Path) -> int:
    return shared_server().pid


def test_an_examiner_that_is_killed_makes_no_verdict() -> None:
    with pytest.raises(KernelError, match="kernel of the tests was killed"):
        killed_while_it_runs(conduct, the_examiner)


def test_a_fork_server_that_is_killed_makes_no_verdict_and_its_kernels_deaths_are_no_students() -> None:
    with pytest.raises(ForkServerError, match="ended in the middle of the notebook"):
        killed_while_it_runs(conduct, the_server)


@pytest.mark.parametrize("find", [the_examiner, the_server])
def test_a_paper_is_run_again_and_earns_what_it_is_worth(find: Callable[[Path], int]) -> None:
    verdict = killed_while_it_runs(conduct_twice, find)
    assert [cell.score for cell in verdict.cells] == [1.0]


def test_a_server_that_was_killed_is_replaced_by_one_with_its_modules_and_its_folders_go() -> None:
    old = shared_server()
    os.kill(old.pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(old.pid)], timeout=SECONDS)
    new = shared_server()
    assert new.pid != old.pid
    assert new.modules == old.modules
    assert not old.workplace.exists()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_folder_of_a_killed_process_is_swept_and_one_that_is_held_stays() -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, str(HeldFolder("probe").path).encode())
        os._exit(9)
    os.waitpid(child, 0)
    left = Path(os.read(read, 4096).decode())
    with HeldFolder("probe") as held:
        assert left.is_dir()
        sweep()
        assert held.is_dir()
    assert not left.exists()
    assert not held.exists()


def test_an_examiner_that_does_not_hear_that_the_candidate_has_died_is_not_waited_for() -> None:
    suicide = "import os\ndef end(): os.kill(os.getpid(), 9)"
    deaf = (
        "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "try:\n    end()\nexcept Exception:\n    time.sleep(60)"
    )
    verdict = conduct(paper(Exercise(suicide, deaf)), Limits(), Conditions())
    assert "The kernel died when cell" in verdict.message
    assert verdict.seconds < 40


def test_a_machine_without_room_for_a_socket_is_no_students_fault():
    with pytest.raises(KernelError, match="cannot talk to each other"):
        verdict_on(Exercise("x = 1", "assert x == 1"), given="import shutil\nshutil.rmtree('../line', True)")


def test_a_full_temporary_folder_is_told_by_name(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "not-there"))
    with pytest.raises(UnwritableError, match=r"not-there/autograder-papers-\w+ could not be written"):
        HeldFolder("papers")
