"""
Train the course's backbone anew and write it into the package, with its card.

    python -m benchmarks.train_backbone

It learns ten kinds of things from pictures that the course draws (no file is needed), on one core in about ten minutes.
None of the pictures is one that a notebook loads or that models are judged on. Half of them are turned grey, because
what it learns is to serve on grey pictures, too. The same machine gives the same weights again.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

SEED = 11
# Drawn from a negative seed that is no split's: hold-out pictures have seeds that are not negative.
DRAWING_SEED = -1_100
GREY = np.array([0.299, 0.587, 0.114], np.float32)
BATCH_SIZE = 64
LEARNING_RATE = 3e-3
TURNED = 0.25
WEIGHT_DECAY = 5e-4


def scaled(pictures: np.ndarray) -> np.ndarray:
    """Scale 0 to 255 to the range from -1 to 1."""
    return pictures.astype("float32") / 127.5 - 1


def varied(pictures: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mirror half of the pictures, turn some by right angles, make half of them grey, vary contrast and brightness."""
    x, count = scaled(pictures), len(pictures)
    mirrored = rng.random(count) < 0.5
    x[mirrored] = x[mirrored, :, ::-1]
    quarters = np.where(rng.random(count) < TURNED, rng.integers(1, 4, count), 0)
    for quarter in (1, 2, 3):
        x[quarters == quarter] = np.rot90(x[quarters == quarter], quarter, (1, 2))
    grey = rng.random(count) < 0.5
    x[grey] = (x[grey] @ GREY)[..., None]
    x *= rng.uniform(0.7, 1.3, (count, 1, 1, 1)).astype("float32")
    x += rng.uniform(-0.25, 0.25, (count, 1, 1, 1)).astype("float32")
    return np.clip(x, -1, 1)


def train(pictures: int, epochs: int, seed: int = SEED) -> Any:
    """Train a new backbone with its head, and give it back."""
    import keras

    from coursekit import backbone
    from coursekit.objects import draw_objects

    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    x, y = draw_objects((pictures // backbone.CLASSES,) * backbone.CLASSES, DRAWING_SEED)
    model = backbone.build()
    steps = epochs * (pictures // BATCH_SIZE)
    rate = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=WEIGHT_DECAY)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    for epoch in range(1, epochs + 1):
        model.reset_metrics()
        order = rng.permutation(pictures)[: pictures // BATCH_SIZE * BATCH_SIZE].reshape(-1, BATCH_SIZE)
        for chosen in order:
            loss, accuracy = model.train_on_batch(varied(x[chosen], rng), y[chosen])
        print(f"epoch {epoch:2} of {epochs}: loss {loss:.3f}, accuracy {accuracy:.3f}", flush=True)
    return model


def accuracies(model: Any) -> tuple[float, float]:
    """Give the accuracy of a backbone with its head on the course's hold-out pictures: in colour, and turned grey."""
    from coursekit import data

    x, y = data.holdout("cifar10")
    coloured = scaled(x)
    grey = np.repeat((coloured @ GREY)[..., None], 3, axis=-1)
    right = [np.argmax(model.predict(each, batch_size=250, verbose=0), axis=1) == y for each in (coloured, grey)]
    return float(np.mean(right[0])), float(np.mean(right[1]))


def card(model: Any, pictures: int, epochs: int, seconds: float) -> str:
    """Write the card of a trained backbone."""
    from coursekit import backbone

    in_colour, in_grey = accuracies(model)
    trained = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    head = model.layers[-1].count_params()
    variations = (
        f"mirrored (1 in 2), turned by right angles ({TURNED:.0%}), grey (1 in 2), contrast x 0.7 to 1.3, "
        "brightness +- 0.25"
    )
    layers = (
        "3 x 3 convolutions without bias, each with batch normalisation and ReLU, in four blocks with max pooling "
        "between"
    )
    optimizer = (
        f"AdamW, batches of {BATCH_SIZE}, learning rate {LEARNING_RATE} falling along a cosine, "
        f"weight decay {WEIGHT_DECAY}"
    )
    return f"""# The course's own backbone: what it is, what it has seen, what it can do. Written by the command below.
name = "backbone"
command = "python -m benchmarks.train_backbone"
licence = "that of this repository: every picture was drawn by the course's own code"

[data]
pictures = {pictures}
source = "coursekit.objects.draw_objects: ten kinds of things, 32 x 32 pixels, red, green and blue"
drawing_seed = {DRAWING_SEED}
preparation = "scaled to [-1, 1]"
variations = "{variations}"

[architecture]
layers = "{layers}"
convolutions = {backbone.CONVOLUTIONS}
head = "the mean of each map, and a softmax over ten classes"
parameters = {model.count_params()}
trained_parameters = {trained}
parameters_without_head = {model.count_params() - head}

[training]
optimizer = "{optimizer}"
epochs = {epochs}
seed = {SEED}
cpu_seconds = {seconds:.0f}

# On 1,000 hold-out pictures of the stand-in (coursekit.data.holdout, its own seed): 0.1 is guessing.
[accuracy]
in_colour = {in_colour:.3f}
grey = {in_grey:.3f}
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=24_000, help="how many are drawn")
    parser.add_argument("--epochs", type=int, default=12, help="how often each is seen")
    parser.add_argument("--to", type=Path, help="folder for the weights and the card, in place of the package")
    arguments = parser.parse_args()
    # The course's own pictures whatever this machine is set to; before TensorFlow is loaded, its fast convolutions.
    os.environ["COURSE_DATA_SOURCE"] = "standin"
    os.environ.pop("COURSE_HOLDOUT_SEED", None)
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from coursekit import backbone

    folder = arguments.to or backbone.WEIGHTS.parent
    begin = time.process_time()
    model = train(arguments.pictures, arguments.epochs)
    seconds = time.process_time() - begin
    backbone.save(model, folder / backbone.WEIGHTS.name)
    text = card(model, arguments.pictures, arguments.epochs, seconds)
    (folder / backbone.CARD.name).write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
