"""What the drawn digits, objects and parcels must be like, so that they can stand in for real pictures."""

from __future__ import annotations

import time

import numpy as np
import pytest

from coursekit.digits import draw_digits
from coursekit.objects import CLASSES as OBJECTS
from coursekit.objects import draw_objects
from coursekit.parcels import draw_parcels

DRAWERS = {
    "digits": (draw_digits, 10, (28, 28), np.uint8),
    "objects": (draw_objects, 10, (32, 32, 3), np.uint8),
    "parcels": (draw_parcels, 3, (48, 48), np.uint16),
}


@pytest.fixture(scope="module")
def drawn():
    """A few hundred pictures of each, and how long drawing them took (processor seconds)."""
    made = {}
    for name, (draw, classes, _, _) in DRAWERS.items():
        start = time.process_time()
        x, y = draw([60 if classes == 10 else 200] * classes, 77)
        made[name] = (x, y, time.process_time() - start)
    return made


@pytest.mark.parametrize("name", DRAWERS)
def test_pictures_have_their_form_and_as_many_of_each_class_as_asked(name):
    draw, classes, shape, dtype = DRAWERS[name]
    counts = [number % 4 for number in range(classes)]
    x, y = draw(counts, 5)
    assert (x.shape, x.dtype) == ((sum(counts), *shape), dtype)
    assert (y.dtype, np.bincount(y, minlength=classes).tolist()) == (np.int64, counts)


@pytest.mark.parametrize("name", DRAWERS)
def test_the_same_seed_draws_the_same_pictures_and_another_seed_others(name):
    draw, classes, _, _ = DRAWERS[name]
    counts = [4] * classes
    first, again, other, negative = (draw(counts, seed) for seed in (4, 4, 5, -4))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])
    assert not np.array_equal(first[0], negative[0])


@pytest.mark.parametrize("name", DRAWERS)
def test_no_picture_is_drawn_twice_and_none_is_empty(drawn, name):
    x, _, _ = drawn[name]
    assert len({picture.tobytes() for picture in x}) == len(x)
    assert x.reshape(len(x), -1).std(axis=1).min() > 0


@pytest.mark.parametrize("name", DRAWERS)
def test_classes_come_in_no_order(drawn, name):
    _, y, _ = drawn[name]
    assert 0.5 / (y.max() + 1) < np.mean(y[1:] == y[:-1]) < 2 / (y.max() + 1)


@pytest.mark.parametrize("name", DRAWERS)
def test_a_class_does_not_wait_for_its_pictures(drawn, name):
    # Default sizes take about ten times as long, on a machine with nothing else to do a few seconds.
    assert drawn[name][2] < 3


# --- digits ---


def test_digits_are_white_on_black_and_clear_of_the_edge(drawn):
    x, _, _ = drawn["digits"]
    assert np.median(x) == 0
    assert (x.reshape(len(x), -1).max(axis=1) > 200).all()
    edge = np.concatenate([x[:, 0], x[:, -1], x[:, :, 0], x[:, :, -1]], axis=1)
    assert (edge > 0).mean() < 0.01


def test_digits_are_as_large_and_as_bold_as_those_of_mnist(drawn):
    # MNIST: its mean is 33.3 (0.1307 of 255), and a digit fits into a box of 20 pixels.
    x, _, _ = drawn["digits"]
    assert x.mean() == pytest.approx(33.3, abs=5)
    rows, columns = (x > 60).any(axis=2), (x > 60).any(axis=1)
    largest = np.maximum(rows.sum(axis=1), columns.sum(axis=1))
    assert 17 < np.median(largest) < 21
    assert largest.max() <= 26


def test_a_one_has_least_ink_and_a_zero_has_a_hole(drawn):
    x, y, _ = drawn["digits"]
    ink = [x[y == digit].mean() for digit in range(10)]
    assert int(np.argmin(ink)) == 1
    middle = x[y == 0][:, 11:17, 12:16].mean()
    assert middle < 0.5 * x[y == 8][:, 11:17, 12:16].mean()


# --- objects ---


def test_objects_are_told_apart_by_more_than_their_mean_colour(drawn):
    x, y, _ = drawn["objects"]
    means = x.reshape(len(x), -1, 3).mean(axis=1)
    half = len(x) // 2
    centres = np.stack([means[:half][y[:half] == label].mean(axis=0) for label in range(10)])
    nearest = np.square(means[half:, None] - centres).sum(axis=-1).argmin(axis=1)
    # One in ten is chance. Skies and grass hint at what is in them, as they do in photographs.
    assert np.mean(nearest == y[half:]) < 0.35


def test_objects_are_neither_grey_nor_burnt_out(drawn):
    x, _, _ = drawn["objects"]
    assert 80 < x.mean() < 150
    assert ((x == 0) | (x == 255)).mean() < 0.12
    assert (x.max(axis=-1).astype(int) - x.min(axis=-1)).mean() > 20


def test_every_kind_of_object_can_be_drawn_alone():
    for number in range(len(OBJECTS)):
        counts = [0] * 10
        counts[number] = 3
        x, y = draw_objects(counts, 2)
        assert (len(x), set(y.tolist())) == (3, {number})


# --- parcels ---


def test_the_belt_is_empty_around_parcels_and_heights_are_millimetres(drawn):
    x, y, _ = drawn["parcels"]
    covered = (x > 0).mean(axis=(1, 2))
    assert 0.02 < covered.min() < covered.max() < 0.8
    assert x.max() < 700
    highest = np.array([np.quantile(each[each > 0], 0.9) for each in x])
    assert np.median(highest[y == 0]) < 40 < np.median(highest[y == 1])


@pytest.mark.parametrize("measure", ["area", "mean height", "highest"])
def test_one_number_does_not_tell_two_things_from_one(drawn, measure):
    x, y, _ = drawn["parcels"]
    area = (x > 0).sum(axis=(1, 2))
    values = {"area": area, "mean height": x.sum(axis=(1, 2)) / area, "highest": x.max(axis=(1, 2))}[measure]
    parcel, double = values[y == 1], values[y == 2]
    above = np.mean(double[:, None] > parcel) + 0.5 * np.mean(double[:, None] == parcel)
    assert 0.2 < above < 0.8
