"""The commands for what comes after training: keep, list, compare, merge and vote on submissions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from automask.cli.options import Storage, Study, terminal
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
    from automask.report import answers, archive
    from automask.storage.project import Project

    console, project = terminal(), Project()
    if score is not None:
        if name is not None:
            raise UserError("automask submit --score 0.7525 NAME: without --name")
        archive.record(project.submissions, file, score)
        console.print(f"{file}: {score:g} on the leaderboard", markup=False)
        return
    data = answers.load_data(project)
    facts = archive.archive(project, Path(file), name, data)
    if data is None:
        console.print("note: no automask.toml here, so that no sample submission could be checked")
    cv = f"{facts['metric']} {facts['cv']['nested']['value']:.4f}" if facts["cv"] else "CV unknown"
    kept_as = facts["name"]
    console.print(f"kept {file} as '{kept_as}', {cv}", markup=False, soft_wrap=True)
    console.print(f"once its score is known: automask submit --score SCORE {kept_as}", markup=False)


@app.command()
def submissions() -> None:
    """List kept submissions: CV, leaderboard, how they differ."""
    from automask.cli import submission_tables
    from automask.storage.project import Project

    submission_tables.show_submissions(Project().submissions, terminal())


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
    from automask.cli import submission_tables
    from automask.report import answers, archive, comparison
    from automask.storage.project import Project

    console, project = terminal(), Project()
    data = answers.load_data(project)
    effects: list[str] = []
    first, second = (archive.path(project.submissions, name) for name in (a, b))
    compared = comparison.compare(first, second, data)
    submission_tables.show_comparison(compared, (a, b), console)
    ensemble = archive.ensemble(project, compared.paths, study, data)
    table = comparison.probability(compared, ensemble) if ensemble else None
    if ensemble and table is not None:
        source = f"study '{ensemble.facts()['study']}'"
        submission_tables.show_confidence(compared, table, source, console)
        effects = submission_tables.show_expected_gain(compared, ensemble, source, console)
    if html is not None:
        from automask.report import comparison_page

        shown = comparison_page.write(compared, (a, b), table, html, effects)
        differ = int(compared.differs.sum())
        most = f", {shown} of them, evenly spread," if shown < differ else ""
        console.print(
            f"\nwrote {html}: {differ} rows that differ{most} with pictures",
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
    from automask.report import answers, submission, votes
    from automask.storage.project import Project

    frame = votes.merge(files, answers.load_data(Project()))
    submission.write(frame, output)
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

    Of classes with as many votes the one of the earliest file wins.
    """
    from automask.report import answers, submission, votes
    from automask.storage.project import Project

    numbers = _numbers(weights) if weights is not None else None
    result = votes.vote(files, numbers, answers.load_data(Project()))
    submission.write(result.frame, output)
    terminal().print(
        f"wrote {output}: {len(result.frame):,} rows, {result.unanimous:,} unanimous, "
        f"{result.tied:,} tied and left to the earliest file",
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
    device: Annotated[str, typer.Option(help="Where pictures are looked at.")] = "auto",
) -> None:
    """Write one page on a study: its search, score, mistakes.

    Nothing is trained.
    """
    from automask.report import study_report
    from automask.study.session import Options, open_session
    from automask.units import format_bytes

    console = terminal()
    session = open_session(Options(study, storage, device=device))
    size = study_report.write(session, output, lambda text: console.print(text, markup=False))
    console.print(f"wrote {output}: {format_bytes(size)}", markup=False, soft_wrap=True)


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise UserError(f"--weights {text}: numbers with commas between, as 2,1,1") from error
