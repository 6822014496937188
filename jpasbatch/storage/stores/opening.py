"""Which kind of store a location names."""

from __future__ import annotations

import re
from pathlib import Path

from jpasbatch.storage.stores.folder import FolderStore
from jpasbatch.storage.stores.store import Store

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")


def is_location(text: str) -> bool:
    """Return whether a text is a location of a store (``s3://bucket/prefix``), also one that became a path."""
    return _SCHEME.match(text) is not None


def open_store(location: str | Path | Store) -> Store:
    """Return the store of a location: ``s3://bucket/prefix``, or a folder. A store is its own location."""
    if not isinstance(location, str | Path):
        return location
    if is_location(str(location)):
        from jpasbatch.storage.stores.objects import ObjectStore

        return ObjectStore(str(location))
    return FolderStore(Path(location))
