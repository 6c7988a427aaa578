"""The commands for looking at a study, while it runs and after, and for repeating one of its trials."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automask.cli.json_output import Json, print_json
from automask.cli.options import Device, Port, Quiet, Storage, Study, Weights, setting, terminal
from automask.errors import UserError

if TYPE_CHECKING:
    from automask.api import studies

app = typer.Typer()
NOT_BEGUN = "Of a study that isn't begun yet."


@app.command()
def status(study: Study = "main", storage: Storage = None, json: Json = False) -> None:
    """Tell how a study is doing, also while it runs elsewhere."""
    from automask.cli.status import show_plugins, show_status

    opened = _load(study, storage)
    state = opened.status
    if json:
        overview = state.overview
        print_json(
            {
                "metric": overview.metric,
                "states": overview.states,
                "best": overview.best,
                "ensemble_so_far": overview.blended,
                "running": state.running,
                "at_work": state.at_work,
                "abandoned": state.abandoned,
                "waiting": state.waiting,
                "mean_seconds": overview.mean_seconds,
                "plugins": opened.plugins,
                "packages": opened.packages,
            }
        )
        return
    console = terminal()
    show_status(state, console)
    show_plugins(opened.plugins, console)


@app.command()
def dashboard(study: Study = "main", storage: Storage = None, port: Port = 0) -> None:
    """Show a study in the browser, also while it runs elsewhere.

    optuna-dashboard with pictures of mistakes, and a page of folds, the ensemble so far, workers and the
    disk that renews itself. Served on this machine alone, until Ctrl-C.
    """
    from automask.api import web
    from automask.api.projects import Project
    from automask.cli.notes import printed
    from automask.cli.serving import serve

    console = terminal()
    with (
        printed(console, "note: "),
        web.dashboard(Project(), study, storage=storage, port=port) as (served, path),
    ):
        serve(served, path, console)


@app.command("trials")
def list_trials(
    study: Study = "main",
    storage: Storage = None,
    state: Annotated[
        str | None, typer.Option(help="complete, pruned, failed, running or waiting.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            help="A value that they have, as loss=focal or training.epochs=8; again for more."
        ),
    ] = None,
    sort: Annotated[str, typer.Option(help="number, score or seconds.")] = "number",
    top: Annotated[int | None, typer.Option(min=1, help="Only the first so many.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write them with all values to a file.")] = None,
    json: Json = False,
) -> None:
    """List trials by state, values and score."""
    from automask.api.studies import write_table
    from automask.cli.trials import trials_table

    opened = _load(study, storage)
    chosen = opened.records(state, where or (), sort, top)
    console = terminal(json)
    if json:
        print_json(chosen)
    else:
        if chosen:
            console.print(trials_table(chosen, opened.metric))
        console.print(f"{len(chosen)} of {len(opened.records())} trials")
    if csv is not None:
        write_table(csv, chosen, opened.metric)
        console.print(f"wrote {csv}", markup=False, soft_wrap=True)


@app.command()
def show(
    number: Annotated[int, typer.Argument(help="The trial's number.")],
    study: Study = "main",
    storage: Storage = None,
    toml: Annotated[
        Path | None, typer.Option(help="Write its recipe, for automask train FILE.")
    ] = None,
    json: Json = False,
) -> None:
    """Tell all of one trial: recipe, scores, time, what is kept."""
    from automask.api.recipes import write_recipe
    from automask.cli.trials import show_trial

    trial, console = _load(study, storage).show(number), terminal(json)
    if json:
        print_json(trial)
    else:
        show_trial(trial, console)
    if toml is None:
        return
    if trial.recipe is None:
        raise UserError(f"trial {number} has no recipe: {trial.empty}")
    write_recipe(toml, trial.recipe)
    console.print(f"wrote {toml}: automask train {toml}", markup=False, soft_wrap=True)


@app.command()
def train(
    file: Annotated[
        Path, typer.Argument(help="A recipe, as automask show NUMBER --toml writes it.")
    ],
    study: Study = "main",
    storage: Storage = None,
    space: Annotated[str | None, setting("SPACE", NOT_BEGUN)] = None,
    folds: Annotated[int | None, setting("FOLDS", NOT_BEGUN)] = None,
    metric: Annotated[str | None, setting("METRIC", NOT_BEGUN)] = None,
    seed: Annotated[int | None, setting("SEED", NOT_BEGUN, min=0, max=2**31 - 1)] = None,
    device: Device = "auto",
    weights: Weights = None,
    quiet: Quiet = False,
) -> None:
    """Train one recipe as a trial of a study, which it joins.

    A study that isn't there is begun as automask.toml says. What FILE doesn't mention is as the plugins
    have it by default; it may be outside the study's space.
    """
    from automask.api import recipes
    from automask.api.projects import Project
    from automask.cli.display import Display, QuietDisplay

    console = terminal()
    with (QuietDisplay if quiet else Display)(console) as display:
        try:
            trial = recipes.train(
                file,
                folder=Project(),
                study=study,
                storage=storage,
                space=space,
                folds=folds,
                metric=metric,
                seed=seed,
                device=device,
                weights=weights,
                listener=display,
            )
        except KeyboardInterrupt:
            display.stop()
            console.print("interrupted; the same command goes on from there")
            raise typer.Exit(130) from None
    if not trial.is_new:
        console.print(f"trial {trial.number} has this recipe: {trial.metric} {trial.score:.4f}")
        return
    flag = "" if study == "main" else f" --study {study}"
    console.print(
        f"trial {trial.number}: {trial.metric} {trial.score:.4f}, kept for automask ensemble{flag}",
        markup=False,
    )


@app.command()
def importance(study: Study = "main", storage: Storage = None, json: Json = False) -> None:
    """Tell which choices and values mattered, and the best ones."""
    from automask.cli.trials import show_importance

    mattered = _load(study, storage).importance()
    if json:
        print_json(mattered)
    else:
        show_importance(mattered, terminal())


def _load(study: str, storage: str | None) -> studies.Study:
    from automask.api import studies
    from automask.api.projects import Project

    return studies.load(Project(), study, storage)
