"""The figures of 06_parameter_counts: each by the reference's formula and by Keras."""

from __future__ import annotations

import contextlib
import io
import math
from functools import cache
from types import SimpleNamespace

import keras
import pytest

from autograder.notebook import nbgrader_metadata, read_notebook

from .conftest import COURSE

HELPERS = ("setup", "layer_kinds", "networks")


@cache
def notebook():
    """What the master defines: the words for layers, the networks, the reference's answers."""
    (source,) = COURSE.assignment("06_parameter_counts").notebooks
    names: dict[str, object] = {}
    with contextlib.redirect_stdout(io.StringIO()):
        for cell in read_notebook(source.path).cells:
            if cell.id in HELPERS or nbgrader_metadata(cell).get("solution"):
                exec(cell.source, names)
    return SimpleNamespace(**{name: value for name, value in names.items() if not name.startswith("__")})


@contextlib.contextmanager
def plans_only():
    """Let Keras plan layers without filling their weights: half a gigabyte for VGG16."""
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        keras.utils.clear_session()


def keras_count(shape, *layers):
    with plans_only():
        return keras.Sequential([keras.Input(shape=shape), *layers]).count_params()


@pytest.mark.parametrize(
    ("sizes", "count"),
    [
        ([4, 3, 2], 23),
        ([3, 5, 5, 5, 2], 92),
        ([2500, 128, 2], 320_386),
        ([1024, 84, 10], 86_950),
        ([3072, 84, 10], 258_982),
    ],
)
def test_dense_networks(sizes, count):
    assert notebook().mlp_parameters(sizes) == count
    assert keras_count((sizes[0],), *map(keras.layers.Dense, sizes[1:])) == count


def test_a_network_3_5_5_5_2_has_17_neurons_75_weights_and_17_biases():
    found = notebook()
    model = keras.Sequential([keras.Input((3,)), *map(keras.layers.Dense, [5, 5, 5, 2])])
    kernels = [math.prod(layer.kernel.shape) for layer in model.layers]
    biases = [math.prod(layer.bias.shape) for layer in model.layers]

    assert (found.neurons, found.weights, found.biases) == (17, 75, 17)
    assert (sum(biases), sum(kernels)) == (17, 75)


@pytest.mark.parametrize(
    ("kernel", "channels", "filters", "count"),
    [(5, 1, 2, 52), (5, 3, 2, 152), (5, 3, 6, 456), (3, 1, 64, 640), (5, 1, 6, 156), (5, 6, 16, 2_416), (3, 2, 4, 76)],
)
def test_convolutions(kernel, channels, filters, count):
    assert notebook().conv_parameters(kernel, channels, filters) == count
    assert keras_count((28, 28, channels), keras.layers.Conv2D(filters, kernel)) == count


def test_the_digits_network_has_433_290_parameters():
    found = notebook()
    with plans_only():
        model = found.build_keras((28, 28, 1), [found.conv(64, 3), found.flatten(), found.dense(10)])
        counts = [layer.count_params() for layer in model.layers]

    assert counts == [640, 0, 432_650]
    assert model.layers[1].output.shape == (None, 43_264)
    assert (found.digits_conv, found.digits_values, found.digits_dense) == (640, 43_264, 432_650)
    assert (found.conv_a, found.conv_b, found.conv_c) == (52, 152, 456)


VGG16 = [1_792, 36_928, 0, 73_856, 147_584, 0, 295_168, 590_080, 590_080, 0, 1_180_160, 2_359_808, 2_359_808, 0]
VGG16 += [2_359_808] * 3 + [0, 0, 102_764_544, 16_781_312, 4_097_000]
ALEXNET = [34_944, 0, 614_656, 0, 885_120, 1_327_488, 884_992, 0, 0, 37_752_832, 16_781_312, 4_097_000]


@pytest.mark.parametrize(
    ("shape", "layers", "counts", "total"),
    [
        ("BOTTLE_SHAPE", "bottle_mlp", [0, 320_128, 258], 320_386),
        ("BOTTLE_SHAPE", "bottle_cnn", [160, 0, 2_320, 0, 2_320, 0, 2_594], 7_394),
        ("LENET_SHAPE", "lenet5", [156, 0, 2_416, 0, 0, 48_120, 10_164, 850], 61_706),
        ("LENET_SHAPE", "small_mlp", [0, 86_100, 850], 86_950),
        ("ALEXNET_SHAPE", "alexnet", ALEXNET, 62_378_344),
        ("VGG16_SHAPE", "vgg16", VGG16, 138_357_544),
    ],
)
def test_networks_layer_by_layer(shape, layers, counts, total):
    found = notebook()
    picture, network = getattr(found, shape), getattr(found, layers)
    with plans_only():
        by_keras = [layer.count_params() for layer in found.build_keras(picture, network).layers]

    assert found.count_parameters(picture, network) == counts
    assert by_keras == counts
    assert sum(counts) == total


def test_shapes_are_those_of_keras():
    found = notebook()
    for picture, network in [(found.ALEXNET_SHAPE, found.alexnet), (found.VGG16_SHAPE, found.vgg16)]:
        with plans_only():
            by_keras = [layer.output.shape[1:] for layer in found.build_keras(picture, network).layers]
        shapes = [picture]
        for layer in network:
            shapes.append(found.output_shape(shapes[-1], layer))
        assert shapes[1:] == by_keras


def test_vgg16_is_the_one_of_keras_and_89_percent_of_it_are_dense():
    found = notebook()
    with plans_only():
        theirs = keras.applications.VGG16(weights=None).layers[1:]
        counts = [layer.count_params() for layer in theirs]
        dense = sum(layer.count_params() for layer in theirs if isinstance(layer, keras.layers.Dense))

    assert counts == VGG16 == found.count_parameters(found.VGG16_SHAPE, found.vgg16)
    assert dense == 123_642_856
    assert round(dense / sum(counts), 2) == 0.89


def test_colour_costs_lenet_300_parameters_and_the_mlp_three_times_its_pixels():
    found = notebook()
    with plans_only():
        counts = [layer.count_params() for layer in found.build_keras((32, 32, 3), found.lenet5).layers]

    assert (counts[0], sum(counts[1:])) == (456, 61_550) == (found.lenet_first, found.lenet_others)
    assert found.mlp_colour == 258_982


def test_alexnet_has_3_7_million_parameters_in_convolutions_or_2_3_in_its_two_halves():
    def by_keras(groups):
        channels, count = 3, 0
        for filters, kernel, group in zip((96, 256, 384, 384, 256), (11, 5, 3, 3, 3), groups, strict=True):
            count += keras_count((15, 15, channels), keras.layers.Conv2D(filters, kernel, groups=group))
            channels = filters
        return count

    assert by_keras((1, 1, 1, 1, 1)) == sum(ALEXNET[:8]) == 3_747_200
    assert sum(ALEXNET[8:]) == 58_631_144
    assert by_keras((1, 2, 1, 2, 2)) + sum(ALEXNET[8:]) == 60_965_224


def test_three_3x3_see_as_far_as_one_7x7_with_27_weights_for_49():
    found = notebook()
    one, three = [found.conv(1, 7)], [found.conv(1, 3)] * 3

    assert found.receptive_field(one) == found.receptive_field(three) == 7
    for layers, kernels in [(one, [7]), (three, [3, 3, 3])]:
        bare = [keras.layers.Conv2D(1, kernel, use_bias=False) for kernel in kernels]
        assert keras_count((25, 25, 1), *bare) == sum(layer["kernel"] ** 2 for layer in layers)
    assert [keras_count((9, 9, 1), keras.layers.Conv2D(1, k, use_bias=False)) for k in (3, 7)] == [9, 49]


@pytest.mark.parametrize(
    ("name", "layers", "field"), [("lenet5", 4, 16), ("alexnet", 8, 195), ("vgg16", 18, 212), ("bottle_cnn", 5, 18)]
)
def test_receptive_fields_are_the_smallest_pictures_that_leave_one_value(name, layers, field):
    # Without padding, a picture of just that size comes out as one value, and one row less does not.
    found = notebook()
    body = [{**layer, "padding": "valid"} for layer in getattr(found, name)[:layers]]

    def comes_out(size):
        shape = (size, size, 3)
        for layer in body:
            if layer["kind"] == "conv":
                options = {"strides": layer["stride"]}
                shape = keras.layers.Conv2D(4, layer["kernel"], **options).compute_output_shape((None, *shape))[1:]
            else:
                pooling = keras.layers.MaxPooling2D(layer["size"], strides=layer["stride"])
                shape = pooling.compute_output_shape((None, *shape))[1:]
        return shape[:2]

    assert found.receptive_field(body) == field
    assert comes_out(field) == (1, 1)
    with pytest.raises(ValueError, match=r"negative dimension|Computed output size"):
        comes_out(field - 1)


@pytest.mark.parametrize(
    ("kernel", "channels", "filters", "count", "saved"),
    [(3, 64, 128, 8_896, 8.3), (3, 512, 512, 267_264, 8.8), (5, 3, 6, 99, 4.6)],
)
def test_depthwise_separable_convolutions(kernel, channels, filters, count, saved):
    found = notebook()

    assert found.separable_parameters(kernel, channels, filters) == count
    assert keras_count((9, 9, channels), keras.layers.SeparableConv2D(filters, kernel)) == count
    assert round(found.conv_parameters(kernel, channels, filters) / count, 1) == saved


def test_a_picture_costs_vgg16_61_megabytes_and_115_if_the_sums_before_relu_are_kept_too():
    found = notebook()
    with plans_only():
        layers = keras.applications.VGG16(weights=None).layers
        kept = [layer for layer in layers if not isinstance(layer, keras.layers.Flatten)]
        values = sum(math.prod(layer.output.shape[1:]) for layer in kept)
        with_relu = [layer for layer in kept if getattr(layer, "activation", None) is keras.activations.relu]
        sums = sum(math.prod(layer.output.shape[1:]) for layer in with_relu)

    assert found.activation_bytes(found.VGG16_SHAPE, found.vgg16) == 4 * values == 60_950_432
    assert round(4 * (values + sums) / 1e6) == 115
