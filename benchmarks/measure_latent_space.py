"""
What neighbours in the latent space know in 12_latent_space, measured, and the target that follows from it.

Nothing is trained, so runs differ in the pictures that are judged on: each has hold-out pictures of its own where they
are drawn, and another thousand of the test pictures where they are not. In each run the honest answer is the worst of
several: any number of neighbours that a student may choose with good reason.

    python -m benchmarks.measure_latent_space                        # the data source and profile in use
    COURSE_DATA=<folder> python -m benchmarks.measure_latent_space --write   # and put the row into the table
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

import numpy as np

from benchmarks.measure_targets import ROOT, Row, offer, reference

MASTER = ROOT / "source" / "12_latent_space" / "latent_space.ipynb"
EXERCISE = "latent-knn/cifar10"
CELLS = ("setup", "pictures", "network", "distance_table", "nearest", "vote", "outputs", "embed")
JUDGED = 1000
NEIGHBOURS = (3, 5, 9, 15, 25)
THINNED = 12  # of pixels and early maps every twelfth value: neighbours know as much, and are found much sooner
TRIED = 4  # runs in which the wrong answers are tried, too


def notebook() -> dict[str, Any]:
    """Run the cells of the master that make up the reference, and give their names."""
    return reference(MASTER, CELLS)


def measure(seeds: int) -> Row:
    """Judge all sets of pictures: by the latent space, and by the known wrong answers."""
    from coursekit import backbone, data, runtime

    names = notebook()
    network, x = names["network"], names["x_database"]
    runtime.seed_everything(1)
    fresh = backbone.build(include_top=True)

    def inside(pictures: Any, model: Any = network, layer: str = "mean") -> Any:
        return names["embed"](model, names["prepare"](pictures), layer)

    wrong = {
        "pixels": lambda pictures: pictures.reshape(len(pictures), -1)[:, ::THINNED],
        "an untrained network": lambda pictures: inside(pictures, fresh),
        "the first block": lambda pictures: inside(pictures, layer="block1_pool")[:, ::THINNED],
    }
    known = {name: space(x) for name, space in wrong.items()}
    known_inside = inside(x)
    reached, best = [], {}
    for seed in range(seeds):
        pictures, labels = judged(data, seed)
        vectors = inside(pictures)
        reached.append(min(accuracies(names, vectors, known_inside, labels)))
        if seed < TRIED:
            scores = {name: accuracies(names, space(pictures), known[name], labels) for name, space in wrong.items()}
            raw = names["embed"](network, pictures.astype("float32"), "mean")
            scores["pictures that were not prepared"] = accuracies(names, raw, known_inside, labels)
            shuffled = np.random.default_rng(seed).permutation(labels)
            scores["the labels of others"] = accuracies(names, vectors, known_inside, shuffled)
            best = {name: max(best.get(name, 0.0), *values) for name, values in scores.items()}
        print(f"# run {seed}: {reached[-1]:.3f}", file=sys.stderr, flush=True)
    return Row(EXERCISE, tuple(reached), best)


def judged(data: Any, seed: int) -> tuple[Any, Any]:
    """Give a thousand pictures that are in no database, other ones for each seed."""
    if data.source("cifar10") == "stand-in":
        os.environ["COURSE_HOLDOUT_SEED"] = str(40_000 + seed)
        return data.holdout("cifar10")  # type: ignore[no-any-return]
    pictures, labels = data.holdout("cifar10")
    order = np.random.default_rng(12).permutation(len(labels))
    chosen = order[(seed * JUDGED) % len(labels) :][:JUDGED]
    return pictures[chosen], labels[chosen]


def accuracies(names: dict[str, Any], vectors: Any, known: Any, labels: Any) -> list[float]:
    """Let 3, 5, ... neighbours vote."""
    found = names["y_database"][names["nearest"](names["distance_table"](vectors, known), max(NEIGHBOURS))]
    return [float(np.mean(names["vote"](found[:, :k]) == labels)) for k in NEIGHBOURS]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20, help="how many runs, at least three; ten of files at most")
    parser.add_argument("--write", action="store_true", help="put the row into coursekit/targets.toml")
    arguments = parser.parse_args()
    from coursekit import data, runtime

    source, profile = data.source("cifar10"), runtime.profile()
    return offer(measure(arguments.seeds), source=source, profiles=[profile], keep=arguments.write)


if __name__ == "__main__":
    sys.exit(main())
