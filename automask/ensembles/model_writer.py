"""The files of an exported model, made of a study's blend."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np

from automask.data.preprocessing import to_json
from automask.ensembles import members
from automask.ensembles.ensemble import Ensemble, Member
from automask.listener import progress
from automask.prediction import contents as parts
from automask.prediction import requirements, states
from automask.prediction.contents import Contents, PluginName
from automask.space import registry
from automask.space.kinds import is_local
from automask.space.recipe import Recipe
from automask.storage.files import write_json
from automask.storage.model_store import ModelStore
from automask.study.session import Session
from automask.training.backbone_facts import IN_TRAINING_ALONE

#: Of more out-of-fold rows than these so many tell how sure the right ones are.
MOST_POINTS = 2000


class Writer:
    """Writes a blend's networks, each tensor once, and what else a model consists of."""

    def __init__(self, session: Session, blended: Ensemble, store: ModelStore) -> None:
        self.session, self.blended, self.store = session, blended, store
        self.task = session.task()
        self.inputs: dict[str, int] = {}
        self.trunks: dict[str, int] = {}

    def write(self) -> Contents:
        """Everything but the card and the requirements."""
        from safetensors.numpy import save

        session, blended = self.session, self.blended
        made = [self._member(place) for place in range(len(blended.parts))]
        kind, fields, arrays = states.fields_of(blended.blend)
        if "weights" in arrays:
            # Members without weight are no parts of it.
            arrays["weights"] = arrays["weights"][arrays["weights"] > 0]
        if arrays:
            self.store.blend.write_bytes(save(arrays))
        contents = Contents(
            format=parts.FORMAT,
            automask=version("automask"),
            study=session.options.study,
            metric=session.config.search.metric,
            score=list(asdict(blended.nested).values()),
            depth=session.data.depth.facts,
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
            pooled=session.data.units is not None,
            plugins=[],
            versions=requirements.versions(),
        )
        contents = contents.model_copy(update={"plugins": self._copy_plugins(contents)})
        write_json(self.store.contents, contents.model_dump(mode="json"))
        return contents

    def _member(self, place: int) -> parts.MemberPart:
        """A member's networks, a fold after the other."""
        part = self.blended.parts[place]
        recipe, numbers = part.member.recipe, members.network_folds(self.session, part.member)
        folds = []
        for done, fold in enumerate(numbers, place * len(numbers) + 1):
            folds.append(self._fold(part.member, fold))
            progress("exporting", done, len(self.blended.parts) * len(numbers))
        head = recipe["head"]
        return parts.MemberPart(
            trial=part.member.number,
            recipe=recipe.to_dict(),
            head=plugin_name("head", head.name, head.params),
            score=part.score,
            weight=part.weight,
            folds=folds,
        )

    def _fold(self, member: Member, fold: int) -> parts.Fold:
        recipe = member.recipe
        state = members.load_state(recipe, members.network_store(self.session, member), fold)
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
    """How sure the right answers are, by rows (or things, with all of their pictures) that were
    predicted by blends chosen without them; None where rows aren't of one class."""
    data = session.data
    if not data.target.exclusive:
        return None
    rows = data.scored_rows
    table = (blended.honest if blended.temperature is None else blended.calibrated)[rows]
    confidence, right = table.max(1), data.target.decide(table) == data.labels[rows]
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
