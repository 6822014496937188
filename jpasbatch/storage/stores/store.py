"""Where whole objects lie under keys: a POSIX folder, or an object store that speaks S3.

The commit protocol needs few things of a store, and both members give all of them: an object appears whole or not at
all, under a key that is created once or replaced; the pointer is replaced only by those who saw its last value; keys
are listed, and read after they were written. `FolderStore` is here, `jpasbatch.storage.stores.objects` is the other.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from jpasbatch.errors import InputError, TryAgainError
from jpasbatch.storage.stores.files import (
    Lease,
    create_once,
    fsync_folder,
    sha256_file,
    write_atomically,
    written_aside,
)

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")


class Store(Protocol):
    """Whole objects under keys: relative POSIX paths without ``..``; ``str`` gives its location."""

    def read(self, key: str) -> bytes | None:
        """Return the bytes of an object, or None when there is none."""
        ...

    def read_each(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """Yield key and bytes of many small objects, in order."""
        ...

    def keys(self, prefix: str = "") -> dict[str, int]:
        """Return the size of every object below a folder, by key; hidden temporary ones are not among them."""
        ...

    def stamps(self, keys: Iterable[str]) -> dict[str, str]:
        """Return what tells of each object whether it is still what was written; what is absent is left out.

        The SHA-256 of a file. The entity tag in an object store, which names what was put last: nothing is read.
        """
        ...

    def create(self, key: str, data: bytes) -> bool:
        """Create an object unless its key is taken; of any number of writers exactly one gets True."""
        ...

    def put(self, key: str, data: bytes) -> None:
        """Write an object over whatever is there."""
        ...

    def replace(self, key: str, data: bytes, expected: bytes | None) -> None:
        """Replace an object when it still is what the caller saw (None: not there), in one atomic step.

        Raises
        ------
        TryAgainError
            When another writer was first.
        """
        ...

    def copy(self, source: str, target: str) -> None:
        """Copy an object within the store, over whatever is there.

        Raises
        ------
        FileNotFoundError
            When there is no source.
        """
        ...

    def remove(self, key: str) -> None:
        """Remove an object; none is none."""
        ...

    def within(self, folder: str) -> Store:
        """Return the store of the keys below a folder."""
        ...


def check_key(key: str) -> str:
    """Return a key that stays within its store."""
    path = PurePosixPath(key)
    if not key or path.is_absolute() or ".." in path.parts or path.as_posix() != key:
        raise ValueError(f"key {key!r}: allowed are relative paths without '..'")
    return key


def is_location(text: str) -> bool:
    """Return whether a text is a location of a store (``s3://bucket/prefix``), also one that became a path."""
    return _SCHEME.match(text) is not None


class FolderStore:
    """A folder on a POSIX file system. See `Store`."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def __str__(self) -> str:
        return str(self.folder)

    def path(self, key: str) -> Path:
        """Return the file of a key."""
        return self.folder / check_key(key)

    def read(self, key: str) -> bytes | None:
        """Return the bytes of an object, or None when there is none."""
        try:
            return self.path(key).read_bytes()
        except FileNotFoundError:
            return None

    def read_each(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """Yield key and bytes of many small objects, in order."""
        return ((key, self.read(key)) for key in keys)

    def keys(self, prefix: str = "") -> dict[str, int]:
        """Return the size of every object below a folder, by key."""
        found = {}
        for folder, _, names in os.walk(self.folder / prefix):
            for name in names:
                if name.startswith(".") and name.endswith((".tmp", ".lease")):
                    continue
                path = Path(folder) / name
                with contextlib.suppress(FileNotFoundError):  # somebody removed it meanwhile
                    found[path.relative_to(self.folder).as_posix()] = path.stat().st_size
        return dict(sorted(found.items()))

    def stamps(self, keys: Iterable[str]) -> dict[str, str]:
        """Return the SHA-256 of each file, by key."""
        return {key: sha256_file(self.path(key)) for key in keys if self.path(key).is_file()}

    def create(self, key: str, data: bytes) -> bool:
        """Create an object unless its key is taken."""
        return create_once(self._made(key), data)

    def put(self, key: str, data: bytes) -> None:
        """Write an object over whatever is there."""
        write_atomically(self._made(key), data)

    def replace(self, key: str, data: bytes, expected: bytes | None) -> None:
        """Replace an object when it still is what the caller saw."""
        path = self._made(key)
        with Lease(path.with_name(f".{path.name}.lease")):
            if self.read(key) != expected:
                raise overtaken(path)
            write_atomically(path, data)

    def copy(self, source: str, target: str) -> None:
        """Copy an object, over whatever is there."""
        with written_aside(self._made(target)) as aside:
            shutil.copyfile(self.path(source), aside)

    def remove(self, key: str) -> None:
        """Remove an object; none is none."""
        path = self.path(key)
        path.unlink(missing_ok=True)
        if path.parent.is_dir():
            fsync_folder(path.parent)

    def within(self, folder: str) -> FolderStore:
        """Return the store of the keys below a folder."""
        return FolderStore(self.path(folder))

    def _made(self, key: str) -> Path:
        path = self.path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def open_store(location: str | Path | Store) -> Store:
    """Return the store of a location: ``s3://bucket/prefix``, or a folder. A store is its own location."""
    if not isinstance(location, str | Path):
        return location
    if is_location(str(location)):
        from jpasbatch.storage.stores.objects import ObjectStore

        return ObjectStore(str(location))
    return FolderStore(Path(location))


def read_object(store: Store, key: str) -> bytes:
    """Return the bytes of an object that must be there.

    Raises
    ------
    InputError
        When it is not.
    """
    data = store.read(key)
    if data is None:
        raise object_missing(store, key)
    return data


def object_missing(store: Store, key: str) -> InputError:
    """Return the error to raise when an object that must be there is gone."""
    return InputError(f"{store}/{key} is missing: it was removed meanwhile. Run the same command again.")


def overtaken(what: Any) -> TryAgainError:
    """Return the error to raise when another writer was first."""
    return TryAgainError(f"{what} was replaced by another writer meanwhile. Run the same command again.")
