"""Versions, and what isn't installed that a format or a command would need."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires, version

from packaging.requirements import Requirement

from automask.health.check import MEND, NOTE, Check
from automask.health.licences import OURS

SHOWN = ("torch", "torchvision", "timm", "optuna", "numpy", "opencv-python-headless")


def software_checks() -> Iterator[Check]:
    """Python, automask, the libraries that numbers depend on, and requirements that aren't met."""
    yield Check("Python", f"{platform.python_version()}, {sys.platform}, {platform.machine()}")
    yield Check("automask", version("automask"))
    yield Check("libraries", ", ".join(f"{name} {_version(name)}" for name in SHOWN))
    unmet = [str(wanted) for wanted in _wanted("") if not _is_met(wanted)]
    if unmet:
        command = " ".join(f"'{one}'" for one in unmet)
        yield Check("unmet requirements", ", ".join(unmet), MEND, f"pip install {command}")
    extras = set(metadata("automask").get_all("Provides-Extra") or ()) - OURS
    lacking = [name for name in sorted(extras) if not all(map(_is_met, _wanted(name)))]
    if lacking:
        names = ", ".join(lacking)
        advice = f"for what needs them: pip install 'automask[{lacking[0]}]'"
        yield Check("extras not installed", names, NOTE, advice)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _wanted(extra: str) -> list[Requirement]:
    """What automask itself requires, or one of its extras does beyond that."""
    wanted = [Requirement(line) for line in requires("automask") or ()]
    if not extra:
        return [one for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]
    return [
        one
        for one in wanted
        if one.marker and one.marker.evaluate({"extra": extra}) and "extra" in str(one.marker)
    ]


def _is_met(wanted: Requirement) -> bool:
    there = _version(wanted.name)
    return there != "missing" and wanted.specifier.contains(there, prereleases=True)
