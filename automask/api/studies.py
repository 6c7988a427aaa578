"""A study from Python: searched, or opened again, and all that can be asked of it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from automask.api import data as data_module
from automask.api.plain import PlainDisplay
from automask.api.projects import Folder, open_project
from automask.api.surroundings import working
from automask.errors import UserError
from automask.hpo import importance, trial_record
from automask.hpo.attributes import StudyAttributes, TrialAttributes
from automask.hpo.importance import Factor as Factor
from automask.hpo.importance import Importance
from automask.hpo.searcher import Limits
from automask.hpo.trial_record import TrialDetails, TrialRecord
from automask.hpo.trial_record import write_table as write_table
from automask.hpo.trials import filter_trials, find_trial, trained_trials
from automask.listener import Listener, is_heard
from automask.space import recipe_file
from automask.space.recipe import Recipe
from automask.storage.files import atomic_write
from automask.study import opening, run
from automask.study.run import SearchEnd
from automask.study.session import Options, Session, find_study, open_session, read_earlier
from automask.study.status import Running as Running
from automask.study.status import Status, status
from automask.units import bytes_of, count_of, seconds_of

if TYPE_CHECKING:
    from automask.api.ensembles import EnsembleResult
    from automask.diagnostics.advice import Advice
    from automask.diagnostics.audit import Finding
    from automask.diagnostics.suspects import Suspects

#: Rows of tables that a notebook shows.
SHOWN = 10


@dataclass(frozen=True)
class ScoredTrial:
    """A complete trial: its number in the study, its out-of-fold score by `metric`, and its recipe.

    `is_new` is False where the study had it already.
    """

    number: int
    metric: str
    score: float
    recipe: Recipe
    is_new: bool = False


class Study:
    """A study in a project's folder: what was searched, and what can be done with it.

    What it tells is what the storage has at that moment, also while a search goes on elsewhere. Data
    are read when they are first asked for.
    """

    def __init__(self, options: Options, outcome: SearchEnd | None = None) -> None:
        self.options = options
        #: How the search ended that made this; None of a study that was loaded.
        self.outcome = outcome

    @contextmanager
    def _working(self, listener: Listener | None = None) -> Iterator[None]:
        with working(self.options.project, listener):
            yield

    @cached_property
    def _session(self) -> Session:
        return open_session(self.options)

    @property
    def name(self) -> str:
        return self.options.study

    @property
    def folder(self) -> Path:
        """The folder with the study's files."""
        return self.options.store.folder

    @property
    def metric(self) -> str:
        """The name of what counts; more is better."""
        with self._working():
            return StudyAttributes.read(find_study(self.options)[2]).metric

    def records(
        self,
        state: str | None = None,
        where: Sequence[str] = (),
        sort: str = "number",
        top: int | None = None,
    ) -> list[TrialRecord]:
        """The trials in a state (complete, pruned, failed, running, waiting) and with the values that
        each `where` names, as ``"backbone.model=resnet18"``, sorted by number, score or seconds.

        Raises `UserError` for an unknown state, name or order.
        """
        with self._working():
            study = find_study(self.options)[2]
            metric = StudyAttributes.read(study).metric
            chosen = filter_trials(trained_trials(study), state, where, sort, top)
            return [trial_record.record(trial, metric) for trial in chosen]

    @property
    def trials(self) -> pd.DataFrame:
        """A row a trial: its number, state, score (a column named as the metric), seconds, a score a
        fold and every value of its recipe."""
        columns, rows = trial_record.table(self.records(), self.metric)
        return pd.DataFrame(rows, columns=columns)

    @property
    def best(self) -> ScoredTrial:
        """The complete trial with the highest score; raises `UserError` where none is complete."""
        complete = self.records("complete", sort="score", top=1)
        if not complete:
            raise UserError(f"study '{self.name}' has no complete trial yet: search it first")
        (record,) = complete
        assert record.score is not None and record.recipe is not None
        return ScoredTrial(record.number, record.metric, record.score, record.recipe)

    def show(self, number: int) -> TrialDetails:
        """All of one trial: recipe, scores, time, how it came into the study and what is kept of it.

        Raises `UserError` where there is none of that number.
        """
        with self._working():
            _, store, study = find_study(self.options)
            trial, folds = find_trial(study, number), store.load_folds()
            assert folds is not None
            return trial_record.details(study, trial, store, int(folds.max()) + 1)

    @property
    def status(self) -> Status:
        """How it is doing, also while it is searched in another process."""
        with self._working():
            return status(self._session)

    def importance(self) -> Importance:
        """Which choices and values mattered, and the best ones, by PED-ANOVA."""
        with self._working():
            return importance.importance(find_study(self.options)[2])

    def train(
        self, recipe: Recipe | Mapping[str, Any] | str | Path, *, listener: Listener | None = None
    ) -> ScoredTrial:
        """Train one recipe as a trial of this study; see `automask.train`."""
        return _train(recipe, self.options, listener)

    def ensemble(
        self, method: str = "auto", tta: str = "none", top: int | None = None
    ) -> EnsembleResult:
        """Blend the best trials: scores, members and the `submission`; nothing is trained again.

        `method` is an ensemble plugin, or auto for the best of them; `tta` a test-time augmentation that
        competes, or auto for all; `top` how many of the best trials may join. Raises `UserError`
        where no trial is complete.
        """
        from automask.api import ensembles

        with self._working():
            return ensembles.session_ensemble(self._session, method=method, tta=tta, top=top)

    @property
    def out_of_fold(self) -> pd.DataFrame:
        """A row a train image: id, fold, the true label of each target, and the probability of each
        class, by the mean of the five best trials' networks that never saw that image.

        Raises `UserError` where no trial is complete.
        """
        from automask.ensembles import members

        with self._working():
            session = self._session
            probability = members.mean_of_best(session)
        data = session.data
        attributes = data.attributes
        columns: dict[str, Any] = {data.id_column: data.train.ids, "fold": session.folds}
        for index, name in enumerate(attributes.names):
            values = np.array(attributes.values[index])
            columns[name] = values[attributes.classes[data.labels, index]]
        for label in range(probability.shape[1]):
            columns[f"p({attributes.describe(label)})"] = probability[:, label]
        return pd.DataFrame(columns)

    def audit(self, *, listener: Listener | None = None) -> list[Finding]:
        """Copies, leaks of labels and undeclared groups in the study's data; the findings are kept."""
        with self._working(listener):
            return data_module.audit_session(opening.open_or_survey(self.options))

    def advise(self, *, listener: Listener | None = None) -> Advice:
        """Measure what to train first, as a new search of this study would; nothing is trained."""
        with self._working(listener):
            return data_module.advise_session(opening.open_or_survey(self.options))

    def suspects(self) -> Suspects:
        """Train rows whose label may be wrong, the most suspect first; see `automask.suspects`."""
        from automask.api import labels

        with self._working():
            return labels.session_suspects(self._session)

    def report(self, file: str | Path = "report.html") -> Path:
        """Write the study's page, one HTML file that needs no other; its path.

        Raises `UserError` where no trial is complete.
        """
        from automask.report import study_report

        with self._working():
            study_report.write(self._session, Path(file))
        return Path(file)

    def __repr__(self) -> str:
        return f"<Study {self.name!r} in {self.folder}>"

    def _repr_html_(self) -> str:
        """The best trials, for a notebook."""
        best, metric = self.records(sort="score", top=SHOWN), self.metric
        rows = [
            {
                "trial": record.number,
                "state": record.state,
                metric: record.score,
                "recipe": record.recipe.describe() if record.recipe else "",
            }
            for record in best
        ]
        shown = pd.DataFrame(rows, columns=["trial", "state", metric, "recipe"])
        count = len(self.records())
        title = f"study '{self.name}': {count} trials" + (
            "" if count == len(rows) else ", the best:"
        )
        return f"<p>{title}</p>" + shown.to_html(
            index=False, na_rep="", float_format="{:.4f}".format
        )


def search(
    data: str | Path | None = None,
    *,
    trials: int = 50,
    timeout: str | float | None = None,
    space: str | None = None,
    metric: str | None = None,
    folder: Folder = ".",
    study: str = "main",
    workers: int | str = "auto",
    folds: int | None = None,
    seed: int | None = None,
    device: str = "auto",
    weights: str | Path | None = None,
    disk: int | str | None = None,
    pseudo: str | None = None,
    pruner: str | None = None,
    sampler: str | None = None,
    patience: int | None = None,
    warm_start: Sequence[str] = (),
    storage: str | None = None,
    listener: Listener | None = None,
) -> Study:
    """Search the best recipe for a folder of images, or go on with a search; the study.

    `data` is the folder with images and tables. A project in `folder` is made of it where there is
    none (`init`); one that is there names its own. `trials` complete or pruned ones are the end, or
    `timeout` (seconds, or ``"90m"``). `space` is default, quick, full or a TOML file, and `workers`
    train side by side. Paths of `space` and `weights` begin at `folder`. `disk` is the most that caches
    and weights may take (bytes, or ``"20GB"``). What is None stands in `automask.toml` or is chosen by
    automask. A study of that name goes on.

    Progress is printed unless a `listener` hears it. Ctrl-C is raised again once the study is in order:
    what is finished is kept, and the same call goes on. Raises `UserError` for what you can mend: the
    data, the space, the weights, a study that was begun with something else.
    """
    begin = time.time()
    seconds = seconds_of(timeout) if isinstance(timeout, str) else timeout
    count = count_of(workers) if isinstance(workers, str) else workers
    _at_least_one(trials=trials, workers=count, patience=patience)
    project = open_project(folder)
    options = Options(
        study,
        storage,
        space,
        folds,
        metric,
        seed,
        str(weights) if weights is not None else None,
        device,
        disk=bytes_of(disk) if isinstance(disk, str) else disk,
        pseudo=pseudo,
        pruner=pruner,
        sampler=sampler,
        project=project,
    )
    if data is not None:
        data_module.use_data(data, project)
    with working(project, _heard(listener)):
        # Looked up before a study is made, so that a mistyped name leaves nothing behind.
        earlier = [read_earlier(where, options) for where in dict.fromkeys(warm_start)]
        session = opening.begin(options)
        deadline = begin + seconds if seconds is not None else None
        end = run.search(session, Limits(trials, deadline, patience), count, earlier)
    if end.interrupted:
        raise KeyboardInterrupt
    return Study(options, end)


def load(folder: Folder = ".", study: str = "main", storage: str | None = None) -> Study:
    """A study that was begun; raises `UserError` where there is none of that name."""
    options = Options(study, storage, project=open_project(folder))
    with working(options.project):
        find_study(options)
    return Study(options)


def train(
    recipe: Recipe | Mapping[str, Any] | str | Path,
    *,
    folder: Folder = ".",
    study: str = "main",
    storage: str | None = None,
    space: str | None = None,
    folds: int | None = None,
    metric: str | None = None,
    seed: int | None = None,
    device: str = "auto",
    weights: str | Path | None = None,
    listener: Listener | None = None,
) -> ScoredTrial:
    """Train one recipe as a trial of a study, which it joins, or find the trial that has it.

    A `recipe` is one of a trial, a TOML file, or what such a file holds, as
    ``{"loss": {"focal": {"gamma": 2.0}}}``; the rest is as plugins have it by default. It may be
    outside the study's space. A study that isn't there is begun as `automask.toml` says.

    Raises `UserError` where the recipe is wrong or its training failed, and Ctrl-C again once the trial
    waits in the queue.
    """
    project = open_project(folder)
    path = str(weights) if weights is not None else None
    options = Options(study, storage, space, folds, metric, seed, path, device, project=project)
    return _train(recipe, options, listener)


def _train(
    recipe: Recipe | Mapping[str, Any] | str | Path, options: Options, listener: Listener | None
) -> ScoredTrial:
    with working(options.project, _heard(listener)):
        made = _recipe(recipe)
        session = run.prepare_training(made, options)
        before = run.find_complete(session, made)
        trial = before or run.train_recipe(session, made)
    if not trial.values:
        noted = TrialAttributes.read(trial)
        source = recipe if isinstance(recipe, str | Path) else "the recipe"
        raise UserError(f"{source}: {noted.reason or 'failed'}: {noted.message or ''}")
    name = session.config.search.metric
    return ScoredTrial(trial.number, name, trial.values[0], made, before is None)


def _recipe(recipe: Recipe | Mapping[str, Any] | str | Path) -> Recipe:
    if isinstance(recipe, Recipe):
        return recipe
    if isinstance(recipe, str | Path):
        return recipe_file.read_recipe(Path(recipe))
    import tomli_w

    return recipe_file.parse_recipe(tomli_w.dumps(recipe), "given to train")


def write_recipe(file: str | Path, recipe: Recipe) -> None:
    """Write a recipe as TOML, for `train`."""
    with atomic_write(Path(file)) as beside:
        beside.write_text(recipe_file.recipe_toml(recipe), encoding="utf-8")


def _heard(listener: Listener | None) -> Listener | None:
    """Who hears of a search: plain lines tell of it where nobody else would."""
    return listener or (None if is_heard() else PlainDisplay())


def _at_least_one(**values: int | None) -> None:
    for name, value in values.items():
        if value is not None and value < 1:
            raise UserError(f"{name}={value}: at least 1")
