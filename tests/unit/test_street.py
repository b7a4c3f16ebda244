"""The colour picture of the first assignment."""

from __future__ import annotations

import numpy as np
import pytest

from coursekit.street import draw_street


@pytest.fixture(scope="module")
def street():
    return draw_street().astype("float64")


def test_it_is_one_picture_of_bytes_with_three_channels():
    picture = draw_street()
    assert (picture.shape, picture.dtype) == ((120, 180, 3), np.uint8)


def test_the_same_seed_gives_the_same_picture_and_another_one_other_grains():
    assert np.array_equal(draw_street(), draw_street(1))
    assert not np.array_equal(draw_street(1), draw_street(2))


def test_each_thing_has_a_colour_of_its_own(street):
    def colour(rows, columns):
        return street[rows, columns].reshape(-1, 3).mean(axis=0)

    red, green, blue = colour(slice(30, 50), slice(128, 142))
    assert red > 1.5 * green > 3 * blue, "the cup is orange"
    red, green, blue = colour(slice(70, 78), slice(96, 104))
    assert blue > 1.5 * red, "the cap is blue"
    red, green, blue = colour(slice(105, 118), slice(20, 160))
    assert green > 1.4 * red > 1.4 * blue, "the lawn is green"
    red, green, blue = colour(slice(32, 44), slice(72, 78))
    assert green > 1.5 * max(red, blue), "the bottle is of green glass"
    assert np.ptp(colour(slice(2, 22), slice(2, 32))) < 10, "asphalt is grey"


def test_luminance_and_the_plain_mean_of_the_channels_differ_to_be_seen(street):
    luminance = street @ (0.299, 0.587, 0.114)
    difference = luminance - street.mean(axis=2)
    assert difference[110, 90] > 10, "the lawn is brighter to the eye than its plain mean"
    assert difference[74, 100] < -15, "the cap is darker"
