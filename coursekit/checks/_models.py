"""Checks of a Keras model's plan: its layers, their shapes and parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from coursekit.checks import _guesses
from coursekit.checks._blueprint import guess
from coursekit.checks._failure import fail
from coursekit.checks._networks import Shape, count, innermost, layers_of, output_shape, require_model
from coursekit.checks._values import class_name
from coursekit.checks._words import plural

__all__ = ["model", "output_shapes", "param_count"]


def model(m: object, *, name: str = "the model") -> None:
    """
    Check that a value is a built Keras model of built-in layers, made with Sequential or keras.Model(inputs, outputs).

    Parameters
    ----------
    m : object
        What the student's code gave.
    name : str
        What the model is called in the message.

    Raises
    ------
    CheckFailed
        When it is something else or has no weights yet.
    """
    require_model(m, name)


def param_count(
    model: object, total: int | None = None, *, by_layer: Sequence[int] | None = None, name: str = "the model"
) -> None:
    """
    Check how many parameters a model has, trained or not.

    Parameters
    ----------
    model : object
        A built Keras model.
    total : int, optional
        All parameters together.
    by_layer : sequence of int, optional
        Parameters of each layer that has any, in order. A model that stands in the model may count as one layer or as
        the layers in it.
    name : str
        What the model is called in the message.

    Raises
    ------
    CheckFailed
        When a number differs. The message names the layer and guesses the mistake.
    TypeError
        When neither total nor by_layer is given: a mistake in the test.
    """
    if total is None and by_layer is None:
        raise TypeError("checks.param_count needs a total, by_layer or both.")
    built = require_model(model, name)
    layers = [layer for layer in layers_of(built) if count(layer)]
    came = [count(layer) for layer in layers]
    shown = f"What came: {', '.join(f'{_named(layer)} {count(layer):,}' for layer in layers) or 'no parameters'}"
    inner = [count(layer) for layer in innermost(built) if count(layer)]
    if by_layer is not None and list(by_layer) not in (came, inner):
        asked = list(by_layer)
        hint = guess(built, lambda trace: list(trace.counts) == asked, counts=asked)
        _fail_by_layer(layers, asked, name, hint, shown)
    if total is not None and sum(came) != total:
        problem = f"it has {plural(sum(came), 'parameter')}, but {total:,} are asked."
        fail(name, problem, guess(built, lambda trace: sum(trace.counts) == total), shown)


def _named(layer: Any) -> str:
    return f"'{layer.name}' ({class_name(layer)})"


def _fail_by_layer(layers: Sequence[Any], asked: Sequence[int], name: str, hint: str, shown: str) -> None:
    if len(layers) != len(asked):
        problem = f"it has {plural(len(layers), 'layer')} with parameters, but {len(asked)} are asked."
        wish = f"Asked are: {', '.join(f'{number:,}' for number in asked)}"
        fail(name, problem, hint or _about_number([count(layer) for layer in layers], layers, asked), shown, wish)
    layer, wanted = next((layer, n) for layer, n in zip(layers, asked, strict=True) if count(layer) != n)
    problem = f"layer {_named(layer)} has {plural(count(layer), 'parameter')}, but {wanted:,} are asked."
    fail(name, problem, hint or _about_layer(layer, wanted), shown)


def _about_number(came: Sequence[int], layers: Sequence[Any], asked: Sequence[int]) -> str:
    """Say where a layer is missing, when all the others are right."""
    if len(asked) == len(came) + 1:
        for place, number in enumerate(asked):
            if [*came[:place], number, *came[place:]] == list(asked):
                where = f"before {_named(layers[place])}" if place < len(came) else "at the end"
                return f"A layer with {plural(number, 'parameter')} is missing {where}."
    return "There are too few layers." if len(asked) > len(came) else "There are too many layers."


def _about_layer(layer: Any, asked: int) -> str:
    """Say what the count of one layer tells, where no single mistake explains the whole model."""
    outputs = layer.weights[-1].shape[-1]
    if asked - count(layer) == outputs:
        return f"The biases are missing in '{layer.name}': leave use_bias=False away. It is not the only mistake."
    if count(layer) - asked == outputs and getattr(layer, "use_bias", False):
        return f"There are biases in '{layer.name}', which are not asked: use_bias=False leaves them out."
    if class_name(layer) == "Dense":
        return (
            f"{layer.weights[0].shape[0]:,} values come in and {outputs:,} go out: look at units, "
            "and at what the layers before it make of the picture (padding, pooling, Flatten)."
        )
    return "Look at the number and size of its kernels, and at the channels that come in."


def output_shapes(model: object, expected: Sequence[Sequence[int | None]], *, name: str = "the model") -> None:
    """
    Check the output shape of every layer.

    Parameters
    ----------
    model : object
        A built Keras model.
    expected : sequence of tuple
        One shape a layer, in order, without layers that stand for the input; the batch axis is None.
    name : str
        What the model is called in the message.

    Raises
    ------
    CheckFailed
        When a shape or the number of layers differs. The message names the layer and guesses the mistake.
    ValueError
        When an expected shape does not begin with None: a mistake in the test.
    """
    asked: list[Shape] = [tuple(shape) for shape in expected]
    if any(not shape or shape[0] is not None for shape in asked):
        raise ValueError("checks.output_shapes: each expected shape begins with None, the batch axis.")
    built = require_model(model, name)
    layers = layers_of(built)
    came = [output_shape(layer) for layer in layers]
    if came == asked:
        return
    hint = guess(built, lambda trace: list(trace.shapes) == asked)
    table = [f"'{layer.name}' {_text(shape)}" for layer, shape in zip(layers, came, strict=True)]
    shown = f"What came: {', '.join(table)}"
    first = next((i for i, (c, a) in enumerate(zip(came, asked, strict=False)) if c != a), min(len(came), len(asked)))
    if len(came) != len(asked):
        where = "those it has are right" if first == len(came) else f"the first that differs is {_named(layers[first])}"
        fail(name, f"it has {plural(len(came), 'layer')}, but {len(asked)} are asked; {where}.", hint, shown)
    shape = came[first]
    problem = f"layer {_named(layers[first])} gives {_text(shape)}, but {asked[first]} is asked."
    fail(name, problem, hint or ("" if shape is None else _guesses.about_layer_shape(shape, asked[first])), shown)


def _text(shape: Shape | None) -> str:
    return "several outputs" if shape is None else str(shape)
