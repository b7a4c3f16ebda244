"""The figures of 14_project: its features on things whose size is known, and its CNN by formula and in Keras."""

from __future__ import annotations

import math

import numpy as np
import pytest

from autograder.notebook import nbgrader_metadata, read_notebook
from coursekit import data

from .answers import answers
from .conftest import COURSE

CELLS = ("setup", "leaked", "sizes", "height_shares", "outline", "features", "prepare", "augment", "cnn_answer")


@pytest.fixture(scope="module")
def project():
    return answers("14_project", *CELLS)


@pytest.fixture(scope="module")
def parcels():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_DATA_SOURCE", "standin")
        yield data.load("parcels")


def box(height, width, millimetres, *, side=20):
    """A box that lies straight on an empty belt, seen from above."""
    one = np.zeros((1, side, side), dtype="uint16")
    one[0, 3 : 3 + height, 4 : 4 + width] = millimetres
    return one


@pytest.mark.parametrize(("height", "width", "millimetres"), [(1, 1, 5), (7, 4, 120), (10, 10, 60_000)])
def test_a_box_has_the_area_height_perimeter_and_diagonals_of_a_rectangle(project, height, width, millimetres):
    one = box(height, width, millimetres)

    assert project["covered_area"](one).tolist() == [height * width]
    assert project["mean_height"](one) == pytest.approx([millimetres])
    assert project["perimeter"](one).tolist() == [2 * (height + width)]
    # From the centre of one corner's pixel to that of the opposite one, seen along a diagonal of the map.
    reach = (height - 1 + width - 1) / math.sqrt(2)
    assert project["diagonals"](one) == pytest.approx(np.array([[reach, reach]]))


def test_a_hole_in_a_box_adds_its_outline_and_takes_its_area(project):
    one = box(9, 9, 50)
    one[0, 6:8, 7:10] = 0

    assert project["covered_area"](one).tolist() == [81 - 6]
    assert project["perimeter"](one).tolist() == [36 + 10]
    assert project["mean_height"](one).tolist() == [50]


def test_the_example_of_the_text(project):
    one = np.array([[[0, 10, 0], [0, 20, 60]]], dtype="uint16")

    assert project["covered_area"](one).tolist() == [3]
    assert project["mean_height"](one).tolist() == [30]
    assert project["height_shares"](one, [20, 50]) == pytest.approx(np.full((1, 3), 1 / 3))
    assert project["perimeter"](one).tolist() == [8]
    assert project["diagonals"](one) == pytest.approx(np.array([[1, 2]]) / math.sqrt(2))


def test_two_equal_boxes_that_lie_flush_have_every_feature_of_one_that_is_twice_as_long(project):
    two = box(4, 5, 80)
    two[0, 7:11, 4:9] = 80

    assert np.array_equal(project["features"](two), project["features"](box(8, 5, 80)))


def test_features_do_not_mind_which_way_round_a_thing_lies(project, parcels):
    maps = parcels.x_test[:40]

    for turned in (maps[:, ::-1], maps[:, :, ::-1], np.rot90(maps, axes=(1, 2)), maps.transpose(0, 2, 1)):
        assert project["features"](turned) == pytest.approx(project["features"](maps))


def test_the_sets_are_strictly_apart_and_of_the_shares_that_the_text_says(project, parcels):
    for labels, number in [(parcels.y_train, 2000), (parcels.y_val, 300), (parcels.y_test, 300)]:
        assert (np.bincount(labels) / number).tolist() == [0.3, 0.5, 0.2]
    assert parcels.class_names == ("envelope", "parcel", "double")
    for one, other in [("x_train", "x_val"), ("x_train", "x_test"), ("x_val", "x_test")]:
        assert not project["leaked"](getattr(parcels, one), getattr(parcels, other)).any()
    # Nor is any map there that was merely turned or mirrored.
    for turns in range(4):
        turned = np.rot90(parcels.x_test, turns, axes=(1, 2))
        assert not project["leaked"](parcels.x_train, turned).any()
        assert not project["leaked"](parcels.x_train, turned[:, ::-1]).any()


def test_the_cnn_has_the_parameters_of_the_formula(project):
    model = project["build_cnn"]()

    by_layer = [layer.count_params() for layer in model.layers if layer.count_params()]

    convolutions = [filters * (9 * channels + 1) for channels, filters in [(1, 8), (8, 16), (16, 32), (32, 32)]]
    # 48 -> 46 -> 23 -> 21 -> 10 -> 8 -> 4 -> 2: what is flattened are 2 x 2 x 32 values.
    assert by_layer == [*convolutions, (2 * 2 * 32 + 1) * 64, (64 + 1) * 3]
    assert sum(by_layer) == model.count_params() == 23_587


def test_heights_prepared_for_the_cnn_are_about_0_to_1(project, parcels):
    x = project["prepare"](parcels.x_train)

    assert x.shape == (2000, 48, 48, 1)
    assert x.dtype == np.float32
    assert x.min() == 0
    assert x[5, 20, 20, 0] == pytest.approx(math.log1p(parcels.x_train[5, 20, 20]) / 6)
    assert 0.9 < x.max() < 1.1


def test_augmented_maps_keep_their_heights_and_come_in_all_eight_orientations(project):
    one = np.arange(9, dtype="float32").reshape(1, 3, 3, 1)

    copies = project["augment"](np.repeat(one, 400, axis=0), 0)

    kinds, counts = np.unique(copies.reshape(400, 9), axis=0, return_counts=True)
    assert len(kinds) == 8
    # 400 / 8 = 50 each, with a standard deviation of 6.6.
    assert counts.min() > 25
    assert np.array_equal(np.sort(kinds, axis=1), np.tile(np.arange(9), (8, 1)))


def test_six_of_twenty_points_are_a_persons():
    (notebook,) = COURSE.assignment("14_project").notebooks
    noted = [nbgrader_metadata(cell) for cell in read_notebook(notebook.path).cells]
    points = {each["grade_id"]: each["points"] for each in noted if each.get("grade")}

    assert points.pop("report") == 6
    assert sum(points.values()) == 14
    assert all(name.startswith("test_") for name in points)
