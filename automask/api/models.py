"""A study's blend as a model of its own: exported, loaded, and new images predicted by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from automask.api.projects import Folder, open_project
from automask.errors import UserError
from automask.listener import note
from automask.prediction import model as models
from automask.prediction import sources
from automask.prediction.model import Model as Model
from automask.prediction.sources import Source
from automask.storage.files import check_place, refuse_existing
from automask.storage.model_store import ModelStore
from automask.units import bytes_of

if TYPE_CHECKING:
    import pandas as pd

    from automask.ensembles.ensemble import Ensemble
    from automask.ensembles.graphs import Agreement, Quantised
    from automask.study.session import Session


@dataclass(frozen=True)
class Exported:
    """A model's `folder` of `size` bytes, the blend that it holds, and the largest `difference` between
    what its networks predict and what the study scored, on some rows of each fold.

    Without a folder only files for other runtimes were written. `agreement` is how a file of ONNX
    answers beside torch, `quantised` what 8 bits cost.
    """

    folder: Path | None
    size: int
    blend: Ensemble
    difference: float
    agreement: Agreement | None = None
    quantised: Quantised | None = None


def export(
    output: str | Path | None = None,
    folder: Folder = ".",
    study: str = "main",
    *,
    storage: str | None = None,
    method: str = "auto",
    tta: str = "none",
    top: int | None = None,
    member: int | None = None,
    size: str | None = None,
    onnx: str | Path | None = None,
    torch: str | Path | None = None,
    int8: str | Path | None = None,
    single: bool = False,
    device: str = "auto",
) -> Exported:
    """Write the blend of a study into the folder `output`, which predicts by itself, or into one file
    for another runtime: `onnx`, `torch` (torch.export's format), `int8` (ONNX in 8 bits).

    It is the blend of `automask.ensemble`, of the trials whose weights are kept: of `member` alone
    where that is a trial's number, and the best whose networks take up to `size`, as "40MB", where
    that is given. `single` writes the best network that `automask.distill` made in place of the blend.
    Raises `UserError` where there is no such study, where nothing can be exported, where `output` is
    there already, or where a file can't hold the model.
    """
    from automask.api.surroundings import working
    from automask.study.session import Options, open_session

    options = Options(study, storage, device=device, project=open_project(folder))
    with working(options.project):
        session = open_session(options)
        return export_session(
            session,
            output,
            method=method,
            tta=tta,
            top=top,
            member=member,
            size=size,
            onnx=onnx,
            torch=torch,
            int8=int8,
            single=single,
        )


def export_session(
    session: Session,
    output: str | Path | None = None,
    *,
    method: str = "auto",
    tta: str = "none",
    top: int | None = None,
    member: int | None = None,
    size: str | None = None,
    onnx: str | Path | None = None,
    torch: str | Path | None = None,
    int8: str | Path | None = None,
    single: bool = False,
) -> Exported:
    """The same of an open study."""
    from automask.ensembles import export as exports
    from automask.ensembles import graphs
    from automask.ensembles import single as singles
    from automask.report import model_card

    files = graphs.Files(*(None if one is None else Path(one) for one in (onnx, torch, int8)))
    if output is None and not files:
        raise UserError("nothing to write: name a folder MODEL, or --onnx, --torch or --int8 FILE")
    files.check()
    most = None if size is None else bytes_of(size)
    if single and (method, tta, top, member, size) != ("auto", "none", None, None, None):
        raise UserError(
            "--single is one network, made of the best trials: leave out --method, --tta, --top, "
            "--member and --size"
        )
    with TemporaryDirectory() as place:
        folder = Path(place) / "model" if output is None else Path(output)
        refuse_existing(folder)
        if single:
            blended = singles.load(session)
        else:
            blended = exports.choose(session, method, tta, top, member, most)
        card = model_card.text(session, blended)
        store, difference = exports.write(session, blended, folder, card)
        made = graphs.write(session, blended, store, files) if files else (None, None)
        return Exported(folder if output else None, store.size, blended, difference, *made)


def load_model(folder: str | Path, *, device: str = "auto", trust_plugins: bool = False) -> Model:
    """The model that `export` wrote into a folder, ready to predict.

    Python files that it brings along run only with `trust_plugins`. Raises `UserError` where a file is
    missing or has changed, where a newer automask wrote it, or where it needs what isn't installed.
    """
    return models.load(folder, device=device, trust_plugins=trust_plugins)


def open_model(
    name: str, folder: Folder = ".", *, device: str = "auto", trust_plugins: bool = False
) -> Model:
    """The model of a folder or, by its name, that of a study's blend.

    Raises `UserError` where there is neither.
    """
    if ModelStore(Path(name)).is_model or Path(name).is_dir():
        return load_model(name, device=device, trust_plugins=trust_plugins)
    project = open_project(folder)
    if not project.config.is_file():
        raise UserError(
            f"{name}: no exported model there, and no project here with a study '{name}'"
        )
    with TemporaryDirectory() as place:
        path = Path(place) / "model"
        export(path, project, name, device=device)
        return load_model(path, device=device, trust_plugins=True)


def predict(
    model: str | Path | Model,
    images: Sequence[str | Path],
    *,
    column: str | None = None,
    unit: str | None = None,
    top: int | None = None,
    probabilities: bool = False,
    reject: float | None = None,
    explain: str | Path | None = None,
    on_bad_image: str = "skip",
    device: str = "auto",
    trust_plugins: bool = False,
    folder: Folder = ".",
) -> pd.DataFrame:
    """A row an image: its name, the answer and how sure that is.

    `model` is an exported folder, a study's name or a loaded `Model`; `images` are files, folders, and
    tables (CSV, parquet) whose `column`, guessed where none is given, has paths. Of several pictures of
    a thing `unit` is the tables' column that says which, and there is a row a thing. `top` adds the so
    many likeliest classes, `probabilities` a column a class; `reject`, such as 0.95, leaves answers
    blank that aren't as sure as out-of-fold rows had to be for so many of them to be right. `explain` is
    a page to write, of where the model looked in each image.

    An image that can't be read has no answer, and one that can't be read to its end is answered by what
    there is; where `on_bad_image` is "stop" either raises `UserError`.
    """
    from automask.prediction import answers

    pictures = sources.find_images([str(image) for image in images], column, unit)
    if explain is not None:
        check_place(Path(explain))
    if not isinstance(model, Model):
        model = open_model(str(model), folder, device=device, trust_plugins=trust_plugins)
    paths, names = [one.path for one in pictures], [one.name for one in pictures]
    units = None if unit is None else [one.unit for one in pictures]
    predictions = model.predictions(paths, units=units, on_bad_image=on_bad_image)
    frame = answers.table(model.contents, predictions, units or names, top, probabilities, reject)
    if explain is not None:
        _explain(model, [pictures[row] for row in np.flatnonzero(predictions.read)], Path(explain))
    return frame


def _explain(model: Model, pictures: Sequence[Source], page: Path) -> None:
    """Write where the model looked in images that can be read."""
    from automask.report import explanation_page

    shown = pictures[: explanation_page.MOST]
    if len(shown) < len(pictures):
        note(f"{page} has the first {len(shown):,} of {len(pictures):,} images")
    explanations = model.explain([one.path for one in shown])
    explanation_page.write(model.contents, [one.name for one in shown], explanations, page)


def write_predictions(frame: pd.DataFrame, file: str | Path) -> None:
    """Write them as CSV or, by the file's name, parquet. Raises `UserError` where that can't be."""
    from automask.prediction import answers

    answers.write(frame, Path(file))
