"""
Networks that have learned before: the course's own small backbone, and the choice of the best one at hand.

The course's own is a plain convolutional network. It was trained on ten kinds of things, on pictures that the course
draws itself (``python -m benchmarks.train_backbone``); its weights are shipped beside this file, with a card that tells
where they come from. Where the data folder has the weights of MobileNetV2, learned on a million photographs,
:func:`pretrained` takes those.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["CLASSES", "Pretrained", "build", "card", "load", "pretrained"]

CLASSES = 10
WEIGHTS = Path(__file__).with_name("backbone.npz")
CARD = Path(__file__).with_name("backbone.toml")

_BLOCKS = ((24, 1), (48, 2), (96, 2), (128, 1))
"""Filters of a block, and how many convolutions it has. Between two blocks the picture is halved."""
CONVOLUTIONS = [filters for filters, convolutions in _BLOCKS for _ in range(convolutions)]
_MOBILENET = {"input_shape": (96, 96, 3), "alpha": 0.35, "include_top": False, "name": "mobilenet"}
_IMAGENET = "weights/mobilenet_v2_0.35_224_notop.weights.h5"


class Pretrained(NamedTuple):
    """
    A network without its head, ready for a new one.

    Attributes
    ----------
    name : str
        What it is called.
    model : keras.Model
        Takes pictures (N, side, side, 3) scaled to [-1, 1], gives feature maps (N, height, width, channels).
    side : int
        Height and width of the pictures.
    last_block : str
        Where the last block begins: the name of its first layer.
    """

    name: str
    model: Any
    side: int
    last_block: str


def build(
    *, include_top: bool = True, input_shape: tuple[int, int, int] = (32, 32, 3), pooling: Literal["avg"] | None = None
) -> Any:
    """
    Build the course's backbone with fresh random weights.

    Parameters
    ----------
    include_top : bool
        Whether it ends in its head: the mean of each map, and ten probabilities.
    input_shape : tuple of int
        Height, width and channels of one picture; 16 pixels each way at least, and three channels.
    pooling : "avg" or None
        Without a head: whether the mean of each map is taken, so that a picture becomes one vector.

    Returns
    -------
    keras.Model
        Made of Keras's own layers alone. It takes pictures scaled to [-1, 1].
    """
    import keras
    from keras import layers

    flow = pictures = keras.Input(input_shape, name="pictures")
    for block, (filters, convolutions) in enumerate(_BLOCKS, start=1):
        if block > 1:
            flow = layers.MaxPooling2D(name=f"block{block - 1}_pool")(flow)
        for number in range(1, convolutions + 1):
            name = f"block{block}_conv{number}"
            flow = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=name)(flow)
            flow = layers.BatchNormalization(momentum=0.95, name=f"{name}_bn")(flow)
            flow = layers.ReLU(name=f"{name}_relu")(flow)
    if include_top or pooling == "avg":
        flow = layers.GlobalAveragePooling2D(name="mean")(flow)
    if include_top:
        flow = layers.Dense(CLASSES, activation="softmax", name="ten_classes")(flow)
    return keras.Model(pictures, flow, name="backbone")


def load(
    *, include_top: bool = False, input_shape: tuple[int, int, int] = (32, 32, 3), pooling: Literal["avg"] | None = None
) -> Any:
    """
    Give the course's backbone with what it has learned.

    The parameters are those of `build`. The weights do not depend on the size of the pictures: each call gives a new
    network with a copy of them.

    Returns
    -------
    keras.Model
        As `build` gives it.
    """
    model = build(include_top=include_top, input_shape=input_shape, pooling=pooling)
    with WEIGHTS.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
        model.set_weights([file[weight.path].astype("float32") for weight in model.weights])
    return model


def save(model: Any, path: Path = WEIGHTS) -> None:
    """Write the weights of a backbone with its head: kernels in half precision, the little rest as it is."""
    arrays: Mapping[str, NDArray[Any]] = {weight.path: np.asarray(weight.value) for weight in model.weights}
    half = {name: array.astype("float16") if array.ndim > 1 else array for name, array in arrays.items()}
    np.savez_compressed(path, **half)  # type: ignore[arg-type]


def card() -> dict[str, Any]:
    """Give the card of the course's backbone: what it was trained on, how, and what it reached."""
    return tomllib.loads(CARD.read_text(encoding="utf-8"))


def pretrained(*, side: int = 50) -> Pretrained:
    """
    Give the best network at hand that has learned before, without its head, and say in one line which one it is.

    MobileNetV2 with what it learned on ImageNet, if the folder that ``$COURSE_DATA`` names has
    ``weights/mobilenet_v2_0.35_224_notop.weights.h5``, or if ``COURSE_DATA_SOURCE=real`` asks for it and Keras
    can fetch it; else the course's own backbone. ``COURSE_DATA_SOURCE=standin`` always gives the course's own.

    Parameters
    ----------
    side : int
        Height and width of the pictures for the course's own backbone. MobileNetV2 takes 96 pixels.

    Returns
    -------
    Pretrained
        A new network at each call.
    """
    model, remark = _mobilenet()
    if model is not None:
        found = Pretrained("MobileNetV2", model, 96, "block_16_expand")
    else:
        found = Pretrained("the course's own backbone", load(input_shape=(side, side, 3)), side, "block4_conv1")
        remark = f"trained on ten kinds of drawn things{remark}"
    print(
        f"{found.name}: {found.model.count_params():,} parameters, pictures of {found.side} x {found.side} ({remark})"
    )
    return found


def _mobilenet() -> tuple[Any, str]:
    """Give MobileNetV2 with ImageNet's weights and where they are from, or None and why not if one should know."""
    import keras

    pinned, folder = os.environ.get("COURSE_DATA_SOURCE", ""), os.environ.get("COURSE_DATA", "")
    path = Path(folder, _IMAGENET)
    if pinned != "standin" and folder and path.is_file():
        model = keras.applications.MobileNetV2(**_MOBILENET, weights=None)
        model.load_weights(path)
        return model, f"trained on ImageNet's photographs, {path.name} in the data folder"
    if pinned == "real":
        try:
            model = keras.applications.MobileNetV2(**_MOBILENET, weights="imagenet")
        except Exception as error:  # noqa: BLE001 - Keras raises bare Exceptions when it cannot fetch
            return None, f"; MobileNetV2 cannot be fetched: {next(iter(str(error).splitlines()), type(error).__name__)}"
        return model, "trained on ImageNet's photographs, fetched by Keras"
    return None, ""
