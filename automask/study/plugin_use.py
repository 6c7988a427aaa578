"""Which plugins a study had to choose from, and which packages it ran on, as they changed over time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from automask.data.config import Config
from automask.hpo.attributes import StudyAttributes
from automask.space import registry
from automask.space.packages import source_of, version_of
from automask.space.space import Space

#: What a score may hang on, beside the packages of plugins.
LIBRARIES = (
    *("automask", "torch", "torchvision", "timm", "optuna", "numpy", "scikit-learn"),
    *("albumentations", "opencv-python-headless", "pillow"),
)
History = dict[str, list[str]]


def note_use(
    before: StudyAttributes, space: Space, config: Config
) -> tuple[StudyAttributes, list[str]]:
    """What a study notes that goes on with these, and sentences on what is another than it was.

    The plugins are those that compete in the space, and the study's metric, split and reader.
    """
    search = config.search
    names = [(kind, name) for kind, plugins in space.competitors.items() for name in plugins]
    names += [("metric", search.metric), ("split", search.split), ("reader", config.data.reader)]
    sources = {f"{kind}.{name}": source_of(registry.get(kind, name)) for kind, name in names}
    packages = {source.rpartition(" ")[0] for source in sources.values()}
    versions = {name: version_of(name) for name in sorted({*LIBRARIES, *packages})}
    here = {name: number for name, number in versions.items() if number is not None}
    plugins, libraries = before.plugins or {}, before.packages or {}
    after = StudyAttributes(plugins=_joined(plugins, sources), packages=_joined(libraries, here))
    return after, [*_changed_plugins(plugins, sources), *_changed_packages(libraries, here)]


def _joined(before: Mapping[str, list[str]], present: Mapping[str, str]) -> History:
    """What each name had, the last one being the present one."""
    after = {name: list(values) for name, values in before.items()}
    for name, value in present.items():
        values = after.setdefault(name, [])
        if not values or values[-1] != value:
            values.append(value)
    return after


def _changed_plugins(before: Mapping[str, list[str]], present: Mapping[str, str]) -> Iterator[str]:
    for name, source in present.items():
        last = before.get(name, [source])[-1]
        # Of automask's own the packages' sentence tells.
        if last != source and not (last.startswith("automask ") and source.startswith("automask ")):
            yield (
                f"{name} is of {source} now and was of {last}: finished trials with it were by that "
                "one, and their recipes aren't trained again"
            )


def _changed_packages(before: Mapping[str, list[str]], present: Mapping[str, str]) -> Iterator[str]:
    pairs = {name: (before[name][-1], present[name]) for name in present if name in before}
    changed = [
        f"{name} {now} ({last} before)" for name, (last, now) in pairs.items() if last != now
    ]
    if changed:
        yield f"the study goes on with other packages: {', '.join(changed)}"
