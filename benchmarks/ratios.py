"""
Stored ratios, and whether measured ones have got worse.

Seconds say as much about a machine as about a program; two times that were measured in one run, one divided by the
other, say something about the program alone. What is stored is written by ``python -m benchmarks --write``.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from benchmarks.measuring import Ratio

PATH = Path(__file__).with_name("ratios.toml")

LEAST_NOISE = 0.15
"""What no run is held to: ratios that differ by less are the same."""


class Kind(StrEnum):
    """What came of a comparison."""

    WORSE = "worse"
    SAME = "same"
    BETTER = "better"
    NEW = "new"
    OTHER_SIZE = "other size"


@dataclass(frozen=True)
class Stored:
    """
    A ratio as it was measured before.

    Attributes
    ----------
    of : str
        How large what was measured is.
    median, spread : float
        As those of :class:`benchmarks.measuring.Ratio`.
    times : int
        How often it was measured.
    """

    of: str
    median: float
    spread: float
    times: int


@dataclass(frozen=True)
class Comparison:
    """
    A measured ratio beside the stored one.

    Attributes
    ----------
    ratio : Ratio
        What was measured.
    stored : Stored or None
        What was measured before, if it was.
    """

    ratio: Ratio
    stored: Stored | None

    @property
    def noise(self) -> float:
        """How far the two may be apart, as a share of the stored one: twice what either is spread, always somewhat."""
        assert self.stored is not None
        return max(LEAST_NOISE, 2 * self.ratio.spread, 2 * self.stored.spread)

    @property
    def kind(self) -> Kind:
        """What came of it."""
        if self.stored is None:
            return Kind.NEW
        if self.stored.of != self.ratio.of:
            return Kind.OTHER_SIZE
        if self.ratio.median > self.stored.median * (1 + self.noise):
            return Kind.WORSE
        # As many times less as would be too much.
        if self.ratio.median < self.stored.median / (1 + self.noise):
            return Kind.BETTER
        return Kind.SAME

    @property
    def is_sound(self) -> bool:
        """Whether there is nothing to be mended: neither a ratio that got worse nor one that nothing is known about."""
        return self.kind in (Kind.SAME, Kind.BETTER)

    def __str__(self) -> str:
        measured = f"{self.ratio.name}: {self.kind.value}: {self.ratio.median:.3f} of {self.ratio.of}"
        if self.stored is None:
            return f"{measured}; nothing is stored. Write it with --write."
        if self.kind is Kind.OTHER_SIZE:
            return f"{measured}; stored is that of {self.stored.of}. Measure that, or write this one with --write."
        return f"{measured}; stored is {self.stored.median:.3f}, and {self.noise:.0%} is noise."


def compare(measured: Iterable[Ratio], stored: Mapping[str, Stored]) -> list[Comparison]:
    """Put each measured ratio beside the stored one of its name; what was not measured is not spoken of."""
    return [Comparison(ratio, stored.get(ratio.name)) for ratio in measured]


def read(path: Path = PATH) -> dict[str, Stored]:
    """Read what is stored, by name; nothing if there is no file yet."""
    if not path.is_file():
        return {}
    entries = tomllib.loads(path.read_text(encoding="utf-8")).get("ratio", {})
    return {name: Stored(**entry) for name, entry in entries.items()}


def updated(stored: Mapping[str, Stored], measured: Iterable[Ratio]) -> dict[str, Stored]:
    """Give what is to be stored after a measurement: the new ratios, and those that were not measured."""
    new = {ratio.name: Stored(ratio.of, ratio.median, ratio.spread, len(ratio.values)) for ratio in measured}
    return {**stored, **new}


def as_toml(stored: Mapping[str, Stored], machine: str) -> str:
    """Write what is stored; `machine` says where it was measured last."""
    lines = [
        "# Ratios of two measurements of one run, and by which share of its median a run differed from it at most.",
        "# Less is better. Written by `python -m benchmarks --write`; `make bench-check` compares with it.",
        f"# Last written on: {machine}",
    ]
    for name, entry in sorted(stored.items()):
        lines += [
            "",
            f"[ratio.{json.dumps(name)}]",
            f"of = {json.dumps(entry.of)}",
            f"median = {entry.median:.4f}",
            f"spread = {entry.spread:.3f}",
            f"times = {entry.times}",
        ]
    return "\n".join(lines) + "\n"
