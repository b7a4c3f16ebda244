"""
Checks for a notebook's tests: each passes silently or raises CheckFailed with a message that teaches.

A message says what was asked, what came, and the name of the mistake where it is a known one. What is checked may be
anything at all. Only plain Python values, NumPy arrays and scalars, tensors and Keras models of exactly these types
pass; whatever merely claims to be one or to equal one fails with a clear message, and none of its code runs (but that
:func:`trained` reads one attribute, to take a history of any class).

Importing this is cheap: Keras is imported when the first model is checked.
"""

from __future__ import annotations

from coursekit.checks._arrays import close, dtype, shape, unchanged
from coursekit.checks._failure import CheckFailed
from coursekit.checks._models import model, output_shapes, param_count
from coursekit.checks._plain import between, equal, function, kind
from coursekit.checks._scores import accuracy, predicted_classes, recall
from coursekit.checks._training import frozen, learning_rate, trained

__all__ = [
    "CheckFailed",
    "accuracy",
    "between",
    "close",
    "dtype",
    "equal",
    "frozen",
    "function",
    "kind",
    "learning_rate",
    "model",
    "output_shapes",
    "param_count",
    "predicted_classes",
    "recall",
    "shape",
    "trained",
    "unchanged",
]
