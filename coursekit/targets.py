"""
What a trained model must reach, looked up for the pictures and the machine at hand.

``targets["cnn/litter"]`` is the number that a hidden test asks of exercise ``cnn`` on the data set ``litter``. How well
a model can do depends on where the pictures came from and on how long it could train, so the table ``targets.toml`` has
a row for each data source and profile. Its numbers are measured over many runs of the reference solution.
"""

from __future__ import annotations

import json
import math
import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from coursekit import runtime

__all__ = ["TABLE", "MissingTargetError", "Targets", "TargetsError", "read_measured", "targets"]

TABLE = Path(__file__).with_name("targets.toml")
"""The course's own table."""

_MARK = "measured for the table of targets: "


class TargetsError(Exception):
    """The table of targets cannot be used: its message names the file, the row and what is wrong with it."""


class MissingTargetError(KeyError):
    """No target was measured for this exercise, data source and profile."""

    def __str__(self) -> str:
        # KeyError would show the message in quotes.
        return str(self.args[0])


@dataclass(frozen=True)
class _Row:
    exercise: str
    source: str
    profile: str
    n: int
    mean: float
    sd: float
    target: float

    @property
    def key(self) -> tuple[str, str, str]:
        return self.exercise, self.source, self.profile


_TEXTS = ("exercise", "source", "profile")
_FIGURES = ("mean", "sd", "target")
_KEYS = (*_TEXTS, "n", *_FIGURES)
# What the measurement says besides, for people: the worst honest run and the best wrong answer.
_REMARKS = ("worst", "wrong", "wrong_answer")


class _Bar(float):
    """
    What a look-up gives in a run that measures: a bar that everything passes, and that prints what was held against it.

    A comparison of a number with it comes here first, whichever stands on the left: Python asks the more special type,
    and NumPy's scalars give way to what has no ufuncs.
    """

    __array_ufunc__ = None

    def __new__(cls, exercise: str) -> _Bar:
        bar = super().__new__(cls, 0.0)
        bar._exercise = exercise
        return bar

    _exercise: str

    def _tell(self, reached: float) -> None:
        print(f"{_MARK}{json.dumps([self._exercise, float(reached)])}")

    def __le__(self, reached: float) -> bool:
        self._tell(reached)
        return True

    def __ge__(self, reached: float) -> bool:
        self._tell(reached)
        return False

    __lt__, __gt__ = __le__, __ge__


def read_measured(text: str) -> dict[str, float]:
    """
    Give what was measured, by exercise, from what a run printed; of several numbers the lowest.

    Parameters
    ----------
    text : str
        All that was printed.
    """
    found: dict[str, float] = {}
    for line in text.splitlines():
        if line.startswith(_MARK):
            exercise, reached = json.loads(line.removeprefix(_MARK))
            found[exercise] = min(reached, found.get(exercise, reached))
    return found


class Targets(Mapping[str, float]):
    """
    The targets for the data source and the profile in use, by exercise.

    Parameters
    ----------
    path : Path
        A table of targets in TOML. It is read at the first look-up.
    source : callable
        Tells by the name of a data set where its pictures come from.
    profile : callable
        Tells the profile.
    """

    def __init__(self, path: Path, *, source: Callable[[str], str], profile: Callable[[], str]) -> None:
        self._path = path
        self._source = source
        self._profile = profile

    def __getitem__(self, exercise: str) -> float:
        """
        Look up one target.

        Raises
        ------
        MissingTargetError
            When there is no row for it; says which, and how it is measured.
        TargetsError
            When the table itself is wrong.
        """
        if os.environ.get(runtime.MEASURING):
            _data_set(exercise)
            return _Bar(exercise)
        source, profile = self._source(_data_set(exercise)), self._profile()
        row = self._row(exercise, source, profile)
        if row is None:
            raise MissingTargetError(self._missing(exercise, source, profile))
        return row.target

    def __iter__(self) -> Iterator[str]:
        exercises = dict.fromkeys(row.exercise for row in self._rows.values())
        profile = self._profile()
        return iter([e for e in exercises if self._row(e, self._source(_data_set(e)), profile) is not None])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _row(self, exercise: str, source: str, profile: str) -> _Row | None:
        row = self._rows.get((exercise, source, profile))
        # Real pictures are real pictures: what was measured on a folder's holds for those that were downloaded.
        return self._rows.get((exercise, "folder", profile)) if row is None and source == "download" else row

    @cached_property
    def _rows(self) -> dict[tuple[str, str, str], _Row]:
        return _read(self._path)

    def _missing(self, exercise: str, source: str, profile: str) -> str:
        message = (
            f"{self._path.name} has no target for {exercise!r} with data source {source!r} and profile {profile!r}."
        )
        known = sorted(row.exercise for row in self._rows.values() if row.key[1:] == (source, profile))
        if known:
            message += f" For these two it has {', '.join(known)}."
        return f"{message} Measure it: 'autograder audit calibrate --profile {profile} --write'."


def _data_set(exercise: str) -> str:
    kind, slash, name = exercise.rpartition("/")
    if not (kind and slash and name):
        raise MissingTargetError(
            f"{exercise!r} is no exercise: write it as 'exercise/data set', 'cnn/litter' for instance."
        )
    return name


def _read(path: Path) -> dict[tuple[str, str, str], _Row]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TargetsError(f"{path} cannot be read: {error}") from error
    unknown = sorted(set(table) - {"target"})
    entries = table.get("target", [])
    if unknown or not isinstance(entries, list):
        raise TargetsError(f"{path}: only [[target]] rows belong here, not {', '.join(unknown) or '[target]'}.")
    rows: dict[tuple[str, str, str], _Row] = {}
    for number, entry in enumerate(entries, start=1):
        row = _row(entry, where=f"{path}, row {number}")
        if row.key in rows:
            raise TargetsError(f"{path}, row {number}: there is a row for {' / '.join(row.key)} already.")
        rows[row.key] = row
    return rows


def _row(entry: Mapping[str, Any], *, where: str) -> _Row:
    missing, unknown = sorted(set(_KEYS) - set(entry)), sorted(set(entry) - {*_KEYS, *_REMARKS})
    if missing or unknown:
        parts = [f"{word} {', '.join(keys)}" for word, keys in (("missing:", missing), ("unknown:", unknown)) if keys]
        raise TargetsError(f"{where}: a row has the keys {', '.join(_KEYS)}; {'; '.join(parts)}.")
    for key in _TEXTS:
        if type(entry[key]) is not str or not entry[key]:
            raise TargetsError(f"{where}: {key} must be a text, not {entry[key]!r}.")
    if type(entry["n"]) is not int or entry["n"] < 1:
        raise TargetsError(f"{where}: n must be a number of runs, not {entry['n']!r}.")
    for key in _FIGURES:
        if type(entry[key]) not in (int, float) or not math.isfinite(entry[key]):
            raise TargetsError(f"{where}: {key} must be a number, not {entry[key]!r}.")
    if not 0 <= entry["target"] <= 1:
        raise TargetsError(f"{where}: target must lie between 0 and 1, not at {entry['target']!r}.")
    return _Row(
        exercise=entry["exercise"],
        source=entry["source"],
        profile=entry["profile"],
        n=entry["n"],
        **{key: float(entry[key]) for key in _FIGURES},
    )


def _source_in_use(name: str) -> str:
    # Looked up late: a notebook that asks for no target reads no data.
    from coursekit import data

    return data.source(name)


targets: Mapping[str, float] = Targets(TABLE, source=_source_in_use, profile=runtime.profile)
"""The course's own targets, for the data source and the profile in use."""
