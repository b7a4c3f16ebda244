"""The figures of 09_cifar10: each from a formula and from Keras both."""

from __future__ import annotations

import numpy as np
import pytest

from .answers import answers

CELLS = ("setup", "given_optimizers", "build_mlp", "build_cnn", "build_helped", "momentum", "adam", "compare")


@pytest.fixture(scope="module")
def cifar10():
    """What the cells of the master define, by name."""
    return answers("09_cifar10", *CELLS)


def conv(channels, filters, size=3):
    return filters * (size * size * channels + 1)


def dense(inputs, neurons):
    return (inputs + 1) * neurons


def counts(model):
    return [layer.count_params() for layer in model.layers if layer.count_params()]


@pytest.mark.parametrize(
    ("shape", "by_layer", "total"),
    [((28, 28), [78_500, 5_050, 510], 84_060), ((32, 32, 3), [307_300, 5_050, 510], 312_860)],
    ids=["digits", "cifar10"],
)
def test_the_network_of_07_has_84_060_parameters_for_digits_and_312_860_for_colour_pictures(
    cifar10, shape, by_layer, total
):
    formula = [dense(int(np.prod(shape)), 100), dense(100, 50), dense(50, 10)]

    assert formula == counts(cifar10["build_mlp"](shape)) == by_layer
    assert sum(by_layer) == total


def test_the_cnn_has_122_570_parameters_and_the_shapes_of_the_table(cifar10):
    model = cifar10["build_cnn"]()
    formula = [conv(3, 32), conv(32, 64), conv(64, 64), dense(4 * 4 * 64, 64), dense(64, 10)]

    assert formula == counts(model) == [896, 18_496, 36_928, 65_600, 650]
    assert sum(formula) == model.count_params() == 122_570
    assert [tuple(layer.output.shape[1:]) for layer in model.layers] == [
        (30, 30, 32),
        (15, 15, 32),
        (13, 13, 64),
        (6, 6, 64),
        (4, 4, 64),
        (1024,),
        (64,),
        (10,),
    ]


def test_colour_makes_the_first_convolution_larger_and_nothing_else():
    assert (conv(1, 32), conv(3, 32)) == (320, 896)
    assert dense(784, 100) == 78_500


def test_batch_normalisation_adds_640_numbers_half_of_which_no_slope_changes(cifar10):
    model = cifar10["build_helped"](batch_norm=True)
    still = sum(int(np.prod(weight.shape)) for weight in model.non_trainable_weights)

    assert model.count_params() == 122_570 + 4 * (32 + 64 + 64) == 123_210
    assert still == 2 * (32 + 64 + 64) == 320


def test_without_any_help_it_is_the_plain_network(cifar10):
    plain, helped = cifar10["build_cnn"](), cifar10["build_helped"]()
    helped.set_weights(plain.get_weights())
    x = np.random.default_rng(1).random((3, 32, 32, 3)).astype("float32")

    assert np.asarray(helped(x)) == pytest.approx(np.asarray(plain(x)), abs=1e-5)


def test_the_lectures_smaller_cnn_has_45_706_parameters():
    import keras

    layers = keras.layers
    stages = []
    for filters in (8, 16):
        stages += [layers.Conv2D(filters, 3, padding="same") for _ in range(2)] + [layers.MaxPooling2D(2)]
    model = keras.Sequential([keras.Input((32, 32, 3)), *stages, layers.Flatten(), layers.Dense(40), layers.Dense(10)])
    formula = [conv(3, 8), conv(8, 8), conv(8, 16), conv(16, 16), dense(8 * 8 * 16, 40), dense(40, 10)]

    assert counts(model) == formula
    assert sum(formula) == 45_706


@pytest.mark.parametrize("name", ["sgd", "momentum", "rmsprop", "adam"])
def test_the_moves_by_hand_are_those_of_keras(cifar10, name):
    import keras

    optimizer = {
        "sgd": keras.optimizers.SGD(0.05),
        "momentum": keras.optimizers.SGD(0.05, momentum=0.9),
        "rmsprop": keras.optimizers.RMSprop(0.05, rho=0.9),
        "adam": keras.optimizers.Adam(0.05),
    }[name]
    slopes = np.random.default_rng(2).normal(0, 3, (12, 4))
    weights = keras.Variable(np.zeros(4), dtype="float32")
    places = [np.zeros(4)]
    for slope in slopes:
        optimizer.apply([keras.ops.convert_to_tensor(slope, "float32")], [weights])
        places.append(np.asarray(weights))

    assert cifar10[name](slopes, 0.05) == pytest.approx(np.diff(places, axis=0), rel=1e-3, abs=1e-5)


def test_the_worked_examples_of_the_text(cifar10):
    assert cifar10["momentum"]([1, 1, 1], 0.1) == pytest.approx([-0.1, -0.19, -0.271])
    # Slopes that agree make a step up to 1 / (1 - 0.9) = 10 times as long.
    assert cifar10["momentum"](np.ones(300), 0.1)[-1] == pytest.approx(-0.1 / (1 - 0.9))
    for slope in (1.0, 250.0):
        assert cifar10["adam"](np.full(3, slope), 0.1) == pytest.approx([-0.1] * 3)


def test_what_was_published_of_raw_and_scaled_pixels_is_a_clear_difference(cifar10):
    difference, uncertainty = cifar10["compare"]([0.551, 0.532], [0.464, 0.488])

    assert difference == pytest.approx((0.551 + 0.532) / 2 - (0.464 + 0.488) / 2) == pytest.approx(0.0655)
    # Of two values the variance is half the square of their distance.
    assert uncertainty == pytest.approx(np.sqrt((0.019**2 + 0.024**2) / 4)) == pytest.approx(0.0153, abs=5e-5)
    assert difference > 4 * uncertainty


def test_what_was_published_of_dropout_is_none(cifar10):
    plain, dropout = [0.568, 0.604], [0.560, 0.632]
    difference, uncertainty = cifar10["compare"](dropout, plain)

    assert max(plain) - min(plain) == pytest.approx(0.036)
    assert (max(dropout) - min(plain), min(dropout) - max(plain)) == pytest.approx((0.064, -0.044))
    assert difference < 2 * uncertainty
