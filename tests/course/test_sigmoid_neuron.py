"""The figures of 02_sigmoid_neuron: each from a formula in plain Python, and by Keras or SciPy where they have it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from .answers import answers

SCORES = [1, 0.3, 3, 0.5]
PROBABILITIES = [0.10534997, 0.05231524, 0.77843681, 0.06389798]
"""The softmax of the scores as the lecture prints it."""

TABLE = [[0, 0, 1], [1, 1, 1], [1, 0, 1], [0, 1, 1]]
TRUTH = [0, 1, 1, 0]


@pytest.fixture(scope="module")
def student():
    cells = ("sigmoid", "sigmoid_derivative", "tanh", "relu", "softmax", "neuron", "gradient", "train", "cross_entropy")
    return answers("02_sigmoid_neuron", "imports", "table", "start_weights", *cells)


def by_keras(name, x):
    import keras

    return np.asarray(getattr(keras.activations, name)(keras.ops.convert_to_tensor(x, dtype="float64")))


def test_softmax_of_the_lectures_scores(student):
    powers = [math.exp(score) for score in SCORES]
    by_formula = [power / sum(powers) for power in powers]

    assert by_formula == pytest.approx(PROBABILITIES, abs=5e-9)
    assert by_keras("softmax", [SCORES])[0] == pytest.approx(PROBABILITIES, abs=5e-9)
    assert student["softmax"](np.array(SCORES)) == pytest.approx(PROBABILITIES, abs=5e-9)


def test_softmax_forgets_what_is_added_to_all_scores_and_survives_1000(student):
    rows = np.array([SCORES, [0, 1, 2, 3]])

    assert student["softmax"](rows).sum(axis=1) == pytest.approx(1)
    assert student["softmax"](rows + 1000) == pytest.approx(student["softmax"](rows))
    assert student["softmax"](rows + 1000) == pytest.approx(by_keras("softmax", rows))


@pytest.mark.parametrize(("x", "value"), [(0, 0.5), (1, 0.731059), (-1, 0.268941)])
def test_values_of_the_sigmoid(student, x, value):
    assert 1 / (1 + math.exp(-x)) == pytest.approx(value, abs=5e-7)
    assert student["sigmoid"](float(x)) == pytest.approx(value, abs=5e-7)
    assert by_keras("sigmoid", [x])[0] == pytest.approx(value, abs=5e-7)


@pytest.mark.parametrize("x", [-3.0, -0.4, 0.0, 0.4, 3.0])
def test_tanh_is_2_over_1_plus_e_to_the_minus_2x_minus_1(student, x):
    assert 2 / (1 + math.exp(-2 * x)) - 1 == pytest.approx(math.tanh(x))
    assert student["tanh"](x) == pytest.approx(math.tanh(x))
    assert by_keras("tanh", [x])[0] == pytest.approx(math.tanh(x))
    # The sigmoid that deck 2 writes, with e^(-2x), is not the usual one, but half of tanh moved up.
    assert 1 / (1 + math.exp(-2 * x)) == pytest.approx((math.tanh(x) + 1) / 2)


def test_the_leak_is_001(student):
    x = np.array([-3.0, -0.5, 0.0, 2.0])

    assert student["leaky_relu"](x).tolist() == pytest.approx([-0.03, -0.005, 0, 2])
    assert student["relu"](x).tolist() == [0, 0, 0, 2]
    import keras

    assert np.asarray(keras.layers.LeakyReLU(negative_slope=0.01)(x)) == pytest.approx(student["leaky_relu"](x))
    assert by_keras("relu", x).tolist() == student["relu"](x).tolist()


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "relu", "leaky_relu"])
def test_slopes_are_those_of_automatic_differentiation(student, name):
    tf = pytest.importorskip("tensorflow")
    import keras

    functions = {"leaky_relu": lambda x: keras.activations.leaky_relu(x, negative_slope=0.01)}
    x = tf.constant([-6.0, -1.5, -0.2, 0.3, 2.0, 5.0], dtype=tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = functions.get(name, getattr(keras.activations, name))(x)
    assert student[f"{name}_derivative"](x.numpy()) == pytest.approx(tape.gradient(y, x).numpy(), rel=1e-6)


def test_the_slope_of_the_sigmoid_is_at_most_a_quarter_and_five_layers_leave_a_thousandth(student):
    slopes = student["sigmoid_derivative"](np.linspace(-8, 8, 1601))

    assert slopes.max() == student["sigmoid_derivative"](0.0) == 0.5 * (1 - 0.5) == 0.25
    assert 0.25**5 == 1 / 1024 < 0.001
    assert 0.25**10 < 1e-6


@pytest.fixture(scope="module")
def trained(student):
    start = student["start_weights"].copy()
    return student["train"](
        student["training_data"],
        student["ground_truth"],
        start,
        student["sigmoid"],
        student["sigmoid_derivative"],
        10_000,
    )


def test_the_training_of_the_lecture_step_by_step_without_numpy(student, trained):
    np.random.seed(1)
    weights = [2 * number - 1 for number in np.random.rand(3).tolist()]
    assert student["start_weights"][:, 0].tolist() == weights
    first = None
    for _ in range(10_000):
        slopes = [0.0, 0.0, 0.0]
        answers_now = []
        for row, truth in zip(TABLE, TRUTH, strict=True):
            y = 1 / (1 + math.exp(-sum(x * weight for x, weight in zip(row, weights, strict=True))))
            answers_now.append(y)
            for place, x in enumerate(row):
                slopes[place] += x * (truth - y) * y * (1 - y)
        first = first or answers_now
        weights = [weight + slope for weight, slope in zip(weights, slopes, strict=True)]

    final, record = trained
    assert record[0] == pytest.approx(first)
    assert final[:, 0] == pytest.approx(weights)
    assert [round(weight, 2) for weight in weights] == [9.67, -0.21, -4.63]


def test_the_training_of_the_lecture_in_keras(student, trained):
    import keras

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, activation="sigmoid", use_bias=False)])
    model.set_weights([student["start_weights"]])
    # Keras takes the mean of (t - y)^2 over four rows, the notebook half of their sum: half the size of the other.
    model.compile(keras.optimizers.SGD(learning_rate=2.0), "mean_squared_error")
    x, y = student["training_data"].astype("float32"), student["ground_truth"].astype("float32")
    for _ in range(20):
        model.train_on_batch(x, y)

    _, record = trained
    assert np.asarray(model(x))[:, 0] == pytest.approx(record[20], abs=1e-4)


def test_the_error_ends_at_8_thousandths(trained):
    _, record = trained

    errors = np.abs(record - np.array(TRUTH)).mean(axis=1)
    assert errors[0] == pytest.approx(0.5, abs=0.1)
    assert round(float(errors[-1]), 3) == 0.008


@pytest.mark.parametrize(
    ("truth", "output", "value"), [([1, 0], [0.9, 0.9], 1.203973), ([1, 0, 1], [0.5] * 3, math.log(2))]
)
def test_cross_entropy(student, truth, output, value):
    import keras

    by_formula = -sum(math.log(y if t else 1 - y) for t, y in zip(truth, output, strict=True)) / len(truth)

    assert by_formula == pytest.approx(value, abs=5e-7)
    assert student["cross_entropy"](np.array(truth), np.array(output)) == pytest.approx(value, abs=5e-7)
    assert float(keras.losses.BinaryCrossentropy()(np.array([truth]), np.array([output]))) == pytest.approx(
        value, abs=1e-5
    )
