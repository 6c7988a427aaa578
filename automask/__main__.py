"""`python -m automask` is the `automask` command."""

from automask.cli import main

main()
