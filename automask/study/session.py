"""A study with its data, folds, space and storage, and how one that was begun is opened again."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from automask import machine
from automask.data import dataset
from automask.data.class_shares import Shares
from automask.data.config import Config, load
from automask.data.dataset import Dataset
from automask.data.images import Images
from automask.errors import UserError, did_you_mean
from automask.hpo.attributes import StudyAttributes, recipe_of
from automask.hpo.warm_start import Earlier
from automask.space import registry
from automask.space.space import Space
from automask.storage.disk import DiskBudget
from automask.storage.project import Project
from automask.storage.study_store import StudyStore
from automask.study import adaptation, bad_images, study_data
from automask.study.bad_images import BadImage
from automask.training import pretrained
from automask.training.pretrained import Checkpoint

if TYPE_CHECKING:
    import optuna

    from automask.training.task import Pseudo, Task


@dataclass(frozen=True)
class Options:
    """What the command line says, `disk` in bytes, of a study of `project`; None leaves it to
    `automask.toml` or a default.

    Travels to workers.
    """

    study: str = "main"
    storage: str | None = None
    space: str | None = None
    folds: int | None = None
    metric: str | None = None
    seed: int | None = None
    weights: str | None = None
    device: str = "auto"
    threads: int | None = None
    disk: int | None = None
    pseudo: str | None = None
    pruner: str | None = None
    sampler: str | None = None
    on_bad_image: str = bad_images.STOP
    project: Project = field(default_factory=Project)

    @property
    def store(self) -> StudyStore:
        """Where the study's files are; raises `UserError` where it can't be called so."""
        return self.project.study(self.study)

    @property
    def flag(self) -> str:
        """What makes another command mean this study."""
        return "" if self.study == Options.study else f" --study {self.study}"


@dataclass(frozen=True)
class Session:
    """A study with everything that its trials share.

    `largest` is the edge in pixels at which images are decoded; `space` is None where nothing will be
    searched; `notes` are sentences for the user. Caches and weights may take `cap` bytes, and
    `workers` train side by side. Folds also train on the `pseudo`-labels of an earlier study, if any.
    `declared` tells the space as the study has it, until somebody goes on with another, and
    `bad_images` the rows whose images can't be read to their end. Images
    are `mapped` to files where these have room.
    """

    config: Config
    options: Options
    data: Dataset
    folds: np.ndarray
    largest: int
    weights: dict[str, Checkpoint]
    store: StudyStore
    study: optuna.Study
    space: Space | None = None
    notes: tuple[str, ...] = ()
    cap: float = math.inf
    workers: int = 1
    pseudo: Pseudo | None = None
    declared: str = ""
    bad_images: tuple[BadImage, ...] = ()
    mapped: bool = True

    @property
    def metric(self) -> Callable[[np.ndarray, np.ndarray], float]:
        return registry.get("metric", self.config.search.metric).function

    @cached_property
    def shares(self) -> Shares | None:
        """The classes' shares in test where the project says that they are others than in train."""
        return study_data.test_shares(self.config, self.options.project, self.data)

    @property
    def caches(self) -> int:
        """The bytes that the workers' caches may need at once."""
        if not self.space:
            return 0
        folds, size = dataset.fold_count(self.folds), self.largest if self.mapped else None
        return adaptation.cache_bytes(self.space, self.data, folds, self.workers, size)

    def room(self) -> DiskBudget:
        """What caches and weights may take."""
        from automask.hpo.trials import outranked_hashes

        def ranked() -> list[str]:
            # A survey has no study.
            return outranked_hashes(self.study) if self.space and self.study else []

        return self.store.room(self.cap, self.caches, ranked)

    def images(self, room: DiskBudget | None = None) -> Images:
        """The images in the study's sizes; nothing is decoded before a map is asked for."""
        resizes = {plugin.name: plugin.function for plugin in registry.plugins("resize").values()}
        room = room or self.room()
        data, cache = self.data, self.store.cache
        own = cache, room, data.depth, len(data.train), self.mapped
        return Images(data.paths, self.largest, resizes, *own)

    def task(self, room: DiskBudget | None = None) -> Task:
        """What training needs, with torch set up for this process."""
        from automask.training.task import Task

        machine.setup_process(self.options.threads)
        return Task(
            data=self.data,
            folds=self.folds,
            metric=self.config.search.metric,
            seed=self.config.search.seed,
            images=self.images(room),
            cache=self.store.cache,
            weights=self.weights,
            device=machine.device(self.options.device),
            lessons=self.pseudo,
            shares=self.shares,
        )


def find_study(options: Options) -> tuple[Config, StudyStore, optuna.Study]:
    """A study that was begun, without its data.

    Raises `UserError` where there is none of that name.
    """
    project = options.project
    config, store = load(project), options.store
    if not store.is_begun:
        near = did_you_mean(options.study, project.studies())
        raise UserError(f"no study '{options.study}' in {project.runs}{near}")
    return config, store, open_study(config, options, store, make=False)


def options_of(options: Options) -> Options:
    """The options with what the study was begun with, if it was, where they say nothing else."""
    if not options.store.is_begun:
        return options
    noted = StudyAttributes.read(find_study(options)[2])
    identity = noted.identity
    earlier: dict[str, Any] = {
        "space": identity.get("space", "").rpartition(" ")[0] or None,
        "folds": int(identity["folds"]) if "folds" in identity else None,
        "metric": identity.get("metric"),
        "seed": int(identity["seed"]) if "seed" in identity else None,
        "weights": noted.weights_folder,
        "disk": noted.disk,
    }
    return replace(options, **{k: v for k, v in earlier.items() if getattr(options, k) is None})


def open_session(options: Options) -> Session:
    """A study that was searched, for what comes after: its own metric, folds and
    corrected labels hold.

    Raises `UserError` where there is none of that name, or where the data have changed since.
    """
    from automask.hpo.optuna_study import check_identity

    project = options.project
    config, store, study = find_study(options)
    folds = cast(np.ndarray, store.load_folds())
    noted = StudyAttributes.read(study)
    metric, seed = noted.identity.get("metric"), int(noted.identity.get("seed", 0))
    begun = replace(options, metric=metric, seed=seed, folds=dataset.fold_count(folds))
    config = override(config, begun)
    data, bad = study_data.read_begun(config, project, store, store.corrections, noted)
    check_identity(study, dataset.fingerprint(data, folds), {})
    data = with_study_groups(data, store)
    path = noted.weights_folder
    if path and not project.path(path).is_dir() and config.search.weights:
        path = config.search.weights
    folder = project.path(path) if path else None
    checkpoints = pretrained.read_folder(folder) if folder and folder.is_dir() else {}
    cap = options.disk or noted.disk or store.default_cap()
    return Session(
        config,
        options,
        data,
        folds,
        noted.largest,
        checkpoints,
        store,
        study,
        cap=cap,
        bad_images=bad,
    )


def override(config: Config, options: Options) -> Config:
    """The configuration with what the command line says instead."""
    changes = {
        key: getattr(options, key)
        for key in ("space", "folds", "metric", "seed", "weights", "pruner", "sampler")
        if getattr(options, key) is not None
    }
    registry.get("metric", changes.get("metric", config.search.metric))
    if changes.get("folds", 2) < 2:
        raise UserError("--folds: at least 2")
    from automask.hpo import pruners, sampler

    pruners.make_pruner(changes.get("pruner", config.search.pruner), 2)
    sampler.make_sampler(changes.get("sampler", config.search.sampler), 0)
    return config.model_copy(update={"search": config.search.model_copy(update=changes)})


def open_study(
    config: Config, options: Options, store: StudyStore, make: bool = True
) -> optuna.Study:
    """The Optuna study, in the given storage or in the study's folder."""
    from automask.hpo import optuna_study

    url = options.storage or store.url
    if make:
        store.create()
    search = config.search
    return optuna_study.open_study(
        url,
        options.study,
        search.seed,
        search.folds,
        make,
        search.pruner,
        search.sampler,
        store.runs,
    )


def with_study_groups(data: Dataset, store: StudyStore) -> Dataset:
    """The data with the groups that the study's folds were drawn with."""
    groups = store.load_groups()
    return data if groups is None else replace(data, groups=groups)


def read_earlier(where: str, options: Options) -> Earlier:
    """The study of that name, in the storage of `options`, or in that folder `runs/NAME` of another
    project, relative to the one of `options`.

    Raises `UserError` where there is none, or where it has no complete trial.
    """
    from automask.hpo.trials import complete_trials

    if len(Path(where).parts) > 1:
        study = _elsewhere(options.project.path(where))
    else:
        study = find_study(replace(options, study=where))[2]
    trials = complete_trials(study)
    if not trials:
        raise UserError(f"--warm-start {where}: that study has no complete trial to begin with")
    recipes = tuple(map(recipe_of, trials))
    return Earlier(where, recipes, np.array([trial.values[0] for trial in trials]))


def _elsewhere(folder: Path) -> optuna.Study:
    """The study in a folder `runs/NAME` of any project."""
    from automask.hpo import optuna_study

    store = StudyStore(folder)
    if not store.database.is_file():
        names = [f.name for f in store.runs.glob("*") if StudyStore(f).database.is_file()]
        near = did_you_mean(folder.name, names)
        raise UserError(f"--warm-start {folder}: no {store.database.name} there{near}")
    return optuna_study.open_study(
        store.url, folder.resolve().name, 0, 2, make=False, runs=store.runs
    )
