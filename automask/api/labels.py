"""Labels that may be wrong, and corrected ones."""

from __future__ import annotations

from pathlib import Path

from automask.api.projects import Folder, open_project
from automask.api.surroundings import working
from automask.data import config, corrections
from automask.data.corrections import Outcome
from automask.diagnostics.suspects import Suspects, find_suspects
from automask.ensembles import members
from automask.study.session import Options, Session, open_session


def suspects(
    folder: Folder = ".",
    study: str = "main",
    *,
    storage: str | None = None,
    csv: str | Path | None = None,
) -> Suspects:
    """The train rows of a study whose label may be wrong: `.table` (a data frame) has them, the most
    suspect first.

    By confident learning on the out-of-fold probabilities of the best trials; nothing is trained. The
    table is written to `csv` where that is given, to be edited and given to `relabel`.
    Raises `UserError` where there is no such study, or no complete trial in it.
    """
    project = open_project(folder)
    with working(project):
        result = session_suspects(open_session(Options(study, storage, project=project)))
    if csv is not None:
        from automask.report import submission

        submission.write(result.table, Path(csv))
    return result


def session_suspects(session: Session) -> Suspects:
    """The same of an open study."""
    return find_suspects(session.data, members.mean_of_best(session), session.folds)


def relabel(file: str | Path, folder: Folder = ".") -> Outcome:
    """Take corrected labels from a CSV with a column of ids and one for each target it corrects.

    They are kept in `corrections.csv` beside `automask.toml`, for the next new study; the data stay as
    they are. A row's first label takes its correction back. Raises `UserError` naming file and row.
    """
    project = open_project(folder)
    tables = config.read(config.load(project), project, None)
    outcome = corrections.relabel(Path(file), tables, corrections.load(project.corrections))
    corrections.save(outcome.corrections, project.corrections)
    return outcome
