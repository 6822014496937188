"""What is wrong with a key of a job or cluster file, in one line and in the words of TOML."""

from __future__ import annotations

import datetime
import difflib
import math
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from jpasbatch.job.unions import OneOf
from jpasbatch.options import allowed_values

TOML_WORDS = {
    "tuple_type": "must be a list",
    "string_type": "must be text in quotes",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "dict_type": "must be a table",
    "dataclass_type": "must be a table",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
}
UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
MISSING = ("missing", "missing_argument")
LIMITS = (
    "greater_than",
    "greater_than_equal",
    "less_than",
    "less_than_equal",
    "multiple_of",
    "too_short",
    "too_long",
    "literal_error",
)
LONGEST_FOUND = 80
DEEPEST = 16
OPEN_ENDED = ("redshift", "unknown_proper_motion")
"""Keys whose value may be inf or nan; everywhere else it would compare false without a word."""


def explain(kind: Any, item: Any) -> str:
    """Say what is wrong with one key, what was found and what is allowed.

    Parameters
    ----------
    kind : type or annotation
        What the file was to become.
    item : mapping
        An entry of ``ValidationError.errors()``.
    """
    location = list(item["loc"])
    here, key = _follow(kind, location)
    if item["type"] in UNKNOWN:
        table = _follow(kind, location[:-1])[1] or "the top level"
        allowed = allowed_keys(kind, location[:-1])
        return f"unknown key '{location[-1]}' in {table}{choices(str(location[-1]), allowed)}"
    if item["type"] in MISSING:
        return f"'{key}' is missing"
    if item["type"] in ("union_tag_not_found", "union_tag_invalid"):
        tags = [str(_tag(option)) for option in here]
        named = f"{key}.kind" if key else "kind"
        if item["type"] == "union_tag_not_found":
            return f"'{named}' is missing; allowed: {', '.join(tags)}"
        found = str(item["ctx"]["tag"])
        return f"{named}: found '{found[:LONGEST_FOUND]}'{choices(found, tags)}"
    prefix = f"{key}: " if key else ""
    if item["type"] == "value_error":
        return prefix + item["msg"].removeprefix("Value error, ")
    found = repr(item["input"])
    if len(found) > LONGEST_FOUND:
        found = f"{found[:LONGEST_FOUND]}..."
    if item["type"] in LIMITS:
        return f"{prefix}found {found}; {allowed_values(_annotation(kind, location))}"
    message = TOML_WORDS.get(item["type"], item["msg"].replace("Input should", "must"))
    return f"{prefix}{message} (found {found})"


def allowed_keys(kind: Any, location: Sequence[Any]) -> list[str]:
    """Return the keys that the table at a location may hold, in the order in which they are declared."""
    here, _ = _follow(kind, location)
    return list(dict.fromkeys(name for option in here for name in _names(option)))


def choices(found: str, allowed: list[str]) -> str:
    """Return what is allowed in place of a word, and which of it may be meant, as the end of a message."""
    close = difflib.get_close_matches(found, allowed, n=1)
    hint = f" (did you mean '{close[0]}'?)" if close else ""
    return f"{hint}; allowed: {', '.join(allowed)}"


def _follow(kind: Any, location: Sequence[Any]) -> tuple[list[Any], str]:
    """Return what may stand at a location, and the location as a user would write it.

    A union of kinds adds the kind that it took to a location; that is no key of the file.
    """
    here, written = _types(kind), ""
    for part in location:
        if isinstance(part, int):
            written += f"[{part}]"
            continue
        chosen = [option for option in here if _tag(option) == part]
        if len(here) > 1 and chosen:
            here = chosen
            continue
        here = [step for option in here for step in _types(_member(option, part))]
        written += f".{part}" if written else str(part)
    return here, written


def _annotation(kind: Any, location: list[Any]) -> Any:
    """Return the annotation, with its limits, of the value at a location."""
    *table, last = location
    if not isinstance(last, int):
        owners, _ = _follow(kind, table)
        return next(found for owner in owners if (found := _member(owner, last)) is not None)
    declared = _annotation(kind, table)
    while get_origin(declared) is not tuple:
        declared = next(one for one in get_args(declared) if one is not NoneType)
    inner = get_args(declared)
    return inner[0] if Ellipsis in inner else inner[last]


def _names(kind: Any) -> list[str]:
    if is_dataclass(kind):
        return [item.name for item in fields(kind)]
    return list(getattr(kind, "model_fields", ()))


def _tag(kind: Any) -> Any:
    if not is_dataclass(kind):
        return None
    return next((item.default for item in fields(kind) if item.name == "kind"), None)


def _member(kind: Any, name: str) -> Any:
    if is_dataclass(kind):
        return get_type_hints(kind, include_extras=True).get(name)
    if get_origin(kind) is dict:
        return get_args(kind)[1]
    info: Any = getattr(kind, "model_fields", {}).get(name)
    if info is None:
        return None
    return Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation


def _types(kind: Any) -> list[Any]:
    """Return the classes that an annotation may stand for, without optional, union, tuple and annotated."""
    origin = get_origin(kind)
    if origin is Annotated:
        kinds = [one for item in get_args(kind)[1:] if isinstance(item, OneOf) for one in item.kinds]
        return kinds or _types(get_args(kind)[0])
    if kind is NoneType or kind is None or origin is Literal:
        return []
    if origin is dict or (isinstance(kind, type) and origin is None):
        return [kind]
    return [option for argument in get_args(kind) if argument is not Ellipsis for option in _types(argument)]


def check_values(value: Any, key: str = "", depth: int = 0) -> None:
    """Refuse values that no key takes, wherever they are in a file.

    Raises
    ------
    ValueError
        Naming the key.
    """
    if depth > DEEPEST:
        raise ValueError(f"{key}: tables or lists lie {DEEPEST} deep in each other; a job needs five")
    if isinstance(value, dict):
        for name, item in value.items():
            check_values(item, name, depth + 1)
    elif isinstance(value, list):
        for item in value:
            check_values(item, key, depth + 1)
    elif isinstance(value, datetime.date | datetime.time):
        raise ValueError(f"{key} = {value}: dates and times are not used here; write text in quotes")
    elif isinstance(value, str) and "\0" in value:
        raise ValueError(f"{key} = {value[:80]!r}: holds the character 0")
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError(f"{key} = {str(value)[:20]}...: does not fit into 64 bits")
    elif isinstance(value, float) and not math.isfinite(value) and key not in OPEN_ENDED:
        raise ValueError(f"{key} = {value}: must be finite")
