"""A package of plugins, installed or as its author has it, before anything of it is imported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from automask.errors import PluginError, UserError, did_you_mean
from automask.space.packages import GROUP
from automask.storage.text_file import parse_toml, read_text


@dataclass(frozen=True)
class PluginPackage:
    """The modules that a package names as its plugins, and the folder to import them from where it isn't
    installed."""

    name: str
    modules: Sequence[str]
    folder: Path | None = None

    @property
    def tops(self) -> set[str]:
        """The packages that a file is in, by their names in Python."""
        return {module.partition(".")[0] for module in self.modules}

    def files(self) -> Iterator[Path]:
        """The Python of all of its packages; raises `PluginError` where one isn't there."""
        for top in sorted(self.tops):
            place = self._place(top)
            if place is None:
                where = (
                    f"{self.folder} or {self.folder}/src" if self.folder else "any folder of Python"
                )
                raise PluginError(
                    f"{self.name}: its entry point names the module '{top}', which isn't in {where}"
                )
            yield from sorted(place.rglob("*.py")) if place.is_dir() else [place]

    def import_folder(self) -> Path | None:
        """What `sys.path` needs for it, or None where it is installed."""
        places = [self._place(top) for top in self.tops]
        return places[0].parent if self.folder and places[0] else None

    def _place(self, top: str) -> Path | None:
        if self.folder is not None:
            within = [f / name for f in _sources(self.folder) for name in (top, f"{top}.py")]
            return next((place for place in within if place.exists()), None)
        spec = find_spec(top)
        if spec is None:
            return None
        if spec.submodule_search_locations:
            return Path(next(iter(spec.submodule_search_locations)))
        return Path(spec.origin) if spec.origin else None


def find_package(name: str) -> PluginPackage:
    """A package in a folder with a pyproject.toml, or an installed one by the name that pip has.

    Raises `UserError` where there is none, or where it offers no plugin.
    """
    if Path(name).is_dir():
        return _in_folder(Path(name))
    try:
        installed = distribution(name)
    except (PackageNotFoundError, ValueError):
        others = {e.dist.name for e in entry_points(group=GROUP) if e.dist} - {"automask"}
        raise UserError(
            f"{name}: no such file or folder, and no such package is installed"
            f"{did_you_mean(name, others)}"
        ) from None
    modules = [e.module for e in installed.entry_points if e.group == GROUP]
    return PluginPackage(name, _offered(modules, name))


def _in_folder(folder: Path) -> PluginPackage:
    file = folder / "pyproject.toml"
    if not file.is_file():
        raise UserError(
            f"{folder}: no pyproject.toml in it, so it's no package; name a file of plugins, or "
            "automask plugins new KIND NAME --package begins one"
        )
    project = _table(parse_toml(read_text(file), str(file)), "project")
    values = _table(_table(project, "entry-points"), GROUP)
    modules = [str(value).partition(":")[0].strip() for value in values.values()]
    name = str(project.get("name", folder.name))
    return PluginPackage(name, _offered(modules, str(file)), folder)


def _table(table: dict[str, Any], key: str) -> dict[str, Any]:
    value = table.get(key)
    return value if isinstance(value, dict) else {}


def _offered(modules: Sequence[str], where: str) -> Sequence[str]:
    if not modules:
        raise PluginError(
            f"{where}: has no entry point of the group '{GROUP}', by which automask finds its plugins: "
            f'write [project.entry-points."{GROUP}"] in pyproject.toml, and under it a line such as '
            'my_package = "my_package"'
        )
    return modules


def _sources(folder: Path) -> Sequence[Path]:
    return folder / "src", folder
