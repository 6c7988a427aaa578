"""Submissions kept, listed, compared, merged and voted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from automask.api.projects import Folder, open_project
from automask.errors import UserError
from automask.listener import note
from automask.report import answers, archive, comparison, expected_gain, submission, votes
from automask.report.archive import Submission, Submissions
from automask.report.comparison import Band, Comparison
from automask.report.expected_gain import ExpectedGain
from automask.report.votes import Vote

File = str | Path


@dataclass(frozen=True)
class ComparisonResult:
    """Two submissions, A and B, held against each other.

    Where the ensemble of a study can be asked, `source` names it, `probability` `[N, K]` has its test
    probabilities in the order of the comparison's rows and classes, and `gain` is what B is expected to
    gain over A. `pictures` counts the rows shown on the page, where one was written.
    """

    names: tuple[str, str]
    comparison: Comparison
    source: str | None = None
    probability: np.ndarray | None = None
    gain: ExpectedGain | None = None
    pictures: int | None = None

    @property
    def rows(self) -> int:
        """How many rows each file has."""
        return len(self.comparison.differs)

    @property
    def differ(self) -> int:
        """How many of them differ."""
        return int(self.comparison.differs.sum())

    @cached_property
    def table(self) -> pd.DataFrame:
        """The rows that differ: the id, the class (or number) in A and in B and, with a study, the
        probability of each."""
        layout, (a, b) = self.comparison.layout, self.comparison.classes.rows
        rows = np.flatnonzero(self.comparison.differs)
        columns: dict[str, object] = {layout.id: layout.ids[rows]}
        if layout.style == "numbers":
            for name, frame in zip(("a", "b"), self.comparison.frames, strict=True):
                columns |= {f"{name} {c}": frame[c][rows].astype(float) for c in layout.columns}
            return pd.DataFrame(columns)
        for name, labels in (("a", a), ("b", b)):
            columns[name] = [self.comparison.describe(label) for label in labels[rows].tolist()]
        if self.probability is not None:
            columns |= {
                f"probability_{name}": self.probability[rows, labels[rows]]
                for name, labels in (("a", a), ("b", b))
            }
        return pd.DataFrame(columns)

    @property
    def bands(self) -> list[Band]:
        """How often the files differ where the study is sure, and where it isn't; needs a study."""
        if self.probability is None:
            return []
        return comparison.by_confidence(self.comparison.differs, self.probability.max(1))

    def _repr_html_(self) -> str:
        return (
            f"<p>{self.differ:,} of {self.rows:,} rows differ</p>{self.table.to_html(index=False)}"
        )


def submit(file: File, *, name: str | None = None, folder: Folder = ".") -> Submission:
    """Check a submission and keep a copy in `runs/submissions`, with what made it.

    Its name is `name`, or else s1, s2, … Raises `UserError` where it isn't what the competition wants,
    where the same file is kept already, or another under that name.
    """
    project = open_project(folder)
    data = answers.load_data(project)
    entry = archive.archive(project, Path(file), name, data)
    if data is None:
        note("no automask.toml here, so that no sample submission could be checked")
    return entry


def record(name: str, score: float, folder: Folder = ".") -> None:
    """Write down the leaderboard's score of a kept submission; `UserError` where there is none."""
    archive.record(open_project(folder).submissions, name, score)


def submissions(folder: Folder = ".") -> Submissions:
    """The kept submissions, the oldest first: `.table` is a data frame of their CV and leaderboard.

    Examples:
        >>> submissions("nowhere").table.empty
        True
    """
    return archive.overview(open_project(folder).submissions)


def compare(
    a: File,
    b: File,
    *,
    folder: Folder = ".",
    html: File | None = None,
    study: str | None = None,
) -> ComparisonResult:
    """Which rows of two submissions differ, and how: `.table` is a data frame of these rows.

    `a` and `b` are files or names of kept submissions. The latest ensemble of `study`, or that which
    wrote one of the files, says how sure it is. A page with the pictures that differ is written to
    `html`. Raises `UserError` where the files don't fit each other or the data.

    Examples:
        >>> _ = Path("old.csv").write_text("id,age\\nx,1\\ny,0\\n")
        >>> _ = Path("new.csv").write_text("id,age\\nx,1\\ny,1\\n")
        >>> compare("old.csv", "new.csv").table.to_numpy().tolist()
        [['y', '0', '1']]
    """
    project = open_project(folder)
    data = answers.load_data(project)
    names = (str(a), str(b))
    first, second = (archive.path(project.submissions, name) for name in names)
    result = comparison.compare(first, second, data)
    source, probability, gain = None, None, None
    ensemble = archive.ensemble(project, result.paths, study, data)
    if ensemble and data and not data.target.exclusive:
        if study is not None:
            raise UserError(
                f"--study {study}: it tells how sure it is of classes, not of {data.target.phrase}"
            )
        ensemble = None
    if ensemble:
        source = f"study '{ensemble.facts()['study']}'"
        probability = comparison.probability(result, ensemble)
        gain = expected_gain.estimate(result, ensemble, source)
    pictures = None
    if html is not None:
        from automask.report import comparison_page

        effects = gain.sentences if gain else []
        pictures = comparison_page.write(result, names, probability, Path(html), effects)
    return ComparisonResult(names, result, source, probability, gain, pictures)


def vote(
    files: Sequence[File],
    *,
    weights: Sequence[float] | None = None,
    folder: Folder = ".",
    output: File | None = None,
) -> Vote:
    """The majority of several submissions, row by row: `.frame` is a data frame of the classes.

    Of classes with as many votes the one of the earliest file wins. Written where `output` is given.
    Raises `UserError` where the files don't fit each other, or the weights them.

    Examples:
        >>> for name, last in ("a.csv", 1), ("b.csv", 0), ("c.csv", 0):
        ...     _ = Path(name).write_text(f"id,age\\nx,1\\ny,{last}\\n")
        >>> vote(["a.csv", "b.csv", "c.csv"]).frame["age"].tolist()
        ['1', '0']
    """
    result = votes.vote(list(map(Path, files)), weights, answers.load_data(open_project(folder)))
    if output is not None:
        submission.write(result.frame, Path(output))
    return result


def merge(
    files: Sequence[File], *, folder: Folder = ".", output: File | None = None
) -> pd.DataFrame:
    """One submission from files that answer an attribute each, joined by id.

    Written where `output` is given. Raises `UserError` where a file doesn't fit, or the attributes are
    not each answered once.

    Examples:
        >>> _ = Path("age.csv").write_text("id,age\\nx,1\\ny,0\\n")
        >>> _ = Path("mask.csv").write_text("id,mask\\ny,off\\nx,on\\n")
        >>> merge(["age.csv", "mask.csv"]).to_numpy().tolist()
        [['x', '1', 'on'], ['y', '0', 'off']]
    """
    frame = votes.merge(list(map(Path, files)), answers.load_data(open_project(folder)))
    if output is not None:
        submission.write(frame, Path(output))
    return frame
