"""A folder on a POSIX file system as a store of whole objects. See `jpasbatch.storage.stores.store.Store`."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from jpasbatch.regular_files import require_regular
from jpasbatch.storage.stores.files import (
    Lease,
    check_key,
    create_once,
    fsync_folder,
    sha256_own,
    write_atomically,
    written_aside,
)
from jpasbatch.storage.stores.store import Writing, overtaken

if TYPE_CHECKING:
    from pyarrow import NativeFile


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
        path = self.path(key)
        try:
            require_regular(path)
            return path.read_bytes()
        except FileNotFoundError:
            return None

    def read_each(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """Yield key and bytes of many small objects, in order."""
        return ((key, self.read(key)) for key in keys)

    def keys(self, prefix: str = "") -> dict[str, int]:
        """Return the size of every object below a folder, by key."""
        return {key: found.st_size for key, found in self._list(prefix).items()}

    def changes(self, prefix: str = "") -> dict[str, float]:
        """Return when every object below a folder was last written, by key."""
        return {key: found.st_mtime for key, found in self._list(prefix).items()}

    def _list(self, prefix: str) -> dict[str, os.stat_result]:
        found = {}
        for folder, _, names in os.walk(self.folder / prefix):
            for name in names:
                if name.startswith(".") and name.endswith((".tmp", ".lease")):
                    continue
                path = Path(folder) / name
                with contextlib.suppress(FileNotFoundError):  # somebody removed it meanwhile
                    found[path.relative_to(self.folder).as_posix()] = path.stat()
        return dict(sorted(found.items()))

    def stamps(self, keys: Iterable[str]) -> dict[str, str]:
        """Return the SHA-256 of each file, by key."""
        return {key: sha256_own(self.path(key)) for key in keys if self.path(key).is_file()}

    def open(self, key: str) -> NativeFile:
        """Open a file, to be read piece by piece."""
        import pyarrow as pa

        return pa.OSFile(str(self.path(key)))

    @contextlib.contextmanager
    def writing(self, key: str) -> Iterator[Writing]:
        """Yield a hidden path to write to; after the block the file is hashed, flushed and renamed."""
        with written_aside(self._made(key)) as aside:
            writing = Writing(aside)
            yield writing
            writing.sha256 = writing.stamp = sha256_own(aside)
            writing.bytes = aside.stat().st_size

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
        """Remove the object if it exists."""
        path = self.path(key)
        path.unlink(missing_ok=True)
        if path.parent.is_dir():
            fsync_folder(path.parent)

    def within(self, folder: str) -> FolderStore:
        """Return the store of the keys below a folder."""
        return FolderStore(self.path(folder))

    def check_conditions(self) -> None:
        """Refuse nothing: a POSIX file system keeps every promise."""

    def _made(self, key: str) -> Path:
        path = self.path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path
