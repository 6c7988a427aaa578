"""The kinds of plugin, and the decorators that register one.

A kind is one entry here and a protocol in `automask.space.protocols`; its contract check registers
itself in `automask.contracts`.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from automask.errors import PluginError, did_you_mean
from automask.space import protocols
from automask.space.abilities import TARGET, Ability, Step
from automask.space.ranges import Range, text_tables
from automask.space.tracking import TrackerPlugin
from automask.storage.project import active
from automask.target import ANY, Target

P = TypeVar("P", bound=Callable[..., Any])
#: What tries a plugin's promises out: given its function and abilities, it raises what is wrong.
Check = Callable[[Callable[..., Any], Mapping[str, Any]], None]
LOCAL = "automask.local"


@dataclass(frozen=True)
class Plugin:
    """A registered function with the ranges of its hyperparameters, and what it says it can do.

    `abilities` has a value for each ability of its kind. `replaces` is the installed plugin of the same
    name, if this one stands in for it.
    """

    kind: str
    name: str
    function: Callable[..., Any]
    ranges: Mapping[str, Range]
    abilities: Mapping[str, Any]
    file: str
    origin: str
    replaces: Plugin | None = None

    @property
    def summary(self) -> str:
        """The docstring's first line."""
        return inspect.getdoc(self.function).splitlines()[0]  # type: ignore[union-attr]

    @property
    def digest(self) -> str:
        """Changes when the plugin's file does."""
        import hashlib

        source = inspect.getsourcefile(self.function)
        content = Path(source).read_bytes() if source else b""
        return hashlib.sha256(content).hexdigest()[:12]

    def takes(self, target: Target) -> bool:
        """Does it work with that target? A plugin of a kind that isn't asked works with all."""
        return target.suits(self.abilities.get(TARGET.name, ANY))

    @property
    def defaults(self) -> dict[str, Any]:
        parameters = inspect.signature(self.function).parameters
        return {name: parameters[name].default for name in self.ranges}


@dataclass(eq=False)
class Kind(Generic[P]):
    """A kind of plugin, whose `protocol` says what plugins of it take, give and promise.

    A recipe has a plugin of each kind that has a `default`, the one where a space says nothing. Its
    description leaves out the one that is `plain`, and the kind as a whole where that is None.
    `defaults` has, by the name of a target, the default where `default` doesn't take it.

    Calling a kind gives the decorator that registers a function as one of it, with a range for each
    hyperparameter and a value for each ability that it declares::

        @loss(gamma=Float(0.5, 5.0), per_row=True)
        def focal(logits, target, class_counts, *, gamma=2.0): ...
    """

    name: str
    protocol: type[P]
    default: str = ""
    plain: str | None = None
    abilities: tuple[Ability, ...] = ()
    defaults: Mapping[str, str] = field(default_factory=dict)
    check: Check | None = field(default=None, init=False, repr=False)
    plugins: dict[str, Plugin] = field(default_factory=dict, init=False, repr=False)

    @property
    def contract(self) -> tuple[str, ...]:
        """The names of the positional parameters."""
        _, *names = inspect.signature(self.protocol.__call__).parameters
        return tuple(names)

    def default_for(self, target: Target) -> str:
        """The plugin where a space says nothing, for that target."""
        return self.defaults.get(target.name, self.default)

    def __call__(
        self, **declared: Range | str | bool | tuple[str, ...] | Callable[..., Any]
    ) -> Callable[[P], P]:
        def register(function: P) -> P:
            plugin = _make_plugin(self, function, declared)
            present = self.plugins.get(plugin.name)
            if present is not None and present.file != plugin.file:
                if is_local(present) == is_local(plugin):
                    raise PluginError(
                        f"{plugin.file}: a {self.name} named '{plugin.name}' is already there, "
                        f"from {present.file}; give one of them another name"
                    )
                near, far = (plugin, present) if is_local(plugin) else (present, plugin)
                plugin = dataclasses.replace(near, replaces=far)
            self.plugins[plugin.name] = plugin
            return function

        return register

    def checked_by(self, check: Check) -> Check:
        """Register what tries the promises of a plugin out."""
        self.check = check
        return check


def _make_plugin(
    kind: Kind[Any], function: Callable[..., Any], declared: Mapping[str, Any]
) -> Plugin:
    """The plugin that `function` makes, or a `PluginError` that says why it can't be one."""
    file, origin = _file_and_origin(function)
    name = function.__name__

    def refuse(why: str) -> PluginError:
        return PluginError(f"{file}: {kind.name} '{name}' {why}")

    if not (inspect.getdoc(function) or "").strip():
        raise refuse("has no docstring; its first line becomes the description in listings")
    parameters = inspect.signature(function).parameters.values()
    ranges = {key: value for key, value in declared.items() if isinstance(value, Range)}
    tables = text_tables(ranges) is not None
    positional = tuple(
        p.name
        for p in parameters
        if p.kind is not p.KEYWORD_ONLY and not (tables and p.kind is p.VAR_KEYWORD)
    )
    if positional != kind.contract:
        raise refuse(
            f"takes ({', '.join(positional)}) where a {kind.name} takes "
            f"({', '.join(kind.contract)}); hyperparameters come after a '*'"
        )
    keyword = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    declarable = {ability.name: ability for ability in kind.abilities}
    for parameter in keyword.keys() & declarable.keys():
        raise refuse(
            f"has a hyperparameter '{parameter}', which for a {kind.name} says what it can do; "
            "give it another name"
        )
    abilities = {ability.name: ability.default for ability in kind.abilities}
    for key, value in declared.items():
        if key in declarable and not declarable[key].accepts(value):
            values = " or ".join(map(repr, declarable[key].values))
            raise refuse(f"declares {key}={value!r}, which for a {kind.name} is {values}")
        if key in declarable:
            abilities[key] = value
        elif key in keyword and key not in ranges:
            raise refuse(f"declares {key}={value!r}, which is no range")
        elif key not in ranges:
            raise refuse(
                f"declares '{key}', which nobody asks a {kind.name}{did_you_mean(key, declarable)}"
            )
    for parameter in ranges.keys() - keyword.keys():
        raise refuse(f"declares a range for '{parameter}', which is no keyword parameter of it")
    for parameter, default in keyword.items():
        if default is inspect.Parameter.empty:
            raise refuse(f"has no default for '{parameter}'")
        if parameter not in ranges:
            raise refuse(f"declares no range for '{parameter}'")
        if default not in ranges[parameter]:
            raise refuse(f"has {parameter}={default!r}, outside its range {ranges[parameter]}")
    return Plugin(kind.name, name, function, ranges, abilities, file, origin)


def _file_and_origin(function: Callable[..., Any]) -> tuple[str, str]:
    """The plugin's file, as short as it can be said, and its origin for listings."""
    file = str(active().short(Path(inspect.getfile(function))))
    module = function.__module__
    if within_local(module):
        return file, file
    if module.startswith("automask.plugins."):
        return file, "built in"
    from importlib.metadata import packages_distributions

    package = module.partition(".")[0]
    return file, packages_distributions().get(package, [package])[0]


def is_local(plugin: Plugin) -> bool:
    """Is it from a project's ``plugins/*.py``?"""
    return within_local(plugin.function.__module__)


def within_local(module: str) -> bool:
    """Is the module of that name loose plugins of a project?"""
    return module.startswith(f"{LOCAL}.")


reader = Kind("reader", protocols.ReaderPlugin)
split = Kind("split", protocols.SplitPlugin, abilities=(TARGET,))
backbone = Kind("backbone", protocols.BackbonePlugin, default="timm")
head = Kind(
    "head",
    protocols.HeadPlugin,
    default="joint",
    plain="joint",
    abilities=(Ability("per_row", (False, True), False), TARGET),
)
freeze = Kind(
    "freeze",
    protocols.FreezePlugin,
    default="full",
    plain="",
    abilities=(Step("adapt", ("a function",), None),),
)
loss = Kind(
    "loss",
    protocols.LossPlugin,
    default="cross_entropy",
    plain="cross_entropy",
    abilities=(Ability("per_row", (False, True), False), TARGET),
    defaults={"multi": "sigmoid_bce", "number": "smooth_l1"},
)
optimizer = Kind(
    "optimizer",
    protocols.OptimizerPlugin,
    default="adamw",
    plain="",
    abilities=(Ability("elementwise", (False, True), False),),
)
scheduler = Kind("scheduler", protocols.SchedulerPlugin, default="CosineAnnealingLR")
labelling = Kind("labelling", protocols.LabellingPlugin, default="as_scored", plain="as_scored")
sampling = Kind(
    "sampling",
    protocols.SamplingPlugin,
    default="all",
    plain="all",
    abilities=(Ability("reads_features", (False, True), True), TARGET),
)
augmentation = Kind("augmentation", protocols.AugmentationPlugin, default="light", plain="none")
mix = Kind(
    "mix",
    protocols.MixPlugin,
    default="none",
    plain="none",
    abilities=(Ability("takes", ("pixels", "both"), "both"), TARGET),
)
preprocessing = Kind(
    "preprocessing",
    protocols.PreprocessingPlugin,
    default="none",
    plain="none",
    abilities=(Ability("fitted", (False, True), True),),
)
resize = Kind("resize", protocols.ResizePlugin, default="pad")
metric = Kind(
    "metric",
    protocols.MetricPlugin,
    abilities=(TARGET,),
)
ensemble = Kind(
    "ensemble",
    protocols.EnsemblePlugin,
    abilities=(Ability("answers_only", (False, True), False), TARGET),
)
tta = Kind("tta", protocols.TtaPlugin, abilities=(Ability("mirrors", (False, True), True),))
tracker = Kind("tracker", TrackerPlugin)
#: By name, those of a recipe in the order in which a space draws them: seeds depend on it.
KINDS: dict[str, Kind[Any]] = {
    kind.name: kind for kind in list(globals().values()) if isinstance(kind, Kind)
}
#: The kinds of plugin that a recipe has one of, and which one where a space says nothing.
DEFAULTS: dict[str, str] = {kind.name: kind.default for kind in KINDS.values() if kind.default}
