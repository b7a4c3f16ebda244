"""The figures of 05_convolution_by_hand: each by the sum written out and by Keras."""

from __future__ import annotations

import numpy as np
import pytest

from .answers import answers

CASES = {
    "first": [[12, 12, 17], [10, 17, 19], [9, 6, 14]],
    "second": [[4, 3, 4], [2, 4, 3], [2, 3, 4]],
}
"""The maps that are computed by hand."""


@pytest.fixture(scope="module")
def student():
    cells = ("by_hand", "correlate2d", "convolve2d", "pad_same", "stride", "conv_layer", "pooling", "fast_conv_layer")
    return answers("05_convolution_by_hand", "setup", "matrices", "draw_numbers", "show_sliding", "windows", *cells)


def written_out(image, kernel):
    """Sum up pixel times weight, place by place, with whole numbers of Python."""
    rows, columns = (size - part + 1 for size, part in zip(image.shape, kernel.shape, strict=True))
    x, w = image.tolist(), kernel.tolist()
    return [
        [sum(x[r + u][c + v] * w[u][v] for u in range(len(w)) for v in range(len(w[0]))) for c in range(columns)]
        for r in range(rows)
    ]


def conv2d(image, kernel, **options):
    """Let Keras's layer do it, with this kernel and no bias."""
    import keras

    layer = keras.layers.Conv2D(1, kernel.shape, use_bias=False, **options)
    layer.build((None, *image.shape, 1))
    layer.set_weights([kernel[:, :, None, None].astype("float32")])
    return np.asarray(layer(image[None, :, :, None].astype("float32")))[0, :, :, 0]


@pytest.mark.parametrize("name", CASES)
def test_the_maps_by_hand(student, name):
    image, kernel = student[f"{name}_image"], student[f"{name}_kernel"]

    assert written_out(image, kernel) == CASES[name]
    assert conv2d(image, kernel).tolist() == CASES[name]
    assert student["correlate2d"](image, kernel).tolist() == CASES[name] == student[f"{name}_map"]


def test_the_matrices_are_those_of_the_lectures(student):
    assert student["first_image"].tolist() == [
        [3, 3, 2, 1, 0],
        [0, 0, 1, 3, 1],
        [3, 1, 2, 2, 3],
        [2, 0, 0, 2, 2],
        [2, 0, 0, 0, 1],
    ]
    assert student["first_kernel"].tolist() == [[0, 1, 2], [2, 2, 0], [0, 1, 2]]
    assert student["second_kernel"].tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 1]]
    assert set(student["second_image"].ravel().tolist()) == {0, 1}


def test_the_shaded_step_stands_in_row_1_column_0_and_gives_10(student):
    # Patch and kernel of the step, copied from the drawing, number by number.
    patch, kernel = [0, 0, 1, 3, 1, 2, 2, 0, 0], [0, 1, 2, 2, 2, 0, 0, 1, 2]

    assert sum(x * w for x, w in zip(patch, kernel, strict=True)) == 10 == CASES["first"][1][0]
    assert (student["map_size"], student["step_position"], student["step_value"]) == ((3, 3), (1, 0), 10)


def test_the_sums_that_check_the_arithmetic():
    assert [sum(map(sum, maps)) for maps in CASES.values()] == [116, 29]


def test_convolution_is_correlation_with_the_flipped_kernel(student):
    image, kernel = student["first_image"], student["first_kernel"]

    # NumPy's convolution of one row is the same sum: np.convolve flips.
    row, weights = image[0], kernel[1]
    assert student["convolve2d"](row[None], weights[None])[0].tolist() == np.convolve(row, weights, "valid").tolist()
    assert student["convolve2d"](image, kernel).tolist() == written_out(image, kernel[::-1, ::-1])
    assert student["convolve2d"](image, kernel).tolist() == conv2d(image, kernel[::-1, ::-1]).tolist()
    assert written_out(image, kernel[::-1, ::-1]) != CASES["first"]


@pytest.mark.parametrize(
    ("size", "kernel", "padding", "stride", "result"),
    [(6, 2, 0, 2, 3), (5, 3, 0, 1, 3), (6, 3, 0, 2, 2), (6, 3, 2, 2, 4)],
)
def test_the_output_size(student, size, kernel, padding, stride, result):
    starts = [start for start in range(-padding, size + padding, stride) if start + kernel <= size + padding]

    assert len(starts) == result == student["output_size"](size, kernel, padding, stride)
    picture = np.pad(np.ones((size, size)), padding)
    assert conv2d(picture, np.ones((kernel, kernel)), strides=stride).shape == (result, result)


def test_same_padding_is_that_of_keras(student):
    image = np.random.default_rng(0).integers(0, 9, (5, 7))
    for kernel in (np.arange(9).reshape(3, 3), np.arange(8).reshape(2, 4)):
        padded = student["correlate2d"](student["pad_same"](image, kernel), kernel)
        assert padded == pytest.approx(conv2d(image, kernel, padding="same"))


def test_a_kernel_of_2_by_2_gets_its_only_zeros_below_and_on_the_right(student):
    image, kernel = np.array([[1, 2], [3, 4]]), np.array([[1, 10], [100, 1000]])
    padded = np.array([[1, 2, 0], [3, 4, 0], [0, 0, 0]])

    assert student["pad_same"](image, kernel).tolist() == padded.tolist()
    assert written_out(padded, kernel) == conv2d(image, kernel, padding="same").tolist()


def test_pooling_2_by_2_leaves_a_quarter_of_the_samples(student):
    import keras

    maps = np.random.default_rng(1).normal(size=(6, 8, 3)).astype("float32")
    layers = {"max": keras.layers.MaxPooling2D(2), "mean": keras.layers.AveragePooling2D(2)}
    for how, layer in layers.items():
        pooled = student["pool"](maps, 2, how)
        assert 1 - pooled.size / maps.size == 1 - 1 / 2**2 == 0.75
        assert pooled == pytest.approx(np.asarray(layer(maps[None]))[0], abs=1e-6)


def test_the_sharpening_kernel_leaves_flat_places_alone_and_raises_edges(student):
    sharpen = np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]])
    step = np.array([[1, 1, 1, 3, 3, 3]] * 3)

    assert sharpen.sum() == 1
    # Before the edge 5*1 - (1 + 1 + 1 + 3), behind it 5*3 - (3 + 3 + 3 + 1).
    assert written_out(step, sharpen) == [[1, -1, 5, 3]]
    assert student["correlate2d"](step, sharpen).tolist() == [[1, -1, 5, 3]]


def test_a_layer_of_several_channels_and_filters_is_that_of_keras(student):
    import keras

    rng = np.random.default_rng(2)
    image, kernels, biases = rng.normal(size=(7, 6, 3)), rng.normal(size=(3, 3, 3, 4)), rng.normal(size=4)
    layer = keras.layers.Conv2D(4, 3, dtype="float64")
    layer.build((None, 7, 6, 3))
    layer.set_weights([kernels, biases])
    maps = np.asarray(layer(image[None]))[0]

    assert student["conv_layer"](image, kernels, biases) == pytest.approx(maps)
    assert student["fast_conv_layer"](image, kernels, biases) == pytest.approx(maps)
    assert layer.count_params() == (3 * 3 * 3 + 1) * 4


def test_one_step_of_two_channels_and_two_filters(student):
    # Channels and slices as they stand in the text, by filter: patch, weights, what they make together.
    steps = [
        [([1, 2, 3, 4], [1, 0, 2, -1], 3), ([2, 2, 1, 0], [1, 2, 0, 1], 6)],
        [([1, 2, 3, 4], [0, -1, 0, 0], -2), ([2, 2, 1, 0], [0, 0, 1, 0], 1)],
    ]
    for patch, weights, together in (channel for channels in steps for channel in channels):
        assert sum(x * w for x, w in zip(patch, weights, strict=True)) == together
    image = np.stack([np.reshape(patch, (2, 2)) for patch, _, _ in steps[0]], axis=-1)
    kernels = np.stack([[np.reshape(w, (2, 2)) for _, w, _ in channels] for channels in steps], axis=-1)
    kernels = kernels.transpose(1, 2, 0, 3)  # from (channels, rows, columns, filters)

    assert (3 + 6 + 0.5, -2 + 1 - 1) == (9.5, -2)
    assert student["conv_layer"](image, kernels, np.array([0.5, -1])).tolist() == [[[9.5, -2]]]


def test_a_dense_layer_would_need_5_760_000_weights_for_a_map_that_nine_make():
    import keras

    assert (50 * 50) * (48 * 48) == 5_760_000
    with keras.StatelessScope(initialize_variables=False):
        dense = keras.Sequential([keras.Input((2500,)), keras.layers.Dense(48 * 48, use_bias=False)])
        shared = keras.Sequential([keras.Input((50, 50, 1)), keras.layers.Conv2D(1, 3, use_bias=False)])
        assert (dense.count_params(), shared.count_params()) == (5_760_000, 9)
        assert shared.output_shape == (None, 48, 48, 1)
