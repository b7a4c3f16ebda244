"""The figures of 11_transfer_learning: each from a formula and from Keras."""

from __future__ import annotations

from itertools import pairwise

import keras
import numpy as np
import pytest

from coursekit import backbone

from .answers import answers

WIDTHS = (3, 24, 48, 48, 96, 96, 128)
KERNELS = [9 * above * below for above, below in pairwise(WIDTHS)]
MAPS = WIDTHS[-1]


@pytest.fixture(scope="module")
def lesson():
    """What the cells of the master define, by name."""
    return answers("11_transfer_learning", "setup", "count_parameters", "scale", "add_head", "counts", "train", "thaw")


def vgg16():
    """Parameters of VGG16's convolutions and of its head."""
    widths = (3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
    dense = (7 * 7 * 512, 4096, 4096, 1000)
    convolutions = sum(9 * above * below + below for above, below in pairwise(widths))
    return convolutions, sum(above * below + below for above, below in pairwise(dense))


def mobilenet(alpha=1.0):
    """Parameters of MobileNet (the first) without its head: 13 pairs of a depthwise and a 1 x 1 convolution."""
    widths = [int(alpha * width) for width in (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)]
    pairs = sum(9 * a + 4 * a + a * b + 4 * b for a, b in pairwise(widths))
    return 27 * widths[0] + 4 * widths[0] + pairs


def mobilenet_v2(alpha=1.0):
    """Parameters of MobileNetV2 without its head: bottlenecks of an expansion, a depthwise and a 1 x 1 convolution."""

    def width(channels):
        # To a multiple of eight, and not much less than asked.
        rounded = max(8, int(alpha * channels + 4) // 8 * 8)
        return rounded + 8 if rounded < 0.9 * alpha * channels else rounded

    channels = width(32)
    total = 27 * channels + 4 * channels
    plan = [(1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1)]
    for expansion, out, times in plan:
        for _ in range(times):
            wide = expansion * channels
            expand = channels * wide + 4 * wide if expansion > 1 else 0
            total += expand + 9 * wide + 4 * wide + wide * width(out) + 4 * width(out)
            channels = width(out)
    last = 1280 if alpha <= 1 else width(1280)
    return total + channels * last + 4 * last


def test_vgg16_has_138_357_544_parameters_and_89_percent_of_them_in_its_head():
    convolutions, head = vgg16()

    assert (convolutions, head, convolutions + head) == (14_714_688, 123_642_856, 138_357_544)
    assert round(head / (convolutions + head), 2) == 0.89
    # Built without its head: the whole takes half a gigabyte, and its dense layers are plain products.
    assert keras.applications.VGG16(include_top=False, weights=None).count_params() == convolutions


def test_the_mobilenets_are_counted_as_the_text_says(lesson):
    first, second = mobilenet(), mobilenet_v2()

    assert lesson["count_parameters"]("MobileNet") == (first + 1024 * 1000 + 1000, first) == (4_253_864, 3_228_864)
    assert lesson["count_parameters"]("MobileNetV2") == (second + 1280 * 1000 + 1000, second) == (3_538_984, 2_257_984)


def test_the_small_mobilenet_of_the_weights_folder_has_410_208_parameters():
    model = keras.applications.MobileNetV2(input_shape=(96, 96, 3), alpha=0.35, include_top=False, weights=None)

    assert model.count_params() == mobilenet_v2(0.35) == 410_208
    assert model.output_shape == (None, 3, 3, 1280)


def test_what_is_trained_in_each_of_the_three_steps(lesson):
    base = backbone.load(input_shape=(50, 50, 3))
    model = lesson["add_head"](base)
    normalisations, head = 4 * sum(WIDTHS[1:]), MAPS + 1

    assert base.count_params() == sum(KERNELS) + normalisations == 268_520
    assert lesson["counts"](model) == (head, sum(KERNELS) + normalisations) == (129, 268_520)
    lesson["thaw"](base, "block4_conv1")
    assert lesson["counts"](model) == (KERNELS[-1] + head, sum(KERNELS[:-1]) + normalisations) == (110_721, 157_928)
    lesson["thaw"](base, base.layers[0].name)
    assert lesson["counts"](model) == (sum(KERNELS) + head, normalisations) == (266_889, 1_760)


def test_the_example_of_the_text_trains_18_parameters_of_134():
    names = answers("11_transfer_learning", "setup", "example", "counts")

    assert names["counts"](names["example"]) == (2 * 4 + 4 * 2 + 2, 3 * 3 * 3 * 4 + 2 * 4) == (18, 116)


def test_mobilenets_own_preparation_scales_to_minus_one_and_one_and_so_does_scale(lesson):
    levels = np.arange(256, dtype="uint8").reshape(1, 16, 16)

    by_keras = keras.applications.mobilenet_v2.preprocess_input(
        np.repeat(levels[..., None], 3, axis=-1).astype("float32")
    )

    np.testing.assert_allclose(lesson["scale"](levels), by_keras, atol=1e-6)
    assert (by_keras.min(), by_keras.max()) == (-1, 1)
    np.testing.assert_allclose(
        lesson["scale"](np.array([[[0, 51, 204, 255]]]))[0, 0, :, 0], [-1, -0.6, 0.6, 1], atol=1e-6
    )


def test_other_networks_have_other_habits():
    white = np.full((1, 1, 1, 3), 255.0)

    # VGG16's: blue, green and red, each minus the mean of ImageNet's photographs.
    np.testing.assert_allclose(
        keras.applications.vgg16.preprocess_input(white.copy())[0, 0, 0], [255 - 103.939, 255 - 116.779, 255 - 123.68]
    )


def test_one_sigmoid_says_as_much_as_a_softmax_of_two():
    scores = np.array([-3.0, -0.2, 0.0, 1.7])

    two = np.exp(np.stack([0 * scores, scores], axis=1))
    sigmoid = np.asarray(keras.activations.sigmoid(scores))

    np.testing.assert_allclose(sigmoid, two[:, 1] / two.sum(axis=1), rtol=1e-6)


def test_a_layer_that_is_not_frozen_forgets_what_it_remembered():
    """Batch normalisation in training goes by the batch; frozen it goes by what it remembers."""
    layer = keras.layers.BatchNormalization(momentum=0.9)
    x = np.array([[10.0], [12.0]], "float32")
    layer(x)

    layer.trainable = False
    frozen = np.asarray(layer(x, training=True))
    layer.trainable = True
    by_the_batch = np.asarray(layer(x, training=True))

    np.testing.assert_allclose(frozen, x / np.sqrt(1 + 1e-3), rtol=1e-5)
    np.testing.assert_allclose(by_the_batch, [[-1], [1]], rtol=1e-2)
    np.testing.assert_allclose(np.asarray(layer.moving_mean), [0.1 * 11], rtol=1e-5)
