"""What a reader plugin returns: the rows of train and test, and the submission's layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Rows:
    """N images and what is known of each.

    `attributes` has a text column for each target (none for a test table), `groups` joins rows that
    must stay on one side of a split, `extra` keeps the table's other columns as they were read.
    """

    ids: list[str]
    paths: list[Path]
    attributes: pd.DataFrame = field(default_factory=pd.DataFrame)
    groups: list[str] | None = None
    extra: pd.DataFrame = field(default_factory=pd.DataFrame)

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Tables:
    """A data folder as its reader understood it.

    `sample` is the sample submission as text, its columns and rows in its own order; `id_column` is
    its column of ids. `codes` gives, for a sample that wants one number for several attributes, the
    text to write for each combination. `arguments` are the reader's hyperparameters that say the
    same without guessing, for ``automask.toml``; `notes` tells what was guessed, a sentence each.
    """

    train: Rows
    test: Rows | None = None
    sample: pd.DataFrame | None = None
    id_column: str = "id"
    codes: Mapping[tuple[str, ...], str] | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
