"""
What the network of 09_cifar10 reaches, measured, and the target that follows from it.

Runs the reference of the master notebook with many seeds, each with hold-out pictures of its own where they are drawn,
and prints the row for ``coursekit/targets.toml``:

    python -m benchmarks.measure_cifar10 --seeds 8                     # the data source and profile in use
    COURSE_DATA=<folder> python -m benchmarks.measure_cifar10 --write  # and put the row into the table

The target must lie above what a network reaches that was not trained, or was trained on labels in another order. The
MLP is shown for comparison only: the test asks for the CNN's layers, too.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import tempfile
from typing import Any

import numpy as np

from autograder.audit.bounds import FAILURE_RATE
from benchmarks.measure_targets import ROOT, Row, offer, reference

MASTER = ROOT / "source" / "09_cifar10" / "cifar10.ipynb"
EXERCISE = "cnn/cifar10"
UNTRAINED, PERMUTED = "untrained", "labels permuted"
CELLS = ("setup", "cifar", "prepare", "prepared", "build_mlp", "build_cnn", "train", "my_cnn")
PERMUTED_RUNS = 2  # a training each, always near 0.1


def notebook() -> dict[str, Any]:
    """Run the cells of the master that make up the reference, and give their names."""
    return reference(MASTER, CELLS)


def measure(seeds: int) -> tuple[Row, list[float]]:
    """Run all seeds; give the row of the reference, and what the MLP reaches."""
    from coursekit import checks, data, runtime

    with contextlib.redirect_stdout(io.StringIO()):
        names = notebook()
    x, y, validation = names["x_train"], names["y_train"], (names["x_val"], names["y_val"])
    honest, mlps, wrong = [], [], {UNTRAINED: 0.0, PERMUTED: 0.0}
    for seed in range(seeds):
        os.environ["COURSE_HOLDOUT_SEED"] = str(30_000 + seed)
        pictures, labels = data.holdout("cifar10")
        inputs = names["prepare"](pictures)

        def accuracy(model: Any, inputs: Any = inputs, labels: Any = labels) -> float:
            return float(np.mean(checks.predicted_classes(model, inputs) == labels))

        with tempfile.TemporaryDirectory() as folder:
            runtime.seed_everything(seed)
            honest.append(accuracy(names["my_cnn"](x, y, *validation, folder)[0]))
            wrong[UNTRAINED] = max(wrong[UNTRAINED], accuracy(names["build_cnn"]()))
            if seed < PERMUTED_RUNS:
                other = np.random.default_rng(seed).permutation(y)
                wrong[PERMUTED] = max(wrong[PERMUTED], accuracy(names["my_cnn"](x, other, *validation, folder)[0]))
            mlp = names["build_mlp"]((32, 32, 3))
            names["train"](mlp, x, y, *validation, "adam", names["EPOCHS"], names["EPOCHS"], folder)
            mlps.append(accuracy(mlp))
        print(f"# seed {seed}: {honest[-1]:.3f}, MLP {mlps[-1]:.3f}", flush=True)
    return Row(EXERCISE, tuple(honest), wrong, FAILURE_RATE), mlps


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=8, help="how many runs, at least three")
    parser.add_argument("--write", action="store_true", help="put the row into coursekit/targets.toml")
    arguments = parser.parse_args()
    from coursekit import data, runtime

    source, profile = data.source("cifar10"), runtime.profile()
    row, mlps = measure(arguments.seeds)
    print(f"# the MLP: {min(mlps):.3f} to {max(mlps):.3f}")
    return offer(row, source=source, profiles=[profile], keep=arguments.write)


if __name__ == "__main__":
    sys.exit(main())
