"""
The report's plots: Matplotlib draws them, and they become a part of the page.

The page's content security policy allows no style of an element's own, and its colours change with the reader's
light or dark screen. So what Matplotlib writes as style becomes plain attributes, and its colours the page's own.
"""

from __future__ import annotations

import io
import textwrap
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.figure import Figure

from autograder.report.statistics import BINS, LOW, distribution

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from autograder.report.statistics import AssignmentStatistics, CellStatistics

# Stand for the page's colours while Matplotlib draws: no two alike, and none that it uses by itself.
_INK, _QUIET, _LINE, _BAR, _ALERT = "#010101", "#020202", "#030303", "#040404", "#050505"
_ON_PAGE = {_INK: "ink", _QUIET: "quiet", _LINE: "line", _BAR: "bar", _ALERT: "none"}

_SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "report",
    "text.parse_math": False,  # a dollar in an assignment's name is a dollar
    "text.color": _INK,
    "font.size": 8,
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _QUIET,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": _LINE,
    "xtick.color": _QUIET,
    "ytick.color": _QUIET,
    "xtick.bottom": False,
    "ytick.left": False,
    "path.simplify": False,
}
_POINTS_AN_INCH = 72
_LEFT_OUT = frozenset(("metadata", "style", "clipPath", "clip-path", "font-family"))


def histogram(shares: Sequence[float], *, width: int = 250, height: int = 120) -> Markup:
    """Draw how many students have which share of the points, in tenths."""
    counts = distribution(shares)
    with rc_context(_SETTINGS):
        figure, axes = _figure(width, height)
        bars = axes.bar([(i + 0.5) / BINS for i in range(BINS)], counts, width=0.88 / BINS, color=_BAR)
        axes.bar_label(bars, labels=[str(count or "") for count in counts], padding=1.5)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.15 * max(1, *counts))
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        _percent(axes.set_xticks)
        axes.set_xlabel("share of the points")
        said = ", ".join(f"{count} from {100 * i // BINS} %" for i, count in enumerate(counts) if count)
        return _markup(figure, f"Students by their share of the points, in tenths: {said or 'nobody'}")


def boxes(assignments: Sequence[AssignmentStatistics]) -> Markup:
    """Draw the shares of the points in each assignment: median, quarters, and from the 5th to the 95th percentile."""
    with rc_context(_SETTINGS):
        names = [textwrap.fill(each.name.replace("_", "_ "), 27).replace("_ ", "_") for each in assignments]
        longest = max((len(line) for name in names for line in name.splitlines()), default=0)
        figure, axes = _figure(250, 34 + 15 * len(assignments), left=8 + 4.4 * longest)
        line = {"color": _INK}
        axes.boxplot(
            [each.shares for each in assignments],
            orientation="horizontal",
            whis=(5, 95),
            showfliers=False,
            patch_artist=True,
            widths=0.6,
            boxprops={"facecolor": _BAR, "edgecolor": _INK, "linewidth": 0.6},
            medianprops={**line, "linewidth": 2},
            whiskerprops={**line, "linewidth": 0.8},
            capprops={**line, "linewidth": 0.8},
        )
        axes.set_yticks(range(1, len(assignments) + 1), names, color=_INK)
        axes.invert_yaxis()
        axes.spines["left"].set_visible(False)
        axes.set_xlim(0, max([1, *(max(each.shares, default=0) for each in assignments)]))
        axes.grid(axis="x", linewidth=0.6)
        _percent(axes.set_xticks)
        axes.set_xlabel("share of the points")
        medians = [f"{each.name} {_median(each):.0%}" for each in assignments if each.shares]
        return _markup(figure, f"Median share of the points by assignment: {', '.join(medians) or 'nobody'}")


def items(cells: Sequence[CellStatistics]) -> Markup:
    """Draw each exercise by how many of its points students have and by how well it tells them apart."""
    known = [
        (each.share, each.discrimination)
        for each in cells
        if each.share is not None and each.discrimination is not None
    ]
    low = [pair for pair in known if pair[1] < LOW]
    with rc_context(_SETTINGS):
        figure, axes = _figure(250, 190, left=32)
        axes.grid(linewidth=0.6)
        axes.axhline(LOW, color=_ALERT, linewidth=0.8, linestyle=(0, (4, 3)))
        for marker, color, pairs in (("o", _BAR, [pair for pair in known if pair not in low]), ("D", _ALERT, low)):
            axes.plot(
                *zip(*pairs, strict=True) if pairs else ((), ()), marker, color=color, markersize=4, clip_on=False
            )
        axes.set_xlim(0, max([1, *(share for share, _ in known)]))
        axes.set_ylim(min([0, *(value for _, value in known)]) - 0.05, 1)
        _percent(axes.set_xticks)
        axes.set_xlabel("mean share of the points: hard to easy")
        axes.set_ylabel("discrimination")
        text = f"{len(known)} exercises by mean share and discrimination; {len(low)} discriminate less than {LOW:g}"
        return _markup(figure, text)


def _median(assignment: AssignmentStatistics) -> float:
    return (assignment.median or 0.0) / (assignment.max_score or 1.0)


def _figure(width: float, height: float, *, left: float = 6) -> tuple[Figure, Axes]:
    """Give a figure of this size in points, with room for what stands at the axes."""
    bottom, right, top = 28, 16, 4
    figure = Figure(figsize=(width / _POINTS_AN_INCH, height / _POINTS_AN_INCH))
    figure.patch.set_visible(False)
    inside = (left / width, bottom / height, (width - left - right) / width, (height - bottom - top) / height)
    return figure, figure.add_axes(inside)


def _percent(set_ticks: object) -> None:
    set_ticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100 %"])  # type: ignore[operator]


def _markup(figure: Figure, text: str) -> Markup:
    """Give a figure as an element of the page, with the text for those who do not see it."""
    file = io.BytesIO()
    figure.savefig(file, format="svg")
    root = ElementTree.fromstring(file.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            if _local(child.tag) in _LEFT_OUT:
                parent.remove(child)
    for each in root.iter():
        each.tag, each.tail = _local(each.tag), None
        each.text = each.text and each.text.strip()
        given = {_local(name): value for name, value in each.attrib.items()}
        given |= _attributes(given.pop("style", ""))
        each.attrib = {name: _coloured(value) for name, value in given.items() if name not in _LEFT_OUT}
        if each.tag == "g":
            each.attrib.pop("id", None)  # the same in every figure, and used by none
    root.attrib = {"class": "figure", "viewBox": root.attrib["viewBox"], "role": "img", "aria-label": text}
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _attributes(style: str) -> dict[str, str]:
    """Give what a style says as attributes; of a font its size alone, for the letters are the page's."""
    found = dict(each.strip().split(": ", 1) for each in style.split(";") if each.strip())
    if font := found.pop("font", None):
        found["font-size"] = font.split("px")[0].split()[-1]
    return found


def _coloured(value: str) -> str:
    return f"var(--{_ON_PAGE[value]})" if value in _ON_PAGE else value


def _local(name: str) -> str:
    return name.rpartition("}")[2]
