"""
What the two classifiers of 14_project reach on new maps, measured, and the targets that follow from it.

Runs the reference of the master notebook over many seeds, each with hold-out maps of its own, and prints the row for
``coursekit/targets.toml``; those who know too little are the wrong answers:

    python -m benchmarks.measure_project by-hand --seeds 20
    python -m benchmarks.measure_project cnn --seeds 8 --write       # and put the row into the table

The notebook trains as long in either profile, so a row holds for both.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.measure_targets import ROOT, Row, offer, reference

MASTER = ROOT / "source" / "14_project" / "project.ipynb"
CELLS = ("setup", "sizes", "height_shares", "outline", "features", "prepare", "augment", "cnn_answer")
PROFILES = ("cpu", "gpu")

Array = Any
Reached = dict[str, float]


def notebook() -> dict[str, Any]:
    """Run the cells of the master that make up the reference, with the maps, and give their names."""
    from coursekit import data

    with contextlib.redirect_stdout(io.StringIO()):
        return reference(MASTER, CELLS, {"parcels": data.load("parcels")})


def by_hand(names: dict[str, Any], seed: int, maps: Array, labels: Array) -> Reached:
    """Train on features; the wrong answers are one feature alone, labels in any order, and no training at all."""
    from coursekit import runtime

    parcels, features = names["parcels"], names["features"]
    table = features(parcels.x_train)
    centre, spread = table.mean(axis=0), table.std(axis=0) + 1e-6
    train, val, new = (
        ((features(each) - centre) / spread).astype("float32") for each in (parcels.x_train, parcels.x_val, maps)
    )
    shuffled = np.random.default_rng(seed).permutation(parcels.y_train)
    reached = {"always a parcel": float(np.mean(labels == 1))}
    for who, columns, y in (
        ("reference", slice(None), parcels.y_train),
        ("the area alone", slice(0, 1), parcels.y_train),
        ("labels in any order", slice(None), shuffled),
    ):
        runtime.seed_everything(seed)
        model = names["train_by_hand"](train[:, columns], y, val[:, columns], parcels.y_val)
        reached[who] = right(model, new[:, columns], labels)
    return reached


def cnn(names: dict[str, Any], seed: int, maps: Array, labels: Array) -> Reached:
    """Train the CNN; the wrong answers are a dense network as long, labels in any order, and no training at all."""
    import keras

    from coursekit import runtime

    parcels, prepare = names["parcels"], names["prepare"]
    sets = prepare(parcels.x_train), parcels.y_train, prepare(parcels.x_val), parcels.y_val
    runtime.seed_everything(seed)
    model = names["build_cnn"]()
    new = prepare(maps)
    reached = {"always a parcel": float(np.mean(labels == 1)), "an untrained network": right(model, new, labels)}
    names["train_cnn"](model, *sets, names["EPOCHS"])
    reached["reference"] = right(model, new, labels)
    layers = [keras.layers.Flatten(), keras.layers.Dense(40, activation="relu"), keras.layers.Dense(3, "softmax")]
    dense = keras.Sequential([keras.Input((48, 48, 1)), *layers])
    names["train_cnn"](dense, *sets, names["EPOCHS"])
    reached["a dense network"] = right(dense, new, labels)
    return reached


def right(model: Any, x: Array, labels: Array) -> float:
    """Give the share of right answers."""
    return float(np.mean(model.predict(x, batch_size=256, verbose=0).argmax(axis=1) == labels))


KINDS: dict[str, Callable[[dict[str, Any], int, Array, Array], Reached]] = {"by-hand": by_hand, "cnn": cnn}


def measure(kind: str, seeds: range) -> Row:
    """Run all seeds of a classifier."""
    from coursekit import data

    names, runs = notebook(), []
    for seed in seeds:
        os.environ["COURSE_HOLDOUT_SEED"] = str(40_000 + seed)
        runs.append(KINDS[kind](names, seed, *data.holdout("parcels")))
        print(f"# seed {seed}: " + ", ".join(f"{who} {value:.3f}" for who, value in runs[-1].items()), flush=True)
    wrong = {who: max(each[who] for each in runs) for who in runs[0] if who != "reference"}
    return Row(f"{kind}/parcels", tuple(each["reference"] for each in runs), wrong)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS, help="which classifier")
    parser.add_argument("--seeds", type=int, default=8, help="how many runs, at least three")
    parser.add_argument("--write", action="store_true", help="put the row into coursekit/targets.toml")
    arguments = parser.parse_args()
    from coursekit import data

    row = measure(arguments.kind, range(arguments.seeds))
    return offer(row, source=data.source("parcels"), profiles=PROFILES, keep=arguments.write)


if __name__ == "__main__":
    sys.exit(main())
