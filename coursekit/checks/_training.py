"""Checks of how a model was set up and trained."""

from __future__ import annotations

import math
from typing import Any

from coursekit.checks._failure import fail
from coursekit.checks._networks import is_builtin_layer, is_model, require_model
from coursekit.checks._values import class_name, read_numeric
from coursekit.checks._words import describe, plural, remedy

__all__ = ["frozen", "learning_rate", "trained"]


def frozen(layers: object, *, trainable: bool = False, name: str = "the layers") -> None:
    """
    Check that layers are frozen (or, with ``trainable=True``, that they are not).

    Parameters
    ----------
    layers : object
        A Keras layer or model, or a list of them. Layers without weights do not count.
    trainable : bool
        What is asked.
    name : str
        What the layers are called in the message.

    Raises
    ------
    CheckFailed
        When one of them is the other way; it is named.
    """
    given: list[Any] = list(layers) if type(layers) in (list, tuple) else [layers]  # type: ignore[call-overload]
    for layer in given:
        if not is_builtin_layer(layer):
            fail(name, f"{describe(layer)} came, but Keras layers are asked.", remedy(layer))
    states = [(leaf, trained) for layer in given for leaf, trained in _states(layer, inside=True) if leaf.weights]
    if not states:
        fail(
            name, "there is no layer with weights among them.", "Is the model built? keras.Input(shape=...) begins it."
        )
    wrong = [f"'{leaf.name}'" for leaf, state in states if state != trainable]
    if wrong:
        state = "frozen" if trainable else "not frozen"
        hint = (
            "layer.trainable = True thaws a layer, unless a model around it is frozen; compile again afterwards."
            if trainable
            else "layer.trainable = False freezes a layer, or a model with all its layers; compile again afterwards."
        )
        more = f" and {len(wrong) - 4} more" if len(wrong) > 4 else ""
        problem = (
            f"{len(wrong)} of {plural(len(states), 'layer')} with weights {'is' if len(wrong) == 1 else 'are'} {state}"
        )
        fail(name, f"{problem}: {', '.join(wrong[:4])}{more}.", hint)


def _states(layer: Any, *, inside: bool) -> list[tuple[Any, bool]]:
    """List the innermost layers and whether they are trained: not in a frozen model, whatever they say themselves."""
    trained = inside and bool(layer.trainable)
    if not is_model(layer):
        return [(layer, trained)]
    return [state for part in layer.layers for state in _states(part, inside=trained)]


def learning_rate(model: object, expected: float, rtol: float = 1e-3, *, name: str = "the model") -> None:
    """
    Check the learning rate that a model was compiled with.

    Parameters
    ----------
    model : object
        A built and compiled Keras model. Of a schedule the present value counts.
    expected : float
        What is asked.
    rtol : float
        Relative tolerance.
    name : str
        What the model is called in the message.

    Raises
    ------
    CheckFailed
        When the model is not compiled or has another learning rate.
    """
    built = require_model(model, name)
    if not built.compiled:
        hint = "model.compile(optimizer=..., loss=...) sets it."
        fail(name, "it is not compiled yet, so it has no learning rate.", hint)
    rate = read_numeric(built.optimizer.learning_rate)
    value = math.nan if rate is None else float(rate.array)
    if abs(value - expected) <= rtol * abs(expected):
        return
    kind = class_name(built.optimizer)
    hint = f"Compile it with optimizer=keras.optimizers.{kind}(learning_rate=...)."
    if type(built.optimizer.get_config().get("learning_rate")) is dict:
        hint = "A schedule changes it during the training."
    elif math.isclose(value, 1e-3, rel_tol=1e-3):
        hint = f"0.001 is what {kind} takes when it is told nothing, as with optimizer='{kind.lower()}'. {hint}"
    fail(name, f"its learning rate is {value:.6g}, but {expected:g} is asked.", hint)


def trained(history: object, *, epochs: int | None = None, name: str = "the history") -> None:
    """
    Check that a model was trained, by what ``fit`` gave back: the loss is finite and is lower at the end.

    Parameters
    ----------
    history : object
        A Keras History, or anything with an attribute ``history`` like its: a dict with a list ``loss``. That dict will
        do, too.
    epochs : int, optional
        How many epochs are asked.
    name : str
        What the history is called in the message.

    Raises
    ------
    CheckFailed
        When there is no such loss, it is NaN, it did not fall, or the number of epochs is another.
    """
    losses = _losses(history, name)
    if epochs is not None and len(losses) != epochs:
        hint = "Was it interrupted, or does fit get another number of epochs?" if len(losses) < epochs else ""
        fail(name, f"{plural(len(losses), 'epoch')} ran, but {epochs} are asked.", hint)
    wrong = next((epoch for epoch, loss in enumerate(losses, start=1) if not math.isfinite(loss)), None)
    if wrong is not None:
        what = "NaN (not a number)" if math.isnan(losses[wrong - 1]) else "infinite"
        hint = (
            "The training has diverged: divide the inputs by 255, take a smaller learning rate, and train a new model."
        )
        fail(name, f"the loss is {what} from epoch {wrong} on.", hint)
    if len(losses) > 1 and losses[-1] >= losses[0]:
        hint = "Is the learning rate too large or too small, are all layers frozen, do labels and loss go together?"
        fail(name, f"the loss did not fall: {losses[0]:.4g} in the first epoch, {losses[-1]:.4g} in the last.", hint)


def _losses(history: Any, name: str) -> list[float]:
    asked = "what model.fit(...) gives back is asked"
    record = history if type(history) is dict else _record(history)
    if type(record) is not dict:
        hint = "Keep what fit gives back: history = model.fit(...)."
        if class_name(history) in ("Sequential", "Functional"):
            hint = f"This is the model itself. {hint}"
        fail(name, f"{describe(history)} came, but {asked}.", hint)
    losses = record.get("loss")
    if type(losses) is not list or not losses:
        fail(name, f"it has no record of the loss, but {asked}.", "Did fit run for an epoch at least?")
    numbers = [read_numeric(loss) for loss in losses]
    if not all(n is not None and not n.array.ndim and n.array.dtype.kind in "iuf" for n in numbers):
        fail(name, f"its losses are no numbers: {describe(losses)}.")
    return [float(n.array) for n in numbers if n is not None]


def _record(history: Any) -> Any:
    if issubclass(type(history), type):
        return None
    try:
        return getattr(history, "history", None)
    except Exception:  # noqa: BLE001 -- an unknown object's own code runs here, whatever it raises
        return None
