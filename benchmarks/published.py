"""
What the networks of the course reach on the real pictures, next to what the lectures' notebooks print.

Trains every entry anew for each seed and prints a table: the published test accuracy, ours, and how far the seeds lie
apart. The stand-ins would say nothing here, so the pictures are the real ones:

    COURSE_DATA=<folder> python -m benchmarks.published --seeds 3               # all of them
    COURSE_DATA=<folder> python -m benchmarks.published --assignment 07_mnist   # those of one assignment
    COURSE_DATA=<folder> python -m benchmarks.published --entry permuted        # those with this word in their name
    COURSE_DATA=<folder> python -m benchmarks.published --runs runs.jsonl       # keep each run; a second call goes on

Pictures and batches are those of the notebooks, which train for ten epochs; where that is dear, ours train less. One
more line in the table is one more Entry in ENTRIES.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Model = Any  # a Keras model: Keras is imported when the first one is built


def scaled(pictures: Array) -> Array:
    """Grey or colour pictures from 0 to 1, with a channel axis."""
    x = pictures.astype("float32") / 255
    return x[..., np.newaxis] if x.ndim == 3 else x


def raw(pictures: Array) -> Array:
    """Leave the levels from 0 to 255 as they are."""
    return pictures.astype("float32")


def permuted(pictures: Array) -> Array:
    """Put the pixels of every picture into one and the same new order, scaled."""
    x = scaled(pictures)
    order = np.random.default_rng(42).permutation(x.shape[1] * x.shape[2])
    return x.reshape(len(x), -1, x.shape[-1])[:, order].reshape(x.shape)


def padded(pictures: Array) -> Array:
    """Put two black pixels all around, which makes 32 x 32 of 28 x 28, scaled."""
    return np.pad(scaled(pictures), ((0, 0), (2, 2), (2, 2), (0, 0)))


def dense(hidden: Sequence[int], activation: str = "relu", shape: tuple[int, ...] = (28, 28, 1)) -> Model:
    """Build a fully connected network with hidden layers of these widths, and softmax over ten classes."""
    import keras

    layers = [keras.layers.Dense(width, activation=activation) for width in hidden]
    last = keras.layers.Dense(10, activation="softmax")
    return keras.Sequential([keras.Input(shape), keras.layers.Flatten(), *layers, last])


def mnist_cnn() -> Model:
    """Build the CNN of 07_mnist: convolutions of 8 and 16 filters, one pooling, 40 neurons."""
    import keras

    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(40, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )


def lenet5() -> Model:
    """Build LeNet-5 as the lecture writes it: tanh and average pooling, then dense layers with ReLU."""
    import keras

    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((32, 32, 1)),
            layers.Conv2D(6, 5, activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Conv2D(16, 5, activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dense(120, activation="relu"),
            layers.Dense(84, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )


def cifar10_cnn() -> Model:
    """Build the lecture's CNN for CIFAR-10: twice 8 and twice 16 filters, 40 neurons, 45,706 parameters."""
    import keras

    layers = keras.layers
    stages = []
    for filters in (8, 16):
        stages += [layers.Conv2D(filters, 3, padding="same", activation="relu") for _ in range(2)]
        stages += [layers.MaxPooling2D(2)]
    end = [layers.Flatten(), layers.Dense(40, activation="relu"), layers.Dense(10, activation="softmax")]
    return keras.Sequential([keras.Input((32, 32, 3)), *stages, *end])


@dataclass(frozen=True)
class Entry:
    """
    One line of the table.

    Attributes
    ----------
    assignment, name : str
        Where the network belongs, and what it is called.
    published : tuple of float
        Test accuracies that were published: one, or the lowest and the highest; none where there is none.
    data : str
        The data set, as `coursekit.data.load` knows it.
    pictures, epochs, batch : int
        How many of the training pictures are used, how often, and how many at a time.
    build : callable
        Makes a new network.
    prepare : callable
        Makes the network's inputs of raw pictures.
    optimizer : str
        Keras's name of the optimizer; its settings are the usual ones.
    """

    assignment: str
    name: str
    published: tuple[float, ...]
    data: str
    pictures: int
    epochs: int
    batch: int
    build: Callable[[], Model]
    prepare: Callable[[Array], Array] = scaled
    optimizer: str = "adam"


_sigmoid = partial(dense, (100, 50), "sigmoid")
_mnist = partial(Entry, "07_mnist", data="mnist", pictures=50_000, batch=128)
_cifar10 = partial(Entry, "09_cifar10", data="cifar10", pictures=10_000, epochs=20, batch=128, build=cifar10_cnn)

ENTRIES: tuple[Entry, ...] = (
    _mnist("no hidden layer", (0.925,), epochs=10, build=partial(dense, ())),
    _mnist("100-50, sigmoid", (0.968,), epochs=10, build=_sigmoid),
    _mnist("100-50, sigmoid, permuted", (0.971,), epochs=10, build=_sigmoid, prepare=permuted),
    _mnist("512-256-128, ReLU", (0.981,), epochs=20, build=partial(dense, (512, 256, 128))),
    _mnist("CNN 8-16", (0.987, 0.991), epochs=20, build=mnist_cnn),
    _mnist("CNN 8-16, permuted", (0.945, 0.953), epochs=10, build=mnist_cnn, prepare=permuted),
    _mnist("LeNet-5, 32 x 32", (), epochs=3, build=lenet5, prepare=padded),
    _cifar10("CNN 8-8-16-16, raw pixels", (0.464, 0.488), prepare=raw),
    _cifar10("CNN 8-8-16-16", (0.532, 0.551)),
)  # fmt: skip


@cache
def pictures(name: str) -> tuple[Array, Array, Array, Array]:
    """Give the training pictures of a data set, those for validation with them, and its test pictures, with labels."""
    from coursekit import data

    with contextlib.redirect_stdout(io.StringIO()):
        loaded = data.load(name)
    x, y = (np.concatenate(parts) for parts in ((loaded.x_train, loaded.x_val), (loaded.y_train, loaded.y_val)))
    return x, y, loaded.x_test, loaded.y_test


def run(entry: Entry, seed: int) -> float:
    """Train a network once, and give its accuracy on the test pictures."""
    from coursekit import checks, runtime

    x, y, x_test, y_test = pictures(entry.data)
    if len(x) < entry.pictures:
        raise SystemExit(f"{entry.name}: {entry.pictures:,} training pictures are needed; {entry.data} has {len(x):,}.")
    runtime.seed_everything(seed)
    model = entry.build()
    model.compile(entry.optimizer, "sparse_categorical_crossentropy")
    inputs = entry.prepare(x[: entry.pictures])
    model.fit(inputs, y[: entry.pictures], batch_size=entry.batch, epochs=entry.epochs, verbose=0)
    return float(np.mean(checks.predicted_classes(model, entry.prepare(x_test)) == y_test))


def measure(entries: Sequence[Entry], seeds: Sequence[int], keep: Path | None) -> Iterator[tuple[Entry, list[float]]]:
    """Run all entries with all seeds, but for those runs that `keep` has, and add each to it."""
    lines = keep.read_text(encoding="utf-8").splitlines() if keep is not None and keep.is_file() else []
    done = {tuple(key): reached for key, reached in map(json.loads, lines)}
    for entry in entries:
        reached = []
        for seed in seeds:
            key = (entry.assignment, entry.name, entry.pictures, entry.epochs, entry.batch, seed)
            if key not in done:
                done[key] = run(entry, seed)
                if keep is not None:
                    with keep.open("a", encoding="utf-8") as file:
                        file.write(json.dumps([key, done[key]]) + "\n")
            reached.append(done[key])
        yield entry, reached


def line(entry: Entry, reached: Sequence[float]) -> str:
    """Write one line of the table, as Markdown."""
    published = " to ".join(f"{value:.3f}" for value in entry.published) or "-"
    spread = f"{min(reached):.4f} to {max(reached):.4f}"
    budget = f"{entry.pictures:,} x {entry.epochs}"
    mean = statistics.fmean(reached)
    return f"| {entry.assignment} | {entry.name} | {budget} | {published} | {mean:.4f} | {len(reached)} | {spread} |"


HEAD = """\
| assignment | network | pictures x epochs | published | ours, mean | seeds | spread |
|---|---|---|---|---|---|---|"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="how many trainings of each network")
    parser.add_argument(
        "--assignment", choices=sorted({entry.assignment for entry in ENTRIES}), help="only its networks"
    )
    parser.add_argument("--entry", default="", help="only those with this in their name")
    parser.add_argument("--runs", type=Path, help="file that keeps each run, and whose runs are not done again")
    arguments = parser.parse_args()
    os.environ["COURSE_DATA_SOURCE"] = "real"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    chosen = [
        entry for entry in ENTRIES if arguments.assignment in (None, entry.assignment) and arguments.entry in entry.name
    ]
    begin = time.process_time()
    print(HEAD)
    for entry, reached in measure(chosen, range(1, arguments.seeds + 1), arguments.runs):
        print(line(entry, reached), flush=True)
    print(f"\n{time.process_time() - begin:.0f} processor seconds")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
