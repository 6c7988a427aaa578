"""The command line: a thin skin, which imports what a command needs when it is called."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automask.cli import data as data_module
from automask.cli import labels, submissions
from automask.cli import study as study_module
from automask.cli.options import (
    Device,
    Disk,
    Folds,
    Metric,
    Seed,
    Space,
    Storage,
    Study,
    Weights,
    terminal,
)
from automask.errors import UserError
from automask.units import bytes_of, count_of, seconds_of

if TYPE_CHECKING:
    from rich.console import Console

    from automask.study.session import Session


app = typer.Typer(
    help="AutoML search for image classification: init, search, ensemble.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    # Help in rich's boxes would take twice as long to come.
    rich_markup_mode=None,
)


def main() -> None:
    """The `automask` command: 0 where all went well, 2 for what the user can mend, 130 for Ctrl-C."""
    try:
        app()
    except UserError as error:
        _fail(str(error))
    except Exception as error:
        from automask.storage.disk import out_of_space
        from automask.storage.project import Project

        if told := out_of_space(error, Project().runs):
            _fail(str(told))
        if not isinstance(error, OSError) or error.filename is None or error.errno is None:
            raise
        _fail(f"{error.filename}: {error.strerror}")


def _fail(text: str) -> None:
    from rich.console import Console

    Console(stderr=True, highlight=False).print(
        f"error: {text}", style="red", markup=False, soft_wrap=True
    )
    sys.exit(2)


@app.command()
def init(
    data: Annotated[Path, typer.Argument(help="The folder with the images and tables.")],
    force: Annotated[bool, typer.Option(help="Replace an automask.toml that is here.")] = False,
) -> None:
    """Look at DATA, write automask.toml, say what was understood."""
    from automask.data import config, description
    from automask.space import registry
    from automask.storage.files import atomic_write
    from automask.storage.project import Project

    project = Project()
    if project.config.exists() and not force:
        raise UserError(f"{project.config} is already here; --force replaces it")
    registry.load(project)
    reader, tables = description.find_reader(data)
    lines = description.describe_tables(tables)
    with atomic_write(project.config) as beside:
        beside.write_text(config.render(str(data), reader, tables), encoding="utf-8")
    console = terminal()
    console.print(f"{data}, read as '{reader}':", markup=False)
    for line in lines:
        console.print(f"  {line}", markup=False, soft_wrap=True)
    console.print(f"wrote {project.config}; look it over, then run: automask search")


@app.command()
def search(
    trials: Annotated[int, typer.Option(min=1, help="Complete or pruned trials in all.")] = 50,
    timeout: Annotated[
        str | None, typer.Option(help="Stop after this long, such as 90m or 2h.")
    ] = None,
    space: Space = None,
    study: Study = "main",
    storage: Storage = None,
    folds: Folds = None,
    metric: Metric = None,
    seed: Seed = None,
    workers: Annotated[
        str,
        typer.Option(
            metavar="N|auto", help="Trials trained side by side; auto is one a GPU, or 1 to 4."
        ),
    ] = "auto",
    device: Device = "auto",
    weights: Weights = None,
    disk: Disk = None,
    pseudo: Annotated[
        str | None, typer.Option(help="Also train on test rows that this earlier study is sure of.")
    ] = None,
    pruner: Annotated[
        str | None,
        typer.Option(help="What stops trials early: two_stage, none or one of Optuna's by name."),
    ] = None,
    sampler: Annotated[
        str | None,
        typer.Option(help="What proposes recipes: tpe, or another of Optuna's by name."),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(min=1, help="Stop after so many trials that don't help the ensemble."),
    ] = None,
    warm_start: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STUDY",
            help="Try the best recipes of this earlier study first, or of ../other/runs/main; "
            "may be given several times.",
        ),
    ] = None,
) -> None:
    """Run or resume a study; Ctrl-C keeps everything finished."""
    import time
    from datetime import datetime

    from automask.study import opening
    from automask.study.session import Options

    seconds = seconds_of(timeout) if timeout is not None else None
    size = bytes_of(disk) if disk is not None else None
    asked = count_of(workers)
    begin = time.time()
    options = Options(
        study,
        storage,
        space,
        folds,
        metric,
        seed,
        weights,
        device,
        disk=size,
        pseudo=pseudo,
        pruner=pruner,
        sampler=sampler,
    )
    from automask.study import run
    from automask.study.session import read_earlier

    # Looked up before a study is made, so that a mistyped name leaves nothing behind.
    earlier = [read_earlier(where, options) for where in dict.fromkeys(warm_start or ())]
    session = opening.begin(options)

    from automask.cli.display import Display, decode, summary
    from automask.deadline import TimeUp, until
    from automask.hpo.optuna_study import requeue_lost
    from automask.hpo.searcher import FAILURES_IN_A_ROW, LATE, Limits
    from automask.hpo.trials import last_failures
    from automask.study import summary as summary_module
    from automask.study import workers as workers_module

    console = terminal()
    for note in session.notes:
        console.print(f"note: {note}", markup=False, soft_wrap=True)
    limits = Limits(trials, begin + seconds if seconds is not None else None, patience)
    before = summary_module.overview(session)
    if before.ended:
        console.print(f"going on after {len(before.counted)} finished trials")
    started = datetime.now()
    crew_size = asked or workers_module.automatic_workers(device)
    display = Display(
        console, before, trials, limits.deadline, crew_size, session.config.search.folds
    )
    try:
        with until(limits.deadline):
            decode(session, display)
            audit_new_study(session, console)
            advise_new_study(session, console, limits.deadline)
            if earlier:
                told = run.queue_earlier(session, earlier)
                console.print(f"note: {told}", markup=False, soft_wrap=True)
        with display:
            ending = workers_module.run(session, limits, crew_size, display.tell)
    except TimeUp:
        summary(session, console, LATE)
        return
    except KeyboardInterrupt:
        requeue_lost(session.study, session.store)
        summary(session, console, "interrupted, and everything finished is kept")
        console.print("the same command goes on from there")
        raise typer.Exit(130) from None
    summary(session, console, ending)
    if session.pseudo:
        from automask.study.pseudo_labels import verdict

        console.print(verdict(session), markup=False, soft_wrap=True)
    failed = last_failures(session.study.get_trials(deepcopy=False), started)
    if len(failed) >= FAILURES_IN_A_ROW:
        raise typer.Exit(2)


def audit_new_study(session: Session, console: Console) -> None:
    """Look for leaks in the data of a new study, and tell what there is."""
    if session.store.load_findings() is not None:
        return
    from automask.diagnostics import audit

    found = audit.audit(session)
    audit.keep(session, found)
    for finding in found:
        console.print(f"note: {finding.sentence}", markup=False, soft_wrap=True)


def advise_new_study(session: Session, console: Console, deadline: float | None) -> None:
    """Measure what a new study begins with, and tell it."""
    from automask.hpo.attributes import StudyAttributes

    if session.study.trials or StudyAttributes.read(session.study).advice:
        return
    from automask.study.run import measure_advice as measured

    advice = measured(session, deadline)
    advice.attributes.write(session.study)
    for note in advice.notes:
        console.print(f"note: {note}", markup=False, soft_wrap=True)


@app.command()
def ensemble(
    study: Study = "main",
    storage: Storage = None,
    top: Annotated[
        int | None,
        typer.Option(
            min=1, help="How many of the best trials may join; by default those whose weights stay."
        ),
    ] = None,
    method: Annotated[
        str, typer.Option(help="An ensemble plugin, or auto for the best of them.")
    ] = "auto",
    tta: Annotated[
        str, typer.Option(help="A test-time augmentation that competes, or auto for all.")
    ] = "none",
    output: Annotated[Path | None, typer.Option(help="The file to write.")] = None,
    device: Annotated[str, typer.Option(help="Where new test rows are predicted.")] = "auto",
    disk: Disk = None,
) -> None:
    """Blend the best trials and write the submission.

    Nothing is trained again.
    """
    from automask.cli import blend
    from automask.storage.disk import TOP
    from automask.study.session import Options, open_session

    console = terminal()
    size = bytes_of(disk) if disk is not None else None
    session = open_session(Options(study, storage, device=device, disk=size))
    blend.run_ensemble(session, method, top or TOP, output, console, tta)


@app.command()
def plugins(
    kind: Annotated[str | None, typer.Argument(help="One kind only, 'show' or 'check'.")] = None,
    what: Annotated[
        str | None, typer.Argument(help="With 'show': a plugin; with 'check': a plugin file.")
    ] = None,
) -> None:
    """List all plugins; `show NAME` tells all of one.

    `plugins check FILE` probes those of a file.
    """
    from automask.cli import listing
    from automask.space import registry
    from automask.storage.project import Project

    registry.load(Project())
    if kind == "check":
        if what is None:
            raise UserError("automask plugins check FILE: which file?")
        from automask import testing

        for plugin in testing.check_file(Path(what)):
            terminal().print(f"{plugin.kind} {plugin.name}: keeps its contract", markup=False)
    elif kind == "show":
        if what is None:
            raise UserError(
                "automask plugins show NAME: which plugin, such as focal or loss.focal?"
            )
        listing.show_plugin(terminal(), what)
    else:
        listing.show_plugins(terminal(), kind)


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="Where to draw it.")] = Path("demo"),
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Draw a competition, search it, hold its score to the truth."""
    from automask.cli import demo as demo_module

    demo_module.run(folder, seed, terminal())


app.add_typer(data_module.app)


app.add_typer(study_module.app)


app.add_typer(submissions.app)


app.add_typer(labels.app)
