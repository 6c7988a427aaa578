"""The search space: which plugins compete, with which ranges.

A space is a TOML file. Each table ``[kind.plugin]`` names a competitor; its keys narrow that
plugin's ranges: a value fixes, a list gives choices, ``{low, high}`` a range, and what isn't
mentioned keeps the range that the plugin declares. ``[training]`` has what belongs to no plugin.
"""

from __future__ import annotations

import hashlib
import math
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

from automask import registry, rules
from automask.errors import UserError, collect, did_you_mean
from automask.ranges import Categorical, Int, Range, Text, clip, narrow
from automask.recipe import SEARCHED, TRAINING, TRAINING_DEFAULTS, Choice, Recipe
from automask.registry import Plugin

Suggest = Callable[[str, Range], Any]


@dataclass(frozen=True)
class Space:
    """Competitors a kind with their ranges, and the training's ranges.

    `adapts` says whether it follows what is here (local plugins, the images' size): the spaces that
    automask ships do, a user's own file is taken at its word.
    """

    name: str
    competitors: Mapping[str, Mapping[str, Mapping[str, Range]]]
    training: Mapping[str, Range]
    adapts: bool

    def sample(self, suggest: Suggest) -> Recipe:
        """A recipe with each free hyperparameter from `suggest(name, range)`.

        Names are ``loss`` for the choice of a plugin, ``loss.focal.gamma`` for what it takes. Where
        `rules` leave only some of the choices, after what was chosen before, the name tells which, as
        ``freeze of full, norm_and_head``: a parameter of Optuna's has the same choices in all trials.
        """
        domains = self.domains
        chosen: dict[str, Any] = {}

        def value(name: str, range_: Range) -> Any:
            if name in domains:
                kept = rules.allowed_values(name, chosen, domains)
                if not kept:
                    raise UserError(f"search space {self.name}: rules leave no recipe at all")
                if len(kept) < len(domains[name]):
                    name, range_ = f"{name} of {', '.join(map(str, kept))}", Categorical(*kept)
            if isinstance(range_, Categorical) and len(range_.choices) == 1:
                return range_.choices[0]
            return suggest(name, range_)

        choices = {}
        for kind, plugins in self.competitors.items():
            name = chosen[kind] = value(kind, Categorical(*plugins))
            params = {key: value(f"{kind}.{name}.{key}", r) for key, r in plugins[name].items()}
            choices[kind] = Choice(name, params)
        for key, range_ in self.training.items():
            chosen[f"training.{key}"] = value(f"training.{key}", range_)
        return Recipe(choices, {key: chosen[f"training.{key}"] for key in self.training})

    def default(self) -> tuple[Recipe, dict[str, Any]]:
        """The default recipe, moved into this space, and its free hyperparameters by name."""
        return self.nearest({})

    def nearest(self, values: Mapping[str, Any]) -> tuple[Recipe, dict[str, Any]]:
        """The same with other values than the defaults, by name as `sample` has them."""
        free: dict[str, Any] = {}

        def suggest(name: str, range_: Range) -> Any:
            asked = name.partition(" of ")[0]
            kind, _, rest = asked.partition(".")
            if asked in values:
                wanted = values[asked]
            elif kind == "training":
                wanted = TRAINING_DEFAULTS[rest]
            elif not rest:
                wanted = SEARCHED[kind]
            else:
                plugin, _, parameter = rest.partition(".")
                wanted = registry.get(kind, plugin).defaults[parameter]
            free[name] = clip(range_, wanted)
            return free[name]

        return self.sample(suggest), free

    @property
    def domains(self) -> dict[str, list[Any]]:
        """What rules choose from: the names of plugins by kind, and the training's choices."""
        return competing_domains(self.competitors, self.training)

    @property
    def fingerprint(self) -> str:
        text = repr((sorted_items(self.competitors), sorted_items(self.training)))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def models(self) -> list[tuple[str, str]]:
        """The (library, model) pairs that compete."""
        return [
            (plugin, model)
            for plugin, ranges in self.competitors["backbone"].items()
            for model in getattr(ranges.get("model"), "choices", ())
        ]

    def with_models(self, models: Iterable[tuple[str, str]]) -> Space:
        """This space with just these (library, model) pairs as backbones."""
        kept: dict[str, list[str]] = {}
        for plugin, model in models:
            kept.setdefault(plugin, []).append(model)
        backbones = dict(self.competitors["backbone"])
        narrowed: dict[str, Mapping[str, Range]] = {
            plugin: ranges for plugin, ranges in backbones.items() if "model" not in ranges
        }
        for plugin, names in kept.items():
            ranges = backbones.get(plugin) or registry.get("backbone", plugin).ranges
            narrowed[plugin] = {**ranges, "model": Categorical(*names)}
        return replace(self, competitors={**self.competitors, "backbone": narrowed})

    def with_training(self, **ranges: Range) -> Space:
        """This space with other ranges of the training's own hyperparameters."""
        return replace(self, training={**self.training, **ranges})


def sorted_items(value: Any) -> Any:
    """Nested mappings as sorted tuples, for comparing."""
    if isinstance(value, Mapping):
        return tuple(sorted((key, sorted_items(item)) for key, item in value.items()))
    return value if isinstance(value, str) else repr(value)


def shipped() -> list[str]:
    """The names of the spaces that automask ships."""
    folder = resources.files("automask.search_spaces")
    return sorted(Path(f.name).stem for f in folder.iterdir() if f.name.endswith(".toml"))


def load(name: str) -> Space:
    """The space of that name, or in that file.

    Raises `UserError` with every mistake in it, a line each.
    """
    if name in shipped():
        text = (resources.files("automask.search_spaces") / f"{name}.toml").read_text("utf-8")
        return parse(text, name, adapts=True)
    if not Path(name).is_file():
        raise UserError(f"no search space '{name}'{did_you_mean(name, shipped())}")
    try:
        return parse(Path(name).read_text("utf-8"), name, adapts=False)
    except UnicodeDecodeError as error:
        raise UserError(f"{name}: isn't UTF-8 text: {error}") from error


def fitting_sizes(sizes: Iterable[int], longest_side: int, trained: Iterable[int]) -> list[int]:
    """The image sizes worth trying, in pixels; at least one is left.

    None beyond the images themselves, and none further than a factor of 1.5 from a size that
    pretrained weights were made at: upscaling costs time and gives nothing.
    """
    sizes = sorted(sizes)
    low = min(trained, default=0) / 1.5
    high = min(max(trained, default=longest_side) * 1.5, longest_side)
    fitting = [size for size in sizes if low <= size <= high]
    return fitting or [min(sizes, key=lambda size: abs(size - high))]


def fitting_epochs(epochs: Range, rows: int) -> Range:
    """A shipped space's epochs, which are meant for 1,000 rows, for another number of rows.

    They go by the inverse square root, at most doubled or halved: twice the rows make more steps an
    epoch, and need more steps in all.
    """
    factor = min(2.0, max(0.5, math.sqrt(1000 / rows)))
    values: list[Any] = list(epochs.corners())
    scaled = [max(1, round(value * factor)) for value in values]
    if isinstance(epochs, Int):
        return Int(min(scaled), max(scaled), epochs.log)
    return Categorical(*dict.fromkeys(scaled))


def parse(
    text: str,
    name: str,
    adapts: bool,
    what: str = "search space",
    further: Callable[[dict[str, Any]], Iterable[str]] = lambda table: (),
) -> Space:
    """The space of a TOML text; `what` it is called in the `UserError` that tells its mistakes, those
    that `further` finds included.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{name}: isn't TOML: {error}") from error
    errors: list[str] = []
    for key in table.keys() - SEARCHED.keys() - {"training"}:
        known = [*SEARCHED, "training"]
        errors.append(f"[{key}]: a {what.split()[-1]} has no such kind{did_you_mean(key, known)}")
    competitors = {kind: _competitors(kind, table, adapts, errors) for kind in SEARCHED}
    training = _training(table.get("training", {}), errors)
    domains = competing_domains(competitors, training)
    joined = {kind: _own(kind) if adapts else [] for kind in SEARCHED}
    asked = {k: [v for v in values if v not in joined.get(k, ())] for k, values in domains.items()}
    errors += [*rules.mistakes(asked, domains), *further(table)]
    collect(errors, f"{what} {name}:")
    return Space(name, competitors, training, adapts)


def _competitors(
    kind: str, table: dict[str, Any], adapts: bool, errors: list[str]
) -> dict[str, Mapping[str, Range]]:
    listed = table.get(kind) or {SEARCHED[kind]: {}}
    if not isinstance(listed, dict):
        errors.append(f"{kind}: is written as tables, [{kind}.NAME] a competitor")
        return {}
    known = registry.plugins(kind)
    own = _own(kind) if adapts else []
    found: dict[str, Mapping[str, Range]] = {}
    for plugin, wanted in {**listed, **{name: _open_texts(known[name]) for name in own}}.items():
        if plugin not in known:
            errors.append(f"[{kind}.{plugin}]: unknown {kind}{did_you_mean(plugin, known)}")
        elif not isinstance(wanted, dict):
            errors.append(f"{kind}.{plugin}: a plugin is written as a table, [{kind}.{plugin}]")
        else:
            found[plugin] = _narrowed(f"{kind}.{plugin}", known[plugin].ranges, wanted, errors)
    return found


def _own(kind: str) -> list[str]:
    """The names of the user's plugins, which join a space that adapts."""
    return [p.name for p in registry.plugins(kind).values() if registry.is_local(p)]


def competing_domains(
    competitors: Mapping[str, Mapping[str, Any]], training: Mapping[str, Range]
) -> dict[str, list[Any]]:
    choices = {f"training.{k}": r for k, r in training.items() if isinstance(r, Categorical)}
    return {
        **{kind: list(plugins) for kind, plugins in competitors.items()},
        **{key: list(range_.choices) for key, range_ in choices.items()},
    }


def _open_texts(plugin: Plugin) -> dict[str, Any]:
    """Open texts of a plugin that joins unasked, fixed to their defaults."""
    return {
        k: plugin.defaults[k] for k, range_ in plugin.ranges.items() if isinstance(range_, Text)
    }


def _training(wanted: Any, errors: list[str]) -> Mapping[str, Range]:
    if not isinstance(wanted, dict):
        errors.append("training: is written as a table, [training]")
        wanted = {}
    return _narrowed("training", TRAINING, {**TRAINING_DEFAULTS, **wanted}, errors)


def _narrowed(
    where: str, declared: Mapping[str, Range], wanted: dict[str, Any], errors: list[str]
) -> Mapping[str, Range]:
    ranges = dict(declared)
    for key, value in wanted.items():
        if key not in declared:
            errors.append(f"{where}.{key}: unknown{did_you_mean(key, declared)}")
            continue
        try:
            ranges[key] = narrow(declared[key], value)
        except ValueError as error:
            errors.append(f"{where}.{key}: {error}")
    for key, range_ in ranges.items():
        if isinstance(range_, Text) and key not in wanted:
            errors.append(f"{where}.{key}: is open text; give a name, or a list of them")
    return ranges
