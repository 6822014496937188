"""Tables that are one of several kinds, as their ``kind`` says: what pydantic needs to read them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler


@dataclass(frozen=True)
class OneOf:
    """Mark of an annotation: the table is one of these dataclasses, each with a ``kind`` of its own.

    The core rooms list their kinds in a tuple and know no pydantic. For a type checker the annotation stays the
    protocol that all kinds follow: ``Annotated[Classifier, OneOf(CLASSIFIERS)]``.

    Attributes
    ----------
    kinds : tuple of types
    """

    kinds: tuple[type, ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        """Return the schema of the union in place of that of the protocol."""
        return handler.generate_schema(Annotated[reduce(or_, self.kinds), Field(discriminator="kind")])
