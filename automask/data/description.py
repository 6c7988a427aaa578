"""What `init` says of a folder that it sees for the first time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from automask.data import dataset
from automask.data.data_place import only_folder, unpack_line, unread_files
from automask.data.dataset import Dataset
from automask.data.depth_survey import glance
from automask.data.file_names import check_names
from automask.data.folds import warn_rare
from automask.data.image_files import unread_kinds
from automask.data.leftovers import leftovers
from automask.data.tables import Tables
from automask.errors import UserError
from automask.space import registry
from automask.space.kinds import is_local
from automask.space.ranges import Text

FOLDS = 5


@dataclass(frozen=True)
class Layout:
    """The folder with the data, the reader that understands it, and what it read."""

    folder: Path
    reader: str
    tables: Tables


def find_layout(data: Path) -> Layout:
    """How the data in a folder are laid out, or those of a table, which then is train's.

    Raises `UserError` where there is no such folder or table, and where no reader knows the layout.
    """
    if data.is_file():
        if line := unpack_line(data):
            raise UserError(f"{data} is an archive: unpack it, and name the folder; {line}")
        tables = registry.get("reader", "table").function(data.parent, train=data.name)
        return Layout(data.parent, "table", tables)
    if not data.is_dir():
        raise UserError(f"{data}: no such folder or table")
    check_names(data)
    folder = only_folder(data)
    unread = [text for place in dict.fromkeys((data, folder)) for text in unread_files(place)]
    try:
        reader, tables = find_reader(folder)
    except UserError as error:
        raise UserError("\n".join([str(error), *unread])) from error
    notes = [f"the data are in {folder}, the only folder in {data}"] if folder != data else []
    notes += [f"left alone: {text}" for text in unread]
    return Layout(folder, reader, replace(tables, notes=(*tables.notes, *notes)))


def find_reader(folder: Path) -> tuple[str, Tables]:
    """The reader that understands the folder, and what it read; the user's own readers come first, then
    that of tables, which say more than the names of folders.

    A text of a reader's arguments is None, which is to be guessed. Raises `UserError` where there is no
    such folder or no reader knows its layout.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    readers = registry.plugins("reader").values()
    for plugin in sorted(
        readers, key=lambda plugin: (not is_local(plugin), plugin.name != "table")
    ):
        texts = [name for name, range in plugin.ranges.items() if isinstance(range, Text)]
        tables = plugin.function(folder, **dict.fromkeys(texts))
        if tables is not None:
            notes = (*tables.notes, *leftovers(folder, tables))
            return plugin.name, replace(tables, notes=notes)
    layouts = "\n".join(f"  {plugin.name}: {plugin.summary}" for plugin in readers)
    unread = "".join(f"\n{folder} has {kind}" for kind in unread_kinds(folder))
    raise UserError(f"{folder}: isn't laid out as any reader expects:\n{layouts}{unread}")


def describe_tables(tables: Tables) -> list[str]:
    """What was understood, what was guessed, and what to mind."""
    return describe(dataset.prepare(tables, tables.metric or dataset.METRIC), tables)


def describe(data: Dataset, tables: Tables) -> list[str]:
    """The same of data that were made of the tables."""
    return [*dataset.describe(data), *tables.notes, *glance(data), *warn_rare(data, FOLDS)]
