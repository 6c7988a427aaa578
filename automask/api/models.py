"""A study's blend as a model of its own: exported, loaded, and new images predicted by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from automask.api.projects import Folder, open_project
from automask.errors import UserError
from automask.prediction import model as models
from automask.prediction import sources
from automask.prediction.model import Model as Model
from automask.storage.model_store import ModelStore
from automask.units import bytes_of

if TYPE_CHECKING:
    import pandas as pd

    from automask.ensembles.ensemble import Ensemble
    from automask.study.session import Session


@dataclass(frozen=True)
class Exported:
    """A model's `folder` of `size` bytes, the blend that it holds, and the largest `difference` between
    what its networks predict and what the study scored, on some rows of each fold."""

    folder: Path
    size: int
    blend: Ensemble
    difference: float


def export(
    output: str | Path,
    folder: Folder = ".",
    study: str = "main",
    *,
    storage: str | None = None,
    method: str = "auto",
    tta: str = "none",
    top: int | None = None,
    member: int | None = None,
    size: str | None = None,
    device: str = "auto",
) -> Exported:
    """Write the blend of a study into the folder `output`, which predicts by itself.

    It is the blend of `automask.ensemble`, of the trials whose weights are kept: of `member` alone
    where that is a trial's number, and the best whose networks take up to `size`, as "40MB", where
    that is given. Raises `UserError` where there is no such study, where nothing can be exported, or
    where `output` is there already.
    """
    from automask.api.surroundings import working
    from automask.study.session import Options, open_session

    options = Options(study, storage, device=device, project=open_project(folder))
    with working(options.project):
        session = open_session(options)
        return export_session(
            session, output, method=method, tta=tta, top=top, member=member, size=size
        )


def export_session(
    session: Session,
    output: str | Path,
    *,
    method: str = "auto",
    tta: str = "none",
    top: int | None = None,
    member: int | None = None,
    size: str | None = None,
) -> Exported:
    """The same of an open study."""
    from automask.ensembles import export as exports
    from automask.report import model_card

    ModelStore(Path(output)).refuse_existing()
    most = None if size is None else bytes_of(size)
    blended = exports.choose(session, method, tta, top, member, most)
    card = model_card.text(session, blended)
    store, difference = exports.write(session, blended, Path(output), card)
    return Exported(store.folder, store.size, blended, difference)


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
        exported = export(Path(place) / "model", project, name, device=device)
        return load_model(exported.folder, device=device, trust_plugins=True)


def predict(
    model: str | Path | Model,
    images: Sequence[str | Path],
    *,
    column: str | None = None,
    top: int | None = None,
    probabilities: bool = False,
    reject: float | None = None,
    on_bad_image: str = "skip",
    device: str = "auto",
    trust_plugins: bool = False,
    folder: Folder = ".",
) -> pd.DataFrame:
    """A row an image: its name, the answer and how sure that is.

    `model` is an exported folder, a study's name or a loaded `Model`; `images` are files, folders, and
    tables (CSV, parquet) whose `column`, guessed where none is given, has paths. `top` adds the so many
    likeliest classes, `probabilities` a column a class; `reject`, such as 0.95, leaves answers blank
    that aren't as sure as out-of-fold rows had to be for so many of them to be right. An image that
    can't be read has no answer, or raises `UserError` where `on_bad_image` is "stop".
    """
    pictures = sources.find_images([str(image) for image in images], column)
    if not isinstance(model, Model):
        model = open_model(str(model), folder, device=device, trust_plugins=trust_plugins)
    predictions = model.predictions([source.path for source in pictures], on_bad_image=on_bad_image)
    from automask.prediction import answers

    names = [source.name for source in pictures]
    return answers.table(model.contents, predictions, names, top, probabilities, reject)


def write_predictions(frame: pd.DataFrame, file: str | Path) -> None:
    """Write them as CSV or, by the file's name, parquet. Raises `UserError` where that can't be."""
    from automask.prediction import answers

    answers.write(frame, Path(file))
