"""Checks of what a trained model reaches on pictures it has not seen."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from coursekit.checks._failure import fail
from coursekit.checks._networks import require_model
from coursekit.checks._values import Array, read_numeric
from coursekit.checks._words import describe, plural, remedy

__all__ = ["accuracy", "predicted_classes", "recall"]

Labels = npt.NDArray[np.int64]

_BATCH = 128  # inputs at a time: few steps, and still little memory for pictures of 224 x 224


def predicted_classes(model: object, x: npt.ArrayLike, *, name: str = "the model") -> Labels:
    """
    Let a model say the class of each input.

    A model with one output (a sigmoid) says 1 where it is above 0.5; above 0 where the model was compiled with
    ``from_logits=True``. One with C outputs says the class of the largest, be they probabilities or logits.

    Parameters
    ----------
    model : object
        A built Keras model with outputs of shape (N, C), (N, 1) or (N,).
    x : array_like
        N inputs, prepared as for training.
    name : str
        What the model is called in the message.

    Returns
    -------
    ndarray of int64, shape (N,)

    Raises
    ------
    CheckFailed
        When it is no built model, cannot take the inputs, or gives NaN or another shape.
    """
    return _classes(model, _outputs(model, x, name))


def _classes(model: Any, outputs: Array) -> Labels:
    if outputs.ndim == 2 and outputs.shape[1] > 1:
        classes: Labels = outputs.argmax(axis=1).astype(np.int64)
    else:
        threshold = 0.0 if _gives_logits(model) else 0.5
        classes = (outputs.reshape(len(outputs)) > threshold).astype(np.int64)
    return classes


def _gives_logits(model: Any) -> bool:
    return bool(getattr(getattr(model, "loss", None), "from_logits", False))


def _outputs(model: object, x: npt.ArrayLike, name: str) -> Array:
    """Run a model on inputs; what comes is finite and of shape (N, C), (N, 1) or (N,)."""
    built = require_model(model, name)
    inputs = _inputs(x)
    _require_fitting(built, inputs, name)
    number = len(inputs)
    batches = [read_numeric(batch) for batch in _run(built, inputs, name)]
    outputs = np.concatenate([batch.array for batch in batches if batch is not None])
    if outputs.ndim not in (1, 2) or len(outputs) != number:
        hint = "Flatten or GlobalAveragePooling2D is missing before the last Dense layer." if outputs.ndim > 2 else ""
        fail(name, f"its output has shape {outputs.shape}, but ({number}, classes) or ({number}, 1) is asked.", hint)
    bad = ~np.isfinite(outputs)
    if bad.any():
        rows = int(bad.reshape(number, -1).any(axis=1).sum())
        hint = (
            "The training has diverged: divide the inputs by 255, take a smaller learning rate, and train a new model."
        )
        fail(name, f"its predictions are NaN (not a number) or infinite for {rows} of {plural(number, 'input')}.", hint)
    return outputs


def _run(model: Any, x: Array, name: str) -> list[Any]:
    try:
        # Called, not asked to predict: for few inputs the graph that predict makes takes longer than its use saves.
        return [model(x[start : start + _BATCH], training=False) for start in range(0, len(x), _BATCH)]
    except _model_errors() as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        fail(name, f"it cannot be used on inputs of shape {x.shape}: {reason}")


def _model_errors() -> tuple[type[BaseException], ...]:
    """Give what a network may raise; the errors of JAX are Python's own."""
    tensorflow = sys.modules.get("tensorflow")
    own = () if tensorflow is None else (tensorflow.errors.OpError,)
    return (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError, *own)


def _inputs(x: object) -> Array:
    numeric = read_numeric(x)
    if numeric is None or not numeric.array.ndim or not (numeric.is_number or numeric.is_truth):
        fail("the inputs", f"{describe(x)} came, but an array of numbers is asked.", remedy(x))
    if not len(numeric.array):
        fail("the inputs", "there are none: the array is empty.")
    if not np.all(np.isfinite(numeric.array)):
        fail("the inputs", "some are NaN (not a number) or infinite.", "Was divided by a standard deviation of 0?")
    return numeric.array


def _require_fitting(model: Any, x: Array, name: str) -> None:
    asked = model.input_shape
    if type(asked) is not tuple or any(not (axis is None or type(axis) is int) for axis in asked):
        fail(name, "it has several inputs, but one is asked.")
    if type(model.output_shape) is not tuple or any(not (a is None or type(a) is int) for a in model.output_shape):
        fail(name, "it has several outputs, but one is asked.")
    if len(asked) == x.ndim and all(a is None or a == c for a, c in zip(asked[1:], x.shape[1:], strict=True)):
        return
    problem = f"it takes inputs of shape {asked}, but is tried on {x.shape}; the first axis counts the inputs."
    hint = f"keras.Input(shape={x.shape[1:]}) begins a model that takes them."
    if len(asked) != x.ndim and math.prod(a or 1 for a in asked[1:]) == math.prod(x.shape[1:]):
        hint = f"The numbers of values agree, the axes do not: is a channel axis or a Flatten layer missing? {hint}"
    fail(name, problem, hint)


def accuracy(model: object, x: npt.ArrayLike, y: npt.ArrayLike, *, at_least: float, name: str = "the model") -> None:
    """
    Check which share of the inputs a model puts into the right class.

    A model that says one class for all inputs fails, however high the share.

    Parameters
    ----------
    model : object
        A built and trained Keras model; see :func:`predicted_classes` for its outputs.
    x : array_like
        N inputs, prepared as for training.
    y : array_like of int, shape (N,)
        True classes.
    at_least : float
        What is asked, from 0 to 1.
    name : str
        What the model is called in the message.

    Raises
    ------
    CheckFailed
        When it reaches less. The message tells the share of the largest class, too.
    TypeError, ValueError
        When y or at_least is unusable: a mistake in the test.
    """
    truth = _truth(y, at_least)
    outputs = _outputs_for(model, x, truth, name)
    said = _classes(model, outputs)
    reached = float(np.mean(said == truth))
    share, largest = _majority(truth)
    baseline = f"Always saying class {largest} would reach {share:.2f}."
    if reached < at_least:
        problem = f"it reaches accuracy {_figure(reached, at_least)} on {plural(len(truth), 'input')}"
        hint = next(_score_guesses(model, outputs, truth, at_least), "")
        fail(name, f"{problem}; at least {at_least:g} is asked.", baseline, hint)
    if _one_for_all(said, truth):
        fail(name, f"it says class {said[0]} for every input.", baseline, _NOTHING_LEARNED)


def recall(
    model: object, x: npt.ArrayLike, y: npt.ArrayLike, *, at_least: float, positive: int = 1, name: str = "the model"
) -> None:
    """
    Check which share of the inputs of one class a model finds.

    A model that says one class for all inputs fails: saying "yes" to everything finds everything and knows nothing.

    Parameters
    ----------
    model : object
        A built and trained Keras model; see :func:`predicted_classes` for its outputs.
    x : array_like
        N inputs, prepared as for training.
    y : array_like of int, shape (N,)
        True classes.
    at_least : float
        What is asked, from 0 to 1.
    positive : int
        The class that is to be found.
    name : str
        What the model is called in the message.

    Raises
    ------
    CheckFailed
        When it reaches less.
    TypeError, ValueError
        When y or at_least is unusable, or no input is of that class: a mistake in the test.
    """
    truth = _truth(y, at_least)
    there = int(np.sum(truth == positive))
    if not there:
        raise ValueError(f"There is no input of class {positive} to be found.")
    outputs = _outputs_for(model, x, truth, name)
    said = _classes(model, outputs)
    found = int(np.sum((truth == positive) & (said == positive)))
    reached = found / there
    if reached < at_least:
        problem = (
            f"it finds {found} of the {plural(there, 'input')} of class {positive}, recall {_figure(reached, at_least)}"
        )
        share, largest = _majority(truth)
        rare = (
            f"Always saying class {largest} would reach accuracy {share:.2f} and find none."
            if largest != positive
            else ""
        )
        hint = next(_score_guesses(model, outputs, truth, at_least), "")
        fail(name, f"{problem}; at least {at_least:g} is asked.", rare, hint)
    if _one_for_all(said, truth):
        found_all = (
            f"it says class {said[0]} for every input: so it finds all of class {positive}, and false ones with them."
        )
        fail(name, found_all, _NOTHING_LEARNED)


_NOTHING_LEARNED = (
    "It has learned nothing that tells the classes apart: was it trained, long enough, on inputs prepared like these?"
)


def _truth(y: object, at_least: float) -> Labels:
    # Of a plain number: a bar that measures takes every comparison for the one that counts.
    if not 0 <= float(at_least) <= 1:
        raise ValueError(f"at_least is a share from 0 to 1, not {at_least!r}.")
    numeric = read_numeric(y)
    if numeric is None or numeric.array.ndim != 1 or numeric.array.dtype.kind not in "iu" or not numeric.array.size:
        raise TypeError(f"The true classes are whole numbers in an array of one axis, not {describe(y)}.")
    truth: Labels = numeric.array.astype(np.int64)
    return truth


def _outputs_for(model: object, x: npt.ArrayLike, truth: Labels, name: str) -> Array:
    outputs = _outputs(model, x, name)
    if len(outputs) != len(truth):
        raise ValueError(f"There are {plural(len(outputs), 'input')}, but {len(truth)} true classes.")
    classes = int(truth.max()) + 1
    columns = 1 if outputs.ndim == 1 else outputs.shape[1]
    if max(columns, 2) < classes:
        problem = f"it has {plural(columns, 'output')}, but there are {classes} classes."
        fail(name, problem, f"The last layer needs one unit for each class: Dense({classes}).")
    return outputs


def _one_for_all(said: Labels, truth: Labels) -> bool:
    return len(np.unique(said)) == 1 and len(np.unique(truth)) > 1


def _majority(truth: Labels) -> tuple[float, int]:
    classes, numbers = np.unique(truth, return_counts=True)
    return float(numbers.max() / len(truth)), int(classes[numbers.argmax()])


def _score_guesses(model: Any, outputs: Array, truth: Labels, at_least: float) -> Iterator[str]:
    """Name the mistakes that may be behind a low score, the likeliest first."""
    said = _classes(model, outputs)
    classes = max(2, int(truth.max()) + 1)
    right = float(np.mean(said == truth))
    single = outputs.size == len(outputs)
    if single and not _gives_logits(model) and (outputs.min() < 0 or outputs.max() > 1):
        yield (
            f"Its outputs run from {outputs.min():.3g} to {outputs.max():.3g} and are no probabilities: "
            "the last layer needs activation='sigmoid', or the loss from_logits=True."
        )
    if _one_for_all(said, truth):
        yield f"It says class {said[0]} for every input. {_NOTHING_LEARNED}"
    if classes == 2 and 1 - right >= max(at_least, 0.6):
        yield "It says the opposite of what is right: the two classes seem to be swapped."
    spread = math.sqrt((1 - 1 / classes) / classes / len(truth))
    if abs(right - 1 / classes) <= 2 * spread:
        yield f"With {classes} classes this is no better than guessing: was it trained, on inputs prepared like these?"
    if not single and outputs.shape[1] > classes:
        yield f"It has {outputs.shape[1]} outputs for {classes} classes: the last layer needs one unit for each class."


def _figure(reached: float, at_least: float) -> str:
    """Write a share with as many digits as it takes to see that it is too small."""
    texts = [f"{reached:.{digits}f}" for digits in (2, 3, 4, 6)]
    return next((text for text in texts if float(text) < at_least or reached >= at_least), repr(reached))
