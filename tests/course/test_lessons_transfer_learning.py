"""What the course's own backbone must teach in 11_transfer_learning and 12_latent_space, with the master's cells."""

from __future__ import annotations

from functools import cache

import keras
import numpy as np
import pytest

from coursekit import backbone, data, runtime

from .answers import answers

pytestmark = pytest.mark.slow

SEEDS = (1, 2)
SIDE = 32


@cache
def lesson():
    """Names that the master's cells define, and litter from the stand-in: to draw from, and to be judged on."""
    names = answers("11_transfer_learning", "setup", "scale", "add_head", "train", "thaw", "judge")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_DATA_SOURCE", "standin")
        patch.setenv("COURSE_HOLDOUT_SEED", "4")
        litter = data.load("litter")
        names |= {"x": litter.x_train, "y": litter.y_train, "holdout": data.holdout("litter")}
    return names


def prepare(pictures):
    return np.asarray(keras.ops.image.resize(lesson()["scale"](pictures), (SIDE, SIDE)))


@cache
def few(seed, per_class=50):
    """Pictures of which so many of each class are labelled."""
    names, rng = lesson(), np.random.default_rng(seed)
    chosen = [rng.choice(np.flatnonzero(names["y"] == label), per_class, replace=False) for label in (0, 1)]
    chosen = np.concatenate(chosen)
    return prepare(names["x"][chosen]), names["y"][chosen]


def rank(model, scaled=None):
    names = lesson()
    pictures, labels = names["holdout"]
    x = prepare(pictures) if scaled is None else scaled(prepare(pictures))
    return names["ranking"](model.predict(x, verbose=0)[:, 0], labels)


@cache
def head_only(seed):
    """A new head on the frozen backbone, trained."""
    runtime.seed_everything(seed)
    base = backbone.load(input_shape=(SIDE, SIDE, 3))
    model = lesson()["add_head"](base)
    lesson()["train"](model, *few(seed), 0.01, 20)
    return model, rank(model)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_new_head_on_what_was_learned_beats_training_from_scratch(seed):
    runtime.seed_everything(seed)
    scratch = lesson()["add_head"](backbone.build(include_top=False, input_shape=(SIDE, SIDE, 3)))
    scratch.trainable = True
    lesson()["train"](scratch, *few(seed), 0.001, 20)

    _, with_head = head_only(seed)

    assert with_head > 0.75
    assert with_head > rank(scratch) + 0.05


@pytest.mark.parametrize("seed", SEEDS)
def test_it_is_what_was_seen_and_not_the_plan(seed):
    runtime.seed_everything(seed)
    blind = lesson()["add_head"](backbone.build(include_top=False, input_shape=(SIDE, SIDE, 3)))
    lesson()["train"](blind, *few(seed), 0.01, 20)

    assert head_only(seed)[1] > rank(blind) + 0.05


def test_pictures_that_are_not_scaled_as_it_is_used_to_cost_it_most_of_its_sight():
    def wide(x):
        return (x + 1) * 127.5

    losses = []
    for seed in SEEDS:
        runtime.seed_everything(seed)
        model = lesson()["add_head"](backbone.load(input_shape=(SIDE, SIDE, 3)))
        x, y = few(seed)
        lesson()["train"](model, wide(x), y, 0.01, 20)
        losses.append(head_only(seed)[1] - rank(model, wide))
    assert np.mean(losses) > 0.05


def nearest(x, y, new, labels):
    """Share of pictures whose nearest neighbour, by mean absolute difference, is of their kind."""
    closest = [np.abs(x - each).mean(axis=1).argmin() for each in new]
    return np.mean(y[closest] == labels)


def test_neighbours_by_features_are_of_the_same_kind_and_by_pixels_they_are_not():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_DATA_SOURCE", "standin")
        loaded = data.load("cifar10")
        new, labels = data.holdout("cifar10")
    x, y, new, labels = loaded.x_train[:800], loaded.y_train[:800], new[:300], labels[:300]
    scaled = [part.astype("float32") / 127.5 - 1 for part in (x, new)]
    features = [backbone.load(pooling="avg").predict(part, batch_size=250, verbose=0) for part in scaled]

    by_features = nearest(features[0], y, features[1], labels)
    by_pixels = nearest(scaled[0].reshape(len(x), -1), y, scaled[1].reshape(len(new), -1), labels)

    assert by_features > 0.7
    assert by_features > by_pixels + 0.3
