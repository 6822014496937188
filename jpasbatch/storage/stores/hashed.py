"""What is hashed is what is read: a file that changes between the two is refused, and never half of each is used.

Readers of tables jump about in a file, so that one pass cannot hash what they read. Instead a file is known by its
hash and by what the file system says of it. Where that is the same before and after reading, the bytes are those
that were hashed; where it is not, they are hashed once more.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from jpasbatch.errors import InputError
from jpasbatch.storage.stores.files import sha256_file

SETTLED_SECONDS = 2.0
"""A file that changed less than so long ago may change again without another time: clocks of file systems tick."""

ATTEMPTS = 3


class _Facts(NamedTuple):
    """Size, nanoseconds of the last change of contents and of the last change of anything, and number of a file."""

    size: int
    changed: int
    touched: int
    inode: int

    @property
    def contents(self) -> tuple[int, int, int]:
        """What a new name or other rights leave as it is."""
        return self.size, self.changed, self.inode


class HashedFile(NamedTuple):
    """A file as it was when it was hashed; it travels to workers.

    Attributes
    ----------
    path : Path
    sha256 : str
    facts : tuple
        What the file system said of it.
    settled : bool
        Whether the same facts mean the same bytes.
    """

    path: Path
    sha256: str
    facts: _Facts
    settled: bool


def hash_file(path: Path) -> HashedFile:
    """Hash a file that nobody writes to.

    Raises
    ------
    InputError
        When it changes again and again while it is hashed.
    OSError
        When it cannot be read.
    """
    for _ in range(ATTEMPTS):
        before, began = _facts(path), time.time_ns()
        digest = sha256_file(path)
        if _facts(path) == before:
            age = began - max(before.changed, before.touched)
            return HashedFile(path, digest, before, age > SETTLED_SECONDS * 1e9)
    raise _changing(path, "hashed")


@contextmanager
def reading_as_hashed(file: HashedFile) -> Iterator[Path]:
    """Yield the path of a file to read within the block, and refuse it when its bytes were not those that were hashed.

    Nothing that was read may count before the block ends. A copy or a new time alone is no change.

    Raises
    ------
    InputError
        When the file changed after it was hashed.
    """
    try:
        before = _facts(file.path)
    except (FileNotFoundError, NotADirectoryError):
        raise _changing(file.path, "read") from None
    yield file.path
    try:
        after = _facts(file.path)
        if file.settled and before == after == file.facts:
            return
        # one that was other bytes for a while has other times afterwards, although it is what it was
        same = before.contents == after.contents and sha256_file(file.path) == file.sha256
    except (FileNotFoundError, NotADirectoryError):
        same = False
    if not same:
        raise _changing(file.path, "read")


def _facts(path: Path) -> _Facts:
    status = path.stat()
    return _Facts(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def _changing(path: Path, what: str) -> InputError:
    return InputError(f"{path}: changed while it was {what}; wait until it is whole and try again")
