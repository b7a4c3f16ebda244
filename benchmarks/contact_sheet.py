"""
Put pictures of the data sets on sheets, for a person to look at.

Examples::

    python -m benchmarks.contact_sheet                     # the stand-ins, to build/contact-sheets
    python -m benchmarks.contact_sheet cifar10 --columns 30
    COURSE_DATA=<folder> python -m benchmarks.contact_sheet --to sheets
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import matplotlib as mpl
import numpy as np
import typer
from PIL import Image

from coursekit import data

ROOT = Path(__file__).resolve().parents[1]
NAMES = ("litter", "mnist", "cifar10", "parcels")
GAP = 1


def main(
    names: Annotated[list[str] | None, typer.Argument(help=f"Of {', '.join(NAMES)}; all when none is named.")] = None,
    to: Annotated[Path, typer.Option(help="Folder for the sheets.")] = ROOT / "build" / "contact-sheets",
    columns: Annotated[int, typer.Option(help="Pictures side by side.")] = 24,
    rows: Annotated[int, typer.Option(help="Rows of each class.")] = 2,
    zoom: Annotated[int, typer.Option(help="Pixels of the sheet for one of a picture.")] = 2,
) -> None:
    """Write one sheet for each data set: rows are classes, pictures the first of the test split."""
    to.mkdir(parents=True, exist_ok=True)
    for name in names or NAMES:
        loaded = data.load(name)
        path = to / f"{name}.png"
        made = sheet(coloured(loaded.x_test), loaded.y_test, columns, rows)
        Image.fromarray(made.repeat(zoom, 0).repeat(zoom, 1)).save(path)
        print(f"  {path}")


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
