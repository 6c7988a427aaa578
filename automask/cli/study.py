"""The commands for looking at a study, while it runs and after, and for repeating one of its trials."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from automask.cli.options import Device, Storage, Study, Weights, terminal
from automask.errors import UserError

app = typer.Typer()


@app.command()
def status(study: Study = "main", storage: Storage = None) -> None:
    """Tell how a study is doing, also while it runs elsewhere."""
    from automask.cli.status import show_status
    from automask.study.session import Options, open_session

    show_status(open_session(Options(study, storage)), terminal())


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
) -> None:
    """List trials by state, values and score."""
    from automask.cli.trials import trials_table, write_csv
    from automask.hpo.attributes import StudyAttributes
    from automask.hpo.trials import filter_trials, trained_trials
    from automask.study.session import Options, find_study

    opened = find_study(Options(study, storage))[2]
    metric = StudyAttributes.read(opened).metric
    found = trained_trials(opened)
    chosen = filter_trials(found, state, where or (), sort, top)
    console = terminal()
    if chosen:
        console.print(trials_table(chosen, metric))
    console.print(f"{len(chosen)} of {len(found)} trials")
    if csv is not None:
        write_csv(chosen, metric, csv)
        console.print(f"wrote {csv}", markup=False, soft_wrap=True)


@app.command()
def show(
    number: Annotated[int, typer.Argument(help="The trial's number.")],
    study: Study = "main",
    storage: Storage = None,
    toml: Annotated[
        Path | None, typer.Option(help="Write its recipe, for automask train FILE.")
    ] = None,
) -> None:
    """Tell all of one trial: recipe, scores, time, what is kept."""
    from automask.cli.trials import show_trial
    from automask.hpo.trials import explain_empty, find_trial, recipe_of
    from automask.space import recipe_file
    from automask.storage.files import atomic_write
    from automask.study.session import Options, find_study

    _, store, opened = find_study(Options(study, storage))
    trial, folds = find_trial(opened, number), store.load_folds()
    assert folds is not None
    console, recipe = terminal(), recipe_of(trial)
    show_trial(opened, store, int(folds.max()) + 1, trial, console)
    if toml is None:
        return
    if recipe is None:
        raise UserError(f"trial {number} has no recipe: {explain_empty(trial)}")
    with atomic_write(toml) as beside:
        beside.write_text(recipe_file.recipe_toml(recipe), encoding="utf-8")
    console.print(f"wrote {toml}: automask train {toml}", markup=False, soft_wrap=True)


@app.command()
def train(
    file: Annotated[
        Path, typer.Argument(help="A recipe, as automask show NUMBER --toml writes it.")
    ],
    study: Study = "main",
    storage: Storage = None,
    space: Annotated[str | None, typer.Option(help="Of a study that isn't begun yet.")] = None,
    folds: Annotated[int | None, typer.Option(help="Of a study that isn't begun yet.")] = None,
    metric: Annotated[str | None, typer.Option(help="Of a study that isn't begun yet.")] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=2**31 - 1, help="Of a study that isn't begun yet."),
    ] = None,
    device: Device = "auto",
    weights: Weights = None,
) -> None:
    """Train one recipe as a trial of a study, which it joins.

    A study that isn't there is begun as automask.toml says. What FILE doesn't mention is as the plugins
    have it by default; it may be outside the study's space.
    """
    from automask.space import recipe_file, registry
    from automask.study.session import Options

    options = Options(study, storage, space, folds, metric, seed, weights, device)
    registry.load(options.project)
    recipe = recipe_file.read_recipe(file)
    from automask.hpo.attributes import TrialAttributes
    from automask.hpo.optuna_study import requeue_lost
    from automask.study import run

    session, console = run.prepare_training(recipe, options), terminal()
    name = session.config.search.metric
    if before := run.find_complete(session, recipe):
        console.print(f"trial {before.number} has this recipe: {name} {before.values[0]:.4f}")
        return
    try:
        trial = run.train_recipe(session, recipe, console)
    except KeyboardInterrupt:
        requeue_lost(session.study, session.store)
        console.print("interrupted; the same command goes on from there")
        raise typer.Exit(130) from None
    if not trial.values:
        noted = TrialAttributes.read(trial)
        raise UserError(f"{file}: {noted.reason or 'failed'}: {noted.message or ''}")
    console.print(
        f"trial {trial.number}: {name} {trial.values[0]:.4f}, kept for automask "
        f"ensemble{options.flag}",
        markup=False,
    )


@app.command()
def importance(study: Study = "main", storage: Storage = None) -> None:
    """Tell which choices and values mattered, and the best ones."""
    from automask.cli.trials import show_importance
    from automask.study.session import Options, find_study

    show_importance(find_study(Options(study, storage))[2], terminal())
