"""The figures of 12_latent_space, each from a formula and from Keras or NumPy both; and the t-SNE of the notebook."""

from __future__ import annotations

import numpy as np
import pytest

from autograder.notebook import read_notebook

from .conftest import COURSE

CELLS = (
    "setup",
    "network",
    "distance_table",
    "nearest",
    "vote",
    "outputs",
    "embed",
    "leave_one_out",
    "precision_at",
    "neighbour_probabilities",
    "perplexity",
    "tsne",
)


def cells_of(*grade_ids):
    (notebook,) = COURSE.assignment("12_latent_space").notebooks
    return {
        cell.id: cell.source for cell in read_notebook(notebook.path).cells if cell.id in grade_ids or not grade_ids
    }


@pytest.fixture(scope="module")
def latent():
    """What the cells of the master define, by name."""
    sources = cells_of(*CELLS)
    names = {}
    for cell in CELLS:
        exec(sources[cell], names)
    return names


def noise(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3)).astype("uint8")


def text():
    return " ".join(" ".join(cells_of().values()).split())


def test_the_distance_is_the_one_of_the_lecture(latent):
    rng = np.random.default_rng(1)
    features, image_features = rng.normal(size=(9, 128)), rng.normal(size=(1, 128))

    # As slide "1-NN classification in the latent space" has it.
    distances = np.mean(np.abs(features - image_features), axis=-1)

    assert latent["distance_table"](image_features, features)[0] == pytest.approx(distances, rel=1e-5)
    assert latent["nearest"](latent["distance_table"](image_features, features), 9)[0].tolist() == list(
        distances.argsort()
    )


def test_a_picture_is_3_072_numbers_and_its_latent_vector_128(latent):
    pictures = noise(2)

    vectors = latent["embed"](latent["network"], latent["prepare"](pictures), "mean")

    assert pictures[0].size == 32 * 32 * 3 == 3_072
    assert vectors.shape == (2, 128)
    assert latent["network"].get_layer("mean").output.shape == (None, 128)


def test_before_the_mean_there_are_2_048_numbers_and_the_mean_is_that_of_each_map(latent):
    prepared = latent["prepare"](noise(3))
    maps = latent["embed"](latent["network"], prepared, "block4_conv1_relu")

    # The picture is halved three times.
    assert maps.shape == (3, (32 // 8) ** 2 * 128) == (3, 2_048)
    assert latent["embed"](latent["network"], prepared, "mean") == pytest.approx(
        maps.reshape(3, 16, 128).mean(axis=1), abs=1e-5
    )


def test_what_is_cut_off_is_one_dense_layer_of_1_290_parameters_with_softmax(latent):
    network, prepared = latent["network"], latent["prepare"](noise(4))
    weights, biases = network.layers[-1].get_weights()

    sums = latent["embed"](network, prepared, "mean") @ weights + biases
    probabilities = np.exp(sums) / np.exp(sums).sum(axis=1, keepdims=True)

    assert network.layers[-1].count_params() == 128 * 10 + 10 == 1_290
    assert probabilities == pytest.approx(np.asarray(network(prepared)), abs=1e-5)


def test_prepared_pictures_go_from_minus_1_to_1(latent):
    assert latent["prepare"](np.array([0, 255], "uint8")).tolist() == [-1, 1]


def test_all_differences_at_once_would_take_what_the_text_says():
    assert 4.8e9 < 200 * 2_000 * 3_072 * 4 < 5e9
    assert "almost five gigabytes" in text()
    assert 200 * 2_000 == 400_000
    assert "The table itself has 400,000 numbers" in text()
    assert round(40 * 400 * 3_072 * 4 / 1e6) == 197
    assert "would be 197 megabytes" in text()


def test_the_examples_of_the_text(latent):
    table = latent["distance_table"](
        np.array([[0, 10, 20], [6, 7, 8]]), np.array([[0, 10, 20], [3, 10, 14], [10, 0, 30]])
    )
    assert table.tolist() == [[0, 3, 10], [7, 4, 11]]
    assert latent["nearest"](table, 2).tolist() == [[0, 1], [1, 0]]
    assert latent["vote"](np.array([[3, 5, 5]])).tolist() == [5]
    assert latent["vote"](np.array([[7, 4, 4, 7, 2]])).tolist() == [7]
    assert latent["vote"](np.array([[9, 1, 6]])).tolist() == [9]
    assert latent["precision_at"](np.array([[2, 5, 2, 2]]), np.array([2])).tolist() == [1, 1 / 2, 2 / 3, 3 / 4]
    assert np.exp([-1 / 2, -4 / 2]).round(3).tolist() == [0.607, 0.135]
    assert round(float(np.exp([-1 / 2, -4 / 2]).sum()), 3) == 0.742
    row = latent["neighbour_probabilities"](np.array([[0.0, 1, 4], [1, 0, 1], [4, 1, 0]]), np.ones(3))[0]
    assert row.round(3).tolist() == [0, 0.818, 0.182]


def test_whole_numbers_of_8_bits_count_on_from_the_other_end():
    assert (np.array([3], "uint8") - np.array([5], "uint8")).tolist() == [254]


def test_the_perplexity_of_30_equal_neighbours_is_30_and_of_a_single_one_1(latent):
    p = np.zeros((2, 100))
    p[0, 10:40] = 1 / 30
    p[1, 7] = 1

    assert latent["perplexity"](p) == pytest.approx([30, 1])


def test_no_picture_finds_itself_even_if_it_has_a_twin(latent):
    places = np.array([0.0, 0.0, 5.0, 5.0])
    table = np.abs(places[:, None] - places)

    assert latent["leave_one_out"](table, np.array([0, 1, 0, 1]), 1) == 0
    assert latent["leave_one_out"](table, np.array([0, 0, 1, 1]), 1) == 1


# ---- t-SNE


def divergence(p, y):
    """The Kullback-Leibler divergence as the text's formulas have it, pair by pair."""
    number = len(y)
    pairs = [(i, j) for i in range(number) for j in range(number) if i != j]
    closeness = {(i, j): 1 / (1 + np.sum((y[i] - y[j]) ** 2)) for i, j in pairs}
    total = sum(closeness.values())
    return sum(p[i, j] * np.log(p[i, j] / (closeness[i, j] / total)) for i, j in pairs)


def test_the_gradient_is_the_slope_of_the_divergence(latent):
    rng = np.random.default_rng(2)
    p = rng.random((6, 6))
    p = (p + p.T) * (1 - np.eye(6))
    p /= p.sum()
    y = rng.normal(size=(6, 2))
    slopes = np.zeros_like(y)
    for place in np.ndindex(y.shape):
        step = np.zeros_like(y)
        step[place] = 1e-5
        slopes[place] = (divergence(p, y + step) - divergence(p, y - step)) / 2e-5

    assert latent["downhill"](p, y) == pytest.approx(slopes, abs=1e-7)


def test_the_gradient_is_the_sum_of_the_text(latent):
    rng = np.random.default_rng(3)
    p, y = rng.random((5, 5)), rng.normal(size=(5, 2))
    closeness = np.array([[1 / (1 + np.sum((a - b) ** 2)) for b in y] for a in y]) * (1 - np.eye(5))
    q = closeness / closeness.sum()

    asked = [4 * sum((p[i, j] - q[i, j]) * closeness[i, j] * (y[i] - y[j]) for j in range(5)) for i in range(5)]

    assert latent["downhill"](p, y) == pytest.approx(np.array(asked))


@pytest.mark.parametrize("wanted", [5, 30])
def test_the_widths_give_the_wanted_perplexity_to_each_picture(latent, wanted):
    rng = np.random.default_rng(4)
    points = rng.normal(size=(120, 8)) * rng.choice([0.1, 1, 10], (120, 1))
    squared = latent["squared_distances"](points)

    found = latent["perplexity"](latent["neighbour_probabilities"](squared, latent["widths"](squared, wanted)))

    assert found == pytest.approx(np.full(120, wanted), rel=1e-3)


def test_squared_distances_are_what_they_are_called(latent):
    points = np.random.default_rng(5).normal(size=(7, 3))

    assert latent["squared_distances"](points) == pytest.approx(
        np.sum((points[:, None] - points) ** 2, axis=2), abs=1e-12
    )


def test_groups_of_a_space_are_groups_on_the_map_where_a_straight_view_mixes_them(latent):
    rng = np.random.default_rng(6)
    group = np.repeat(np.arange(10), 20)
    # Each group lies on an axis of its own: no two directions part all of them.
    points = 5 * np.eye(10, 20)[group] + rng.normal(size=(200, 20)) * 0.7
    centred = points - points.mean(axis=0)
    straight = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T

    places = latent["tsne"](points, wanted=15, steps=300)

    assert np.isfinite(places).all()
    assert latent["leave_one_out"](latent["squared_distances"](straight), group, 5) < 0.8
    assert latent["leave_one_out"](latent["squared_distances"](places), group, 5) > 0.97
    assert divergence_on_map(latent, points, places) < divergence_on_map(latent, points, 5 * straight) / 2


def divergence_on_map(latent, points, places, wanted=15):
    squared = latent["squared_distances"](points - points.mean(axis=0))
    p = latent["neighbour_probabilities"](squared, latent["widths"](squared, wanted))
    p = (p + p.T) / (2 * len(p))
    closeness = 1 / (1 + latent["squared_distances"](places))
    np.fill_diagonal(closeness, 0)
    q = closeness / closeness.sum()
    known = p > 0
    return float(np.sum(p[known] * np.log(p[known] / q[known])))
