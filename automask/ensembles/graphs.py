"""A study's model as files for other runtimes, each compared with what it was made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from automask.data.decoding import decode
from automask.data.images import enough_pixels
from automask.ensembles import decisions
from automask.ensembles.ensemble import Ensemble
from automask.errors import UserError
from automask.listener import progress
from automask.prediction import graph_files
from automask.prediction.blending import read_blending
from automask.prediction.contents import read_contents
from automask.prediction.graph import FOLDS, Graph
from automask.prediction.model import Model
from automask.storage.files import check_place
from automask.storage.model_store import ModelStore
from automask.study.session import Session
from automask.target import Number

#: Images on which files are compared, those by which ranges of activations are set, and how far a file
#: may be from torch: of a probability, or of a number in its deviations.
COMPARED, CALIBRATION, TOLERANCE = 200, 200, 1e-4


@dataclass(frozen=True)
class Agreement:
    """A file of ONNX beside what it was made of, on so many `rows` of train: the largest `difference` of
    a probability from torch's of the same graph; and from that of the model, whose resize is training's,
    the largest one and in how many rows the answer is the `same`."""

    rows: int
    difference: float
    resize: float
    same: int


@dataclass(frozen=True)
class Quantised:
    """What 8 bits cost: the metric of `rows` out of fold by networks in 8 bits, and by those of the
    study, both by the same blend."""

    rows: int
    metric: str
    score: float
    study: float


@dataclass(frozen=True)
class Files:
    """What to write: ONNX, torch.export's format, and ONNX in 8 bits."""

    onnx: Path | None = None
    torch: Path | None = None
    int8: Path | None = None

    def __bool__(self) -> bool:
        return any((self.onnx, self.torch, self.int8))

    def check(self) -> None:
        """Raise `UserError` where one can't be written, or what writes it isn't installed."""
        for file in filter(None, (self.onnx, self.torch, self.int8)):
            check_place(file)
        if self.onnx or self.int8:
            graph_files.require_onnx()


def write(
    session: Session, blended: Ensemble, store: ModelStore, files: Files
) -> tuple[Agreement | None, Quantised | None]:
    """Write a model's files, and what came of comparing them.

    Raises `UserError` where one can't hold the model.
    """
    model = Model(read_contents(store.contents), store, session.options.device)
    graph = Graph(model.contents, store)
    agreement = quantised = None
    if files.torch:
        graph_files.write_torch(graph, files.torch)
    if files.onnx:
        with graph_files.whole(files.onnx) as beside:
            graph_files.write_onnx(graph, model.contents, beside)
            agreement = compare(session, model, graph, beside)
    if files.int8:
        quantised = write_int8(session, blended, model, store, files.int8)
    return agreement, quantised


def compare(session: Session, model: Model, graph: Graph, file: Path) -> Agreement:
    """How far a file's answers are from torch's. Raises `UserError` where that is too far."""
    data, target = session.data, session.data.target
    rows = _spread(len(data.train.paths), COMPARED)
    paths = [data.train.paths[row] for row in rows.tolist()]
    runner = graph_files.Runner(file)
    answers, in_torch = [], []
    with torch.inference_mode():
        for image in _images(session, graph, rows, "comparing"):
            answers.append(runner.run(image)[0])
            in_torch.append(graph(torch.tensor(image[None]))[0].numpy())
    scale = target.scale if isinstance(target, Number) else 1.0
    here, there = np.stack(answers), np.stack(in_torch)
    difference = float(np.abs(here - there).max()) / scale
    if not difference <= TOLERANCE:
        raise UserError(
            f"--onnx: its answers would differ from torch's by up to {difference:.0e}, so that it isn't "
            "written: export by another --method, or the folder alone"
        )
    plain = model.probabilities(paths)
    same = ~target.differ(target.decide(here), target.decide(plain))
    return Agreement(
        len(rows), difference, float(np.abs(here - plain).max()) / scale, int(same.sum())
    )


def write_int8(
    session: Session, blended: Ensemble, model: Model, store: ModelStore, file: Path
) -> Quantised:
    """Write the model in 8 bits, and score it where that says something.

    Ranges of activations are set by some train images, and all others are scored, each by the networks
    of the fold that never saw it, which are those of the file. No row is scored whose image set a range.
    """
    graph = Graph(model.contents, store, folds=True)
    data, folds = session.data, session.folds
    units = np.arange(len(folds)) if data.units is None else data.units
    all_units = np.unique(units)
    first = all_units[_spread(len(all_units), min(CALIBRATION, len(all_units) // 2))]
    apart = np.isin(units, first)
    with TemporaryDirectory() as place:
        setting = _images(session, graph, np.flatnonzero(apart)[:CALIBRATION], "quantising")
        small = graph_files.write_int8(graph, model.contents, setting, Path(place))
        runner, rows = graph_files.Runner(small), np.flatnonzero(~apart)
        table = np.stack(
            [
                runner.run(image, FOLDS)[:, folds[row], 0]
                for row, image in zip(
                    rows, _images(session, graph, rows, "scoring 8 bits"), strict=True
                )
            ],
            axis=1,
        )
        graph_files.without_folds(small, model.contents, file)
    pairs = [data.scored(rows, member.astype(np.float64)) for member in table]
    labels, now = pairs[0][0], np.stack([prediction for _, prediction in pairs])
    places = rows if data.units is None else np.unique(units[rows])
    stored = np.stack([part.member.validation[places] for part in blended.parts])
    blend = read_blending(model.contents, store).blend

    def value(members: np.ndarray) -> float:
        shifted = decisions.apply(data.target, blend(members.astype(np.float64)), blended.shift)
        return float(session.metric(labels, shifted))

    return Quantised(len(labels), session.config.search.metric, value(now), value(stored))


def _images(session: Session, graph: Graph, rows: np.ndarray, what: str) -> Iterator[np.ndarray]:
    """Train images as they are decoded for a graph."""
    data = session.data
    enough = max(enough_pixels(source.large, None) for source in graph.inputs)
    for count, row in enumerate(rows.tolist(), 1):
        yield decode(data.train.paths[row], enough, data.depth)
        progress(what, count, len(rows))


def _spread(length: int, count: int) -> np.ndarray:
    """So many places of so many, evenly."""
    return np.unique(np.linspace(0, length - 1, min(count, length)).round().astype(int))
