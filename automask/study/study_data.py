"""The data of a study: all rows of a new one, and those that one which goes on was begun with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from automask.data import class_shares, dataset, depth_survey
from automask.data import config as config_file
from automask.data.class_shares import Shares
from automask.data.config import Config
from automask.data.dataset import Dataset
from automask.data.depth import EARLIER, Depth
from automask.data.tables import Tables
from automask.errors import UserError
from automask.hpo.attributes import StudyAttributes
from automask.storage.project import Project
from automask.storage.study_store import StudyStore
from automask.study import bad_images
from automask.study.bad_images import BadImage, describe, left_out

if TYPE_CHECKING:
    from automask.study.session import Options, Session


def read(
    config: Config,
    options: Options,
    store: StudyStore,
    source: Session | None,
    attributes: StudyAttributes,
) -> tuple[Dataset, tuple[BadImage, ...], list[str]]:
    """The data, those of its rows whose images can't be read to their end, and sentences on both.

    A study that was begun, or one that learns from `source`, has the rows and the depth that it had.
    Raises `UserError` where images of train can't be read and the user's choice is to stop.
    """
    project, metric = options.project, config.search.metric
    if store.is_begun:
        data, bad = read_begun(config, project, store, project.corrections, attributes)
        return data, bad, describe(bad, store.bad_images)
    tables = config_file.read(config, project, project.corrections)
    if source is not None:
        bad, tables = source.bad_images, tables.without(left_out(source.bad_images))
        data = replace(dataset.prepare(tables, metric), depth=source.data.depth)
        return data, bad, describe(bad, store.bad_images)
    data = dataset.prepare(tables, metric)
    look = depth_survey.survey(data)
    data = replace(data, depth=look.depth)
    bad = tuple(bad_images.find(data, store))
    bad_images.refuse(bad, options.on_bad_image, len(data.train), project.bad_images)
    if rows := left_out(bad):
        data = replace(dataset.prepare(tables.without(rows), metric), depth=look.depth)
    return data, bad, [*look.notes, *describe(bad, store.bad_images)]


def read_begun(
    config: Config, project: Project, store: StudyStore, corrected: Path, noted: StudyAttributes
) -> tuple[Dataset, tuple[BadImage, ...]]:
    """The data of a study that was begun, without the rows that it was begun without, and those rows
    whose images couldn't be read. Deep images are read at the depth that it noted."""
    bad = tuple(bad_images.load(store.bad_images))
    tables = config_file.read(config, project, corrected).without(left_out(bad))
    data = _as_begun(tables, config.search.metric, noted)
    depth = Depth.read(noted.depth) if noted.depth is not None else EARLIER
    return replace(data, depth=depth), bad


def _as_begun(tables: Tables, metric: str, attributes: StudyAttributes) -> Dataset:
    """The data with the classes in the order that the study has them in, if it was begun."""
    data = dataset.prepare(tables, metric)
    labels = attributes.identity.get("labels")
    if labels in (None, dataset.labels_fingerprint(data)):
        return data
    earlier = dataset.prepare(tables, metric, as_text=True)
    return earlier if labels == dataset.labels_fingerprint(earlier) else data


def test_shares(config: Config, project: Project, data: Dataset) -> Shares | None:
    """What `[data] test_shares` asks for; raises `UserError` where a search can't have it."""
    asked, key = config.data.test_shares, f"{project.config}: data.test_shares ="
    if asked == class_shares.ESTIMATED:
        raise UserError(
            f"{key} {asked}: a search has no test probabilities to estimate shares from; write train, "
            f"even or a file, and ask automask ensemble --test-shares {asked}"
        )
    named = asked in (class_shares.TRAIN, class_shares.EVEN)
    return class_shares.read(asked if named else str(project.path(asked)), data, key)
