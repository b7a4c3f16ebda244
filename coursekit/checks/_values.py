"""
What a value really is, found out without asking the value.

A check may be handed anything: a stand-in for an object of another process, a subclass that claims to equal everything,
an object whose every method raises. So no method of a value is called before its exact type is known to be one of
Python's, NumPy's, Keras's or its backend's own, and no class is believed what it says about itself.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

__all__ = ["NUMPY_SCALARS", "Array", "Kind", "Numeric", "class_name", "nested_numbers", "read_numeric", "read_shape"]

Array = npt.NDArray[Any]
Kind = Literal["number", "NumPy number", "array", "tensor", "variable"]

NUMPY_SCALARS: frozenset[type] = frozenset(np.sctypeDict.values())
_PLAIN_NUMBERS = (bool, int, float, complex)
_DEEPEST = 32  # levels of nested lists that are still read


@dataclass(frozen=True)
class Numeric:
    """
    A value that has a shape and a dtype.

    Attributes
    ----------
    array : ndarray
        The values as a plain NumPy array; those of a dtype that NumPy lacks (bfloat16) as float32.
    dtype : str
        Name of the dtype that the value itself has; for a Python number the name of its type.
    kind : Kind
        What the value is.
    """

    array: Array
    dtype: str
    kind: Kind

    @property
    def is_number(self) -> bool:
        """Whether arithmetic makes sense: no truth values, texts, objects, dates or records."""
        return self.array.dtype.kind in "iufc"

    @property
    def is_truth(self) -> bool:
        """Whether it holds True and False."""
        return self.array.dtype.kind == "b"


def read_numeric(value: Any) -> Numeric | None:
    """Read a number, NumPy scalar, NumPy array, tensor or variable; None for anything else, their subclasses too."""
    kind = type(value)
    if kind in _PLAIN_NUMBERS:
        return Numeric(_array_of_number(value), kind.__name__, "number")
    if kind in NUMPY_SCALARS or kind is np.ndarray:
        array = np.asarray(value)
        name = array.dtype.name
        # TensorFlow's way to bring bfloat16 to NumPy, which cannot calculate with it.
        array = array.astype(np.float32) if name == "bfloat16" else array
        return Numeric(array, name, "array" if kind is np.ndarray else "NumPy number")
    return _read_tensor(value)


def _array_of_number(value: Any) -> Array:
    array = np.asarray(value)
    if array.dtype.kind != "O":
        return array
    # A whole number beyond 64 bits; float() refuses one that is beyond its own range.
    return np.asarray(float(value) if abs(value) < 2**1023 else np.copysign(np.inf, value > 0 or -1))


def _read_tensor(value: Any) -> Numeric | None:
    # There can be no tensor where no backend was ever imported, so this never imports one.
    keras, tensorflow = sys.modules.get("keras"), sys.modules.get("tensorflow")
    what: Kind = "tensor"
    if keras is not None and type(value) is getattr(keras, "Variable", None):
        what, value = "variable", value.value
    if "jax" in sys.modules and class_name(value) == "ArrayImpl" and type(value) is _jax_tensor():
        numeric = read_numeric(np.asarray(value))
        return None if numeric is None else Numeric(numeric.array, numeric.dtype, what)
    if not hasattr(tensorflow, "Variable"):  # absent, or its import is not finished
        return None
    from tensorflow.python.framework.ops import EagerTensor
    from tensorflow.python.ops.resource_variable_ops import ResourceVariable

    if type(value) is ResourceVariable:
        what, value = "variable", value.read_value()
    if type(value) is not EagerTensor:
        return None
    # The class's own method: an instance may carry another function of that name.
    numeric = read_numeric(np.asarray(EagerTensor.numpy(value)))
    return None if numeric is None else Numeric(numeric.array, numeric.dtype, what)


@cache
def _jax_tensor() -> type:
    import jax

    return type(jax.numpy.zeros(()))


def read_shape(value: Any) -> tuple[int | None, ...] | None:
    """Read the shape of what :func:`read_numeric` reads and of symbolic Keras tensors; None for anything else."""
    numeric = read_numeric(value)
    if numeric is not None:
        return numeric.array.shape
    keras = sys.modules.get("keras")
    if keras is not None and type(value) is getattr(keras, "KerasTensor", None):
        return tuple(value.shape)
    return None


def nested_numbers(value: object) -> Array | None:
    """Make an array of a list or tuple, nested or not, of nothing but numbers; None where that cannot be."""
    if type(value) not in (list, tuple):
        return None
    plain = _plain_numbers(value, _DEEPEST)
    if plain is None:
        return None
    try:
        array = np.array(plain)
    except (ValueError, OverflowError):  # rows of different lengths
        return None
    return array if array.dtype.kind in "biufc" else None


def _plain_numbers(value: Any, levels: int) -> Any:
    """Copy nested lists of numbers as lists of plain numbers; None where one is no number or the nesting has no end."""
    if type(value) in (list, tuple):
        parts = [_plain_numbers(part, levels - 1) for part in value] if levels else [None]
        return None if any(part is None for part in parts) else parts
    number = read_numeric(value)
    if number is None or number.array.ndim or not (number.is_number or number.is_truth):
        return None
    return number.array.item()


def class_name(value: object) -> str:
    """Name a value's class, read past whatever a metaclass would say; short and printable."""
    return name_of_class(type(value))


def name_of_class(cls: Any) -> str:
    """Name a class, read past whatever its metaclass would say; short and printable."""
    name: str = type.__dict__["__name__"].__get__(cls)
    return "".join(character for character in name if character.isprintable())[:60]
