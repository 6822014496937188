"""What counts in code, and what does not."""

import ast
import hashlib

import pytest

from tests.algorithms.normal_form import normal_form

CODE = """
def total(values: list[float], first: int = 1) -> float:
    return sum(values[first:], start=-2.5)
"""
EVERYTHING = """
import math
from dataclasses import dataclass
LIMIT: float = 1e-3
NAMES = {"a": (1, 2.5j, b"x", None, ..., True), **{}}
@dataclass(frozen=True)
class Thing(object):
    number: int = 3
    text: str
    async def wait(self, *rest, key=None, **more):
        async with self as (one, two), other:
            await one
        async for _ in rest:
            yield _
def decide(value, /, *, other=0):
    global LIMIT
    match value:
        case {"kind": str(kind), **rest} if kind:
            return f"{kind!r:>{other}} and " "more" f"{rest=}"
        case [1, *_] | None:
            raise ValueError("no") from None
        case _:
            pass
    try:
        assert (found := [x for x in value if not x]), u"text"
    except* OSError as error:
        del error
    else:
        while -value ** 2 // 3 @ other:
            continue
    finally:
        lambda y: y if y else {1}
    return found[1:2, ::3]
"""


def form(text: str) -> str:
    return normal_form(ast.parse(text).body)


@pytest.mark.parametrize(
    "same",
    [
        CODE.replace("return", "# for all but the first\n    return"),
        CODE.replace("    return", '    """Return the sum."""\n    return'),
        CODE.replace("values[first:], start=-2.5", "\n        (values[first:]),\n        start=-2.50,\n    "),
        CODE.replace(": list[float]", "").replace("-> float", '-> "float"'),
        '"""A module."""\n' + CODE + '\n"""What that was."""\n',
        CODE.replace("    return", "    from math import pi\n    count: int\n    return"),
    ],
)
def test_what_says_nothing_does_not_count(same):
    assert form(same) == form(CODE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("-2.5", "-2.4"),
        ("sum", "max"),
        ("= 1", "= 1.0"),
        ("first:]", ":first]"),
        ("start", "begin"),
        ("-2.5", "2.5"),
    ],
)
def test_what_is_computed_counts(old, new):
    assert form(CODE.replace(old, new)) != form(CODE)


def test_type_hints_of_fields_count_and_others_do_not():
    field = "class Options:\n    seed: int = 1\n"
    assert form(field) != form(field.replace("int", "float"))
    assert form("class Options:\n    seed: int\n") != form("class Options:\n    pass\n")
    assert form("seed: int = 1") == form("seed = 1")
    assert form("def f():\n    seed: int = 1") == form("def f():\n    seed = 1")


def test_the_form_is_the_same_in_every_python():
    assert hashlib.sha256(form(EVERYTHING).encode()).hexdigest()[:16] == "166b0904c9c2e178"
