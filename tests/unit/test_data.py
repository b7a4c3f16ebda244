"""Where pictures come from, and what is said when they cannot be had."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from coursekit import data
from coursekit.runtime import MEASURING

REAL_FOLDER = os.environ.get("COURSE_DATA", "")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch, tmp_path):
    for variable in ("COURSE_DATA", "COURSE_DATA_SOURCE", "COURSE_HOLDOUT_SEED"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "no-cache"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty data folder that COURSE_DATA names."""
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    return tmp_path


def arrays(count=20, **changed):
    """The arrays of a small litter file: the picture's number is its grey level."""
    x = np.repeat(np.arange(count, dtype=np.uint8), 2500).reshape(count, 50, 50)
    y = (np.arange(count) % 3 == 0).astype(np.uint8)
    return {"x_train": x, "y_train": y, "x_test": x[:5] + 100, "y_test": y[:5]} | changed


def write(folder, **changed):
    np.savez_compressed(folder / "litter.npz", **arrays(**changed))


# --- the stand-in ---


def test_without_any_setting_the_stand_in_is_drawn():
    assert data.source("litter") == "stand-in"
    litter = data.load("litter")
    assert litter.source == "stand-in"
    assert litter.class_names == ("no bottle", "bottle")


@pytest.mark.parametrize(("split", "count", "bottles"), [("train", 1200, 444), ("val", 150, 56), ("test", 150, 32)])
def test_the_stand_in_has_the_size_and_the_class_shares_of_the_lecture(split, count, bottles):
    litter = data.load("litter")
    x, y = getattr(litter, f"x_{split}"), getattr(litter, f"y_{split}")
    assert (x.shape, x.dtype) == ((count, 50, 50), np.uint8)
    assert (y.shape, y.dtype) == ((count,), np.int64)
    assert y.sum() == bottles
    assert set(y.tolist()) == {0, 1}


def test_a_load_says_in_one_line_what_it_used(capsys):
    data.load("litter")
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    for word in ("litter", "1200", "150", "stand-in"):
        assert word in said


def test_writing_into_the_arrays_does_not_change_the_next_load():
    first = data.load("litter")
    before = first.x_train.copy()
    first.x_train[:] = 0
    first.y_test[:] = 7
    x, y = data.holdout("litter")
    kept = x.copy()
    x[:] = 0
    y[:] = 7
    second = data.load("litter")
    np.testing.assert_array_equal(second.x_train, before)
    assert second.y_test.max() == 1
    np.testing.assert_array_equal(data.holdout("litter")[0], kept)


SIZES = {
    "litter": (1200, 150, 150, 300),
    "mnist": (6000, 1000, 1000, 1000),
    "cifar10": (5000, 1000, 1000, 1000),
    "parcels": (2000, 300, 300, 600),
}
FORMS = {
    "litter": ((50, 50), np.uint8, 2),
    "mnist": ((28, 28), np.uint8, 10),
    "cifar10": ((32, 32, 3), np.uint8, 10),
    "parcels": ((48, 48), np.uint16, 3),
}


@pytest.mark.parametrize("name", SIZES)
def test_every_stand_in_has_its_size_and_form_and_no_picture_twice(name):
    loaded, held_out = data.load(name), data.holdout(name)
    splits = [(getattr(loaded, f"x_{kind}"), getattr(loaded, f"y_{kind}")) for kind in ("train", "val", "test")]
    shape, dtype, classes = FORMS[name]
    assert tuple(len(y) for _, y in (*splits, held_out)) == SIZES[name]
    for x, y in (*splits, held_out):
        assert (x.shape, x.dtype, y.shape, y.dtype) == ((len(y), *shape), dtype, (len(y),), np.int64)
        assert set(y.tolist()) == set(range(classes))
    assert len(loaded.class_names) == classes
    pictures = np.concatenate([x for x, _ in (*splits, held_out)])
    assert len({picture.tobytes() for picture in pictures}) == sum(SIZES[name])
    # The hold-out set is as the test split is.
    shares = [np.bincount(y) / len(y) for y in (splits[2][1], held_out[1])]
    np.testing.assert_allclose(*shares, atol=1e-9)


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_ten_classes_are_equally_common(name):
    loaded = data.load(name)
    for y in (loaded.y_train, loaded.y_val, loaded.y_test):
        assert set(np.bincount(y).tolist()) == {len(y) // 10}


def test_the_classes_of_cifar10_are_those_of_the_original():
    names = "airplane automobile bird cat deer dog frog horse ship truck"
    assert data.load("cifar10").class_names == tuple(names.split())


@pytest.mark.parametrize(
    ("name", "seed"),
    [("litter", "1"), ("litter", "2"), ("litter", "3"), ("mnist", "2"), ("cifar10", "3"), ("parcels", "1")],
)
def test_no_hold_out_seed_draws_pictures_of_a_split(monkeypatch, name, seed):
    # The splits are drawn from the seeds -1, -2 and -3: the sign must count.
    monkeypatch.setenv("COURSE_HOLDOUT_SEED", seed)
    loaded = data.load(name)
    known = {x.tobytes() for x in (*loaded.x_train, *loaded.x_val, *loaded.x_test)}
    assert known.isdisjoint(picture.tobytes() for picture in data.holdout(name)[0])


# --- the hold-out set ---


def test_the_hold_out_set_has_the_class_shares_of_the_test_split():
    x, y = data.holdout("litter")
    assert (x.shape, x.dtype, y.dtype) == ((300, 50, 50), np.uint8, np.int64)
    assert y.sum() / 300 == pytest.approx(32 / 150)


def test_the_hold_out_seed_chooses_the_pictures(monkeypatch):
    drawn = []
    for seed in ("5", "6", "5"):
        monkeypatch.setenv("COURSE_HOLDOUT_SEED", seed)
        drawn.append(data.holdout("litter")[0])
    assert not np.array_equal(drawn[0], drawn[1])
    np.testing.assert_array_equal(drawn[0], drawn[2])


@pytest.mark.parametrize("seed", ["-1", "two", "1.5", "\N{SUPERSCRIPT TWO}"])
def test_a_hold_out_seed_that_is_no_whole_number_is_refused(monkeypatch, seed):
    monkeypatch.setenv("COURSE_HOLDOUT_SEED", seed)
    with pytest.raises(data.DataError, match="COURSE_HOLDOUT_SEED"):
        data.holdout("litter")


# --- the data folder ---


def test_a_file_in_the_data_folder_comes_before_the_stand_in(folder, capsys):
    write(folder, x_val=arrays()["x_train"][:4], y_val=arrays()["y_train"][:4])
    assert data.source("litter") == "folder"
    litter = data.load("litter")
    assert litter.source == "folder"
    assert (len(litter.x_train), len(litter.x_val), len(litter.x_test)) == (20, 4, 5)
    assert litter.y_train.dtype == np.int64
    assert "litter.npz" in capsys.readouterr().out


def test_without_a_validation_split_the_last_tenth_of_the_training_pictures_serves(folder, capsys):
    write(folder)
    litter = data.load("litter")
    assert litter.x_train[:, 0, 0].tolist() == list(range(18))
    assert litter.x_val[:, 0, 0].tolist() == [18, 19]
    assert litter.y_val.tolist() == [1, 0]
    assert "last 10 %" in capsys.readouterr().out


def test_the_test_split_of_a_file_is_its_hold_out_set_unless_it_has_one(folder):
    write(folder)
    x, y = data.holdout("litter")
    assert (x[:, 0, 0].tolist(), y.tolist()) == ([100, 101, 102, 103, 104], [1, 0, 0, 1, 0])
    write(folder, x_holdout=arrays()["x_train"][:2] + 200, y_holdout=np.array([0, 1]))
    x, y = data.holdout("litter")
    assert (x[:, 0, 0].tolist(), y.tolist()) == ([200, 201], [0, 1])


def test_a_run_that_measures_draws_the_hold_out_pictures_of_a_file_with_replacement(folder, monkeypatch):
    write(folder)
    monkeypatch.setenv(MEASURING, "1")
    of_picture = dict(zip([100, 101, 102, 103, 104], [1, 0, 0, 1, 0], strict=True))
    drawn = []
    for seed in range(20):
        monkeypatch.setenv("COURSE_HOLDOUT_SEED", str(seed))
        x, y = data.holdout("litter")
        assert y.tolist() == [of_picture[picture] for picture in x[:, 0, 0].tolist()]
        drawn.append(tuple(x[:, 0, 0].tolist()))
    assert {len(each) for each in drawn} == {5}
    assert len(set(drawn)) > 10
    assert any(len(set(each)) < 5 for each in drawn)


def test_class_names_come_from_the_file_where_it_has_them(folder):
    write(folder, class_names=np.array(["rest", "bottle"]))
    assert data.load("litter").class_names == ("rest", "bottle")


def test_a_data_set_of_ones_own_needs_only_its_file(folder):
    x = np.zeros((10, 8, 8, 3), np.uint8)
    np.savez(folder / "own.npz", x_train=x, y_train=np.arange(10) % 3, x_test=x, y_test=np.arange(10) % 3)
    own = data.load("own")
    assert own.class_names == ("0", "1", "2")
    assert own.x_test.shape == (10, 8, 8, 3)


def test_a_folder_without_the_file_leaves_the_stand_in(folder):
    assert data.source("litter") == "stand-in"


# --- pinned sources ---


def test_the_stand_in_can_be_pinned_although_there_is_a_file(folder, monkeypatch):
    write(folder)
    monkeypatch.setenv("COURSE_DATA_SOURCE", "standin")
    assert data.source("litter") == "stand-in"
    assert len(data.load("litter").x_train) == 1200


def test_real_data_can_be_pinned(folder, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_SOURCE", "real")
    assert data.source("litter") == "download"
    write(folder)
    assert data.source("litter") == "folder"


def test_real_data_that_are_published_nowhere_need_a_file(folder, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_SOURCE", "real")
    with pytest.raises(data.DataError, match=r"parcels\.npz"):
        data.source("parcels")


def test_real_data_pinned_without_a_folder_says_what_to_set(monkeypatch):
    monkeypatch.setenv("COURSE_DATA_SOURCE", "real")
    with pytest.raises(data.DataError, match="set COURSE_DATA to"):
        data.load("parcels")


def test_an_unknown_pin_is_refused_with_the_allowed_ones(monkeypatch):
    monkeypatch.setenv("COURSE_DATA_SOURCE", "reel")
    with pytest.raises(data.DataError, match="'real' or 'standin'"):
        data.source("litter")


def test_a_data_set_without_a_stand_in_says_where_its_file_goes():
    with pytest.raises(data.DataError, match=r"own\.npz into the folder that COURSE_DATA names"):
        data.load("own")


def test_a_stand_in_that_does_not_exist_cannot_be_pinned(monkeypatch):
    monkeypatch.setenv("COURSE_DATA_SOURCE", "standin")
    with pytest.raises(data.DataError, match="no stand-in for 'own'"):
        data.source("own")


# --- broken files ---


def test_a_folder_that_is_not_there_is_no_silent_stand_in(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "gone"))
    with pytest.raises(data.DataError, match=r"gone.*not a folder"):
        data.load("litter")


@pytest.mark.parametrize("missing", ["x_train", "y_train", "x_test", "y_test"])
def test_a_missing_array_is_named_with_its_file(folder, missing):
    content = arrays()
    del content[missing]
    np.savez(folder / "litter.npz", **content)
    with pytest.raises(data.DataError, match=rf"litter\.npz has no {missing}"):
        data.load("litter")


@pytest.mark.parametrize(
    "changed",
    [
        {"x_train": np.zeros((20, 50, 50), np.float32)},
        {"x_train": np.zeros((20, 28, 28), np.uint8)},
        {"x_train": np.zeros((20, 50, 50, 1), np.uint8)},
        {"x_train": np.zeros((19, 50, 50), np.uint8)},
        {"y_train": np.zeros((20, 1), np.uint8)},
        {"y_train": np.zeros(20, np.float32)},
        {"y_train": np.full(20, 2)},
        {"y_train": np.full(20, -1)},
    ],
    ids=["floats", "size", "channel axis", "too few", "column", "float labels", "third class", "negative label"],
)
def test_arrays_of_another_form_are_refused_with_the_file_and_the_array(folder, changed):
    write(folder, **changed)
    with pytest.raises(data.DataError, match=rf"litter\.npz: .*{next(iter(changed))[1:]}"):
        data.load("litter")


def damaged_files():
    """Bytes that are no data file, by what happened to them."""
    return {"empty": b"", "text": b"hello", "html": b"<html></html>" * 100, "half a zip": b"PK\x03\x04" + b"\x00" * 50}


@pytest.mark.parametrize("damage", sorted(damaged_files()))
def test_a_damaged_file_is_named(folder, damage):
    (folder / "litter.npz").write_bytes(damaged_files()[damage])
    with pytest.raises(data.DataError, match=r"litter\.npz cannot be read"):
        data.load("litter")


def test_a_file_with_a_flipped_byte_is_named(folder):
    write(folder, x_train=np.random.default_rng(0).integers(0, 255, (20, 50, 50)).astype(np.uint8))
    content = bytearray((folder / "litter.npz").read_bytes())
    content[5000] ^= 0xFF
    (folder / "litter.npz").write_bytes(content)
    with pytest.raises(data.DataError, match=r"litter\.npz cannot be read"):
        data.load("litter")


def test_a_single_array_under_the_name_of_a_data_set_is_named(folder):
    with (folder / "litter.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(data.DataError, match=r"litter\.npz cannot be read"):
        data.load("litter")


def test_pickled_objects_are_never_loaded(folder):
    np.savez(folder / "litter.npz", **arrays(y_train=np.array([{}] * 20, dtype=object)))
    with pytest.raises(data.DataError, match=r"litter\.npz cannot be read"):
        data.load("litter")


# --- stripes ---


def test_stripes_are_grey_pictures_of_two_classes_in_equal_parts():
    x, y = data.stripes(101)
    assert (x.shape, x.dtype) == ((101, 50, 50), np.float32)
    assert (y.dtype, y.sum()) == (np.int64, 50)
    assert 0 <= x.min() < x.max() <= 1


def test_upright_stripes_vary_along_rows_and_lying_ones_along_columns():
    x, y = data.stripes(200, size=30, seed=3)
    # The mean over columns keeps lying stripes and wipes upright ones out, and the other way round.
    lying = x.mean(axis=2).std(axis=1) > x.mean(axis=1).std(axis=1)
    np.testing.assert_array_equal(lying, y == 1)


def test_stripes_are_bright_as_often_as_dark():
    x, _ = data.stripes(400)
    ground = np.median(x, axis=(1, 2))
    brighter = np.abs(x.max(axis=(1, 2)) - ground) > np.abs(x.min(axis=(1, 2)) - ground)
    assert 0.3 < brighter.mean() < 0.7


def test_the_seed_chooses_the_stripes():
    np.testing.assert_array_equal(data.stripes(10, seed=4)[0], data.stripes(10, seed=4)[0])
    assert not np.array_equal(data.stripes(10, seed=4)[0], data.stripes(10, seed=5)[0])


@pytest.mark.parametrize("size", [12, 13, 64])
def test_stripes_come_in_any_size_that_has_room_for_them(size):
    assert data.stripes(30, size=size)[0].shape == (30, size, size)


def test_no_stripes_at_all_is_an_empty_set():
    x, y = data.stripes(0)
    assert (x.shape, y.shape) == ((0, 50, 50), (0,))


def test_stripes_refuse_what_they_cannot_draw():
    with pytest.raises(ValueError, match="count"):
        data.stripes(-1)
    with pytest.raises(ValueError, match="at least 12"):
        data.stripes(5, size=11)


# --- the real set, where there is one ---


@pytest.mark.skipif(
    not REAL_FOLDER or not Path(REAL_FOLDER, "litter.npz").is_file(), reason="COURSE_DATA has no litter"
)
def test_the_real_litter_set_has_the_form_that_the_notebooks_expect(monkeypatch):
    monkeypatch.setenv("COURSE_DATA", REAL_FOLDER)
    monkeypatch.setenv("COURSE_DATA_SOURCE", "real")
    litter = data.load("litter")
    assert litter.source == "folder"
    assert (len(litter.x_train), len(litter.x_val), len(litter.x_test)) == (1200, 150, 150)
    assert litter.y_train.mean() == pytest.approx(0.37, abs=0.01)
    assert litter.y_test.mean() == pytest.approx(0.21, abs=0.01)
    x, y = data.holdout("litter")
    np.testing.assert_array_equal(x, litter.x_test)
    np.testing.assert_array_equal(y, litter.y_test)
