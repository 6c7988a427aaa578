"""TODO space/kinds."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from automask.errors import PluginError
from automask.space.ranges import Range, text_tables
from automask.storage.project import active

#: The kinds of plugin that a recipe has one of, and which one where a space says nothing.
SEARCHED: dict[str, str] = {
    "backbone": "timm",
    "head": "joint",
    "freeze": "full",
    "loss": "cross_entropy",
    "optimizer": "adamw",
    "scheduler": "CosineAnnealingLR",
    "labelling": "as_scored",
    "sampling": "all",
    "augmentation": "light",
    "mix": "none",
    "preprocessing": "none",
    "resize": "pad",
}
F = TypeVar("F", bound=Callable[..., Any])
LOCAL = "automask.local"


@dataclass(frozen=True)
class Plugin:
    """A registered function with the ranges of its hyperparameters.

    `replaces` is the installed plugin of the same name, if this one stands in for it.
    """

    kind: str
    name: str
    function: Callable[..., Any]
    ranges: Mapping[str, Range]
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

    @property
    def defaults(self) -> dict[str, Any]:
        parameters = inspect.signature(self.function).parameters
        return {name: parameters[name].default for name in self.ranges}


@dataclass(frozen=True)
class Kind:
    """A kind of plugin: the positional parameters that every plugin of it takes.

    Calling a kind gives the decorator that registers a function as one of it::

        @loss(gamma=Float(0.5, 5.0))
        def focal(logits, target, class_counts, *, gamma=2.0): ...
    """

    name: str
    contract: tuple[str, ...]
    plugins: dict[str, Plugin] = field(default_factory=dict, compare=False, repr=False)

    def __call__(self, **ranges: Range) -> Callable[[F], F]:
        def register(function: F) -> F:
            plugin = _checked(self, function, ranges)
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


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("reader", ("folder",)),
        Kind("split", ("labels", "groups", "folds", "seed")),
        Kind("preprocessing", ("rows",)),
        Kind("resize", ("image", "size")),
        Kind("augmentation", ("image_size",)),
        Kind("mix", ("inputs", "target", "rng")),
        Kind("labelling", ("values", "limits")),
        Kind("sampling", ("labels", "features", "rng")),
        Kind("backbone", ("image_size", "pretrained")),
        Kind("head", ("D", "attributes")),
        Kind("freeze", ("stages", "progress")),
        Kind("loss", ("logits", "target", "class_counts")),
        Kind("optimizer", ("parameter_groups",)),
        Kind("scheduler", ("optimizer", "steps_per_epoch", "epochs")),
        Kind("metric", ("target", "probability")),
        Kind("ensemble", ("probability", "target", "metric", "rng")),
        Kind("tta", ("images",)),
    )
}


def _checked(kind: Kind, function: Callable[..., Any], ranges: Mapping[str, Range]) -> Plugin:
    """The plugin that `function` makes, or a `PluginError` that says why it can't be one."""
    file, origin = _whence(function)
    name = function.__name__

    def refuse(why: str) -> PluginError:
        return PluginError(f"{file}: {kind.name} '{name}' {why}")

    if not (inspect.getdoc(function) or "").strip():
        raise refuse("has no docstring; its first line becomes the description in listings")
    parameters = inspect.signature(function).parameters.values()
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
    for parameter in ranges.keys() - keyword.keys():
        raise refuse(f"declares a range for '{parameter}', which is no keyword parameter of it")
    for parameter, default in keyword.items():
        if default is inspect.Parameter.empty:
            raise refuse(f"has no default for '{parameter}'")
        if parameter not in ranges:
            raise refuse(f"declares no range for '{parameter}'")
        if default not in ranges[parameter]:
            raise refuse(f"has {parameter}={default!r}, outside its range {ranges[parameter]}")
    return Plugin(kind.name, name, function, dict(ranges), file, origin)


def _whence(function: Callable[..., Any]) -> tuple[str, str]:
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
