"""What was found out about a machine, kept in a JSON file that workers share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock

from automask.storage.files import atomic_write


def get_or_compute(file: Path, key: str, compute: Callable[[], Any]) -> Any:
    """The value kept by `key`, found out now if there is none; others wait meanwhile."""
    with _locked(file):
        values = _read(file)
        if key not in values:
            values[key] = compute()
            _write(file, values)
    return values[key]


def get(file: Path, key: str, default: Any) -> Any:
    """The value kept by `key`, or the default."""
    with _locked(file):
        return _read(file).get(key, default)


def put(file: Path, key: str, value: Any) -> None:
    """Keep a value by `key` from now on."""
    with _locked(file):
        _write(file, {**_read(file), key: value})


def _locked(file: Path) -> FileLock:
    return FileLock(file.with_name(f"{file.name}.lock"))


def _read(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text("utf-8")) if file.exists() else {}


def _write(file: Path, values: dict[str, Any]) -> None:
    with atomic_write(file) as beside:
        beside.write_text(json.dumps(values, indent=1), "utf-8")
