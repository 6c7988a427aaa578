"""Every augmentation on real images, as docs/augmentation.png.

`python -m benchmarks.augmentation_pictures`, where the real tasks lie beside the checkout.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from automask.data.decoding import decode
from automask.space import registry
from automask.training.batches import Inputs

DATA = Path("../shared/data")
FILE = Path("docs/augmentation.png")

#: A row of each task's train table, and one more of the last.
IMAGES = (("sign-digits", 3), ("face-mask", 0), ("clothing", 4), ("clothing", 40))
DRAWS, SIZE, GAP, LABEL = 2, 96, 4, 110


def main() -> None:
    """Draw the picture, or say what it would need."""
    if not DATA.is_dir():
        print(f"{DATA} isn't here: {FILE} stays as it is")
        return
    pixels = np.stack([_image(task, row) for task, row in IMAGES])
    names = list(registry.plugins("augmentation"))
    width = LABEL + len(IMAGES) * (DRAWS * SIZE + (DRAWS + 1) * GAP)
    sheet = Image.new("RGB", (width, len(names) * (SIZE + GAP) + GAP), "white")
    pen = ImageDraw.Draw(sheet)
    for line, name in enumerate(names):
        top = GAP + line * (SIZE + GAP)
        pen.text((GAP, top + SIZE // 2 - 6), name, "black")
        augment = registry.get("augmentation", name).function(SIZE)
        torch.manual_seed(0)
        inputs = Inputs(pixels, augment, torch.device("cpu"), np.random.default_rng(0))
        for draw in range(DRAWS):
            for column, image in enumerate(inputs(np.arange(len(pixels))).numpy()):
                left = LABEL + column * (DRAWS * SIZE + (DRAWS + 1) * GAP) + draw * (SIZE + GAP)
                sheet.paste(Image.fromarray(image), (left, top))
    # 256 colours do for a picture in the docs.
    sheet.quantize(256).save(FILE, optimize=True)
    print(f"{FILE}: {len(names)} augmentations, {FILE.stat().st_size // 1000} kB")


def _image(task: str, row: int) -> np.ndarray:
    with (DATA / task / "train.csv").open(newline="", encoding="utf-8") as file:
        path = list(csv.DictReader(file))[row]["path"]
    return registry.get("resize", "crop").function(decode(DATA / task / path), SIZE)


if __name__ == "__main__":
    main()
