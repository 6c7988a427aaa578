"""What a user types and sees.

Begin with `app`; a module a family of commands.
"""

from automask.cli.app import main

__all__ = ["main"]
