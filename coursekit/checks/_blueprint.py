"""
Guessing the mistake in a network's plan: undo one likely mistake at a time and see whether all comes right.

A chain of layers becomes a list of steps (class and settings, as Keras itself describes a layer). From it, shapes and
parameter counts follow without making any weights, so that hundreds of changed plans are tried in a moment.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from coursekit.checks._networks import Shape, count, layers_of

__all__ = ["Trace", "guess"]


@dataclass(eq=False)
class Step:
    """
    One layer of a plan; equal only to itself, so that what was found out about it can be kept.

    Attributes
    ----------
    cls : type
        Its Keras class.
    settings : dict
        What Keras's get_config says of it.
    """

    cls: Any
    settings: dict[str, Any]

    @property
    def name(self) -> str:
        """Name of the layer."""
        return str(self.settings["name"])

    @property
    def kind(self) -> str:
        """Name of its class."""
        return str(self.cls.__name__)

    @cached_property
    def layer(self) -> Any:
        """A layer like that, not built: it has no weights."""
        return self.cls.from_config(self.settings)

    def but(self, **changes: Any) -> Step:
        """Copy it with other settings."""
        return Step(self.cls, {**self.settings, **changes})


@dataclass(frozen=True)
class Trace:
    """
    What a plan comes to.

    Attributes
    ----------
    shapes : tuple
        Output shape of each layer, batch axis first.
    counts : tuple of int
        Parameters of each layer that has any.
    """

    shapes: tuple[Shape, ...]
    counts: tuple[int, ...]


Plan = tuple[Step, ...]
Correction = tuple[str, Plan]

# Layers whose parameters are counted here; any other with weights makes a plan too hard to guess about.
_COUNTED = ("BatchNormalization", "Conv1D", "Conv2D", "Dense", "DepthwiseConv2D", "SeparableConv2D")
_CONVOLUTIONS = ("Conv1D", "Conv2D", "DepthwiseConv2D", "SeparableConv2D")
_POOLING = ("AveragePooling1D", "AveragePooling2D", "MaxPooling1D", "MaxPooling2D")


def guess(model: Any, right: Callable[[Trace], bool], *, counts: Sequence[int] = ()) -> str:
    """
    Name the one mistake whose undoing makes a model right, or ''.

    Parameters
    ----------
    model : keras.Model
        Built.
    right : callable
        Tells whether what a plan comes to is what is asked.
    counts : sequence of int
        The asked parameters of each layer that has any, where they are known: they tell about filters and units.
    """
    # Keras draws a seed for every layer that is made from a description: the student's random numbers must not notice.
    state = random.getstate()
    try:
        plan, shape = _plan_of(model)
        tracer = _Tracer()
        found = tracer.trace(plan, shape)
        # The proof that the layers follow one another as they are listed and are counted rightly.
        if found is None or found.counts != tuple(n for n in map(count, layers_of(model)) if n):
            return ""
        for text, changed, start in _corrections(plan, shape, tuple(counts)):
            found = tracer.trace(changed, start)
            if found is not None and right(found):
                return text
        return ""
    finally:
        random.setstate(state)


def _plan_of(model: Any) -> tuple[Plan, Shape]:
    """Read a model as a plan and the shape of its input; an empty plan where it is no chain of well-known layers."""
    layers, shape = layers_of(model), model.input_shape
    single = type(shape) is tuple and all(axis is None or type(axis) is int for axis in shape)
    if not single or any(layer.weights and type(layer).__name__ not in _COUNTED for layer in layers):
        return (), ()
    return tuple(Step(type(layer), layer.get_config()) for layer in layers), shape


class _Tracer:
    """Follows a picture through plans, and remembers what each step does to a shape."""

    def __init__(self) -> None:
        self._known: dict[tuple[Step, Shape], tuple[Shape, int] | None] = {}

    def trace(self, plan: Plan, shape: Shape) -> Trace | None:
        """Follow a picture of this shape (batch axis first) through a plan; None where a layer cannot take it."""
        shapes, counts = [], []
        for step in plan:
            key = (step, shape)
            if key not in self._known:
                self._known[key] = _through(step, shape)
            through = self._known[key]
            if through is None:
                return None
            shape, number = through
            shapes.append(shape)
            if number:
                counts.append(number)
        return Trace(tuple(shapes), tuple(counts))


def _through(step: Step, shape: Shape) -> tuple[Shape, int] | None:
    try:
        number = _parameters(step, shape)
        after = tuple(step.layer.compute_output_shape(shape))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return None  # Keras refuses the shape
    return None if any(axis is not None and axis < 1 for axis in after) else (after, number)


def _parameters(step: Step, shape: Shape) -> int:
    if step.kind not in _COUNTED:
        return 0
    settings, channels = step.settings, shape[-1]
    if channels is None:
        raise ValueError("the number of channels is open")
    if step.kind == "BatchNormalization":
        return channels * (2 + bool(settings["center"]) + bool(settings["scale"]))
    filters, bias = int(settings.get("filters", 0)), bool(settings["use_bias"])
    if step.kind == "Dense":
        return (channels + bias) * int(settings["units"])
    window = int(math.prod(settings["kernel_size"]))
    if step.kind in ("Conv1D", "Conv2D"):
        return (window * channels // int(settings["groups"]) + bias) * filters
    between = channels * int(settings["depth_multiplier"])
    if step.kind == "DepthwiseConv2D":
        return (window + bias) * between
    return window * between + (between + bias) * filters


# ---- corrections, the likeliest first


def _corrections(plan: Plan, shape: Shape, counts: tuple[int, ...]) -> Iterator[tuple[str, Plan, Shape]]:
    for correct in (_biases, _padding, _flatten, _pooling, _extra, _kernels, _strides):
        for text, changed in correct(plan):
            yield text, changed, shape
    for text, changed in _sizes(plan, counts):
        yield text, changed, shape
    if len(shape) == 4 and shape[-1] in (1, 3):
        channels = "1 channel (grey)" if shape[-1] == 1 else "3 channels (colour)"
        yield (
            f"Its input has {channels}; {4 - shape[-1]} {'is' if shape[-1] == 3 else 'are'} asked.",
            plan,
            (
                *shape[:-1],
                4 - shape[-1],
            ),
        )


def _each(plan: Plan, wanted: Callable[[Step], bool], change: Callable[[Step], Step]) -> Iterator[tuple[str, Plan]]:
    """Change all steps of a kind at once, then each of them alone; gives their names and the changed plan."""
    changed = {step: change(step) for step in plan if wanted(step)}
    groups = [list(changed)] if changed else []
    if len(changed) > 1:
        groups += [[step] for step in changed]
    for group in groups:
        names = ", ".join(f"'{step.name}'" for step in group)
        yield names, tuple(changed[step] if step in group else step for step in plan)


def _biases(plan: Plan) -> Iterator[Correction]:
    for has, text in (
        (False, "The biases are missing in {}: leave use_bias=False away."),
        (True, "There are biases in {}, which are not asked: use_bias=False leaves them out."),
    ):
        for names, changed in _each(
            plan,
            lambda step, has=has: step.settings.get("use_bias") is has,  # type: ignore[misc]
            lambda step, has=has: step.but(use_bias=not has),  # type: ignore[misc]
        ):
            yield text.format(names), changed


def _padding(plan: Plan) -> Iterator[Correction]:
    for kinds in (_CONVOLUTIONS, _POOLING):
        for came, asked in (("same", "valid"), ("valid", "same")):
            for names, changed in _each(
                plan,
                lambda step, kinds=kinds, came=came: step.kind in kinds and step.settings["padding"] == came,  # type: ignore[misc]
                lambda step, asked=asked: step.but(padding=asked),  # type: ignore[misc]
            ):
                yield f"padding='{came}' stands in {names} where '{asked}' is asked.", changed


def _set_window(plan: Plan, kinds: Sequence[str], setting: str, size: int, **more: Any) -> Iterator[tuple[str, Plan]]:
    """Give layers another window or stride, the same along every axis."""

    def differs(step: Step) -> bool:
        return step.kind in kinds and set(step.settings[setting]) != {size}

    def other(step: Step) -> Step:
        return step.but(**{setting: (size,) * len(step.settings[setting])}, **more)

    return _each(plan, differs, other)


def _kernels(plan: Plan) -> Iterator[Correction]:
    for size in (1, 2, 3, 4, 5, 6, 7, 8, 9, 11):
        for names, changed in _set_window(plan, _CONVOLUTIONS, "kernel_size", size):
            yield f"The kernels have another size than asked in {names}.", changed


def _strides(plan: Plan) -> Iterator[Correction]:
    for size in (1, 2, 3, 4):
        for names, changed in _set_window(plan, _CONVOLUTIONS, "strides", size):
            yield f"The stride is another than asked in {names}.", changed


def _flatten(plan: Plan) -> Iterator[Correction]:
    from keras import layers

    flatten, average = (_step(cls) for cls in (layers.Flatten, layers.GlobalAveragePooling2D))
    for place, step in enumerate(plan):
        before, after = plan[:place], plan[place + 1 :]
        if step.kind == "Dense":
            yield (
                f"Flatten is missing before '{step.name}': Dense works on the last axis alone.",
                (*before, flatten, *plan[place:]),
            )
        if step.kind.startswith("Global"):
            yield f"'{step.name}' ({step.kind}) stands where Flatten is asked.", (*before, flatten, *after)
        if step.kind == "Flatten":
            yield f"'{step.name}' (Flatten) stands where global average pooling is asked.", (*before, average, *after)


def _step(cls: Any) -> Step:
    return Step(cls, cls(name="added").get_config())


def _pooling(plan: Plan) -> Iterator[Correction]:
    from keras import layers

    pooling = _step(layers.MaxPooling2D)
    for place, step in enumerate(plan, start=1):
        if step.kind in (*_CONVOLUTIONS, "Activation", "ReLU"):
            yield f"A pooling layer is missing after '{step.name}'.", (*plan[:place], pooling, *plan[place:])
    convolutions = {step for step in plan if step.kind in _CONVOLUTIONS}
    if len(convolutions) > 1:
        text = "There is no pooling after the convolutions."
        yield text, tuple(new for step in plan for new in ((step, pooling) if step in convolutions else (step,)))
    for size in (2, 3, 4):
        for names, changed in _set_window(plan, _POOLING, "pool_size", size, strides=(size, size)):
            yield f"The window of the pooling (pool_size) or its stride is another than asked in {names}.", changed


def _extra(plan: Plan) -> Iterator[Correction]:
    for place, step in enumerate(plan):
        yield f"The layer '{step.name}' ({step.kind}) is one too many.", (*plan[:place], *plan[place + 1 :])


def _sizes(plan: Plan, counts: tuple[int, ...]) -> Iterator[Correction]:
    """Try other numbers of filters and units: usual ones, and those that could give a layer its asked count."""
    for setting in ("filters", "units"):
        for size in _USUAL_SIZES:

            def differs(step: Step, setting: str = setting, size: int = size) -> bool:
                return bool(step.settings.get(setting, size) != size)

            def other(step: Step, setting: str = setting, size: int = size) -> Step:
                return step.but(**{setting: size})

            for names, changed in _each(plan, differs, other):
                yield f"The number of {setting} is another than asked in {names}.", changed
    counted = [step for step in plan if step.kind in _COUNTED]
    for step, asked in zip(counted, counts, strict=False) if len(counted) == len(counts) else ():
        for setting in ("filters", "units"):
            for size in _divisors(asked) if setting in step.settings else ():
                changed = tuple(old.but(**{setting: size}) if old is step else old for old in plan)
                yield f"The number of {setting} is another than asked in '{step.name}'.", changed


_USUAL_SIZES = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 50, 64, 84, 96, 100, 120, 128, 256, 512, 1024)


def _divisors(number: int) -> list[int]:
    """List the divisors of a layer's parameters up to 4096: its filters or units are among them."""
    return [size for size in range(1, min(number, 4096) + 1) if number % size == 0]
