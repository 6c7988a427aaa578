"""The `distill` command: one network in place of the blend, and what each way to it came to."""

from __future__ import annotations

import math

from automask.cli.options import Device, Quiet, Storage, Study, terminal


def distill(
    study: Study = "main", storage: Storage = None, device: Device = "auto", quiet: Quiet = False
) -> None:
    """Make one network that does nearly what the blend does.

    In three ways, told side by side; automask export MODEL --single writes the best.
    """
    from rich.table import Table

    from automask.api import distillation
    from automask.api.projects import Project
    from automask.cli.notes import printed

    console = terminal()
    with printed(terminal(quiet=quiet), "note: "):
        made = distillation.distill(Project(), study, storage=storage, device=device)
    console.print(f"{made.metric} of rows never seen, with 95 % intervals:", markup=False)
    table = Table(box=None, pad_edge=False)
    for name in ("network", "score", "of blend", "MB", "images/s", "as the blend"):
        table.add_column(name, justify="left" if name == "network" else "right", no_wrap=True)
    for name, *figures in made.table.itertuples(index=False):
        score, low, high, of_blend, mb, speed, agreement = map(float, figures)
        table.add_row(
            str(name),
            f"{score:.4f} [{low:.4f}, {high:.4f}]",
            f"{of_blend:.1%}",
            f"{mb:.1f}",
            f"{speed:,.0f}",
            "" if math.isnan(agreement) else f"{agreement:.1%}",
        )
    console.print(table)
    for name, text in distillation.WAYS.items():
        console.print(f"  {name}: {text}", markup=False)
    console.print(
        f"best: {made.best}, {made.nested} with the choice scored too; write it by automask export "
        f"MODEL --single{'' if study == 'main' else f' --study {study}'}",
        markup=False,
        soft_wrap=True,
    )
