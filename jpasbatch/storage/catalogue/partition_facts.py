"""What the commit of a staged partition says of it, and what a published version remembers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from jpasbatch.errors import InputError
from jpasbatch.facts import Facts, problem

Pixel = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class PartitionFacts(Facts):
    """One partition of a catalogue.

    Attributes
    ----------
    order, pixel : int
        HEALPix order and nested pixel.
    rows, bytes : int
        Of its file.
    sha256 : str
        Of its file; empty where it has no rows, and then no file.
    path : str
        Of its file, relative to the collection, or to the catalogue that it is taken from; empty without one.
    fingerprint : str
        Of the run that made it.
    quarantined : int
        Input rows of the partition that are not among the output rows.
    """

    order: int
    pixel: int
    rows: int
    bytes: int
    sha256: str
    path: str
    fingerprint: str
    quarantined: int

    @property
    def healpix(self) -> Pixel:
        """Order and pixel."""
        return self.order, self.pixel


Partition = PartitionFacts | Mapping[str, Any]
"""A partition's facts, or its commit as the ledger holds it."""

KEYS = tuple(one.name for one in fields(PartitionFacts))


def partition_facts(record: Partition) -> PartitionFacts:
    """Return what a commit, as it is read from the ledger, says of its partition.

    Raises
    ------
    InputError
        When it lacks a key, or holds another type.
    """
    if isinstance(record, PartitionFacts):
        return record
    if missing := [key for key in KEYS if key not in record]:
        raise InputError(
            f"A partition's record lacks {', '.join(missing)}: {dict(record)}. Nothing was published."
        )
    try:
        return PartitionFacts.from_record(record)
    except ValueError as error:
        raise InputError(
            f"A partition's record is damaged ({problem(error)}): {dict(record)}. Nothing was published."
        ) from None
