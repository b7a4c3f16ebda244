"""A warm kernel's pictures show what IPython's would, drawn more quickly."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest
from IPython.core.pylabtools import print_figure as print_slowly
from matplotlib.figure import Figure
from PIL import Image

from autograder.kernels.pictures import print_figure
from coursekit import plots


@pytest.fixture(autouse=True)
def _agg() -> Iterator[None]:
    before = plt.get_backend()
    plt.switch_backend("agg")
    yield
    plt.close("all")
    plt.switch_backend(before)


def _curves() -> Figure:
    figure, axes = plt.subplots(1, 2, layout="constrained", figsize=(7, 3))
    axes[0].plot(np.arange(10.0) ** 2, label="squares")
    axes[0].set(xlabel="a number", ylabel="its square", title="squares")
    figure.legend(loc="outside lower center")
    return figure


def _grid() -> Figure:
    return plots.image_grid(np.random.default_rng(1).integers(0, 256, (7, 20, 30), dtype=np.uint8), list("abcdefg"))


def _wide() -> Figure:
    """Make a figure with wide empty margins, which a tight picture lacks."""
    figure, axes = plt.subplots(figsize=(9, 2), layout="constrained")
    axes.imshow(np.eye(5))
    return figure


def _pixels(file: bytes | str | None) -> np.ndarray:
    assert isinstance(file, bytes)
    return np.asarray(Image.open(io.BytesIO(file)).convert("L")).astype(int)


@pytest.mark.parametrize("make", [_curves, _grid, _wide])
def test_it_is_the_picture_that_ipython_makes(make) -> None:
    figure = make()

    quick, slow = _pixels(print_figure(figure)), _pixels(print_slowly(figure, fmt="png", bbox_inches="tight"))

    # The same ink over the same extent; the margins differ by a few pixels, because IPython's frame is that of the
    # texts' boxes, not of what is drawn of them.
    assert (255 - quick).sum() == pytest.approx((255 - slow).sum(), rel=0.02)
    for axis in (0, 1):
        ink = [np.flatnonzero((255 - picture).sum(axis=axis) > 0) for picture in (quick, slow)]
        assert np.ptp(ink[0]) == pytest.approx(np.ptp(ink[1]), abs=4)


def test_margins_are_cut_down_to_a_tenth_of_an_inch() -> None:
    picture = _pixels(print_figure(_wide()))

    inked = np.flatnonzero((picture < 255).any(axis=0))
    assert (inked[0], picture.shape[1] - 1 - inked[-1]) == (10, 10)


def test_a_figure_that_no_layout_keeps_within_its_bounds_is_left_to_ipython() -> None:
    figure, axes = plt.subplots()
    axes.plot([1, 2])
    axes.legend(["outside"], bbox_to_anchor=(1.4, 1.0))

    assert print_figure(figure) is None


def test_a_figure_drawn_up_to_its_rim_is_left_to_ipython() -> None:
    figure, axes = plt.subplots(layout="constrained")
    axes.plot([1, 2])
    figure.text(0.99, 0.5, "this text goes on beyond the rim")

    assert print_figure(figure) is None


def test_an_empty_figure_has_no_picture() -> None:
    assert print_figure(plt.figure(layout="constrained")) is None


def test_ipython_uses_it_once_it_is_told_to() -> None:
    program = """
import matplotlib, sys
matplotlib.use("agg")
import matplotlib.pyplot as plt
from autograder.kernels import pictures
from IPython.core import pylabtools

def drawn():
    figure, panels = plt.subplots(2, 2, layout="constrained")
    panels[0, 0].set(xlabel="$x^2$", ylabel="two\\nlines", title="a title")
    panels[0, 1].plot([0, 1e6], label="serif")
    panels[0, 1].legend(prop={"family": "serif", "size": 7})
    panels[1, 0].text(0.1, 0.5, "bold and turned", weight="bold", rotation=30, size=17)
    figure.canvas.draw()
    return bytes(figure.canvas.buffer_rgba())

before = drawn()
pictures.draw_quickly()
assert drawn() == before
figure, axes = plt.subplots(layout="constrained")
axes.plot([1, 2])
loose, no_axes = plt.subplots()
no_axes.plot([1, 2])
assert pylabtools.print_figure(figure) == pictures.print_figure(figure)
assert pylabtools.print_figure(figure, base64=True).startswith("iVBOR")
assert pylabtools.print_figure(loose).startswith(b"\\x89PNG")
assert b"<svg" in pylabtools.print_figure(figure, fmt="svg").encode()
assert pylabtools.print_figure(plt.figure()) is None
"""
    subprocess.run([sys.executable, "-c", program], check=True)
