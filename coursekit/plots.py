"""
Pictures of what the notebooks are about: images, kernels, feature maps, curves, confusion matrices.

Every function makes one new Matplotlib figure and returns it; a notebook's cell ends in ``plt.show()``. The colours are
those of Okabe and Ito, which people with any kind of colour vision can tell apart; no line relies on colour alone.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

__all__ = [
    "COLOURS",
    "class_maps",
    "confusion_matrix",
    "curves",
    "feature_maps",
    "image_grid",
    "kernels",
    "picture_map",
    "retrieval",
    "training_curves",
]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#F0E442")
"""The palette of Okabe and Ito (https://jfly.uni-koeln.de/color/), the ones that show best on white first."""

_DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)), (0, (1, 3)), (0, (8, 4)), (0, (3, 1, 1, 1)))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_WIDTH = 8.0  # inches: the text column of a notebook
_NARROWEST = 2.6  # inches: room for the labels of a single small picture
_LINE = 0.25  # inches: a line of text
_CHARACTERS_PER_INCH = {9: 14, 12: 11}  # by size of the letters in points

Array = npt.NDArray[Any]


def image_grid(
    images: npt.ArrayLike | Sequence[npt.ArrayLike],
    titles: Sequence[object] | None = None,
    *,
    columns: int = 6,
    cmap: str = "gray",
    title: str | None = None,
) -> Figure:
    """
    Show pictures side by side, all on the same scale of brightness.

    Parameters
    ----------
    images : array_like or sequence of array_like
        Pictures of shape (height, width), (height, width, 1) or (height, width, 3); their sizes may differ. Pictures
        of uint8 are shown from 0 to 255, fractions within 0 to 1 from 0 to 1; any other range is stretched from the
        smallest to the largest value.
    titles : sequence, optional
        What stands above each picture.
    columns : int
        Pictures in a row, at most.
    cmap : str
        Matplotlib's name of the colours for pictures of one channel.
    title : str, optional
        What stands above all.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        When there is no picture, one has another shape, or the titles are too few or too many.
    """
    pictures = [_picture(image) for image in images]  # type: ignore[union-attr]
    if not pictures:
        raise ValueError("There is no picture to show.")
    labels = _labels(titles, len(pictures), "titles") or [""] * len(pictures)
    low, high = _range(pictures)
    ratios = {picture.shape[0] / picture.shape[1] for picture in pictures}
    figure, axes = _grid(labels, columns, cell=1.8, ratio=max(ratios), title=title)
    if len(ratios) > 1:
        # The compressed layout takes all pictures for as wide as the narrowest.
        figure.set_layout_engine("constrained")
    for axis, picture in zip(axes, pictures, strict=True):
        shown = (picture - low) / (high - low) if picture.ndim == 3 else picture
        axis.imshow(shown, cmap=_shades(cmap), vmin=low, vmax=high, interpolation="nearest")
    return figure


def _shades(cmap: str) -> Colormap:
    # More shades than these make a notebook's file a third larger and are not to be seen.
    return mpl.colormaps[cmap].resampled(64)


def _picture(image: npt.ArrayLike) -> Array:
    picture = np.asarray(image)
    if picture.ndim == 3 and picture.shape[2] == 1:
        picture = picture[..., 0]
    if not (picture.ndim == 2 or (picture.ndim == 3 and picture.shape[2] == 3)) or picture.size == 0:
        raise ValueError(
            f"A picture has shape (height, width), (height, width, 1) or (height, width, 3), not {np.shape(image)}. "
            "For a single one, give a list: [picture]."
        )
    return picture


def _range(pictures: Sequence[Array]) -> tuple[float, float]:
    if all(picture.dtype == np.uint8 for picture in pictures):
        return 0.0, 255.0
    low, high = _extremes(pictures)
    if all(picture.dtype.kind == "f" for picture in pictures) and low >= 0 and high <= 1:
        return 0.0, 1.0
    return low, high


def _extremes(pictures: Sequence[Array]) -> tuple[float, float]:
    low = min(float(np.min(picture)) for picture in pictures)
    high = max(float(np.max(picture)) for picture in pictures)
    return low, high if high > low else low + 1


def _labels(labels: Sequence[object] | None, number: int, what: str) -> list[str]:
    if labels is None:
        return []
    texts = [str(label) for label in labels]
    if len(texts) != number:
        raise ValueError(f"{number} {what} are needed, but there are {len(texts)}.")
    return texts


def _grid(
    labels: Sequence[str], columns: int, *, cell: float, ratio: float, title: str | None, beside: float = 0.0
) -> tuple[Figure, list[Axes]]:
    """
    Make a figure with axes for pictures, without ticks.

    Parameters
    ----------
    labels : sequence of str
        What stands above each.
    columns : int
        How many in a row, at most.
    cell : float
        Width of one, in inches, where the width of a notebook allows for it.
    ratio : float
        Height of a picture by its width.
    title : str or None
        What stands above all.
    beside : float
        Room for a colour bar, in inches.
    """
    columns = max(1, min(columns, len(labels)))
    rows = math.ceil(len(labels) / columns)
    cell = min(cell, (_WIDTH - beside) / columns)
    width = max(columns * cell, _NARROWEST) + beside
    wrapped = [_wrap(label, width / columns, 9) for label in labels]
    lines = max(label.count("\n") + 1 if label else 0 for label in wrapped)
    height = rows * (cell * ratio + 0.05 + 0.8 * _LINE * lines)
    figure = _figure(width, height, title, layout="compressed")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis in axes:
        axis.set_axis_off()
    for axis, label in zip(axes, wrapped, strict=False):
        axis.set_title(label, fontsize=9)
    return figure, axes[: len(labels)]


def _wrap(text: str, width: float, size: int) -> str:
    """Break a text into lines that are at most so many inches wide in letters of a size; its own breaks stay."""
    longest = max(4, int(width * _CHARACTERS_PER_INCH[size]))
    return "\n".join(textwrap.fill(line, longest) for line in text.splitlines())


def _figure(width: float, height: float, title: str | None, *, layout: Literal["compressed", "constrained"]) -> Figure:
    """Make a figure with a title that is wrapped to its width."""
    head = _wrap(title or "", width, 12)
    lines = head.count("\n") + 1 if head else 0
    figure: Figure = plt.figure(figsize=(width, height + 0.1 + _LINE * lines), layout=layout)
    if head:
        figure.suptitle(head, fontsize=12)
    return figure


def kernels(weights: npt.ArrayLike, *, titles: Sequence[object] | None = None, title: str | None = None) -> Figure:
    """
    Show the kernels of a convolution; where several channels come in, a column for each filter, a row for each channel.

    Positive weights are orange, negative ones violet, zero is white, on one scale for all. The numbers stand in the
    cells where there is room for them.

    Parameters
    ----------
    weights : array_like
        As Keras keeps them, (height, width, channels in, filters), or (height, width, filters), or one kernel
        (height, width).
    titles : sequence, optional
        A name for each filter.
    title : str, optional
        What stands above all.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        When the shape is another one, or the titles are too few or too many.
    """
    values = np.asarray(weights, dtype=float)
    alone = values.ndim == 2
    if values.ndim in (2, 3):
        values = values.reshape(*values.shape[:2], 1, -1)
    if values.ndim != 4 or values.size == 0:
        raise ValueError(
            f"Kernels have shape (height, width, channels in, filters), (height, width, filters) or (height, width), "
            f"not {np.shape(weights)}."
        )
    height, width, channels, filters = values.shape
    names = _labels(titles, filters, "titles")
    if channels > 1:
        return _kernel_table(values, names, title)
    names = names or [""] if alone else names or [f"filter {number}" for number in range(filters)]
    cell = min(1.8, (_WIDTH - 0.9) / min(8, filters))
    figure, axes = _grid(names, 8, cell=cell, ratio=height / width, title=title, beside=0.9)
    limit = _limit(values)
    for number, axis in enumerate(axes):
        _draw_weights(axis, values[:, :, 0, number], limit, cell)
    figure.colorbar(axes[0].images[0], ax=figure.axes, label="weight", aspect=15)
    return figure


def _limit(values: Array) -> float:
    return float(np.max(np.abs(values))) or 1.0


def _kernel_table(values: Array, names: Sequence[str], title: str | None) -> Figure:
    """Draw all kernels into one picture: hundreds of axes would take seconds."""
    height, width, channels, filters = values.shape
    gap = 1 if max(height, width) <= 5 else 2
    table = np.full((channels * (height + gap) - gap, filters * (width + gap) - gap), np.nan)
    for channel, number in np.ndindex(channels, filters):
        top, left = channel * (height + gap), number * (width + gap)
        table[top : top + height, left : left + width] = values[:, :, channel, number]
    cell = min(1.5 / (width + gap), (_WIDTH - 1.5) / table.shape[1])  # inches a weight
    size = (max(table.shape[1] * cell, _NARROWEST) + 1.5, table.shape[0] * cell + 0.6)
    figure = _figure(*size, title, layout="compressed")
    axis = figure.subplots()
    image = _draw_weights(axis, table, _limit(values), cell * table.shape[1])
    axis.spines[:].set_visible(False)
    axis.set_xticks(np.arange(filters) * (width + gap) + (width - 1) / 2, names or [str(i) for i in range(filters)])
    axis.set_yticks(np.arange(channels) * (height + gap) + (height - 1) / 2, [str(i) for i in range(channels)])
    axis.tick_params(length=0, labelsize=9)
    axis.xaxis.set_ticks_position("top")
    axis.xaxis.set_label_position("top")
    axis.set(xlabel="filter", ylabel="channel that comes in")
    figure.colorbar(image, ax=axis, label="weight", aspect=20)
    return figure


def _draw_weights(axis: Axes, weights: Array, limit: float, inches: float) -> AxesImage:
    """Draw weights as coloured cells, with their numbers where a cell is wide enough."""
    image = axis.imshow(weights, cmap="PuOr_r", vmin=-limit, vmax=limit, interpolation="nearest")
    axis.set_axis_on()
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_color("0.7")
    whole = bool(np.all((weights == np.round(weights)) | np.isnan(weights)))
    cell = inches / weights.shape[1]
    if cell >= (0.2 if whole else 0.32):
        for (row, column), value in np.ndenumerate(weights):
            if not np.isnan(value):
                _write(
                    axis,
                    (row, column),
                    f"{value:.0f}" if whole else f"{value:.2f}",
                    image,
                    value,
                    size=8 if cell >= 0.35 else 7,
                )
    return image


def _write(axis: Axes, cell: tuple[int, ...], text: str, image: AxesImage, value: float, *, size: float) -> None:
    """Write into a cell of an image, dark on a light colour and light on a dark one."""
    row, column = cell
    colour = "black" if _luminance(image.to_rgba(np.array([value]))[0]) > 0.18 else "white"
    axis.text(column, row, text, ha="center", va="center", fontsize=size, color=colour)


def _luminance(colour: Any) -> float:
    """Reckon the relative luminance, 0 to 1, on which contrast depends (WCAG 2, https://www.w3.org/TR/WCAG22/)."""
    parts = np.asarray(mpl.colors.to_rgb(colour))
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def feature_maps(
    maps: npt.ArrayLike,
    *,
    titles: Sequence[object] | None = None,
    columns: int = 8,
    cmap: str = "viridis",
    title: str | None = None,
) -> Figure:
    """
    Show what a layer makes of one picture: a map for each channel, all on one scale.

    Parameters
    ----------
    maps : array_like
        Shape (height, width, channels), or (1, height, width, channels) as a model gives it.
    titles : sequence, optional
        A name for each map.
    columns : int
        Maps in a row, at most.
    cmap : str
        Matplotlib's name of the colours.
    title : str, optional
        What stands above all.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        When the shape is another one, or the titles are too few or too many.
    """
    values = np.asarray(maps, dtype=float)
    if values.ndim == 4 and len(values) == 1:
        values = values[0]
    if values.ndim != 3 or values.size == 0:
        raise ValueError(f"Feature maps of one picture have shape (height, width, channels), not {np.shape(maps)}.")
    height, width, channels = values.shape
    names = _labels(titles, channels, "titles") or [f"map {number}" for number in range(channels)]
    figure, axes = _grid(names, columns, cell=2.2, ratio=height / width, title=title, beside=0.9)
    low, high = _extremes([values])
    for number, axis in enumerate(axes):
        axis.imshow(values[..., number], cmap=_shades(cmap), vmin=low, vmax=high, interpolation="nearest")
    figure.colorbar(axes[0].images[0], ax=figure.axes, label="activation", aspect=15)
    return figure


def training_curves(histories: Any, *, title: str | None = None) -> Figure:
    """
    Show how a training went: the loss, and next to it each further measure, over the epochs.

    Training is drawn solid, validation dashed.

    Parameters
    ----------
    histories : History, dict of lists, or dict of these by label
        What ``model.fit`` gave back, or its ``history``; to compare several trainings, ``{"label": history, ...}``.
    title : str, optional
        What stands above all.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        When there is nothing to draw.
    """
    records = _records(histories)
    measures = dict.fromkeys(key.removeprefix("val_") for record in records.values() for key in record)
    measures.pop("learning_rate", None)
    if not measures:
        raise ValueError("There is no epoch to draw: did fit run?")
    columns = min(len(measures), 2)
    rows = math.ceil(len(measures) / columns)
    width = _WIDTH if columns == 2 else 5.5
    labels = [text for label, record in records.items() for text in _line_names(label, record)]
    beside = max(1, int(width / (0.7 + max(len(text) for text in labels) / _CHARACTERS_PER_INCH[9])))
    below = math.ceil(len(labels) / beside)  # lines of the legend
    figure = _figure(width, 3.4 * rows + _LINE * below, title, layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis, measure in zip(axes, measures, strict=False):
        for number, (label, record) in enumerate(records.items()):
            _draw_training(axis, number, label, record, measure)
        _dress(axis, "epoch", measure.replace("_", " "))
        axis.set_xlim(0.5, max(len(values) for record in records.values() for values in record.values()) + 0.5)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    for axis in axes[len(measures) :]:
        axis.set_axis_off()
    handles = {line.get_label(): line for axis in axes for line in axis.lines}
    # Below the axes: there it never hides a line.
    figure.legend(handles=list(handles.values()), loc="outside lower center", ncols=beside, fontsize=9, frameon=False)
    return figure


def _records(histories: Any) -> dict[str, dict[str, Any]]:
    """Bring every form of histories into one: measures by label, without the empty ones."""
    content: Any = getattr(histories, "history", histories)
    if not isinstance(content, Mapping):
        raise ValueError(f"A history is what model.fit gives back, not {type(histories).__name__}.")
    single = all(isinstance(value, Sequence | np.ndarray) for value in content.values())
    by_label: dict[str, Any] = {"": content}
    if not single:
        by_label = {str(label): getattr(history, "history", history) for label, history in content.items()}
    return {label: {k: v for k, v in record.items() if len(v)} for label, record in by_label.items()}


def _line_names(label: str, record: Mapping[str, Any]) -> list[str]:
    """Name the lines of one training: the solid one, and the dashed one if there is any."""
    kinds = ["training", "validation"] if any(key.startswith("val_") for key in record) else ["training"]
    return [f"{label}, {kind}" if label else kind for kind in kinds]


def _draw_training(axis: Axes, number: int, label: str, record: Mapping[str, Any], measure: str) -> None:
    names = _line_names(label, record)
    for place, (name, key, dashes) in enumerate(zip(names, (measure, f"val_{measure}"), ("-", "--"), strict=False)):
        if key not in record:
            continue
        values = np.asarray(record[key], dtype=float)
        # A single training has a colour for each of its two lines, several have one colour each.
        look = number if label else place
        axis.plot(
            np.arange(1, len(values) + 1),
            values,
            dashes,
            color=COLOURS[look % len(COLOURS)],
            marker=_MARKERS[look % len(_MARKERS)],
            markevery=max(1, len(values) // 8),
            markersize=4,
            label=name,
        )


def _dress(axis: Axes, x_label: str, y_label: str) -> None:
    axis.set(xlabel=x_label, ylabel=y_label)
    axis.grid(color="0.9")
    axis.spines[["top", "right"]].set_visible(False)


def confusion_matrix(matrix: npt.ArrayLike, class_names: Sequence[object], *, title: str | None = None) -> Figure:
    """
    Show which classes are taken for which.

    The colour is the share of the row: of all pictures of the true class, how many were put here.

    Parameters
    ----------
    matrix : array_like of int, shape (C, C)
        How many pictures of class ``row`` were called class ``column``.
    class_names : sequence
        Names of the C classes.
    title : str, optional
        What stands above.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        When the matrix is not square or has negative entries, or the names are too few or too many.
    """
    counts = np.asarray(matrix)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or counts.size == 0 or np.any(counts < 0):
        raise ValueError(f"A confusion matrix is square and counts pictures; this one has shape {counts.shape}.")
    names = _labels(class_names, len(counts), "class names")
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    few = len(counts) <= 5
    cell = 1.15 if few else 0.6  # inches
    longest = max(len(name) for name in names) * 0.09  # inches
    upright = longest <= cell
    side = len(counts) * cell
    figure = _figure(side + longest + 1.6, side + (0.6 if upright else 0.6 + 0.7 * longest), title, layout="compressed")
    axis = figure.subplots()
    image = axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for cell_, share in np.ndenumerate(shares):
        text = f"{counts[cell_]:,}" + (f"\n{share:.0%}" if few else "")
        _write(axis, cell_, text, image, share, size=11 if few else 8)
    ticks = range(len(names))
    axis.set_xticks(ticks, names, rotation=0 if upright else 45, ha="center" if upright else "right")
    axis.set_yticks(ticks, names)
    axis.set(xlabel="said by the model", ylabel="true class")
    axis.tick_params(length=0)
    figure.colorbar(image, ax=axis, label="share of the true class", format="{x:.0%}", aspect=20)
    return figure


def curves(
    x: npt.ArrayLike,
    ys: Mapping[str, npt.ArrayLike],
    *,
    x_label: str = "x",
    y_label: str = "y",
    title: str | None = None,
) -> Figure:
    """
    Draw lines over one x axis, each with its name at its end.

    Parameters
    ----------
    x : array_like, shape (N,)
        Positions.
    ys : mapping of str to array_like of shape (N,)
        Lines by name, at most eight. They are told apart by colour and by dashes.
    x_label, y_label : str
        Names of the axes, with their units.
    title : str, optional
        What stands above.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        When there is no line, there are more than eight, or one has another length than x.
    """
    positions = np.asarray(x, dtype=float)
    lines = {str(label): np.asarray(y, dtype=float) for label, y in ys.items()}
    if not 1 <= len(lines) <= len(COLOURS):
        raise ValueError(f"From 1 to {len(COLOURS)} lines can be told apart, not {len(lines)}.")
    for label, line in lines.items():
        if positions.ndim != 1 or line.shape != positions.shape or not positions.size:
            raise ValueError(
                f"{label!r} has shape {line.shape} and x {positions.shape}: both need the same shape (N,)."
            )
    figure = _figure(7.0, 3.8, title, layout="constrained")
    axis = figure.subplots()
    for line, colour, dashes in zip(lines.values(), COLOURS, _DASHES, strict=False):
        axis.plot(positions, line, color=colour, linestyle=dashes, linewidth=2)
    _dress(axis, x_label, y_label)
    axis.set_xlim(positions.min(), positions.max() if np.ptp(positions) else positions.min() + 1)
    _name_ends(axis, lines)
    return figure


def _name_ends(axis: Axes, lines: Mapping[str, Array]) -> None:
    """Write each line's name to the right of its end, and a short sample of the line before it."""
    bottom, top = axis.get_ylim()
    ends = [float(line[np.isfinite(line)][-1]) if np.isfinite(line).any() else bottom for line in lines.values()]
    heights = [(end - bottom) / (top - bottom) for end in ends]
    places = _spread(heights, apart=0.07)  # of the axes' height: a line of text
    for name, height, place, colour, dashes in zip(lines, heights, places, COLOURS, _DASHES, strict=False):
        across = axis.transAxes
        axis.plot([1.0, 1.02], [height, place], color="0.7", linewidth=0.8, transform=across, clip_on=False)
        axis.plot(
            [1.02, 1.09], [place] * 2, color=colour, linestyle=dashes, linewidth=2, transform=across, clip_on=False
        )
        axis.text(1.1, place, name, va="center", fontsize=10, transform=across)


def _spread(heights: Sequence[float], *, apart: float) -> list[float]:
    """
    Move heights apart to a least distance, each as little as possible, within 0 to 1 where there is room.

    This is a least-squares fit of a rising sequence: neighbours that would overlap are pooled and share their mean.
    """
    order = sorted(range(len(heights)), key=heights.__getitem__)
    pools: list[list[float]] = []  # of heights, less what the labels below take up
    for rank, number in enumerate(order):
        pools.append([heights[number] - rank * apart])
        while len(pools) > 1 and np.mean(pools[-2]) > np.mean(pools[-1]):
            pools[-2:] = [pools[-2] + pools[-1]]
    room = 1.0 - apart * (len(heights) - 1)
    fitted = [min(max(float(np.mean(pool)), 0.0), max(room, 0.0)) for pool in pools for _ in pool]
    places = [0.0] * len(heights)
    for rank, number in enumerate(order):
        places[number] = fitted[rank] + rank * apart
    return places


def retrieval(
    queries: Sequence[npt.ArrayLike] | Array,
    found: Sequence[Sequence[npt.ArrayLike]] | Array,
    *,
    right: npt.ArrayLike,
    names: Sequence[object] | None = None,
    title: str | None = None,
) -> Figure:
    """
    Show what a search has found: a row for each query, which stands first, and what is right and what is wrong.

    Right pictures have a solid blue frame, wrong ones a dashed orange one.

    Parameters
    ----------
    queries : sequence of Q pictures
        All of one shape, as :func:`image_grid` takes them.
    found : sequence of Q sequences of K pictures
        What was found for each, the best first.
    right : array_like of bool, shape (Q, K)
        Whether it is what was looked for.
    names : sequence, optional
        A name for each query.
    title : str, optional
        What stands above all.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        When there is no picture, or shapes or numbers do not fit together.
    """
    rows = [[_picture(query), *map(_picture, line)] for query, line in zip(queries, found, strict=True)]
    marks = np.asarray(right, dtype=bool)
    shapes = {picture.shape for row in rows for picture in row}
    if len(shapes) != 1 or marks.shape != (len(rows), len(rows[0]) - 1) or not marks.size:
        raise ValueError(
            f"All pictures need one shape, and there must be as many marks as found ones: the shapes are {shapes}, "
            f"the marks have shape {marks.shape}."
        )
    labels = _labels(names, len(rows), "names")
    low, high = _range([picture for row in rows for picture in row])
    height, width = rows[0][0].shape[:2]
    gap = max(2, width // 6)
    # All in one picture: dozens of axes would take seconds.
    table = np.ones((len(rows) * (height + gap), len(rows[0]) * (width + gap) + gap, 3))
    places = [gap // 2 + column * (width + gap) + gap * (column > 0) for column in range(len(rows[0]))]
    tops = [gap // 2 + row * (height + gap) for row in range(len(rows))]
    for top, row in zip(tops, rows, strict=True):
        for left, picture in zip(places, row, strict=True):
            shown = picture if picture.ndim == 3 else picture[..., None]
            table[top : top + height, left : left + width] = (shown - low) / (high - low)
    cell = min(1.0, (_WIDTH - 1.2) / len(rows[0]))
    size = (max(len(rows[0]) * cell, _NARROWEST) + 1.2, len(rows) * cell * (height + gap) / (width + gap) + 0.8)
    figure = _figure(*size, title, layout="compressed")
    axis = figure.subplots()
    axis.imshow(table, interpolation="nearest")
    for (row, column), mark in np.ndenumerate(marks):
        axis.add_patch(_frame((places[column + 1], tops[row]), (width, height), right=bool(mark)))
    axis.set_xticks([left + width / 2 for left in places], ["query", *map(str, range(1, len(rows[0])))])
    axis.set_yticks([top + height / 2 for top in tops], labels or [""] * len(tops))
    axis.tick_params(length=0, labelsize=9)
    axis.xaxis.set_ticks_position("top")
    axis.spines[:].set_visible(False)
    handles = [_frame((0, 0), (0, 0), right=mark) for mark in (True, False)]
    figure.legend(handles, ["right", "wrong"], loc="outside lower center", ncols=2, fontsize=9, frameon=False)
    return figure


def _frame(corner: tuple[float, float], size: tuple[float, float], *, right: bool) -> Rectangle:
    width, height = size
    return Rectangle(
        (corner[0] - 1, corner[1] - 1),
        width + 1,
        height + 1,
        fill=False,
        linewidth=2,
        edgecolor=COLOURS[0 if right else 1],
        linestyle="-" if right else (0, (2, 1.2)),
    )


def class_maps(
    maps: Mapping[str, npt.ArrayLike], labels: npt.ArrayLike, class_names: Sequence[object], *, title: str | None = None
) -> Figure:
    """
    Show the same things on maps side by side: a dot for each, its colour and its form say its class.

    Parameters
    ----------
    maps : mapping of str to array_like of shape (N, 2)
        Places by the name of the map, at most three maps.
    labels : array_like of int, shape (N,)
        Classes.
    class_names : sequence
        Their names, at most 64.
    title : str, optional
        What stands above all.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        When there is no map or too many, places and labels do not fit together, or a label has no name.
    """
    places = {str(name): np.asarray(points, dtype=float) for name, points in maps.items()}
    classes = np.asarray(labels)
    names = [str(name) for name in class_names]
    if not 1 <= len(places) <= 3 or not 1 <= len(names) <= len(COLOURS) * len(_MARKERS):
        raise ValueError(f"One to three maps and 1 to 64 classes can be shown, not {len(places)} and {len(names)}.")
    for name, points in places.items():
        if classes.ndim != 1 or points.shape != (len(classes), 2) or not points.size:
            raise ValueError(f"{name!r} has shape {points.shape} and there are {classes.shape} labels: (N, 2), (N,).")
    if classes.min() < 0 or classes.max() >= len(names):
        raise ValueError(f"The labels go from {classes.min()} to {classes.max()}, but there are {len(names)} names.")
    width = _WIDTH / max(2, len(places))
    columns = min(5, len(names))
    lines = math.ceil(len(names) / columns)
    figure = _figure(len(places) * width, width + 0.3 + _LINE * lines, title, layout="constrained")
    for axis, (name, points) in zip(figure.subplots(1, len(places), squeeze=False).flat, places.items(), strict=True):
        for number, label in enumerate(names):
            axis.scatter(
                *points[classes == number].T,
                s=14,
                color=COLOURS[number % len(COLOURS)],
                # Another form for the second class of a colour.
                marker=_MARKERS[(number + number // len(COLOURS)) % len(_MARKERS)],
                edgecolors="0.25",
                linewidths=0.3,
                label=label,
            )
        axis.set_title(name, fontsize=10)
        axis.set(xticks=[], yticks=[])
        axis.set_aspect("equal", adjustable="datalim")
        axis.spines[:].set_color("0.7")
    handles, texts = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=columns, fontsize=9, frameon=False, markerscale=1.5)
    return figure


def picture_map(
    points: npt.ArrayLike, images: npt.ArrayLike | Sequence[npt.ArrayLike], *, cells: int = 28, title: str | None = None
) -> Figure:
    """
    Show small pictures at their places on a map.

    The map is divided into square cells, each of which shows the one picture that is nearest to its middle: nothing
    overlaps, and where many crowd, some are left out.

    Parameters
    ----------
    points : array_like of shape (N, 2)
        The places.
    images : sequence of N pictures
        All of one shape, as :func:`image_grid` takes them.
    cells : int
        How many cells the longer side of the map has.
    title : str, optional
        What stands above.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        When there is no picture, or shapes or numbers do not fit together.
    """
    places = np.asarray(points, dtype=float)
    pictures = [_picture(image) for image in images]  # type: ignore[union-attr]
    shapes = {picture.shape for picture in pictures}
    if places.shape != (len(pictures), 2) or len(shapes) != 1 or cells < 1:
        raise ValueError(f"{len(pictures)} pictures, of one shape, need as many places, not {places.shape}: {shapes}.")
    low, high = _range(pictures)
    height, width = pictures[0].shape[:2]
    side = float(np.ptp(places, axis=0).max()) or 1.0
    scaled = (places - places.min(axis=0)) / side * (cells - 1)
    columns, rows = (np.round(scaled[:, i]).astype(int) for i in (0, 1))
    table = np.ones(((rows.max() + 1) * height, (columns.max() + 1) * width, 3))
    # The one nearest to the middle of its cell comes last and stays.
    for number in np.argsort(-np.hypot(scaled[:, 0] - columns, scaled[:, 1] - rows), kind="stable"):
        picture = pictures[number]
        shown = (picture if picture.ndim == 3 else picture[..., None]) - low
        top, left = (rows.max() - rows[number]) * height, columns[number] * width
        table[top : top + height, left : left + width] = shown / (high - low)
    longer = max(table.shape[:2])
    figure = _figure(
        max(7.0 * table.shape[1] / longer, _NARROWEST), 7.0 * table.shape[0] / longer, title, layout="compressed"
    )
    axis = figure.subplots()
    axis.imshow(table, interpolation="antialiased")
    axis.set_axis_off()
    return figure
