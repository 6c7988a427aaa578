"""Tasks of every target, drawn on the spot, and small searches of them."""

import numpy as np
from PIL import Image

import automask

SPACE = """
[training]
pretrained = false
image_size = 32
epochs = {epochs}
warmup_epochs = 0
batch_size = 16

[backbone.timm]
model = "test_resnet"

[optimizer.adamw]
lr = 0.01

[head.joint]
[loss.cross_entropy]
[loss.sigmoid_bce]
[loss.smooth_l1]
[augmentation.none]
"""
READER = '''
import pandas as pd
from automask import Text, reader
from automask.data.tables import Rows, Tables


@reader(kind=Text(), unit=Text(), fold=Text())
def drawn(folder, *, kind="single", unit=None, fold=None):
    """A table that says what is asked."""
    file = folder / "drawn.csv"
    if not file.exists():
        return None
    table = pd.read_csv(file, dtype=str, keep_default_na=False)
    columns = [c for c in table if c.startswith("is_")]

    def rows(part, answers):
        return Rows(
            ids=part["id"].tolist(),
            paths=[folder / name for name in part["id"]],
            attributes=part[columns] if answers else pd.DataFrame(),
            units=part[unit].tolist() if unit else None,
            folds=part[fold].tolist() if fold and answers else None,
        )

    train, test = (table[table["part"] == part].reset_index() for part in ("train", "test"))
    return Tables(rows(train, True), rows(test, False), kind=kind)
'''


def draw(folder, answers, brightness, pictures=1, test=8):
    """A project of images as bright as `brightness` `[N, 3]` says, with the columns `answers`."""
    rng = np.random.default_rng(0)
    lines = [",".join(["id", "part", "thing", "fold", *answers])]
    count = len(brightness)
    (folder / "data").mkdir(parents=True)
    for index, levels in enumerate(np.repeat(brightness, pictures, axis=0)):
        noise = rng.integers(-20, 20, (32, 32, 3))
        pixels = (np.array(levels) + noise).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"data/{index}.png")
        row = index // pictures
        cells = [str(column[row]) for column in answers.values()]
        part = "test" if row >= count - test else "train"
        lines.append(",".join([f"{index}.png", part, f"t{row}", f"f{row % 4}", *cells]))
    (folder / "data/drawn.csv").write_text("\n".join(lines) + "\n")
    (folder / "plugins").mkdir()
    (folder / "plugins/mine.py").write_text(READER)


def search(folder, settings, metric, epochs=4, trials=1):
    (folder / "automask.toml").write_text(
        f'[data]\npath = "data"\nreader = "drawn"\n{settings}\n[search]\nfolds = 3\n'
    )
    (folder / "space.toml").write_text(SPACE.format(epochs=epochs))
    found = automask.search(
        folder=folder, space="space.toml", metric=metric, trials=trials, workers=1
    )
    return found, found.ensemble()


def labels_and_pixels(rows=60):
    """Three labels, each a channel that is bright."""
    rng = np.random.default_rng(1)
    labels = (rng.random((rows, 3)) < (0.5, 0.4, 0.3)).astype(int)
    return labels, 60 + 130 * labels
