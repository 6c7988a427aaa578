"""A study's blend as a folder that predicts without the study: `automask.prediction` reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from automask.data.dataset import fold_count
from automask.data.preprocessing import to_json
from automask.ensembles import blend as blends
from automask.ensembles import members, sizes
from automask.ensembles.ensemble import Ensemble, Member
from automask.errors import UserError, did_you_mean
from automask.listener import note, progress
from automask.prediction import contents as parts
from automask.prediction import requirements, states
from automask.prediction.contents import Contents, PluginName
from automask.prediction.model import Model
from automask.space import registry
from automask.space.kinds import is_local
from automask.space.recipe import Recipe
from automask.storage.disk import TOP
from automask.storage.files import write_json
from automask.storage.model_store import ModelStore
from automask.study.session import Session
from automask.target import Number
from automask.training.backbone_facts import IN_TRAINING_ALONE

#: How far a member's prediction may be from the one it was scored by, and rows a fold that say so.
TOLERANCE, ROWS = 0.01, 8
#: Of more out-of-fold rows than these so many tell how sure the right ones are.
MOST_POINTS = 2000


def choose(
    session: Session,
    method: str = "auto",
    tta: str = "none",
    top: int | None = None,
    member: int | None = None,
    size: int | None = None,
) -> Ensemble:
    """The blend of trials that can be exported, as `automask ensemble` makes it; of the trial `member`
    alone, or the best that takes `size` bytes at most.

    Raises `UserError` where no trial's weights were kept, or where none fits.
    """
    registry.load(session.options.project)
    plain = exportable(session, members.load_members(session))
    if member is not None:
        numbers = {one.number: one for one in plain}
        if member not in numbers:
            near = did_you_mean(str(member), map(str, numbers))
            raise UserError(f"--member {member}: no complete trial of that number{near}")
        plain, method = [numbers[member]], "best"
    if not any(one.able for one in plain):
        raise UserError(
            "nothing can be exported: of no trial asked for are the weights kept (--disk); search "
            "with more --disk, or train one again in another study: automask show NUMBER --toml FILE, "
            "automask train FILE --study NAME"
        )
    top = top or TOP
    if method != "auto":
        registry.get("ensemble", method)

    def blended(among: Sequence[Member]) -> Ensemble:
        views = blends.candidate_views(session, tta, top, list(among))
        return blends.fit_blend(session, views, method, top)

    if size is None:
        return blended(plain)
    return sizes.best_that_fits(session, plain, size, blended)


def exportable(session: Session, plain: Sequence[Member]) -> list[Member]:
    """The members without those that can't be exported; a note says which.

    Weights of trials out of the running went by their scores, so that these stay, unable.
    """
    other = members.explain_other_weights(session)
    count, unable, out = fold_count(session.folds), [], list[Member]()
    for rank, member in enumerate(plain):
        store = session.store.trial(member.recipe.hash)
        able = store.has_weights(count) and not (
            other and sizes.stores_head_alone(store.weights(0))
        )
        unable += [] if able else [str(member.number)]
        if able or rank >= TOP:
            out.append(replace(member, able=able))
    if unable and any(one.able for one in out):
        note(
            f"trials {', '.join(unable)} can't be exported, as their weights weren't kept"
            f"{f', or as {other}' if other else ''}: the blend is made of the others"
        )
    return out


def write(session: Session, blended: Ensemble, folder: Path, card: str) -> tuple[ModelStore, float]:
    """Write the model, whole or not at all; the store, and how far predictions are from those scored.

    Raises `UserError` where something is there already, or where the model doesn't predict what the
    study did.
    """
    with ModelStore(folder).create() as store:
        contents = Writer(session, blended, store).write()
        store.card.write_text(card, "utf-8")
        store.requirements.write_text(requirements.text(used_packages(contents)), "utf-8")
        difference = check(session, blended, Model(contents, store, session.options.device))
    return ModelStore(folder), difference


class Writer:
    """Writes a blend's networks, each tensor once, and what else a model consists of."""

    def __init__(self, session: Session, blended: Ensemble, store: ModelStore) -> None:
        self.session, self.blended, self.store = session, blended, store
        self.task = session.task()
        self.inputs: dict[str, int] = {}
        self.trunks: dict[str, int] = {}

    def write(self) -> Contents:
        """Everything but the card and the requirements."""
        from safetensors.numpy import save_file

        session, blended = self.session, self.blended
        made = [self._member(place) for place in range(len(blended.parts))]
        kind, fields, arrays = states.fields_of(blended.blend)
        if "weights" in arrays:
            # Members without weight are no parts of it.
            arrays["weights"] = arrays["weights"][arrays["weights"] > 0]
        if arrays:
            save_file(arrays, self.store.blend)
        contents = Contents(
            format=parts.FORMAT,
            automask=version("automask"),
            study=session.options.study,
            metric=session.config.search.metric,
            score=list(asdict(blended.nested).values()),
            answers=parts.Answers.of(session.data.target, session.data.attributes),
            inputs=[parts.Input.model_validate_json(text) for text in self.inputs],
            trunks=[parts.Trunk.model_validate_json(text) for text in self.trunks],
            members=made,
            view=plugin_name("tta", blended.view),
            blend=parts.Blend(
                method=plugin_name("ensemble", blended.method),
                kind=kind,
                fields=fields,
                arrays=list(arrays),
            ),
            shift=None if blended.shift is None else blended.shift.tolist(),
            temperature=blended.temperature,
            rejection=rejection(session, blended),
            plugins=[],
            versions=requirements.versions(),
        )
        contents = contents.model_copy(update={"plugins": self._copy_plugins(contents)})
        write_json(self.store.contents, contents.model_dump(mode="json"))
        return contents

    def _member(self, place: int) -> parts.MemberPart:
        """A member's networks, a fold after the other."""
        part = self.blended.parts[place]
        recipe, count = part.member.recipe, fold_count(self.session.folds)
        folds = []
        for fold in range(count):
            folds.append(self._fold(recipe, fold))
            progress("exporting", place * count + fold + 1, len(self.blended.parts) * count)
        head = recipe["head"]
        return parts.MemberPart(
            trial=part.member.number,
            recipe=recipe.to_dict(),
            head=plugin_name("head", head.name, head.params),
            score=part.score,
            weight=part.weight,
            folds=folds,
        )

    def _fold(self, recipe: Recipe, fold: int) -> parts.Fold:
        from safetensors.torch import load_file

        state = load_file(self.session.store.trial(recipe.hash).weights(fold))
        network = members.rebuild_network(self.task, recipe, state, fold)
        backbone: Any = network.backbone
        choice = recipe["backbone"]
        params = {k: v for k, v in choice.params.items() if k not in IN_TRAINING_ALONE}
        trunk = parts.Trunk(
            input=self._input(recipe, fold),
            backbone=plugin_name("backbone", choice.name, params),
            mean=list(backbone.mean),
            std=list(backbone.std),
            weights=self._save("backbone", backbone),
        )
        index = self.trunks.setdefault(trunk.model_dump_json(), len(self.trunks))
        return parts.Fold(trunk=index, head=self._save("head", network.head))

    def _input(self, recipe: Recipe, fold: int) -> int:
        prepared, size = self.task.prepared(recipe, fold), recipe.training["image_size"]
        resize, choice = recipe["resize"], recipe["preprocessing"]
        source = parts.Input(
            resize=plugin_name("resize", resize.name, resize.params),
            large=max(size, self.session.largest),
            size=size,
            preprocessing=plugin_name("preprocessing", choice.name, choice.params),
            state=to_json(prepared.transform) if prepared else None,
        )
        return self.inputs.setdefault(source.model_dump_json(), len(self.inputs))

    def _save(self, what: str, module: Any) -> str:
        """Keep a module's tensors, once whoever has them; their name."""
        import hashlib

        from safetensors.torch import save

        content = save({k: v.cpu().contiguous() for k, v in module.state_dict().items()})
        name = f"{what}-{hashlib.sha256(content).hexdigest()[:16]}"
        self.store.weights(name).write_bytes(content)
        return name

    def _copy_plugins(self, contents: Contents) -> list[str]:
        """The loose plugins that the model is made of, as files; their names."""
        import shutil

        from automask.space.plugin_modules import loose_files

        names = [
            registry.get(kind, plugin.name).function.__module__
            for kind, plugin in contents.plugin_names()
            if is_local(registry.get(kind, plugin.name))
        ]
        files = loose_files(names)
        for file in files:
            self.store.plugins.mkdir(exist_ok=True)
            shutil.copyfile(file, self.store.plugins / file.name)
        return sorted(file.name for file in files)


def plugin_name(kind: str, name: str, params: Any = None) -> PluginName:
    """The plugin of that kind and name, with the hyperparameters given or its own."""
    plugin = registry.get(kind, name)
    origin = "plugins/" if is_local(plugin) else plugin.origin
    return PluginName(
        name=name, params=dict(plugin.defaults if params is None else params), origin=origin
    )


def used_packages(contents: Contents) -> list[str]:
    """The packages that the model's plugins come from, beside automask."""
    origins = {plugin.origin for _, plugin in contents.plugin_names()}
    return sorted(origins - {"built in", "plugins/"})


def rejection(session: Session, blended: Ensemble) -> parts.Rejection | None:
    """How sure the right answers are, by rows that were predicted by blends chosen without them; None
    where rows aren't of one class, or were predicted together with others."""
    target = session.data.target
    if not target.exclusive or session.data.units is not None:
        return None
    table = blended.honest if blended.temperature is None else blended.calibrated
    confidence, right = table.max(1), target.decide(table) == session.data.labels
    order = np.argsort(-confidence, kind="stable")
    sure, share = confidence[order], right[order].cumsum() / np.arange(1, len(order) + 1)
    # Rows that are as sure as one another are answered together.
    last = np.flatnonzero(np.append(np.diff(sure) != 0, True))
    last = last[np.linspace(0, len(last) - 1, min(len(last), MOST_POINTS)).round().astype(int)]
    return parts.Rejection(
        confidence=sure[last].tolist(),
        precision=share[last].tolist(),
        answered=((last + 1) / len(order)).tolist(),
    )


def check(session: Session, blended: Ensemble, model: Model) -> float:
    """The largest difference between what each fold's networks predict now of some rows, read from
    their files, and what these rows were scored by.

    Raises `UserError` where it is too large for the model to be the one that was scored.
    """
    data, folds = session.data, session.folds
    rows = np.concatenate([np.flatnonzero(folds == k)[:ROWS] for k in np.unique(folds)])
    if data.units is not None:
        rows = np.flatnonzero(np.isin(data.units, data.units[rows]))
    tables = model.by_fold([data.train.paths[row] for row in rows.tolist()])
    scale = data.target.scale if isinstance(data.target, Number) else 1.0
    worst = 0.0
    for part, table in zip(blended.parts, tables, strict=True):
        _, now = data.scored(rows, table[folds[rows], np.arange(len(rows))])
        places = rows if data.units is None else np.unique(data.units[rows])
        stored = part.member.validation[places]
        difference = float(np.abs(now - stored).max()) / scale
        if difference > TOLERANCE:
            raise UserError(
                f"trial {part.member.number} predicts something else from its exported networks, by up "
                f"to {difference:.3f}: a plugin, a library or the images have changed since it was "
                "trained, or its backbone is another where it isn't pretrained; export without it"
            )
        worst = max(worst, difference)
    return worst
