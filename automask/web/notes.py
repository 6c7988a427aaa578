"""Notes and pictures that optuna-dashboard shows beside a study and its trials."""

from __future__ import annotations

import tempfile
from pathlib import Path

from optuna.trial import FrozenTrial

from automask.data.dataset import fold_count
from automask.errors import UnfitError
from automask.hpo.attributes import TrialAttributes, recipe_of
from automask.hpo.optuna_internals import place_of
from automask.hpo.trials import complete_trials, finished_trials, fold_scores, state
from automask.report import mistakes
from automask.report.mistakes import escape_markdown
from automask.study.session import Session

#: What stands first on the study's page.
STUDY_NOTE = (
    "Folds, the ensemble so far, workers and the disk are on [automask's own page](/live). "
    "The notes of complete trials have pictures of their mistakes."
)


def annotate(session: Session, artifacts: Path) -> int:
    """Write a note on each trial that ended without one, with pictures kept in the folder `artifacts`;
    how many there were. A note that somebody wrote stays."""
    from optuna_dashboard import get_note, save_note

    study, count = session.study, 0
    if not get_note(study):
        save_note(study, STUDY_NOTE)
    best = complete_trials(study)
    for trial in [*best, *(t for t in finished_trials(study) if t.state.name == "FAIL")]:
        place = place_of(study, trial)
        if not get_note(place):
            save_note(place, _note(session, trial, artifacts))
            count += 1
    return count


def _note(session: Session, trial: FrozenTrial, artifacts: Path) -> str:
    recipe = escape_markdown(recipe_of(trial).describe())
    if not trial.values:
        message = TrialAttributes.read(trial).message or ""
        return f"{recipe}\n\nIt failed: {escape_markdown(f'{state(trial)}: {message}')}"
    scores = ", ".join(f"{value:.4f}" for _, value in sorted(fold_scores(trial).items()))
    lines = [recipe, f"Folds: {scores}", _mistakes(session, trial, artifacts)]
    return "\n\n".join(lines)


def _mistakes(session: Session, trial: FrozenTrial, artifacts: Path) -> str:
    import cv2
    from optuna.artifacts import FileSystemArtifactStore, upload_artifact
    from optuna_dashboard.artifact import get_artifact_path

    store = session.store.trial(recipe_of(trial).hash)
    if not all(store.has(fold) for fold in range(fold_count(session.folds))):
        return "Its probabilities are gone."
    try:
        prediction = store.out_of_fold(session.folds)
    except UnfitError as error:
        return escape_markdown(str(error))
    rows = mistakes.worst_rows(session.data, prediction)
    if not rows:
        return mistakes.note(session.data, prediction, rows, "")
    sheet = mistakes.contact_sheet(session.data, rows)
    artifacts.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"trial {trial.number}, mistakes.jpg"
        file.write_bytes(cv2.imencode(".jpg", sheet[:, :, ::-1])[1].tobytes())
        key = upload_artifact(
            artifact_store=FileSystemArtifactStore(str(artifacts)),
            file_path=str(file),
            study_or_trial=session.study,
        )
    picture = get_artifact_path(session.study, key)
    return mistakes.note(session.data, prediction, rows, picture)
