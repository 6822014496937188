"""Options whose fields declare what they allow: frozen dataclasses, checked by one function.

A field declares its limits in its annotation, as ``Annotated[float, Interval(ge=0, lt=1)]`` (package
annotated-types), and its choices as a ``Literal``. `Options` checks both whenever an object is made, by Python code or
from a file. pydantic reads the same annotations in `jpasbatch.job`, and `allowed_values` words them for both.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import lru_cache
from itertools import cycle
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, GroupedMetadata, Gt, Le, Lt, MaxLen, MinLen, MultipleOf

TYPE_WORDS: dict[Any, str] = {
    str: "text in quotes",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    tuple: "a list",
    dict: "a table",
}
"""What a type is called in a TOML file."""


@dataclass(frozen=True)
class Matches:
    """A limit of texts, beside those of annotated-types.

    Attributes
    ----------
    pattern : str
        Regular expression that the whole text matches.
    words : str
        What it allows, as in "allowed is ...".
    """

    pattern: str
    words: str


class Options:
    """Base of frozen dataclasses of options: an object exists only with values that are allowed."""

    # read by pydantic where a job or cluster file becomes options: a key that is unknown is an error
    __pydantic_config__: ClassVar = {"extra": "forbid"}

    def __post_init__(self) -> None:
        for name, declared in _declared(type(self)).items():
            value = getattr(self, name)
            if not _allows(declared, value):
                raise ValueError(f"{name}: found {value!r}; {allowed_values(declared)}")
        self.check_relations()

    def check_relations(self) -> None:
        """Check what no single field can declare: how options depend on each other.

        Raises
        ------
        ValueError
            If they contradict each other. This one allows everything; kinds of options replace it.
        """


def allowed_values(declared: Any) -> str:
    """Return what an annotation allows, as the end of a message: "allowed is 0 to below 1".

    Parameters
    ----------
    declared : annotation
        With limits or choices; of a field, a list or its elements.
    """
    words = _words(declared)
    return words if words.startswith("allowed") else f"allowed is {words}"


def from_table(kind: Any, table: Any, where: str) -> Any:
    """Make a dataclass of a table of a TOML file, and those of its fields that are dataclasses themselves.

    Parameters
    ----------
    kind : type of a dataclass
    table : dict
    where : str
        Name of the table; messages begin with it.

    Raises
    ------
    ValueError
        When a key is unknown or missing, or a value is of another type or not allowed: the message names the key.
    """
    if not isinstance(table, dict):
        raise ValueError(f"{where}: must be a table, found {table!r}")
    declared = _hints(kind)
    unknown = sorted(set(table) - set(declared))
    if unknown:
        raise ValueError(f"{where}: unknown key {unknown[0]!r}; allowed are {', '.join(declared)}")
    for item in fields(kind):
        required = item.default is MISSING and item.default_factory is MISSING
        if required and item.name not in table:
            raise ValueError(f"{where}: the key {item.name!r} is missing")
    values = {name: _from_toml(declared[name], value, f"{where}: {name}") for name, value in table.items()}
    try:
        return kind(**values)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


@lru_cache(maxsize=512)
def _hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    return {item.name: hints[item.name] for item in fields(kind)}


@lru_cache(maxsize=512)
def _declared(kind: type) -> dict[str, Any]:
    """Return the fields of a dataclass that have limits or choices, with their annotations."""
    return {name: declared for name, declared in _hints(kind).items() if _is_limited(declared)}


def _is_limited(declared: Any) -> bool:
    plain, limits = _parts(declared)
    return bool(limits) or get_origin(plain) is Literal or any(map(_is_limited, _members(plain)))


def _parts(declared: Any) -> tuple[Any, list[Any]]:
    """Return the type of an annotation and its limits, of which an interval is two."""
    if get_origin(declared) is not Annotated:
        return declared, []
    plain, *metadata = get_args(declared)
    limits = [one for item in metadata for one in (item if isinstance(item, GroupedMetadata) else (item,))]
    return plain, [
        one for one in limits if isinstance(one, Matches | Gt | Ge | Lt | Le | MinLen | MaxLen | MultipleOf)
    ]


def _members(plain: Any) -> list[Any]:
    """Return the annotations within a union, of the elements of a tuple, or of the values of a dict."""
    origin, inner = get_origin(plain), get_args(plain)
    if origin in (Union, UnionType):
        return list(inner)
    if origin is tuple:
        return [one for one in inner if one is not Ellipsis]
    return [inner[1]] if origin is dict else []


def _allows(declared: Any, value: Any) -> bool:
    plain, limits = _parts(declared)
    origin = get_origin(plain)
    if origin in (Union, UnionType):
        kinds = get_args(plain)
        return (
            NoneType in kinds if value is None else any(_allows(k, value) for k in kinds if k is not NoneType)
        )
    if origin is Literal:
        return value in get_args(plain)
    if not all(_meets(value, limit) for limit in limits):
        return False
    if origin is dict:
        return all(_allows(_members(plain)[0], one) for one in value.values())
    if origin is tuple:
        return all(_allows(inner, one) for inner, one in zip(cycle(_members(plain)), value, strict=False))
    return True


def _meets(value: Any, limit: Any) -> bool:
    if isinstance(limit, Matches):
        return re.fullmatch(limit.pattern, value) is not None
    if isinstance(limit, MinLen):
        return len(value) >= limit.min_length
    if isinstance(limit, MaxLen):
        return len(value) <= limit.max_length
    if isinstance(limit, MultipleOf):
        return value % limit.multiple_of == 0
    if isinstance(limit, Gt):
        return value > limit.gt
    if isinstance(limit, Ge):
        return value >= limit.ge
    return value < limit.lt if isinstance(limit, Lt) else value <= limit.le


def _words(declared: Any) -> str:
    plain, limits = _parts(declared)
    origin = get_origin(plain)
    if origin in (Union, UnionType):
        return next(_words(one) for one in get_args(plain) if one is not NoneType)
    if origin is Literal:
        return f"allowed: {', '.join(map(repr, get_args(plain)))}"
    length = _lengths(limits)
    if origin in (tuple, dict):
        each = [_words(one) for one in _members(plain)[:1] if _is_limited(one)]
        inner = [f"each {one.removeprefix('allowed: ')}" for one in each]
        return ", ".join(
            [f"a {'list' if origin is tuple else 'table'}{f' of {length}' if length else ''}", *inner]
        )
    if plain is str:
        texts = [limit.words for limit in limits if isinstance(limit, Matches)]
        return " and ".join([*texts, *([f"text of {length} characters"] if length else [])])
    return _range(limits)


def _lengths(limits: list[Any]) -> str:
    least = next((one.min_length for one in limits if isinstance(one, MinLen)), 0)
    most = next((one.max_length for one in limits if isinstance(one, MaxLen)), None)
    if most is None:
        return f"at least {least}" if least else ""
    if not least:
        return f"at most {most}"
    return str(most) if least == most else f"{least} to {most}"


def _range(limits: list[Any]) -> str:
    """Return an interval of numbers in words; below infinity means finite."""
    low = next((one for one in limits if isinstance(one, Gt | Ge)), None)
    high = next((one for one in limits if isinstance(one, Lt | Le)), None)
    number = "a number"
    if isinstance(high, Lt) and high.lt == math.inf:
        number, high = "a finite number", None
    if isinstance(low, Gt) and low.gt == -math.inf:
        low = None
    start = "" if low is None else f"above {_number(low.gt)}" if isinstance(low, Gt) else _number(low.ge)
    end = "" if high is None else f"below {_number(high.lt)}" if isinstance(high, Lt) else _number(high.le)
    if start and end:
        words = f"{start} to {end}"
    elif start:
        words = f"{number} {start}" if isinstance(low, Gt) else f"{number} of at least {start}"
    elif end:
        words = f"{number} {end}" if isinstance(high, Lt) else f"{number} of at most {end}"
    else:
        words = number
    factor = next((f", a multiple of {one.multiple_of}" for one in limits if isinstance(one, MultipleOf)), "")
    return words + factor


def _number(value: Any) -> str:
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _from_toml(declared: Any, value: Any, where: str) -> Any:
    """Return a value of TOML or JSON as a field takes it: lists as tuples, tables as dataclasses."""
    plain, _ = _parts(declared)
    origin = get_origin(plain) or plain
    if _takes_as_it_is(plain, value):
        return value
    if origin in (Union, UnionType):
        members = [one for one in get_args(plain) if one is not NoneType]
        tables = [one for one in members if is_dataclass(one)]
        return _from_toml(tables[0] if tables and isinstance(value, dict) else members[0], value, where)
    if is_dataclass(origin):
        return from_table(origin, value, where)
    if origin is Literal:
        origin = type(get_args(plain)[0])
    if not _is_of(origin, value):
        raise ValueError(f"{where} = {value!r} must be {TYPE_WORDS[origin]}")
    if origin is tuple:
        return tuple(_elements(plain, value, where))
    if origin is dict:
        return {key: _from_toml(get_args(plain)[1], one, f"{where}.{key}") for key, one in value.items()}
    return value


def _takes_as_it_is(plain: Any, value: Any) -> bool:
    """Whether a field takes any value, or this None, which JSON has and TOML has not."""
    return plain is Any or (value is None and NoneType in get_args(plain))


def _is_of(kind: Any, value: Any) -> bool:
    if isinstance(value, bool):
        return kind is bool
    if kind is float:
        return isinstance(value, int | float)
    return isinstance(value, list | tuple) if kind is tuple else isinstance(value, kind)


def _elements(plain: Any, value: list[Any], where: str) -> Iterator[Any]:
    inner = get_args(plain)
    if Ellipsis not in inner and len(value) != len(inner):
        raise ValueError(f"{where} = {value!r} must be a list of {len(inner)}")
    for number, (one, item) in enumerate(zip(cycle(_members(plain)), value, strict=False)):
        name = f" ({item['name']})" if isinstance(item, dict) and "name" in item else ""
        yield _from_toml(one, item, f"{where}[{number}]{name}")
