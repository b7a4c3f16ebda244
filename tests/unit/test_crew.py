"""Papers in threads: no slot is lent twice, nobody waits for a GPU who needs none, and every slot comes back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from typing import Any

import pytest

from autograder.crew import Crew
from autograder.kernels.gpus import Gpu, Slot
from autograder.sealed.session import Conditions, Turn

SECONDS = 20
ONE, OTHER = (Slot(Gpu(number, f"GPU-{number}", 8192), 8192) for number in range(2))
PLAIN, NEEDS_GPU = Conditions(), Conditions(gpu_users=("candidate",))


class Runs:
    """Papers that are under way until they are told to end, in the order in which they began."""

    def __init__(self, crew: Crew) -> None:
        self.crew = crew
        self.started: dict[str, set[str]] = {}  # what had ended by then
        self.began: list[tuple[str, Slot | None]] = []
        self._changed = threading.Condition()
        self._ended: set[str] = set()

    def add(self, name: str, conditions: Conditions) -> Future[Any]:
        return self.crew.submit(self._run, name, None, conditions)

    def _run(self, name: str, _limits: None, conditions: Conditions, turn: Turn) -> str:
        with self._changed:
            self.started[name] = set(self._ended)
            self._changed.notify_all()
        with turn, self._changed:
            self.began.append((name, conditions.gpu))
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: name in self._ended, SECONDS)
        return name

    def end(self, *names: str) -> None:
        with self._changed:
            self._ended.update(names)
            self._changed.notify_all()

    def wait_for(self, *names: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: {name for name, _ in self.began} >= set(names), SECONDS), self.began

    def wait_until_started(self, *names: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.started.keys() >= set(names), SECONDS), self.started

    @property
    def slots(self) -> dict[str, Slot | None]:
        return dict(self.began)


@pytest.fixture
def runs() -> Iterator[Callable[..., Runs]]:
    made: list[Runs] = []

    def make(places: int, *slots: Slot) -> Runs:
        made.append(Runs(Crew(places, slots)))
        return made[-1]

    yield make
    for each in made:
        each.end(*map(str, "abcdefgh"))
        each.crew.shutdown()


def test_a_slot_is_with_one_paper_at_a_time_and_the_next_one_has_it_then(runs):
    crew = runs(4, ONE)
    futures = [crew.add(name, NEEDS_GPU) for name in "abc"]
    crew.wait_for("a")
    assert crew.began == [("a", ONE)]

    crew.end("a")
    crew.wait_for("b")
    assert crew.began == [("a", ONE), ("b", ONE)]
    crew.end("b", "c")
    assert [future.result(SECONDS) for future in futures] == ["a", "b", "c"]


def test_papers_that_need_no_gpu_do_not_wait_behind_those_that_do(runs):
    crew = runs(3, ONE)
    for name in "abc":
        crew.add(name, NEEDS_GPU)
    for name in "de":
        crew.add(name, PLAIN)

    crew.wait_for("a", "d", "e")
    assert crew.slots == {"a": ONE, "d": None, "e": None}


def test_a_gpu_does_not_wait_behind_papers_that_need_none(runs):
    crew = runs(1, ONE)
    crew.add("a", PLAIN)
    crew.wait_for("a")
    crew.add("b", PLAIN)
    crew.add("c", NEEDS_GPU)

    crew.end("a")
    crew.wait_for("c")
    assert crew.began == [("a", None), ("c", ONE)]


def test_no_more_papers_run_at_a_time_than_there_are_places(runs):
    crew = runs(2, ONE, OTHER)
    for name, conditions in (("a", NEEDS_GPU), ("b", NEEDS_GPU), ("c", PLAIN)):
        crew.add(name, conditions)

    crew.wait_for("a", "b")
    assert crew.slots == {"a": ONE, "b": OTHER}
    crew.end("b")
    crew.wait_for("c")


def test_a_paper_stands_by_while_others_run_and_has_the_next_turn(runs):
    crew = runs(2)
    for name in "ab":
        crew.add(name, PLAIN)
    crew.wait_for("a", "b")

    crew.add("c", PLAIN)
    crew.wait_until_started("c")
    assert sorted(crew.slots) == ["a", "b"]
    crew.end("b")
    crew.wait_for("c")
    crew.add("d", PLAIN)
    crew.wait_until_started("d")
    assert (sorted(crew.slots), crew.started["d"]) == (["a", "b", "c"], {"b"})


def test_turns_come_in_the_order_of_the_papers_whichever_is_ready_first(runs):
    crew = runs(1)
    is_ready = threading.Event()

    def late(name: str, _limits: None, conditions: Conditions, turn: Turn) -> str:
        assert is_ready.wait(SECONDS)
        with turn:
            crew.began.append((name, conditions.gpu))
        return name

    first = crew.crew.submit(late, "a", None, PLAIN)
    crew.add("b", PLAIN)
    crew.wait_until_started("b")
    is_ready.set()

    assert first.result(SECONDS) == "a"
    crew.wait_for("b")
    assert [name for name, _ in crew.began] == ["a", "b"]


def test_a_paper_that_ends_before_its_turn_holds_up_nobody(runs):
    crew = runs(1)

    def fail(*_: object) -> None:
        raise RuntimeError("the kernel did not start")

    failed = crew.crew.submit(fail, "x", None, PLAIN)
    crew.add("a", PLAIN)
    with pytest.raises(RuntimeError, match="did not start"):
        failed.result(SECONDS)
    crew.wait_for("a")


def test_a_paper_that_is_run_once_more_takes_a_turn_once_more(runs):
    crew = runs(1)

    def twice(_name: str, _limits: None, _conditions: Conditions, turn: Turn) -> str:
        for _ in range(2):
            with turn:
                pass
        return "done"

    assert crew.crew.submit(twice, "x", None, PLAIN).result(SECONDS) == "done"
    crew.add("a", PLAIN)
    crew.wait_for("a")


def test_none_stands_by_with_a_gpu_that_another_could_use(runs):
    crew = runs(1, ONE)
    for name in "ab":
        crew.add(name, NEEDS_GPU)

    crew.wait_for("a")
    crew.end("a")
    crew.wait_for("b")
    assert crew.started == {"a": set(), "b": {"a"}}


def test_a_slot_comes_back_from_a_paper_that_failed(runs):
    crew = runs(2, ONE)

    def fail(*_: object) -> None:
        raise RuntimeError("the kernel was killed")

    failed = crew.crew.submit(fail, "x", None, NEEDS_GPU)
    with pytest.raises(RuntimeError, match="was killed"):
        failed.result(SECONDS)
    crew.add("a", NEEDS_GPU)
    crew.wait_for("a")
    assert crew.slots == {"a": ONE}


def test_a_paper_that_was_cancelled_is_not_run_and_keeps_no_slot(runs):
    crew = runs(1, ONE)
    crew.add("a", NEEDS_GPU)
    crew.wait_for("a")
    cancelled = crew.add("b", NEEDS_GPU)
    last = crew.add("c", NEEDS_GPU)

    assert cancelled.cancel()
    crew.end("a", "b", "c")
    assert last.result(SECONDS) == "c"
    assert crew.began == [("a", ONE), ("c", ONE)]
    with pytest.raises(CancelledError):
        cancelled.result(SECONDS)


def test_without_slots_all_papers_are_one_queue(runs):
    crew = runs(1)
    crew.end("a", "b", "c")
    futures = [crew.add(name, conditions) for name, conditions in (("a", PLAIN), ("b", NEEDS_GPU), ("c", PLAIN))]

    assert [future.result(SECONDS) for future in futures] == ["a", "b", "c"]
    assert crew.began == [("a", None), ("b", None), ("c", None)]
