"""What `init` says of a folder that it sees for the first time."""

from __future__ import annotations

from pathlib import Path

from automask.data import dataset
from automask.data.folds import warn_rare
from automask.data.tables import Tables
from automask.errors import UserError
from automask.space import registry
from automask.space.kinds import is_local

FOLDS = 5


def find_reader(folder: Path) -> tuple[str, Tables]:
    """The reader that understands the folder, and what it read; the user's own readers come first.

    Raises `UserError` where there is no such folder or no reader knows its layout.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    readers = registry.plugins("reader").values()
    for plugin in sorted(readers, key=lambda plugin: not is_local(plugin)):
        tables = plugin.function(folder)
        if tables is not None:
            return plugin.name, tables
    layouts = "\n".join(f"  {plugin.name}: {plugin.summary}" for plugin in readers)
    raise UserError(f"{folder}: isn't laid out as any reader expects:\n{layouts}")


def describe_tables(tables: Tables) -> list[str]:
    """What was understood, what was guessed, and what to mind."""
    data = dataset.prepare(tables, tables.metric or dataset.METRIC)
    return [*dataset.describe(data), *tables.notes, *warn_rare(data, FOLDS)]
