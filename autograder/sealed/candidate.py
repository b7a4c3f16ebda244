"""
The candidate's side: answers the examiner's questions inside the student's kernel.

Nothing here is trusted by anybody. A student who changes this module changes what *their* values look like, which they
can do more simply by computing other values.
"""

from __future__ import annotations

import builtins
import importlib
import linecache
import signal
import socket
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any

import numpy as np
from ipykernel.compiler import get_tmp_directory

from autograder.sealed import values
from autograder.sealed.line import Line
from autograder.sealed.models import class_name

_ABILITIES = {
    "call": "__call__",
    "len": "__len__",
    "item": "__getitem__",
    "iter": "__iter__",
    "next": "__next__",
    "float": "__float__",
    "int": "__int__",
    "index": "__index__",
    "bool": "__bool__",
}
"""What an examiner can do with a reference, and the method an object needs for it."""

_MAX_MESSAGE = 2000
_MAX_LINE = 200
_MAX_FRAMES = 20

_objects: dict[int, object] = {}


def serve(address: str, namespace: dict[str, Any]) -> None:
    """
    Answer the examiner's questions until it hangs up.

    Parameters
    ----------
    address : str
        Path of the socket at which the examiner takes the call.
    namespace : dict
        The student's global names.
    """
    answering = False

    def interrupt(*_: object) -> None:
        # One that comes later than the call it was meant for must not tear a message.
        if answering:
            raise KeyboardInterrupt

    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(address)
        except OSError:
            return  # it waits no longer
        line = Line(connection, values.BOUNDS.size)
        before = signal.signal(signal.SIGINT, interrupt)
        try:
            while True:
                number, question = line.receive()
                answering = True
                try:
                    message = answer(question, namespace)
                except KeyboardInterrupt as late:
                    message = _failed(late)
                finally:
                    answering = False
                line.send(number, message)
        except ConnectionError:
            return  # it has hung up
        finally:
            signal.signal(signal.SIGINT, before)


def answer(question: bytes, namespace: dict[str, Any]) -> bytes:
    """
    Answer one question.

    Parameters
    ----------
    question : bytes
        An operation and its arguments, encoded.
    namespace : dict
        The student's global names.

    Returns
    -------
    bytes
        How it went and what came of it, encoded.
    """
    try:
        operation, arguments = values.decode(question, values.no_references(_RESOLVE))
        result: object = _OPERATIONS[operation](namespace, *arguments)
        return values.encode(("ok", result), _refer)
    except values.ValueTransferError as error:
        return values.encode(("too-much", str(error)), _refer)
    except BaseException as error:  # noqa: BLE001 - whatever the student's code raised crosses as an answer
        return _failed(error)


def _failed(error: BaseException) -> bytes:
    return values.encode(("error", _describe(error)), _refer)


def _get(namespace: dict[str, Any], name: str) -> object:
    if name not in namespace:
        raise NameError(f"name {name!r} is not defined")
    return namespace[name]


def _keep(_namespace: dict[str, Any], handles: list[int]) -> None:
    """Let go of every object but these, to which the examiner still holds references."""
    for handle in _objects.keys() - set(handles):
        del _objects[handle]


def _call(_namespace: dict[str, Any], target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
    """Call a function; give its result, and those of its arguments (by place) that it has changed."""
    given = [*args, *kwargs.values()]
    before = [_state(value) for value in given]
    result = target(*args, **kwargs)
    after = [_state(value) for value in given]
    return result, [(place, given[place]) for place in range(len(given)) if before[place] != after[place]]


def _state(value: object) -> object:
    """Give what changes when a value is written into: numbers of arrays, and parts of lists and dicts."""
    kind = type(value)
    if kind is np.ndarray:
        return value.shape, value.dtype.str, hash(value.tobytes())  # type: ignore[attr-defined]
    if kind in (list, tuple):
        return [_state(part) for part in value]  # type: ignore[attr-defined]
    if kind is dict:
        return [(repr(key), _state(part)) for key, part in value.items()]  # type: ignore[attr-defined]
    return repr(value) if kind in (bool, int, float, complex, str, bytes) else id(value)


_OPERATIONS: dict[str, Callable[..., object]] = {
    "get": _get,
    "keep": _keep,
    "call": _call,
    "attribute": lambda _namespace, target, name: getattr(target, name),
    "item": lambda _namespace, target, key: target[key],
    "len": lambda _namespace, target: len(target),
    "iter": lambda _namespace, target: _kept(iter(target)),
    "next": lambda _namespace, target: next(target),
    "float": lambda _namespace, target: float(target),
    "int": lambda _namespace, target: int(target),
    "index": lambda _namespace, target: target.__index__(),
    "bool": lambda _namespace, target: bool(target),
}


class _Kept:
    """Marks an object that is to cross as a reference though it might cross by value (an iterator over a list)."""

    def __init__(self, value: object) -> None:
        self.value = value


def _kept(value: object) -> _Kept:
    return _Kept(value)


def _refer(value: object) -> values.Node:
    if type(value) is _Kept:
        value = value.value
    handle = id(value)
    _objects[handle] = value  # kept alive, so that its id stays its own
    kind = type(value)
    return {
        "t": "reference",
        "h": handle,
        "k": class_name(kind)[:_MAX_LINE],
        "n": _text(lambda: getattr(value, "__name__", "")),
        "a": [ability for ability, method in _ABILITIES.items() if _has(kind, method)],
    }


def _mro(kind: type) -> tuple[type, ...]:
    """Give a class's own bases, whatever a metaclass says of them."""
    bases: tuple[type, ...] = type.__dict__["__mro__"].__get__(kind)
    return bases


def _has(kind: type, method: str) -> bool:
    return any(method in vars(base) for base in _mro(kind))


def _text(read: Callable[[], object]) -> str:
    """Read a text from an object of the student's that may fail, lie or never end (until interrupted) in being read."""
    try:
        text = read()
    except BaseException:  # noqa: BLE001 - then it has none
        return ""
    return text[:_MAX_MESSAGE] if type(text) is str else ""


def _describe(error: BaseException) -> dict[str, object]:
    """Tell of an exception in plain values: its class, which built-in classes it is one of, its text and its place."""
    kind = type(error)
    names = [class_name(base)[:_MAX_LINE] for base in _mro(kind)]
    frames = _frames(BaseException.__dict__["__traceback__"].__get__(error))
    return {
        "type": names[0],
        "kinds": [name for name, base in zip(names, _mro(kind), strict=True) if vars(builtins).get(name) is base],
        # The text of a KeyError is the key's repr, which would be quoted again where the exception is raised anew.
        "message": _text(lambda: error.args[0] if kind is KeyError and type(error.args[0]) is str else str(error)),
        "where": frames[-1] if frames else "",
        "traceback": "\n".join(frames),
    }


def _frames(trace: TracebackType | None) -> list[str]:
    """One line for each of the last frames that are in the notebook; if none is, for the very last one."""
    home = get_tmp_directory()
    every = [(frame.f_code, line) for frame, line in traceback.walk_tb(trace) if frame.f_code.co_filename != __file__]
    frames = [(code, line) for code, line in every if code.co_filename.startswith(home)] or every[-1:]
    return [
        f"in {code.co_name}, line {line}: {linecache.getline(code.co_filename, line).strip()}"[:_MAX_LINE]
        for code, line in frames[-_MAX_FRAMES:]
    ]


def _global(node: values.Node) -> object:
    found: object = importlib.import_module(node["m"])
    for part in node["q"].split("."):
        found = getattr(found, part)
    return found


_RESOLVE: dict[str, Callable[[values.Node], object]] = {
    "reference": lambda node: _objects[node["h"]],
    "global": _global,
}
