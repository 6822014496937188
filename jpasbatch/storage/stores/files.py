"""Files that are either absent or whole: atomic writes, create-once commits, hashes and leases.

Every write follows the same four steps: a temporary name in the same folder, the bytes, ``fsync`` of the
file, and one POSIX operation that makes the final name appear (``rename`` to replace, ``link`` to create
once), followed by ``fsync`` of the folder so that the name survives a loss of power as well.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import socket
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Self

from jpasbatch.errors import TryAgainError
from jpasbatch.regular_files import require_regular

BLOCK_BYTES = 1 << 20

TEMPORARY_NAME = re.compile(r"\..+\.[0-9]+-[0-9a-f]{12}\.tmp")
"""Names that `temporary_name` gives: by them, and by no other hidden name, a temporary file is known to be ours."""


def fsync_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_file(path: Path) -> None:
    """Flush the contents of a file that another library wrote to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_tree(folder: Path) -> None:
    """Flush every file and every folder below `folder`, and `folder` itself, to the disk."""
    for root, _, names in os.walk(folder, topdown=False):
        for name in names:
            fsync_file(Path(root) / name)
        fsync_folder(Path(root))


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of the bytes of a file that people named, as 64 hexadecimal digits.

    Raises
    ------
    OSError
        When it is no file, but a pipe, which would be waited for.
    """
    require_regular(path)
    return sha256_own(path)


def sha256_own(path: Path) -> str:
    """Return the same of a file that is known to be one: that was just written, or looked at."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def temporary_name(path: Path) -> Path:
    """Return a hidden name beside `path` that no other process uses."""
    return path.with_name(f".{path.name}.{os.getpid()}-{uuid.uuid4().hex[:12]}.tmp")


def remove_if_empty(folder: Path) -> None:
    """Remove a folder when nothing is in it."""
    with contextlib.suppress(OSError):
        folder.rmdir()


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Add a path to an error of the system within the block that names none, such as that of a full disk."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def _write_and_flush(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Yield a hidden name beside `path` to write to; after the block the file is flushed and replaces `path`.

    The folder must exist. An exception within the block leaves the old file (or none) and no temporary one; a
    crash leaves at most one hidden temporary file.
    """
    temporary = temporary_name(path)
    try:
        with naming(path):
            yield temporary
            fsync_file(temporary)
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    fsync_folder(path.parent)


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that readers see the old contents or the new, and never a mixture.

    The folder must exist. A crash at any point leaves the old file (or none) and at most one hidden temporary
    file.
    """
    with written_aside(path) as temporary:
        temporary.write_bytes(data)


def create_once(path: Path, data: bytes) -> bool:
    """Create a file with these contents unless the name is taken.

    Of any number of processes that call this at once exactly one gets True; the file is whole as soon as its
    name is visible. POSIX ``link`` is the linearisation point, because ``rename`` would replace an existing
    file.

    Returns
    -------
    bool
        True when this call created the file, False when it existed already (its contents are left alone).
    """
    temporary = temporary_name(path)
    try:
        with naming(path):
            _write_and_flush(temporary, data)
        try:
            os.link(temporary, path)
        except FileExistsError:
            # A network file system may repeat the request after a lost reply: two names mean that the link is
            # ours.
            if temporary.stat().st_nlink != 2:
                return False
    finally:
        temporary.unlink(missing_ok=True)
    fsync_folder(path.parent)
    return True


class Lease:
    """The right to be the only process that does something, for as long as the block runs.

    The lock is an advisory ``flock`` on a file: the kernel gives it back when the process ends, however it
    ends, so that a crash needs no cleaning up. The file stays; its contents name the holder for the message
    to the others.

    Parameters
    ----------
    path
        File to lock; created, with its folder, when absent.

    Raises
    ------
    TryAgainError
        On entering the block, when another process holds the lease (exit code 75).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 4096).decode(errors="replace").strip() or "another process"
            os.close(descriptor)
            raise TryAgainError(
                f"The lease {self.path} is held by {holder}. "
                "Wait until it ends, then run the same command again.",
                "LOCKED",
            ) from None
        holder = {
            "process": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        os.ftruncate(descriptor, 0)
        os.write(descriptor, json.dumps(holder).encode())
        self._descriptor = descriptor
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def check_key(key: str) -> str:
    """Return a key that stays within its store."""
    path = PurePosixPath(key)
    if not key or path.is_absolute() or ".." in path.parts or path.as_posix() != key:
        raise ValueError(f"key {key!r}: allowed are relative paths without '..'")
    return key
