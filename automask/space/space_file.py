"""A space read from TOML: the plugins that compete and their ranges, checked and narrowed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from automask.errors import UserError, collect, did_you_mean
from automask.space import registry, rules
from automask.space.kinds import DEFAULTS, Plugin, is_local
from automask.space.ranges import Range, Text, narrow, text_tables
from automask.space.recipe import TRAINING, TRAINING_DEFAULTS
from automask.space.space import Space, competing_domains
from automask.storage.text_file import parse_toml, read_text


def shipped() -> list[str]:
    """The names of the spaces that automask ships."""
    folder = resources.files("automask.search_spaces")
    return sorted(Path(f.name).stem for f in folder.iterdir() if f.name.endswith(".toml"))


def load(name: str, folder: Path = Path()) -> Space:
    """The space of that name, or in that file, whose path is relative to the project's `folder`.

    Raises `UserError` with every mistake in it, a line each.
    """
    if name in shipped():
        text = (resources.files("automask.search_spaces") / f"{name}.toml").read_text("utf-8")
        return parse(text, name, adapts=True)
    file = folder / name
    if not file.is_file():
        raise UserError(f"no search space '{name}'{did_you_mean(name, shipped())}")
    return parse(read_text(file, name), name, adapts=False)


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
    table = parse_toml(text, name)
    errors: list[str] = []
    for key in table.keys() - DEFAULTS.keys() - {"training"}:
        kinds = [*DEFAULTS, "training"]
        errors.append(f"[{key}]: a {what.split()[-1]} has no such kind{did_you_mean(key, kinds)}")
    competitors = {kind: _competitors(kind, table, adapts, errors) for kind in DEFAULTS}
    training = _training(table.get("training", {}), errors)
    domains = competing_domains(competitors, training)
    joined = {kind: _own(kind) if adapts else [] for kind in DEFAULTS}
    listed = {k: [v for v in values if v not in joined.get(k, ())] for k, values in domains.items()}
    errors += [*rules.mistakes(listed, domains), *further(table)]
    collect(errors, f"{what} {name}:")
    return Space(name, competitors, training, adapts)


def _competitors(
    kind: str, table: dict[str, Any], adapts: bool, errors: list[str]
) -> dict[str, Mapping[str, Range]]:
    listed = table.get(kind) or {DEFAULTS[kind]: {}}
    if not isinstance(listed, dict):
        errors.append(f"{kind}: is written as tables, [{kind}.NAME] a competitor")
        return {}
    plugins = registry.plugins(kind)
    own = _own(kind) if adapts else []
    competitors: dict[str, Mapping[str, Range]] = {}
    for plugin, wanted in {**listed, **{name: _open_texts(plugins[name]) for name in own}}.items():
        if plugin not in plugins:
            errors.append(f"[{kind}.{plugin}]: unknown {kind}{did_you_mean(plugin, plugins)}")
        elif not isinstance(wanted, dict):
            errors.append(f"{kind}.{plugin}: a plugin is written as a table, [{kind}.{plugin}]")
        else:
            competitors[plugin] = _narrowed(
                f"{kind}.{plugin}", plugins[plugin].ranges, wanted, errors
            )
    return competitors


def _own(kind: str) -> list[str]:
    """The names of the user's plugins, which join a space that adapts."""
    return [p.name for p in registry.plugins(kind).values() if is_local(p)]


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
    open_ranges = text_tables(declared)
    tables = {
        k: v for k, v in wanted.items() if open_ranges and isinstance(v, dict) and k not in declared
    }
    for key, value in wanted.items():
        if key in tables:
            continue
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
    if open_ranges and not any(isinstance(range_, Text) for range_ in ranges.values()):
        ranges, mistakes = open_ranges(ranges, tables)
        errors += [f"{where}.{mistake}" for mistake in mistakes]
    return ranges
