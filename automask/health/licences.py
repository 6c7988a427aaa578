"""The licence of every package that automask brings along, as the package itself states it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageMetadata, PackageNotFoundError, distribution

from packaging.requirements import Requirement

#: Extras that are for those who work on automask itself.
OURS = frozenset(("dev",))
NOT_STATED = "not stated"
#: A licence's whole text is no name of it.
LONGEST = 60


@dataclass(frozen=True)
class Licence:
    """A package's licence; `direct` where automask itself requires the package or offers it by an
    extra."""

    package: str
    version: str
    licence: str
    direct: bool


def licences() -> list[Licence]:
    """Those of automask's requirements and of theirs, as installed here, with those of its extras that
    are here, by name. What only those need who work on automask isn't among them, nor what other systems
    need."""
    there: dict[str, Licence] = {}
    waiting = [(name, True) for name in _required("automask", _extras())]
    while waiting:
        name, direct = waiting.pop(0)
        if name in there or name == "automask":
            continue
        try:
            facts = distribution(name)
        except PackageNotFoundError:
            continue
        there[name] = Licence(name, facts.version, _stated(facts.metadata), direct)
        waiting += [(one, False) for one in _required(name, [""])]
    return [there[name] for name in sorted(there)]


def _extras() -> list[str]:
    named = distribution("automask").metadata.get_all("Provides-Extra") or ()
    return ["", *(name for name in named if name not in OURS)]


def _required(name: str, extras: Iterable[str]) -> list[str]:
    wanted = [Requirement(line) for line in distribution(name).requires or ()]
    return [
        re.sub(r"[-_.]+", "-", one.name).lower()
        for one in wanted
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras)
    ]


def _stated(facts: PackageMetadata) -> str:
    """The licence's expression, else its name, which is the first line of a text, else what the
    classifiers say (PEP 639)."""
    for expression in facts.get_all("License-Expression") or ():
        return str(expression)
    text = "".join(facts.get_all("License") or ())
    lines = [line.strip() for line in text.splitlines()]
    name = next(filter(None, lines), "")
    classes = [
        line.rpartition("::")[2].strip()
        for line in facts.get_all("Classifier") or ()
        if line.startswith("License ::")
    ]
    short = len(lines) == 1 and len(name) <= LONGEST
    return name if short else " and ".join(classes) or name[:LONGEST] or NOT_STATED
