"""Damage to notebooks and values, by chance and repeatable: in the tree that their JSON is, and in their bytes."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Sequence
from typing import Any

# What stands in a tree for a text that json.dumps would not write; replaced after it was dumped.
_RAW = "\ue000raw%d\ue001"
_RAW_TEXTS = (
    "[" * 90 + "]" * 90,
    "[" * 400 + "]" * 400,
    '{"a":' * 400 + "1" + "}" * 400,
    "[" * 5000 + "]" * 5000,
    "1" * 4000,
    "1" * 5000,
    "-1e999",
    "NaN",
    "Infinity",
    '{"a": 1, "a": []}',
    '{"cell_type": "code", "cell_type": "raw"}',
    "[" + "[]," * 60_000 + "[]]",
    "[" + "1.5," * 60_000 + "1]",
)
_TEXTS = (
    "",
    "\0",
    "\ud800",
    "\udfff\ud800",
    "\ufeff",
    "\u202e\u0301",
    "\U0001f600" * 3,
    "\x1b[31m[/red]",
    "a" * 100_000,
    "lambda:" * 3000 + "1",
    "(" * 500,
    "%magic\n!ls\n" * 40,
    "'\\d'",
    "f(:\nreturn '''",
    "0x" + "f" * 9000,
    "|O",
    "<f8",
    "<U100000000",
    "__main__",
    "../../etc/passwd",
)
_ODD: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 4, 3, 2, 99, 2**31, 2**40, 2**63, -(2**70), 0.5, -0.0, [], {}, [[]], [None],
    {"": None}, [1, "a", {}], ["a", "b\n"], {"t": "none"}, {"nbgrader": {"grade_id": 7}}, *_TEXTS,
)  # fmt: skip
_TOKENS = (
    b"[",
    b"{",
    b"]",
    b'"',
    b",",
    b":",
    b"\\u",
    b"\\ud800",
    b"\0",
    b"\xff",
    b"null",
    b"NaN",
    b"-",
    b"e9",
    b"\xef",
)

Place = tuple[Any, Any]


def mutate_tree(text: str, chance: random.Random) -> bytes:
    """
    Change some places of the tree that a JSON text is.

    Parameters
    ----------
    text : str
        JSON of a list or an object.
    chance : random.Random
        Decides which places, and how.
    """
    tree = {"tree": json.loads(text)}
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        places = _places(tree)
        if places:
            _change(places, chance)
    tree_text = json.dumps(tree.get("tree"), ensure_ascii=chance.random() < 0.7)
    for number, raw in enumerate(_RAW_TEXTS):
        for mark in (_RAW % number, json.dumps(_RAW % number)[1:-1]):
            tree_text = tree_text.replace(f'"{mark}"', raw)
    return tree_text.encode("utf-8", "surrogatepass")


def mutate_bytes(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """
    Change some of the bytes of a file or message.

    Parameters
    ----------
    data : bytes
        What is changed.
    others : sequence of bytes
        What a part of it may be replaced by a part of.
    chance : random.Random
        Decides which bytes, and how.
    """
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        data = _damaged(data, others, chance)
    return data


def _damaged(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    end = min(len(data), at + chance.choice((1, 2, 8, 200)))
    before, here, after = data[:at], data[at:end], data[end:]
    match chance.choice(
        ("flip", "flip", "truncate", "cut", "insert", "insert", "splice", "remove", "repeat", "encode")
    ):
        case "flip":
            here = bytes(each ^ 1 << chance.randrange(8) for each in here[:2]) + here[2:]
        case "truncate":
            before, here, after = data[: len(data) - chance.randrange(20)], b"", b""
        case "cut":
            here = after = b""
        case "insert":
            here = chance.choice(_TOKENS) + here
        case "splice":
            other = chance.choice(others)
            start = chance.randrange(len(other) + 1)
            here = other[start : start + chance.choice((10, 1000, len(other)))]
        case "remove":
            here = b""
        case "repeat":
            here *= chance.choice((2, 100))
        case "encode" if chance.random() < 0.05:
            return chance.choice((_as_utf16, _with_mark, gzip.compress))(data)
    return before + here + after


def _as_utf16(data: bytes) -> bytes:
    return data.decode("utf-8", "replace").encode("utf-16")


def _with_mark(data: bytes) -> bytes:
    return b"\xef\xbb\xbf" + data


def _places(tree: Any) -> list[Place]:
    """List all places of a tree, as the list or object that has it and the index or key in there."""
    found: list[Place] = []
    containers = [tree]
    for container in containers:
        for key, value in container.items() if isinstance(container, dict) else enumerate(container):
            found.append((container, key))
            if isinstance(value, dict | list):
                containers.append(value)
    return found


def _change(places: list[Place], chance: random.Random) -> None:
    container, key = chance.choice(places)
    value = container[key]
    match chance.choice(("drop", "duplicate", "odd", "odd", "odd", "raw", "nest", "move", "rename", "crowd", "text")):
        case "drop":
            del container[key]
        case "duplicate":
            _put(container, key, value)
        case "odd":
            container[key] = json.loads(json.dumps(chance.choice(_ODD)))
        case "raw":
            container[key] = _RAW % chance.randrange(len(_RAW_TEXTS))
        case "nest":
            for _ in range(chance.choice((1, 2, 40))):
                value = [value] if chance.random() < 0.5 else {"v": value}
            container[key] = value
        case "move":
            there, place = chance.choice(places)
            container[key] = json.loads(json.dumps(there[place]))
        case "rename" if isinstance(container, dict):
            container[chance.choice((*_TEXTS, "t", "v", "s", "b", "d", "source", "outputs"))] = container.pop(key)
        case "crowd" if isinstance(value, list) and 0 < len(json.dumps(value)) < 20_000:
            container[key] = value * chance.choice((2, 30))
        case "text" if isinstance(value, str):
            at = chance.randrange(len(value) + 1)
            container[key] = value[:at] + chance.choice(_TEXTS) + value[at:]


def _put(container: Any, key: Any, value: Any) -> None:
    if isinstance(container, list):
        container.insert(key, json.loads(json.dumps(value)))
    else:
        container[f"{key} "] = json.loads(json.dumps(value))
