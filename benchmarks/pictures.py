"""`python -m benchmarks.pictures`: what preprocessings do to images, in docs/preprocessing.png."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from automask.data.decoding import decode
from automask.data.preprocessing import TrainingPart
from automask.data.tables import Rows
from automask.space import registry

ROOT = Path(__file__).parent.parent
DATA = ROOT.parent / "shared" / "data"
FILE = ROOT / "docs" / "preprocessing.png"

#: A task, an image of it, and how a column is headed.
COLUMNS = (
    ("face-mask", "3c801d3852", "a face before black"),
    ("face-mask", "979bfb9753", "a black mask"),
    ("clothing", "65de18e9ce72", "dark on light"),
    ("sign-digits", "00073ca315", "a sign"),
)
#: A preprocessing, its hyperparameters where they aren't its defaults.
ROWS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("none", {}),
    ("position_crop", {"spread": 1.0}),
    ("position_crop", {}),
    ("reveal_detail", {}),
    ("reveal_detail", {"clahe": 4.0, "sharpness": 3.0, "colour": 0.5}),
    ("whiten_background", {}),
    ("whiten_background", {"threshold": 20.0}),
)


def grid(
    columns: Sequence[str],
    rows: Mapping[str, Sequence[np.ndarray]],
    side: int = 128,
    left: int = 150,
) -> Image.Image:
    """A picture of images `[H, W, 3]`: a heading a column, a label a row, each within `side` pixels."""
    top, gap = 18, 6
    size = (left + len(columns) * (side + gap), top + len(rows) * (side + gap))
    sheet = Image.new("RGB", size, (225, 228, 232))
    pen = ImageDraw.Draw(sheet)
    for index, heading in enumerate(columns):
        pen.text((left + index * (side + gap), 3), heading, fill="black")
    for line, (label, images) in enumerate(rows.items()):
        y = top + line * (side + gap)
        pen.multiline_text((gap, y), label, fill="black")
        for index, image in enumerate(images):
            small = ImageOps.contain(Image.fromarray(image), (side, side))
            sheet.paste(small, (left + index * (side + gap), y))
    return sheet


def label(name: str, params: Mapping[str, Any]) -> str:
    """A plugin's name, and below it each hyperparameter that is told."""
    return "\n".join([name, *(f"  {key} {value:g}" for key, value in params.items())])


def preprocessings() -> Image.Image:
    """Every row of `ROWS` on every image of `COLUMNS`, fitted to the train rows of its task."""
    tables = {task: table(task) for task in {task for task, _, _ in COLUMNS}}
    images = [(task, decode(DATA / task / "images" / f"{name}.jpg")) for task, name, _ in COLUMNS]
    rows = {}
    for name, params in ROWS:
        make: Callable[..., Any] = registry.get("preprocessing", name).function
        made = {
            task: make(TrainingPart(train, np.arange(len(train))), **params)
            for task, train in tables.items()
        }
        rows[label(name, params)] = [
            image if made[task] is None else made[task](image) for task, image in images
        ]
    return grid([heading for _, _, heading in COLUMNS], rows)


def table(task: str) -> Rows:
    return registry.get("reader", "table").function(DATA / task).train


def main() -> None:
    if not DATA.is_dir():
        print(f"no real images in {'../shared/data'}; nothing is drawn")
        return
    FILE.parent.mkdir(exist_ok=True)
    sheet = preprocessings()
    # 256 colours are enough to see what is done, at a third of the bytes.
    sheet.quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(FILE, optimize=True)
    print(f"wrote {FILE.relative_to(ROOT)}, {FILE.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
