"""The table of targets and its look-up."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

import coursekit.targets
from coursekit.targets import MissingTargetError, Targets, TargetsError, targets

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROW = 'exercise = "cnn/litter"\nsource = "stand-in"\nprofile = "cpu"\nn = 20\nmean = 0.9\nsd = 0.01\ntarget = 0.86\n'
TABLE = "\n".join(
    [
        f"[[target]]\n{ROW}",
        f"[[target]]\n{ROW.replace('stand-in', 'folder').replace('0.86', '0.7')}",
        f"[[target]]\n{ROW.replace('cpu', 'gpu').replace('0.86', '0.95')}",
        f"[[target]]\n{ROW.replace('cnn', 'cnn-recall').replace('0.86', '0.5')}",
        f"[[target]]\n{ROW.replace('cnn/litter', 'mlp/mnist').replace('0.86', '1')}",
    ]
)


@pytest.fixture
def look_up(tmp_path: Path) -> Callable[..., Targets]:
    """Make targets of a table's text, for a data source and a profile."""

    def make(table: str = TABLE, *, source: str = "stand-in", profile: str = "cpu") -> Targets:
        path = tmp_path / "targets.toml"
        path.write_text(table, encoding="utf-8")
        sources = {"litter": source, "mnist": "stand-in"}
        return Targets(path, source=sources.__getitem__, profile=lambda: profile)

    return make


def test_a_target_is_looked_up_for_the_data_source_and_the_profile_in_use(look_up: Callable[..., Targets]) -> None:
    assert look_up()["cnn/litter"] == 0.86
    assert look_up(source="folder")["cnn/litter"] == 0.7
    assert look_up(profile="gpu")["cnn/litter"] == 0.95


def test_what_was_measured_on_a_folders_pictures_holds_for_downloaded_ones_unless_they_have_a_row(
    look_up: Callable[..., Targets],
) -> None:
    assert look_up(source="download")["cnn/litter"] == 0.7
    assert "cnn/litter" in set(look_up(source="download"))
    own = f"{TABLE}\n[[target]]\n{ROW.replace('stand-in', 'download').replace('0.86', '0.6')}"
    assert look_up(own, source="download")["cnn/litter"] == 0.6
    with pytest.raises(MissingTargetError, match="'download'"):
        look_up(source="download")["cnn-recall/litter"]


def test_another_measure_has_a_name_of_its_own(look_up: Callable[..., Targets]) -> None:
    assert look_up()["cnn-recall/litter"] == 0.5


def test_a_target_is_a_float_even_where_the_table_has_a_whole_number(look_up: Callable[..., Targets]) -> None:
    assert type(look_up()["mlp/mnist"]) is float


def test_the_profile_is_asked_at_each_look_up(look_up: Callable[..., Targets], tmp_path: Path) -> None:
    look_up()
    profiles = iter(["cpu", "gpu"])
    changing = Targets(tmp_path / "targets.toml", source=lambda _: "stand-in", profile=lambda: next(profiles))
    assert [changing["cnn/litter"], changing["cnn/litter"]] == [0.86, 0.95]


def test_a_missing_target_says_which_and_how_to_measure_it(look_up: Callable[..., Targets]) -> None:
    with pytest.raises(MissingTargetError) as caught:
        look_up(source="folder", profile="gpu")["cnn/litter"]
    said = str(caught.value)
    assert "no target for 'cnn/litter' with data source 'folder' and profile 'gpu'" in said
    assert "--profile gpu" in said
    assert "autograder audit calibrate" in said


def test_a_missing_target_names_those_there_are(look_up: Callable[..., Targets]) -> None:
    with pytest.raises(MissingTargetError, match="it has cnn-recall/litter, cnn/litter, mlp/mnist"):
        look_up()["mlp/litter"]


@pytest.mark.parametrize("name", ["cnn", "cnn/", "/litter", ""])
def test_a_name_without_a_data_set_is_told(look_up: Callable[..., Targets], name: str) -> None:
    with pytest.raises(MissingTargetError, match="'exercise/data set'"):
        look_up()[name]


def test_it_is_a_mapping_of_what_can_be_looked_up_here(look_up: Callable[..., Targets]) -> None:
    assert dict(look_up()) == {"cnn/litter": 0.86, "cnn-recall/litter": 0.5, "mlp/mnist": 1.0}
    assert dict(look_up(profile="gpu")) == {"cnn/litter": 0.95}
    assert "cnn/litter" in look_up()
    assert "cnn" not in look_up()
    assert look_up().get("nothing/litter") is None
    assert len(look_up()) == 3


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("[[target]\n", "cannot be read"),
        ("[target]\n" + ROW, r"only \[\[target\]\] rows"),
        ("[[targets]]\n" + ROW, "not targets"),
        ("[[target]]\n" + ROW.replace("sd = 0.01\n", ""), "row 1: .*missing: sd"),
        ("[[target]]\n" + ROW + 'notes = "x"\n', "row 1: .*unknown: notes"),
        (f"[[target]]\n{ROW}[[target]]\n{ROW}", "row 2: there is a row for cnn/litter / stand-in / cpu already"),
        ("[[target]]\n" + ROW.replace('"cpu"', "1"), "profile must be a text"),
        ("[[target]]\n" + ROW.replace('"cpu"', '""'), "profile must be a text"),
        ("[[target]]\n" + ROW.replace("n = 20", "n = 0"), "n must be a number of runs"),
        ("[[target]]\n" + ROW.replace("n = 20", "n = true"), "n must be a number of runs"),
        ("[[target]]\n" + ROW.replace("0.01", "nan"), "sd must be a number"),
        ("[[target]]\n" + ROW.replace("0.86", '"0.86"'), "target must be a number"),
        ("[[target]]\n" + ROW.replace("0.86", "86"), "between 0 and 1"),
    ],
)
def test_a_wrong_table_is_told_by_file_and_row(look_up: Callable[..., Targets], table: str, words: str) -> None:
    with pytest.raises(TargetsError, match=words) as caught:
        look_up(table)["cnn/litter"]
    assert "targets.toml" in str(caught.value)


def test_a_table_that_is_not_there_is_told(tmp_path: Path) -> None:
    missing = Targets(tmp_path / "no.toml", source=lambda _: "stand-in", profile=lambda: "cpu")
    with pytest.raises(TargetsError, match=r"no\.toml cannot be read"):
        missing["cnn/litter"]


def test_the_courses_own_table_can_be_read_and_asks_the_courses_own_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_DATA_SOURCE", "standin")
    monkeypatch.delenv("COURSE_PROFILE", raising=False)
    assert isinstance(targets, Targets)
    with pytest.raises(MissingTargetError, match="'never/litter' with data source 'stand-in' and profile 'cpu'"):
        targets["never/litter"]
    assert coursekit.targets.targets is targets


# The course's own table.

MEASURED = tomllib.loads(coursekit.targets.TABLE.read_text(encoding="utf-8"))["target"]
# What one test asks together with a score: a wrong answer may reach one of them, and never all.
TOGETHER = re.compile("-(ranking|recall|trust)(?=/)")


def name_of(row: dict[str, Any]) -> str:
    return f"{row['exercise']} {row['source']} {row['profile']}"


@pytest.mark.parametrize("row", MEASURED, ids=name_of)
def test_a_row_of_the_course_was_measured_often_and_says_what_the_worst_honest_and_the_best_wrong_run_came_to(
    row: dict[str, Any],
) -> None:
    assert row["n"] >= 8
    assert row["target"] < row["worst"] <= row["mean"] <= 1
    assert 0 <= row["wrong"] <= 1
    assert row["wrong_answer"]


def test_between_an_honest_and_a_wrong_run_of_the_course_is_a_gap_where_a_target_is_asked_alone() -> None:
    def asked(row: dict[str, Any]) -> tuple[str, str, str]:
        return TOGETHER.sub("", row["exercise"]), row["source"], row["profile"]

    times = Counter(map(asked, MEASURED))
    alone = [row for row in MEASURED if times[asked(row)] == 1]
    assert len(alone) > 20
    assert [name_of(row) for row in alone if row["wrong"] >= row["target"]] == []
