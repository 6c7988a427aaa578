"""Small competitions drawn on the spot."""

import numpy as np
import pandas as pd
from PIL import Image

from automask.data.tables import Rows, Tables

#: A space whose networks train in no time.
SPACE = """
[training]
pretrained = false
image_size = 32
epochs = { low = 1, high = 2 }
warmup_epochs = 0
batch_size = 8

[backbone.timm]
model = "test_resnet"
drop_rate = 0.0
drop_path_rate = 0.0

[loss.cross_entropy]

[loss.focal]
gamma = { low = 0.5, high = 2.0 }

[freeze.full]

[freeze.norm_and_head]

[augmentation.none]

[augmentation.light]
"""

#: The colour of each class.
COLOURS = {"01": (200, 40, 40), "2": (40, 200, 40), "NA": (40, 40, 200)}


def draw(file, colour, seed, size=(40, 32)):
    """Write an image of this colour and some noise."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(-35, 35, (size[1], size[0], 3))
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((np.array(colour) + noise).clip(0, 255).astype(np.uint8)).save(file)


def draw_table(folder, rows=30, test=9, group=True):
    """A table task: the label is the image's colour; every two rows are a group."""
    labels = list(COLOURS)
    lines = ["id,path,label" + (",group" if group else "")]
    for index in range(rows):
        label = labels[index // 2 % len(labels)]
        draw(folder / f"images/a{index}.png", COLOURS[label], index)
        lines.append(f"a{index},images/a{index}.png,{label}" + (f",g{index // 2}" if group else ""))
    (folder / "train.csv").write_text("\n".join(lines) + "\n")
    if test:
        ids = [f"t{index}" for index in range(test)]
        for index, name in enumerate(ids):
            draw(folder / f"images/{name}.png", COLOURS[labels[index % 3]], 1000 + index)
        rows_of = [f"{name},images/{name}.png" for name in ids]
        (folder / "test.csv").write_text("id,path\n" + "\n".join(rows_of) + "\n")
        wanted = "\n".join(f"{name},2" for name in reversed(ids))
        (folder / "sample_submission.csv").write_text(f"id,label\n{wanted}\n")
    return folder


def tables(labels, groups=None, **more):
    """What a reader would give for these labels, without images."""
    frame = pd.DataFrame(labels if isinstance(labels, dict) else {"label": labels}, dtype=str)
    count = len(frame)
    ids = [f"r{i}" for i in range(count)]
    train = Rows(ids, [], frame, None if groups is None else [f"g{g}" for g in groups])
    return Tables(train=train, **more)
