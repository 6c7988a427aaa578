"""Images that are odd by themselves: dark, bright, blurred, of hardly anything; by cleanvision."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from automask.data.decoding import GREY, decode_partly
from automask.data.depth import Depth
from automask.listener import progress

#: Pixels a side that are enough for what is measured.
ENOUGH = 256
#: So many images are looked at, from all over the rows.
MOST = 5000
#: What is looked for, by cleanvision's names, and what to call it.
KINDS = {
    "dark": "dark",
    "light": "bright all over",
    "blurry": "blurred",
    "low_information": "of one colour, or nearly so",
}
MISSING = "cleanvision isn't installed: pip install 'automask[look]'"


def find_oddities(paths: Sequence[Path], depth: Depth = Depth()) -> Mapping[str, list[int]] | str:
    """The rows that are odd by each of `KINDS`, the oddest first, or why nobody looked.

    Of more images than `MOST` so many are looked at. Thresholds are cleanvision's own
    (https://github.com/cleanlab/cleanvision).
    """
    if find_spec("cleanvision") is None:
        return MISSING
    from cleanvision import Imagelab

    rows = np.unique(np.linspace(0, len(paths) - 1, min(MOST, len(paths))).round().astype(int))
    pictures = _Pictures([paths[row] for row in rows.tolist()], depth)
    lab = Imagelab(torchvision_dataset=pictures)
    # Its bar would stand in ours.
    with redirect_stderr(io.StringIO()):
        lab.find_issues({kind: {} for kind in KINDS}, n_jobs=1, verbose=False)
    odd = {}
    for kind, name in KINDS.items():
        flagged = lab.issues[lab.issues[f"is_{kind}_issue"]].sort_values(f"{kind}_score")
        odd[name] = rows[flagged.index.to_numpy(int)].tolist()
    return odd


class _Pictures(Sequence[tuple[object]]):
    """Image files as a data set of torchvision is: a tuple with an image each, read when it is asked
    for."""

    def __init__(self, paths: Sequence[Path], depth: Depth) -> None:
        self.paths, self.depth = paths, depth

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[object]:  # type: ignore[override]
        from PIL import Image

        image, _ = decode_partly(self.paths[index], ENOUGH, self.depth)
        progress("looking for oddities", index + 1, len(self.paths))
        return (Image.fromarray(GREY if image is None else image),)
