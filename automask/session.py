"""A study made ready from `automask.toml`: data, folds, space and storage, all checked."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from automask import (
    adapting,
    boxes,
    duplicates,
    grouping,
    machine,
    registry,
    relabelling,
    space,
    weights,
)
from automask import config as configuration
from automask import data as dataset
from automask.config import Config
from automask.csvfile import quoted
from automask.data import Data
from automask.disk import Room
from automask.errors import UserError, did_you_mean
from automask.images import Images
from automask.space import Space
from automask.store import RESERVED, RUNS, StudyStore
from automask.weights import Weights

if TYPE_CHECKING:
    import optuna

    from automask.pseudo import Pseudo
    from automask.task import Task


@dataclass(frozen=True)
class Options:
    """What the command line says, `disk` in bytes; None leaves it to `automask.toml` or a default.

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


@dataclass(frozen=True)
class Session:
    """A study with everything that its trials share.

    `largest` is the edge in pixels at which images are decoded; `space` is None where nothing will be
    searched; `notes` are sentences for the user. Caches and weights may take `cap` bytes, and
    `workers` train side by side. Folds also train on the `pseudo`-labels of an earlier study, if any.
    `declared` tells the space as the study has it, until somebody goes on with another.
    """

    config: Config
    options: Options
    data: Data
    folds: np.ndarray
    largest: int
    weights: dict[str, Weights]
    store: StudyStore
    study: optuna.Study
    space: Space | None = None
    notes: tuple[str, ...] = ()
    cap: float = math.inf
    workers: int = 1
    pseudo: Pseudo | None = None
    declared: str = ""

    @property
    def metric(self) -> Callable[[np.ndarray, np.ndarray], float]:
        return registry.get("metric", self.config.search.metric).function

    @property
    def caches(self) -> int:
        """The bytes that the workers' caches may need at once: maps, and a quarter for features.

        Heads of all folds read theirs at once, which are a table a fold after a fitted preprocessing.
        """
        if not self.space:
            return 0
        folds = int(self.folds.max()) + 1
        tables = folds if any(adapting.fits(self.space).values()) else 1
        maps = adapting.most_read(self.space, self.data, folds, self.workers, self.largest)
        return maps * (4 + tables) // 4

    def room(self, say: Callable[[str], None] = lambda text: None) -> Room:
        """What caches and weights may take; `say` is told sentences where that comes to an end."""
        from automask.study import outranked

        def ranked() -> list[str]:
            # A survey has no study.
            return outranked(self.study) if self.space and self.study else []

        return self.store.room(self.cap, self.caches, ranked, say)

    def images(
        self,
        progress: Callable[[int, int], None] = lambda done, total: None,
        room: Room | None = None,
    ) -> Images:
        """The images in the study's sizes; nothing is decoded before a map is asked for."""
        resizes = {plugin.name: plugin.function for plugin in registry.plugins("resize").values()}
        return Images(
            self.data.paths, self.largest, resizes, self.store.cache, progress, room or self.room()
        )

    def task(self, room: Room | None = None) -> Task:
        """What training needs, with torch set up for this process."""
        from automask.task import Task

        machine.settle(self.options.threads)
        return Task(
            data=self.data,
            folds=self.folds,
            metric=self.config.search.metric,
            seed=self.config.search.seed,
            images=self.images(room=room),
            cache=self.store.cache,
            weights=self.weights,
            device=machine.device(self.options.device),
            pseudo=self.pseudo,
        )


def start(options: Options, file: Path = configuration.FILE) -> Session:
    """Read and check everything a search needs before anything trains.

    Raises `UserError` for whatever the user can mend: the file, the data, the space, the weights,
    the storage, or a study that was begun with something else.
    """
    from automask import pseudo, respacing
    from automask.study import hold

    config, store = override(configuration.load(file), options), _store(options)
    source = _source(options, store, file)
    taken = store.load_folds() if source is None else source.folds
    if options.pseudo and options.folds is None and taken is not None:
        config = override(config, Options(folds=int(taken.max()) + 1))
    ready = _ready(config, options, store, source)
    chosen, folds = ready.space, ready.folds
    assert chosen is not None
    test_key = dataset.test_fingerprint(ready.data)
    made = pseudo.make(source, ready.metric) if source else pseudo.load(store, test_key)
    study = ready.study or open_study(config, options, store)
    settings = {
        "folds": str(config.search.folds),
        "split": config.search.split,
        "metric": config.search.metric,
        "seed": str(config.search.seed),
        "space": f"{chosen.name} {chosen.fingerprint}",
        "weights": weights.describe(ready.weights),
    }
    learns_from = options.pseudo or (made.source if made else None)
    if learns_from or "pseudo-labels" in study.user_attrs.get("fingerprint", {}):
        settings["pseudo-labels"] = f"of study '{learns_from}'" if learns_from else "none"
    hold(study, dataset.fingerprint(ready.data, folds), settings)
    told = respacing.follow(study, store, chosen, settings["space"])
    if told:
        study = open_study(config, options, store)
    if source and made:
        pseudo.save(store, made)
    store.save_folds(ready.data.train.ids, folds, ready.data.groups)
    store.keep_corrections(relabelling.FILE)
    study.set_user_attr("weights folder", config.search.weights)
    study.set_user_attr("largest", ready.largest)
    study.set_user_attr("disk", ready.cap)
    kept = adapting.pretrained(chosen) and not ready.weights
    study.set_user_attr(adapting.MODELS, chosen.models() if kept else None)
    study.set_user_attr(adapting.ASKED, space.load(config.search.space).models() if kept else None)
    notes = made.notes(ready.data.attributes) if made else ()
    notes = (*ready.notes, *notes, *filter(None, [told]))
    return replace(ready, study=study, pseudo=made, notes=notes, declared=settings["space"])


def survey(options: Options, file: Path = configuration.FILE) -> Session:
    """What a new study would be about, without making one: nothing but caches is ever written.

    Raises `UserError` as `start` does.
    """
    return _ready(override(configuration.load(file), options), options, StudyStore(RUNS / "cache"))


def look(options: Options, file: Path = configuration.FILE) -> Session:
    """The study of that name where it was begun, else what a new one would be about, as `survey`.

    Its own metric, seed and folds hold; the space only says which networks there are.
    """
    if _store(options).load_folds() is None:
        return survey(options, file)
    opened = reopen(options, file)
    known = opened.study.user_attrs
    chosen, _ = adapting.available(space.load(opened.config.search.space), opened.weights, known)
    if chosen.adapts:
        chosen, _ = adapting.adapted(chosen, opened.data, opened.weights, options.device)
    return replace(opened, space=chosen)


def _ready(
    config: Config, options: Options, store: StudyStore, source: Session | None = None
) -> Session:
    """Everything read and checked; the study is None where none was begun in `store`.

    The folds are those of `source`, where there is one.
    """
    chosen = space.load(config.search.space)
    checkpoints = weights.read_folder(Path(config.search.weights)) if config.search.weights else {}
    # A study that goes on keeps its models, whether or not a hub answers today.
    begun = open_study(config, options, store) if store.load_folds() is not None else None
    known = begun.user_attrs if begun is not None else {}
    chosen, notes = adapting.available(chosen, checkpoints, known)
    data = dataset.prepare(configuration.read(config))
    if chosen.adapts:
        chosen, more = adapting.adapted(chosen, data, checkpoints, options.device)
        notes += more
    adapting.refuse_idle(chosen, data)
    if any(adapting.fits(chosen).values()):
        boxes.read(data.train)
    from automask.study import outranked

    cap = options.disk or store.tenth()
    room = store.room(cap, outranked=lambda: outranked(begun) if begun else ())
    # Images stay as they were decoded for a space that had larger ones.
    largest = max(known.get("largest", 0), *chosen.training["image_size"].corners())
    needed = adapting.most_read(chosen, data, config.search.folds, 1, largest)
    if needed > (left := room.left()):
        raise room.shortage(f"maps of {len(data.paths):,} images", needed, left)
    if source is None:
        data, folds, joined = _folds(config, data, store, options)
        notes += joined
    else:
        data, folds = _grouped(data, source.store), source.folds
    notes += dataset.warn_rare(data, config.search.folds) + relabelling.notes()
    return Session(
        config,
        options,
        data,
        folds,
        int(largest),
        checkpoints,
        store,
        cast(Any, begun),
        chosen,
        tuple(notes),
        cap,
    )


def find(
    options: Options, file: Path = configuration.FILE
) -> tuple[Config, StudyStore, optuna.Study]:
    """A study that was begun, without its data.

    Raises `UserError` where there is none of that name.
    """
    config, store = configuration.load(file), _store(options)
    if store.load_folds() is None:
        known = sorted(f.parent.name for f in RUNS.glob("*/folds.csv"))
        raise UserError(f"no study '{options.study}' in {RUNS}{did_you_mean(options.study, known)}")
    return config, store, open_study(config, options, store, make=False)


def begun(options: Options, file: Path = configuration.FILE) -> Options:
    """The options with what the study was begun with, if it was, where they say nothing else."""
    if _store(options).load_folds() is None:
        return options
    study = find(options, file)[2]
    known = study.user_attrs.get("fingerprint", {})
    told: dict[str, Any] = {
        "space": known.get("space", "").rpartition(" ")[0] or None,
        "folds": int(known["folds"]) if "folds" in known else None,
        "metric": known.get("metric"),
        "seed": int(known["seed"]) if "seed" in known else None,
        "weights": study.user_attrs.get("weights folder"),
    }
    return replace(options, **{k: v for k, v in told.items() if getattr(options, k) is None})


def reopen(options: Options, file: Path = configuration.FILE) -> Session:
    """A study that was searched, for what comes after: its own metric, folds and
    corrected labels hold.

    Raises `UserError` where there is none of that name, or where the data have changed since.
    """
    from automask.study import hold

    config, store, study = find(options, file)
    folds = cast(np.ndarray, store.load_folds())
    identity = study.user_attrs.get("fingerprint", {})
    metric, seed = identity.get("metric"), int(identity.get("seed", 0))
    begun = replace(options, metric=metric, seed=seed, folds=int(folds.max()) + 1)
    config = override(config, begun)
    data = dataset.prepare(configuration.read(config, store.corrections))
    hold(study, dataset.fingerprint(data, folds), {})
    data = _grouped(data, store)
    path = study.user_attrs.get("weights folder")
    if path and not Path(path).is_dir() and config.search.weights:
        path = config.search.weights
    checkpoints = weights.read_folder(Path(path)) if path and Path(path).is_dir() else {}
    largest = study.user_attrs.get("largest", 0)
    cap = options.disk or study.user_attrs.get("disk") or store.tenth()
    return Session(config, options, data, folds, largest, checkpoints, store, study, cap=cap)


def override(config: Config, options: Options) -> Config:
    """The configuration with what the command line says instead."""
    changes = {
        key: getattr(options, key)
        for key in ("space", "folds", "metric", "seed", "weights", "pruner")
        if getattr(options, key) is not None
    }
    registry.get("metric", changes.get("metric", config.search.metric))
    if changes.get("folds", 2) < 2:
        raise UserError("--folds: at least 2")
    from automask import pruner

    pruner.named(changes.get("pruner", config.search.pruner), 2)
    return config.model_copy(update={"search": config.search.model_copy(update=changes)})


def open_study(
    config: Config, options: Options, store: StudyStore, make: bool = True
) -> optuna.Study:
    """The Optuna study, in the given storage or in the study's folder."""
    from automask import study as studies

    url = options.storage or f"sqlite:///{store.database}"
    if make:
        store.create()
    search = config.search
    return studies.open_study(url, options.study, search.seed, search.folds, make, search.pruner)


def _store(options: Options) -> StudyStore:
    if not re.fullmatch(r"\w[\w.-]*", options.study) or options.study in RESERVED:
        raise UserError(
            f"--study '{options.study}': letters, digits, '.', '_' and '-', not "
            f"{' or '.join(quoted(RESERVED))}"
        )
    return StudyStore(RUNS / options.study)


def _source(options: Options, store: StudyStore, file: Path) -> Session | None:
    """The study whose predictions a new one is to learn from, if any.

    Raises `UserError` where there is none of that name, or where its data or folds were others.
    """
    name = options.pseudo
    if name == options.study:
        raise UserError(
            f"--pseudo {name}: a study can't learn from itself; name the new one with --study"
        )
    if name is None or store.load_folds() is not None:
        return None
    source = reopen(replace(options, study=name, pseudo=None), file)
    if options.folds not in (None, count := int(source.folds.max()) + 1):
        raise UserError(
            f"--folds {options.folds}: study '{name}' has {count} folds, and what it predicts is honest "
            "in these alone; leave out --folds"
        )
    return source


def _folds(
    config: Config, data: Data, store: StudyStore, options: Options
) -> tuple[Data, np.ndarray, list[str]]:
    """The data with the study's groups, and its folds: drawn once, then kept in its folder.

    A new study's groups are the declared ones, joined where near-duplicates are in both; a sentence
    tells of that.
    """
    folds = store.load_folds()
    count = config.search.folds
    if folds is None:
        joined = grouping.join(
            data.groups, len(data.labels), duplicates.of(data.paths, store), count
        )
        data = replace(data, groups=joined.groups)
        folds = dataset.draw_folds(data, config.search.split, count, config.search.seed)
        return data, folds, grouping.told(joined, data.train.groups is not None)
    other = "; go on with what it began with, or begin another with --study NAME"
    if len(folds) != len(data.labels):
        raise UserError(
            f"study '{options.study}' was begun with {len(folds)} train rows, and there are "
            f"{len(data.labels)} now: scores would not compare{other}"
        )
    if folds.max() + 1 != count:
        raise UserError(
            f"study '{options.study}' was begun with {folds.max() + 1} folds, not {count}{other}"
        )
    return _grouped(data, store), folds, []


def _grouped(data: Data, store: StudyStore) -> Data:
    """The data with the groups that the study's folds were drawn with."""
    kept = store.load_groups()
    return data if kept is None else replace(data, groups=kept)
