"""The card of an exported model: what it was made of, how well it did, and what nobody has tried."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from automask.data import dataset
from automask.ensembles.ensemble import PLAIN, Ensemble
from automask.report import evaluation
from automask.scoring import ClassScore
from automask.storage.files import file_digest
from automask.study.session import Session
from automask.target import Number


def text(session: Session, blended: Ensemble) -> str:
    """The card as Markdown."""
    data, config = session.data, session.config
    metric, folds = config.search.metric, dataset.fold_count(session.folds)
    prints = dataset.fingerprint(data, session.folds)
    return "\n".join(
        [
            f"# {' × '.join(data.attributes.names)}: {metric} {blended.nested}",
            "",
            f"Made by automask {version('automask')} on {datetime.now(UTC):%Y-%m-%d} from study "
            f"'{session.options.study}'. Predict with `automask predict FOLDER IMAGES`, or from "
            "Python with `automask.load_model(folder).predict(images)`.",
            "",
            "## Scores",
            "",
            *table(
                ("how", metric, "95 % interval"),
                [
                    (how, f"{score.value:.4f}", f"{score.low:.4f} to {score.high:.4f}")
                    for how, score in (
                        ("chosen without the rows scored (the one to trust)", blended.nested),
                        ("out of fold, by which it was chosen", blended.plain),
                        ("the best single trial, out of fold", blended.single),
                    )
                ],
            ),
            "",
            f"In {folds} folds; each of the {len(data.train):,} rows by networks that never saw it. "
            f"{_whole(blended)}, and as a whole was scored on no rows: the first line is what the same "
            "procedure reaches on rows that it doesn't see.",
            "",
            *_classes(session, blended),
            "## Data",
            "",
            *(f"- {line}" for line in dataset.describe(data)),
            *(f"- {what}: {digest}" for what, digest in prints.items()),
            "",
            "## Members",
            "",
            *table(
                ("trial", "weight", metric, "recipe"),
                [
                    (
                        str(part.member.number),
                        "" if part.weight is None else f"{part.weight:.3f}",
                        f"{part.score:.4f}",
                        part.member.recipe.describe(),
                    )
                    for part in blended.parts
                ],
            ),
            "",
            f"Blended by '{blended.method}'"
            f"{'' if blended.view == PLAIN else f', each under the views of {blended.view!r}'}"
            f"{'' if blended.shift is None else f', with {session.data.target.shift}'}"
            f"{'' if blended.temperature is None else f', at temperature {blended.temperature:.3f}'}.",
            "",
            "## Tested, and not",
            "",
            *(f"- {line}" for line in _tested(session)),
            "",
            "## Pretrained weights",
            "",
            *(f"- {line}" for line in _weights(session, blended)),
            "",
        ]
    )


def _whole(blended: Ensemble) -> str:
    """What the model is beside the networks that were scored."""
    single = blended.parts[0].member.single
    if single is None:
        return "The model averages the networks of all folds"
    return (
        f"The model is one network ({single.folder.name}), trained on all rows by the recipe of the "
        "best trial"
    )


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table's lines."""
    lines = [header, ["---"] * len(header), *rows]
    return [f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines]


def _classes(session: Session, blended: Ensemble) -> list[str]:
    """How well each class is recognised; nothing of a number."""
    if isinstance(session.data.target, Number):
        return []
    header, lines = ("class", "rows", "precision", "recall", "F1"), []
    for part in evaluation.class_tables(session.data, blended.honest):
        lines += [f"## {part.title}, class by class", "", *table(header, map(_row, part.rows)), ""]
    return [*lines, "By the predictions of the first line above.", ""]


def _row(score: ClassScore) -> tuple[str, ...]:
    figures = (score.precision, score.recall, score.f1)
    shown = ("" if figure != figure else f"{figure:.3f}" for figure in figures)
    return (score.name, f"{score.rows:,}", *shown)


def _tested(session: Session) -> list[str]:
    """What the scores speak of."""
    groups = session.data.groups
    return [
        "tested out of fold on images of the same source as those that it was trained on; on images "
        "from elsewhere (other cameras, places, years) it was not tested",
        "no row was scored by networks that saw one of its group"
        if groups is not None
        else "no groups were declared: images of the same person, place or moment may be on both sides",
        "not tested on images that show none of the classes: it answers one of them all the same",
        "not tested for how it treats groups of people, nor against images made to mislead it",
        *(
            [
                "scored on things with all of their pictures together: name their column by --unit, as "
                "otherwise it answers each picture alone, which was not tested"
            ]
            if session.data.units is not None
            else []
        ),
    ]


def _weights(session: Session, blended: Ensemble) -> list[str]:
    """Where networks began, with hashes and licences as far as these are to be had."""
    lines: dict[str, None] = {}
    for part in blended.parts:
        recipe = part.member.recipe
        choice = recipe["backbone"]
        model = choice.params.get("model", "")
        if not recipe.training["pretrained"]:
            lines[f"{model or choice.name}: none, trained from random weights"] = None
            continue
        checkpoint = session.weights.get(model)
        licence, source = _licence(choice.name, model)
        if checkpoint is not None:
            file = Path(checkpoint.file)
            lines[
                f"{model}: {file.name} of a folder of the user's, SHA-256 {file_digest(file)}; its "
                "licence isn't in the file"
                + (f" (timm says {licence} of its own weights of that name)" if licence else "")
            ] = None
        else:
            lines[f"{model}: {source}, licence {licence or 'unknown'}"] = None
    return list(lines)


def _licence(library: str, model: str) -> tuple[str, str]:
    """The licence of a library's weights, where it says one, and where they come from."""
    if library != "timm":
        return "", f"{library}'s own weights"
    import timm

    config = timm.get_pretrained_cfg(model)
    if config is None:
        return "", "timm's"
    return config.license or "", f"timm's ({config.hf_hub_id or config.url or 'unknown'})"
