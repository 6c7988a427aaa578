"""A study in its storage: opened, and held to what it is about."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna

from automask.errors import OtherStudyError, UserError
from automask.hpo import pruners
from automask.hpo.attributes import StudyAttributes
from automask.hpo.sampler import DEFAULT, make_sampler
from automask.storage.disk import out_of_space


def open_study(
    url: str,
    name: str,
    seed: int,
    folds: int,
    make: bool = True,
    pruner: str = pruners.DEFAULT,
    sampler: str = DEFAULT,
    runs: Path = Path(),
) -> optuna.Study:
    """The Optuna study of that name, made if it isn't there; `runs` is the folder that fills its disk.

    Raises `UserError` where the storage can't be opened, or where there is none and `make` is False.
    """
    from sqlalchemy.exc import SQLAlchemyError

    try:
        pruning = pruners.make_pruner(pruner, folds)
        sampling, storage = make_sampler(sampler, seed), _storage(url)
        if not make:
            return optuna.load_study(
                storage=storage, study_name=name, sampler=sampling, pruner=pruning
            )
        return optuna.create_study(
            storage=storage,
            study_name=name,
            direction="maximize",
            load_if_exists=True,
            sampler=sampling,
            pruner=pruning,
        )
    except KeyError as error:
        raise UserError(f"storage {url}: holds no study '{name}'; run automask search") from error
    except (SQLAlchemyError, ImportError, RuntimeError, optuna.exceptions.OptunaError) as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        hint = "; it needs pip install 'automask[postgresql]'" if "psycopg" in reason else ""
        other = UserError(f"storage {url}: can't be opened: {reason}{hint}")
        raise out_of_space(error, runs) or other from error


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Inside the block Optuna and its storage say nothing that isn't an error."""
    # Asked for its level, Optuna sets its logger up if it hasn't yet.
    optuna.logging.get_verbosity()
    logger, pool = logging.getLogger("optuna"), logging.getLogger("sqlalchemy.pool.impl.QueuePool")
    handlers = list(logger.handlers)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        optuna.logging.disable_default_handler()
        filtered = _is_error in pool.filters
        pool.addFilter(_is_error)
        try:
            yield
        finally:
            logger.handlers[:] = handlers
            if not filtered:
                pool.removeFilter(_is_error)


def _is_error(record: logging.LogRecord) -> bool:
    """Not Ctrl-C or the end of the time: SQLAlchemy logs these with a traceback, and raises them too."""
    return record.exc_info is None or isinstance(record.exc_info[1], Exception)


def _storage(url: str) -> optuna.storages.RDBStorage:
    if not url.startswith("sqlite"):
        return optuna.storages.RDBStorage(url)
    from sqlalchemy import event

    storage = optuna.storages.RDBStorage(url, engine_kwargs={"connect_args": {"timeout": 60}})

    @event.listens_for(storage.engine, "connect")
    def _(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    storage.engine.dispose()
    return storage


def check_identity(study: optuna.Study, hashes: dict[str, str], settings: dict[str, str]) -> None:
    """Fix what the study is about, or raise `OtherStudyError` for something else.

    `hashes` cover the data, `settings` can be read by people. The space alone may change, which
    `automask.hpo.migration` follows.
    """
    fingerprint = {**hashes, **settings}
    identity = StudyAttributes.read(study).fingerprint
    if identity is None:
        StudyAttributes(fingerprint=fingerprint).write(study)
        return
    # What earlier versions didn't note of the data can't be compared.
    noted = [k for k in fingerprint if k != "space" and (k in settings or k in identity)]
    changed = [k for k in noted if identity.get(k) != fingerprint[k]]
    if changed:
        changes = ", ".join(
            f"{key} ({identity.get(key)} before, {fingerprint[key]} now)"
            if key in settings
            else key
            for key in changed
        )
        raise OtherStudyError(
            f"study '{study.study_name}' was begun with other {changes}: scores would not compare. "
            "Go on with what it began with, or begin another with --study NAME"
        )
