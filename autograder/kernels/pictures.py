"""
Pictures of warm kernels: the same as IPython's inline backend makes, in half the time; or none at all.

IPython asks Matplotlib for a "tight" picture, which measures every text of the figure once more before it draws. Here
the figure is drawn at once, and its empty margins are cut off what was drawn. A notebook with ten pictures spends
most of its time on them.
"""

from __future__ import annotations

import base64 as base64_encoding
import importlib
import io
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Of 0 to 9: twice as quick as the usual 6, for files a tenth larger.
_COMPRESSION = 2

NO_PICTURES = {"AUTOGRADER_PICTURES": "no"}
"""Environment of a kernel that shows the size of each figure in words and draws none."""


def draw_quickly() -> None:
    """Let IPython draw pictures as :func:`print_figure` does, in this process and its forks."""
    if "matplotlib" in sys.modules:
        _remember_font_heights()
    pylabtools: Any = importlib.import_module("IPython.core.pylabtools")
    slowly = pylabtools.print_figure

    def print_figure_or_fall_back(
        fig: Figure, fmt: str = "png", bbox_inches: str | None = "tight", base64: bool = False, **more: Any
    ) -> bytes | str | None:
        if os.environ.items() >= NO_PICTURES.items():
            return None
        picture = print_figure(fig) if (fmt, bbox_inches, more) == ("png", "tight", {}) else None
        if picture is None:
            answer: bytes | str | None = slowly(fig, fmt=fmt, bbox_inches=bbox_inches, base64=base64, **more)
            return answer
        return base64_encoding.b64encode(picture).decode("ascii") if base64 else picture

    pylabtools.print_figure = print_figure_or_fall_back


def print_figure(figure: Figure) -> bytes | None:
    """
    Draw a figure as a PNG file without its empty margins.

    Parameters
    ----------
    figure : Figure
        Any figure.

    Returns
    -------
    bytes or None
        None where this way would not show the whole: nothing keeps the figure's parts within its bounds (no layout
        engine), or something was drawn up to the rim; and for an empty figure, and for another canvas than Agg's.
    """
    import numpy as np
    from matplotlib import rcParams
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = figure.canvas
    if figure.get_layout_engine() is None or not figure.axes or not isinstance(canvas, FigureCanvasAgg):
        return None
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())
    # Four bytes are one pixel: compared as one number.
    drawn = pixels.view(np.uint32)[..., 0] != pixels[:1, :1].copy().view(np.uint32)[0, 0, 0]
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    height, width = drawn.shape
    if not rows.size or rows[0] == 0 or columns[0] == 0 or rows[-1] == height - 1 or columns[-1] == width - 1:
        return None
    margin = round(rcParams["savefig.pad_inches"] * figure.dpi)
    top, left = max(0, rows[0] - margin), max(0, columns[0] - margin)
    cut = pixels[top : rows[-1] + 1 + margin, left : columns[-1] + 1 + margin]
    file = io.BytesIO()
    Image.fromarray(cut).save(file, format="png", dpi=(figure.dpi, figure.dpi), compress_level=_COMPRESSION)
    return file.getvalue()


def _remember_font_heights() -> None:
    """
    Let Matplotlib read the height of a font once, not for every text each time that it is measured.

    Agg's renderer gets the method that those of PDF and PostScript have; the values are those that
    :class:`matplotlib.text.Text` works out where a renderer has none.
    """
    from matplotlib.backends.backend_agg import RendererAgg
    from matplotlib.font_manager import FontProperties, fontManager, get_font

    known: dict[tuple[int, float], tuple[float, float, float]] = {}

    def height(renderer: Any, properties: FontProperties) -> tuple[float, float, float] | tuple[None, None, None]:
        key = hash(properties), renderer.dpi
        if key not in known:
            font = get_font(fontManager._find_fonts_by_props(properties))
            table, head = font.get_sfnt_table("OS/2"), font.get_sfnt_table("head")
            if table is None or head is None:
                return None, None, None  # measured, then
            scale = properties.get_size_in_points() * renderer.dpi / 72 / head["unitsPerEm"]
            known[key] = table["sTypoAscender"] * scale, -table["sTypoDescender"] * scale, table["sTypoLineGap"] * scale
        return known[key]

    RendererAgg._get_font_height_metrics = height
