"""The commands for a model of its own: write one, and predict new images by it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automask.cli.options import Device, Quiet, Storage, Study, Weights, terminal

if TYPE_CHECKING:
    from automask.api.models import Exported

app = typer.Typer()


@app.command()
def export(
    output: Annotated[
        Path | None, typer.Argument(metavar="[MODEL]", help="The folder to write.")
    ] = None,
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
    onnx: Annotated[
        Path | None, typer.Option(metavar="FILE", help="One file of ONNX, from pixels to answers.")
    ] = None,
    torch: Annotated[
        Path | None, typer.Option(metavar="FILE.pt2", help="The same in torch.export's format.")
    ] = None,
    int8: Annotated[
        Path | None, typer.Option(metavar="FILE", help="ONNX in 8 bits, and what they cost.")
    ] = None,
    single: Annotated[
        bool, typer.Option("--single", help="The network that automask distill made of the blend.")
    ] = False,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Write a study's blend as a folder or file that predicts.

    It needs neither the study nor the data; automask predict reads the folder. Nothing is trained
    again.
    """
    from automask.api import models
    from automask.api.projects import Project
    from automask.cli.notes import printed

    console = terminal()
    with printed(terminal(quiet=quiet), "note: "):
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
            onnx=onnx,
            torch=torch,
            int8=int8,
            single=single,
            device=device,
        )
    for line in _export_lines(made, onnx, torch, int8):
        console.print(line, markup=False, soft_wrap=True)


def _export_lines(
    made: Exported, onnx: Path | None, torch: Path | None, int8: Path | None
) -> Iterator[str]:
    from automask.units import format_bytes

    def wrote(file: Path) -> str:
        return f"wrote {file}: {format_bytes(file.stat().st_size)}"

    count = len(made.blend.parts)
    blend = (
        f"{count} trial{'s' * (count > 1)} by '{made.blend.method}', "
        f"{made.blend.nested} chosen without the rows scored"
    )
    if made.folder:
        yield (
            f"wrote {made.folder}: {format_bytes(made.size)}, {blend}; its networks predict what the "
            f"study scored, to {made.difference:.0e}"
        )
        yield f"look at {made.folder}/MODEL.md; automask predict {made.folder} IMAGES"
    else:
        yield f"the blend: {blend}"
    if torch:
        yield wrote(torch)
    if onnx and made.agreement:
        one = made.agreement
        yield (
            f"{wrote(onnx)}; on {one.rows:,} train images it gives what torch does, to "
            f"{one.difference:.0e}, and with the resize of its own what the model does, to "
            f"{one.resize:.0e}: the same answer for {one.same:,}"
        )
    if int8 and made.quantised:
        cost = made.quantised
        yield (
            f"{wrote(int8)}; {cost.metric} of {cost.rows:,} out-of-fold rows that set no range: "
            f"{cost.score:.4f} in 8 bits, {cost.study:.4f} without, by the blend chosen on them"
        )


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
    explain: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help="Write a page of where the model looked."),
    ] = None,
    column: Annotated[str | None, typer.Option(help="A table's column of paths.")] = None,
    unit: Annotated[
        str | None,
        typer.Option(help="A table's column that says which thing each is a picture of."),
    ] = None,
    on_bad_image: Annotated[
        str,
        typer.Option(help="skip or stop: what to do with an image that can't be read to its end."),
    ] = "skip",
    device: Device = "auto",
    trust_plugins: Annotated[
        bool, typer.Option("--trust-plugins", help="Run the Python files that MODEL holds.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Predict new images by an exported model, or by a study."""
    from rich.console import Console

    from automask.api import models
    from automask.api.projects import Project
    from automask.cli.notes import printed

    # Predictions may go to standard output, where nothing else belongs.
    console = Console(stderr=True, quiet=quiet, highlight=False)
    with printed(console, "note: "):
        frame = models.predict(
            model,
            images,
            column=column,
            unit=unit,
            top=top,
            probabilities=probabilities,
            reject=reject,
            explain=explain,
            on_bad_image=on_bad_image,
            device=device,
            trust_plugins=trust_plugins,
            folder=Project(),
        )
    if explain is not None:
        console.print(f"wrote {explain}", markup=False, soft_wrap=True)
    if output is None:
        frame.to_csv(sys.stdout, index=False)
        return
    models.write_predictions(frame, output)
    answers = frame.iloc[:, 1 if unit is None else 2].notna().sum()
    console.print(
        f"wrote {output}: {len(frame):,} rows, {answers:,} of them answered",
        markup=False,
        soft_wrap=True,
    )


@app.command()
def bundle(
    output: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder to write.")],
    weights: Weights = None,
    model: Annotated[
        Path | None,
        typer.Option(help="An exported model to predict by; a search is bundled without one."),
    ] = None,
    trust_plugins: Annotated[
        bool,
        typer.Option("--trust-plugins", help="Let the Python files that MODEL holds run there."),
    ] = False,
) -> None:
    """Write a folder that searches or predicts without internet.

    It has automask, weights, space, plugins, configuration and a notebook that installs and runs them.
    """
    from automask.api import bundles
    from automask.api.projects import Project

    console = terminal()
    made = bundles.bundle(
        output, Project(), weights=weights, model=model, trust_plugins=trust_plugins
    )
    lines = [
        f"wrote {made.folder}; now, where there is internet, add the packages, of the kernel's Python:",
        f"  pip download --no-deps --only-binary :all: -r {made.requirements} -d {made.wheels}",
        "torch and torchvision are to be those of the kernel",
        f"then take the folder there and run {made.notebook}",
    ]
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
