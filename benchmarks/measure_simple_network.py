"""
What the network of 03_simple_network gives to the truth, measured, and the target that follows from it.

Runs the reference of the master notebook many times, each with the training pictures in another order and, where they
are drawn, with hold-out pictures of its own, and prints the row for ``coursekit/targets.toml``:

    python -m benchmarks.measure_simple_network --seeds 20            # the data source and profile in use
    COURSE_DATA=<folder> python -m benchmarks.measure_simple_network --write   # and put the row into the table
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
from typing import Any

import numpy as np

from benchmarks.measure_targets import ROOT, Row, offer, reference

MASTER = ROOT / "source" / "03_simple_network" / "simple_network.ipynb"
EXERCISE = "simple-trust/litter"
WRONG = ("untrained, all zero", "the random start, untrained", "the random start, trained")
CELLS = ("setup", "prepare", "make_parameters", "logits", "cross_entropy", "sgd_step", "train")


def notebook() -> dict[str, Any]:
    """Run the cells of the master that make up the reference, and give their names."""
    return reference(MASTER, CELLS)


def trust(weights: Any, bias: Any, pictures: Any, labels: Any) -> float:
    """Give the geometric mean of the probabilities that the network gives to the truth: e to the power of -loss."""
    z = pictures.reshape(len(pictures), -1) / 255 @ np.asarray(weights) + np.asarray(bias)
    z -= z.max(axis=1, keepdims=True)
    log = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return float(np.exp(log[np.arange(len(labels)), labels].mean()))


def measure(seeds: int) -> Row:
    """Run all seeds: the reference begins at zero; the wrong answers are no training and the random start."""
    import tensorflow as tf

    from coursekit import data

    names = notebook()
    with contextlib.redirect_stdout(io.StringIO()):
        litter = data.load("litter")
    honest, wrong = [], dict.fromkeys(WRONG, 0.0)
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        os.environ["COURSE_HOLDOUT_SEED"] = str(30_000 + seed)
        pictures, labels = data.holdout("litter")
        order = rng.permutation(len(litter.y_train))
        x = names["prepare"](litter.x_train[order])
        y = tf.one_hot(litter.y_train[order], 2)
        sizes = names["EPOCHS"], names["BATCH_SIZE"], names["LEARNING_RATE"]
        zero = tf.Variable(tf.zeros((2500, 2))), tf.Variable(tf.zeros(2))
        names["train"](*zero, x, y, *sizes)
        honest.append(trust(*zero, pictures, labels))
        random = names["make_parameters"](2500, 2, seed)
        reached = [0.5, trust(*random, pictures, labels)]
        names["train"](*random, x, y, *sizes)
        reached.append(trust(*random, pictures, labels))
        wrong = {who: max(wrong[who], value) for who, value in zip(WRONG, reached, strict=True)}
    return Row(EXERCISE, tuple(honest), wrong)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20, help="how many runs, at least three")
    parser.add_argument("--write", action="store_true", help="put the row into coursekit/targets.toml")
    arguments = parser.parse_args()
    from coursekit import data, runtime

    source, profile = data.source("litter"), runtime.profile()
    return offer(measure(arguments.seeds), source=source, profiles=[profile], keep=arguments.write)


if __name__ == "__main__":
    sys.exit(main())
