"""A study from Python, and all that can be asked of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from automask.api import recipes
from automask.api.data import advise_session, audit_session
from automask.api.projects import Folder, open_project
from automask.api.recipes import ScoredTrial
from automask.api.surroundings import working
from automask.errors import UserError
from automask.hpo import importance, trial_record
from automask.hpo.attributes import StudyAttributes
from automask.hpo.importance import Factor as Factor
from automask.hpo.importance import Importance as Importance
from automask.hpo.trial_record import TrialDetails as TrialDetails
from automask.hpo.trial_record import TrialRecord as TrialRecord
from automask.hpo.trial_record import write_table as write_table
from automask.hpo.trials import filter_trials, find_trial, trained_trials
from automask.listener import Listener
from automask.space.recipe import Recipe
from automask.study import opening, status
from automask.study.run import SearchEnd
from automask.study.session import Options, Session, find_study, open_session
from automask.study.status import Running as Running
from automask.study.status import Status as Status

if TYPE_CHECKING:
    from automask.api.distillation import Distilled
    from automask.api.ensembles import EnsembleResult
    from automask.api.models import Exported
    from automask.diagnostics.advice import Advice
    from automask.diagnostics.audit import Finding
    from automask.diagnostics.suspects import Suspects

#: Rows of tables that a notebook shows.
SHOWN = 10


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

    def _noted(self) -> StudyAttributes:
        with self._working():
            return StudyAttributes.read(find_study(self.options)[2])

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
        return self._noted().metric

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
    def plugins(self) -> dict[str, list[str]]:
        """Of each plugin that competed its packages with versions, or files with digests, by time."""
        return self._noted().plugins or {}

    @property
    def packages(self) -> dict[str, list[str]]:
        """The versions of automask, its libraries and the packages of plugins, by time."""
        return self._noted().packages or {}

    @property
    def status(self) -> Status:
        """How it is doing, also while it is searched in another process."""
        with self._working():
            return status.status(self._session)

    def importance(self) -> Importance:
        """Which choices and values mattered, and the best ones, by PED-ANOVA."""
        with self._working():
            return importance.importance(find_study(self.options)[2])

    def train(
        self, recipe: Recipe | Mapping[str, Any] | str | Path, *, listener: Listener | None = None
    ) -> ScoredTrial:
        """Train one recipe as a trial of this study; see `automask.train`."""
        return recipes.train_with(recipe, self.options, listener)

    def ensemble(
        self,
        method: str = "auto",
        tta: str = "none",
        top: int | None = None,
        test_shares: str | Path | None = None,
    ) -> EnsembleResult:
        """Blend the best trials: scores, members and the `submission`; nothing is trained again.

        `method` is an ensemble plugin, or auto for the best of them; `tta` a test-time augmentation that
        competes, or auto for all; `top` how many of the best trials may join; `test_shares` what
        share of the test images each class has, as `automask.ensemble` takes it. Raises `UserError`
        where no trial is complete.
        """
        from automask.api import ensembles

        with self._working():
            return ensembles.session_ensemble(
                self._session, method=method, tta=tta, top=top, test_shares=test_shares
            )

    def export(
        self,
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
        listener: Listener | None = None,
    ) -> Exported:
        """Write the blend, one `member` or the `single` network of `distill`, into a folder that
        predicts by itself or a file for another runtime; see `automask.export`."""
        from automask.api import models

        with self._working(listener):
            return models.export_session(
                self._session,
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

    def distill(self, *, listener: Listener | None = None) -> Distilled:
        """Make one network in place of the blend, and score the ways to it; see `automask.distill`."""
        from automask.api import distillation

        with self._working(listener):
            return distillation.distill_session(self._session)

    @property
    def out_of_fold(self) -> pd.DataFrame:
        """A row a train image: id, fold, the true label of each target, and the probability of each
        class or label, or the predicted number, by the mean of the five best trials' networks that
        never saw that image.

        Raises `UserError` where no trial is complete.
        """
        from automask.ensembles import members

        with self._working():
            session = self._session
            probability = members.mean_of_best(session)
        data = session.data
        columns: dict[str, Any] = {data.id_column: data.train.ids, "fold": session.folds}
        columns |= data.answer_columns(data.labels)
        asked = "p({})" if len(data.attributes.classes) > 1 else "predicted_{}"
        for label in range(probability.shape[1]):
            columns[asked.format(data.attributes.describe(label))] = probability[:, label]
        return pd.DataFrame(columns)

    def audit(self, *, listener: Listener | None = None) -> list[Finding]:
        """Copies, leaks of labels and undeclared groups in the study's data; the findings are kept."""
        with self._working(listener):
            return audit_session(opening.open_or_survey(self.options))

    def advise(self, *, listener: Listener | None = None) -> Advice:
        """Measure what to train first, as a new search of this study would; nothing is trained."""
        with self._working(listener):
            return advise_session(opening.open_or_survey(self.options))

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


def load(folder: Folder = ".", study: str = "main", storage: str | None = None) -> Study:
    """A study that was begun; raises `UserError` where there is none of that name."""
    options = Options(study, storage, project=open_project(folder))
    with working(options.project):
        find_study(options)
    return Study(options)
