"""The search space: which plugins compete, with which ranges.

A space is a TOML file. Each table ``[kind.plugin]`` names a competitor; its keys narrow that
plugin's ranges: a value fixes, a list gives choices, ``{low, high}`` a range, and what isn't
mentioned keeps the range that the plugin declares. ``[training]`` has what belongs to no plugin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from automask.errors import UserError
from automask.space import registry, rules
from automask.space.kinds import DEFAULTS
from automask.space.ranges import Categorical, Range, clip
from automask.space.recipe import TRAINING_DEFAULTS, Choice, Recipe
from automask.storage.files import short_hash

Suggest = Callable[[str, Range], Any]


@dataclass(frozen=True)
class Space:
    """Competitors a kind with their ranges, and the training's ranges.

    `adapts` says whether it follows what is here (local plugins, the images' size): the spaces that
    automask ships do, a user's own file is taken at its word. `suited` has, by (library,
    model), the values that go with it, by the keys that `rules` use, where these aren't all.
    """

    name: str
    competitors: Mapping[str, Mapping[str, Mapping[str, Range]]]
    training: Mapping[str, Range]
    adapts: bool
    suited: Mapping[tuple[str, str], Mapping[str, tuple[Any, ...]]] = field(default_factory=dict)

    def sample(self, suggest: Suggest) -> Recipe:
        """A recipe with each free hyperparameter from `suggest(name, range)`.

        Names are ``loss`` for the choice of a plugin, ``loss.focal.gamma`` for what it takes. Where
        `rules`, or the model chosen, leave only some of the choices after what was chosen before, the
        name tells which, as ``freeze of full, norm_and_head``: a parameter of Optuna's has the same
        choices in all trials. Epochs aren't chosen: a recipe has the most of them, and a search may
        give it fewer.
        """
        every = domains = self.domains
        chosen: dict[str, Any] = {}

        def value(name: str, range_: Range) -> Any:
            if name in domains:
                allowed = rules.allowed_values(name, chosen, domains)
                if not allowed:
                    raise UserError(f"search space {self.name}: rules leave no recipe at all")
                if len(allowed) < len(every[name]):
                    name, range_ = (
                        f"{name} of {', '.join(map(str, allowed))}",
                        Categorical(*allowed),
                    )
            if isinstance(range_, Categorical) and len(range_.choices) == 1:
                return range_.choices[0]
            return suggest(name, range_)

        choices = {}
        for kind, plugins in self.competitors.items():
            name = chosen[kind] = value(kind, Categorical(*plugins))
            params: dict[str, Any] = {}
            for key, range_ in plugins[name].items():
                if _is_taken(key, params):
                    params[key] = value(f"{kind}.{name}.{key}", range_)
            choices[kind] = Choice(name, params)
            if kind == "backbone":
                domains = self._domains_of((name, params.get("model")))
        for key, range_ in self.training.items():
            named = f"training.{key}"
            chosen[named] = self.epochs[1] if key == "epochs" else value(named, range_)
        return Recipe(choices, {key: chosen[f"training.{key}"] for key in self.training})

    def default(self) -> tuple[Recipe, dict[str, Any]]:
        """The default recipe, moved into this space, and its free hyperparameters by name."""
        return self.nearest({})

    def nearest(self, values: Mapping[str, Any]) -> tuple[Recipe, dict[str, Any]]:
        """The same with other values than the defaults, by name as `sample` has them."""
        params: dict[str, Any] = {}

        def suggest(name: str, range_: Range) -> Any:
            key = plain_name(name)
            kind, _, rest = key.partition(".")
            if key in values:
                value = values[key]
            elif kind == "training":
                value = TRAINING_DEFAULTS[rest]
            elif not rest:
                value = DEFAULTS[kind]
            else:
                plugin, _, parameter = rest.partition(".")
                defaults = registry.get(kind, plugin).defaults
                # What a table adds has no default, and begins at the low end or with the first choice.
                value = defaults[parameter] if parameter in defaults else range_.corners()[0]
            params[name] = clip(range_, value)
            return params[name]

        recipe = self.sample(suggest)
        if "training.epochs" in values:
            low, high = self.epochs
            recipe = recipe.with_epochs(min(max(values["training.epochs"], low), high))
        return recipe, params

    @property
    def epochs(self) -> tuple[int, int]:
        """The fewest epochs that a recipe may be trained for, and the most."""
        among = [int(one) for one in self.training["epochs"].corners()]
        return min(among), max(among)

    @property
    def domains(self) -> dict[str, list[Any]]:
        """What rules choose from: the names of plugins by kind, and the training's choices."""
        return competing_domains(self.competitors, self.training)

    def _domains_of(self, model: tuple[str, Any]) -> dict[str, list[Any]]:
        """The same once the backbone's (library, model) is chosen."""
        suited = self.suited.get(model, {})
        return {
            key: [value for value in values if value in suited.get(key, values)] or values
            for key, values in self.domains.items()
        }

    @property
    def fingerprint(self) -> str:
        parts = [self.competitors, self.training, *filter(None, [self.suited])]
        return short_hash(repr(tuple(map(sorted_items, parts))), 12)

    def models(self) -> list[tuple[str, str]]:
        """The (library, model) pairs that compete."""
        return [
            (plugin, model)
            for plugin, ranges in self.competitors["backbone"].items()
            for model in getattr(ranges.get("model"), "choices", ())
        ]

    def with_models(self, models: Iterable[tuple[str, str]]) -> Space:
        """This space with just these (library, model) pairs as backbones."""
        models_of: dict[str, list[str]] = {}
        for plugin, model in models:
            models_of.setdefault(plugin, []).append(model)
        backbones = dict(self.competitors["backbone"])
        narrowed: dict[str, Mapping[str, Range]] = {
            plugin: ranges for plugin, ranges in backbones.items() if "model" not in ranges
        }
        for plugin, names in models_of.items():
            ranges = backbones.get(plugin) or registry.get("backbone", plugin).ranges
            narrowed[plugin] = {**ranges, "model": Categorical(*names)}
        return replace(self, competitors={**self.competitors, "backbone": narrowed})

    def with_training(self, **ranges: Range) -> Space:
        """This space with other ranges of the training's own hyperparameters, for all models alike."""
        others = {f"training.{key}" for key in ranges}
        suited = {
            model: {key: values for key, values in own.items() if key not in others}
            for model, own in self.suited.items()
        }
        suited = {model: own for model, own in suited.items() if own}
        return replace(self, training={**self.training, **ranges}, suited=suited)

    def with_suited(self, key: str, values: Mapping[tuple[str, str], Iterable[Any]]) -> Space:
        """This space with just these values of `key` for each of the (library, model) pairs."""
        suited = {model: dict(own) for model, own in self.suited.items()}
        for model, own in values.items():
            suited.setdefault(model, {})[key] = tuple(own)
        return replace(self, suited=suited)


def sorted_items(value: Any) -> Any:
    """Nested mappings as sorted tuples, for comparing."""
    if isinstance(value, Mapping):
        return tuple(sorted((key, sorted_items(item)) for key, item in value.items()))
    return value if isinstance(value, str) else repr(value)


def competing_domains(
    competitors: Mapping[str, Mapping[str, Any]], training: Mapping[str, Range]
) -> dict[str, list[Any]]:
    choices = {f"training.{k}": r for k, r in training.items() if isinstance(r, Categorical)}
    return {
        **{kind: list(plugins) for kind, plugins in competitors.items()},
        **{key: list(range_.choices) for key, range_ in choices.items()},
    }


def _is_taken(key: str, params: Mapping[str, Any]) -> bool:
    """Is it a hyperparameter of the plugin itself, or of what one of its texts lists by name?"""
    table, dot, _ = key.partition(".")
    return not dot or any(table in str(value).split(", ") for value in params.values())


def plain_name(name: str) -> str:
    """A parameter's name without the choices that rules left of it."""
    return name.partition(" of ")[0]
