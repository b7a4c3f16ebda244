"""
Measure the grader: beside nbgrader, with a class of thousands, at its start.

Examples::

    python -m benchmarks
    python -m benchmarks 02_sigmoid_neuron --part nbgrader --students 30
    python -m benchmarks --part class --submissions 5000 --json class.json
    python -m benchmarks 02_sigmoid_neuron --check
    python -m benchmarks --times 5 --write
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from autograder.course import load_course
from autograder.versions import versions
from benchmarks import comparison, crowd, ratios, scaling, short_cells, starting
from benchmarks.measuring import Cell, Options, Part, Tell, combined

_WIDTH = 120
# No cell of a Markdown table goes over two lines.
_ENOUGH = 400


class Name(StrEnum):
    """The parts, in the order in which they are measured."""

    NBGRADER = "nbgrader"
    SCALING = "scaling"
    CLASS = "class"
    FIRST = "first"
    PAIR = "pair"
    CELL = "cell"


# Each is a function of options and of a line for whoever waits. Another measurement is another line here.
PARTS: Mapping[Name, Callable[[Options, Tell], Part]] = {
    Name.NBGRADER: comparison.measure,
    Name.SCALING: scaling.measure,
    Name.CLASS: crowd.measure,
    Name.FIRST: starting.measure_first_verdict,
    Name.PAIR: starting.measure_idle_pair,
    Name.CELL: short_cells.measure,
}


def main(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ASSIGNMENT]...", help="Which to compare with nbgrader; all when none is named."),
    ] = None,
    part: Annotated[list[Name] | None, typer.Option(help="Only this part; may be repeated.")] = None,
    students: Annotated[
        int, typer.Option(min=1, help="Class of an assignment, a tenth of it where notebooks train.")
    ] = 20,
    submissions: Annotated[int, typer.Option(min=10, help="The class of thousands: 5000 in full.")] = 1000,
    jobs: Annotated[int, typer.Option(min=1, help="Submissions at the same time, ours.")] = 2,
    times: Annotated[int, typer.Option(min=1, help="Measure all that often; medians are told.")] = 1,
    check: Annotated[
        bool, typer.Option("--check", help="End with 1 if a ratio got worse than the stored one, beyond noise.")
    ] = False,
    write: Annotated[bool, typer.Option("--write", help="Store the ratios in benchmarks/ratios.toml.")] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write what was found there, for a program.")
    ] = None,
) -> None:
    """Measure, and print tables of it: for people on a terminal, elsewhere as Markdown."""
    course = load_course(Path(__file__).parents[1])
    options = Options(course, course.select(names or ()), students, submissions, jobs)
    console = Console(highlight=False)
    console.width = _WIDTH if console.is_terminal else _ENOUGH
    found = []
    for name in PARTS:
        if name in (part or PARTS):
            found.append(_measured(PARTS[name], options, times, console))
            # At once: what comes later can take an hour.
            console.print(table_of(found[-1], box.HEAVY_HEAD if console.is_terminal else box.MARKDOWN))
    if json_file is not None:
        record = {"machine": _machine(), "parts": [asdict(each) for each in found]}
        json_file.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    measured = [ratio for each in found for ratio in each.ratios]
    stored = ratios.read()
    compared = ratios.compare(measured, stored)
    if check:
        for each in compared:
            console.print(str(each), style="" if each.is_sound else "red", markup=False, soft_wrap=True)
    if write:
        text = ratios.as_toml(ratios.updated(stored, measured), _machine())
        ratios.PATH.write_text(text, encoding="utf-8")
    if check and not all(each.is_sound for each in compared):
        raise typer.Exit(1)


def _measured(measure: Callable[[Options, Tell], Part], options: Options, times: int, console: Console) -> Part:
    parts = []
    with console.status("") as status:
        for time in range(1, times + 1):
            round_ = f" ({time} of {times})" if times > 1 else ""
            parts.append(measure(options, lambda line, round_=round_: status.update(escape(line + round_))))
    return combined(parts)


def table_of(part: Part, frame: box.Box) -> Table:
    """Show a part: what is above its aim is red. A single row is shown downwards."""
    table = Table(title=escape(part.title), title_justify="left", box=frame)
    if len(part.rows) == 1:
        for heading in ("", "measured", "aim"):
            table.add_column(heading, justify="right" if heading else "left")
        for column, value in part.rows[0].items():
            aim = part.aims.get(column)
            table.add_row(escape(column), _shown(value, aim), "" if aim is None else f"{aim:g}")
        return table
    for column in part.rows[0]:
        aimed = f" (aim: {part.aims[column]:g})" if column in part.aims else ""
        is_text = any(isinstance(row[column], str) for row in part.rows)
        table.add_column(escape(column) + aimed, justify="left" if is_text else "right", no_wrap=is_text)
    for row in part.rows:
        table.add_row(*(_shown(value, part.aims.get(column)) for column, value in row.items()))
    return table


def _shown(value: Cell, aim: float | None) -> Text:
    if not isinstance(value, float):
        return Text(value or "")
    text = f"{value:.2f}" if abs(value) < 100 else f"{value:.0f}"
    return Text(text, style="red" if aim is not None and value > aim else "")


def _machine() -> str:
    """Say where this is, as far as it bears on the figures."""
    libraries = ", ".join(f"{name} {version}" for name, version in versions("nbgrader").items())
    return f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, {libraries}"


if __name__ == "__main__":
    typer.run(main)
