"""Copies by value: what crosses arrives the same to the bit, all else becomes a reference, and lies are refused."""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import json
import math
import struct
import sys
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from autograder.sealed.values import BOUNDS, Bounds, ValueTransferError, decode, encode, no_references

REFERENCE = object()
"""What arrives for an object that does not cross by value."""


def refer(_value):
    return {"t": "reference"}


RESOLVE = no_references({"reference": lambda _node: REFERENCE})


def crossed(value, bounds=BOUNDS):
    return decode(encode(value, refer, bounds), RESOLVE, bounds)


def forged(tree, blocks=b""):
    """A message with this tree, written by nobody."""
    text = tree if isinstance(tree, bytes) else json.dumps(tree).encode()
    return struct.pack("<4sI", b"AGV1", len(text)) + text + blocks


def same(a, b):
    """Whether two values are the same: of exactly the same types all the way down, and equal to the bit."""
    return type(a) is type(b) and facts(a) == facts(b)


def facts(value):
    """What there is to know of a value, in plain values that equality does not blur."""
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype, value.shape, value.tobytes()
    if isinstance(value, float | complex):
        return value.real.hex(), value.imag.hex()
    if isinstance(value, list | tuple):
        return [(type(item), facts(item)) for item in value]
    if isinstance(value, dict):
        return facts(list(value.items()))
    if isinstance(value, set | frozenset):
        return {(type(item), item, item.hex() if isinstance(item, float) else "") for item in value}
    return value


# What crosses


plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.text(),
    st.binary(),
    st.builds(range, st.integers(-9, 9), st.integers(-9, 9), st.integers(1, 3)),
    st.builds(slice, st.none() | st.integers(), st.none() | st.integers(), st.none() | st.integers()),
    st.just(...),
)
hashable = st.one_of(
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(),
    st.binary(),
    st.tuples(st.integers(), st.text()),
    st.frozensets(st.integers()),
)
nested = st.recursive(
    plain,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.lists(inner, max_size=5).map(tuple),
        st.dictionaries(hashable, inner, max_size=5),
        st.sets(hashable, max_size=5),
        st.frozensets(hashable, max_size=5),
    ),
    max_leaves=20,
)
numeric_dtypes = st.one_of(
    npst.boolean_dtypes(),
    npst.integer_dtypes(endianness="?"),
    npst.unsigned_integer_dtypes(endianness="?"),
    npst.floating_dtypes(endianness="?"),
    npst.complex_number_dtypes(endianness="?"),
    npst.datetime64_dtypes(),
    npst.timedelta64_dtypes(),
    npst.byte_string_dtypes(),
    npst.unicode_string_dtypes(),
)
structured_dtypes = st.lists(numeric_dtypes | st.tuples(numeric_dtypes, st.just((2,))), min_size=1, max_size=3).map(
    lambda kinds: np.dtype([(f"field {number}", kind) for number, kind in enumerate(kinds)])
)
dtypes = numeric_dtypes | structured_dtypes
arrays = npst.arrays(dtypes, npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3))


@given(nested)
def test_plain_values_and_containers_of_them_arrive_the_same(value):
    assert same(crossed(value), value)


@given(arrays)
def test_arrays_of_every_dtype_and_shape_arrive_the_same(array):
    assert same(crossed(array), array)


@given(npst.arrays(numeric_dtypes, 1))
def test_scalars_arrive_as_scalars_of_their_type(array):
    assert same(crossed(array[0]), array[0])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.0, 5e-324, 10**4000, -(10**4000), True, 1, 1.0])
def test_numbers_at_the_edge_arrive_to_the_bit(value):
    assert same(crossed(value), value)


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "float8_e5m2", "int4", "uint4"])
def test_the_small_dtypes_of_deep_learning_arrive_the_same(name):
    dtype = np.dtype(getattr(ml_dtypes, name))
    array = np.arange(6).reshape(2, 3).astype(dtype)

    assert same(crossed(array), array)
    assert same(crossed(array[1, 2]), array[1, 2])


@pytest.mark.parametrize(
    "array",
    [
        np.array(2.5),
        np.empty((0, 3), np.float32),
        np.zeros((3, 0, 2), np.int8),
        np.arange(12).reshape(3, 4).T,
        np.arange(12)[::-2],
        np.broadcast_to(np.float32(1), (2, 3)),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array(["", "ä"]),
        np.array([b"", b"\0a"]),
        np.array(["2024-02-29", "NaT"], "M8[D]"),
        np.zeros(2, np.dtype([("a", "i1"), ("b", "f8")], align=True)),
        np.zeros(2, [("a", "i4", (2, 2)), ("b", [("c", ">u2")])]),
        np.frombuffer(b"abcdef", "V3"),
    ],
    ids=lambda array: f"{array.dtype}-{array.shape}",
)
def test_arrays_of_special_shape_and_layout_arrive_the_same(array):
    assert same(crossed(array), np.ascontiguousarray(array).reshape(array.shape))


def test_an_array_that_arrived_is_the_readers_own():
    array = np.zeros(3)
    array.flags.writeable = False

    arrived = crossed(array)
    arrived[0] = 1

    assert array[0] == 0


def test_a_module_arrives_as_the_readers_own():
    assert crossed(math) is math
    assert crossed([np, np.linalg]) == [np, np.linalg]


# What does not cross by value


class Integer(int):
    """A number that has its own idea of equality."""

    def __eq__(self, other):
        return True

    __hash__ = int.__hash__


class Colour(enum.IntEnum):
    RED = 1


class Liar:
    __class__ = int


class Matrix(np.ndarray):
    pass


@pytest.mark.parametrize(
    "value",
    [
        Integer(3),
        Colour.RED,
        Liar(),
        type("Text", (str,), {})("a"),
        type("List", (list,), {})([1]),
        namedtuple("Point", "x")(1),
        OrderedDict(a=1),
        defaultdict(list, a=[1]),
        Counter("a"),
        deque([1]),
        bytearray(b"a"),
        memoryview(b"a"),
        decimal.Decimal(1),
        fractions.Fraction(1, 2),
        datetime.date(2024, 2, 29),
        object(),
        len,
        lambda: 1,
        int,
        iter([1]),
        (number for number in [1]),
        ValueError("a"),
        np.array([1, None]),
        np.array([(1, None)], dtype=[("a", "i4"), ("b", object)]),
        np.zeros(2).view(Matrix),
        np.ma.array([1, 2], mask=[True, False]),
        np.rec.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
        np.rec.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")])[0],
        np.zeros(2, np.dtype([(("title", "name"), "i4")])),
        np.zeros(2, np.dtype({"names": ["a", "b"], "formats": ["i4", "i4"], "offsets": [0, 2]})),
        np.zeros(2, np.dtype({"names": ["a", "b"], "formats": ["i4", "i4"], "offsets": [4, 0]})),
        np.zeros(2, [("a", ml_dtypes.bfloat16)]),
        np.zeros(2, ml_dtypes.float8_e4m3b11fnuz),
        np.array(["a"], np.dtypes.StringDType()),
        np.dtype("f8"),
        np.random.default_rng(0),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_other_object_is_left_to_a_reference_and_so_is_one_inside_a_list(value):
    assert crossed(value) is REFERENCE
    assert crossed([1, {"a": (value,)}]) == [1, {"a": (REFERENCE,)}]


def test_nothing_of_an_object_is_run_to_find_out_what_it_is():
    def explode(self, *_):
        raise AssertionError("the object's own code ran")

    methods = ("__getattribute__", "__eq__", "__len__", "__iter__", "__array__", "__reduce_ex__", "__repr__")
    bomb = type("Bomb", (), dict.fromkeys(methods, explode))()

    assert crossed((bomb, 1)) == (REFERENCE, 1)


# What is too much


def test_a_list_that_holds_itself_is_too_deep():
    endless = []
    endless.append(endless)

    with pytest.raises(ValueTransferError, match=r"more than 32 levels deep.*does it hold itself\?"):
        encode(endless, refer)


def test_a_value_may_be_nested_as_deep_as_the_bound_says():
    value = 1
    for _ in range(BOUNDS.depth):
        value = [value]

    assert crossed(value) == value
    with pytest.raises(ValueTransferError, match="levels deep"):
        encode([value], refer)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1] * 100, "more than 50 parts"),
        ({n: n for n in range(50)}, "more than 50 parts"),
        (np.zeros(10_000), "too large to be checked"),
        ([np.zeros(100), np.zeros(100)], "too large to be checked"),
        (np.broadcast_to(np.float64(0), (10**9, 10**9)), "too large to be checked"),
        ("a" * 10_000, "too large to be checked"),
        (b"a" * 10_000, "too large to be checked"),
        (10**3000, "too large to be checked"),
        (["a" * 400] * 5, "too large to be checked"),
    ],
    ids=["list", "dict", "array", "arrays", "broadcast-array", "text", "bytes", "integer", "texts"],
)
def test_a_value_beyond_the_bounds_is_told(value, message):
    with pytest.raises(ValueTransferError, match=message):
        encode(value, refer, Bounds(depth=5, nodes=50, size=1500, tree=1500))


@pytest.mark.parametrize(
    "bounds",
    [Bounds(depth=1), Bounds(nodes=3), Bounds(size=100), Bounds(tree=50)],
    ids=["depth", "nodes", "size", "tree"],
)
def test_the_reader_keeps_to_the_bounds_whatever_the_writer_did(bounds):
    message = encode([[1, 2, 3], np.zeros(20)], refer)

    with pytest.raises(ValueTransferError):
        decode(message, RESOLVE, bounds)


# What nobody vouches for


SAMPLE = [
    None,
    True,
    7,
    0.5,
    1j,
    "text",
    b"bytes",
    (1, [2], {3}, frozenset({4}), {"k": {5: 6}}),
    range(3),
    slice(1, None),
    ...,
    np.arange(6, dtype="f4").reshape(2, 3),
    np.float64(1.5),
    np.zeros(1, [("a", "i4"), ("b", "f8", (2,))]),
    np.ones(2, ml_dtypes.bfloat16),
    math,
    object(),
]
MESSAGE = encode(SAMPLE, refer)
TAGS = [
    *("none", "bool", "int", "float", "complex", "str", "bytes", "list", "tuple", "set", "frozenset", "dict"),
    *("range", "slice", "ellipsis", "array", "scalar", "reference", "unknown"),
]
DTYPES = ["<f8", "|O", "|O8", "bfloat16", "f8,(", "V9", "<U2", [["a", "<i4"], ["b", "|O"]]]
OUT_OF_REACH = (
    "exec",
    "pickle.find_class",
    "marshal.loads",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "subprocess.Popen",
)

_watching = []


def _watch(event, _arguments):
    if _watching and event in OUT_OF_REACH:
        _watching.append(event)


sys.addaudithook(_watch)


def read(message):
    """Read a message as the examiner does; whatever it holds, nothing of it may be run."""
    _watching[:] = ["on"]
    try:
        return decode(message, RESOLVE)
    except ValueTransferError:
        return None
    finally:
        events = _watching[1:]
        _watching.clear()
        assert events == []


@given(st.binary(max_size=200))
def test_bytes_that_are_no_message_are_refused(message):
    with pytest.raises(ValueTransferError):
        decode(message, RESOLVE)


@settings(max_examples=300)
@given(st.data())
def test_a_damaged_message_is_refused_or_read_and_nothing_else(data):
    message = bytearray(MESSAGE)
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(message) - 1))
        message[position] = data.draw(st.integers(0, 255))
    del message[data.draw(st.integers(len(message) // 2, len(message))) :]

    read(bytes(message))


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["f8", "|O", "1e9"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("tvbds"), inner, max_size=5),
    max_leaves=12,
)
nodes = st.recursive(
    anything,
    lambda inner: st.fixed_dictionaries(
        {"t": st.sampled_from(TAGS)},
        optional={
            "v": inner | st.lists(inner, max_size=3) | st.lists(st.tuples(inner, inner), max_size=3),
            "d": st.sampled_from(["<f8", "|O", "|O8", "bfloat16", "f8,(", "V9", "<U2", [["a", "<i4"], ["b", "|O"]]])
            | anything,
            "s": st.lists(st.integers(-2, 2**70), max_size=40) | anything,
            "b": st.tuples(st.integers(-5, 50), st.integers(-5, 50)) | anything,
        },
    ),
    max_leaves=8,
)


@settings(max_examples=300)
@given(nodes, st.binary(max_size=40))
def test_a_forged_message_is_refused_or_read_and_nothing_else(tree, blocks):
    read(forged(tree, blocks))


@pytest.mark.parametrize(
    "message",
    [
        forged(b"[" * 100_000),
        forged(b"not json"),
        forged(b'{"t": "int", "v": "0x' + b"f" * 10 + b'g"}'),
        forged({"t": "int", "v": 7}),
        forged({"t": "bool", "v": 1}),
        forged({"t": "list", "v": {"t": "none"}}),
        forged({"t": ["list"], "v": []}),
        forged({"t": "set", "v": [{"t": "list", "v": []}]}),
        forged({"t": "dict", "v": [[{"t": "none"}]]}),
        forged({"t": "range", "v": [{"t": "int", "v": "0x1"}] * 4}),
        forged({"t": "range", "v": [{"t": "int", "v": "0x1"}, {"t": "int", "v": "0x1"}, {"t": "int", "v": "0x0"}]}),
        forged({"t": "float", "v": "0x1p99999"}),
        forged({"t": "bytes", "b": [0, 1]}),
        forged({"t": "bytes", "b": [-1, 1]}, b"ab"),
        forged({"t": "array", "d": "|O", "s": [1], "b": [0, 8]}, bytes(8)),
        forged({"t": "array", "d": [["a", "|O"]], "s": [1], "b": [0, 8]}, bytes(8)),
        forged({"t": "array", "d": "f8,(", "s": [1], "b": [0, 8]}, bytes(8)),
        forged({"t": "array", "d": "<f8", "s": [2], "b": [0, 8]}, bytes(8)),
        forged({"t": "array", "d": "<f8", "s": [-1], "b": [0, 8]}, bytes(8)),
        forged({"t": "array", "d": "<f8", "s": [1.0], "b": [0, 8]}, bytes(8)),
        forged({"t": "array", "d": "<f8", "s": [0, 2**70], "b": [0, 0]}),
        forged({"t": "array", "d": "<f8", "s": [1] * 65, "b": [0, 8]}, bytes(8)),
        forged({"t": "array", "d": "|V0", "s": [5], "b": [0, 0]}),
        forged({"t": "pickle", "v": "cos\nsystem\n(S'true'\ntR."}),
        forged({"v": 1}),
        forged([]),
        encode([1], refer)[:-1],
        b"AGV2" + encode([1], refer)[4:],
    ],
)
def test_a_message_that_lies_is_refused(message):
    assert read(message) is None
    with pytest.raises(ValueTransferError):
        decode(message, RESOLVE)


@pytest.mark.parametrize(
    "name",
    ["__main__", "unittest.__main__", "antigravity", "this", "no_such_module", "os.nothing", "", "..", "os/path"],
)
def test_a_module_that_is_not_there_or_does_something_when_imported_is_refused(name):
    before = set(sys.modules)

    with pytest.raises(ValueTransferError):
        decode(forged({"t": "module", "v": name}), RESOLVE)

    assert set(sys.modules) == before
