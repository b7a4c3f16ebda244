"""Keras models as the checks see them: layer by layer, with shapes and parameter counts."""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NoReturn

from coursekit.checks._failure import fail
from coursekit.checks._values import class_name
from coursekit.checks._words import describe, remedy

__all__ = ["Shape", "count", "innermost", "is_builtin_layer", "is_model", "layers_of", "output_shape", "require_model"]

Shape = tuple[int | None, ...]


@cache
def _model_classes() -> tuple[type, type]:
    import keras

    # Functional models have a class of their own, which Keras does not export; a model without layers shows it.
    nothing = keras.Input((1,), name="nothing")
    return keras.Sequential, type(keras.Model(nothing, nothing, name="nothing"))


def is_model(value: object) -> bool:
    """Tell whether a value is a Keras model, made with Sequential or keras.Model(inputs, outputs)."""
    return type(value) in _model_classes()


def is_builtin_layer(layer: object) -> bool:
    """Tell whether a layer is one of Keras's own, or a model made of layers, and carries no code of the student's."""
    import keras

    kind = type(layer)
    own = kind is getattr(keras.layers, class_name(layer), None) and kind is not keras.layers.Lambda
    return own or is_model(layer)


def require_model(model: Any, name: str) -> Any:
    """Return a built Keras model of built-in layers as such, or fail with what came instead."""
    if not is_model(model):
        _fail_no_model(model, name)
    for layer in innermost(model):
        if not is_builtin_layer(layer):
            problem = f"it has a layer of class '{class_name(layer)}', which cannot be examined."
            fail(name, problem, "Use Keras's built-in layers: no Lambda layers and no classes of your own.")
    if not layers_of(model):
        fail(name, "it has no layers.", "keras.Sequential([...]) takes a list of them.")
    if not model.built:
        hint = "Tell it the shape of its input: begin it with keras.Input(shape=...), without the batch axis."
        fail(name, "it is not built: it does not know the shape of its input, so it has no weights yet.", hint)
    return model


_ASKED = "a Keras model is asked"
_CALLS_ITSELF_MODEL = ("Functional", "Model", "Sequential")


def _fail_no_model(value: Any, name: str) -> NoReturn:
    came, hint = _what_came(value)
    fail(name, f"{came} came, but {_ASKED}.", hint)


def _what_came(value: Any) -> tuple[str, str]:
    """Name what came in a model's place, and the mistake that brings it there."""
    import keras

    kind = type(value)
    own = f"an object of your own class '{class_name(value)}'"
    cases = (
        (
            value is None,
            "None",
            "Does your function end with 'return model'? And compile, build and summary give nothing back: "
            "call them on lines of their own, not behind 'model ='.",
        ),
        (
            class_name(value) == "History",
            "a History",
            "fit gives back the history, not the model: write 'history = model.fit(...)'.",
        ),
        (
            kind is keras.KerasTensor,
            "a symbolic tensor",
            "It is the output of a layer: make a model with keras.Model(inputs, outputs).",
        ),
        (
            kind in (list, tuple),
            describe(value),
            "keras.Sequential([...]) makes a model of a list of layers.",
        ),
        (
            class_name(value) == "function",
            "a function",
            "Is it the one that makes the model? Then call it: put '( )' behind its name.",
        ),
        (
            issubclass(kind, keras.Model),
            own,
            "Make the model with keras.Sequential([...]) or keras.Model(inputs, outputs): others cannot be examined.",
        ),
        (
            issubclass(kind, keras.layers.Layer),
            f"a single layer of class '{class_name(value)}'",
            "keras.Sequential([...]) makes a model of layers.",
        ),
        (
            class_name(value) in _CALLS_ITSELF_MODEL,
            f"an object that calls itself '{class_name(value)}' but cannot be examined",
            "Use Keras's built-in layers: no Lambda layers and no classes of your own.",
        ),
    )
    return next(((came, hint) for fits, came, hint in cases if fits), (describe(value), remedy(value)))


def layers_of(model: Any) -> list[Any]:
    """List a model's layers without those that stand for its input."""
    import keras

    return [layer for layer in model.layers if type(layer) is not keras.layers.InputLayer]


def innermost(model: Any) -> list[Any]:
    """List the layers of a model and of the models in it; a layer that is no model is its own only one."""
    if not is_model(model):
        return [model]
    return [inner for layer in model.layers for inner in innermost(layer)]


def count(layer: Any) -> int:
    """Count the parameters of a layer, those that are not trained included."""
    return sum(math.prod(weight.shape) for weight in layer.weights)


def output_shape(layer: Any) -> Shape | None:
    """Return the shape that a layer gives, batch axis None first; None where it is not one shape."""
    try:
        return tuple(layer.output.shape)
    except AttributeError:  # several outputs, or used at several places of the network
        return None
