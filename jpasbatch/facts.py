"""What stages and their tasks record: frozen dataclasses in the program, JSON on disk. Here is the only conversion.

A kind of facts derives from `Facts`. Its fields are the keys of the JSON; values are what JSON holds, other kinds of
facts, and collections of these. Keys that a kind does not have are not read: an older or a newer version wrote them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

if TYPE_CHECKING:
    from pydantic import TypeAdapter

LEFT_OUT = {"left out": True}
"""Metadata of a field that has no key in the JSON where it is None."""

FactsT = TypeVar("FactsT", bound="Facts")


class Facts:
    """Base of frozen dataclasses of what is recorded."""

    if TYPE_CHECKING:  # only dataclasses derive from it
        __dataclass_fields__: ClassVar[dict[str, Any]]

    def to_record(self) -> dict[str, Any]:
        """Return the facts as JSON-able values."""
        content = asdict(self)
        for item in fields(self):
            if content[item.name] is None and item.metadata == LEFT_OUT:
                del content[item.name]
        return content

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Return the facts that `to_record` described.

        Raises
        ------
        ValueError
            When a key is missing or holds another type.
        """
        return _reader(cls).validate_python({**record})


@lru_cache(maxsize=64)
def _reader(kind: type[Facts]) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter  # workers write facts, and read none

    return TypeAdapter(kind)


def problem(error: ValueError) -> str:
    """Return why a record does not hold the facts of its kind: the key, and what is wrong with it."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


@dataclass(frozen=True)
class NoFacts(Facts):
    """Facts of a task that records only its rows and files."""
