"""The figures of 04_mlp: each from a formula and from Keras, or from the counts that the lecture's reports imply."""

from __future__ import annotations

import numpy as np
import pytest

from autograder.notebook import read_notebook

from .conftest import COURSE

CELLS = ("setup", "standardise", "dense_parameters", "build_mlp", "confusion", "scores", "class_weights", "best_rate")


@pytest.fixture(scope="module")
def mlp():
    """What the cells of the master define, by name."""
    (notebook,) = COURSE.assignment("04_mlp").notebooks
    sources = {cell.id: cell.source for cell in read_notebook(notebook.path).cells}
    names = {}
    for cell in CELLS:
        exec(sources[cell], names)
    return names


def test_the_tutorials_network_has_320_386_parameters_by_formula_and_in_keras(mlp):
    model = mlp["build_mlp"](0.5, 0.001)

    by_layer = [layer.count_params() for layer in model.layers if layer.count_params()]

    assert by_layer == [2_500 * 128 + 128, 128 * 2 + 2] == [320_128, 258]
    assert by_layer == [mlp["dense_parameters"](2_500, 128), mlp["dense_parameters"](128, 2)]
    assert model.count_params() == sum(by_layer) == 320_386


def test_the_shapes_are_those_of_the_tutorials_table(mlp):
    shapes = [tuple(layer.output.shape) for layer in mlp["build_mlp"](0.5, 0.0).layers]

    assert shapes == [(None, 2500), (None, 128), (None, 128), (None, 2)]


def test_for_colour_pictures_it_would_have_960_386(mlp):
    assert mlp["dense_parameters"](3 * 2_500, 128) + mlp["dense_parameters"](128, 2) == 960_386


@pytest.mark.parametrize(
    ("matrix", "rounded"),
    [
        ([[79, 15], [51, 5]], {"accuracy": 0.56, "precision": 0.25, "recall": 0.09, "specificity": 0.84, "f1": 0.13}),
        ([[101, 17], [29, 3]], {"accuracy": 0.69, "precision": 0.15, "recall": 0.09, "specificity": 0.86, "f1": 0.12}),
    ],
    ids=["validation", "test"],
)
def test_the_counts_give_the_reports_that_the_lecture_prints(mlp, matrix, rounded):
    scores = mlp["scores"](np.array(matrix))

    # The lecture prints the specificity as the recall of class 0.
    assert {name: round(value, 2) for name, value in scores.items()} == rounded
    assert sum(map(sum, matrix)) == 150


@pytest.mark.parametrize(
    ("others", "bottles", "accuracy"), [(94, 56, 0.63), (118, 32, 0.79)], ids=["validation", "test"]
)
def test_who_never_looks_is_right_in_63_and_79_percent(mlp, others, bottles, accuracy):
    truth = np.repeat([0, 1], [others, bottles])

    scores = mlp["scores"](mlp["confusion"](truth, np.zeros_like(truth)))

    assert round(scores["accuracy"], 2) == accuracy
    assert scores["precision"] == scores["recall"] == scores["f1"] == 0
    assert scores["specificity"] == 1


def test_with_class_weights_all_classes_count_the_same_and_a_picture_counts_1_on_average(mlp):
    labels = np.repeat([0, 1, 2], [756, 444, 30])

    weights = mlp["class_weights"](labels)

    totals = [weights[label] * np.sum(labels == label) for label in range(3)]
    assert totals == pytest.approx([len(labels) / 3] * 3)
    assert mlp["class_weights"](np.array([0, 0, 0, 1])) == pytest.approx({0: 2 / 3, 1: 2})


def test_standardised_pictures_have_mean_0_and_standard_deviation_1_and_a_blank_one_is_0(mlp):
    pictures = np.random.default_rng(0).integers(0, 256, (3, 50, 50)).astype("uint8")
    pictures[2] = 77

    z = mlp["standardise"](pictures)

    assert z.dtype == np.float32
    assert z[:2].mean(axis=(1, 2)) == pytest.approx([0, 0], abs=1e-5)
    assert z[:2].std(axis=(1, 2)) == pytest.approx([1, 1], abs=1e-5)
    assert not z[2].any()
