"""The course's own backbone: what its card says of it, and which network is taken where."""

from __future__ import annotations

import io
import os
from itertools import pairwise
from pathlib import Path

import keras
import numpy as np
import pytest

from autograder.sealed import models
from benchmarks import train_backbone
from coursekit import backbone, checks, data

REAL = Path(os.environ.get("COURSE_DATA", "") or "nowhere", "weights/mobilenet_v2_0.35_224_notop.weights.h5")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch):
    for variable in ("COURSE_DATA", "COURSE_DATA_SOURCE", "COURSE_HOLDOUT_SEED"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def pictures():
    return np.random.default_rng(3).uniform(-1, 1, (4, 32, 32, 3)).astype("float32")


# --- what is shipped ---


def test_the_weights_are_below_one_megabyte_and_need_no_pickle():
    assert backbone.WEIGHTS.stat().st_size < 1_000_000
    with np.load(io.BytesIO(backbone.WEIGHTS.read_bytes()), allow_pickle=False) as file:
        kinds = {file[name].dtype.name for name in file.files}
        assert all(np.all(np.isfinite(file[name])) for name in file.files)
    assert kinds == {"float16", "float32"}


def test_the_card_tells_the_right_numbers_of_parameters():
    architecture = backbone.card()["architecture"]
    whole, headless = backbone.load(include_top=True), backbone.load()
    # By formula: each convolution has a 3 x 3 kernel for each pair of channels, its normalisation four numbers a map.
    widths = [3, *architecture["convolutions"]]
    kernels = sum(9 * above * below for above, below in pairwise(widths))
    assert architecture["parameters_without_head"] == headless.count_params() == kernels + 4 * sum(widths[1:])
    assert architecture["parameters"] == whole.count_params() == headless.count_params() + 10 * (widths[-1] + 1)
    trained = sum(int(np.prod(weight.shape)) for weight in whole.trainable_weights)
    assert architecture["trained_parameters"] == trained == whole.count_params() - 2 * sum(widths[1:])


def test_it_reaches_what_the_card_says_in_colour_and_in_grey():
    said = backbone.card()["accuracy"]
    x, y = data.holdout("cifar10")
    model = backbone.load(include_top=True)
    coloured = x.astype("float32") / 127.5 - 1
    grey = np.repeat((coloured @ np.float32([0.299, 0.587, 0.114]))[..., None], 3, axis=-1)
    reached = {
        name: float(np.mean(checks.predicted_classes(model, each) == y))
        for name, each in (("in_colour", coloured), ("grey", grey))
    }
    assert reached["in_colour"] == pytest.approx(said["in_colour"], abs=0.01)
    assert reached["grey"] == pytest.approx(said["grey"], abs=0.01)
    assert min(reached.values()) > 0.75


def test_the_pictures_it_was_trained_on_are_those_of_no_split():
    seeds = [split.seed for split in data._STAND_INS["cifar10"] if hasattr(split, "seed")]
    assert len(seeds) == 4
    assert train_backbone.DRAWING_SEED == backbone.card()["data"]["drawing_seed"] < 0
    assert train_backbone.DRAWING_SEED not in seeds


# --- how it is given ---


@pytest.mark.parametrize("side", [16, 32, 50])
def test_it_takes_pictures_of_any_size_with_the_same_weights(side):
    headless, pooled = (
        backbone.load(input_shape=(side, side, 3)),
        backbone.load(input_shape=(side, side, 3), pooling="avg"),
    )
    assert headless.output_shape == (None, side // 8, side // 8, 128)
    assert pooled.output_shape == (None, 128)
    for mine, of_32 in zip(headless.get_weights(), backbone.load().get_weights(), strict=True):
        np.testing.assert_array_equal(mine, of_32)


def test_the_head_stands_on_the_mean_of_the_maps(pictures):
    whole, headless, pooled = backbone.load(include_top=True), backbone.load(), backbone.load(pooling="avg")
    features = np.asarray(headless(pictures)).mean(axis=(1, 2))
    np.testing.assert_allclose(np.asarray(pooled(pictures)), features, rtol=1e-4, atol=1e-5)
    kernel, bias = whole.layers[-1].get_weights()
    scores = np.exp(features @ kernel + bias)
    np.testing.assert_allclose(np.asarray(whole(pictures)), scores / scores.sum(axis=1, keepdims=True), rtol=1e-3)


def test_each_call_gives_a_network_of_its_own(pictures):
    first, second = backbone.load(), backbone.load()
    before = np.asarray(second(pictures))
    first.set_weights([0 * array for array in first.get_weights()])
    np.testing.assert_array_equal(np.asarray(second(pictures)), before)


def test_build_gives_the_same_plan_with_other_weights():
    learned, fresh = backbone.load(include_top=True), backbone.build()
    assert [layer.name for layer in learned.layers] == [layer.name for layer in fresh.layers]
    kernels = [i for i, array in enumerate(fresh.get_weights()) if array.ndim > 1]
    assert all(not np.allclose(learned.get_weights()[i], fresh.get_weights()[i]) for i in kernels)


def test_it_crosses_to_the_examiner_frozen_as_it_is(pictures):
    model = backbone.load()
    model.trainable = False
    kind, parts = models.to_parts(model)
    came = models.from_parts(kind, parts)
    checks.frozen(came)
    np.testing.assert_allclose(np.asarray(came(pictures)), np.asarray(model(pictures)), rtol=1e-5, atol=1e-6)


# --- which network is taken ---


def test_without_any_setting_it_is_the_courses_own(capsys):
    found = backbone.pretrained()
    assert (found.name, found.side) == ("the course's own backbone", 50)
    assert found.model.input_shape == (None, 50, 50, 3)
    assert found.model.get_layer(found.last_block).trainable
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert "268,520 parameters, pictures of 50 x 50" in said


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A data folder with weights for MobileNetV2: random ones."""
    path = tmp_path / "weights" / REAL.name
    path.parent.mkdir()
    keras.utils.set_random_seed(8)
    keras.applications.MobileNetV2(input_shape=(96, 96, 3), alpha=0.35, include_top=False, weights=None).save_weights(
        path
    )
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    return path


def test_with_weights_in_the_data_folder_it_is_mobilenet(folder, monkeypatch, capsys):
    found = backbone.pretrained()
    said = capsys.readouterr().out
    assert (found.name, found.side, found.model.count_params()) == ("MobileNetV2", 96, 410_208)
    assert folder.name in said
    assert said.count("\n") == 1
    again = keras.applications.MobileNetV2(input_shape=(96, 96, 3), alpha=0.35, include_top=False, weights=None)
    again.load_weights(folder)
    for mine, theirs in zip(found.model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    names = [layer.name for layer in found.model.layers]
    assert 0.8 * len(names) < names.index(found.last_block) < len(names)
    monkeypatch.setenv("COURSE_DATA_SOURCE", "standin")
    assert backbone.pretrained().name == "the course's own backbone"


def test_a_data_folder_without_weights_gives_the_courses_own(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    assert backbone.pretrained().name == "the course's own backbone"


def test_who_asks_for_real_data_and_has_no_network_is_told_why_it_is_the_courses_own(monkeypatch, capsys):
    asked = []

    def unreachable(**options):
        asked.append(options["weights"])
        raise Exception("URL fetch failure: nobody answers")

    monkeypatch.setattr(keras.applications, "MobileNetV2", unreachable)
    monkeypatch.setenv("COURSE_DATA_SOURCE", "real")
    assert backbone.pretrained().name == "the course's own backbone"
    assert asked == ["imagenet"]
    assert "MobileNetV2 cannot be fetched: URL fetch failure: nobody answers" in capsys.readouterr().out


# --- how it was trained ---


def test_pictures_are_varied_and_stay_pictures():
    x, _ = data.holdout("cifar10")
    x = x[:200]
    before = x.copy()
    came = train_backbone.varied(x, np.random.default_rng(1))
    np.testing.assert_array_equal(x, before)
    assert (came.shape, came.dtype) == (x.shape, np.float32)
    assert -1 <= came.min() < came.max() <= 1
    grey = np.all(came == came[..., :1], axis=(1, 2, 3))
    assert 0.35 < grey.mean() < 0.65


@pytest.mark.slow
def test_the_command_writes_weights_and_card_that_belong_together(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["train_backbone", "--pictures", "1280", "--epochs", "3", "--to", str(tmp_path)])
    for variable in ("COURSE_DATA_SOURCE", "TF_ENABLE_ONEDNN_OPTS"):
        monkeypatch.setenv(variable, os.environ.get(variable, ""))
    assert train_backbone.main() == 0
    monkeypatch.setattr(backbone, "WEIGHTS", tmp_path / backbone.WEIGHTS.name)
    monkeypatch.setattr(backbone, "CARD", tmp_path / backbone.CARD.name)
    said = backbone.card()["accuracy"]["in_colour"]
    assert train_backbone.accuracies(backbone.load(include_top=True))[0] == pytest.approx(said, abs=0.01)
    assert said > 0.18  # guessing gives 0.1, four standard deviations more are 0.14
