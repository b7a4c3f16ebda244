"""
Copies by value: how an object crosses from one kernel to the other.

A message is a JSON tree of tagged nodes followed by raw blocks of bytes. Nothing is pickled, and the reader believes
nothing: every tag, type, shape and length is checked before an object is made. Only exact types cross; an instance
of a subclass is something else and, like every other object, is left to the ``refer`` function of the writer,
which hands over a reference in its place.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import math
import struct
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import ml_dtypes
import numpy as np

from autograder import bounded_json
from autograder.sealed import models

Node = dict[str, Any]
Refer = Callable[[object], Node]
Resolve = Callable[[Node], object]

_MAGIC = b"AGV1"
_HEADER = struct.Struct("<4sI")
_EXTENSION_DTYPES: dict[str, np.dtype[Any]] = {
    name: np.dtype(getattr(ml_dtypes, name)) for name in ("bfloat16", "float8_e4m3fn", "float8_e5m2", "int4", "uint4")
}
_SCALAR_TYPES = frozenset({*np.sctypeDict.values(), *(dtype.type for dtype in _EXTENSION_DTYPES.values())})
_MAX_DIMENSIONS = 64
_MAX_FIELDS = 1000
# A node is an object, with a list or two in it.
_PARTS_OF_A_NODE = 4
# Of honest keys, hardly two have the same hash. With many that do, each is compared with all before it.
_MAX_SAME_HASH = 100
# Importing these does something to the machine or the screen.
_MODULES_NOT_TO_IMPORT = frozenset({"antigravity", "this", "idlelib", "turtledemo", "site", "webbrowser", "test"})


class ValueTransferError(Exception):
    """A value is too large or too deep to cross, or what arrived is not a value."""


@dataclass(frozen=True)
class Bounds:
    """How much may cross in one message."""

    depth: int = 32
    nodes: int = 1_000_000
    size: int = 512 * 1024 * 1024
    """Bytes in all."""
    tree: int = 96 * 1024 * 1024
    """Bytes of everything but arrays: read, they take many times that."""


BOUNDS = Bounds()


def encode(value: object, refer: Refer, bounds: Bounds = BOUNDS) -> bytes:
    """
    Write a value as bytes.

    Parameters
    ----------
    value : object
        What is to cross.
    refer : callable
        Called with each object that does not cross by value; returns the node that stands for it, with a tag ``t`` of
        its own that the reader's ``resolve`` knows.
    bounds : Bounds
        What is too much.

    Raises
    ------
    ValueTransferError
        The value is nested too deeply, has too many parts or is too large.
    """
    writer = _Writer(refer, bounds)
    tree = json.dumps(writer.node(value, 0), separators=(",", ":")).encode()
    message = b"".join([_HEADER.pack(_MAGIC, len(tree)), tree, *writer.blocks])
    if len(tree) > bounds.tree or len(message) > bounds.size:
        raise ValueTransferError(_too_large(bounds))
    return message


def decode(message: bytes, resolve: Resolve, bounds: Bounds = BOUNDS) -> Any:
    """
    Read a value from bytes that nobody vouches for.

    Parameters
    ----------
    message : bytes
        What :func:`encode` wrote.
    resolve : callable
        Called with each node whose tag is not one of this module; returns the object or raises ValueTransferError.
    bounds : Bounds
        What is too much.

    Raises
    ------
    ValueTransferError
        The bytes are not a value, or one beyond the bounds.
    """
    if len(message) > bounds.size:
        raise ValueTransferError(_too_large(bounds))
    try:
        magic, length = _HEADER.unpack_from(message)
        if magic != _MAGIC or length > min(len(message) - _HEADER.size, bounds.tree):
            raise ValueTransferError("not a value")
        start = _HEADER.size + length
        tree = bounded_json.loads(message[_HEADER.size : start], parts=_PARTS_OF_A_NODE * bounds.nodes)
        return _Reader(memoryview(message)[start:], resolve, bounds).value(tree, 0)
    except ValueTransferError:
        raise
    except (Exception, SystemExit) as error:
        # NumPy, Keras and imported modules fail in ways of their own on what was never a value.
        msg = f"not a value ({type(error).__name__})"
        raise ValueTransferError(msg) from error


def _too_large(bounds: Bounds) -> str:
    return f"larger than {bounds.size // 2**20} MiB: too large to be checked"


class _Writer:
    """Builds the tree and collects the blocks of bytes."""

    def __init__(self, refer: Refer, bounds: Bounds) -> None:
        self.blocks: list[bytes] = []
        self._refer = refer
        self._bounds = bounds
        self._nodes = 0
        self._size = 0
        self._plain: dict[type, Callable[[Any, int], Node]] = {
            type(None): lambda _value, _depth: {"t": "none"},
            bool: lambda value, _depth: {"t": "bool", "v": value},
            int: lambda value, _depth: {"t": "int", "v": hex(value)},
            float: lambda value, _depth: {"t": "float", "v": value.hex()},
            complex: lambda value, _depth: {"t": "complex", "v": [value.real.hex(), value.imag.hex()]},
            str: self._text,
            bytes: lambda value, _depth: {"t": "bytes", "b": self._block(value)},
            list: self._sequence,
            tuple: self._sequence,
            set: self._sequence,
            frozenset: self._sequence,
            dict: self._mapping,
            range: lambda value, depth: {"t": "range", "v": self._parts(depth, value.start, value.stop, value.step)},
            slice: lambda value, depth: {"t": "slice", "v": self._parts(depth, value.start, value.stop, value.step)},
            type(Ellipsis): lambda _value, _depth: {"t": "ellipsis"},
            np.ndarray: self._array,
            ModuleType: lambda value, _depth: {"t": "module", "v": str(value.__name__)},
        }

    def node(self, value: object, depth: int) -> Node:
        if depth > self._bounds.depth:
            msg = f"nested more than {self._bounds.depth} levels deep: too deep to be checked (does it hold itself?)"
            raise ValueTransferError(msg)
        self._nodes += 1
        if self._nodes > self._bounds.nodes:
            msg = f"more than {self._bounds.nodes:,} parts: too many to be checked"
            raise ValueTransferError(msg)
        write = self._plain.get(type(value))
        if write is None:
            write = self._scalar if type(value) in _SCALAR_TYPES else self._keras_or_reference
        return write(value, depth)

    def _block(self, data: bytes) -> list[int]:
        offset = self._size
        self._size += len(data)
        if self._size > self._bounds.size:
            raise ValueTransferError(_too_large(self._bounds))
        self.blocks.append(data)
        return [offset, len(data)]

    def _text(self, value: str, _depth: int) -> Node:
        if len(value) > self._bounds.size:
            raise ValueTransferError(_too_large(self._bounds))
        return {"t": "str", "v": value}

    def _sequence(self, value: list[Any] | tuple[Any, ...] | set[Any] | frozenset[Any], depth: int) -> Node:
        return {"t": type(value).__name__, "v": [self.node(item, depth + 1) for item in value]}

    def _parts(self, depth: int, *parts: object) -> list[Node]:
        return [self.node(part, depth + 1) for part in parts]

    def _mapping(self, value: dict[Any, Any], depth: int) -> Node:
        return {
            "t": "dict",
            "v": [[self.node(key, depth + 1), self.node(item, depth + 1)] for key, item in value.items()],
        }

    def _array(self, value: np.ndarray[Any, Any], _depth: int) -> Node:
        dtype = _dtype_name(value.dtype)
        if dtype is None:
            return self._refer(value)
        if _room(value.shape, value.dtype) > self._bounds.size:
            raise ValueTransferError(_too_large(self._bounds))
        return {"t": "array", "d": dtype, "s": list(value.shape), "b": self._block(value.tobytes())}

    def _scalar(self, value: Any, depth: int) -> Node:
        node = self._array(np.asarray(value), depth)
        return {**node, "t": "scalar"} if node["t"] == "array" else self._refer(value)

    def _keras_or_reference(self, value: object, depth: int) -> Node:
        kind, parts = models.to_parts(value)
        if kind is None:
            return self._refer(value)
        return {"t": kind, "v": self.node(parts, depth + 1)}


class _Reader:
    """Makes objects from the tree, checking everything."""

    def __init__(self, blocks: memoryview, resolve: Resolve, bounds: Bounds) -> None:
        self._blocks = blocks
        self._resolve = resolve
        self._bounds = bounds
        self._nodes = 0
        self._read = 0
        self._make: dict[str, Callable[[Node, int], object]] = {
            "none": lambda _node, _depth: None,
            "bool": lambda node, _depth: _exact(node["v"], bool),
            "int": lambda node, _depth: int(_exact(node["v"], str), 16),
            "float": lambda node, _depth: float.fromhex(_exact(node["v"], str)),
            "complex": lambda node, _depth: complex(*(float.fromhex(_exact(part, str)) for part in node["v"])),
            "str": lambda node, _depth: _exact(node["v"], str),
            "bytes": lambda node, _depth: bytes(self._block(node["b"])),
            "list": self._items,
            "tuple": lambda node, depth: tuple(self._items(node, depth)),
            "set": lambda node, depth: set(_hashable(self._items(node, depth))),
            "frozenset": lambda node, depth: frozenset(_hashable(self._items(node, depth))),
            "range": lambda node, depth: range(*self._items(node, depth)),
            "slice": lambda node, depth: slice(*self._items(node, depth)),
            "ellipsis": lambda _node, _depth: ...,
            "dict": self._mapping,
            "array": lambda node, _depth: self._array(node),
            "scalar": lambda node, _depth: self._array(node)[()],
            "module": lambda node, _depth: _import(_exact(node["v"], str)),
        }

    def value(self, node: Node, depth: int) -> object:
        self._nodes += 1
        if depth > self._bounds.depth or self._nodes > self._bounds.nodes:
            raise ValueTransferError("too deep or too many parts")
        tag = _exact(node, dict)["t"]
        make = self._make.get(tag)
        if make is not None:
            return make(node, depth)
        if tag in models.KINDS:
            return models.from_parts(tag, self.value(node["v"], depth + 1))
        return self._resolve(node)

    def _items(self, node: Node, depth: int) -> list[Any]:
        return [self.value(item, depth + 1) for item in _exact(node["v"], list)]

    def _mapping(self, node: Node, depth: int) -> dict[Any, Any]:
        pairs = [(self.value(key, depth + 1), self.value(item, depth + 1)) for key, item in _exact(node["v"], list)]
        _hashable(key for key, _ in pairs)
        return dict(pairs)

    def _block(self, place: list[int]) -> memoryview:
        offset, length = (_exact(number, int) for number in place)
        if min(offset, length) < 0 or offset + length > len(self._blocks):
            raise ValueTransferError("a block of bytes is missing")
        # Each block is one value's: if many could have the same one, a short message would fill the memory.
        self._read += length
        if self._read > len(self._blocks):
            raise ValueTransferError("a block of bytes stands for several values")
        return self._blocks[offset : offset + length]

    def _array(self, node: Node) -> np.ndarray[Any, Any]:
        dtype = _dtype_from_name(node["d"])
        shape = tuple(_exact(size, int) for size in node["s"])
        if len(shape) > _MAX_DIMENSIONS or min(shape, default=0) < 0 or _room(shape, dtype) > self._bounds.size:
            raise ValueTransferError("an array of a shape that none can have")
        block = self._block(node["b"])
        if math.prod(shape) * dtype.itemsize != len(block):
            raise ValueTransferError("an array whose bytes do not fit its shape")
        # A copy: the array is its reader's own, and may be written to.
        return np.frombuffer(block, dtype=np.uint8).copy().view(dtype).reshape(shape)


def _exact(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        msg = f"{kind.__name__} expected"
        raise ValueTransferError(msg)
    return value


def _hashable(keys: Iterable[object]) -> Iterable[object]:
    """
    Give keys of which not too many have the same hash.

    Raises
    ------
    ValueTransferError
        They were chosen so that looking them up takes for ever.
    TypeError
        One has no hash.
    """
    keys = list(keys)
    if len(keys) > _MAX_SAME_HASH and Counter(map(hash, keys)).most_common(1)[0][1] > _MAX_SAME_HASH:
        raise ValueTransferError("keys that cannot be told apart")
    return keys


def _room(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Count the bytes of an array; of an empty one, those that it would have if it were not."""
    return math.prod(max(size, 1) for size in shape) * dtype.itemsize


def _dtype_name(dtype: np.dtype[Any]) -> object:
    """Give what JSON can hold of a dtype; None for one that does not cross."""
    if dtype.hasobject or dtype.itemsize == 0:
        return None
    for name, extension in _EXTENSION_DTYPES.items():
        if dtype == extension:
            return name
    if dtype.type.__module__ != "numpy" or dtype.kind not in "biufcSUMmV" or dtype.type is np.record:
        return None
    if dtype.names is None:
        return dtype.str
    # A structured dtype can be more than its description: overlapping fields, titles, fields of an extension dtype.
    try:
        descr: object = json.loads(json.dumps(dtype.descr))
        return descr if _dtype_from_name(descr) == dtype else None
    except (TypeError, ValueError, ValueTransferError):
        return None


def _dtype_from_name(name: object) -> np.dtype[Any]:
    if isinstance(name, str) and name in _EXTENSION_DTYPES:
        return _EXTENSION_DTYPES[name]
    if isinstance(name, list) and _fields(name) > _MAX_FIELDS:
        raise ValueTransferError("a dtype with too many fields")
    dtype: np.dtype[Any] = np.lib.format.descr_to_dtype(_tuples(name))
    if dtype.hasobject or dtype.itemsize == 0:
        raise ValueTransferError("a dtype that does not cross")
    return dtype


def _fields(descr: list[Any]) -> int:
    """Count the fields of a structured dtype's description, those of fields included."""
    return sum(1 + (_fields(field[1]) if isinstance(field[1], list) else 0) for field in descr)


def _tuples(descr: object) -> Any:
    """Undo what JSON did to a structured dtype's description: a list of tuples became a list of lists."""
    if isinstance(descr, list):
        return [
            tuple(tuple(part) if index == 2 else _tuples(part) for index, part in enumerate(field)) for field in descr
        ]
    return _exact(descr, str)


def _import(name: str) -> ModuleType:
    """Import our own module of that name, if there is one and importing it is harmless."""
    parts = name.split(".")
    # A package's __main__ is a program.
    if "__main__" not in parts and name in sys.modules:
        return sys.modules[name]
    if (
        "__main__" in parts
        or parts[0] in _MODULES_NOT_TO_IMPORT
        or not all(map(str.isidentifier, parts))
        or importlib.util.find_spec(parts[0]) is None
    ):
        msg = f"the module {name[:50]!r} is not one of the course's environment"
        raise ValueTransferError(msg)
    return importlib.import_module(name)


def no_references(tags: Mapping[str, Callable[[Node], object]]) -> Resolve:
    """Make a ``resolve`` function that knows these tags and refuses every other."""

    def resolve(node: Node) -> object:
        make = tags.get(node.get("t", ""))
        if make is None:
            raise ValueTransferError("a tag that nobody knows")
        return make(node)

    return resolve
