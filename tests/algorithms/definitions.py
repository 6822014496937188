"""The definitions of a module: what each name at its top level is, and which other names it uses."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.algorithms.normal_form import normal_form

ON_IMPORT = "(on import)"
"""Name for the statements that do something when the module is imported."""


@dataclass(frozen=True)
class Target:
    """What an import gives: a module, or a name in one."""

    module: str
    name: str | None = None


@dataclass(frozen=True, eq=False)
class Definition:
    """One name of a module.

    Attributes
    ----------
    form : str
        Its normal form (comments, docstrings and type hints do not count).
    names : frozenset of str
        Names that it reads, with the attributes that follow: ``np.sum``. Those in type hints are among them, because a
        method is only known by the type of its object.
    bindings : dict of str to Target
        Its own imports.
    texts : frozenset of str
        Texts in it: one of them may name a data file.
    """

    form: str
    names: frozenset[str]
    bindings: dict[str, Target]
    texts: frozenset[str]


@dataclass(frozen=True, eq=False)
class Module:
    """A module: its definitions and its imports, each by name."""

    definitions: dict[str, Definition]
    bindings: dict[str, Target]


@functools.cache
def read_module(text: str) -> Module:
    """Return what a module defines and imports."""
    statements: dict[str, list[ast.stmt]] = {}
    bindings: dict[str, Target] = {}
    for statement in ast.parse(text).body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            bindings |= _bindings([statement])
        elif isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING":
            bindings |= _bindings(statement.body)
        else:
            for name in bound_names(statement):
                statements.setdefault(name, []).append(statement)
    return Module({name: _define(parts) for name, parts in statements.items()}, bindings)


def bound_names(statement: ast.stmt) -> list[str]:
    """Return the names that a statement defines; one that defines none is run for what it does."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return []
    if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        inner = [node for target in targets for node in ast.walk(target)]
        names = [node.id for node in inner if isinstance(node, ast.Name)]
        if all(isinstance(node, ast.Name | ast.Tuple | ast.Store) for node in inner):
            return names
        return [*names, ON_IMPORT]
    names = [
        node.id
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]
    return [*names, ON_IMPORT]


def _define(statements: list[ast.stmt]) -> Definition:
    nodes = [node for statement in statements for node in ast.walk(statement)]
    hints = [parsed for node in nodes for parsed in _quoted_hints(node)]
    everything = [*nodes, *(node for hint in hints for node in ast.walk(hint))]
    return Definition(
        form=normal_form(statements),
        names=frozenset(_names(everything)),
        bindings=_bindings(node for node in nodes if isinstance(node, ast.stmt)),
        texts=frozenset(
            node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ),
    )


def _quoted_hints(node: ast.AST) -> Iterator[ast.expr]:
    """Yield what type hints in quotes say."""
    for field in ("annotation", "returns"):
        hint = getattr(node, field, None)
        for part in ast.walk(hint) if isinstance(hint, ast.AST) else ():
            if isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value.isidentifier():
                yield ast.parse(part.value, mode="eval").body


def _names(nodes: list[ast.AST]) -> Iterator[str]:
    """Yield names, each with all the attributes that follow it."""
    inner = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    for node in nodes:
        attributes: list[str] = []
        if id(node) in inner:
            continue
        while isinstance(node, ast.Attribute):
            attributes.insert(0, node.attr)
            node = node.value
        if isinstance(node, ast.Name):
            yield ".".join([node.id, *attributes])


def _bindings(statements: Iterable[ast.stmt]) -> dict[str, Target]:
    found: dict[str, Target] = {}
    for statement in statements:
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                known = alias.asname or alias.name.partition(".")[0]
                found[known] = Target(alias.name if alias.asname else known)
        elif isinstance(statement, ast.ImportFrom):
            assert statement.module, "the package imports by full names"
            assert not statement.level, "the package imports by full names"
            for alias in statement.names:
                assert alias.name != "*", "the package imports by full names"
                found[alias.asname or alias.name] = Target(statement.module, alias.name)
    return found
