"""Whatever arrives from a student's kernel is read or refused, before it takes time or memory."""

from __future__ import annotations

import json
import math
import struct
import sys
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.sealed.values import BOUNDS, Bounds, ValueTransferError, decode, encode, no_references

HEADER = struct.Struct("<4sI")
SAME_HASH = sys.hash_info.modulus


def refer(_value):
    return {"t": "reference"}


RESOLVE = no_references({"reference": lambda _node: refer})


def forged(tree, blocks=b""):
    text = tree if isinstance(tree, bytes) else json.dumps(tree).encode()
    return HEADER.pack(b"AGV1", len(text)) + text + blocks


def array(shape, dtype="<f8", block=b""):
    return forged({"t": "array", "d": dtype, "s": shape, "b": [0, len(block)]}, block)


def integer(value):
    return {"t": "int", "v": hex(value)}


def refused(message, bounds=BOUNDS):
    """What a refusal says; it came soon, and little memory was used."""
    tracemalloc.start()
    begin = time.process_time()
    with pytest.raises(ValueTransferError) as caught:
        decode(message, RESOLVE, bounds)
    seconds, (_, peak) = time.process_time() - begin, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seconds < 5
    assert peak < 64 * 2**20 + 4 * len(message)
    assert len(str(caught.value)) < 300
    return str(caught.value)


# Arrays


@pytest.mark.parametrize(
    "message",
    [
        array([2**31, 2**31], block=bytes(8)),
        array([2**40, 0]),
        array([0, 2**62, 2**62]),
        array([-1, -1], block=bytes(8)),
        array([-(2**40), 0]),
        array([True], block=bytes(8)),
        array([1.0], block=bytes(8)),
        array(["1"], block=bytes(8)),
        array([None], block=bytes(8)),
        array([10**4000, 10**4000, 0]),
        array([1] * 65, block=bytes(8)),
        array([1] * 100_000, block=bytes(8)),
        array([0], "|V2000000000"),
        array([0], "<U400000000"),
        array([1], "(1000000000,)f8", bytes(8)),
        array([1], [["a", "<f8", [2**31, 2**31]]], bytes(8)),
        array([1], [["a", "<f8", [-1]]], bytes(8)),
    ],
)
def test_a_shape_that_no_array_can_have_is_refused_before_there_is_an_array(message):
    refused(message)


def test_a_dtype_with_more_fields_than_anyone_can_mean_is_refused_wherever_they_are():
    fields = [[f"f{n}", "|i1"] for n in range(1001)]

    assert "too many fields" in refused(array([1], fields, bytes(1001)))
    assert "too many fields" in refused(array([1], [["a", fields[:500]], ["b", fields[:500]]], bytes(1000)))
    assert decode(array([1], fields[:1000], bytes(1000)), RESOLVE).dtype.itemsize == 1000


@pytest.mark.parametrize("dimensions", [32, 33, 64])
def test_an_array_of_as_many_dimensions_as_numpy_has_arrives(dimensions):
    value = np.full((1,) * dimensions, 2.5)

    arrived = decode(encode(value, refer), RESOLVE)

    assert (arrived.shape, arrived.item()) == (value.shape, 2.5)


def test_an_empty_array_that_would_be_too_large_otherwise_does_not_cross_either_way():
    with pytest.raises(ValueTransferError, match="too large to be checked"):
        encode(np.empty((2**40, 0)), refer)


# Bytes that stand for more than they are


@pytest.mark.parametrize(
    "node",
    [
        {"t": "bytes", "b": [0, 2**20]},
        {"t": "array", "d": "|u1", "s": [2**20], "b": [0, 2**20]},
        {"t": "array", "d": "<f8", "s": [2**10], "b": [0, 2**13]},
    ],
    ids=["bytes", "array", "part"],
)
def test_a_block_of_bytes_is_one_values_alone(node):
    message = forged({"t": "list", "v": [node] * 2000}, bytes(2**20))

    assert "stands for several values" in refused(message)


@pytest.mark.parametrize("part", ["[]", "{}", "[1]", '{"t":1}'])
def test_a_tree_that_would_fill_the_memory_is_refused_before_it_is_made(part):
    message = forged(b'{"t":"list","v":[' + f"{part},".encode() * 400_001 + b"1]}")

    assert "TooManyParts" in refused(message, Bounds(nodes=100_000))


def test_a_value_of_as_many_parts_as_there_may_be_crosses():
    value = {n: [] for n in range(166)}

    assert decode(encode(value, refer, Bounds(nodes=333)), RESOLVE, Bounds(nodes=333)) == value


# Keys chosen so that a dictionary takes for ever


@pytest.mark.parametrize("kind", ["set", "frozenset", "dict"])
@pytest.mark.parametrize("count", [20_000, 101])
def test_many_keys_of_the_same_hash_are_refused(kind, count):
    keys = [integer(n * SAME_HASH) for n in range(count)]
    message = forged({"t": kind, "v": [[key, {"t": "none"}] for key in keys] if kind == "dict" else keys})

    assert "cannot be told apart" in refused(message)


def test_keys_of_which_a_few_have_the_same_hash_arrive():
    value = {n * SAME_HASH for n in range(50)} | {-1, -2} | set(range(1, 500))

    assert decode(encode(value, refer), RESOLVE) == value


# Whatever else


@pytest.mark.parametrize(
    "tree",
    [
        b"NaN",
        b'{"t":"bool","v":NaN}',
        b'{"t":"float","v":Infinity}',
        b'{"t":"int","v":' + b"1" * 5000 + b"}",
        b'{"t":"list","t":"bool","v":[]}',
        b'{"t":"list","v":' * 400 + b"[]" + b"}" * 400,
        b"[" * 3000 + b"]" * 3000,
        b'\xff{"t":"none"}',
        b'\xef\xbb\xbf{"t":"none"}',
        '{"t":"none"}'.encode("utf-16"),
        b"",
        b"\0",
    ],
)
def test_json_that_is_no_tree_of_values_is_refused(tree):
    refused(forged(tree))


def test_what_a_message_is_refused_for_is_said_in_few_words_whatever_it_holds():
    assert len(refused(forged({"t": "module", "v": "a" * 100_000}))) < 200


def test_a_huge_whole_number_arrives_and_soon():
    begin = time.process_time()

    assert decode(forged({"t": "int", "v": "0x" + "f" * 10**6}), RESOLVE).bit_length() == 4 * 10**6
    assert time.process_time() - begin < 1


scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5)
junk = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner))


@st.composite
def damaged(draw):
    """A valid message, of whose tree one place is something else."""
    value = [1, 2.5, "a", b"b", (True, {3: {4}}), np.arange(6.0).reshape(2, 3), np.float32(1), range(3), None, 1j, math]
    message = encode(value, refer)
    _, length = HEADER.unpack_from(message)
    tree = {"tree": json.loads(message[HEADER.size : HEADER.size + length])}
    places = [(tree, "tree")]
    for container, key in places:
        part = container[key]
        if isinstance(part, list | dict):
            places += [(part, each) for each in (part if isinstance(part, dict) else range(len(part)))]
    container, key = draw(st.sampled_from(places))
    container[key] = draw(junk | st.sampled_from(places).map(lambda place: json.loads(json.dumps(place[0][place[1]]))))
    return forged(tree["tree"], message[HEADER.size + length :])


@settings(max_examples=200)
@given(damaged())
def test_what_is_read_of_a_damaged_message_can_be_written_and_read_again(message):
    try:
        value = decode(message, RESOLVE)
    except ValueTransferError:
        return
    written = encode(value, refer)
    assert encode(decode(written, RESOLVE), refer) == written
