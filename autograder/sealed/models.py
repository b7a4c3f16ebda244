"""
Keras objects by value: models as configuration and weights, tensors as arrays, a training's history as numbers.

A model crosses only if everything in its configuration is Keras's own: no Lambda, no class or function of the
student's. The same check stands on both sides, so that a forged configuration is refused where it matters. Any other
model stays where it is and is spoken to through a reference.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

KINDS = frozenset({"model", "history", "tensor", "variable", "keras-variable"})

# What TensorFlow and JAX call the class of their tensors.
_TENSORS = frozenset({"EagerTensor", "ArrayImpl"})
_COMPILE_PARTS = ("optimizer", "loss", "metrics", "loss_weights", "weighted_metrics")
# Keras's own marks for plain things inside a configuration.
_PLAIN_MARKS = frozenset({"__keras_tensor__", "__tensor__", "__numpy__", "__ellipsis__", "__slice__", "__bytes__"})
_REFUSED = frozenset({"Lambda", "TFSMLayer", "TorchModuleWrapper", "FlaxLayer", "JaxLayer", "ExportArchive"})
_MAX_LAYERS = 1000
# To rebuild a Sequential takes Keras the longer for each layer, the more there are: 5 s for these.
_MAX_LAYERS_IN_A_ROW = 200
_MODULES = (
    "keras",
    "keras.layers",
    "keras.models",
    "keras.initializers",
    "keras.regularizers",
    "keras.constraints",
    "keras.optimizers",
    "keras.optimizers.schedules",
    "keras.losses",
    "keras.metrics",
    "keras.dtype_policies",
)


class ModelTransferError(ValueError):
    """A configuration that is not made of Keras's own parts alone."""


def to_parts(value: Any) -> tuple[str | None, object]:
    """
    Take an object of Keras or of its backend apart.

    Returns
    -------
    (kind, parts)
        ``kind`` is one of :data:`KINDS` and ``parts`` plain values and arrays, or None when it is nothing of the sort.
    """
    # Who never imported Keras has none of its objects; importing it to find out would cost seconds.
    if "keras" not in sys.modules:
        return None, None
    kind = type(value)
    if kind in _model_classes():
        return _model_parts(value)
    keras = sys.modules["keras"]
    if kind is keras.callbacks.History:
        return "history", {name: getattr(value, name, None) for name in ("history", "epoch", "params")}
    if kind is keras.Variable:
        return "keras-variable", (np.asarray(value), bool(value.trainable), str(value.name))
    return _tensor_parts(value)


def from_parts(kind: str, parts: Any) -> object:
    """
    Put together what :func:`to_parts` took apart; nobody vouches for the parts.

    Raises
    ------
    ModelTransferError
        The configuration names something that is not Keras's own.
    ValueError, TypeError, KeyError
        The parts do not fit each other.
    """
    if kind == "model":
        return _model_from_parts(**parts)
    if kind == "history":
        return _history_from_parts(**parts)
    import keras

    if kind == "tensor":
        return keras.ops.convert_to_tensor(_exact(parts, np.ndarray))
    array, trainable, name = _exact(parts, tuple)
    # Anything else would be made into an array first: a range of a million million numbers, for instance.
    _exact(array, np.ndarray), _exact(trainable, bool), _exact(name, str)
    if kind == "variable":
        import tensorflow as tf

        return tf.Variable(array, trainable=trainable, name=name, dtype=array.dtype)
    return keras.Variable(array, trainable=trainable, name=name, dtype=array.dtype.name)


def class_name(kind: type) -> str:
    """Give a class's own name; a student's metaclass may answer for ``__name__`` as it likes, type itself does not."""
    name: str = type.__dict__["__name__"].__get__(kind)
    return name


@functools.cache
def _model_classes() -> frozenset[type]:
    import keras

    tensor = keras.Input((1,))
    return frozenset({keras.Sequential, type(keras.Model(tensor, tensor))})


@functools.cache
def _tensor() -> type:
    import keras

    return type(keras.ops.convert_to_tensor(0))


@functools.cache
def _tf_variable() -> type:
    import tensorflow as tf

    return type(tf.Variable(0))


def _tensor_parts(value: Any) -> tuple[str | None, object]:
    # By name first: the classes themselves are known only after a tensor was made.
    name = class_name(type(value))
    is_tensor = name in _TENSORS and type(value) is _tensor()
    if not is_tensor and not (name == "ResourceVariable" and type(value) is _tf_variable()):
        return None, None
    # NumPy cannot read TensorFlow's texts and bfloat16 by itself.
    array = np.asarray(value if name == "ArrayImpl" else value.numpy())
    if array.dtype.hasobject:  # texts
        return None, None
    if is_tensor:
        return "tensor", array
    return "variable", (array, bool(value.trainable), value.name.partition(":")[0])


def _model_parts(model: Any) -> tuple[str | None, object]:
    kind = type(model)
    config = {
        "module": "keras" if kind.__name__ == "Sequential" else kind.__module__,
        "class_name": kind.__name__,
        "config": _serialized(model.get_config),
        "registered_name": None,
        "build_config": _serialized(model.get_build_config),
    }
    if config["config"] is None or not _is_keras_own(config) or not _can_be_rebuilt(config):
        return None, None
    compiled = _serialized(model.get_compile_config) or {}
    # The live one: its learning rate may have been set after compile, of which the configuration knows nothing.
    compiled["optimizer"] = optimizer = _serialized(lambda: model.optimizer) if model.compiled else None
    return "model", {
        "config": _plain(config),
        "compiled": _plain({name: part for name in _COMPILE_PARTS if _is_keras_own(part := compiled.get(name))}),
        # With an optimizer of the student's own it arrives uncompiled: another one in its place would be a lie.
        "is_compiled": optimizer is not None and _is_keras_own(optimizer),
        "weights": [np.asarray(weight) for weight in model.get_weights()],
        "trainable": [bool(layer.trainable) for layer in model._flatten_layers()],
    }


def _serialized(get: Callable[[], Any]) -> dict[str, Any] | None:
    """Give a configuration in plain values; None where a part of the student's own does not give its own."""
    import keras

    try:
        config: dict[str, Any] | None = keras.saving.serialize_keras_object(get())
    except Exception:  # noqa: BLE001 - then there is none, for whatever reason
        return None
    return config


def _model_from_parts(
    config: Any, compiled: Any, is_compiled: bool, weights: list[Any], trainable: list[bool]
) -> object:
    import keras

    check(config)
    check(compiled)
    if not _exact(compiled, dict).keys() <= set(_COMPILE_PARTS):
        raise ModelTransferError("compile settings that do not cross")
    if not _can_be_rebuilt(config):
        raise ModelTransferError("a model with too many layers, or with a state")
    shapes = [_exact(weight, np.ndarray).shape for weight in _exact(weights, list)]
    model = _build(config, shapes)
    if weights:
        model.set_weights(weights)
    # A layer comes after the model that holds it, whose flag would overrule its own.
    for layer, flag in zip(model._flatten_layers(), trainable, strict=True):
        layer.trainable = _exact(flag, bool)
        # Layers that compute something from their weights once, Normalization for instance, do it here.
        finalize = getattr(layer, "finalize_state", None)
        if finalize is not None and getattr(layer, "built", False):
            finalize()
    if is_compiled:
        model.compile(**{name: keras.saving.deserialize_keras_object(part) for name, part in compiled.items()})
    return model


def _build(config: Any, shapes: list[tuple[int, ...]]) -> Any:
    """Make a model whose weights have these shapes; of another one none are made, however many it asks for."""
    import keras
    from keras.src.backend.common import global_state, variables

    # In such a scope weights are only noted, to be made later.
    with keras.StatelessScope(initialize_variables=False):
        try:
            model = keras.saving.deserialize_keras_object(config, safe_mode=True)
            if type(model) not in _model_classes():
                raise ModelTransferError("not a Sequential or Functional model")
            if shapes != [tuple(weight.shape) for weight in model.weights]:
                raise ModelTransferError("weights that are not this model's")
        except BaseException:
            # Else the next model would make them.
            global_state.set_global_attribute("uninitialized_variables", [])
            raise
    variables.initialize_all_variables()
    return model


def _can_be_rebuilt(config: object) -> bool:
    """Tell whether Keras rebuilds the model in seconds, and can note its weights before it makes them."""
    parts = list(_dicts(config))
    layers = [each for each in parts if isinstance(each.get("layers"), list | tuple)]
    return (
        sum(len(each["layers"]) for each in layers) <= _MAX_LAYERS
        and all(len(each["layers"]) <= _MAX_LAYERS_IN_A_ROW for each in layers if "input_layers" not in each)
        # The state of a recurrent layer is made at once.
        and not any(each.get("stateful") for each in parts)
    )


def _dicts(config: object) -> Iterator[dict[Any, Any]]:
    if isinstance(config, dict):
        yield config
    if isinstance(config, dict | list | tuple):
        for part in config.values() if isinstance(config, dict) else config:
            yield from _dicts(part)


def _exact(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise ModelTransferError(f"a {kind.__name__} expected")
    return value


def _history_from_parts(history: Any, epoch: Any, params: Any) -> object:
    import keras

    result = keras.callbacks.History()
    result.history, result.epoch, result.params = history, epoch, params
    return result


def _plain(config: Any) -> Any:
    """Copy a configuration with nothing but plain types in it (Keras leaves its own dict and list classes there)."""
    if isinstance(config, dict):
        return {str(key): _plain(item) for key, item in config.items()}
    if isinstance(config, list | tuple):
        return (
            type(config)(_plain(item) for item in config)
            if type(config) is tuple
            else [_plain(item) for item in config]
        )
    if isinstance(config, np.generic):
        return config.item()
    return config


def _is_keras_own(config: object) -> bool:
    try:
        check(config)
    except ModelTransferError:
        return False
    return True


def check(config: object) -> None:
    """
    Check that a Keras configuration names nothing but Keras's own classes and functions.

    Raises
    ------
    ModelTransferError
        It names something else; the message says what.
    """
    if isinstance(config, dict):
        if "class_name" in config:
            _check_class(config)
        if _is_lambda(config):
            raise ModelTransferError("a lambda")
        for item in config.values():
            check(item)
    elif isinstance(config, list | tuple):
        for item in config:
            check(item)
    elif not (config is None or type(config) in (bool, int, float, str, bytes) or isinstance(config, np.generic)):
        raise ModelTransferError(f"a {type(config).__name__} in the configuration")


def _check_class(config: dict[Any, Any]) -> None:
    name, module, registered = config["class_name"], config.get("module"), config.get("registered_name")
    if type(name) is not str or not (module is None or type(module) is str):
        raise ModelTransferError("a class without a proper name")
    if name in _PLAIN_MARKS:
        return
    if name == "function":
        if not _is_keras_function(module, config.get("config")):
            raise ModelTransferError(f"the function {config.get('config')!r}")
        return
    if registered not in (None, name) or name in _REFUSED or not _is_keras_class(module, name):
        raise ModelTransferError(f"the class {module}.{name}")


def _is_lambda(config: dict[Any, Any]) -> bool:
    """Tell a lambda, of which some layers leave only the code in their configuration: text, defaults, closure."""
    code = config.get("value")
    return isinstance(code, list | tuple) and len(code) == 3 and isinstance(code[0], str)


def _is_keras_function(module: str | None, name: object) -> bool:
    import keras

    if type(name) is not str or name.startswith("_"):
        return False
    # Keras says "builtins" of its own functions, which it then finds by their names alone.
    if not (module in (None, "builtins", "keras") or str(module).startswith("keras.")):
        return False
    return any(callable(getattr(place, name, None)) for place in (keras.activations, keras.losses, keras.metrics))


def _is_keras_class(module: str | None, name: str) -> bool:
    import importlib

    import keras

    if module is None:
        return False
    if module in _MODULES:
        return isinstance(getattr(importlib.import_module(module), name, None), type)
    if module == "keras.src.models.functional":
        return name == "Functional"
    if module.startswith("keras.src.ops.") and module in sys.modules:
        # What arithmetic on symbolic tensors leaves in a Functional model: Add, Multiply ...
        found = getattr(sys.modules[module], name, None)
        return isinstance(found, type) and issubclass(found, keras.Operation)
    return False
