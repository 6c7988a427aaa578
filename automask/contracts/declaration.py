"""What is wrong with the declaration of a plugin, told from its text: `automask.contracts.source`."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Any

from automask.errors import did_you_mean
from automask.space.kinds import KINDS, Kind
from automask.space.ranges import Categorical, Float, Int, Range, Text

RANGES: dict[str, type[Range]] = {
    "Float": Float,
    "Int": Int,
    "Categorical": Categorical,
    "Text": Text,
}
#: In place of a value that the text doesn't tell.
UNREAD = object()
#: What an expression names in automask, such as `Float`.
Resolve = Callable[[ast.expr], str | None]


def declaration_mistakes(
    function: ast.FunctionDef, kind: Kind[Any], decorator: ast.Call, resolve: Resolve
) -> Iterator[str]:
    """What a user must mend, each as the rest of a sentence that begins with kind and name.

    What the text doesn't tell, such as a range that was computed, is passed over.
    """
    if not (ast.get_docstring(function) or "").strip():
        yield "has no docstring: write what it does in a line, which listings show"
    declared = {k.arg: k.value for k in decorator.keywords if k.arg is not None}
    whole = len(declared) == len(decorator.keywords)
    if decorator.args:
        yield f"has a decorator with a value that has no name: write @{kind.name}(NAME=RANGE)"
    yield from _contract_mistakes(function, kind, _has_tables(declared, resolve) or not whole)
    arguments = function.args
    defaults = dict(zip((a.arg for a in arguments.kwonlyargs), arguments.kw_defaults, strict=True))
    abilities = {ability.name: ability for ability in kind.abilities}
    for name, default in defaults.items():
        if name in abilities:
            yield (
                f"has a hyperparameter '{name}', which for a {kind.name} says what it can do; give it "
                "another name"
            )
        elif default is None:
            yield f"has no default for '{name}', with which it runs where a space says nothing"
        elif name not in declared and whole:
            yield (
                f"declares no range for '{name}': write @{kind.name}({name}={_suggestion(default)}), "
                "or another of Float, Int, Categorical and Text"
            )
    for name, value in declared.items():
        if name in abilities:
            ability, plain = abilities[name], _value(value)
            if plain is not UNREAD and not ability.accepts(plain):
                values = " or ".join(map(repr, ability.values))
                yield f"declares {name}={plain!r}, which for a {kind.name} is {values}"
        elif name in defaults:
            yield from _range_mistakes(name, value, defaults[name], resolve)
        elif name not in (a.arg for a in arguments.args):
            options = [*abilities, *defaults]
            yield (
                f"declares '{name}', which is no hyperparameter of it and nothing that a "
                f"{kind.name} is asked{did_you_mean(name, options)}"
            )


def _contract_mistakes(function: ast.FunctionDef, kind: Kind[Any], open_: bool) -> Iterator[str]:
    """Positional parameters are a kind's by their names; only what has tables takes any others."""
    arguments, contract = function.args, kind.contract
    names = [a.arg for a in (*arguments.posonlyargs, *arguments.args)]
    starred = [f"*{arguments.vararg.arg}"] if arguments.vararg else []
    starred += [f"**{arguments.kwarg.arg}"] if arguments.kwarg and not open_ else []
    if tuple(names) == contract and not starred:
        return
    takes = (
        f"takes ({', '.join([*names, *starred])}) where a {kind.name} takes ({', '.join(contract)})"
    )
    rest = names[len(contract) :]
    if tuple(names[: len(contract)]) == contract and rest and not starred:
        # What follows the contract has defaults as a rule, and stands before the '*' that it lacks.
        keywords = [*rest, *(a.arg for a in arguments.kwonlyargs)]
        written = ", ".join([*contract, "*", *(f"{name}=…" for name in keywords)])
        yield f"{takes}; hyperparameters come after a '*': def {function.name}({written})"
    elif like := [k.name for k in KINDS.values() if k.contract == tuple(names)]:
        yield f"{takes}, and is a {like[0]} by what it takes: write @{like[0]}()"
    else:
        written = ", ".join([*contract, *(["*", "…"] if arguments.kwonlyargs else [])])
        yield (
            f"{takes}, by these names: write def {function.name}({written}); automask plugins "
            f"{kind.name} lists some"
        )


def _has_tables(declared: dict[str, ast.expr], resolve: Resolve) -> bool:
    return any(
        isinstance(value, ast.Call)
        and resolve(value.func) == "Text"
        and any(keyword.arg == "tables" for keyword in value.keywords)
        for value in declared.values()
    )


def _range_mistakes(
    name: str, value: ast.expr, default: ast.expr | None, resolve: Resolve
) -> Iterator[str]:
    plain, preset = _value(value), UNREAD if default is None else _value(default)
    if plain is not UNREAD:
        yield (
            f"declares {name}={plain!r}, which is no range: write {name}={_suggestion(value)}, or "
            f"{name}=Categorical({plain!r}) where there is nothing to choose"
        )
        return
    try:
        range_ = _range(value, resolve)
    except (ValueError, TypeError) as error:
        yield f"declares {name}={ast.unparse(value)}: {error}"
        return
    if range_ is not None and preset is not UNREAD and preset not in range_:
        yield f"has {name}={preset!r}, outside its range {range_}: widen one or move the other"


def _range(node: ast.expr, resolve: Resolve) -> Range | None:
    """The range that a call makes, None where the text doesn't tell it; raises what making it does."""
    if not isinstance(node, ast.Call) or (name := resolve(node.func)) not in RANGES:
        return None
    arguments = [_value(argument) for argument in node.args]
    options = {keyword.arg: _value(keyword.value) for keyword in node.keywords}
    if UNREAD in (*arguments, *options.values()) or None in options:
        return None
    return RANGES[name](*arguments, **options)  # type: ignore[arg-type]


def _value(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return UNREAD


def _suggestion(default: ast.expr) -> str:
    """A range around a value, to begin with."""
    value = _value(default)
    match value:
        case bool():
            return "Categorical(False, True)"
        case int() if value > 0:
            return f"Int({max(1, value // 2)}, {2 * value})"
        case float() if value > 0:
            return f"Float({value / 2:g}, {2 * value:g})"
        case int() | float():
            return f"{'Int' if isinstance(value, int) else 'Float'}({value - 1:g}, {value + 1:g})"
        case str():
            return f"Categorical({value!r}, …)"
    return "Float(LOW, HIGH)"
