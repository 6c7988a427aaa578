"""Options that several commands take, and where they print.

What `automask.toml` says is overridden by the environment, and that by the command line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console


def setting(name: str, help: str, **more: Any) -> Any:
    """An option that the environment may say as well, as `AUTOMASK_` and its name."""
    return typer.Option(envvar=f"AUTOMASK_{name}", help=help, **more)


Study = Annotated[str, setting("STUDY", "Name of the study, a folder in runs/.")]
Storage = Annotated[
    str | None, setting("STORAGE", "Database address instead of runs/STUDY/study.db.")
]
Space = Annotated[str | None, setting("SPACE", "default, quick, full, or a TOML file.")]
Folds = Annotated[int | None, setting("FOLDS", "Folds of the cross-validation.")]
Metric = Annotated[str | None, setting("METRIC", "What counts, such as macro_f1.")]
Seed = Annotated[int | None, setting("SEED", "Seed of all random numbers.", min=0, max=2**31 - 1)]
Port = Annotated[
    int, typer.Option(min=0, max=65535, help="Port of this machine, by default any that is free.")
]
Device = Annotated[str, setting("DEVICE", "auto, cpu, cuda, cuda:1, mps.")]
Weights = Annotated[str | None, setting("WEIGHTS", "Folder of <timm name>.safetensors.")]
Disk = Annotated[
    str | None,
    setting(
        "DISK",
        "Most that caches and weights may take, as 20GB; by default a tenth of what is free.",
    ),
]
Tracker = Annotated[
    list[str] | None,
    setting("TRACKER", "Show trials there too: a tracker plugin, such as mlflow; again for more."),
]
Quiet = Annotated[
    bool, setting("QUIET", "Say only what comes of it; of a long search also a line an hour.")
]


def terminal(json: bool = False, quiet: bool = False) -> Console:
    """Where a command prints: beside standard output where that is for JSON alone, and nowhere where
    it is to be quiet."""
    from rich.console import Console

    # Paths and messages may hold brackets, and numbers need no colour.
    return Console(stderr=json, quiet=quiet, highlight=False)
