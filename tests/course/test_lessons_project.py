"""
What the drawn parcels must teach in 14_project, tried with the reference of the master.

Measured on 600 hold-out maps, eight seeds: features made by hand .84 to .88, the CNN .87 to .91; a dense network on the
heights .68 to .73, the area alone .49 to .52. On the test maps of the notebook's seed: .87, .88, both together .93.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from coursekit import data, runtime

from .answers import answers

pytestmark = pytest.mark.slow

SEEDS = (1, 2)
CELLS = ("setup", "sizes", "height_shares", "outline", "features", "prepare", "augment", "cnn_answer")


@cache
def project():
    """Names of the master's cells, with the maps, and hold-out maps; two sets, so that chance counts less."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_DATA_SOURCE", "standin")
        names = answers("14_project", *CELLS) | {"parcels": data.load("parcels")}
        held_out = []
        for seed in ("1", "2"):
            patch.setenv("COURSE_HOLDOUT_SEED", seed)
            held_out.append(data.holdout("parcels"))
    names["x_new"], names["y_new"] = (np.concatenate(part) for part in zip(*held_out, strict=True))
    return names


@cache
def tables():
    """Features of training, validation and hold-out maps, scaled by the training maps."""
    names = project()
    parcels = names["parcels"]
    found = [names["features"](maps) for maps in (parcels.x_train, parcels.x_val, names["x_new"])]
    centre, spread = found[0].mean(axis=0), found[0].std(axis=0) + 1e-6
    return [((table - centre) / spread).astype("float32") for table in found]


@cache
def by_hand(seed, columns=tuple(range(11)), number=2000):
    """Probabilities for the hold-out maps, from some of the features and so many training maps."""
    names, chosen = project(), list(columns)
    train, val, new = (table[:, chosen] for table in tables())
    parcels = names["parcels"]
    runtime.seed_everything(seed)
    model = names["train_by_hand"](train[:number], parcels.y_train[:number], val, parcels.y_val)
    return model.predict(new, batch_size=256, verbose=0)


@cache
def cnn(seed):
    """Probabilities for the hold-out maps, from the CNN."""
    names = project()
    parcels, prepare = names["parcels"], names["prepare"]
    runtime.seed_everything(seed)
    model = names["build_cnn"]()
    sets = prepare(parcels.x_train), parcels.y_train, prepare(parcels.x_val), parcels.y_val
    names["train_cnn"](model, *sets, names["EPOCHS"])
    return model.predict(prepare(names["x_new"]), batch_size=256, verbose=0)


def right(probabilities):
    return np.mean(probabilities.argmax(axis=1) == project()["y_new"])


def found(probabilities, label):
    """Which share of a class is found."""
    truth = project()["y_new"]
    return np.mean(probabilities.argmax(axis=1)[truth == label] == label)


@pytest.mark.parametrize("seed", SEEDS)
def test_features_are_far_better_than_always_saying_parcel_and_doubles_are_their_weak_class(seed):
    said = by_hand(seed)

    assert 0.79 < right(said) < 0.93
    assert found(said, 2) < min(found(said, 0), found(said, 1)) - 0.1


def test_no_single_feature_of_area_and_height_does_as_well_as_all():
    area, height = (right(by_hand(1, (column,))) for column in (0, 1))

    assert area < 0.6
    assert area < height < right(by_hand(1)) - 0.08


def test_features_need_few_examples():
    assert right(by_hand(1, number=200)) > right(by_hand(1)) - 0.15
    assert right(by_hand(1, number=200)) > 0.68


def test_the_cnn_is_as_good_as_the_features_and_both_together_are_better_than_either():
    alone = {name: np.mean([right(run(seed)) for seed in SEEDS]) for name, run in (("features", by_hand), ("cnn", cnn))}
    together = np.mean([right(by_hand(seed) + cnn(seed)) for seed in SEEDS])

    assert alone["cnn"] > alone["features"] - 0.03
    assert together > max(alone.values()) + 0.005


def test_twins_on_both_sides_flatter_whoever_looks_up_the_most_similar_map():
    x = np.log1p(project()["parcels"].x_train[:600].astype("float32"))[:, ::2, ::2].reshape(600, -1)
    y = project()["parcels"].y_train[:600]
    rng = np.random.default_rng(5)
    test = np.arange(600) < 150
    twins = x[test] + rng.normal(0, 0.1, x[test].shape)

    def looked_up(known, labels):
        distance = np.square(known).sum(axis=1) - 2 * twins @ known.T
        return np.mean(labels[distance.argmin(axis=1)] == y[test])

    assert looked_up(x, y) == 1
    assert 0.45 < looked_up(x[~test], y[~test]) < 0.7
