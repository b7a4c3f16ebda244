"""Keras objects by value: what is rebuilt, what of it is kept, and which models stay with the candidate."""

from __future__ import annotations

import functools
import json
import struct

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from autograder.sealed import models
from autograder.sealed.values import ValueTransferError, decode, encode, no_references

REFERENCE = object()
RESOLVE = no_references({"reference": lambda _node: REFERENCE})


def refer(_value):
    return {"t": "reference"}


def crossed(value):
    return decode(encode(value, refer), RESOLVE)


def assert_same_model(arrived, model):
    """The same layers with the same settings, weights and flags, and the same outputs."""
    assert type(arrived) is type(model)
    # As JSON, to which a tuple is a list.
    assert json.dumps(arrived.get_config()) == json.dumps(model.get_config())
    assert [layer.trainable for layer in arrived._flatten_layers()] == [
        layer.trainable for layer in model._flatten_layers()
    ]
    for here, there in zip(arrived.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(here, there)
    x = np.random.default_rng(0).normal(size=(3, *model.input_shape[1:])).astype("float32")
    for here, there in zip(as_list(arrived(x, training=False)), as_list(model(x, training=False)), strict=True):
        np.testing.assert_array_equal(here, there)


def as_list(outputs):
    return outputs if isinstance(outputs, list) else [outputs]


def dense(*hidden, **options):
    return keras.Sequential([keras.Input((4,)), *hidden, layers.Dense(2, **options)])


def functional():
    inputs = keras.Input((4,))
    shared = layers.Dense(4, activation="relu")
    left, right = shared(inputs), shared(inputs * 2.0)
    return keras.Model(inputs, [layers.Add()([left, right]) - 1.0, layers.Concatenate()([left, right])[:, 1:3]])


def with_statistics():
    model = dense(layers.BatchNormalization())
    model.layers[0].moving_mean.assign([1.0, 2.0, 3.0, 4.0])
    return model


def with_adapted_normalization():
    normalization = layers.Normalization()
    normalization.adapt(np.random.default_rng(1).normal(3, 2, size=(50, 4)))
    return dense(normalization)


def nested():
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4), layers.BatchNormalization()], name="inner")
    inner.trainable = False
    inputs = keras.Input((4,))
    middle = keras.Model(inputs, layers.Dense(4)(inner(inputs)), name="middle")
    return dense(middle)


def convolutional():
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Rescaling(1 / 255),
            layers.RandomFlip(),
            layers.Conv2D(3, 3, padding="same", kernel_regularizer="l2"),
            layers.MaxPooling2D(),
            layers.Dropout(0.5),
            layers.Flatten(),
            layers.Dense(2, activation=keras.activations.softmax, kernel_initializer=keras.initializers.HeNormal(3)),
        ]
    )


def recurrent():
    return keras.Sequential([keras.Input((5, 2)), layers.Bidirectional(layers.LSTM(3)), layers.Dense(1)])


def initialised_with_an_array():
    return dense(bias_initializer=keras.initializers.Constant(np.array([1.0, 2.0])))


# What crosses


@pytest.mark.parametrize(
    "build",
    [
        dense,
        functional,
        with_statistics,
        with_adapted_normalization,
        nested,
        convolutional,
        recurrent,
        initialised_with_an_array,
        lambda: dense(layers.Normalization(mean=1.0, variance=4.0)),
        lambda: dense(activation=tf.nn.relu),
        lambda: dense(dtype="mixed_bfloat16"),
    ],
)
def test_a_model_of_keras_own_layers_arrives_the_same(build):
    model = build()

    assert_same_model(crossed(model), model)


def test_a_model_that_is_not_built_yet_arrives_unbuilt():
    arrived = crossed(keras.Sequential([layers.Dense(3), layers.Dense(2)]))

    assert not arrived.built
    assert [layer.units for layer in arrived.layers] == [3, 2]


def test_the_weights_that_arrive_are_a_copy():
    model = dense()
    arrived = crossed(model)
    arrived.layers[0].kernel.assign(np.zeros((4, 2)))

    assert np.any(model.layers[0].kernel)


def test_frozen_layers_arrive_frozen():
    model = dense(layers.Dense(3), layers.BatchNormalization(), layers.Dense(3))
    model.layers[0].trainable = model.layers[1].trainable = False

    assert [layer.trainable for layer in crossed(model).layers] == [False, False, True, True]


def test_a_frozen_model_arrives_frozen_though_the_configuration_does_not_say_so():
    model = dense(layers.Dense(3))
    model.trainable = False

    assert crossed(model).trainable is False
    assert crossed(model).trainable_weights == []


def test_a_layer_thawed_in_a_frozen_model_arrives_thawed():
    model = dense(layers.Dense(3))
    model.trainable = False
    model.layers[1].trainable = True

    assert [layer.trainable for layer in crossed(model).layers] == [False, True]


def test_a_model_in_a_list_and_in_a_dictionary_arrives():
    model = dense()
    arrived = crossed([{"best": (model, 0.9)}])

    assert_same_model(arrived[0]["best"][0], model)


# Compile settings


def test_the_compile_settings_arrive_and_evaluate_the_same():
    model = dense(activation="softmax")
    model.compile(
        optimizer=keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True, clipnorm=1.0),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=False),
        metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(k=1, name="top")],
    )
    x, y = np.random.default_rng(0).normal(size=(20, 4)), np.arange(20) % 2

    arrived = crossed(model)

    assert arrived.optimizer.get_config() == model.optimizer.get_config()
    assert arrived.evaluate(x, y, verbose=0, return_dict=True) == model.evaluate(x, y, verbose=0, return_dict=True)


def test_a_learning_rate_changed_after_compile_arrives_changed():
    model = dense()
    model.compile(optimizer="adam", loss="mse")
    model.optimizer.learning_rate = 0.02

    assert float(crossed(model).optimizer.learning_rate) == pytest.approx(0.02)


def test_a_learning_rate_schedule_arrives():
    model = dense()
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, decay_steps=10, decay_rate=0.9)
    model.compile(optimizer=keras.optimizers.Adam(schedule), loss="mse")

    assert crossed(model).optimizer.get_config() == model.optimizer.get_config()


def test_losses_and_metrics_given_as_keras_functions_arrive():
    model = dense()
    model.compile(loss=keras.losses.mean_squared_error, metrics=[keras.metrics.mean_absolute_error])
    x, y = np.ones((3, 4)), np.ones((3, 2))

    arrived = crossed(model)

    assert arrived.loss is keras.losses.mean_squared_error
    assert set(arrived.evaluate(x, y, verbose=0, return_dict=True)) == {"loss", "mean_absolute_error"}


def own_loss(y, predicted):
    return tf.reduce_mean(tf.square(y - predicted))


@pytest.mark.parametrize("loss", [own_loss, functools.partial(own_loss)], ids=["a-function", "a-partial"])
def test_a_loss_of_the_students_own_stays_behind_and_the_optimizer_arrives(loss):
    model = dense()
    model.compile(optimizer=keras.optimizers.Adam(0.3), loss=loss)

    arrived = crossed(model)

    assert (arrived.compiled, arrived.loss) == (True, None)
    assert float(arrived.optimizer.learning_rate) == pytest.approx(0.3)


class OwnOptimizer(keras.optimizers.SGD):
    pass


class Nameless(keras.optimizers.SGD):
    def get_config(self):
        raise AttributeError("none")


@pytest.mark.parametrize("kind", [OwnOptimizer, Nameless])
def test_with_an_optimizer_of_the_students_own_a_model_arrives_uncompiled(kind):
    model = dense()
    model.compile(optimizer=kind(0.5), loss="mse")

    arrived = crossed(model)

    assert_same_model(arrived, model)
    assert not arrived.compiled


# What stays where it is


class Twice(layers.Layer):
    def call(self, x):
        return x * 2


@keras.saving.register_keras_serializable(package="student", name="Dense")
class LooksLikeDense(layers.Layer):
    def call(self, x):
        return x


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.only = layers.Dense(2)

    def call(self, x):
        return self.only(x)


class SubclassedFunctional(keras.Model):
    pass


def own_activation(x):
    return x


def subclassed():
    model = Subclassed()
    model(np.ones((1, 4)))
    return model


def subclassed_functional():
    inputs = keras.Input((4,))
    return SubclassedFunctional(inputs, layers.Dense(2)(inputs))


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
@pytest.mark.parametrize(
    "build",
    [
        lambda: dense(layers.Lambda(lambda x: x * 2)),
        lambda: dense(Twice()),
        lambda: dense(LooksLikeDense()),
        lambda: dense(activation=lambda x: x),
        lambda: dense(activation=own_activation),
        lambda: dense(dense(Twice())),
        subclassed,
        subclassed_functional,
        Twice,
        lambda: layers.Dense(3),
        keras.optimizers.Adam,
        keras.losses.MeanSquaredError,
    ],
    ids=[
        "lambda-layer",
        "own-layer",
        "own-layer-named-like-keras-own",
        "lambda-activation",
        "own-activation",
        "own-layer-in-a-nested-model",
        "subclassed",
        "subclassed-functional",
        "own-layer-alone",
        "layer-alone",
        "optimizer-alone",
        "loss-alone",
    ],
)
def test_a_model_with_code_of_the_students_own_and_a_part_of_a_model_become_references(build):
    assert crossed(build()) is REFERENCE


# Tensors, variables, histories


@pytest.mark.parametrize(
    "tensor",
    [
        tf.constant([[1.0, 2.0]]),
        tf.constant(3),
        tf.constant([True, False]),
        tf.constant(1 + 2j),
        tf.constant([1.5], tf.bfloat16),
        tf.zeros((0, 3), tf.int8),
        tf.constant("text"),
    ],
    ids=lambda tensor: f"{tensor.dtype.name}-{tensor.shape}",
)
def test_a_tensor_arrives_as_a_tensor(tensor):
    arrived = crossed(tensor)

    assert type(arrived) is type(tensor)
    assert (arrived.dtype, arrived.shape) == (tensor.dtype, tensor.shape)
    np.testing.assert_array_equal(arrived.numpy(), tensor.numpy())


def test_a_variable_arrives_as_a_variable_with_its_name_and_flag():
    arrived = crossed(tf.Variable([1, 2], name="steps", trainable=False, dtype=tf.int64))

    assert isinstance(arrived, tf.Variable)
    assert (arrived.name, arrived.trainable, arrived.dtype) == ("steps:0", False, tf.int64)
    assert arrived.numpy().tolist() == [1, 2]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int32"])
def test_a_keras_variable_arrives_as_one(dtype):
    arrived = crossed(keras.Variable(np.array([1, 2]), name="kernel", trainable=False, dtype=dtype))

    assert type(arrived) is keras.Variable
    assert (arrived.name, arrived.trainable, arrived.dtype) == ("kernel", False, dtype)
    assert np.asarray(arrived).tolist() == [1, 2]


@pytest.mark.parametrize(
    "value",
    [tf.constant(["a", "b"]), tf.Variable(["a"]), tf.ragged.constant([[1], [2, 3]]), tf.sparse.eye(2)],
    ids=["texts", "text-variable", "ragged", "sparse"],
)
def test_a_tensor_that_is_no_array_of_numbers_becomes_a_reference(value):
    assert crossed(value) is REFERENCE


def test_a_history_arrives_with_what_it_recorded():
    model = dense()
    model.compile(loss="mse", metrics=["mae"])
    history = model.fit(np.ones((8, 4)), np.ones((8, 2)), epochs=3, verbose=0)

    arrived = crossed(history)

    assert type(arrived) is keras.callbacks.History
    assert (arrived.history, arrived.epoch, arrived.params) == (history.history, history.epoch, history.params)
    assert len(arrived.history["mae"]) == 3


def test_a_history_subclass_is_not_a_history():
    kind = type("History", (keras.callbacks.History,), {})

    assert crossed(kind()) is REFERENCE


# What nobody vouches for


def plain(_value):
    raise AssertionError("a configuration is plain")


def forged(**changes):
    """A message with an honest model's parts, but for the changes."""
    kind, parts = models.to_parts(dense())
    message = encode({**parts, **changes}, plain)
    length = struct.unpack_from("<4sI", message)[1]
    tree = b'{"t":"%s","v":%s}' % (kind.encode(), message[8 : 8 + length])
    return struct.pack("<4sI", b"AGV1", len(tree)) + tree + message[8 + length :]


def sequential(*configs, **changes):
    """A forged Sequential's configuration."""
    honest = models.to_parts(dense())[1]["config"]
    return {**honest, "config": {"name": "forged", "layers": [honest["config"]["layers"][0], *configs]}, **changes}


def layer(name, module="keras.layers", config=None, **more):
    return {"class_name": name, "module": module, "config": config or {}, "registered_name": None, **more}


CODE = ["4wAAAAAAAAAA", None, None]


def test_what_is_forged_below_would_be_read_if_it_were_honest():
    config = sequential(layer("Dense", config={"units": 2}))

    assert [type(each) for each in decode(forged(config=config), RESOLVE).layers] == [layers.Dense]


@pytest.mark.parametrize(
    "config",
    [
        sequential(layer("Lambda", config={"function": {"class_name": "__lambda__", "config": {"value": CODE}}})),
        sequential(layer("Dense", config={"units": 2, "activation": {"class_name": "__lambda__", "config": CODE}})),
        sequential(layer("Dense", config={"units": 2, "activation": {"value": CODE}})),
        sequential(layer("TFSMLayer", config={"filepath": "/tmp/model"})),
        sequential(layer("system", "os")),
        sequential(layer("Popen", "subprocess", {"args": ["true"]})),
        sequential(layer("Dense", "student", {"units": 2})),
        sequential(layer("Dense", None, {"units": 2})),
        sequential(layer("Dense", config={"units": 2}, registered_name="student>Dense")),
        sequential(layer("function", "os", "system", registered_name="function")),
        sequential(layer("Dense", config={"units": 2, "activation": layer("function", "keras.utils", "get_file")})),
        sequential(layer("Dense", config={"units": 2, "activation": layer("function", "builtins", "eval")})),
        sequential(layer("Dense", config={"units": 2, "activation": layer("function", "keras", "__loader__")})),
        sequential(layer("load_model", "keras.models", {"filepath": "/tmp/model.keras"})),
        sequential(layer("Sequential", "keras.src.utils.file_utils")),
        sequential(layer("__typespec__", "tensorflow", [], spec_name="TensorSpec")),
        sequential(layer(["Dense"])),
        layer("Dense", config={"units": 2}),
        layer("Adam", "keras.optimizers"),
        {"class_name": "Sequential"},
        {},
        [],
        7,
    ],
)
def test_a_configuration_with_anything_that_is_not_keras_own_is_refused(config):
    with pytest.raises(ValueTransferError):
        decode(forged(config=config), RESOLVE)


@pytest.mark.parametrize(
    "changes",
    [
        {"weights": [np.zeros((4, 3)), np.zeros(2)]},
        {"weights": [np.zeros((4, 2))]},
        {"weights": ["a", "b"]},
        {"trainable": [True]},
        {"is_compiled": True, "compiled": {"optimizer": layer("system", "os")}},
        {"is_compiled": True, "compiled": {"run_eagerly": 1, "unknown": 2}},
        {"unknown": 1},
    ],
)
def test_parts_that_do_not_fit_each_other_are_refused(changes):
    with pytest.raises(ValueTransferError):
        decode(forged(**changes), RESOLVE)


@pytest.mark.parametrize(
    "message",
    [
        {"t": "tensor", "v": {"t": "dict", "v": []}},
        {"t": "variable", "v": {"t": "list", "v": []}},
        {"t": "keras-variable", "v": {"t": "none"}},
        {"t": "history", "v": {"t": "list", "v": []}},
        {"t": "history", "v": {"t": "dict", "v": [[{"t": "str", "v": "model"}, {"t": "none"}]]}},
        {"t": "model", "v": {"t": "dict", "v": []}},
    ],
)
def test_a_kind_with_the_wrong_parts_is_refused(message):
    tree = json.dumps(message).encode()

    with pytest.raises(ValueTransferError):
        decode(struct.pack("<4sI", b"AGV1", len(tree)) + tree, RESOLVE)
