"""The blend of a study's best trials, with what it scores and predicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from automask.api.projects import Folder, open_project
from automask.api.surroundings import working
from automask.data.dataset import Dataset
from automask.ensembles import blend, calibration, corrected_scores
from automask.ensembles.calibration import Calibration
from automask.ensembles.corrected_scores import OtherScore
from automask.ensembles.ensemble import AUTO, PLAIN, Ensemble
from automask.listener import note
from automask.report import evaluation, submission
from automask.report.evaluation import ClassTable
from automask.scoring import Score, by_attribute
from automask.storage.disk import TOP
from automask.study import bad_images
from automask.study.session import Options, Session, open_session
from automask.study.tracking import record_ensemble, tracker_names
from automask.units import bytes_of


@dataclass(frozen=True)
class EnsembleResult:
    """A blend of a study's best trials: N train rows, M test rows, C classes.

    `nested` is the score to trust: of rows that nothing of the blend was chosen by. `blend` has the
    rest: probabilities of the train rows (`validation`, `honest`: float `[N, C]`) and of the test rows
    (`test`, `[M, C]`), members, methods and views. `file` is where the predictions were written.
    """

    session: Session = field(repr=False)
    blend: Ensemble = field(repr=False)
    file: Path | None = None

    @property
    def data(self) -> Dataset:
        return self.session.data

    @property
    def metric(self) -> str:
        """The name of the metric of all scores."""
        return self.session.config.search.metric

    @property
    def nested(self) -> Score:
        """Each fold by a blend chosen without it, members, method, view and shift included."""
        return self.blend.nested

    @property
    def plain(self) -> Score:
        """The blend on the out-of-fold predictions that it was chosen by."""
        return self.blend.plain

    @property
    def single(self) -> Score:
        """The best single trial, out of fold."""
        return self.blend.single

    @cached_property
    def _scored(self) -> tuple[np.ndarray, np.ndarray | None]:
        """The rows that stand for the test set, and their groups."""
        rows, groups = self.data.scored_rows, self.data.groups
        rows = rows[self.blend.scored_rows(self.data.labels[rows])]
        if groups is None:
            return rows, None if self.blend.shares is None else rows
        return rows, groups[rows]

    @cached_property
    def attributes(self) -> Mapping[str, Score]:
        """The score of each attribute by itself; empty where there is but one."""
        data = self.data
        if len(data.attributes.names) < 2 or not data.target.exclusive:
            return {}
        with working(self.session.options.project):
            return by_attribute(self.session.metric, data, self.blend.honest, *self._scored)

    @cached_property
    def other_labels(self) -> OtherScore | None:
        """The score on the labels before corrections, or after, where the study has others."""
        with working(self.session.options.project):
            return corrected_scores.on_other_labels(self.session, self.blend.honest, *self._scored)

    @cached_property
    def members(self) -> pd.DataFrame:
        """The trials of the blend, those of the largest weight first.

        A weight is missing where the method has none. `score` is the trial's own, `differs` the share
        of rows where its class isn't the blend's, `adds` what the out-of-fold score loses without it.
        """
        rows = [
            (
                part.member.number,
                part.weight,
                part.score,
                part.differs,
                part.adds,
                part.member.recipe.describe(),
            )
            for part in sorted(self.blend.parts, key=lambda part: -(part.weight or 0))
        ]
        columns = ["trial", "weight", "score", "differs", "adds", "recipe"]
        return pd.DataFrame(rows, columns=columns)

    @cached_property
    def shift(self) -> Mapping[str, float]:
        """What shifts decisions; empty where nothing does.

        By class what is added to its log-probability, by label to its log-odds; of grades the cut
        points on the expected grade, by the grade that begins there.
        """
        if self.blend.shift is None:
            return {}
        names = [self.data.attributes.describe(label) for label in range(len(self.data.counts))]
        values = self.blend.shift.tolist()
        return dict(zip(names[-len(values) :], values, strict=True))

    @cached_property
    def calibration(self) -> tuple[Calibration, Calibration] | None:
        """Of the nested predictions without a temperature, and with one; None where a row's don't
        sum to 1."""
        if not self.data.target.exclusive:
            return None
        ensemble, (rows, _) = self.blend, self._scored
        labels = self.data.labels[rows]
        return (
            calibration.measure(labels, ensemble.honest[rows]),
            calibration.measure(labels, ensemble.calibrated[rows]),
        )

    @cached_property
    def class_shares(self) -> dict[str, np.ndarray]:
        """How common the classes are, `[C]`: in `train`, as `predicted`, in `test` as was asked for,
        and, of test rows, as `estimated` by EM."""
        return blend.class_shares(self.data, self.blend)

    @cached_property
    def changed_predictions(self) -> int | None:
        """How many test rows would be given another class if their classes were as common as
        estimated; None without test rows."""
        return blend.changed_predictions(self.blend, self.class_shares)

    @cached_property
    def class_tables(self) -> list[ClassTable]:
        """How well each class is recognised, and each attribute's values by themselves."""
        return evaluation.class_tables(self.data, self.blend.honest)

    @cached_property
    def classes(self) -> pd.DataFrame:
        """The same as one table; `target` is an attribute, or all of them together."""
        return pd.DataFrame(
            [
                {
                    "target": table.title,
                    "class": row.name,
                    "rows": row.rows,
                    "precision": row.precision,
                    "recall": row.recall,
                    "f1": row.f1,
                }
                for table in self.class_tables
                for row in table.rows
            ]
        )

    @cached_property
    def submission(self) -> pd.DataFrame | None:
        """The test rows as the competition wants them; None without a test table.

        Raises `UserError` where the sample submission asks for what can't be given.
        """
        if not self.data.test:
            return None
        frame = submission.table(self.data, *submission.answered_rows(self.data, self.blend.test))
        submission.check(frame, self.data)
        return frame

    @cached_property
    def out_of_fold(self) -> pd.DataFrame:
        """Each train row with its true and predicted attributes and the probability of the latter."""
        return submission.out_of_fold(self.data, self.blend.validation)

    def write(self, file: str | Path | None = None) -> Path:
        """Write the submission or, without a test table, the out-of-fold predictions.

        Without `file` to the project's `submission.csv` or `out_of_fold.csv`. What `compare`, `submit`
        and `report` tell of the blend is kept with the study. Raises `UserError` where the file can't
        be written.
        """
        session, data = self.session, self.data
        project = session.options.project
        default = project.out_of_fold if self.submission is None else project.submission
        path = default if file is None else Path(file)
        submission.write(self.out_of_fold if self.submission is None else self.submission, path)
        session.store.save_ensemble(
            path,
            blend.blend_facts(session, self.blend),
            data.test.ids if data.test else (),
            self.blend.test,
            self.blend.honest,
        )
        return path

    def _repr_html_(self) -> str:
        return (
            f"<p>{self.blend.method} ensemble, {self.metric}: {self.nested} chosen without the rows "
            f"scored, {self.plain} out of fold</p>{self.members.to_html(index=False)}"
        )


def ensemble(
    folder: Folder = ".",
    study: str = "main",
    *,
    storage: str | None = None,
    method: str = AUTO,
    tta: str = PLAIN,
    top: int | None = None,
    test_shares: str | Path | None = None,
    output: str | Path | None = None,
    device: str = "auto",
    disk: str | None = None,
    tracker: str | Sequence[str] | None = None,
) -> EnsembleResult:
    """Blend the best trials of a study; nothing is trained again.

    `method` is an ensemble plugin, or `auto` for the best of them; `tta` a test-time augmentation that
    competes, or `auto` for all; `top` how many of the best trials may join. `test_shares` are those of
    the classes in test: of `train`, `even`, `estimated` from the test images, or a CSV class,share, or
    the search's own (`[data] test_shares`) where it is None; predictions are corrected for them, and all
    is chosen and scored at them. New test rows are predicted on `device`, and `disk`, as "20GB", is what
    caches may take. `tracker` names plugins that note the scores, as figures of the study. The
    predictions are written where `output` is given; `.submission` has them in any case.
    Raises `UserError` where there is no such study, no complete trial in it, or an unknown name.
    """
    size = bytes_of(disk) if disk is not None else None
    options = Options(study, storage, device=device, disk=size, project=open_project(folder))
    with working(options.project):
        session = open_session(options)
        result = session_ensemble(
            session, method=method, tta=tta, top=top, test_shares=test_shares, output=output
        )
        scores = {"nested": result.nested, "plain": result.plain, "single": result.single}
        figures = {f"{name}_{result.metric}": score.value for name, score in scores.items()}
        record_ensemble(tracker_names(tracker, session.config.search), options, figures)
        return result


def session_ensemble(
    session: Session,
    *,
    method: str = AUTO,
    tta: str = PLAIN,
    top: int | None = None,
    test_shares: str | Path | None = None,
    output: str | Path | None = None,
) -> EnsembleResult:
    """The same of an open study."""
    for text in bad_images.describe_test(
        session.bad_images, session.data, session.store.bad_images
    ):
        note(text)
    result = EnsembleResult(
        session,
        blend.blend(
            session, method, tta, top or TOP, None if test_shares is None else str(test_shares)
        ),
    )
    return result if output is None else replace(result, file=result.write(output))
