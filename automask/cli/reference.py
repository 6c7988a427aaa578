"""What every command takes, as a page.

``python -m automask.cli.reference docs/commands.md`` writes the page anew.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HEAD = """\
# Every command

`--help` after a command says the same. What `automask.toml` and the environment say of these
options, what a program reads, and exit codes: [command-line.md](command-line.md).
"""


def page() -> str:
    """All commands in the order of `automask --help`, each with its arguments and options."""
    from typer.main import get_command

    from automask.cli.app import app

    return "\n".join([HEAD, *_commands("automask", get_command(app))])


def _commands(name: str, command: Any) -> Iterator[str]:
    """The sections of a command, or of those of a group."""
    if (inner := getattr(command, "commands", None)) is None:
        yield _section(name, command)
        return
    if name != "automask" and command.params:
        yield _section(name, command)
    for own, one in inner.items():
        yield from _commands(f"{name} {own}", one)


def _section(name: str, command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option"]
    usage = " ".join([name, *(_placeholder(argument) for argument in arguments)])
    text = [f"## {name}", "", f"`{usage}`", "", inspect.cleandoc(command.help or ""), ""]
    for kind, params in (("argument", arguments), ("option", options)):
        if params:
            text += [f"| {kind} | |", "|---|---|", *(_row(param) for param in params), ""]
    return "\n".join(text)


def _placeholder(argument: Any) -> str:
    name = argument.metavar or f"{argument.name.upper()}{'...' * (argument.nargs != 1)}"
    return name if argument.required or name.startswith("[") else f"[{name}]"


def _row(param: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*param.opts, *param.secondary_opts))
    if param.param_type_name == "argument":
        names = _placeholder(param)
    elif param.metavar:
        names += f" {param.metavar}"
    words = [param.help or ""]
    if isinstance(param.default, str | int | float | Path) and not isinstance(param.default, bool):
        words.append(f"By default `{param.default}`.")
    if param.envvar:
        words.append(f"Environment: `{param.envvar}`.")
    return f"| {_cell(names)} | {_cell(' '.join(words).strip())} |"


def _cell(text: str) -> str:
    """Text that ends no cell of a table and begins no tag."""
    return text.replace("<", "&lt;").replace("|", "&#124;")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
