"""Options that several commands take, and where they print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console


Study = Annotated[str, typer.Option(help="Name of the study, a folder in runs/.")]
Storage = Annotated[
    str | None, typer.Option(help="Database address instead of runs/STUDY/study.db.")
]
Space = Annotated[str | None, typer.Option(help="default, quick, full, or a TOML file.")]
Folds = Annotated[int | None, typer.Option(help="Folds of the cross-validation.")]
Metric = Annotated[str | None, typer.Option(help="What counts, such as macro_f1.")]
Seed = Annotated[int | None, typer.Option(min=0, max=2**31 - 1, help="Seed of all random numbers.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")]
Weights = Annotated[str | None, typer.Option(help="Folder of <timm name>.safetensors.")]
Disk = Annotated[
    str | None,
    typer.Option(
        help="Most that caches and weights may take, as 20GB; by default a tenth of what is free."
    ),
]


def terminal(json: bool = False) -> Console:
    """Where a command prints: beside standard output where that is for JSON alone."""
    from rich.console import Console

    # Paths and messages may hold brackets, and numbers need no colour.
    return Console(stderr=json, highlight=False)
