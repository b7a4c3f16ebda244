"""
Feed damaged notebooks, values and archives to whatever reads them: each is read, or refused in words, and soon.

Examples::

    python -m benchmarks.fuzz
    python -m benchmarks.fuzz --notebooks 200 --values 2000 --archives 500 --seed 7
    python -m benchmarks.fuzz --case notebook-17

A failure is any other exception, more than two seconds of processor time for one reading, or too much memory. Its input
is kept, and its name repeats it.
"""

from __future__ import annotations

import bz2
import functools
import gzip
import io
import lzma
import math
import multiprocessing
import os
import random
import re
import resource
import struct
import tarfile
import tempfile
import time
import traceback
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Annotated, Any

import nbformat
import numpy as np
import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from autograder.archive import ArchiveError, Refused, read_members
from autograder.build import read_master
from autograder.course import Course, load_course
from autograder.intake import collect
from autograder.names import names
from autograder.notebook import NotebookError, notebook_text, parse_notebook
from autograder.paper import Paper, Role, SubmissionError, blank, build_paper, parse_submission
from autograder.sealed import values
from benchmarks.mutations import mutate_bytes, mutate_tree

ROOT = Path(__file__).parents[1]
KINDS = ("notebook", "value", "archive")

_SLOW_SECONDS = 2.0
_HANGING_SECONDS = 60.0
_GROWTH_BYTES = 2**30
_ADDRESSES_BYTES = 4 * 2**30
# TensorFlow reserves more than it ever uses.
_ADDRESSES_WITH_MODELS_BYTES = 16 * 2**30
_BATCH = 25
_LONG = re.compile(r'"([A-Za-z0-9+/=]{1000})[A-Za-z0-9+/=]+(\\n)?"')
_HEADER = struct.Struct("<4sI")
_READABLE_CHARACTERS = 20_000
# One value in so many is a model: to rebuild one takes a hundred times as long as anything else.
_MODELS_EVERY = 100


class FoundError(Exception):
    """A reader did not do what it promises."""


def soon(read: Callable[..., Any], *arguments: object, **options: object) -> Any:
    """
    Call a reader, which may take so much processor time and no more.

    Raises
    ------
    FoundError
        It took more.
    """
    begin = time.process_time()
    try:
        return read(*arguments, **options)
    finally:
        seconds = time.process_time() - begin
        _slowest[0] = max(_slowest[0], seconds)
        if seconds > _SLOW_SECONDS:
            raise FoundError(f"{read.__name__} took {seconds:.1f} s")


_slowest = [0.0]


@dataclass(frozen=True)
class Case:
    """One damaged input: its number and the seed make it again."""

    kind: str
    number: int
    seed: int
    models: bool

    @property
    def name(self) -> str:
        """What ``--case`` takes."""
        return f"{self.kind}-{self.number}"

    def data(self) -> bytes:
        """Make the input."""
        chance = random.Random(f"{self.seed} {self.name}")
        match self.kind:
            case "notebook":
                return _damaged_notebook(chance)[0]
            case "archive":
                return _damaged_archive(chance)
        return _damaged_value(self, chance)


@dataclass(frozen=True)
class Outcome:
    """What came of a case: ``read``, ``refused`` or ``failed``, in words why, and the seconds of its slowest reader."""

    case: Case
    what: str
    why: str
    seconds: float
    data: bytes = b""


@dataclass
class Tally:
    """What came of all cases of a kind."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[Outcome] = field(default_factory=list)
    slowest: float = 0.0

    def add(self, outcome: Outcome) -> None:
        """Count one."""
        self.counts[outcome.what] += 1
        self.slowest = max(self.slowest, outcome.seconds)
        if outcome.what == "failed":
            self.failures.append(outcome)


def main(
    notebooks: Annotated[int, typer.Option(help="How many damaged notebooks.")] = 10_000,
    values: Annotated[int, typer.Option(help="How many damaged values.")] = 100_000,
    archives: Annotated[int, typer.Option(help="How many damaged archives.")] = 5_000,
    seed: Annotated[int, typer.Option(help="Another seed, other damage.")] = 1,
    jobs: Annotated[int, typer.Option(help="Processes at the same time.")] = os.cpu_count() or 1,
    models: Annotated[bool, typer.Option(help="Whether Keras models are among the values.")] = True,
    keep: Annotated[Path, typer.Option(help="Folder for inputs that fail.")] = ROOT / "build" / "fuzz",
    case: Annotated[str, typer.Option(help="Repeat this one alone, and show where it fails.")] = "",
) -> None:
    """Run, report, and exit with 1 if anything failed."""
    console = Console()
    if case:
        kind, _, number = case.partition("-")
        outcome = judge(Case(kind, int(number), seed, models))
        console.print(f"{case}: {outcome.what} after {outcome.seconds:.2f} s\n{outcome.why}", markup=False)
        raise typer.Exit(int(outcome.what == "failed"))
    begin = time.monotonic()
    cases = [
        Case(kind, number, seed, models)
        for kind, count in zip(KINDS, (notebooks, values, archives), strict=True)
        for number in range(count)
    ]
    tallies = {kind: Tally() for kind in KINDS}
    columns = (SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("inputs", total=len(cases))
        for outcome in run(cases, jobs):
            tallies[outcome.case.kind].add(outcome)
            progress.advance(task)
    failures = [failure for tally in tallies.values() for failure in tally.failures]
    console.print(_table(tallies, time.monotonic() - begin))
    for failure in failures:
        path = keep / f"{failure.case.name}-seed-{seed}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".input").write_bytes(failure.data)
        path.with_suffix(".txt").write_text(failure.why, encoding="utf-8", errors="replace")
        last = failure.why.strip().splitlines()[-1]
        console.print(f"{failure.case.name}: {last[:200]}", markup=False)
        console.print(f"    kept as {path}.input; python -m benchmarks.fuzz --seed {seed} --case {failure.case.name}")
    raise typer.Exit(int(bool(failures)))


def _table(tallies: dict[str, Tally], seconds: float) -> Table:
    table = Table(title=f"Damaged inputs, {seconds:.0f} s")
    for heading in ("input", "in all", "read", "refused", "failed", "slowest"):
        table.add_column(heading, justify="left" if heading == "input" else "right")
    for kind, tally in tallies.items():
        counts = [f"{tally.counts[what]:,}" for what in ("read", "refused", "failed")]
        table.add_row(f"{kind}s", f"{tally.counts.total():,}", *counts, f"{tally.slowest:.2f} s")
    return table


# Processes, since only a process can be bounded in memory and ended when it hangs


def run(cases: list[Case], jobs: int) -> Iterator[Outcome]:
    """Judge cases in processes of their own; a process that hangs or dies fails its case, and another goes on."""
    context = multiprocessing.get_context("spawn")
    waiting = [cases[start : start + _BATCH] for start in range(0, len(cases), _BATCH)][::-1]
    workers: dict[Connection, _Worker] = {}
    try:
        while waiting or workers:
            while waiting and len(workers) < jobs:
                worker = _Worker(context, waiting.pop())
                workers[worker.connection] = worker
            for connection in wait(list(workers), timeout=1.0):
                yield from workers[connection].receive()
            for connection, worker in list(workers.items()):
                yield from worker.check()
                if worker.open and not worker.left and waiting:
                    worker.give(waiting.pop())
                if not worker.left:
                    worker.end()
                    del workers[connection]
                    if worker.rest:
                        waiting.append(worker.rest)
    finally:
        for worker in workers.values():
            worker.end()


class _Worker:
    """A process, and the cases that it has yet to judge."""

    def __init__(self, context: Any, cases: list[Case]) -> None:
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self.open = True
        self.left: list[Case] = []
        self.rest: list[Case] = []
        self._heard = math.inf  # it has to import everything first
        self.give(cases)

    def give(self, cases: list[Case]) -> None:
        self.left = list(cases)
        self.connection.send(cases)

    def receive(self) -> list[Outcome]:
        try:
            outcome: Outcome | None = self.connection.recv()
        except (EOFError, ConnectionResetError):
            self._process.join()
            if self._heard == math.inf:
                # No input's fault, and another process would fare no better.
                raise SystemExit(
                    "A process ended before it had read any input; what it wrote above says why."
                ) from None
            return self._give_up(f"its process died (exit code {self._process.exitcode})")
        self._heard = time.monotonic()
        if outcome is None:
            return []
        self.left.pop(0)
        return [outcome]

    def check(self) -> list[Outcome]:
        silent = time.monotonic() - self._heard
        return self._give_up(f"no end after {silent:.0f} s") if self.open and silent > _HANGING_SECONDS else []

    def _give_up(self, why: str) -> list[Outcome]:
        if not self.left:
            return []
        case, *self.rest = self.left
        self.left, self.open = [], False
        return [Outcome(case, "failed", why, _HANGING_SECONDS)]

    def end(self) -> None:
        self._process.kill()
        self._process.join()
        self.connection.close()


def _work(connection: Connection) -> None:
    warnings.simplefilter("ignore")
    is_bounded = False
    while True:
        for case in connection.recv():
            if not is_bounded:
                size = _ADDRESSES_WITH_MODELS_BYTES if case.models else _ADDRESSES_BYTES
                resource.setrlimit(resource.RLIMIT_AS, (size, size))
                resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
                _ready(case)
                is_bounded = True
                connection.send(None)
            connection.send(judge(case))


def _ready(case: Case) -> None:
    """Do what is done once, so that no case has to wait for it."""
    for _, _, master in _notebooks():
        blank(master)
    judge(Case("value", 0, case.seed, case.models))


# One case


def judge(case: Case) -> Outcome:
    """Feed one input to its readers."""
    data = case.data()
    memory = _peak()
    _slowest[0] = 0.0
    try:
        what, why = _CHECKS[case.kind](case, data)
    except Exception:  # noqa: BLE001 - that is what we are here for
        what, why = "failed", traceback.format_exc()
    grown = _peak() - memory
    if what != "failed" and grown > _GROWTH_BYTES:
        what, why = "failed", f"took {grown / 2**20:.0f} MiB ({what} {why})"
    return Outcome(case, what, why, _slowest[0], data if what == "failed" else b"")


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _told(error: Exception) -> tuple[str, str]:
    """Check that a refusal can be shown to a person."""
    message = str(error)
    message.encode("utf-8")
    if not 5 < len(message) < 500:
        raise FoundError(f"a message of {len(message)} characters")
    if isinstance(error.__cause__, MemoryError):
        raise FoundError("it ran out of memory") from error
    return "refused", message


# Notebooks


@cache
def _notebooks() -> list[tuple[str, bytes, nbformat.NotebookNode]]:
    """Give text and bytes of every notebook of the course, as handed out and as solved, and its master."""
    course = load_course(ROOT)
    found = []
    for assignment in course.assignments:
        for notebook in assignment.notebooks:
            master = read_master(notebook.path)
            for folder in (course.release, course.solutions):
                path = folder / assignment.name / notebook.path.name
                # Pictures are megabytes of the same few letters: enough of them is left.
                text = _LONG.sub(r'"\1"', path.read_text(encoding="utf-8"))
                found.append((text, text.encode("utf-8"), master))
    return found


def _damaged_notebook(chance: random.Random) -> tuple[bytes, nbformat.NotebookNode]:
    every = _notebooks()
    text, data, master = chance.choice(every)
    if chance.random() < 0.7:
        return mutate_tree(text, chance), master
    return mutate_bytes(data, [other for _, other, _ in every], chance), master


def _check_notebook(case: Case, data: bytes) -> tuple[str, str]:
    _, master = _damaged_notebook(random.Random(f"{case.seed} {case.name}"))
    _check_round_trip(data)
    try:
        submission = soon(parse_submission, data, "homework.ipynb")
    except SubmissionError as error:
        return _told(error)
    paper = soon(build_paper, master, submission, student="ada", assignment="a", notebook="homework")
    _check_paper(paper, master)
    return "read", ""


def _check_round_trip(data: bytes) -> None:
    try:
        text = soon(notebook_text, soon(parse_notebook, data, name="homework.ipynb"))
    except NotebookError as error:
        _told(error)
        return
    again = notebook_text(parse_notebook(text.encode("utf-8"), name="homework.ipynb"))
    if again != text:
        raise FoundError("read and written, it is another notebook")


def _check_paper(paper: Paper, master: nbformat.NotebookNode) -> None:
    managed = [cell for cell in paper.cells if cell.grade_id]
    for cell, original in zip(managed, blank(master), strict=True):
        # What the student writes, and what became of it, is the student's; all else of such a cell is the master's.
        is_answer = cell.role in {Role.ANSWER, Role.MANUAL}
        theirs = replace(cell, source=original.source, state=original.state) if is_answer else cell
        if theirs != original:
            raise FoundError(f"'{cell.grade_id}' is not the master's")
    for cell in paper.cells:
        cell.source.encode("utf-8")
        if cell.role is Role.OWN and (cell.points or cell.is_graded):
            raise FoundError("a cell of the student's own is worth points")
        if cell.cell_type == "code" and len(cell.source) <= _READABLE_CHARACTERS:
            try:
                soon(names, cell.source)
            except SyntaxError:
                continue
    if len({cell.cell_id for cell in paper.cells}) != len(paper.cells):
        raise FoundError("two cells have the same id")


# Values


def _refer(_value: object) -> values.Node:
    return {"t": "reference", "h": 1}


_RESOLVE = values.no_references({"reference": lambda _node: _refer})


@cache
def _values(models: bool) -> list[bytes]:
    """Give messages with everything that crosses."""
    arrays = [
        np.arange(12.0).reshape(3, 4),
        np.zeros((0, 3), np.int8),
        np.array(["a", "ä"]),
        np.array(["2026-01-31"], "M8[D]"),
        np.zeros(2, [("a", "i4"), ("b", "f8", (2,))]),
        np.float32(1.5),
        np.bool_(True),
    ]
    plain = [None, True, -7, 10**40, 0.5, float("nan"), 1j, "text", b"bytes", range(3), slice(1, None), ..., math]
    nested = {"a": (1, [2.5, {3}], {"k": frozenset({4})}), ("b", 1): arrays[0], 7: print}
    messages = [[*plain, nested], arrays, nested, ["ok", [1.0] * 20], {str(n): n for n in range(30)}]
    return [values.encode(message, _refer) for message in [*messages, *(_keras_objects() if models else [])]]


def _keras_objects() -> list[object]:
    import keras
    import tensorflow as tf

    layers = keras.layers
    small = keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(2)])
    small.compile("adam", "mse", metrics=["mae"])
    inputs = keras.Input((4,))
    branched = keras.Model(inputs, layers.Add()([layers.Dense(2)(inputs), layers.Dense(2)(inputs)]) * 2.0)
    history = keras.callbacks.History()
    history.history, history.epoch, history.params = {"loss": [2.0, 1.0]}, [0, 1], {"epochs": 2}
    others = [tf.constant([1.5, 2.5]), tf.Variable([1]), keras.Variable(np.ones(2)), history]
    return [others, {"model": small}, branched]


def _damaged_value(case: Case, chance: random.Random) -> bytes:
    every = _values(case.models)
    # The last two are models.
    is_model = case.models and case.number % _MODELS_EVERY == 0
    among = every[-2:] if is_model else every[:-2] if case.models else every
    message = chance.choice(among)
    if chance.random() < 0.3:
        return mutate_bytes(message, among, chance)
    _, length = _HEADER.unpack_from(message)
    tree = mutate_tree(message[_HEADER.size : _HEADER.size + length].decode(), chance)
    blocks = message[_HEADER.size + length :]
    if blocks and chance.random() < 0.1:
        blocks = mutate_bytes(blocks, [blocks], chance)
    return _HEADER.pack(message[:4], len(tree)) + tree + blocks


def _check_value(_case: Case, data: bytes) -> tuple[str, str]:
    try:
        value = soon(values.decode, data, _RESOLVE)
    except values.ValueTransferError as error:
        return _told(error)
    try:
        message = values.encode(value, _refer)
    except values.ValueTransferError as error:
        # What was read can always be written, but for what is known twice: a block of bytes and its escapes.
        raise FoundError("what was read cannot be written") from error
    again = values.encode(values.decode(message, _RESOLVE), _refer)
    # A set has no order, and a model's layers count on from those of the one before.
    if again != message and not any(kind in message for kind in (b'"set"', b'"frozenset"', b'"model"')):
        raise FoundError("written and read, it is another value")
    return "read", ""


# Archives


@cache
def _archives() -> list[tuple[str, bytes]]:
    """Give the work of a small class in every kind of archive, with each platform's names, and what packs it."""
    one = _small_notebook()
    inner = _zipped({"work/a.ipynb": one, "__MACOSX/._a.ipynb": b"x"})
    moodle = {
        "Ada Lovelace_11_assignsubmission_file/a.ipynb": one,
        "Zoë Ångström_12_assignsubmission_file_/a.zip": inner,
        "Ben_13_assignsubmission_onlinetext/onlinetext.html": b"<p>Hello</p>",
    }
    canvas = {"lovelaceada_LATE_11_101_a-1.ipynb": one, "sample_12_102_a.ipynb": one + b"\n", "x_13_text.html": b""}
    plain = {"ada/01_a/a.ipynb": one, "ada/01_a/timestamp.txt": b"2026-01-31 23:59:00 UTC", f"{'b' * 120}/a.ipynb": one}
    found = []
    for files in (moodle, canvas, plain):
        found.append(("", _zipped(files)))
        found += [(kind, _tarred(files)) for kind in _PACKERS]
    return found


_PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gz": functools.partial(gzip.compress, mtime=0),
    "bz2": bz2.compress,
    "xz": lzma.compress,
}
_SMALL_MASTER = """{"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": {"name": "python3",
"display_name": "Python 3"}}, "cells": [{"cell_type": "code", "id": "one", "execution_count": null, "outputs": [],
"metadata": {"nbgrader": {"grade_id": "one", "schema_version": 3, "grade": false, "solution": true, "locked": false,
"task": false}}, "source": "x = 1"}]}
"""


def _small_notebook() -> bytes:
    return _SMALL_MASTER.encode()


def _zipped(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def _tarred(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
        link = tarfile.TarInfo("ada/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return file.getvalue()


def _damaged_archive(chance: random.Random) -> bytes:
    every = _archives()
    packer, data = chance.choice(every)
    others = [other for _, other in every]
    if chance.random() < 0.5:
        # A name, where it stands: what names do is seen no other way, since other damage mostly ends the reading.
        old = chance.choice((b"Ada Lovelace", b"lovelaceada", b"ada/", b"01_a", b"a.ipynb", b"assignsubmission", b"11"))
        new = chance.choice(
            (b"../", b"/etc", b"C:\\x", b"..\\", b"a\0b", b"\n", "\u202e".encode(), b"con", b"-rf", b"\xff")
        )
        data = data.replace(old, (new * len(old))[: len(old)])
        if not data.startswith(b"PK"):
            data = _summed(data)
    else:
        data = mutate_bytes(data, others, chance)
    packed = _PACKERS[packer](data)
    return mutate_bytes(packed, others, chance) if packer and chance.random() < 0.3 else packed


def _summed(data: bytes) -> bytes:
    """Put right the checksums of a tar's headers."""
    blocks = [data[at : at + tarfile.BLOCKSIZE] for at in range(0, len(data), tarfile.BLOCKSIZE)]
    for number, block in enumerate(blocks):
        if block[257:262] == b"ustar":
            total = sum(block) - sum(block[148:156]) + 8 * ord(" ")
            blocks[number] = block[:148] + b"%06o\0 " % total + block[156:]
    return b"".join(blocks)


def _small_course(root: Path) -> Course:
    (root / "source" / "01_a").mkdir(parents=True)
    (root / "source" / "01_a" / "a.ipynb").write_text(_SMALL_MASTER, encoding="utf-8")
    (root / "course.toml").write_text('title = "Small"\n', encoding="utf-8")
    (root / "in").mkdir()
    return load_course(root)


def _check_archive(_case: Case, data: bytes) -> tuple[str, str]:
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        course = _small_course(Path(folder))
        source = course.root / "in" / "class"
        source.write_bytes(data)
        before = _files(course.root)
        what, why = _check_members(source)
        summary = soon(collect, course, [source])
        for problem in summary.problems:
            for text in (problem.origin, problem.reason, problem.remedy):
                if not 0 < len(text) < 500 or not text.isprintable():
                    raise FoundError(f"told in no words: {text!a}")
        expected = {course.submitted / c.student / c.assignment / f"{c.notebook}.ipynb" for c in summary.collected}
        times = {path.with_name("timestamp.txt") for path in expected}
        if not expected <= _files(course.root) - before <= expected | times:
            raise FoundError("other files than were told of")
        return what, why


def _check_members(source: Path) -> tuple[str, str]:
    count = 0
    try:
        for item in soon(list, read_members(source, wanted=lambda _path, _inner: True)):
            if isinstance(item, Refused):
                if not item.reason or not f"{item.name}{item.reason}".isprintable():
                    raise FoundError(f"told in no words: {item!a}")
                continue
            count += 1
            for part in (*item.path, *item.inner):
                if part in ("", ".", "..") or set(part) & set("/\\\0\n"):
                    raise FoundError(f"a path that leads elsewhere: {item.path!a}")
    except ArchiveError as error:
        return _told(error)
    return ("read", "") if count else ("refused", "no members")


def _files(root: Path) -> set[Path]:
    return {path for path in root.rglob("*") if not path.is_dir()}


_CHECKS: dict[str, Callable[[Case, bytes], tuple[str, str]]] = {
    "notebook": _check_notebook,
    "value": _check_value,
    "archive": _check_archive,
}


if __name__ == "__main__":
    typer.run(main)
