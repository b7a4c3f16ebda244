"""The figures of 07_mnist: each from a formula and from Keras, or from the definition."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from benchmarks import published

from .answers import answers

CELLS = (
    *("setup", "prepare", "negative_log_likelihood", "build_dense", "build_cnn"),
    *("confusion", "worst_mistakes", "permute_pixels", "move_weights"),
)


@pytest.fixture(scope="module")
def mnist():
    """What the cells of the master define, by name."""
    return answers("07_mnist", *CELLS)


def by_layer(model):
    return [layer.count_params() for layer in model.layers if layer.count_params()]


@pytest.mark.parametrize(
    ("hidden", "counts", "total"),
    [
        ([], [7_850], 7_850),
        ([100, 50], [78_500, 5_050, 510], 84_060),
        ([512, 256, 128], [401_920, 131_328, 32_896, 1_290], 567_434),
    ],
    ids=["no hidden layer", "100-50", "512-256-128"],
)
def test_the_parameters_of_the_fully_connected_networks_by_formula_and_in_keras(mnist, hidden, counts, total):
    widths = [28 * 28, *hidden, 10]

    assert [(inputs + 1) * neurons for inputs, neurons in pairwise(widths)] == counts
    assert by_layer(mnist["build_dense"](hidden, "relu")) == counts
    assert sum(counts) == total


def test_the_cnn_has_127_138_parameters_of_which_1_248_are_in_its_convolutions(mnist):
    model = mnist["build_cnn"]()

    assert by_layer(model) == [8 * (9 + 1), 16 * (9 * 8 + 1), (14 * 14 * 16 + 1) * 40, (40 + 1) * 10]
    assert by_layer(model) == [80, 1_168, 125_480, 410]
    assert sum(by_layer(model)) == model.count_params() == 127_138
    assert sum(by_layer(model)[:2]) == 1_248
    assert [tuple(layer.output.shape)[1:] for layer in model.layers] == [
        (28, 28, 8),
        (28, 28, 16),
        (14, 14, 16),
        (3136,),
        (40,),
        (10,),
    ]


def test_the_lenet_5_of_the_experiment_has_61_706_on_32_x_32():
    model = published.lenet5()

    assert by_layer(model) == [6 * 26, 16 * (25 * 6 + 1), (5 * 5 * 16 + 1) * 120, 121 * 84, 85 * 10]
    assert by_layer(model) == [156, 2_416, 48_120, 10_164, 850]
    assert model.count_params() == 61_706
    assert published.padded(np.zeros((2, 28, 28), "uint8")).shape == (2, 32, 32, 1)


def test_the_loss_is_kerass_from_one_hot_and_from_whole_numbers(mnist):
    import keras

    rng = np.random.default_rng(0)
    probability, truth = rng.dirichlet(np.ones(10), 50), rng.integers(0, 10, 50)

    loss = mnist["negative_log_likelihood"](probability, truth)

    one_hot = keras.utils.to_categorical(truth, 10)
    assert loss == pytest.approx(float(np.mean(-np.sum(one_hot * np.log(probability), axis=1))))
    assert loss == pytest.approx(float(np.mean(keras.losses.categorical_crossentropy(one_hot, probability))), rel=1e-5)
    assert loss == pytest.approx(
        float(np.mean(keras.losses.sparse_categorical_crossentropy(truth, probability))), rel=1e-5
    )


def test_who_knows_nothing_pays_2_30_and_who_is_sure_and_wrong_16_at_most(mnist):
    loss = mnist["negative_log_likelihood"]

    assert round(loss(np.full((7, 10), 0.1), np.arange(7)), 2) == round(float(np.log(10)), 2) == 2.30
    assert loss(np.eye(10)[[3]], np.array([3])) == 0
    assert loss(np.eye(10)[[3]], np.array([4])) == pytest.approx(-np.log(1e-7))
    assert round(loss(np.array([[0.7, 0.2, 0.1], [0.1, 0.5, 0.4]]), np.array([0, 2])), 3) == 0.636


def test_moved_weights_say_of_shuffled_pictures_what_the_old_ones_said_of_plain_ones(mnist):
    rng = np.random.default_rng(1)
    pictures, order = rng.random((20, 28, 28, 1)).astype("float32"), rng.permutation(784)
    model, moved = mnist["build_dense"]([100, 50], "relu"), mnist["build_dense"]([100, 50], "relu")
    kernel, *others = model.get_weights()
    moved.set_weights([mnist["move_weights"](kernel, order), *others])

    shuffled = mnist["permute_pixels"](pictures, order)

    assert np.asarray(moved(shuffled)) == pytest.approx(np.asarray(model(pictures)), abs=1e-5)
    assert not np.allclose(np.asarray(model(shuffled)), np.asarray(model(pictures)), atol=1e-3)


def test_a_shuffle_loses_nothing_and_can_be_undone(mnist):
    rng = np.random.default_rng(2)
    pictures, order = rng.integers(0, 256, (4, 28, 28, 1)).astype("uint8"), rng.permutation(784)

    back = mnist["permute_pixels"](mnist["permute_pixels"](pictures, order), np.argsort(order))

    assert np.array_equal(back, pictures)


def test_the_published_table_has_the_networks_of_the_notebook(mnist):
    networks = {entry.name: entry for entry in published.ENTRIES if entry.assignment == "07_mnist"}

    assert networks["no hidden layer"].build().count_params() == 7_850
    assert networks["100-50, sigmoid"].build().count_params() == 84_060
    assert networks["512-256-128, ReLU"].build().count_params() == 567_434
    ours, theirs = networks["CNN 8-16"].build(), mnist["build_cnn"]()
    theirs.set_weights(ours.get_weights())
    pictures = np.random.default_rng(3).random((3, 28, 28, 1)).astype("float32")
    assert np.asarray(ours(pictures)) == pytest.approx(np.asarray(theirs(pictures)), abs=1e-6)
    assert networks["CNN 8-16, permuted"].published == (0.945, 0.953)


def test_a_line_of_the_published_table_names_what_was_published_and_how_far_the_seeds_lie_apart():
    entry = next(entry for entry in published.ENTRIES if entry.name == "CNN 8-16, permuted")

    assert published.line(entry, [0.95, 0.954]) == (
        "| 07_mnist | CNN 8-16, permuted | 50,000 x 10 | 0.945 to 0.953 | 0.9520 | 2 | 0.9500 to 0.9540 |"
    )
