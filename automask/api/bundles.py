"""What a kernel without internet needs in one folder: to search there, or to predict."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from automask.api.notebook import write_notebook
from automask.api.projects import Folder, open_project
from automask.errors import UserError
from automask.space import space_file
from automask.storage import wheel
from automask.storage.bundle_store import BundleStore
from automask.storage.files import atomic_folder, refuse_existing
from automask.storage.project import Project
from automask.storage.text_file import parse_toml, read_text

OWN_SPACE = "space.toml"

HEAD = """\
# automask without internet

Everything comes from the folder of the bundle. Put right the two lines in capitals, then run all.
"""
PLACES = """\
from pathlib import Path

BUNDLE = Path("{bundle}")  # where this bundle lies, such as /kaggle/input/bundle
DATA = Path("{data}")  # {what}
"""
INSTALL = """\
import os
import subprocess
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
pip = [sys.executable, "-m", "pip", "install", "--no-index", "--find-links", str(BUNDLE / "wheels")]
subprocess.run([*pip, "automask"], check=True)
"""
UNPACK = """\
from automask.api.bundles import unpack

unpack(BUNDLE, "work", DATA)
"""
RUN = """\
import automask

weights = (BUNDLE / "weights").absolute()
study = automask.search(
    folder="work", weights=weights if weights.exists() else None, timeout="8h"
)
"""
BLEND = """\
blend = study.ensemble()
if blend.submission is not None:
    blend.submission.to_csv("submission.csv", index=False)
print(blend)
"""
PREDICT = """\
import automask

predictions = automask.predict(BUNDLE / "model", [DATA]{trusted})
predictions.to_csv("predictions.csv", index=False)
"""


def bundle(
    output: str | Path,
    folder: Folder = ".",
    *,
    weights: str | Path | None = None,
    model: str | Path | None = None,
    trust_plugins: bool = False,
) -> BundleStore:
    """Write the folder `output` for a kernel that reaches no network.

    It holds automask as a wheel, the list of those that it needs, and a notebook that installs them
    and searches with the project's configuration, space, plugins, corrected labels and `weights` (those
    of the configuration where None), or predicts with the exported `model`. Python files that this
    brings along run there only with `trust_plugins`. Raises `UserError` where something is there
    already, or for what can't be brought along.
    """
    refuse_existing(Path(output))
    with atomic_folder(Path(output)) as beside:
        store = BundleStore(beside)
        store.wheels.mkdir()
        wheel.write_wheel(store.wheels)
        lines = [line for line in wheel.requirements() if not line.startswith("automask==")]
        store.requirements.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        if model is not None:
            trusted = _bring_model(store, Path(model), trust_plugins)
            cells = [PREDICT.format(trusted=", trust_plugins=True" if trusted else "")]
            data = "images", "files, a folder, or a table of paths"
        else:
            path = _bring_project(store, open_project(folder), weights)
            cells = [UNPACK, RUN, BLEND]
            data = path, "the folder with the tables and images"
        places = PLACES.format(bundle=".", data=data[0], what=data[1])
        write_notebook(store.notebook, HEAD, [places, INSTALL, *cells])
    return BundleStore(Path(output))


def unpack(source: str | Path, folder: Folder, data: str | Path) -> Project:
    """The project of the bundle `source` in `folder`, where it may write, with the images in `data`.

    A project that is there already from the same bundle goes on, so that a notebook may be run twice.
    Raises `UserError` where `source` is no bundle or `data` isn't there.
    """
    import tomli_w

    store, project = BundleStore(Path(source)), open_project(folder)
    store.check()
    if not Path(data).exists():
        raise UserError(f"{data}: no such folder of images and tables")
    config = _config(store.project)
    config["data"]["path"] = str(Path(data).absolute())
    # Copied file by file, since copied folders would be as read-only as the bundle.
    for file in store.project.folder.rglob("*"):
        if file.is_file():
            _copy(file, project.folder / file.relative_to(store.project.folder))
    project.config.write_text(tomli_w.dumps(config), "utf-8")
    return project


def _bring_model(store: BundleStore, model: Path, trust_plugins: bool) -> bool:
    """Copy a model, and say whether it has plugins, which were trusted."""
    from automask.prediction.model import read_trusted
    from automask.storage.model_store import ModelStore

    contents = read_trusted(ModelStore(model), trust_plugins)
    shutil.copytree(model, store.model, copy_function=shutil.copyfile)
    return bool(contents.plugins)


def _bring_project(store: BundleStore, project: Project, weights: str | Path | None) -> str:
    """Copy what a search needs but the data, and return the data's path."""
    import tomli_w

    from automask.data import config as configuration
    from automask.study import adaptation
    from automask.training import pretrained

    settings = configuration.load(project)
    config, space = _config(project), space_file.load(settings.search.space, project.folder)
    search = config.setdefault("search", {})
    search.pop("weights", None)
    named = weights if weights is not None else settings.search.weights
    if named is not None:
        folder = project.path(str(named))
        for name in pretrained.read_folder(folder):
            for file in (folder / f"{name}.safetensors", folder / f"{name}.json"):
                if file.is_file():
                    _copy(file, store.weights / file.name)
    elif adaptation.may_be_pretrained(space):
        raise UserError(
            "no weights to bring along, and none can be fetched there: name a folder of <timm "
            "name>.safetensors with --weights DIR, or a space with pretrained = false"
        )
    if settings.search.space not in space_file.shipped():
        file = project.folder / settings.search.space
        search["space"] = OWN_SPACE
        _copy(file, store.project.folder / OWN_SPACE)
        for text in _texts(parse_toml(read_text(file), str(file))):
            _bring_named(store, project, text)
    for file in [*project.plugins.rglob("*.py"), project.corrections]:
        if file.is_file():
            _copy(file, store.project.folder / file.relative_to(project.folder))
    store.project.folder.mkdir(exist_ok=True)
    store.project.config.write_text(tomli_w.dumps(config), "utf-8")
    return settings.data.path


def _bring_named(store: BundleStore, project: Project, text: str) -> None:
    """Copy a file that the space names, such as a pipeline of augmentations."""
    file = project.folder / text
    if not file.is_file():
        return
    if not file.resolve().is_relative_to(project.folder.resolve()):
        raise UserError(f"{text}: the space names a file outside the project; put it inside")
    _copy(file, store.project.folder / text)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)


def _config(project: Project) -> dict[str, Any]:
    return parse_toml(read_text(project.config), str(project.config))


def _copy(file: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, target)
