"""
Put pictures of the data sets and every figure of the solutions on sheets, for a person to look at.

Examples::

    python -m benchmarks.contact_sheet                     # all, to build/contact-sheets
    python -m benchmarks.contact_sheet cifar10 08_cnn --columns 30
    COURSE_DATA=<folder> python -m benchmarks.contact_sheet mnist --to sheets
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import matplotlib as mpl
import numpy as np
import typer
from PIL import Image, ImageDraw, ImageFont

from autograder.course import load_course
from autograder.notebook import read_notebook
from coursekit import data

ROOT = Path(__file__).resolve().parents[1]
DATA_SETS = ("litter", "mnist", "cifar10", "parcels")
COURSE = load_course(ROOT)
SOLUTIONS = {assignment.name: assignment for assignment in COURSE.assignments}
GAP = 1  # pixels between the pictures of a data set
MARGIN = 12  # pixels around a figure
WIDTH = 1800  # pixels: two figures as wide as a notebook's text


def main(
    names: Annotated[
        list[str] | None, typer.Argument(help="Data sets and assignments; all when none is named.")
    ] = None,
    to: Annotated[Path, typer.Option(help="Folder for the sheets.")] = ROOT / "build" / "contact-sheets",
    columns: Annotated[int, typer.Option(help="Pictures of a data set side by side.")] = 24,
    rows: Annotated[int, typer.Option(help="Rows of each class.")] = 2,
    zoom: Annotated[int, typer.Option(help="Pixels of the sheet for one of a data set.")] = 2,
) -> None:
    """Write one sheet for each data set (the first pictures of each class) and each assignment (all its figures)."""
    known = [*DATA_SETS, *SOLUTIONS]
    if unknown := sorted(set(names or ()) - set(known)):
        raise typer.BadParameter(f"There is no {', '.join(unknown)}. There are {', '.join(known)}.")
    to.mkdir(parents=True, exist_ok=True)
    for name in names or known:
        path = to / f"{name}.png"
        if name in DATA_SETS:
            loaded = data.load(name)
            made = sheet(coloured(loaded.x_test), loaded.y_test, columns, rows)
            Image.fromarray(made.repeat(zoom, 0).repeat(zoom, 1)).save(path)
        else:
            side_by_side(list(figures(name))).save(path)
        print(f"  {path}")


def figures(assignment: str) -> Iterator[tuple[str, Image.Image]]:
    """Give every figure of an assignment's solution, with the id of its cell."""
    for source in SOLUTIONS[assignment].notebooks:
        for cell in read_notebook(COURSE.solutions / assignment / source.path.name).cells:
            for output in cell.get("outputs", ()):
                if png := output.get("data", {}).get("image/png"):
                    yield cell.id, Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")


def side_by_side(pictures: list[tuple[str, Image.Image]]) -> Image.Image:
    """Lay figures out in rows, each under its name."""
    font = ImageFont.load_default(size=16)
    places, left, top, high = [], MARGIN, MARGIN, 0
    for name, picture in pictures:
        if left > MARGIN and left + picture.width + MARGIN > WIDTH:
            left, top, high = MARGIN, top + high + MARGIN, 0
        places.append((name, picture, left, top))
        left, high = left + picture.width + MARGIN, max(high, picture.height + 24)
    made = Image.new("RGB", (max([WIDTH, *(p.width + 2 * MARGIN for _, p in pictures)]), top + high + MARGIN), "white")
    draw = ImageDraw.Draw(made)
    for name, picture, x, y in places:
        draw.text((x, y), name, fill="#D55E00", font=font)
        made.paste(picture, (x, y + 24))
    return made


def coloured(pictures: Any) -> Any:
    """Make red, green and blue bytes of grey pictures, and of height maps (0 stays black)."""
    if pictures.dtype == np.uint16:
        levels = np.sqrt(pictures / max(pictures.max(), 1))
        shown = np.uint8(255 * mpl.colormaps["viridis"](levels)[..., :3])
        return np.where(pictures[..., None] > 0, shown, np.uint8(0))
    return np.repeat(pictures[..., None], 3, axis=-1) if pictures.ndim == 3 else pictures


def sheet(pictures: Any, labels: Any, columns: int, rows: int) -> Any:
    """Lay pictures out, (H, W, 3): `rows` rows of each class, a white line between pictures."""
    high, wide = pictures.shape[1] + GAP, pictures.shape[2] + GAP
    classes = np.unique(labels)
    made = np.full((len(classes) * rows * high, columns * wide, 3), 255, np.uint8)
    for place, label in enumerate(classes):
        for number, picture in enumerate(pictures[labels == label][: columns * rows]):
            top, left = (place * rows + number // columns) * high, (number % columns) * wide
            made[top : top + high - GAP, left : left + wide - GAP] = picture
    return made


if __name__ == "__main__":
    typer.run(main)
