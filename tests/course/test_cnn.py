"""The figures of 08_cnn: the tutorial's table, layer by layer, from formulas and from Keras."""

from __future__ import annotations

import numpy as np
import pytest

from .answers import answers


@pytest.fixture(scope="module")
def student():
    cells = ("prepare", "build_cnn", "build_mlp", "scores", "build_edge_lover", "shift")
    return answers("08_cnn", "setup", *cells)


def test_the_cnn_has_the_shapes_and_the_7_394_parameters_of_the_tutorials_table(student):
    layers = [layer for layer in student["build_cnn"]().layers if layer.__class__.__name__ != "Activation"]

    # (50), same; half of it; minus 2; half of it; minus 2; all values; two classes.
    shapes = [(50, 50, 16), (25, 25, 16), (23, 23, 16), (11, 11, 16), (9, 9, 16), (9 * 9 * 16,), (2,)]
    counts = [(3 * 3 * 1 + 1) * 16, 0, (3 * 3 * 16 + 1) * 16, 0, (3 * 3 * 16 + 1) * 16, 0, (9 * 9 * 16 + 1) * 2]
    assert [tuple(layer.output.shape[1:]) for layer in layers] == shapes
    assert [layer.count_params() for layer in layers] == counts == [160, 0, 2_320, 0, 2_320, 0, 2_594]
    assert student["build_cnn"]().count_params() == sum(counts) == 7_394


def test_the_mlp_has_43_times_as_many(student):
    mlp = student["build_mlp"]().count_params()

    assert mlp == (2_500 + 1) * 128 + (128 + 1) * 2 == 320_386
    assert round(mlp / student["build_cnn"]().count_params()) == 43


@pytest.mark.parametrize("size", [20, 31])
def test_the_edge_lover_has_30_parameters_whatever_the_size(student, size):
    assert student["build_edge_lover"](size).count_params() == (5 * 5 + 1) + (1 + 1) * 2 == 30


@pytest.mark.parametrize("share", [0.0, 0.2, 0.6, 1.0])
def test_scores_are_those_of_keras(student, share):
    import keras

    rng = np.random.default_rng(4)
    truth, said = (rng.random((2, 60)) < share).astype(int)
    theirs = [keras.metrics.BinaryAccuracy(), keras.metrics.Precision(), keras.metrics.Recall()]
    for metric in theirs:
        metric.update_state(truth, said)

    assert student["scores"](truth, said) == pytest.approx([float(metric.result()) for metric in theirs])


@pytest.mark.parametrize(("down", "right"), [(2, -1), (-3, 4), (0, 0)])
def test_a_shifted_picture_repeats_its_edge(student, down, right):
    images = np.random.default_rng(5).integers(0, 256, (2, 6, 7), dtype="uint8")
    wide = np.pad(images, ((0, 0), (6, 6), (7, 7)), mode="edge")

    assert (student["shift"](images, down, right) == wide[:, 6 - down : 12 - down, 7 - right : 14 - right]).all()
