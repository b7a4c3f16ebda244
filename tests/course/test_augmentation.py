"""The figures of 10_augmentation: each from a formula and from Keras or NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from .answers import answers


@pytest.fixture(scope="module")
def lesson():
    """What the answers of the master define, by name."""
    return answers(
        "10_augmentation",
        *("setup", "flip_some", "shift_some", "rotate", "brighten", "mirror_signs", "mixup", "balance", "build_cnn"),
        "predict_often",
    )


@pytest.fixture
def pictures():
    return np.random.default_rng(5).integers(0, 256, (6, 11, 14, 3)).astype("uint8")


@pytest.mark.parametrize("augmented", [True, False])
def test_the_network_has_47_818_parameters_by_formula_and_in_keras(lesson, augmented):
    model = lesson["build_cnn"](augmented)

    by_layer = [layer.count_params() for layer in model.layers if layer.count_params()]

    convolutions = [16 * (9 * 3 + 1), 32 * (9 * 16 + 1), 32 * (9 * 32 + 1)]
    assert by_layer == [*convolutions, (4 * 4 * 32 + 1) * 64, (64 + 1) * 10] == [448, 4_640, 9_248, 32_832, 650]
    assert model.count_params() == sum(by_layer) == 47_818


def test_the_shapes_are_those_of_the_table(lesson):
    shapes = [tuple(layer.output.shape[1:]) for layer in lesson["build_cnn"](True).layers]

    assert shapes == [
        *((32, 32, 3), (32, 32, 3)),
        *((30, 30, 16), (15, 15, 16), (13, 13, 32), (6, 6, 32), (4, 4, 32), (512,), (64,), (10,)),
    ]


def test_augmentation_layers_work_in_training_only_and_rescaling_always():
    import keras

    x = np.random.default_rng(0).random((8, 32, 32, 3)).astype("float32")
    random = [
        keras.layers.RandomFlip("horizontal"),
        keras.layers.RandomTranslation(0.1, 0.1, fill_mode="nearest"),
        keras.layers.RandomRotation(0.05),
    ]

    for layer in random:
        assert np.array_equal(layer(x, training=False), x)
        assert not np.array_equal(layer(x, training=True), x)
    assert np.allclose(keras.layers.Rescaling(1 / 255)(x, training=False), x / 255)


def test_keras_shifts_by_3_2_pixels_at_most_and_turns_upside_down_if_it_is_told_nothing(lesson):
    import keras

    ramp = np.tile(np.arange(32, dtype="float32")[:, None, None], (400, 1, 32, 1))
    shift = keras.layers.RandomTranslation(0.1, 0.1, fill_mode="nearest", seed=1)
    moved = np.asarray(shift(ramp, training=True))[:, 16, 16, 0] - 16
    flipped = np.asarray(keras.layers.RandomFlip(seed=1)(ramp, training=True))

    assert 3.1 < np.abs(moved).max() <= 0.1 * 32 + 1e-3
    assert 0.4 < np.mean(flipped[:, 0, 0, 0] == 31) < 0.6
    assert keras.layers.RandomTranslation(0.1, 0.1).fill_mode == "reflect"


def test_a_mirrored_picture_is_numpys_and_keras_one(lesson, pictures):
    import keras

    came = lesson["flip_some"](pictures, np.random.default_rng(3))
    mirrored = np.array([np.fliplr(picture) for picture in pictures])

    changed = np.any(came != pictures, axis=(1, 2, 3))
    assert 0 < changed.sum() < 6
    assert np.array_equal(came[changed], mirrored[changed])
    assert np.array_equal(keras.ops.flip(pictures, axis=2), mirrored)


@pytest.mark.parametrize("degrees", [17, -33, 140, 180])
def test_a_turned_picture_is_that_of_keras(lesson, pictures, degrees):
    import keras

    height, width = pictures.shape[1:3]
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    cy, cx = (height - 1) / 2, (width - 1) / 2
    # Keras takes x before y: x_old = a x + b y + c, y_old = d x + e y + f.
    matrix = [cos, -sin, cx - cos * cx + sin * cy, sin, cos, cy - sin * cx - cos * cy, 0, 0]
    turned = keras.ops.image.affine_transform(
        pictures.astype("float32"), np.array([matrix] * 6, "float32"), interpolation="nearest", fill_mode="nearest"
    )

    # At the edge Keras fills before it rounds; a pixel or two may differ there.
    assert np.mean(np.asarray(turned) == lesson["rotate"](pictures, degrees)) > 0.99


def test_a_quarter_turn_against_the_clock_is_numpys(lesson):
    square = np.arange(2 * 25).reshape(2, 5, 5)

    for quarters in range(-4, 5):
        assert np.array_equal(lesson["rotate"](square, 90 * quarters), np.rot90(square, quarters, axes=(1, 2)))
    assert lesson["rotate"](np.arange(1, 10).reshape(1, 3, 3), 90).tolist() == [[[3, 6, 9], [2, 5, 8], [1, 4, 7]]]


def test_bytes_start_again_at_black_where_they_are_not_clipped(lesson):
    picture = np.array([[[61, 100, 200]]], "uint8")

    assert (picture.astype("int64") * 3 // 2).astype("uint8")[0, 0, 2] == 300 - 256 == 44
    assert lesson["brighten"](picture, np.array([1.5])).tolist() == [[[92, 150, 255]]]


def test_every_shift_from_end_to_end_comes_equally_often(lesson):
    # The two middle pixels of a picture of its own numbers tell how far it went.
    many = np.tile(np.arange(49).reshape(1, 7, 7), (5_000, 1, 1))
    middle = lesson["shift_some"](many, 2, np.random.default_rng(1))[:, 3, 3]
    down, right = 3 - middle // 7, 3 - middle % 7

    counts = np.bincount(5 * (down + 2) + right + 2, minlength=25)
    assert counts.shape == (25,)
    assert np.sum((counts - 200) ** 2 / 200) < 60  # chi-squared with 24 degrees of freedom: 1 in 10,000


@pytest.mark.parametrize("alpha", [0.2, 1.0, 8.0])
def test_the_weights_of_mixup_have_the_moments_of_the_beta_distribution(lesson, alpha):
    n = 2_000
    images = np.stack([np.arange(n), np.arange(n) ** 2], axis=1).reshape(n, 1, 2).astype("float64")
    one_hot = np.eye(n)
    _, labels = lesson["mixup"](images, one_hot, alpha, np.random.default_rng(2))
    weight = np.diagonal(labels)

    assert np.mean(weight) == pytest.approx(0.5, abs=0.05)
    assert np.mean(weight * (1 - weight)) == pytest.approx(alpha / (2 * (2 * alpha + 1)), abs=0.01)


def test_the_loss_of_a_mixed_label_is_the_mixed_loss():
    import keras

    probability = np.array([[0.2, 0.7, 0.1]], "float32")
    frog, ship = np.eye(3, dtype="float32")[[0]], np.eye(3, dtype="float32")[[1]]
    loss = keras.losses.CategoricalCrossentropy()

    mixed = float(loss(0.7 * frog + 0.3 * ship, probability))

    assert mixed == pytest.approx(0.7 * float(loss(frog, probability)) + 0.3 * float(loss(ship, probability)), rel=1e-5)
    assert mixed == pytest.approx(-0.7 * np.log(0.2) - 0.3 * np.log(0.7), rel=1e-5)


def test_the_litter_of_the_lecture_is_level_with_312_new_bottles(lesson):
    labels = np.repeat([0, 1], [756, 444])
    images = np.zeros((1_200, 2, 2), "uint8")

    def brighter(some, _):
        return some + 1

    more, of = lesson["balance"](images, labels, brighter, np.random.default_rng(0))

    assert len(of) == 2 * 756 == 1_200 + 312
    assert np.bincount(of).tolist() == [756, 756]
    assert more.sum() == 312 * 4


def test_a_sign_that_is_mirrored_twice_is_itself_again(lesson):
    signs, partner = np.random.default_rng(0).integers(0, 256, (9, 5, 5)), np.array([1, 0, 2, -1])
    labels = np.arange(9) % 4

    again, names = lesson["mirror_signs"](*lesson["mirror_signs"](signs, labels, partner), partner)

    assert np.array_equal(again, signs[labels != 3])
    assert np.array_equal(names, labels[labels != 3])


def test_ten_per_cent_each_has_a_trust_of_one_tenth_and_a_loss_of_ln_10():
    import keras

    labels = np.arange(10)
    loss = float(keras.losses.SparseCategoricalCrossentropy()(labels, np.full((10, 10), 0.1, "float32")))

    assert loss == pytest.approx(np.log(10), rel=1e-5)
    assert np.exp(-loss) == pytest.approx(0.1, rel=1e-5)


def test_asked_often_the_probabilities_still_add_up_to_1_and_rounds_0_is_to_ask_once(lesson):
    model = lesson["build_cnn"](True)
    x = np.random.default_rng(1).random((5, 32, 32, 3)).astype("float32")

    often = lesson["predict_often"](model, x, lesson["flip_some"], 3, np.random.default_rng(2))

    assert often.sum(axis=1) == pytest.approx(np.ones(5), rel=1e-5)
    once = lesson["predict_often"](model, x, lesson["flip_some"], 0, np.random.default_rng(2))
    assert np.allclose(once, model.predict(x, verbose=0))
    # Mirror image and picture, each with its share of 0 to 3 in 4.
    both = model.predict(x, verbose=0), model.predict(np.ascontiguousarray(x[:, :, ::-1]), verbose=0)
    assert all(
        min(np.abs(((4 - k) * a + k * b) / 4 - p).max() for k in range(4)) < 1e-5
        for a, b, p in zip(*both, often, strict=True)
    )
