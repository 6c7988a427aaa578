"""`python -m automask` is the `automask` command."""

from __future__ import annotations

from automask.cli.app import main

main()
