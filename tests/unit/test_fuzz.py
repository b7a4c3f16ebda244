"""A little of ``make fuzz``, and that it would tell."""

from __future__ import annotations

import random
import re
import subprocess
import sys

import pytest

from autograder.sealed import values
from benchmarks import fuzz
from benchmarks.mutations import mutate_bytes, mutate_tree


def test_hundreds_of_damaged_notebooks_and_archives_and_thousands_of_values_are_read_or_refused_in_words(tmp_path):
    command = [sys.executable, "-m", "benchmarks.fuzz", "--no-models"]
    sizes = ["--notebooks", "200", "--values", "2000", "--archives", "200"]

    done = subprocess.run(
        [*command, *sizes, "--jobs", "1", "--keep", str(tmp_path)],
        cwd=fuzz.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    rows = {name: list(map(int, row)) for name, *row in re.findall(r"(\w+) *│" + r" *(\d+) *│" * 4, plain(done.stdout))}
    assert {name: row[0] for name, row in rows.items()} == {"notebooks": 200, "values": 2000, "archives": 200}
    # Damage that nobody can read, or that nobody notices, would find nothing.
    assert all(min(read, refused) > total / 10 and not failed for total, read, refused, failed in rows.values())
    assert list(tmp_path.iterdir()) == []


def plain(table):
    return table.replace(",", "")


def test_the_same_seed_gives_the_same_damage_and_another_one_another():
    text = '{"a": [1, {"b": "c"}], "d": [2, 3, 4, 5]}'

    def damage(seed):
        return mutate_tree(text, random.Random(seed)), mutate_bytes(text.encode(), [b"other"], random.Random(seed))

    assert [damage(seed) for seed in range(50)] == [damage(seed) for seed in range(50)]
    assert len({damage(seed) for seed in range(50)}) > 25


def failing(monkeypatch, reader):
    monkeypatch.setattr(values, "decode", reader)
    return fuzz.judge(fuzz.Case("value", 3, seed=1, models=False))


def test_an_exception_that_no_reader_promises_is_a_failure_and_its_input_is_kept(monkeypatch):
    def reader(_message, _resolve):
        raise KeyError("cells")

    outcome = failing(monkeypatch, reader)

    assert outcome.what == "failed"
    assert "KeyError: 'cells'" in outcome.why
    assert outcome.data == outcome.case.data()


@pytest.mark.parametrize(
    ("error", "cause", "why"),
    [
        (values.ValueTransferError("x" * 600), None, "a message of 600 characters"),
        (values.ValueTransferError(""), None, "a message of 0 characters"),
        (values.ValueTransferError("no value: \ud800"), None, "surrogates not allowed"),
        (values.ValueTransferError("not a value"), MemoryError(), "it ran out of memory"),
    ],
    ids=["long", "empty", "no-text", "memory"],
)
def test_a_refusal_that_tells_nobody_anything_is_a_failure(monkeypatch, error, cause, why):
    def reader(_message, _resolve):
        raise error from cause

    outcome = failing(monkeypatch, reader)

    assert outcome.what == "failed"
    assert why in outcome.why


def test_a_reader_that_takes_long_fails(monkeypatch):
    clock = iter([0.0, 2.5])
    monkeypatch.setattr(fuzz.time, "process_time", lambda: next(clock))

    def reader(_message, _resolve):
        return None

    outcome = failing(monkeypatch, reader)

    assert (outcome.what, outcome.seconds) == ("failed", 2.5)
    assert "reader took 2.5 s" in outcome.why


def test_a_reader_that_takes_gigabytes_fails(monkeypatch):
    memory = iter([0, 2 * 2**30])
    monkeypatch.setattr(fuzz, "_peak", lambda: next(memory))

    assert "took 2048 MiB" in failing(monkeypatch, lambda _message, _resolve: None).why


def test_a_notebook_that_is_another_one_after_it_was_written_is_a_failure(monkeypatch):
    def read(data, **_name):
        return data

    texts = iter(["one", "another"])

    def write(_notebook):
        return next(texts)

    monkeypatch.setattr(fuzz, "parse_notebook", read)
    monkeypatch.setattr(fuzz, "notebook_text", write)

    outcome = fuzz.judge(fuzz.Case("notebook", 3, seed=1, models=False))

    assert "it is another notebook" in outcome.why
