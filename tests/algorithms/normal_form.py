"""The normal form of code: what is left of it without comments, docstrings, layout and type hints.

Equal text in two versions of Python gives equal text here: only fields of the syntax that Python 3.11 knows count.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any

LEFT_OUT = {"ctx", "kind", "returns", "type_comment", "type_ignores"}
"""Fields that change no result: `kind` is the letter u of u"text", `returns` a type hint."""


def normal_form(statements: Iterable[ast.stmt]) -> str:
    """Return the normal form of statements of a module, as text."""
    return repr([_plain(statement) for statement in statements if not _is_text(statement)])


def _plain(value: Any, in_class: bool = False) -> Any:
    """Return a syntax tree as nested tuples of names and texts.

    Type hints of the fields of a class stay: dataclasses and pydantic read them.
    """
    if isinstance(value, list):
        return tuple(_plain(item, in_class) for item in value if not _says_nothing(item, in_class))
    if not isinstance(value, ast.AST):
        return repr(value)
    if isinstance(value, ast.JoinedStr):
        return ("JoinedStr", *_pieces(value))
    if isinstance(value, ast.AnnAssign) and not in_class:
        return _plain(ast.Assign(targets=[value.target], value=value.value))
    skipped = LEFT_OUT | ({"annotation"} if isinstance(value, ast.arg) else set())
    # an empty field is left out, so that one which a later Python adds does not count
    fields = [
        (name, _plain(inner, isinstance(value, ast.ClassDef) and name == "body"))
        for name, inner in ast.iter_fields(value)
        if name not in skipped and inner is not None and inner != []
    ]
    if isinstance(value, ast.Constant) and value.value is None:
        fields.append(("value", "None"))
    return (type(value).__name__, *fields)


def _pieces(text: ast.JoinedStr) -> list[Any]:
    """Return the parts of an f-string; neighbouring texts are one, however this Python divides them."""
    pieces: list[Any] = []
    for part in text.values:
        if not isinstance(part, ast.Constant):
            pieces.append(_plain(part))
        elif pieces and isinstance(pieces[-1], str):
            pieces[-1] += str(part.value)
        elif part.value:
            pieces.append(str(part.value))
    return pieces


def _says_nothing(item: Any, in_class: bool) -> bool:
    """Return whether a statement can be left out: text alone, an import (its targets count), a bare type hint."""
    if _is_text(item) or isinstance(item, ast.Import | ast.ImportFrom | ast.Pass):
        return True
    return isinstance(item, ast.AnnAssign) and item.value is None and not in_class


def _is_text(item: Any) -> bool:
    return (
        isinstance(item, ast.Expr)
        and isinstance(item.value, ast.Constant)
        and isinstance(item.value.value, str)
    )
