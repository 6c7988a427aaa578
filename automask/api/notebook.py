"""Jupyter notebooks, written in format 4.5 of their JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from automask.storage.files import write_json


def write_notebook(file: Path, head: str, cells: Sequence[str]) -> None:
    """Write a notebook of a text in Markdown and cells of Python."""
    python: dict[str, Any] = {"execution_count": None, "outputs": []}
    sources = [("markdown", head, {}), *(("code", cell, python) for cell in cells)]
    write_json(
        file,
        {
            "cells": [
                {
                    "cell_type": kind,
                    "id": f"cell-{index}",
                    "metadata": {},
                    "source": text.splitlines(keepends=True),
                    **more,
                }
                for index, (kind, text, more) in enumerate(sources)
            ],
            "metadata": {
                "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}
            },
            "nbformat": 4,
            "nbformat_minor": 5,
        },
    )
