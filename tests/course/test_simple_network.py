"""The figures of 03_simple_network, worked out anew, and its event files, read by TensorBoard's own reader."""

from __future__ import annotations

import math

import numpy as np
import pytest

from .answers import answers

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorboard.*")


@pytest.fixture(scope="module")
def student():
    cells = ("prepare", "make_parameters", "logits", "cross_entropy", "sgd_step", "train", "write_log")
    return answers("03_simple_network", "setup", *cells)


@pytest.fixture(scope="module")
def tf():
    return pytest.importorskip("tensorflow")


def test_the_network_has_5002_parameters_by_formula_in_the_notebook_and_in_keras(student):
    import keras

    weights, bias = student["make_parameters"](2500, 2, 1)
    model = keras.Sequential([keras.Input((2500,)), keras.layers.Dense(2)])
    assert 2500 * 2 + 2 == student["count_parameters"]([weights, bias]) == model.count_params() == 5002


def test_keras_with_the_same_weights_gives_the_same_scores_loss_and_step(student, tf):
    import keras

    rng = np.random.default_rng(3)
    x = rng.random((32, 50, 50, 1)).astype("float32")
    y = np.eye(2, dtype="float32")[rng.integers(0, 2, 32)]
    weights, bias = student["make_parameters"](2500, 2, 1)
    layers = [keras.Input((50, 50, 1)), keras.layers.Flatten(), keras.layers.Dense(2)]
    model = keras.Sequential(layers)
    model.set_weights([weights.numpy(), bias.numpy()])
    model.compile(keras.optimizers.SGD(0.001), keras.losses.CategoricalCrossentropy(from_logits=True))
    rows = tf.reshape(x, (32, -1))
    assert student["logits"](rows, weights, bias).numpy() == pytest.approx(
        model.predict(x, verbose=0), rel=1e-3, abs=1e-3
    )
    loss = float(student["sgd_step"](weights, bias, rows, tf.constant(y), 0.001))
    assert loss == pytest.approx(model.train_on_batch(x, y), rel=1e-3)
    for ours, theirs in zip((weights, bias), model.get_weights(), strict=True):
        assert ours.numpy() == pytest.approx(theirs, abs=1e-4)


def test_1200_pictures_make_37_batches_and_leave_16(student, tf):
    assert divmod(1200, 32) == (37, 16)
    weights, bias = student["make_parameters"](4, 2, 1)
    losses = student["train"](weights, bias, tf.ones((1200, 4)), tf.one_hot([0] * 1200, 2), 2, 32, 0.001)
    assert len(losses) == 74


def test_the_example_of_the_cross_entropy_costs_what_the_text_says(student, tf):
    first, second = -math.log(1 / 4), -math.log(3 / 4)
    assert (round(first, 4), round(second, 4), round((first + second) / 2, 4)) == (1.3863, 0.2877, 0.8370)
    z = tf.constant([[0.0, math.log(3)], [0.0, math.log(3)]])
    assert float(student["cross_entropy"](z, tf.constant([[1.0, 0.0], [0.0, 1.0]]))) == pytest.approx(0.8370, abs=5e-5)


def test_beginning_at_zero_the_first_loss_is_ln_2(student, tf):
    zero = tf.Variable(tf.zeros((3, 2))), tf.Variable(tf.zeros(2))
    (loss,) = student["train"](*zero, tf.ones((5, 3)), tf.one_hot([0, 1, 0, 1, 1], 2), 1, 5, 0.1)
    assert loss == pytest.approx(math.log(2))


def test_tensorboards_own_reader_finds_the_curve_and_the_graph(student, tf, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    losses = [0.75, 0.5, 0.25, 0.125]
    weights, bias = student["make_parameters"](6, 2, 1)
    student["log_losses"](str(tmp_path), losses)
    student["log_graph"](str(tmp_path), weights, bias, tf.ones((3, 6)), tf.one_hot([0, 1, 1], 2))
    found = EventAccumulator(str(tmp_path), size_guidance={"tensors": 0}).Reload()
    points = [(event.step, float(tf.make_ndarray(event.tensor_proto))) for event in found.Tensors("loss")]
    assert points == list(enumerate(losses))
    assert "sgd_step" in found.Tags()["tensors"]
    (graph,) = found.Tensors("sgd_step")
    assert b"MatMul" in graph.tensor_proto.string_val[0]
