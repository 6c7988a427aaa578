"""The commands for what comes after training: keep, list, compare, merge and vote on submissions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from automask.cli.json_output import Json, print_json
from automask.cli.options import Quiet, Storage, Study, setting, terminal
from automask.errors import UserError

app = typer.Typer()
Files = Annotated[list[Path], typer.Argument(help="CSV files.", show_default=False)]


@app.command()
def submit(
    file: Annotated[
        str, typer.Argument(help="The file, or with --score the name of a kept one.")
    ] = "submission.csv",
    name: Annotated[str | None, typer.Option(help="A name instead of s1, s2, …")] = None,
    score: Annotated[
        float | None, typer.Option(help="The leaderboard's score of the kept submission.")
    ] = None,
) -> None:
    """Check a submission and keep a copy; later note its score.

    The copy goes to runs/submissions with all that is known of it.
    """
    from automask.api import submissions
    from automask.api.projects import Project
    from automask.cli.notes import printed

    console, project = terminal(), Project()
    if score is not None:
        if name is not None:
            raise UserError("automask submit --score 0.7525 NAME: without --name")
        submissions.record(file, score, project)
        console.print(f"{file}: {score:g} on the leaderboard", markup=False)
        return
    with printed(console, "note: "):
        entry = submissions.submit(file, name=name, folder=project)
    cv = f"{entry.metric} {entry.cv.value:.4f}" if entry.cv else "CV unknown"
    console.print(f"kept {file} as '{entry.name}', {cv}", markup=False, soft_wrap=True)
    console.print(
        f"once its score is known: automask submit --score SCORE {entry.name}", markup=False
    )


@app.command("submissions")
def list_submissions(json: Json = False) -> None:
    """List kept submissions: CV, leaderboard, how they differ."""
    from automask.api import submissions
    from automask.api.projects import Project
    from automask.cli.submission_tables import show_submissions

    listed = submissions.submissions(Project())
    if json:
        print_json(listed)
    else:
        show_submissions(listed, terminal())


@app.command()
def compare(
    a: Annotated[str, typer.Argument(help="A file, or the name of a kept submission.")],
    b: Annotated[str, typer.Argument(help="Another.")],
    html: Annotated[
        Path | None, typer.Option(help="Write a page with the pictures that differ.")
    ] = None,
    study: Annotated[
        str | None, typer.Option(help="Whose latest ensemble says how sure it is of each row.")
    ] = None,
) -> None:
    """Show which rows of two submissions differ, and how."""
    from automask.api import submissions
    from automask.api.projects import Project
    from automask.cli.submission_tables import show_comparison

    console = terminal()
    result = submissions.compare(a, b, folder=Project(), html=html, study=study)
    show_comparison(result, console)
    if result.pictures is not None:
        most = ""
        if result.pictures < result.differ:
            most = f", {result.pictures} of them, evenly spread,"
        console.print(
            f"\nwrote {html}: {result.differ} rows that differ{most} with pictures",
            markup=False,
            soft_wrap=True,
        )


@app.command()
def merge(
    files: Files,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")] = Path(
        "merged.csv"
    ),
) -> None:
    """Join files that answer an attribute each by id."""
    from automask.api import submissions
    from automask.api.projects import Project

    frame = submissions.merge(files, folder=Project(), output=output)
    terminal().print(f"wrote {output}: {len(frame):,} rows", markup=False)


@app.command()
def vote(
    files: Files,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")] = Path(
        "voted.csv"
    ),
    weights: Annotated[str | None, typer.Option(help="A weight for each file, as 2,1,1.")] = None,
) -> None:
    """Take the majority of several submissions, row by row.

    Of classes with as many votes the one of the earliest file wins. Probabilities and numbers are
    averaged, and of several labels a row each is voted on.
    """
    from automask.api import submissions
    from automask.api.projects import Project

    numbers = _numbers(weights) if weights is not None else None
    result = submissions.vote(files, weights=numbers, folder=Project(), output=output)
    tied = f", {result.tied:,} tied and left to the earliest file"
    mean = f", the mean of {len(files)} files"
    terminal().print(
        f"wrote {output}: {len(result.frame):,} rows, {result.unanimous:,} unanimous"
        f"{mean if result.method == 'mean' else tied}",
        markup=False,
        soft_wrap=True,
    )


@app.command()
def report(
    study: Study = "main",
    storage: Storage = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")] = Path(
        "report.html"
    ),
    device: Annotated[str, setting("DEVICE", "Where pictures are looked at.")] = "auto",
    quiet: Quiet = False,
) -> None:
    """Write one page on a study: its search, score, mistakes.

    Nothing is trained.
    """
    from automask.api import reports
    from automask.api.projects import Project
    from automask.cli.notes import printed
    from automask.units import format_bytes

    console = terminal()
    with printed(terminal(quiet=quiet)):
        file = reports.report(Project(), study, output, storage=storage, device=device)
    console.print(
        f"wrote {file}: {format_bytes(file.stat().st_size)}", markup=False, soft_wrap=True
    )


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise UserError(f"--weights {text}: numbers with commas between, as 2,1,1") from error
