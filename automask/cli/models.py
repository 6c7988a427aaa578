"""The commands for a model of its own: write one, and predict new images by it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from automask.cli.options import Device, Storage, Study, terminal

app = typer.Typer()


@app.command()
def export(
    output: Annotated[Path, typer.Argument(metavar="MODEL", help="The folder to write.")],
    study: Study = "main",
    storage: Storage = None,
    method: Annotated[
        str, typer.Option(help="An ensemble plugin, or auto for the best of them.")
    ] = "auto",
    tta: Annotated[
        str, typer.Option(help="A test-time augmentation that competes, or auto for all.")
    ] = "none",
    top: Annotated[int | None, typer.Option(min=1, help="How many of the best trials.")] = None,
    member: Annotated[
        int | None, typer.Option(min=0, help="This trial alone, by its number.")
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="The best blend whose networks take no more, as 40MB.")
    ] = None,
    device: Device = "auto",
) -> None:
    """Write a study's blend as a folder that predicts by itself.

    It needs neither the study nor the data; automask predict reads it. Nothing is trained again.
    """
    from automask.api import models
    from automask.api.projects import Project
    from automask.cli.notes import printed
    from automask.units import format_bytes

    console = terminal()
    with printed(console, "note: "):
        made = models.export(
            output,
            Project(),
            study,
            storage=storage,
            method=method,
            tta=tta,
            top=top,
            member=member,
            size=size,
            device=device,
        )
    count = len(made.blend.parts)
    console.print(
        f"wrote {made.folder}: {count} trial{'s' * (count > 1)} by '{made.blend.method}', "
        f"{format_bytes(made.size)}, {made.blend.nested} chosen without the rows scored; its networks "
        f"predict what the study scored, to {made.difference:.0e}",
        markup=False,
        soft_wrap=True,
    )
    console.print(f"look at {made.folder}/MODEL.md; automask predict {made.folder} IMAGES")


@app.command()
def predict(
    model: Annotated[
        str, typer.Argument(metavar="MODEL|STUDY", help="An exported folder, or a study's name.")
    ],
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGES...",
            help="Files, folders, tables with a column of paths, or - for paths on standard input.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A .csv or .parquet; standard output without one."),
    ] = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Add a column a class.")
    ] = False,
    top: Annotated[
        int | None, typer.Option(min=1, help="Add the so many likeliest classes.")
    ] = None,
    reject: Annotated[
        float | None,
        typer.Option(
            help="Leave unsure rows unanswered, so that this share of those answered was right "
            "out of fold, as 0.95."
        ),
    ] = None,
    column: Annotated[str | None, typer.Option(help="A table's column of paths.")] = None,
    on_bad_image: Annotated[
        str, typer.Option(help="skip or stop: what to do with an image that can't be read.")
    ] = "skip",
    device: Device = "auto",
    trust_plugins: Annotated[
        bool, typer.Option("--trust-plugins", help="Run the Python files that MODEL holds.")
    ] = False,
) -> None:
    """Predict new images by an exported model, or by a study."""
    from rich.console import Console

    from automask.api import models
    from automask.api.projects import Project
    from automask.cli.notes import printed

    # Predictions may go to standard output, where nothing else belongs.
    console = Console(stderr=True, highlight=False)
    with printed(console, "note: "):
        frame = models.predict(
            model,
            images,
            column=column,
            top=top,
            probabilities=probabilities,
            reject=reject,
            on_bad_image=on_bad_image,
            device=device,
            trust_plugins=trust_plugins,
            folder=Project(),
        )
    if output is None:
        frame.to_csv(sys.stdout, index=False)
        return
    models.write_predictions(frame, output)
    answers = frame.iloc[:, 1].notna().sum()
    console.print(
        f"wrote {output}: {len(frame):,} rows, {answers:,} of them answered",
        markup=False,
        soft_wrap=True,
    )
