"""An exported model in memory, and its predictions of new images."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from automask import machine
from automask.data.depth import Depth
from automask.errors import UserError
from automask.listener import note, progress
from automask.prediction import answers
from automask.prediction.answers import Predictions
from automask.prediction.blending import read_blending
from automask.prediction.contents import Contents, read_contents
from automask.prediction.networks import Networks, missing_plugins
from automask.prediction.pixels import Picture, describe, make_reader, read_squares
from automask.space import registry
from automask.storage.model_store import ModelStore
from automask.storage.project import Project

if TYPE_CHECKING:
    import pandas as pd

#: Squares of the images that are predicted at a time take about so many bytes, and no more images.
BYTES, IMAGES = 2**28, 512
#: Unreadable images that a sentence names.
SHOWN = 10
#: What can be done with an image that can't be read.
BAD_IMAGE = ("skip", "stop")


class Model:
    """An exported model, ready to predict."""

    def __init__(self, contents: Contents, store: ModelStore, device: str = "auto") -> None:
        self.contents, self.folder = contents, store.folder
        self.target, self.attributes = contents.answers.kind, contents.answers.attributes
        #: What it was made of and how well it did, as text.
        self.card = store.card.read_text("utf-8")
        self.device = machine.device(device)
        self._readers = [make_reader(one, i) for i, one in enumerate(contents.inputs)]
        self._depth = Depth.read(contents.depth)
        self._networks = Networks(contents, store).to(self.device)
        self._blending = read_blending(contents, store)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes or labels, in the order of probabilities; of a number its name."""
        return tuple(map(self.attributes.describe, range(len(self.attributes.classes))))

    def predict(
        self,
        images: Iterable[Picture] | Picture,
        *,
        top: int | None = None,
        probabilities: bool = False,
        reject: float | None = None,
        on_bad_image: str = "skip",
    ) -> pd.DataFrame:
        """A row an image: its name, the answer and how sure that is; see `automask predict`.

        Images are paths, uint8 arrays `[H, W, 3]` in the order red, green, blue, or Pillow's. One that
        can't be read has no answer, or raises `UserError` where `on_bad_image` is "stop".
        """
        pictures = _listed(images)
        predictions = self.predictions(pictures, on_bad_image=on_bad_image)
        names = [describe(picture) for picture in pictures]
        return answers.table(self.contents, predictions, names, top, probabilities, reject)

    def probabilities(self, images: Iterable[Picture] | Picture) -> np.ndarray:
        """float64 `[n, C]`: a probability a class, or the number. Raises `UserError` where an image
        can't be read."""
        return self.predictions(_listed(images), on_bad_image="stop").values

    def predictions(
        self, pictures: Sequence[Picture], *, on_bad_image: str = "skip"
    ) -> Predictions:
        """The same with what can't be read. Raises `UserError` where nothing can, where one can't and
        `on_bad_image` is "stop", and where there is no image."""
        if on_bad_image not in BAD_IMAGE:
            raise UserError(f"on_bad_image '{on_bad_image}': {' or '.join(BAD_IMAGE)}")
        if not pictures:
            raise UserError("no images to predict")
        values = np.full((len(pictures), len(self.classes)), np.nan)
        unreadable: dict[int, str] = {}
        done = 0
        with machine.restored():
            machine.setup_process()
            for rows, squares, errors in self._chunks(pictures):
                unreadable |= errors
                if errors and on_bad_image == "stop":
                    raise UserError("\n".join(list(errors.values())[:SHOWN]))
                if len(rows):
                    values[rows] = self._blending(self._networks.predict(squares, self.device))
                done += len(rows) + len(errors)
                progress("predicting", done, len(pictures))
        if unreadable:
            _tell(unreadable, len(pictures))
        return Predictions(values, unreadable)

    def by_fold(self, pictures: Sequence[Picture]) -> np.ndarray:
        """float32 `[T, K, n, C]`: what each member's folds predict by themselves."""
        parts = [
            self._networks.predict_folds(squares, self.device)
            for _, squares, _ in self._chunks(pictures)
        ]
        return np.concatenate(parts, axis=2)

    def _chunks(
        self, pictures: Sequence[Picture]
    ) -> Iterator[tuple[np.ndarray, list[np.ndarray], dict[int, str]]]:
        """Rows of some images at a time with their squares, and why others can't be read; the next are
        read while these are predicted."""
        each = sum(3 * reader.size**2 for reader in self._readers)
        count = min(IMAGES, max(1, BYTES // each))
        parts = np.array_split(np.arange(len(pictures)), max(1, -(-len(pictures) // count)))
        with ThreadPoolExecutor(1) as ahead, ThreadPoolExecutor(machine.cores()) as pool:
            read = functools.partial(self._read, pictures, pool=pool)
            coming = ahead.submit(read, parts[0])
            for following in [*parts[1:], None]:
                chunk = coming.result()
                if following is not None:
                    coming = ahead.submit(read, following)
                yield chunk

    def _read(
        self, pictures: Sequence[Picture], rows: np.ndarray, pool: ThreadPoolExecutor
    ) -> tuple[np.ndarray, list[np.ndarray], dict[int, str]]:
        squares = [np.empty((len(rows), r.size, r.size, 3), np.uint8) for r in self._readers]

        def read(place: int) -> str:
            try:
                made = read_squares(pictures[rows[place]], self._readers, self._depth)
            except UserError as error:
                return str(error)
            for table, square in zip(squares, made, strict=True):
                table[place] = square
            return ""

        errors = list(pool.map(read, range(len(rows))))
        right = np.array([not error for error in errors], bool)
        if right.all():
            return rows, squares, {}
        bad = {int(row): error for row, error in zip(rows, errors, strict=True) if error}
        return rows[right], [table[right] for table in squares], bad


def load(folder: str | Path, *, device: str = "auto", trust_plugins: bool = False) -> Model:
    """The model that `automask export` wrote into a folder, checked byte by byte.

    Python files of its own run only where `trust_plugins` says so. Raises `UserError` where a file is
    missing or has changed, where a newer automask wrote it, or where a plugin isn't there.
    """
    store = ModelStore(Path(folder))
    store.check()
    contents = read_contents(store.contents)
    if contents.plugins and not trust_plugins:
        raise UserError(
            f"{folder}: holds plugins that would run here ({', '.join(contents.plugins)} in "
            f"{store.plugins}): look them over, then say so with --trust-plugins (trust_plugins=True)"
        )
    # Of loose plugins those of the model count, and not those of the project that was open.
    registry.load(Project(store.folder.absolute()))
    if missing := missing_plugins(contents):
        raise UserError(
            f"{folder}: needs what isn't installed here: {', '.join(missing)}; see {store.requirements}"
        )
    return Model(contents, store, device)


def _listed(images: Iterable[Picture] | Picture) -> list[Picture]:
    single = isinstance(images, str | Path | np.ndarray) or not hasattr(images, "__iter__")
    return [images] if single else list(images)  # type: ignore[list-item,arg-type]


def _tell(unreadable: dict[int, str], count: int) -> None:
    lines = "\n  ".join(list(unreadable.values())[:SHOWN])
    more = f"\n  and {len(unreadable) - SHOWN} more" if len(unreadable) > SHOWN else ""
    text = f"{len(unreadable)} of {count} images can't be read:\n  {lines}{more}"
    if len(unreadable) == count:
        raise UserError(text)
    note(f"{text}\nthey have no answer")
