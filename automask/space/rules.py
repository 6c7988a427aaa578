"""Combinations that make no sense: never sampled, and refused where a space leaves nothing else.

A rule names plugins by their kind and hyperparameters of the training as ``training.NAME``; a recipe
in which all of them meet is never made.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automask.errors import PluginError, did_you_mean
from automask.space.kinds import Kind
from automask.storage.project import active

#: What a recipe may be made of, by the keys that rules use: plugin names and values.
Domains = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Rule:
    """What must not meet (`when`), the reason, and the file and module that say so."""

    when: tuple[tuple[str, Any], ...]
    because: str
    file: str
    module: str = ""

    def __str__(self) -> str:
        return f"{' never with '.join(_phrase(*pair) for pair in self.when)}: {self.because}"

    def forbids(self, chosen: Mapping[str, Any]) -> bool:
        """Does all of it meet in `chosen`?"""
        return chosen.items() >= set(self.when)


RULES: list[Rule] = []


def never(when: Mapping[str, Any], because: str) -> None:
    """Rule a combination out, as ``never({"freeze": "head_only", "loss": "mine"}, because="…")``.

    Keys are kinds (a plugin's name) or ``training.NAME`` (a value); `because` is told to users.
    """
    caller = sys._getframe(1)
    file = str(active().short(Path(caller.f_code.co_filename)))
    rule = Rule(tuple(when.items()), because, file, caller.f_globals.get("__name__", ""))
    if rule not in RULES:
        RULES.append(rule)


def check(kinds: Mapping[str, Kind[Any]], choices: Domains) -> None:
    """Raise `PluginError` for a rule that names what isn't there; once all plugins are loaded.

    It may name plugins of the kinds that a recipe has, and the training's `choices`.
    """
    names = {name: list(kind.plugins) for name, kind in kinds.items() if kind.default}
    domains: Domains = {**names, **choices}
    for rule in RULES:
        if len(rule.when) < 2:
            raise PluginError(f"{rule.file}: a rule is of two things that must not meet, or more")
        for key, value in rule.when:
            if key not in domains:
                raise PluginError(
                    f"{rule.file}: a rule can't be of '{key}'{did_you_mean(key, domains)}"
                )
            if value not in domains[key]:
                hint = did_you_mean(str(value), map(str, domains[key]))
                raise PluginError(f"{rule.file}: a rule names unknown {key} '{value}'{hint}")


def rules_about(key: str, value: Any) -> list[Rule]:
    """The rules that mention a plugin, or a value of the training."""
    return [rule for rule in RULES if (key, value) in rule.when]


def rules_within(domains: Domains) -> Iterator[Rule]:
    """The rules all of whose parts are to be had."""
    for rule in RULES:
        if all(value in domains.get(key, ()) for key, value in rule.when):
            yield rule


def allowed_values(key: str, chosen: Mapping[str, Any], domains: Domains) -> list[Any]:
    """The values of `key` with which `chosen` can still become a recipe that no rule forbids."""
    rules = list(rules_within(domains))
    mentioned = list(dict.fromkeys(other for rule in rules for other, _ in rule.when))

    def completes(chosen: Mapping[str, Any]) -> bool:
        if any(rule.forbids(chosen) for rule in rules):
            return False
        undecided = next((other for other in mentioned if other not in chosen), None)
        return undecided is None or any(
            completes({**chosen, undecided: v}) for v in domains[undecided]
        )

    if key not in mentioned:
        return list(domains[key])
    return [value for value in domains[key] if completes({**chosen, key: value})]


def mistakes(listed: Domains, domains: Domains) -> list[str]:
    """A sentence for everything in `listed` that rules keep out of every recipe of `domains`."""
    ruled = list(rules_within(domains))
    sentences = []
    for key, values in listed.items():
        allowed = allowed_values(key, {}, domains) if values else []
        for value in values:
            if value not in allowed:
                why = [str(rule) for rule in ruled if (key, value) in rule.when]
                why = why or [str(rule) for rule in ruled]
                sentences.append(
                    f"{_phrase(key, value)} is in no recipe of this space: {'; '.join(why)}"
                )
    return sentences


def _phrase(key: str, value: Any) -> str:
    shown = str(value).lower() if isinstance(value, bool) else value
    return f"{key} = {shown}" if key.startswith("training.") else f"{key} {shown}"
