"""
What an honest solution of an assignment reaches, measured, and the targets that follow from it.

Runs the reference of the master notebook over many seeds, each with hold-out pictures of its own, and prints a row for
``coursekit/targets.toml`` for every measure that tells an honest solution from the known wrong answers:

    python -m benchmarks.measure_targets --seeds 30 --jobs 2            # 08_cnn, the data source and profile in use
    python -m benchmarks.measure_targets --assignment 04_mlp            # another assignment
    COURSE_DATA=<folder> python -m benchmarks.measure_targets --write   # and put the rows into the table
    python -m benchmarks.measure_targets --runs runs.jsonl              # keep each run; a second call goes on

Targets are so low that an honest run fails a test less than once in a thousand; one is refused where a wrong answer
(always the majority, or the MLP, in any of the runs) comes as high. Where a test asks for several measures of one
exercise at once, as that of 04_mlp does, a wrong answer has to reach all of them.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import statistics
import sys
import time
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import nbformat
import numpy as np

from autograder.audit.bounds import FAILURE_RATE, safe_target
from autograder.audit.calibration import as_toml

ROOT = Path(__file__).resolve().parents[1]
CNN, MLP, TRANSFER = (
    ROOT / "source" / name
    for name in ("08_cnn/cnn.ipynb", "04_mlp/mlp.ipynb", "11_transfer_learning/transfer_learning.ipynb")
)
MNIST = ROOT / "source" / "07_mnist/mnist.ipynb"
TABLE = ROOT / "coursekit" / "targets.toml"

MEASURES = ("", "-recall", "-ranking")  # added to an exercise's name; the first is the accuracy
RATE = FAILURE_RATE / len(MEASURES)  # a test asks for all of them
MOST_JOBS = 2
# What the notebook does, by grade id: it is run as it stands there, so that the targets are those of its own reference.
CELLS = ("setup", "prepare", "build_cnn", "build_mlp", "judge", "train", "standardise", "build_edge_lover", "shift")
MLP_CELLS = ("setup", "standardise", "build_mlp", "train", "class_weights", "my_mlp", "judge")
TRANSFER_CELLS = ("setup", "litter", "network", "scale", "prepare", "add_head", "counts", "train", "thaw", "judge")
TRANSFER_STEPS = ("head_only", "fine_tune", "steps")
# Exercises whose test asks for all measures at once, so that a wrong answer must reach them all.
TOGETHER = ("mlp", "transfer")
MNIST_CELLS = ("setup", "prepare", "build_dense", "build_cnn", "train")
MOVES = ((4, 0), (-4, 0), (0, 4), (0, -4))
EDGE_LOVER = "edge-lover/stripes"
EDGE_LOVER_ASKED = 0.95  # as it stands in the notebook: the stripes have one source, so they are not in the table

Scores = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Row:
    """
    What was measured of one exercise.

    Attributes
    ----------
    exercise : str
        Its name in the table.
    honest : tuple of float
        What the reference reached, a number a run.
    wrong : mapping of str to float
        The best that each known wrong answer came to in any run.
    rate : float
        How often an honest solution may miss this measure alone.
    """

    exercise: str
    honest: tuple[float, ...]
    wrong: Mapping[str, float]
    rate: float = RATE

    @property
    def mean(self) -> float:
        """Mean of the honest runs."""
        return statistics.fmean(self.honest)

    @property
    def sd(self) -> float:
        """Standard deviation of the honest runs."""
        return statistics.stdev(self.honest)

    @property
    def target(self) -> float:
        """What may be asked, rounded down to thousandths."""
        return safe_target(self.honest, self.rate)

    @property
    def refusal(self) -> str:
        """Why it may not be asked; empty if it may."""
        too_good = {name: best for name, best in self.wrong.items() if best >= self.target}
        return "; ".join(f"{name} reaches {best:.3f}" for name, best in too_good.items())


def run(seed: int) -> Scores:
    """Train once and judge: what the reference and each wrong answer reach, by exercise."""
    os.environ["COURSE_HOLDOUT_SEED"] = str(10_000 + seed)
    with contextlib.redirect_stdout(io.StringIO()):
        notebook = reference(CNN, CELLS)
        from coursekit import checks, data, runtime

        litter = data.load("litter")
    prepare, epochs = notebook["prepare"], notebook["EPOCHS"]
    training = (prepare(litter.x_train), litter.y_train, prepare(litter.x_val), litter.y_val, epochs)
    pictures, labels = data.holdout("litter")
    moved = np.concatenate([notebook["shift"](pictures, *move) for move in MOVES])
    reached: Scores = {}
    # The learning rates are those of the notebook's cells train_cnn and train_mlp.
    for name, build, learning_rate in (("reference", "build_cnn", 0.003), ("the MLP", "build_mlp", 0.001)):
        runtime.seed_everything(seed)
        model = notebook[build]()
        notebook["train"](model, *training, learning_rate)
        for exercise, x, y in (("cnn", pictures, labels), ("cnn-shifted", moved, np.tile(labels, len(MOVES)))):
            said = checks.predicted_classes(model, prepare(x))
            rank = notebook["ranking"](model.predict(prepare(x), verbose=0)[:, 1], y)
            _note(reached, exercise, name, said=said, rank=rank, truth=y)
            _note(reached, exercise, "always the majority", said=np.zeros_like(y), rank=0.5, truth=y)
    reached[EDGE_LOVER] = {"reference": _edge_lover(notebook, seed), "guessing": 0.5}
    return reached


def run_mlp(seed: int) -> Scores:
    """Train the network of 04_mlp once and judge: what the reference and each wrong answer reach, by measure."""
    os.environ["COURSE_HOLDOUT_SEED"] = str(10_000 + seed)
    with contextlib.redirect_stdout(io.StringIO()):
        from coursekit import checks, data, runtime

        litter = data.load("litter")
        notebook = reference(MLP, MLP_CELLS)
    prepare = notebook["standardise"]
    pictures, labels = data.holdout("litter")
    runtime.seed_everything(seed)
    model, _ = notebook["my_mlp"](prepare(litter.x_train), litter.y_train, prepare(litter.x_val), litter.y_val)
    runtime.seed_everything(seed)
    reached: Scores = {}
    for name, network in (("reference", model), ("an untrained network", notebook["build_mlp"](0.2, 0.0))):
        said = checks.predicted_classes(network, prepare(pictures))
        rank = notebook["ranking"](network.predict(prepare(pictures), verbose=0)[:, 1], labels)
        _note(reached, "mlp", name, said=said, rank=rank, truth=labels)
    chance = np.random.default_rng(seed).random(len(labels))
    rank = notebook["ranking"](chance, labels)
    for share in (0.2, 0.3, 0.37, 0.5):
        said = (chance > 1 - share).astype("int64")
        _note(reached, "mlp", f"guessing, {share:.0%} bottles", said=said, rank=rank, truth=labels)
    for name, answer in (("always the majority", 0), ("always a bottle", 1)):
        _note(reached, "mlp", name, said=np.full_like(labels, answer), rank=0.5, truth=labels)
    return reached


def run_mnist(seed: int) -> Scores:
    """Train the networks of 07_mnist once and judge: what the reference and each wrong answer reach."""
    os.environ["COURSE_HOLDOUT_SEED"] = str(10_000 + seed)
    with contextlib.redirect_stdout(io.StringIO()):
        notebook = reference(MNIST, MNIST_CELLS)
        from coursekit import checks, data, runtime

        mnist = data.load("mnist")
    prepare, build_dense = notebook["prepare"], notebook["build_dense"]
    x, y = prepare(mnist.x_train[: notebook["PICTURES"]]), mnist.y_train[: notebook["PICTURES"]]
    x_val, y_val = prepare(mnist.x_val[:1_000]), mnist.y_val[:1_000]
    pictures, labels = (part[:2_000] for part in data.holdout("mnist"))  # as many as the test cell takes

    def reached(build: Callable[[], Any], truth: Any, epochs: int) -> float:
        runtime.seed_everything(seed)
        model = build()
        if epochs:
            notebook["train"](model, x, truth, x_val, y_val, epochs)
        return float(np.mean(checks.predicted_classes(model, prepare(pictures)) == labels))

    def dense() -> Any:
        return build_dense([100, 50], "relu")

    epochs, cnn_epochs = notebook["EPOCHS"], notebook["CNN_EPOCHS"]
    majority = float(np.max(np.bincount(labels)) / len(labels))
    wrong = np.random.default_rng(seed).permutation(y)
    # Networks of other layers are no wrong answers here: the test asks for the layers first.
    return {
        "dense/mnist": {
            "reference": reached(dense, y, epochs),
            "an untrained network": reached(dense, y, 0),
            "labels in another order": reached(dense, wrong, 1),
            "always the same": majority,
        },
        "cnn/mnist": {
            "reference": reached(notebook["build_cnn"], y, cnn_epochs),
            "an untrained network": reached(notebook["build_cnn"], y, 0),
            "always the same": majority,
        },
    }


def run_transfer(seed: int) -> Scores:
    """Go through the steps of 11_transfer_learning once and judge: what the reference and each wrong answer reach."""
    os.environ["COURSE_HOLDOUT_SEED"] = str(10_000 + seed)
    with contextlib.redirect_stdout(io.StringIO()):
        from coursekit import data, runtime

        names = reference(TRANSFER, TRANSFER_CELLS)
        pictures, labels = data.holdout("litter")
    train, x, y, new = names["train"], names["x_few"], names["y_few"], names["prepare"](pictures)
    exercise = "transfer" if names["network"].side < 96 else "transfer-imagenet"
    reached: Scores = {}

    def note(who: str, probability: Any) -> None:
        said, rank = (probability > 0.5).astype("int64"), names["ranking"](probability, labels)
        _note(reached, exercise, who, said=said, rank=rank, truth=labels)

    keras = names["keras"]
    with contextlib.redirect_stdout(io.StringIO()):
        steps = reference(TRANSFER, TRANSFER_STEPS, names | {"runtime": _Seeded(runtime, seed)})
    note("reference", steps["model"].predict(new, verbose=0)[:, 0])
    runtime.seed_everything(seed)
    with contextlib.redirect_stdout(io.StringIO()):
        base = reference(TRANSFER, ("network",), dict(names))["network"].model

    def note_head(who: str, base: Any, inputs: Sequence[Any], y: Any, epochs: int) -> None:
        # A frozen backbone says the same in each epoch: it is asked once.
        pooled = keras.Sequential([base, keras.layers.GlobalAveragePooling2D()])
        old, new = (pooled.predict(part, verbose=0) for part in inputs)
        head = keras.Sequential(
            [keras.Input(old.shape[1:]), keras.layers.Dropout(0.5), keras.layers.Dense(1, activation="sigmoid")]
        )
        if epochs:
            train(head, old, y, 0.01, epochs)
        note(who, head.predict(new, verbose=0)[:, 0])

    epochs = names["HEAD_EPOCHS"]
    note_head("a head that was not trained", base, (x, new), y, 0)
    note_head("labels in disorder", base, (x, new), np.random.default_rng(seed).permutation(y), epochs)
    note_head("trained on pictures from 0 to 255", base, ((x + 1) * 127.5, new), y, epochs)
    note_head("a head on a backbone that has seen nothing", keras.models.clone_model(base), (x, new), y, epochs)
    chance = np.random.default_rng(seed).random(len(labels))
    for share in (0.3, 0.5, 0.8):
        note(f"guessing, {share:.0%} bottles", np.clip(chance - 0.5 + share, 0, 1))
    return reached


class _Seeded:
    """The notebook's runtime, which begins at a seed of ours wherever the notebook names its own."""

    def __init__(self, runtime: Any, seed: int) -> None:
        self.runtime, self.seed = runtime, seed

    def seed_everything(self, own: int) -> None:
        self.runtime.seed_everything(1000 * own + self.seed)


def reference(master: Path, grade_ids: Collection[str], names: dict[str, Any] | None = None) -> dict[str, Any]:
    """Run the cells of a master that make up its reference, and give their names."""
    cells = {cell.metadata.get("nbgrader", {}).get("grade_id"): cell.source for cell in nbformat.read(master, 4).cells}
    names = {} if names is None else names
    for grade_id in grade_ids:
        exec(compile(cells[grade_id], f"<{grade_id}>", "exec"), names)
    return names


def _note(reached: Scores, exercise: str, who: str, *, said: Any, rank: float, truth: Any) -> None:
    values = (float(np.mean(said == truth)), float(np.mean(said[truth == 1] == 1)), rank)
    for measure, value in zip(MEASURES, values, strict=True):
        reached.setdefault(f"{exercise}{measure}/litter", {})[who] = value


def _edge_lover(notebook: Mapping[str, Any], seed: int) -> float:
    import keras

    from coursekit import checks, data, runtime

    runtime.seed_everything(seed)
    model = notebook["build_edge_lover"](24)
    model.compile(optimizer=keras.optimizers.Adam(learning_rate=0.05), loss="sparse_categorical_crossentropy")
    x, y = data.stripes(400, size=24, seed=1)
    model.fit(notebook["standardise"](x), y, batch_size=32, epochs=6, verbose=0)
    x, y = data.stripes(400, size=24, seed=10_000 + seed)
    return float(np.mean(checks.predicted_classes(model, notebook["standardise"](x)) == y))


RUNS: Mapping[str, Callable[[int], Scores]] = {
    "08_cnn": run,
    "04_mlp": run_mlp,
    "07_mnist": run_mnist,
    "11_transfer_learning": run_transfer,
}
"""How one run of an assignment is made, with which seed."""

DATA: Mapping[str, str] = {"07_mnist": "mnist"}
"""What an assignment is trained on, where that is not litter."""


def measure(
    one: Callable[[int], Scores], seeds: Sequence[int], jobs: int, keep: Path | None, kind: Sequence[str]
) -> list[Scores]:
    """Run all seeds but those that `keep` has of this kind (assignment, source, profile), and add each to it."""
    lines = keep.read_text(encoding="utf-8").splitlines() if keep is not None and keep.is_file() else []
    done: dict[int, Scores] = {each["seed"]: each["scores"] for each in map(json.loads, lines) if each["kind"] == kind}
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        coming = {pool.submit(one, seed): seed for seed in seeds if seed not in done}
        for future in as_completed(coming):
            seed = coming[future]
            done[seed] = future.result()
            if keep is not None:
                with keep.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"kind": kind, "seed": seed, "scores": done[seed]}) + "\n")
    return [done[seed] for seed in seeds]


def rows(runs: Sequence[Scores]) -> Iterator[Row]:
    """Gather the runs by exercise."""
    found = {}
    for exercise, first in runs[0].items():
        wrong = {who: max(scores[exercise][who] for scores in runs) for who in first if who != "reference"}
        found[exercise] = Row(exercise, tuple(scores[exercise]["reference"] for scores in runs), wrong)
    for row in found.values():
        together = [found[e] for e in found if e.partition("/")[0].partition("-")[0] in TOGETHER]
        yield _left_over(row, together, runs) if row in together else row


def _left_over(row: Row, together: Sequence[Row], runs: Sequence[Scores]) -> Row:
    """Leave to a row those wrong answers alone that reach every target of the measures asked together with it."""
    passing = {
        who
        for who in row.wrong
        for scores in runs
        if all(scores[each.exercise][who] >= each.target for each in together)
    }
    return replace(row, wrong={who: best for who, best in row.wrong.items() if who in passing})


def entry(row: Row, *, source: str, profile: str) -> dict[str, str | int | float]:
    """Give a row as the table has it."""
    facts = {"n": len(row.honest), "mean": round(row.mean, 4), "sd": round(row.sd, 4), "target": row.target}
    return {"exercise": row.exercise, "source": source, "profile": profile, **facts}


def write(
    entries: Sequence[Mapping[str, str | int | float]], measured: Collection[str], *, source: str, profile: str
) -> None:
    """Put rows into the table, in place of what it had of these exercises for this data source and profile."""
    text = TABLE.read_text(encoding="utf-8")
    head = text.partition("\n[[target]]")[0].rstrip() + "\n\n"
    kept = [
        row
        for row in tomllib.loads(text).get("target", [])
        if (row["source"], row["profile"]) != (source, profile) or row["exercise"] not in measured
    ]
    merged = sorted([*kept, *entries], key=lambda row: (row["source"], row["profile"], row["exercise"]))
    TABLE.write_text(head + as_toml(merged), encoding="utf-8")


def offer(row: Row, *, source: str, profiles: Sequence[str], keep: bool) -> int:
    """Print what was measured of one exercise and the rows that follow; with `keep`, put them into the table."""
    wrong = ", ".join(f"{name} at most {best:.3f}" for name, best in row.wrong.items())
    print(f"# {len(row.honest)} runs, source {source}, profile {' and '.join(profiles)}")
    print(f"# {row.exercise}: mean {row.mean:.3f}, sd {row.sd:.3f}, min {min(row.honest):.3f}; {wrong}")
    if row.refusal:
        print(f"# {row.target:.3f} could be asked, but {row.refusal}")
        return 1
    for profile in profiles:
        found = entry(row, source=source, profile=profile)
        print(as_toml([found]))
        if keep:
            write([found], [row.exercise], source=source, profile=profile)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assignment", choices=RUNS, default="08_cnn", help="whose reference is run")
    parser.add_argument("--seeds", type=int, default=20, help="how many runs")
    parser.add_argument("--first", type=int, default=0, help="seed of the first run")
    parser.add_argument("--jobs", type=int, default=1, choices=range(1, MOST_JOBS + 1), help="processes")
    parser.add_argument("--runs", type=Path, help="file that keeps each run, and whose runs are not done again")
    parser.add_argument("--write", action="store_true", help=f"put the rows into {TABLE.relative_to(ROOT)}")
    arguments = parser.parse_args()
    if arguments.seeds < 3:
        parser.error("a spread needs three runs at least")
    # Before TensorFlow is loaded, in the processes to come: one core each.
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ[name] = "1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from coursekit import data, runtime

    source, profile = data.source(DATA.get(arguments.assignment, "litter")), runtime.profile()
    begin = time.monotonic()
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    one = RUNS[arguments.assignment]
    runs = measure(one, seeds, arguments.jobs, arguments.runs, [arguments.assignment, source, profile])
    seconds = time.monotonic() - begin
    print(f"# {len(runs)} runs, source {source}, profile {profile}, {seconds:.0f} s with {arguments.jobs} processes")
    good = []
    for row in rows(runs):
        wrong = ", ".join(f"{name} at most {best:.3f}" for name, best in row.wrong.items())
        print(f"# {row.exercise}: mean {row.mean:.3f}, sd {row.sd:.3f}, min {min(row.honest):.3f}; {wrong}")
        if row.refusal:
            print(f"#   REFUSED: {row.target:.3f} could be asked, but {row.refusal}")
        elif row.exercise == EDGE_LOVER:
            print(f"#   {row.target:.3f} could be asked; the notebook asks {EDGE_LOVER_ASKED}")
        else:
            good.append(entry(row, source=source, profile=profile))
    print(as_toml(good))
    if arguments.write:
        write(good, runs[0].keys(), source=source, profile=profile)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
