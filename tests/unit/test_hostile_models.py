"""A forged model is refused before it takes time or memory, and leaves nothing behind for the next one."""

from __future__ import annotations

import struct
import time

import keras
import numpy as np
import psutil
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

from autograder.sealed import models
from autograder.sealed.values import ValueTransferError, decode, encode, no_references

RESOLVE = no_references({"reference": lambda _node: refer})
MANY = range(10**12)


def refer(_value):
    return {"t": "reference"}


def dense():
    return keras.Sequential([keras.Input((4,)), layers.Dense(2)])


def message(kind, parts):
    """A message that says that these are the parts of such an object."""
    written = encode(parts, refer)
    length = struct.unpack_from("<4sI", written)[1]
    tree = b'{"t":"%s","v":%s}' % (kind.encode(), written[8 : 8 + length])
    return struct.pack("<4sI", b"AGV1", len(tree)) + tree + written[8 + length :]


def model(**changes):
    """A message with an honest model's parts, but for the changes."""
    return message("model", {**models.to_parts(dense())[1], **changes})


def layer(name, **config):
    return {"class_name": name, "module": "keras.layers", "config": config, "registered_name": None}


def sequential(*configs):
    honest = models.to_parts(dense())[1]["config"]
    return {**honest, "config": {"name": "forged", "layers": [honest["config"]["layers"][0], *configs]}}


def assert_refused(data):
    memory, begin = psutil.Process().memory_info().rss, time.process_time()
    with pytest.raises(ValueTransferError):
        decode(data, RESOLVE)
    assert time.process_time() - begin < 5
    assert psutil.Process().memory_info().rss - memory < 256 * 2**20


@pytest.mark.parametrize(
    "config",
    [
        sequential(layer("Dense", units=10**8)),
        sequential(layer("Dense", units=2**40)),
        sequential(layer("Embedding", input_dim=10**9, output_dim=10)),
        sequential(layer("Dense", units=30_000), layer("Dense", units=30_000)),
        sequential(layer("Dense", units=-1)),
        sequential(layer("RepeatVector", n=2**40)),
    ],
    ids=["large", "larger", "table", "two", "negative", "shape"],
)
def test_a_model_larger_than_the_weights_that_came_with_it_is_refused_before_it_is_there(config):
    assert_refused(model(config=config))


def test_weights_of_a_refused_model_are_not_made_with_the_next_one():
    assert_refused(model(config=sequential(layer("Dense", units=2**40))))

    arrived = decode(model(), RESOLVE)

    assert [tuple(weight.shape) for weight in arrived.weights] == [(4, 2), (2,)]


@pytest.mark.parametrize(
    "data",
    [
        message("tensor", MANY),
        message("tensor", [[1.0]]),
        message("tensor", None),
        message("variable", (MANY, True, "name")),
        message("variable", (np.ones(2), 1, "name")),
        message("variable", (np.ones(2), True, 7)),
        message("keras-variable", (MANY, True, "name")),
        message("keras-variable", [np.ones(2), True, "name"]),
        model(weights=[MANY, np.zeros(2, "f4")]),
        model(weights=(np.zeros((4, 2)), np.zeros(2))),
        model(weights=[np.zeros((4, 2)), [0.0, 0.0]]),
        model(weights=[]),
        model(trainable=[[0]]),
        model(trainable=[1]),
        model(is_compiled=True, compiled={"optimizer": None, "run_eagerly": True}),
        model(is_compiled=True, compiled={"optimizer": None, "steps_per_execution": 10**9}),
        model(compiled=[]),
        model(config=sequential(layer("StringLookup", vocabulary="/etc/hostname"))),
    ],
)
def test_parts_of_another_kind_are_refused_and_nothing_is_made_of_them(data):
    assert_refused(data)


@pytest.mark.parametrize("name", ["tensor", "variable", "keras-variable"])
def test_what_is_forged_above_would_arrive_if_it_were_honest(name):
    array = np.ones(2, "f4")
    kinds = {"tensor": type(tf.constant(0)), "variable": type(tf.Variable(0)), "keras-variable": keras.Variable}

    arrived = decode(message(name, array if name == "tensor" else (array, True, "name")), RESOLVE)

    assert type(arrived) is kinds[name]


@pytest.mark.parametrize(
    "config",
    [
        sequential(*[layer("ReLU")] * 2000),
        sequential(*[sequential(*[layer("ReLU")] * 150)] * 10),
    ],
    ids=["in-a-row", "in-each-other"],
)
def test_a_model_of_thousands_of_layers_which_keras_would_build_for_minutes_is_refused(config):
    assert_refused(model(config=config, weights=[], trainable=[True]))


def test_an_honest_model_that_cannot_be_rebuilt_stays_where_it_is():
    many = keras.Sequential([layers.ReLU() for _ in range(201)])
    with_state = keras.Sequential([keras.Input((5, 2), batch_size=4), layers.LSTM(3, stateful=True)])

    assert [decode(encode(each, refer), RESOLVE) for each in (many, with_state)] == [refer, refer]


junk = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        2**31,
        2**70,
        1.5,
        float("nan"),
        "",
        "relu",
        "a" * 1000,
        [],
        {},
        [None],
        {"class_name": "Dense"},
    ]
)


@settings(max_examples=40)
@given(st.data())
def test_a_configuration_with_anything_in_any_place_is_read_or_refused(data):
    parts = models.to_parts(dense())[1]
    places = [(parts, name) for name in ("config", "compiled", "is_compiled", "trainable")]
    for container, key in places:
        part = container[key]
        if isinstance(part, list | dict):
            places += [(part, each) for each in (part if isinstance(part, dict) else range(len(part)))]
    container, key = data.draw(st.sampled_from(places))
    container[key] = data.draw(junk)

    try:
        arrived = decode(message("model", parts), RESOLVE)
    except ValueTransferError:
        return
    assert type(arrived) is keras.Sequential
