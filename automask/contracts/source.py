"""What is wrong with a plugin file, told from its text alone: nothing of it runs."""

from __future__ import annotations

import ast
import builtins
import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import automask
from automask.contracts.declaration import declaration_mistakes
from automask.errors import PluginError, UserError, collect, did_you_mean
from automask.space import plugin_api
from automask.space.kinds import KINDS

#: What takes longest to import, and every command waits for what a plugin file imports at its top.
HEAVY = ("torch", "torchvision", "timm", "pandas", "sklearn", "albumentations", "cv2", "scipy")


@dataclass(frozen=True)
class Findings:
    """Sentences on a file: `mistakes` keep its plugins out, `hints` don't."""

    mistakes: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()


@dataclass
class Names:
    """What the names of a file mean: kinds of plugin and other things of automask by name, automask
    itself, and all that the file binds in any way, if that is the `whole`."""

    things: dict[str, str] = field(default_factory=dict)
    modules: set[str] = field(default_factory=set)
    bound: set[str] = field(default_factory=lambda: set(dir(builtins)))
    whole: bool = True

    def resolve(self, node: ast.expr) -> str | None:
        """The name in automask of what an expression names, such as `loss`, or None."""
        match node:
            case ast.Name(id=name):
                return self.things.get(name)
            case ast.Attribute(value=ast.Name(id=module), attr=name) if module in self.modules:
                return name
        return None


def check_source(file: Path, alone: bool = True) -> tuple[str, ...]:
    """Hints on a plugin file; raises one `PluginError` that tells all its mistakes, by their lines.

    One that isn't `alone`, but a module of a package, need not have a plugin.
    """
    if not file.is_file():
        raise UserError(f"{file}: no such file")
    findings = read_source(file.read_bytes(), alone)
    try:
        collect(findings.mistakes, f"{file} was not run, as its text has mistakes:")
    except UserError as error:
        raise PluginError(str(error)) from None
    return tuple(f"{file}, {hint}" for hint in findings.hints)


def read_source(content: str | bytes, alone: bool = True) -> Findings:
    """What the text of a plugin file tells."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError) as error:
        line, text = getattr(error, "lineno", None), getattr(error, "text", None)
        shown = f": {text.strip()}" if text and text.strip() else ""
        return Findings((f"line {line or 1}: {getattr(error, 'msg', None) or error}{shown}",))
    names = _names(tree)
    mistakes = [*_import_mistakes(tree), *plugin_api.mistakes(tree)]
    registered = _functions(tree, names, mistakes)
    mistakes += _repeats(registered)
    for function, kind, call in registered:
        where = f"line {function.lineno}: {kind} '{function.name}'"
        for sentence in declaration_mistakes(function, KINDS[kind], call, names.resolve):
            mistakes.append(f"{where} {sentence}")
    stray = list(_stray(tree, names))
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    registers = any(names.resolve(func) in KINDS for func in calls)
    if alone and not mistakes and not registers:
        mistakes, stray = stray, []
    return Findings(tuple(mistakes), (*stray, *_import_hints(tree, registers)))


def _names(tree: ast.Module) -> Names:
    names = Names()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=aliases):
                for alias in aliases:
                    top, _, inner = alias.name.partition(".")
                    names.bound.add(alias.asname or top)
                    if top == "automask" and not (inner and alias.asname):
                        names.modules.add(alias.asname or top)
            case ast.ImportFrom(module=module, names=aliases):
                names.bound |= {alias.asname or alias.name for alias in aliases}
                if module == "automask":
                    for alias in aliases:
                        names.things[alias.asname or alias.name] = alias.name
                if any(alias.name == "*" for alias in aliases):
                    names.whole = names.whole and module == "automask"
                    given = dir(automask) if module == "automask" else []
                    names.things |= {name: name for name in given}
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.bound.add(name)
            case ast.ClassDef(name=name) | ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()):
                names.bound.add(name)
    return names


def _import_mistakes(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or node.module != "automask" or node.level:
            continue
        for alias in node.names:
            there = alias.name == "*" or alias.name in dir(automask)
            if not there and importlib.util.find_spec(f"automask.{alias.name}") is None:
                hint = did_you_mean(alias.name, [*KINDS, "Float", "Int", "Categorical", "Text"])
                yield f"line {node.lineno}: automask has no '{alias.name}' to import{hint}"


def _functions(
    tree: ast.Module, names: Names, mistakes: list[str]
) -> list[tuple[ast.FunctionDef, str, ast.Call]]:
    """The functions that a decorator makes plugins, with their kind; to `mistakes` go decorators that
    were meant to."""
    registered = []
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for decorator in function.decorator_list:
            func = decorator.func if isinstance(decorator, ast.Call) else decorator
            kind, where = names.resolve(func), f"line {decorator.lineno}"
            if kind not in KINDS:
                mistakes += _decorator_mistakes(func, kind, names, where)
            elif not isinstance(decorator, ast.Call):
                mistakes.append(f"{where}: write @{ast.unparse(func)}(), with brackets")
            elif isinstance(function, ast.AsyncFunctionDef):
                mistakes.append(f"{where}: '{function.name}' is an 'async def': write 'def'")
            else:
                registered.append((function, kind, decorator))
    return registered


def _decorator_mistakes(
    func: ast.expr, thing: str | None, names: Names, where: str
) -> Iterator[str]:
    if isinstance(func, ast.Attribute) and thing is not None and thing not in dir(automask):
        yield f"{where}: @{ast.unparse(func)}: there is no kind '{thing}'{did_you_mean(thing, KINDS)}"
    if not isinstance(func, ast.Name) or func.id in names.bound or not names.whole:
        return
    if func.id in KINDS:
        yield f"{where}: @{func.id} comes from automask: write `from automask import {func.id}`"
    else:
        yield f"{where}: @{func.id}: there is no kind '{func.id}'{did_you_mean(func.id, KINDS)}"


def _repeats(registered: list[tuple[ast.FunctionDef, str, ast.Call]]) -> Iterator[str]:
    first: dict[tuple[str, str], int] = {}
    for function, kind, _ in registered:
        line = first.setdefault((kind, function.name), function.lineno)
        if line != function.lineno:
            yield (
                f"line {function.lineno}: a {kind} '{function.name}' is in line {line} already, and "
                "this one would take its place; give it another name"
            )


def _stray(tree: ast.Module, names: Names) -> Iterator[str]:
    """Functions that take what a plugin takes, and that nothing makes one or calls."""
    kinds: Mapping[tuple[str, ...], str] = {kind.contract: name for name, kind in KINDS.items()}
    uses = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef) or node.decorator_list:
            continue
        kind = kinds.get(tuple(a.arg for a in (*node.args.posonlyargs, *node.args.args)))
        if kind is None or node.name.startswith("_") or node.name in uses:
            continue
        ranges = ", ".join(f"{a.arg}=…" for a in node.args.kwonlyargs)
        write = f"@{kind}({ranges})"
        more = "" if names.things.get(kind) else f" and `from automask import {kind}` at the top"
        yield (
            f"line {node.lineno}: '{node.name}' takes what a {kind} takes, and no decorator makes it "
            f"one: write {write} above it{more}"
        )


def _import_hints(tree: ast.Module, registers: bool) -> Iterator[str]:
    """Of what a file imports at its top: what is slow, and what may change."""
    slow: dict[str, int] = {}
    unstable: dict[str, int] = {}
    for node in tree.body:
        modules = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules = [node.module]
        for module in modules:
            package = module.partition(".")[0]
            if package in HEAVY and registers:
                slow.setdefault(package, node.lineno)
            if package == "automask" and not plugin_api.is_stable(module):
                unstable.setdefault(module, node.lineno)
    for package, line in slow.items():
        yield (
            f"line {line}: imports {package} at its top, for which every command waits: import it "
            "inside the function"
        )
    if unstable:
        yield (
            f"line {min(unstable.values())}: {', '.join(unstable)} may be another in the next version "
            "of automask; docs/plugin-api.md says what stays"
        )
