"""The `plugins` commands: what there is, all of one, one begun, one tried, a file or package checked."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from automask.cli.json_output import Json, print_json
from automask.cli.options import Device, Seed, Space, Weights, terminal

if TYPE_CHECKING:
    from rich.console import Console

    from automask.api.trying import PluginTrial
    from automask.space.plugin_descriptions import PluginDescription

LIST = "list"


class _Listing(TyperGroup):
    """`automask plugins loss` lists a kind: what is no command of the group is `list`'s."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or args[0] not in (*self.commands, *ctx.help_option_names):
            args = [LIST, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Listing,
    help="""List the plugins; show, begin or check one.

    `automask plugins loss` lists those of a kind.
    """,
    rich_markup_mode=None,
)


@app.command(LIST)
def list_plugins(
    kind: Annotated[str | None, typer.Argument(help="One kind only, such as loss.")] = None,
    json: Json = False,
) -> None:
    """List the plugins: name, what it does, ranges, where it comes from."""
    from automask.api import plugins
    from automask.api.projects import Project

    listed = plugins.list_plugins(kind, Project())
    if json:
        print_json(listed)
        return
    show_plugins(listed, terminal())


@app.command()
def show(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A plugin, such as focal or loss.focal.")
    ],
) -> None:
    """Tell all of a plugin: what it does and takes, its rules, and its record in the studies here."""
    from automask.api import plugins
    from automask.api.projects import Project

    console, project = terminal(), Project()
    for plugin in plugins.show_plugin(name, project):
        console.print(str(plugin), markup=False, soft_wrap=True)
        if records := plugins.plugin_records(plugin, project):
            console.print("\nin the studies here, whose trials differ in more than this:")
            for record in records:
                console.print(f"  {record}", markup=False, soft_wrap=True)
        console.print()


@app.command()
def check(
    what: Annotated[
        str,
        typer.Argument(
            metavar="FILE|PACKAGE",
            help="A plugin file, a folder with a pyproject.toml, or an installed package.",
        ),
    ],
) -> None:
    """Hold plugins to what their kinds promise, at every corner of their ranges.

    The text is read first, and nothing runs where it has mistakes.
    """
    from automask.api import plugins
    from automask.api.projects import Project
    from automask.cli.notes import printed

    console = terminal()
    with printed(console, "note: "):
        checked = plugins.check_plugins(what, Project())
    for plugin in checked:
        console.print(f"{plugin.kind} {plugin.name}: keeps its contract", markup=False)


@app.command()
def new(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="What it is to be, such as loss or metric.")
    ],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name, such as my_loss.")],
    package: Annotated[
        bool,
        typer.Option(
            "--package", help="A package that pip installs, for other projects and people."
        ),
    ] = False,
) -> None:
    """Write a plugin to begin with, which works, and its test.

    It is ./plugins/NAME.py with tests/test_NAME.py, or a package in ./automask-NAME.
    """
    from automask.api import plugins
    from automask.api.projects import Project

    console = terminal()
    made = plugins.new_plugin(kind, name, Project(), package=package)
    for file in made.files:
        console.print(f"wrote {file}", markup=False, soft_wrap=True)
    console.print(f"now: {made.follows}", markup=False, soft_wrap=True)


def show_plugins(plugins: Sequence[PluginDescription], console: Console) -> None:
    """Print plugins by kind: name, one line, ranges, where it comes from."""
    from rich.markup import escape
    from rich.table import Table

    for kind, of_kind in groupby(plugins, lambda plugin: plugin.kind):
        members = list(of_kind)
        table = Table(
            title=f"[bold]{kind}[/bold] ({', '.join(members[0].contract)})",
            title_justify="left",
            title_style="",
            box=None,
            pad_edge=False,
            show_header=False,
            expand=True,
        )
        table.add_column(style="cyan", no_wrap=True)
        table.add_column(ratio=3)
        table.add_column(ratio=2, style="dim")
        table.add_column(no_wrap=True, style="dim", justify="right")
        for plugin in members:
            ranges = "\n".join(plugin.hyperparameters)
            table.add_row(plugin.name, *map(escape, (plugin.summary, ranges, plugin.origin)))
        console.print(table)
        console.print()


def try_plugin(
    name: Annotated[
        str, typer.Argument(metavar="PLUGIN", help="One of a recipe's, such as loss.my_loss.")
    ],
    space: Space = None,
    weights: Weights = None,
    device: Device = "auto",
    seed: Seed = None,
) -> None:
    """Hold a plugin against its kind's default in a short trial.

    The difference is told fold by fold, on the project's data or, without a project, on drawn ones.
    """
    from automask.api import trying
    from automask.api.projects import Project
    from automask.cli.notes import printed

    console = terminal()
    with printed(console, "note: "):
        trial = trying.try_plugin(
            name, Project(), space=space, weights=weights, device=device, seed=seed
        )
    show_difference(trial, console)


def show_difference(trial: PluginTrial, console: Console) -> None:
    """Print the scores of both fold by fold, and what their difference tells."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in (
        "fold",
        f"{trial.kind}.{trial.name}",
        f"{trial.kind}.{trial.default}",
        "difference",
    ):
        table.add_column(name, justify="right", no_wrap=True)
    pairs = zip(trial.scores, trial.base, trial.differences.tolist(), strict=True)
    for fold, (score, base, difference) in enumerate(pairs, 1):
        table.add_row(str(fold), f"{score:.4f}", f"{base:.4f}", f"{difference:+.4f}")
    training = trial.recipe.training
    console.print(
        f"{trial.metric} of {trial.rows:,} images, {trial.recipe.describe()}, "
        f"{training['batch_size']} images a step",
        markup=False,
        soft_wrap=True,
    )
    console.print(table)
    console.print(
        f"difference {trial.gain:+.4f} ± {trial.spread:.4f}, the mean and the standard deviation of "
        f"{len(trial.scores)} folds; {trial.verdict}",
        markup=False,
        soft_wrap=True,
    )
