"""One network in place of a study's blend: the ways to make it, side by side."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from automask.api.projects import Folder, open_project
from automask.api.surroundings import working
from automask.ensembles import single
from automask.ensembles.cost import Cost
from automask.ensembles.single import WAYS as WAYS
from automask.ensembles.single import Singles
from automask.scoring import Score
from automask.study.session import Options, Session, open_session


@dataclass(frozen=True)
class Distilled:
    """What became of the blend's single networks, of a study whose metric is `metric`.

    `best` names the way whose network `export(single=True)` writes, and `nested` is its score, the
    choice among the ways scored too.
    """

    metric: str
    singles: Singles = field(repr=False)

    @property
    def best(self) -> str:
        return self.singles.best_name

    @property
    def nested(self) -> Score:
        return self.singles.best.nested

    @cached_property
    def table(self) -> pd.DataFrame:
        """The blend and then each way: its score on rows that it never saw, with a 95 % interval,
        that score's share of the blend's, MB (of 2^20 bytes), images a second once they are decoded,
        and the share of test rows where it answers what the blend does."""
        singles = self.singles
        rows: list[tuple[str, Score, Cost, float | None]]
        rows = [("blend", singles.blend.nested, singles.cost, None)]
        rows += [(way.name, way.blend.nested, way.cost, way.agreement) for way in singles.ways]
        return pd.DataFrame(
            [
                {
                    "network": name,
                    "score": score.value,
                    "low": score.low,
                    "high": score.high,
                    "of_blend": score.value / singles.blend.nested.value,
                    "mb": cost.size / 2**20,
                    "images_per_second": cost.images_per_second,
                    "agreement": np.nan if agreement is None else agreement,
                }
                for name, score, cost, agreement in rows
            ]
        )

    def _repr_html_(self) -> str:
        return f"<p>best: {self.best}, {self.nested}</p>" + self.table.to_html(index=False)


def distill(
    folder: Folder = ".", study: str = "main", *, storage: str | None = None, device: str = "auto"
) -> Distilled:
    """Make one network in place of a study's blend, in three ways, and score each.

    `refit` is the best trial's recipe trained on all rows, `distilled` the same taught by the blend,
    `soup` the average of networks' weights. What was made is kept in the study's folder, and not
    trained again; `export(single=True)` writes the best. Raises `UserError` where there is no such
    study, where no trial's weights were kept, or where one network can't stand for the blend.
    """
    options = Options(study, storage, device=device, project=open_project(folder))
    with working(options.project):
        return distill_session(open_session(options))


def distill_session(session: Session) -> Distilled:
    """The same of an open study."""
    return Distilled(session.config.search.metric, single.make(session))
