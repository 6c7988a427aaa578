"""A recipe as a TOML file: a search space in which everything has one value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from automask.errors import UserError
from automask.space import space_file
from automask.space.recipe import Recipe
from automask.storage.text_file import read_text


def recipe_toml(recipe: Recipe) -> str:
    """The recipe as TOML; `read` gives the same recipe again, to the last digit."""
    import tomli_w

    choices = {
        kind: {choice.name: _tables(choice.params)} for kind, choice in recipe.choices.items()
    }
    return tomli_w.dumps({"training": recipe.training, **choices})


def _tables(params: Mapping[str, Any]) -> dict[str, Any]:
    """The values with those whose names have a dot, as ``CLAHE.p``, in tables."""
    tables: dict[str, Any] = {}
    for name, value in params.items():
        table, dot, key = name.partition(".")
        if dot:
            tables.setdefault(table, {})[key] = value
        else:
            tables[name] = value
    return tables


def read_recipe(file: Path) -> Recipe:
    """The recipe in a file; what it doesn't mention is as the plugins and automask have it by default.

    Raises `UserError` with every mistake in it, a line each.
    """
    if not file.is_file():
        raise UserError(f"{file}: no such file; automask show NUMBER --toml FILE writes one")
    return parse_recipe(read_text(file), str(file))


def parse_recipe(content: str, source: str) -> Recipe:
    """The recipe that TOML text holds, as `read_recipe`; `source` names it in errors."""
    fixed = space_file.parse(content, source, adapts=False, what="recipe", further=_open)
    return fixed.nearest({})[0]


def _open(table: dict[str, Any]) -> Iterator[str]:
    """A sentence for everything that has not one value."""
    for kind, listed in table.items():
        if not isinstance(listed, dict):
            continue
        if kind != "training" and len(listed) > 1:
            yield f"[{kind}]: a recipe has one {kind}, not {', '.join(listed)}"
        for name, params in {"": listed}.items() if kind == "training" else listed.items():
            for key, value in params.items() if isinstance(params, dict) else ():
                for part, inner in _parts(value).items():
                    if isinstance(inner, dict | list):
                        written = ".".join(filter(None, (kind, name, key, part)))
                        yield f"{written}: a recipe has one value here"


def _parts(value: Any) -> dict[str, Any]:
    """A table's values by key, or the value itself; a range isn't a table."""
    return value if isinstance(value, dict) and not {"low", "high"} <= value.keys() else {"": value}
