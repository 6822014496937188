"""What every store promises: whole objects under keys, created once or replaced.

The commit protocol needs few things of a store, and both kinds give all of them: an object appears whole or not at
all, under a key that is created once or replaced; the pointer is replaced only by a writer who saw its last value; keys
are listed; what was written can be read at once. The kinds are `jpasbatch.storage.stores.folder` and
`jpasbatch.storage.stores.objects`; `jpasbatch.storage.stores.opening` chooses between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, cast

from jpasbatch.errors import InputError, TryAgainError

if TYPE_CHECKING:
    from pyarrow import NativeFile


@dataclass
class Writing:
    """A new object while it is written, and what is known of it after the block.

    Attributes
    ----------
    sink : Path or binary file
        Takes the contents: a path to write a file to, or a file in memory. Parquet writers take either.
    sha256 : str
        Of the bytes; empty within the block.
    stamp : str
        As of `Store.stamps`; empty within the block.
    bytes : int
        Size; 0 within the block.
    """

    sink: Path | BinaryIO
    sha256: str = ""
    stamp: str = ""
    bytes: int = 0

    def open(self) -> AbstractContextManager[BinaryIO]:
        """Return the sink as a binary file, for writers that take no path."""
        if isinstance(self.sink, Path):
            return cast("AbstractContextManager[BinaryIO]", self.sink.open("wb"))
        return nullcontext(self.sink)


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

    def changes(self, prefix: str = "") -> dict[str, float]:
        """Return when every object below a folder was last written, by key: seconds since 1970 of the store's clock."""
        ...

    def stamps(self, keys: Iterable[str]) -> dict[str, str]:
        """Return a stamp of each object, by key; keys without an object are left out.

        An object whose stamp changed is no longer what was written. The stamp of a file is its SHA-256. The stamp in
        a bucket is the entity tag, which the server keeps, so that nothing is read.
        """
        ...

    def open(self, key: str) -> NativeFile:
        """Open an object for reading: a file is read piece by piece, an object of a bucket is held in memory.

        Raises
        ------
        FileNotFoundError
            When there is no object.
        """
        ...

    def writing(self, key: str) -> AbstractContextManager[Writing]:
        """Yield what takes the contents of a new object, which appears whole after the block, or not at all.

        The caller chooses a key that nobody else has. A file is written on its disk, an object in memory.
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
        """Remove the object if it exists."""
        ...

    def within(self, folder: str) -> Store:
        """Return the store of the keys below a folder."""
        ...

    def check_conditions(self) -> None:
        """Refuse a place that cannot keep these promises.

        Raises
        ------
        InputError
            When two writers could overwrite each other there, or it is closed to us.
        """
        ...


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
    return TryAgainError(
        f"{what} was replaced by another writer meanwhile. Run the same command again.", "OVERTAKEN"
    )
