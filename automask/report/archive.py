"""Kept submissions: what made them, their scores on the leaderboard, how they differ."""

from __future__ import annotations

import math
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd

from automask.data.csv_file import read_csv
from automask.data.dataset import Dataset
from automask.errors import UserError, did_you_mean
from automask.report import answers, comparison, submission
from automask.report.layout import layout_of_data, layout_of_files
from automask.scoring import Score
from automask.storage.files import file_digest
from automask.storage.project import Project
from automask.storage.study_store import EnsembleFile, find_ensemble
from automask.storage.submission_store import SubmissionStore

Facts = dict[str, Any]
PAIRS = 3  # from how many pairs on a correlation is told


@dataclass(frozen=True)
class Submission:
    """A kept submission: `cv` is the nested score of the ensemble that wrote it, where one did, and
    `leaderboard` the score that was noted later."""

    name: str
    date: datetime
    file: str
    study: str | None
    metric: str | None
    method: str | None
    cv: Score | None
    leaderboard: float | None


@dataclass(frozen=True)
class Submissions:
    """The kept submissions, the oldest first.

    `differences` is the share of rows in which each differs from the newest (None where its ids or
    columns do), `correlations` Spearman's of CV and leaderboard and the number of pairs, by metric.
    """

    entries: tuple[Submission, ...]
    differences: Mapping[str, float | None]
    correlations: Mapping[str, tuple[float, int]]

    @property
    def farthest(self) -> tuple[str, float] | None:
        """The one that differs most from the newest, and its share of rows."""
        shares = {name: share for name, share in self.differences.items() if share is not None}
        return max(shares.items(), key=lambda pair: pair[1]) if shares else None

    @property
    def table(self) -> pd.DataFrame:
        """A row each; `difference` is that from the newest."""
        columns = ("name", "date", "file", "study", "metric", "method", "leaderboard")
        rows = [
            {column: getattr(one, column) for column in columns}
            | {"cv": one.cv and one.cv.value, "difference": self.differences.get(one.name)}
            for one in self.entries
        ]
        return pd.DataFrame(rows, columns=[*columns[:-1], "cv", "leaderboard", "difference"])

    def _repr_html_(self) -> str:
        return self.table.to_html(index=False)


def overview(store: SubmissionStore) -> Submissions:
    """All that are kept."""
    names = store.names()
    facts = [store.facts(name) for name in names]
    shares = differences(store, names[-1], names[:-1]) if names else {}
    return Submissions(tuple(map(_submission, facts)), shares, correlations(facts))


def _submission(facts: Facts) -> Submission:
    return Submission(
        facts["name"],
        datetime.fromisoformat(facts["date"]),
        facts["file"],
        facts["study"],
        facts["metric"],
        facts["method"],
        Score(**facts["cv"]["nested"]) if facts["cv"] else None,
        facts["leaderboard"],
    )


def archive(project: Project, file: Path, name: str | None, data: Dataset | None) -> Submission:
    """Check a submission and keep a copy with what the ensemble that wrote it left.

    Without data it is checked only by itself. Raises `UserError` where it isn't what the competition
    wants, where the same file is kept already, or another under that name.
    """
    _check(file, data)
    store = project.submissions
    with store.locked():
        facts = _facts_of(project, file, name)
        store.save(facts["name"], file, facts)
    return _submission(facts)


def _facts_of(project: Project, file: Path, name: str | None) -> Facts:
    """What is known of a submission to be kept, under a name that is free."""
    sha256, store = file_digest(file), project.submissions
    names = store.names()
    for other in names:
        if store.facts(other)["sha256"] == sha256:
            raise UserError(f"{file} is kept already, as '{other}': the same file counts once")
    if name is None:
        name = next(f"s{number}" for number in count(1) if f"s{number}" not in names)
    elif not re.fullmatch(r"\w[\w.-]*", name):
        raise UserError(f"--name '{name}': letters, digits, '.', '_' and '-'")
    elif name in names:
        raise UserError(f"--name '{name}': another submission is kept under that name")
    ensemble = find_ensemble(project.runs, sha256)
    made: Facts = dict.fromkeys(("study", "metric", "method", "cv", "members"))
    made |= ensemble.facts() if ensemble else {}
    date = datetime.now(UTC).isoformat(timespec="microseconds")
    first: Facts = {"name": name, "date": date, "file": str(file), "sha256": sha256}
    return first | made | {"commit": _commit(project.folder), "leaderboard": None}


def _check(file: Path, data: Dataset | None) -> None:
    table = read_csv(file)
    layout = layout_of_data(data)
    answers.align_answers(table, layout or layout_of_files([table]))
    if data is None or not layout:
        return
    if mistakes := submission.mistakes(table.frame(table.columns), data):
        raise UserError(f"{file} isn't what the sample submission asks for: {'; '.join(mistakes)}")


def record(store: SubmissionStore, name: str, score: float) -> None:
    """Write down the leaderboard's score of a kept submission."""
    if not math.isfinite(score):
        raise UserError(f"--score {score}: a number, as the leaderboard shows it")
    store.save_facts(name, _facts(store, name) | {"leaderboard": score})


def path(store: SubmissionStore, text: str) -> Path:
    """The file that a person means: a path, or the name of a kept submission."""
    if Path(text).is_file():
        return Path(text)
    names = store.names()
    if text not in names:
        raise UserError(
            f"{text}: no such file, and no kept submission of that name{did_you_mean(text, names)}"
        )
    return store.csv(text)


def ensemble(
    project: Project, paths: Sequence[Path], study: str | None, data: Dataset | None
) -> EnsembleFile | None:
    """The latest ensemble of a study, or without one that which wrote one of the files, if any did.

    Raises `UserError` where the study has none, or where no data say which rows it predicted.
    """
    if study is None:
        authors = (find_ensemble(project.runs, file_digest(path)) for path in paths if data)
        return next(filter(None, authors), None)
    if data is None:
        raise UserError(f"--study {study}: needs the automask.toml of that study here")
    store = project.study(study)
    ensembles = store.ensembles()
    if not ensembles:
        raise UserError(f"--study {study}: no ensemble in {store.folder}; run automask ensemble")
    return ensembles[-1]


def correlations(submissions: list[Facts]) -> dict[str, tuple[float, int]]:
    """Spearman's correlation of nested CV and leaderboard, and the number of pairs, by metric."""
    pairs = pd.DataFrame(
        [
            (facts["metric"], facts["cv"]["nested"]["value"], facts["leaderboard"])
            for facts in submissions
            if facts["cv"] and facts["leaderboard"] is not None
        ],
        columns=["metric", "cv", "leaderboard"],
    )
    # A correlation of ranks is Spearman's.
    return {
        str(metric): (float(part["cv"].rank().corr(part["leaderboard"].rank())), len(part))
        for metric, part in pairs.groupby("metric")
        if len(part) >= PAIRS
    }


def differences(store: SubmissionStore, newest: str, others: list[str]) -> dict[str, float | None]:
    """The share of rows in which each differs from the newest; None where the ids or columns do."""
    tables = {name: read_csv(store.csv(name)) for name in [newest, *others]}
    shares: dict[str, float | None] = {}
    for name in others:
        pair = [tables[newest], tables[name]]
        try:
            layout = layout_of_files(pair)
            frames = [answers.align_answers(table, layout) for table in pair]
        except UserError:
            shares[name] = None
        else:
            shares[name] = float(comparison.differing(layout, frames).mean())
    return shares


def _facts(store: SubmissionStore, name: str) -> Facts:
    names = store.names()
    if name not in names:
        raise UserError(f"no kept submission '{name}'{did_you_mean(name, names)}")
    return store.facts(name)


def _commit(folder: Path) -> str | None:
    """The commit of the git repository that the folder is in, None where it is in none."""
    try:
        out = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True
        )
    except OSError:
        return None
    return out.stdout.strip() if out.returncode == 0 else None
