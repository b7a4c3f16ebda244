"""The figures that 01_images prints in its text, worked out anew."""

from __future__ import annotations

import numpy as np
import pytest

from coursekit import data

from .answers import answers


@pytest.fixture(scope="module")
def litter():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_DATA_SOURCE", "standin")
        return data.load("litter")


@pytest.fixture(scope="module")
def student():
    cells = ("crop", "channel_statistics", "to_grey", "downscale", "standardise", "split", "one_hot")
    return answers("01_images", "setup", *cells, "majority_accuracy", "nearest_mean")


def test_the_orange_of_the_cup_becomes_138_and_its_plain_mean_would_be_122(student):
    red, green, blue = 232, 112, 22
    assert 299 * red + 587 * green + 114 * blue == 137_620
    assert student["to_grey"](np.array([[[red, green, blue]]], dtype="uint8")).item() == 138
    assert round((red + green + blue) / 3) == 122


def test_the_weights_of_luminance_add_up_to_one():
    assert 299 + 587 + 114 == 1000


def test_the_blocks_of_the_example_have_the_means_of_the_text(student):
    picture = np.array([[10, 20, 30, 50], [30, 40, 50, 70], [0, 0, 4, 8], [0, 0, 0, 12]])
    by_hand = [[(10 + 20 + 30 + 40) / 4, (30 + 50 + 50 + 70) / 4], [0, (4 + 8 + 0 + 12) / 4]]
    assert by_hand == [[25, 50], [0, 6]]
    assert student["downscale"](picture[None], 2).tolist() == [by_hand]


def test_the_example_of_standardising_has_mean_3_and_deviation_root_5(student):
    mean = (0 + 2 + 4 + 6) / 4
    variance = ((0 - mean) ** 2 + (2 - mean) ** 2 + (4 - mean) ** 2 + (6 - mean) ** 2) / 4
    assert (mean, variance) == (3, 5)
    z = student["standardise"](np.array([0, 2, 4, 6]), np.array([3, 8]))
    assert z == pytest.approx([0, 5 / 5**0.5])
    assert z[1] == pytest.approx(2.236, abs=5e-4)


def test_63_and_37_pictures_are_split_into_82_and_9_and_9(student):
    labels = np.array([0] * 63 + [1] * 37)
    parts = student["split"](labels, 1)
    assert [len(part) for part in parts] == [82, 9, 9]
    assert [np.bincount(labels[part]).tolist() for part in parts] == [[51, 31], [6, 3], [6, 3]]


def test_the_new_picture_of_the_example_is_at_13_and_16_from_the_class_means(student):
    means = student["class_means"](np.array([[[0, 2]], [[2, 2]], [[8, 4]]]), np.array([0, 0, 1]), 2)
    assert means.tolist() == [[[1, 2]], [[8, 4]]]
    new = np.array([[[4, 4]]])
    assert [(4 - 1) ** 2 + (4 - 2) ** 2, (4 - 8) ** 2 + (4 - 4) ** 2] == [13, 16]
    assert ((new - means) ** 2).sum(axis=(1, 2)).tolist() == [13, 16]
    assert student["nearest_mean"](new, means).tolist() == [0]


def test_37_and_21_percent_bottles_mean_63_and_79_percent_for_saying_no(litter, student):
    shares = [student["class_shares"](labels, 2)[1] for labels in (litter.y_train, litter.y_val, litter.y_test)]
    assert [round(100 * share) for share in shares] == [37, 37, 21]
    reached = [student["majority_accuracy"](litter.y_train, labels) for labels in (litter.y_train, litter.y_test)]
    assert [round(100 * accuracy) for accuracy in reached] == [63, 79]


def test_250_and_10_make_4_in_a_byte():
    assert (250 + 10) % 256 == 4
    assert (np.array([250], dtype="uint8") + np.uint8(10)).item() == 4
