"""An exported model in memory, and its predictions of new images."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from automask import machine
from automask.data.depth import Depth
from automask.data.pooling import Pooling
from automask.errors import UserError
from automask.listener import note, progress
from automask.prediction import answers
from automask.prediction.answers import Predictions
from automask.prediction.blending import read_blending
from automask.prediction.contents import Contents, read_contents
from automask.prediction.explanation import Explanation, explain, shrink_whole
from automask.prediction.networks import Networks, missing_plugins
from automask.prediction.pixels import Picture, describe, make_reader, read_squares, to_array
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
        units: Sequence[str] | None = None,
        top: int | None = None,
        probabilities: bool = False,
        reject: float | None = None,
        on_bad_image: str = "skip",
    ) -> pd.DataFrame:
        """A row an image: its name, the answer and how sure that is; see `automask predict`.

        Images are paths, uint8 arrays `[H, W, 3]` in the order red, green, blue, or Pillow's. Of
        several pictures of a thing `units` says which thing each is of, and there is a row a thing. An
        image that can't be read has no answer, or raises `UserError` where `on_bad_image` is "stop".
        """
        pictures = _listed(images)
        predictions = self.predictions(pictures, units=units, on_bad_image=on_bad_image)
        names = [describe(picture) for picture in pictures] if units is None else units
        return answers.table(self.contents, predictions, names, top, probabilities, reject)

    def probabilities(
        self, images: Iterable[Picture] | Picture, units: Sequence[str] | None = None
    ) -> np.ndarray:
        """float64 `[n, C]`: a probability a class, or the number. Raises `UserError` where an image
        can't be read to its end."""
        return self.predictions(_listed(images), units=units, on_bad_image="stop").values

    def explain(self, images: Iterable[Picture] | Picture) -> list[Explanation]:
        """Where the model looked in each image: how its answer suffers where parts are hidden.

        Raises `UserError` where an image can't be read at all.
        """
        pictures, explanations = _listed(images), list[Explanation]()
        enough = max(reader.enough for reader in self._readers)
        with self._at_work():
            for picture in pictures:
                pixels, _ = to_array(picture, enough, self._depth)
                explanations.append(explain(shrink_whole(pixels, enough), self._table, self.target))
                progress("explaining", len(explanations), len(pictures))
        return explanations

    def predictions(
        self,
        pictures: Sequence[Picture],
        *,
        units: Sequence[str] | None = None,
        on_bad_image: str = "skip",
    ) -> Predictions:
        """The same with what can't be read. Raises `UserError` where something can't to its end and
        `on_bad_image` is "stop", where there is no image, and for `units` that the model isn't for."""
        if on_bad_image not in BAD_IMAGE:
            raise UserError(f"on_bad_image '{on_bad_image}': {' or '.join(BAD_IMAGE)}")
        if not pictures:
            raise UserError("no images to predict")
        pooling = self._pooling(units, len(pictures))
        count = len(pictures) if pooling is None else len(pooling.first)
        values = np.full((count, len(self.classes)), np.nan)
        # By thing first, so that rows are added to theirs.
        sums = np.zeros(
            (0 if pooling is None else count, len(self.contents.members), len(values.T))
        )
        read, problems, done = np.zeros(len(pictures), bool), dict[int, str](), 0
        with self._at_work():
            for rows, squares, bad in self._chunks(pictures):
                problems |= bad
                if bad and on_bad_image == "stop":
                    raise UserError("\n".join(list(bad.values())[:SHOWN]))
                if len(rows):
                    members = self._networks.predict(squares, self.device)
                    read[rows] = True
                    if pooling is None:
                        values[rows] = self._blending(members)
                    else:
                        np.add.at(sums, pooling.unit_of_row[rows], members.swapaxes(0, 1))
                done += len(rows) + len(bad.keys() - {*rows.tolist()})
                progress("predicting", done, len(pictures))
        if pooling is not None and read.any():
            counts = np.bincount(pooling.unit_of_row[read], minlength=count)
            seen = counts > 0
            values[seen] = self._blending(sums[seen].swapaxes(0, 1) / counts[seen, None])
        _tell(problems, read)
        return Predictions(values, problems, read, pooling)

    def by_fold(self, pictures: Sequence[Picture]) -> np.ndarray:
        """float32 `[T, K, n, C]`: what each member's folds predict by themselves."""
        parts = [
            self._networks.predict_folds(squares, self.device)
            for _, squares, _ in self._chunks(pictures)
        ]
        return np.concatenate(parts, axis=2)

    def _table(self, pictures: Sequence[Picture]) -> np.ndarray:
        """`[n, C]`; raises `UserError` where one can't be read."""
        parts = []
        for _, squares, bad in self._chunks(pictures):
            if bad:
                raise UserError(next(iter(bad.values())))
            parts.append(self._blending(self._networks.predict(squares, self.device)))
        return np.concatenate(parts)

    def _pooling(self, units: Sequence[str] | None, count: int) -> Pooling | None:
        """How pictures make things, as the model was scored."""
        if units is None:
            return None
        if not self.contents.pooled:
            raise UserError(
                "--unit: this model was scored on single pictures; search with unit in [data] for one "
                "that answers several of a thing together"
            )
        if len(units) != count:
            raise UserError(f"{len(units)} units of {count} images: give one an image")
        return Pooling.of(units)

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        with machine.restored():
            machine.setup_process()
            yield

    def _chunks(
        self, pictures: Sequence[Picture]
    ) -> Iterator[tuple[np.ndarray, list[np.ndarray], dict[int, str]]]:
        """Rows of some images at a time with their squares, and why images can't be read to their end;
        those that can't at all aren't among the rows. The next are read while these are predicted."""
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

        def read(place: int) -> tuple[bool, str]:
            try:
                made, problem = read_squares(pictures[rows[place]], self._readers, self._depth)
            except UserError as error:
                return False, str(error)
            for table, square in zip(squares, made, strict=True):
                table[place] = square
            return True, problem

        results = list(pool.map(read, range(len(rows))))
        right = np.array([able for able, _ in results], bool)
        bad = {
            int(row): problem for row, (_, problem) in zip(rows, results, strict=True) if problem
        }
        if right.all():
            return rows, squares, bad
        return rows[right], [table[right] for table in squares], bad


def load(folder: str | Path, *, device: str = "auto", trust_plugins: bool = False) -> Model:
    """The model that `automask export` wrote into a folder, checked byte by byte.

    Python files of its own run only where `trust_plugins` says so. Raises `UserError` where a file is
    missing or has changed, where a newer automask wrote it, or where a plugin isn't there.
    """
    store = ModelStore(Path(folder))
    contents = read_trusted(store, trust_plugins)
    # Of loose plugins those of the model count, and not those of the project that was open.
    registry.load(Project(store.folder.absolute()))
    if missing := missing_plugins(contents):
        raise UserError(
            f"{folder}: needs what isn't installed here: {', '.join(missing)}; see {store.requirements}"
        )
    return Model(contents, store, device)


def read_trusted(store: ModelStore, trust_plugins: bool) -> Contents:
    """What a model consists of, once its files are checked.

    Raises `UserError` where they aren't the exported ones, and where Python files are among them that
    `trust_plugins` doesn't let run.
    """
    store.check()
    contents = read_contents(store.contents)
    if contents.plugins and not trust_plugins:
        raise UserError(
            f"{store.folder}: holds plugins that would run ({', '.join(contents.plugins)} in "
            f"{store.plugins}): look them over, then say so with --trust-plugins (trust_plugins=True)"
        )
    return contents


def _listed(images: Iterable[Picture] | Picture) -> list[Picture]:
    single = isinstance(images, str | Path | np.ndarray) or not hasattr(images, "__iter__")
    return [images] if single else list(images)  # type: ignore[list-item,arg-type]


def _tell(problems: dict[int, str], read: np.ndarray) -> None:
    """Note which images can't be read to their end, and what became of them."""
    for end, rows in (
        ("can't be read to the end, and are answered by what there is", np.flatnonzero(read)),
        ("can't be read, and have no answer", np.flatnonzero(~read)),
    ):
        lines = [problems[row] for row in rows.tolist() if row in problems]
        more = f"\n  and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
        if lines:
            shown = "\n  ".join(lines[:SHOWN])
            note(f"{len(lines)} of {len(read)} images {end}:\n  {shown}{more}")
