"""The command line: a thin skin, which imports what a command needs when it is called."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from automask.cli import (
    data,
    distillation,
    doctor,
    ensemble,
    labels,
    models,
    plugins,
    study,
    submissions,
    weights,
)
from automask.cli.options import (
    Device,
    Disk,
    Folds,
    Metric,
    Quiet,
    Seed,
    Space,
    Storage,
    Study,
    Tracker,
    Weights,
    setting,
    terminal,
)
from automask.cli.streams import prepare_streams
from automask.errors import UserError

#: What libraries that are imported later, also by workers, take as the level of what they say.
QUIET = {"TORCH_CPP_LOG_LEVEL": "ERROR", "HF_HUB_VERBOSITY": "error"}

app = typer.Typer(
    help="AutoML search for image classification: init, search, ensemble.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Help in rich's boxes would take twice as long to come.
    rich_markup_mode=None,
)


def main() -> None:
    """The `automask` command: 0 where all went well, 2 for what the user can mend, 130 for Ctrl-C."""
    prepare_streams()
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        app(prog_name="automask")
    except UserError as error:
        _fail(str(error))
    except ModuleNotFoundError as error:
        # Where a model predicts, what searches need may be left out.
        if error.name is None or error.name.startswith("automask"):
            raise
        _fail(f"this needs {error.name}, which isn't installed here: pip install automask")
    except Exception as error:
        from automask.api.projects import Project, disk_full

        if full := disk_full(error, Project()):
            _fail(str(full))
        if not isinstance(error, OSError) or error.filename is None or error.errno is None:
            raise
        _fail(f"{error.filename}: {error.strerror}")


def _fail(text: str) -> None:
    from rich.console import Console

    Console(stderr=True, highlight=False).print(
        f"error: {text}", style="red", markup=False, soft_wrap=True
    )
    sys.exit(2)


@app.command("init")
def describe_data(
    data: Annotated[
        Path, typer.Argument(help="The folder with the images and tables, or its table.")
    ],
    force: Annotated[bool, typer.Option(help="Replace an automask.toml that is here.")] = False,
) -> None:
    """Look at DATA, write automask.toml, say what was understood."""
    from automask.api.data import init
    from automask.api.projects import Project

    description, console = init(data, folder=Project(), force=force), terminal()
    for line in (
        f"wrote {description.file}: look over what was understood, and change there what is wrong",
        "next: automask search --timeout 1h   (with --dry-run it says what that would do)",
        "then: automask ensemble   (blends the best trials and writes the submission)",
    ):
        console.print(line, markup=False, soft_wrap=True)
    console.print()
    console.print(f"{data}, read as '{description.reader}':", markup=False)
    for line in description.lines:
        console.print(f"  {line}", markup=False, soft_wrap=True)


@app.command()
def search(
    trials: Annotated[
        int | None, setting("TRIALS", "Complete or pruned trials in all; by default 50.", min=1)
    ] = None,
    timeout: Annotated[
        str | None, setting("TIMEOUT", "Stop after this long, such as 90m or 2h.")
    ] = None,
    space: Space = None,
    study: Study = "main",
    storage: Storage = None,
    folds: Folds = None,
    metric: Metric = None,
    seed: Seed = None,
    workers: Annotated[
        str | None,
        setting(
            "WORKERS",
            "Trials trained side by side; auto, the default, is one a GPU, or 1 to 4.",
            metavar="N|auto",
        ),
    ] = None,
    device: Device = "auto",
    weights: Weights = None,
    disk: Disk = None,
    pseudo: Annotated[
        str | None, typer.Option(help="Also train on test rows that this earlier study is sure of.")
    ] = None,
    pruner: Annotated[
        str | None,
        setting("PRUNER", "What stops trials early: two_stage, none or one of Optuna's by name."),
    ] = None,
    sampler: Annotated[
        str | None,
        setting("SAMPLER", "What proposes recipes: tpe, or another of Optuna's by name."),
    ] = None,
    patience: Annotated[
        int | None,
        setting("PATIENCE", "Stop after so many trials that don't help the ensemble.", min=1),
    ] = None,
    warm_start: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STUDY",
            help="Try the best recipes of this earlier study first, or of ../other/runs/main; "
            "may be given several times.",
        ),
    ] = None,
    on_bad_image: Annotated[
        str,
        typer.Option(
            metavar="stop|skip",
            help="Of a train image that can't be read; skip leaves out its row.",
        ),
    ] = "stop",
    tracker: Tracker = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say what would be tried and what it takes; train nothing."),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="With --dry-run: print JSON.")] = False,
    quiet: Quiet = False,
) -> None:
    """Run or resume a study; Ctrl-C keeps everything finished."""
    from automask.api import searches
    from automask.api.projects import Project
    from automask.cli.display import Display, QuietDisplay

    asked: dict[str, Any] = {
        "trials": trials,
        "timeout": timeout,
        "space": space,
        "metric": metric,
        "folder": Project(),
        "study": study,
        "workers": workers,
        "folds": folds,
        "seed": seed,
        "device": device,
        "weights": weights,
        "disk": disk,
        "storage": storage,
    }
    if json and not dry_run:
        raise UserError("--json: with --dry-run; automask trials --json lists what was tried")
    if dry_run:
        from automask.cli.dry_run import show_dry_run

        show_dry_run(asked, json, quiet)
        return
    with (QuietDisplay if quiet else Display)(terminal()) as display:
        try:
            searched = searches.search(
                **asked,
                pseudo=pseudo,
                pruner=pruner,
                sampler=sampler,
                patience=patience,
                warm_start=warm_start or (),
                on_bad_image=on_bad_image,
                tracker=tracker or None,
                listener=display,
            )
        except KeyboardInterrupt:
            display.console.print("the same command goes on from there")
            raise typer.Exit(130) from None
    if searched.outcome and searched.outcome.gave_up:
        raise typer.Exit(2)


app.command()(ensemble.ensemble)


app.command()(distillation.distill)


app.add_typer(models.app)


app.add_typer(plugins.app, name="plugins")


app.command("try")(plugins.try_plugin)


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="Where to draw it.")] = Path("demo"),
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Draw a competition, search it, hold its score to the truth."""
    from automask.cli.demo import run

    run(folder, seed, terminal())


app.add_typer(data.app)


app.add_typer(study.app)


app.add_typer(submissions.app)


app.add_typer(labels.app)


app.add_typer(weights.app)


app.add_typer(doctor.app)
