"""
What the digits must teach in 07_mnist, tried with the reference of the master, on new pictures.

On the stand-in, and on real digits where ``COURSE_DATA`` has them: as many as the cpu profile takes.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from coursekit import data, runtime

from .answers import answers

pytestmark = pytest.mark.slow

SEEDS = (1, 2)
FOLDER = os.environ.get("COURSE_DATA", "")
SOURCES = ["standin", *(["real"] if FOLDER and Path(FOLDER, "mnist.npz").is_file() else [])]
CELLS = ("setup", "prepare", "build_dense", "build_cnn", "train", "permute_pixels", "move_weights")

each_source = pytest.mark.parametrize("source", SOURCES)


@cache
def notebook(source):
    """Names that the master's cells define, with pictures: for training, validation and two thousand new ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_DATA", FOLDER)
        patch.setenv("COURSE_DATA_SOURCE", source)
        patch.delenv("COURSE_PROFILE", raising=False)
        names = answers("07_mnist", *CELLS)
        mnist = data.load("mnist")
        held_out = []
        for seed in ("1", "2"):
            patch.setenv("COURSE_HOLDOUT_SEED", seed)
            held_out.append(data.holdout("mnist"))
    x, y = (np.concatenate(part)[:2_000] for part in zip(*held_out, strict=True))
    most = names["PICTURES"]
    names["training"] = names["prepare"](mnist.x_train[:most]), mnist.y_train[:most]
    names["validation"] = names["prepare"](mnist.x_val[:500]), mnist.y_val[:500]
    names["new"] = names["prepare"](x), y
    names["order"] = np.random.default_rng(7).permutation(784)
    return names


@cache
def trained(source, kind, seed, *, shuffled=False):
    """Train one of the networks, once, on plain or on shuffled pictures."""
    names = notebook(source)
    build, epochs = {
        "linear": (lambda: names["build_dense"]([], "relu"), names["EPOCHS"]),
        "dense": (lambda: names["build_dense"]([100, 50], "relu"), names["EPOCHS"]),
        "cnn": (names["build_cnn"], names["CNN_EPOCHS"]),
    }[kind]
    (x, y), (x_val, y_val) = names["training"], names["validation"]
    if shuffled:
        x, x_val = (names["permute_pixels"](pictures, names["order"]) for pictures in (x, x_val))
    runtime.seed_everything(seed)
    model = build()
    names["train"](model, x, y, x_val, y_val, epochs)
    return model


def accuracy(source, kind, seed, *, shuffled=False):
    """Judge a network on new pictures of the kind it was trained on."""
    names = notebook(source)
    x, y = names["new"]
    x = names["permute_pixels"](x, names["order"]) if shuffled else x
    model = trained(source, kind, seed, shuffled=shuffled)
    return float(np.mean(model.predict(x, batch_size=250, verbose=0).argmax(axis=1) == y))


def mean(source, kind, *, shuffled=False):
    return np.mean([accuracy(source, kind, seed, shuffled=shuffled) for seed in SEEDS])


@each_source
def test_hidden_layers_are_better_than_none_and_convolutions_are_better_still(source):
    linear, dense, cnn = (mean(source, kind) for kind in ("linear", "dense", "cnn"))

    assert linear > 0.83
    assert linear + 0.015 < dense
    assert dense + 0.003 < cnn
    assert cnn < 0.995


@each_source
def test_the_shuffle_costs_the_cnn_points_and_puts_it_behind_the_fully_connected_network(source):
    shuffled = mean(source, "cnn", shuffled=True)

    assert shuffled < mean(source, "cnn") - 0.02
    assert shuffled < mean(source, "dense", shuffled=True)


@each_source
def test_the_shuffle_costs_the_fully_connected_network_nothing(source):
    assert abs(mean(source, "dense", shuffled=True) - mean(source, "dense")) < 0.015


@each_source
def test_a_trained_network_whose_weights_have_moved_reads_shuffled_pictures_and_one_whose_have_not_guesses(source):
    names = notebook(source)
    x, y = names["new"]
    model, moved = trained(source, "dense", SEEDS[0]), names["build_dense"]([100, 50], "relu")
    kernel, *others = model.get_weights()
    moved.set_weights([names["move_weights"](kernel, names["order"]), *others])
    shuffled = names["permute_pixels"](x, names["order"])

    said, before = (
        network.predict(pictures, verbose=0).argmax(1) for network, pictures in ((moved, shuffled), (model, x))
    )

    assert np.mean(said == before) > 0.999
    assert np.mean(model.predict(shuffled, verbose=0).argmax(axis=1) == y) < 0.3


@each_source
def test_the_stencils_of_a_network_that_saw_shuffled_pictures_are_those_of_the_plain_one(source):
    names = notebook(source)
    inked = names["training"][0].mean(axis=0).ravel() > 0.02
    plain, learned = (
        trained(source, "linear", SEEDS[0], shuffled=shuffled).get_weights()[0] for shuffled in (False, True)
    )
    back = np.empty_like(learned)
    back[names["order"]] = learned

    likeness = [np.corrcoef(plain[inked].ravel(), kernel[inked].ravel())[0, 1] for kernel in (back, learned)]

    assert likeness[0] > 0.6
    assert abs(likeness[1]) < 0.2
