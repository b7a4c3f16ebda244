"""The pictures: what they show, that nothing of them is cut, and that they stay small."""

from __future__ import annotations

import io
from itertools import combinations
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from coursekit import plots

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from matplotlib.figure import Figure


@pytest.fixture(autouse=True)
def _no_window_and_no_figure_left() -> Iterator[None]:
    before = mpl.get_backend()
    plt.switch_backend("agg")
    with mpl.rc_context(mpl.rcParamsDefault):
        yield
    plt.close("all")
    plt.switch_backend(before)


RANDOM = np.random.default_rng(0)
SHADES = np.tile(np.arange(50, dtype=np.uint8) * 5, (50, 1))
FALLING = {
    "loss": [0.7, 0.5, 0.4],
    "accuracy": [0.6, 0.7, 0.8],
    "val_loss": [0.7, 0.6, 0.6],
    "val_accuracy": [0.6, 0.7, 0.7],
}
X = np.linspace(-6, 6, 101)
SIGMOID = 1 / (1 + np.exp(-X))

COLOURED = np.full((8, 12, 12, 3), 100, np.uint8) + 10 * np.arange(8, dtype=np.uint8)[:, None, None, None]
PLACES = np.random.default_rng(1).normal(size=(60, 2))

FIGURES: dict[str, Callable[[], Figure]] = {
    "a grid": lambda: plots.image_grid([SHADES] * 8, [f"bottle {i}" for i in range(8)], title="Eight pictures"),
    "a grid of one": lambda: plots.image_grid(
        [SHADES], ["one"], title="A title that is longer than its one picture is wide"
    ),
    "a grid of two sizes": lambda: plots.image_grid([SHADES, SHADES[:20]], ["whole", "cropped"]),
    "a grid with long titles": lambda: plots.image_grid([SHADES] * 6, ["no bottle, but taken for a bottle"] * 6),
    "a grid in colour": lambda: plots.image_grid(np.stack([SHADES] * 3, -1)[None]),
    "a kernel": lambda: plots.kernels([[0, -1, 0], [-1, 5, -1], [0, -1, 0]], title="Sharpen"),
    "kernels": lambda: plots.kernels(RANDOM.normal(size=(3, 3, 1, 16)), title="The first layer"),
    "kernels of several channels": lambda: plots.kernels(RANDOM.normal(size=(3, 3, 16, 16)), title="The second layer"),
    "kernels of colour": lambda: plots.kernels(RANDOM.normal(size=(3, 3, 3, 2)), titles=["edges", "spots"]),
    "feature maps": lambda: plots.feature_maps(np.stack([SHADES / 255.0] * 9, -1)[None], title="Nine maps"),
    "a feature map": lambda: plots.feature_maps(SHADES[:, :, None] - 100.0),
    "a training": lambda: plots.training_curves(FALLING, title="A training"),
    "a training without validation": lambda: plots.training_curves({"loss": [0.5]}),
    "two trainings": lambda: plots.training_curves({"MLP": FALLING, "CNN with augmentation": FALLING}, title="Two"),
    "three measures": lambda: plots.training_curves({**FALLING, "recall": [0.1, 0.2, 0.3]}),
    "a confusion matrix": lambda: plots.confusion_matrix(
        [[110, 8], [12, 20]], ["no bottle", "bottle"], title="On the test set"
    ),
    "a large confusion matrix": lambda: plots.confusion_matrix(np.eye(10, dtype=int) * 1000, ["automobile"] * 10),
    "a curve": lambda: plots.curves(X, {"sigmoid": SIGMOID}, title="The sigmoid"),
    "a search": lambda: plots.retrieval(
        COLOURED[:3], np.stack([COLOURED[:7]] * 3), right=np.eye(3, 7), names=["automobile"] * 3, title="A search"
    ),
    "a search in grey": lambda: plots.retrieval([SHADES], [[SHADES]], right=[[True]]),
    "two maps": lambda: plots.class_maps(
        {"by pixels": PLACES, "in the latent space": -PLACES}, np.arange(60) % 10, ["automobile"] * 10, title="Two"
    ),
    "a map": lambda: plots.class_maps({"a map": PLACES}, np.arange(60) % 2, ["no", "yes"]),
    "a map of pictures": lambda: plots.picture_map(PLACES, np.stack([SHADES[:12, :12]] * 60), title="Pictures"),
    "many curves": lambda: plots.curves(X, {f"a curve with a name {i}": SIGMOID + i / 50 for i in range(8)}),
}


@pytest.mark.parametrize("make", FIGURES.values(), ids=FIGURES)
def test_a_picture_is_one_figure_for_show_uncut_and_small_enough_for_a_notebook(make: Callable[[], Figure]) -> None:
    figure = make()
    assert plt.get_fignums() == [figure.number]
    file = io.BytesIO()
    figure.savefig(file, format="png")
    assert len(file.getvalue()) < 100_000
    width, height = figure.get_size_inches()
    assert width <= 8.5
    assert height <= 9
    drawn = figure.get_tightbbox()  # of all that is drawn, in inches
    assert drawn.x0 >= 0
    assert drawn.y0 >= 0
    assert drawn.x1 <= width
    assert drawn.y1 <= height
    titles = [axis.title.get_window_extent() for axis in figure.axes if axis.get_title()]
    assert not any(a.overlaps(b) for a, b in combinations(titles, 2))


def contrast(a: Any, b: Any) -> float:
    """Reckon the contrast of two colours (WCAG 2: 1 to 21)."""

    def luminance(colour: Any) -> float:
        parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in mpl.colors.to_rgb(colour)]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("name", ["a kernel", "kernels of colour", "a confusion matrix", "a large confusion matrix"])
def test_a_number_in_a_cell_stands_out_from_its_colour(name: str) -> None:
    axis = FIGURES[name]().axes[0]
    image: Any = axis.images[0]
    assert axis.texts
    for text in axis.texts:
        column, row = (int(place) for place in text.get_position())
        behind = image.cmap(image.norm(image.get_array()[row, column]))
        assert contrast(text.get_color(), behind) >= 4.5  # what WCAG asks of text


def images(figure: Figure) -> list[Any]:
    return [axis.images[0] for axis in figure.axes if axis.images]


def test_a_grid_shows_the_pictures_in_order_with_their_titles() -> None:
    pictures = [np.full((4, 4), value) for value in (0.1, 0.5, 0.9)]
    figure = plots.image_grid(pictures, [7, "b", "c"], columns=2)
    assert [float(image.get_array()[0, 0]) for image in images(figure)] == [0.1, 0.5, 0.9]
    assert [axis.get_title() for axis in figure.axes[:3]] == ["7", "b", "c"]
    place: Any = figure.axes[0].get_subplotspec()
    assert place.get_gridspec().get_geometry() == (2, 2)


@pytest.mark.parametrize(
    ("pictures", "scale"),
    [
        ([SHADES], (0, 255)),
        ([SHADES / 255.0], (0, 1)),
        ([SHADES.astype(int)], (0, 245)),
        ([SHADES - 100.0, SHADES * 1.0], (-100, 245)),
    ],
)
def test_all_pictures_of_a_grid_share_one_scale(pictures: Any, scale: tuple[float, float]) -> None:
    assert {image.get_clim() for image in images(plots.image_grid(pictures))} == {scale}


def test_a_grid_of_one_shade_can_be_drawn() -> None:
    assert images(plots.image_grid([np.full((3, 3), 5.0)]))[0].get_clim() == (5.0, 6.0)


@pytest.mark.parametrize(
    ("pictures", "titles", "words"),
    [
        ([], None, "no picture"),
        (SHADES, None, "give a list"),
        ([np.zeros((4, 4, 2))], None, "A picture has shape"),
        ([SHADES, SHADES], ["one"], "2 titles are needed, but there are 1"),
    ],
)
def test_what_cannot_be_shown_in_a_grid_is_told(pictures: Any, titles: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        plots.image_grid(pictures, titles)


def test_kernels_are_shown_on_one_scale_with_zero_in_the_middle() -> None:
    weights = np.array([[[1.0, -4.0]]])
    for image in images(plots.kernels(weights)):
        assert image.get_clim() == (-4.0, 4.0)


def test_kernels_of_several_channels_are_a_table_of_channels_and_filters() -> None:
    weights = np.arange(2 * 2 * 3 * 4.0).reshape(2, 2, 3, 4)
    axis = plots.kernels(weights, titles=list("abcd")).axes[0]
    image: Any = axis.images[0]
    table = np.ma.filled(image.get_array(), np.nan)
    assert table.shape == (8, 11)  # three and four kernels of 2 x 2 with gaps between them
    assert np.array_equal(table[3:5, 9:11], weights[:, :, 1, 3])
    assert [text.get_text() for text in axis.get_xticklabels()] == list("abcd")
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("filter", "channel that comes in")


def test_kernels_with_numbers_show_them_as_they_are() -> None:
    texts = [text.get_text() for text in plots.kernels([[0, -1], [5, 2]]).axes[0].texts]
    assert texts == ["0", "-1", "5", "2"]


@pytest.mark.parametrize("shape", [(3,), (2, 2, 2, 2, 2), (0, 3, 1, 1)])
def test_what_is_no_kernel_is_told(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="Kernels have shape"):
        plots.kernels(np.zeros(shape))


def test_feature_maps_are_shown_one_a_channel_on_one_scale() -> None:
    maps = np.stack([np.zeros((4, 5)), np.full((4, 5), 3.0)], axis=-1)
    found = images(plots.feature_maps(maps))[:2]
    assert [float(image.get_array()[0, 0]) for image in found] == [0.0, 3.0]
    assert {image.get_clim() for image in found} == {(0.0, 3.0)}


@pytest.mark.parametrize("shape", [(4, 5), (2, 4, 5, 3)])
def test_what_are_no_feature_maps_of_one_picture_is_told(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="Feature maps of one picture"):
        plots.feature_maps(np.zeros(shape))


def lines(axis: Any) -> dict[str, list[float]]:
    return {line.get_label(): line.get_ydata().tolist() for line in axis.lines}


def test_training_curves_show_each_measure_for_training_and_validation() -> None:
    loss, accuracy = plots.training_curves(FALLING).axes
    assert lines(loss) == {"training": FALLING["loss"], "validation": FALLING["val_loss"]}
    assert lines(accuracy) == {"training": FALLING["accuracy"], "validation": FALLING["val_accuracy"]}
    assert (loss.get_xlabel(), loss.get_ylabel(), accuracy.get_ylabel()) == ("epoch", "loss", "accuracy")
    assert np.array_equal(loss.lines[0].get_xdata(), [1, 2, 3])


def test_training_curves_take_a_history_and_histories_by_label() -> None:
    history = SimpleNamespace(history=FALLING)
    assert lines(plots.training_curves(history).axes[0]) == lines(plots.training_curves(FALLING).axes[0])
    two = lines(plots.training_curves({"MLP": history, "CNN": FALLING}).axes[0])
    assert list(two) == ["MLP, training", "MLP, validation", "CNN, training", "CNN, validation"]


def test_trainings_are_told_apart_by_more_than_colour() -> None:
    axis = plots.training_curves({"a": FALLING, "b": FALLING}).axes[0]
    looks = {(line.get_linestyle(), line.get_marker()) for line in axis.lines}
    assert len(looks) == len(axis.lines) == 4


@pytest.mark.parametrize("histories", [{}, {"loss": []}, SimpleNamespace(history={}), {"a": {}}])
def test_a_training_without_an_epoch_is_told(histories: Any) -> None:
    with pytest.raises(ValueError, match="did fit run"):
        plots.training_curves(histories)


def test_what_is_no_history_is_told() -> None:
    with pytest.raises(ValueError, match=r"model\.fit gives back, not NoneType"):
        plots.training_curves(None)


def test_a_confusion_matrix_shows_counts_and_shares_of_the_true_class() -> None:
    axis = plots.confusion_matrix([[90, 10], [0, 0]], ["no", "yes"]).axes[0]
    assert [text.get_text() for text in axis.texts] == ["90\n90%", "10\n10%", "0\n0%", "0\n0%"]
    assert [text.get_text() for text in axis.get_yticklabels()] == ["no", "yes"]
    assert (axis.get_ylabel(), axis.get_xlabel()) == ("true class", "said by the model")


@pytest.mark.parametrize(
    ("matrix", "names", "words"),
    [
        ([[1, 2]], ["a"], "square"),
        ([[1, -2], [0, 1]], ["a", "b"], "counts"),
        ([[1]], ["a", "b"], "1 class names are needed"),
    ],
)
def test_what_is_no_confusion_matrix_is_told(matrix: Any, names: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        plots.confusion_matrix(matrix, names)


def test_curves_are_named_at_their_ends_and_told_apart_by_more_than_colour() -> None:
    axis = plots.curves(X, {"sigmoid": SIGMOID, "tanh": np.tanh(X)}, x_label="input", y_label="output").axes[0]
    assert [text.get_text() for text in axis.texts] == ["sigmoid", "tanh"]
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("input", "output")
    drawn = axis.lines[:2]
    assert np.array_equal(drawn[0].get_ydata(), SIGMOID)
    assert len({line.get_linestyle() for line in drawn}) == len({line.get_color() for line in drawn}) == 2


def test_names_of_curves_that_end_together_stay_apart_and_in_order() -> None:
    figure = plots.curves(X, {name: SIGMOID + step for name, step in (("c", 0.02), ("a", 0.0), ("b", 0.01))})
    figure.canvas.draw()
    boxes = {text.get_text(): text.get_window_extent() for text in figure.axes[0].texts}
    assert boxes["a"].y1 <= boxes["b"].y0
    assert boxes["b"].y1 <= boxes["c"].y0


def test_a_curve_that_ends_in_nan_is_named_at_its_last_value() -> None:
    flat = np.where(X > 0, np.nan, 0.25)
    axis = plots.curves(X, {"flat": flat, "sigmoid": SIGMOID}).axes[0]
    bottom, top = axis.get_ylim()
    assert axis.texts[0].get_position()[1] == pytest.approx((0.25 - bottom) / (top - bottom))


@pytest.mark.parametrize(
    ("ys", "words"),
    [
        ({}, "lines can be told apart"),
        ({str(i): X for i in range(9)}, "not 9"),
        ({"a": X[:5]}, r"'a' has shape \(5,\)"),
    ],
)
def test_what_are_no_curves_is_told(ys: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        plots.curves(X, ys)


def test_a_search_shows_each_query_before_what_was_found_with_a_frame_for_right_and_wrong() -> None:
    figure = plots.retrieval(COLOURED[:2], COLOURED[2:8].reshape(2, 3, 12, 12, 3), right=[[1, 0, 0], [0, 1, 1]])
    axis = figure.axes[0]
    table = axis.images[0].get_array()
    lefts, tops = ([round(tick - 6) for tick in ticks] for ticks in (axis.get_xticks(), axis.get_yticks()))
    shown = [[float(table[top + 5, left + 5, 0]) * 255 for left in lefts] for top in tops]
    assert np.allclose(shown, [[100, 120, 130, 140], [110, 150, 160, 170]])
    frames = list(axis.patches)
    right = [patch.get_edgecolor() == mpl.colors.to_rgba(plots.COLOURS[0]) for patch in frames]
    assert right == [True, False, False, False, True, True]
    assert [patch.get_linestyle() == "-" for patch in frames] == right
    for frame, (row, column) in zip(frames, np.ndindex(2, 3), strict=True):
        assert (frame.get_x() + 1, frame.get_y() + 1) == (lefts[column + 1], tops[row])
    assert [text.get_text() for text in axis.get_xticklabels()] == ["query", "1", "2", "3"]


@pytest.mark.parametrize(
    ("queries", "found", "right", "names"),
    [
        (COLOURED[:2], COLOURED[:1][None], [[1]], None),
        (COLOURED[:1], COLOURED[:2][None], [[1]], None),
        (COLOURED[:1], COLOURED[None, :2, :5], [[1, 1]], None),
        (COLOURED[:1], COLOURED[None, :0], np.ones((1, 0)), None),
        (COLOURED[:1], COLOURED[:2][None], [[1, 1]], ["a", "b"]),
    ],
)
def test_what_is_no_search_is_told(queries: Any, found: Any, right: Any, names: Any) -> None:
    with pytest.raises(ValueError, match=r"one shape|shorter|names are needed"):
        plots.retrieval(queries, found, right=right, names=names)


def test_maps_tell_classes_apart_by_colour_and_form_together() -> None:
    labels = np.arange(60) % 10
    figure = plots.class_maps({"a": PLACES, "b": -PLACES}, labels, [f"class {i}" for i in range(10)])
    assert [axis.get_title() for axis in figure.axes] == ["a", "b"]
    for axis, places in zip(figure.axes, (PLACES, -PLACES), strict=True):
        looks = set()
        for number, dots in enumerate(axis.collections):
            assert np.array_equal(dots.get_offsets(), places[labels == number])
            looks.add((tuple(dots.get_facecolor()[0]), dots.get_paths()[0].vertices.tobytes()))
        assert len(looks) == 10
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [f"class {i}" for i in range(10)]


@pytest.mark.parametrize(
    ("maps", "labels", "words"),
    [
        ({}, [0], "One to three maps"),
        ({"a": PLACES}, np.zeros(59, int), "'a' has shape"),
        ({"a": PLACES[:, :1]}, np.zeros(60, int), "'a' has shape"),
        ({"a": PLACES}, np.full(60, 2), "from 2 to 2, but there are 2 names"),
    ],
)
def test_what_are_no_maps_is_told(maps: Any, labels: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        plots.class_maps(maps, labels, ["no", "yes"])


def test_a_map_of_pictures_has_each_at_its_place_with_up_for_the_second_axis() -> None:
    places = [[0.0, 0.0], [2.0, 0.0], [0.0, 1.0], [1.1, 0.0], [1.0, 0.0]]
    table = plots.picture_map(places, COLOURED[:5], cells=3).axes[0].images[0].get_array()
    assert table.shape == (24, 36, 3)
    middles = (table[6::12, 6::12, 0] * 255).round().tolist()
    # The fourth picture and the fifth share a cell; the fifth is nearer to its middle.
    assert middles == [[120, 255, 255], [100, 140, 110]]


@pytest.mark.parametrize("places", [PLACES[:7], PLACES[:8, :1], PLACES[:8, 0]])
def test_what_is_no_map_of_pictures_is_told(places: Any) -> None:
    with pytest.raises(ValueError, match="8 pictures, of one shape, need as many places"):
        plots.picture_map(places, COLOURED)


def test_the_colours_are_the_eight_of_okabe_and_ito() -> None:
    # As printed at https://jfly.uni-koeln.de/color/, in red, green and blue from 0 to 255.
    published = {
        (0, 0, 0),
        (230, 159, 0),
        (86, 180, 233),
        (0, 158, 115),
        (240, 228, 66),
        (0, 114, 178),
        (213, 94, 0),
        (204, 121, 167),
    }
    assert {tuple(round(part * 255) for part in mpl.colors.to_rgb(colour)) for colour in plots.COLOURS} == published
