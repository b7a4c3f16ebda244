"""The blocks and figures of 13_architectures: each by a formula of its own and by Keras."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from autograder.notebook import nbgrader_metadata, read_notebook

from .conftest import COURSE


@cache
def notebook():
    """The reference's answers."""
    (source,) = COURSE.assignment("13_architectures").notebooks
    names = {"keras": keras, "np": np, "tf": tf}
    for cell in read_notebook(source.path).cells:
        if nbgrader_metadata(cell).get("solution"):
            exec(cell.source, names)
    return SimpleNamespace(**{name: value for name, value in names.items() if not name.startswith("__")})


def counts(model):
    return [layer.count_params() for layer in model.layers if layer.count_params()]


def normalisation(channels):
    """Gamma, beta and two moving averages for each channel."""
    return 4 * channels


def test_lenet5_has_61_706_parameters_tanh_and_average_pooling():
    model = notebook().build_lenet5()
    by_formula = [6 * (5 * 5 + 1), 16 * (5 * 5 * 6 + 1), 401 * 120, 121 * 84, 85 * 10]
    activations = [layer.activation.__name__ for layer in model.layers if hasattr(layer, "activation")]

    assert counts(model) == by_formula == [156, 2_416, 48_120, 10_164, 850]
    assert model.count_params() == 61_706
    assert activations == ["tanh"] * 4 + ["softmax"]
    assert sum(isinstance(layer, keras.layers.AveragePooling2D) for layer in model.layers) == 2


def test_vgg_blocks_are_those_of_vgg16():
    with keras.StatelessScope(initialize_variables=False):
        theirs = keras.applications.VGG16(weights=None, include_top=False, input_shape=(224, 224, 3))
        blocks = [notebook().vgg_block((224, 224, 3), 64, 2), notebook().vgg_block((56, 56, 128), 256, 3)]
    try:
        for block, name in zip(blocks, ("block1", "block3"), strict=True):
            layers = [layer for layer in theirs.layers if layer.name.startswith(name)]
            assert [layer.count_params() for layer in block.layers] == [layer.count_params() for layer in layers]
            assert [layer.output.shape for layer in block.layers] == [layer.output.shape for layer in layers]
    finally:
        keras.utils.clear_session()


def test_the_batch_of_the_text_by_hand():
    one = np.ones(1)
    x = np.array([[1.0], [1.0], [5.0], [5.0]])
    y, mean, variance = notebook().batch_norm_training(x, 3 * one, 10 * one, 0 * one, one, momentum=0.9, epsilon=0.0)

    assert y.ravel().tolist() == [7, 7, 13, 13]
    assert (mean, variance) == (pytest.approx(0.3), pytest.approx(1.3))


@pytest.mark.parametrize("shape", [(8, 3), (6, 5, 4, 3)])
def test_batch_normalisation_is_that_of_keras(shape):
    rng = np.random.default_rng(1)
    x = rng.normal(2, 3, shape).astype("float32")
    layer = keras.layers.BatchNormalization(momentum=0.8, epsilon=0.02)
    layer.build(shape)
    weights = [rng.random(3).astype("float32") + 0.5 for _ in range(4)]
    layer.set_weights(weights)
    afterwards = np.asarray(layer(x, training=False))
    y, mean, variance = notebook().batch_norm_training(x, *weights, momentum=0.8, epsilon=0.02)

    np.testing.assert_allclose(notebook().batch_norm_inference(x, *weights, epsilon=0.02), afterwards, atol=1e-4)
    np.testing.assert_allclose(np.asarray(layer(x, training=True)), y, atol=1e-4)
    np.testing.assert_allclose(np.asarray(layer.moving_mean), mean, atol=1e-4)
    np.testing.assert_allclose(np.asarray(layer.moving_variance), variance, atol=1e-3)


@pytest.mark.parametrize("channels", [4, 16, 64])
def test_identity_blocks(channels):
    model = notebook().identity_block((8, 8, channels))

    assert counts(model) == [9 * channels**2, normalisation(channels)] * 2
    assert model.output_shape == (None, 8, 8, channels)


@pytest.mark.parametrize(("channels", "filters", "stride"), [(4, 5, 2), (64, 128, 2), (8, 8, 1)])
def test_projection_blocks(channels, filters, stride):
    model = notebook().projection_block((28, 28, channels), filters, stride)
    main = 9 * channels * filters + 9 * filters**2 + 2 * normalisation(filters)
    shortcut = channels * filters + normalisation(filters)

    assert model.count_params() == main + shortcut
    assert model.output_shape == (None, 28 // stride, 28 // stride, filters)


def test_three_ways_from_64_maps_of_28x28_to_128_of_14x14():
    found = notebook()
    shape = (28, 28, 64)
    vgg = 128 * (9 * 64 + 1) + 128 * (9 * 128 + 1)
    residual = 9 * 64 * 128 + 9 * 128**2 + 64 * 128 + 3 * 4 * 128
    separable = 9 * 64 + 4 * 64 + 64 * 128 + 4 * 128

    assert found.vgg_block(shape, 128, 2).count_params() == vgg == 221_440
    assert found.projection_block(shape, 128, 2).count_params() == residual == 230_912
    assert found.separable_block(shape, 128, 2).count_params() == separable == 9_536


def test_a_shortcut_costs_no_parameter():
    plain, residual = (notebook().deep_network(20, shortcuts) for shortcuts in (False, True))

    assert plain.count_params() == residual.count_params() == 8 * 10 + 20 * 8 * (9 * 8 + 1) + 9 * 2 == 11_778


def test_gradient_norms_are_those_of_differences():
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(3, activation="tanh"),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(5, 4)).astype("float32"), np.array([0, 1, 1, 0, 1])

    def loss():
        return -np.mean(np.log(np.asarray(model(x))[np.arange(5), y]))

    by_differences = []
    for layer in model.layers:
        kernel, bias = layer.get_weights()
        squares = 0.0
        for place in np.ndindex(kernel.shape):
            values = []
            for step in (1e-2, -1e-2):
                moved = kernel.copy()
                moved[place] += step
                layer.set_weights([moved, bias])
                values.append(loss())
            squares += ((values[0] - values[1]) / 2e-2) ** 2
        layer.set_weights([kernel, bias])
        by_differences.append(squares**0.5)

    assert notebook().gradient_norms(model, x, y) == pytest.approx(by_differences, rel=1e-2)
