"""Measurements: what is compared with what, what counts as noise, and what people and programs are shown."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import pytest
from rich import box
from rich.console import Console

from autograder.build import build
from autograder.course import load_course
from benchmarks import crowd, ratios, tiny
from benchmarks.__main__ import PARTS, Name, table_of
from benchmarks.comparison import class_size
from benchmarks.measuring import Options, Part, Ratio, Watched, combined, watch
from benchmarks.ratios import Kind, Stored, compare

ROOT = Path(__file__).parents[2]
SIZE = "20 submissions, 2 jobs"


def kinds(*values: float, stored: Stored | None, of: str = SIZE) -> list[Kind]:
    known = {} if stored is None else {"a / b": stored}
    return [comparison.kind for comparison in compare([Ratio("a / b", of, values)], known)]


# --- what counts as noise -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("measured", "kind"),
    [(0.20, Kind.SAME), (0.229, Kind.SAME), (0.231, Kind.WORSE), (0.175, Kind.SAME), (0.173, Kind.BETTER)],
)
def test_a_ratio_is_worse_if_it_is_more_than_noise_above_the_stored_one(measured: float, kind: Kind) -> None:
    assert kinds(measured, stored=Stored(SIZE, 0.20, spread=0.02, times=5)) == [kind]


def test_what_was_spread_when_it_was_stored_may_be_farther_from_it() -> None:
    assert kinds(0.25, stored=Stored(SIZE, 0.20, spread=0.02, times=5)) == [Kind.WORSE]
    assert kinds(0.25, stored=Stored(SIZE, 0.20, spread=0.30, times=5)) == [Kind.SAME]


def test_what_is_spread_now_may_be_farther_from_what_was_stored() -> None:
    assert kinds(0.25, 0.25, 0.25, stored=Stored(SIZE, 0.20, spread=0.02, times=5)) == [Kind.WORSE]
    assert kinds(0.20, 0.25, 0.26, stored=Stored(SIZE, 0.20, spread=0.02, times=5)) == [Kind.SAME]


def test_one_slow_run_of_several_is_no_regression() -> None:
    assert kinds(0.20, 0.20, 0.90, stored=Stored(SIZE, 0.20, spread=0.02, times=5)) == [Kind.SAME]


def test_ratios_of_classes_of_different_sizes_are_not_compared() -> None:
    (comparison,) = compare([Ratio("a / b", "4 submissions", (0.1,))], {"a / b": Stored(SIZE, 0.2, 0.02, 5)})
    assert comparison.kind is Kind.OTHER_SIZE
    assert not comparison.is_sound
    assert SIZE in str(comparison)


def test_a_ratio_of_which_nothing_is_stored_is_to_be_written_first() -> None:
    (comparison,) = compare([Ratio("a / b", SIZE, (0.1,))], {})
    assert comparison.kind is Kind.NEW
    assert not comparison.is_sound
    assert "--write" in str(comparison)


def test_what_is_told_of_a_regression_names_both_values_and_the_noise() -> None:
    (comparison,) = compare([Ratio("a / b", SIZE, (0.3,))], {"a / b": Stored(SIZE, 0.2, 0.02, 5)})
    assert str(comparison) == f"a / b: worse: 0.300 of {SIZE}; stored is 0.200, and 15% is noise."


# --- what is stored -----------------------------------------------------------------------------------------------


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    measured = [Ratio('a "quoted" / b', SIZE, (0.25, 0.2, 0.3)), Ratio("c / d", "1 submission", (2.0,))]
    path = tmp_path / "ratios.toml"
    path.write_text(ratios.as_toml(ratios.updated({}, measured), "2 cores"), encoding="utf-8")
    assert ratios.read(path) == {
        'a "quoted" / b': Stored(SIZE, 0.25, 0.2, 3),
        "c / d": Stored("1 submission", 2.0, 0.0, 1),
    }


def test_a_measurement_of_some_ratios_leaves_the_others_as_they_are() -> None:
    stored = {"a / b": Stored(SIZE, 0.2, 0.02, 5), "c / d": Stored(SIZE, 2.0, 0.1, 5)}
    after = ratios.updated(stored, [Ratio("a / b", SIZE, (0.1,))])
    assert after == {"a / b": Stored(SIZE, 0.1, 0.0, 1), "c / d": stored["c / d"]}


def test_nothing_is_stored_before_anything_is_written(tmp_path: Path) -> None:
    assert ratios.read(tmp_path / "ratios.toml") == {}


# --- several measurements -----------------------------------------------------------------------------------------


def test_of_several_measurements_medians_are_told_and_all_ratios_kept() -> None:
    parts = [
        Part("t", ({"what": "x", "s": seconds, "unknown": None},), {"s": 1.0}, (Ratio("a / b", SIZE, (seconds,)),))
        for seconds in (3.0, 1.0, 2.0)
    ]
    both = combined(parts)
    assert both.rows == ({"what": "x", "s": 2.0, "unknown": None},)
    assert (both.aims, both.ratios) == ({"s": 1.0}, (Ratio("a / b", SIZE, (3.0, 1.0, 2.0)),))


# --- the class of thousands ---------------------------------------------------------------------------------------


def graded(times: list[float], memory: list[tuple[float, float]], submissions: int) -> Part:
    lines = tuple((time, f"[{number}/x] graded s a/b graded 1/1 0.1 s") for number, time in enumerate(times, 1))
    course = load_course(ROOT)
    return crowd.found(Watched(0, 0, lines, tuple(memory)), Options(course, (), 20, submissions, 2))


def test_the_last_tenth_of_a_class_is_compared_with_the_first_without_the_start_of_the_run() -> None:
    times = [100 + 0.5 * number for number in range(90)]
    times += [times[-1] + 1 + number for number in range(10)]
    part = graded(times, [(99, 2**20), (104.5, 2 * 2**20), (150, 5 * 2**20)], 100)
    (row,) = part.rows
    assert row["s a submission, first 10"] == 0.5
    assert row["last 10"] == 1.0
    assert row["last / first"] == 2.0
    assert row["growth"] == 3.0
    assert [ratio.median for ratio in part.ratios] == [2.0, 2.5]


def test_a_class_of_which_some_were_not_graded_is_no_measurement() -> None:
    with pytest.raises(RuntimeError, match="12 of 100"):
        graded([float(number) for number in range(12)], [(0, 1)], 100)


def test_the_made_up_course_is_one_that_can_be_built_and_handed_in(tmp_path: Path) -> None:
    tiny.make_course(load_course(ROOT), tmp_path / "course", 3, package="keras")
    course = load_course(tmp_path / "course")
    build(course, course.assignments)
    assert len(list(course.submitted.glob(f"*/{tiny.ASSIGNMENT}/*.ipynb"))) == 3
    assert course.preload == load_course(ROOT).preload


def test_an_assignment_that_trains_is_compared_on_a_smaller_class() -> None:
    course = load_course(ROOT)
    options = Options(course, course.assignments, 20, 1000, 2)
    assert class_size(options, course.assignment("02_sigmoid_neuron")) == 20
    assert class_size(options, course.assignment("08_cnn")) == 2


# --- commands -----------------------------------------------------------------------------------------------------


def test_a_command_that_is_watched_tells_its_lines_with_their_times(tmp_path: Path) -> None:
    program = "import time; print('ready', flush=True); time.sleep(0.4); print('[1/1] done')"
    watched = watch([sys.executable, "-c", program], tmp_path, {}, look=lambda process: process.pid, every=0.05)
    assert watched.time_of("[1/") - watched.time_of("ready") == pytest.approx(0.4, abs=0.35)
    assert watched.wall >= watched.time_of("[1/")
    assert len({pid for _, pid in watched.samples}) == 1


def test_a_command_that_fails_is_told_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="ended with 3:\nno such thing"):
        watch([sys.executable, "-c", "import sys; print('no such thing'); sys.exit(3)"], tmp_path, {})


# --- what is shown ------------------------------------------------------------------------------------------------


def shown(part: Part, frame: box.Box = box.HEAVY_HEAD) -> str:
    is_terminal = frame is box.HEAVY_HEAD
    colours = "standard" if is_terminal else None
    console = Console(width=120, file=io.StringIO(), force_terminal=is_terminal, color_system=colours)
    console.print(table_of(part, frame))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_what_is_above_its_aim_is_red_and_what_is_not_known_is_empty() -> None:
    rows = ({"grader": "ours", "s": 0.25, "MiB": None}, {"grader": "theirs", "s": 0.75, "MiB": 120.4})
    text = shown(Part("Beside nbgrader", rows, {"s": 0.5}))
    assert re.findall("\x1b\\[31m *([0-9.]+)", text) == ["0.75"]
    assert "s (aim: 0.5)" in text
    assert "None" not in text


def test_a_single_row_is_shown_downwards_with_its_aims() -> None:
    text = shown(Part("Memory", ({"pair's own MiB": 151.0, "server's MiB": 500.0},), {"pair's own MiB": 150.0}))
    assert "pair's own MiB │" in text
    assert "\x1b[31m" in text


def test_what_is_not_shown_on_a_terminal_can_be_put_into_a_page() -> None:
    rows = ({"grader": "ours", "s": 0.25}, {"grader": "theirs", "s": 0.75})
    lines = shown(Part("Beside nbgrader", rows), box.MARKDOWN).splitlines()
    assert [line.strip() for line in lines if line.strip()] == [
        "Beside nbgrader",
        "| grader |    s |",
        "|--------|------|",
        "| ours   | 0.25 |",
        "| theirs | 0.75 |",
    ]


def test_every_part_can_be_asked_for_by_name() -> None:
    assert set(PARTS) == set(Name)
