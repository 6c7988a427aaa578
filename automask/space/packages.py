"""Where plugins come from: the package and its version, or the file; and what a project requires."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, distribution, entry_points, version

from automask.errors import did_you_mean
from automask.space.kinds import Plugin, is_local

#: The group of entry points by which packages offer plugins.
GROUP = "automask.plugins"


def source_of(plugin: Plugin) -> str:
    """A plugin's package and version, or its file and what stands for the content: as it counts for
    whether two trials were by the same."""
    if is_local(plugin):
        return f"{plugin.origin} {plugin.digest}"
    package = "automask" if plugin.origin == "built in" else plugin.origin
    return f"{package} {version_of(package) or plugin.digest}"


def version_of(package: str) -> str | None:
    """The installed version, or None where it isn't installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def missing(requirements: Iterable[str]) -> Iterator[str]:
    """A sentence on each requirement, as ``"automask-mine>=0.2"``, that isn't met, and what mends it."""
    # Slow to import, and most projects require nothing.
    from packaging.requirements import InvalidRequirement, Requirement

    for text in requirements:
        try:
            wanted = Requirement(text)
        except InvalidRequirement:
            yield f"{text!r} is no requirement: write a package, such as 'automask-mine>=0.2'"
            continue
        here = version_of(wanted.name)
        if here is None:
            yield f"{text} isn't installed{_near(wanted.name)}: pip install '{text}'"
        elif not wanted.specifier.contains(here, prereleases=True):
            yield (
                f"{wanted.name} is here in version {here}, and {wanted.specifier} is needed: "
                f"pip install --upgrade '{text}'"
            )
        elif not distribution(wanted.name).entry_points.select(group=GROUP):
            yield f"{wanted.name} is installed and has no plugins of automask: name another package"


def _near(name: str) -> str:
    """A hint where a package of a similar name is installed."""
    others = {e.dist.name for e in entry_points(group=GROUP) if e.dist} - {"automask"}
    hint = did_you_mean(name, others)
    return f" ({hint.removeprefix(': ')})" if hint.startswith(": did") else ""
