"""A study begun, or gone on with: everything that a search needs is read and checked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np

from automask.data import boxes, corrections, dataset
from automask.data.config import Config, load, refuse_missing
from automask.data.dataset import Dataset
from automask.data.folds import draw_folds, own_folds, warn_parted, warn_rare
from automask.diagnostics import groups, near_duplicates
from automask.errors import OtherStudyError, UserError
from automask.hpo.attributes import StudyAttributes
from automask.listener import note
from automask.space import space_file
from automask.storage.study_store import StudyStore
from automask.study import (
    adaptation,
    bad_images,
    flips,
    network_fit,
    plugin_use,
    study_data,
    unmapped,
    untrained,
)
from automask.study.session import (
    Options,
    Session,
    open_session,
    open_study,
    override,
    with_study_groups,
)
from automask.training import pretrained


def begin(options: Options) -> Session:
    """Read and check everything a search needs before anything trains.

    Raises `UserError` for whatever the user can mend: the file, the data, the space, the weights,
    the storage, or a study that was begun with something else and has trained by it.
    """
    try:
        return _begin(options)
    except OtherStudyError:
        if not untrained.forget(options):
            raise
    note(
        f"study '{options.study}' was begun with something else and had trained nothing: begun anew"
    )
    return _begin(options)


def _begin(options: Options) -> Session:
    from automask.hpo import migration
    from automask.hpo.optuna_study import check_identity
    from automask.study import pseudo_labels

    bad_images.refuse_unknown(options.on_bad_image)
    config, store = override(load(options.project), options), options.store
    refuse_missing(config, options.project)
    source = _source(options, store)
    taken = store.load_folds() if source is None else source.folds
    if options.pseudo and options.folds is None and taken is not None:
        config = override(config, Options(folds=int(taken.max()) + 1))
    ready = _ready(config, options, store, source)
    config, chosen, folds, shares = ready.config, ready.space, ready.folds, ready.shares
    assert chosen is not None
    test_key = dataset.test_fingerprint(ready.data)
    made = (
        pseudo_labels.make(source, ready.metric) if source else pseudo_labels.load(store, test_key)
    )
    study = ready.study or open_study(config, options, store)
    settings = {
        "folds": str(config.search.folds),
        "split": config.search.split,
        "metric": config.search.metric,
        "seed": str(config.search.seed),
        "space": f"{chosen.name} {chosen.fingerprint}",
        "weights": pretrained.describe_checkpoints(ready.weights),
    }
    if shares is not None or "test shares" in StudyAttributes.read(study).identity:
        settings["test shares"] = "train" if shares is None else shares.text
    learns_from = options.pseudo or (made.source if made else None)
    if learns_from or "pseudo-labels" in StudyAttributes.read(study).identity:
        settings["pseudo-labels"] = f"of study '{learns_from}'" if learns_from else "none"
    check_identity(study, dataset.fingerprint(ready.data, folds), settings)
    migrated = migration.migrate(
        study, store, flips.measured_flips(study, chosen), settings["space"]
    )
    if migrated:
        study = open_study(config, options, store)
    if source and made:
        pseudo_labels.save(store, made)
    store.save_folds(ready.data.train.ids, folds, ready.data.groups)
    store.keep_corrections(options.project.corrections)
    bad_images.save(ready.bad_images, store.bad_images)
    downloads = adaptation.may_be_pretrained(chosen) and not ready.weights
    asked = space_file.load(config.search.space, options.project.folder)
    StudyAttributes(
        weights_folder=config.search.weights,
        largest=ready.largest,
        disk=ready.cap,
        depth=ready.data.depth.facts,
        models=chosen.models() if downloads else None,
        models_asked=asked.models() if downloads else None,
    ).write(study)
    used, changes = plugin_use.note_use(StudyAttributes.read(study), chosen, config)
    used.write(study)
    notes = made.notes(ready.data.attributes) if made else ()
    notes = (*ready.notes, *notes, *filter(None, [migrated]), *changes)
    return replace(ready, study=study, pseudo=made, notes=notes, declared=settings["space"])


def survey(options: Options) -> Session:
    """What a new study would be about, without making one: nothing but caches is ever written.

    Raises `UserError` as `start` does.
    """
    config = override(load(options.project), options)
    refuse_missing(config, options.project)
    return _ready(config, options, options.project.no_study)


def open_or_survey(options: Options) -> Session:
    """The study of that name where it was begun, else what a new one would be about, as `survey`.

    Its own metric, seed and folds hold; the space only says which networks there are.
    """
    if not options.store.is_begun:
        return survey(options)
    opened = open_session(options)
    attributes = StudyAttributes.read(opened.study)
    asked = space_file.load(opened.config.search.space, options.project.folder)
    chosen, _ = adaptation.drop_unavailable(asked, opened.weights, attributes)
    chosen, _ = adaptation.for_target(chosen, opened.data.target)
    if chosen.adapts:
        chosen, _ = adaptation.adapt(chosen, opened.data, opened.weights, options.device)
    return replace(opened, space=chosen)


def _ready(
    config: Config, options: Options, store: StudyStore, source: Session | None = None
) -> Session:
    """Everything read and checked; the study is None where none was begun in `store`.

    The folds are those of `source`, where there is one.
    """
    project, folder = options.project, config.search.weights
    chosen = space_file.load(config.search.space, project.folder)
    checkpoints = pretrained.read_folder(project.path(folder)) if folder else {}
    # A study that goes on keeps its models, whether or not a hub answers today.
    begun = open_study(config, options, store) if store.is_begun else None
    attributes = StudyAttributes.read(begun) if begun is not None else StudyAttributes()
    chosen, notes = adaptation.drop_unavailable(chosen, checkpoints, attributes)
    data, bad, more = study_data.read(config, options, store, source, attributes)
    notes += more
    chosen, more = adaptation.for_target(chosen, data.target)
    notes += more
    if chosen.adapts:
        chosen, more = adaptation.adapt(chosen, data, checkpoints, options.device)
        notes += more
    chosen, more = network_fit.suit_freezes(chosen)
    notes += more
    if adaptation.may_be_pretrained(chosen):
        notes += network_fit.licence_notes(chosen, checkpoints)
    adaptation.refuse_idle(chosen, data)
    if any(adaptation.fitted_preprocessings(chosen).values()):
        boxes.read(data.train)
    from automask.hpo.trials import outranked_hashes

    cap = options.disk or store.default_cap()
    room = store.room(cap, outranked=lambda: outranked_hashes(begun) if begun else ())
    # Images stay as they were decoded for a space that had larger ones.
    largest = max(attributes.largest, *map(int, chosen.training["image_size"].corners()))
    needed = adaptation.map_bytes(chosen, data, config.search.folds, 1, largest)
    mapped = needed <= (left := room.left())
    if not mapped:
        notes.append(unmapped.describe(data, room.enough(needed, left), needed, cap, largest))
    config = with_own_folds(config, data, options)
    if source is None:
        data, folds, joined = _folds(config, data, store, options)
        notes += joined
    else:
        data, folds = with_study_groups(data, source.store), source.folds
    notes += warn_rare(data, config.search.folds)
    notes += corrections.correction_notes(project.corrections)
    return Session(
        config,
        options,
        data,
        folds,
        largest,
        checkpoints,
        store,
        cast(Any, begun),
        chosen,
        tuple(notes),
        cap,
        bad_images=bad,
        mapped=mapped,
    )


def with_own_folds(config: Config, data: Dataset, options: Options) -> Config:
    """The configuration with as many folds as the table has, where it has some.

    Raises `UserError` where the command line asks for another number.
    """
    own = own_folds(data)
    if own is None:
        return config
    count = dataset.fold_count(own)
    if count < 2 or options.folds not in (None, count):
        raise UserError(
            f"the table has a column of {count} folds of its own"
            + ("" if count < 2 else f", and --folds says {options.folds}")
            + ': fold = "" in automask.toml draws others'
        )
    return override(config, replace(options, folds=count))


def _source(options: Options, store: StudyStore) -> Session | None:
    """The study whose predictions a new one is to learn from, if any.

    Raises `UserError` where there is none of that name, or where its data or folds were others.
    """
    name = options.pseudo
    if name == options.study:
        raise UserError(
            f"--pseudo {name}: a study can't learn from itself; name the new one with --study"
        )
    if name is None or store.is_begun:
        return None
    source = open_session(replace(options, study=name, pseudo=None))
    if options.folds not in (None, count := dataset.fold_count(source.folds)):
        raise UserError(
            f"--folds {options.folds}: study '{name}' has {count} folds, and what it predicts is honest "
            "in these alone; leave out --folds"
        )
    return source


def _folds(
    config: Config, data: Dataset, store: StudyStore, options: Options
) -> tuple[Dataset, np.ndarray, list[str]]:
    """The data with the study's groups, and its folds: drawn once, then kept in its folder.

    A new study's groups are the declared ones, joined where near-duplicates are in both; a sentence
    tells of that.
    """
    folds = store.load_folds()
    count = config.search.folds
    if folds is None:
        joined = groups.join_groups(
            data.groups,
            len(data.labels),
            near_duplicates.cached_pairs(data.paths, store, data.depth),
            count,
        )
        data = replace(data, groups=joined.groups)
        folds = draw_folds(data, config.search.split, count, config.search.seed)
        lines = groups.describe_joined(joined, data.train.groups is not None)
        return data, folds, [*lines, *warn_parted(data, folds)]
    other = "; go on with what it began with, or begin another with --study NAME"
    if len(folds) != len(data.labels):
        raise OtherStudyError(
            f"study '{options.study}' was begun with {len(folds)} train rows, and there are "
            f"{len(data.labels)} now: scores would not compare{other}"
        )
    if folds.max() + 1 != count:
        raise OtherStudyError(
            f"study '{options.study}' was begun with {folds.max() + 1} folds, not {count}{other}"
        )
    return with_study_groups(data, store), folds, []
