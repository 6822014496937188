"""What changed since a stage last finished: for the log, and for those who wonder why it runs again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jpasbatch.storage.stores.ledger import fingerprint

FIRST = "first run"


def digests(parts: Mapping[str, Any]) -> dict[str, str]:
    """Return the SHA-256 of each part of a stage's fingerprint, for its record."""
    return {name: fingerprint(part=value) for name, value in parts.items()}


def changed_parts(record: Mapping[str, Any] | None, parts: Mapping[str, Any]) -> list[str]:
    """Return the parts that are not those of a stage's record.

    Parameters
    ----------
    record : mapping or None
        What the stage recorded when it last finished.
    parts : mapping
        What its fingerprint is made of now.

    Returns
    -------
    list of str
        Sorted; ``first run`` alone when there is no record, or one without digests.
    """
    if record is None or "parts" not in record:
        return [FIRST]
    found, now = record["parts"], digests(parts)
    return sorted(name for name in found.keys() | now.keys() if found.get(name) != now.get(name))
