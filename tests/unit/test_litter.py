"""What the drawn litter must be like, so that it can stand in for photographs."""

from __future__ import annotations

import time

import numpy as np
import pytest

from coursekit.litter import draw_litter


@pytest.fixture(scope="module")
def litter():
    """As many pictures as a class gets, and how long drawing them took (processor seconds)."""
    start = time.process_time()
    x, y = draw_litter(1500, 555, 77)
    return x, y, time.process_time() - start


def best_threshold(values, labels):
    """Accuracy of the best rule 'above' or 'below' on one number a picture, judged on the pictures it is fit to."""
    above = values[:, None] >= np.unique(values)
    agree = (above == (labels[:, None] == 1)).mean(axis=0)
    return max(agree.max(), 1 - agree.min())


def test_the_threshold_rule_finds_a_number_that_does_tell_the_class():
    labels = np.array([0, 0, 0, 1, 1])
    assert best_threshold(np.array([1, 2, 3, 4, 5]), labels) == 1.0
    assert best_threshold(np.array([5, 4, 3, 2, 1]), labels) == 1.0
    assert best_threshold(np.array([1, 2, 5, 3, 4]), labels) == 0.8


def test_pictures_are_grey_bytes_with_as_many_bottles_as_asked(litter):
    x, y, _ = litter
    assert (x.shape, x.dtype) == ((1500, 50, 50), np.uint8)
    assert (y.dtype, y.sum()) == (np.int64, 555)


def test_the_same_seed_draws_the_same_pictures_and_another_seed_others():
    first, again, other = (draw_litter(30, 10, seed) for seed in (4, 4, 5))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])
    assert not np.array_equal(draw_litter(30, 10, -4)[0], first[0])


def test_no_picture_is_drawn_twice(litter):
    x, _, _ = litter
    assert len({picture.tobytes() for picture in x}) == len(x)


@pytest.mark.parametrize("measure", ["mean", "std", "min", "max", "median"])
def test_one_grey_value_of_a_picture_does_not_tell_whether_there_is_a_bottle(litter, measure):
    x, y, _ = litter
    values = getattr(np, measure)(x.astype(float), axis=(1, 2))
    majority = (y == 0).mean()
    assert best_threshold(values, y) < majority + 0.05


def test_both_classes_have_the_same_exposure(litter):
    x, y, _ = litter
    means = x.mean(axis=(1, 2))
    assert means[y == 1].mean() == pytest.approx(means[y == 0].mean(), abs=6)
    assert means[y == 1].std() == pytest.approx(means[y == 0].std(), rel=0.25)


def test_no_class_is_the_bright_or_the_dark_one_everywhere(litter):
    x, y, _ = litter
    difference = x[y == 1].mean(axis=0) - x[y == 0].mean(axis=0)
    assert np.abs(difference).max() < 40
    assert difference.min() < 0 < difference.max()


def test_pictures_use_the_range_without_being_burnt_out(litter):
    x, _, _ = litter
    assert 25 < x.std(axis=(1, 2)).mean() < 60
    assert ((x == 0) | (x == 255)).mean() < 0.05


def test_bottles_lie_in_every_direction(litter):
    # The direction in which grey levels change most, from the structure tensor: doubled angles, as a line has no head.
    x, y, _ = litter
    down, right = np.gradient(x[y == 1].astype(float), axis=(1, 2))
    angle = np.arctan2(2 * (down * right).sum(axis=(1, 2)), (right**2 - down**2).sum(axis=(1, 2)))
    counts, _ = np.histogram(angle, bins=8, range=(-np.pi, np.pi))
    assert counts.min() > 0.5 * counts.mean()


def test_all_or_none_can_be_bottles():
    assert draw_litter(5, 5, 1)[1].tolist() == [1] * 5
    assert draw_litter(5, 0, 1)[1].tolist() == [0] * 5
    assert draw_litter(0, 0, 1)[0].shape == (0, 50, 50)


def test_a_class_does_not_wait_for_its_pictures(litter):
    _, _, seconds = litter
    assert seconds < 20
