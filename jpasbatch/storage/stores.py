"""Where whole objects lie under keys: a POSIX folder, or an object store that speaks S3.

The commit protocol needs few things of a store, and both members give all of them: an object appears whole or not at
all, under a key that is created once or replaced; the pointer is replaced only by those who saw its last value; keys
are listed, and read after they were written. Nothing is opened for writing: s3fs and pyarrow publish a valid, short
file when an exception leaves such a block, so that here whole bytes are uploaded, or nothing.

Credentials come from the environment and the configuration of AWS, and are never part of a location. A connection is
encrypted, unless it ends on this machine.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, cast
from urllib.parse import urlsplit
from uuid import uuid4

from jpasbatch.errors import InputError, TryAgainError
from jpasbatch.hosts import is_loopback
from jpasbatch.storage.files import Lease, create_once, write_atomically

_URL = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(/(?P<prefix>[A-Za-z0-9._=/-]*))?")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")
_REFUSED = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")


class Store(Protocol):
    """Whole objects under keys: relative POSIX paths without ``..``."""

    def read(self, key: str) -> bytes | None:
        """Return the bytes of an object, or None when there is none."""
        ...

    def keys(self, prefix: str = "") -> dict[str, int]:
        """Return the size of every object below a folder, by key; hidden temporary ones are not among them."""
        ...

    def create(self, key: str, data: bytes) -> bool:
        """Create an object unless its key is taken; of any number of writers exactly one gets True."""
        ...

    def replace(self, key: str, data: bytes, expected: bytes | None) -> None:
        """Replace an object when it still is what the caller saw (None: not there), in one atomic step.

        Raises
        ------
        TryAgainError
            When another writer was first.
        """
        ...

    def remove(self, key: str) -> None:
        """Remove an object; none is none."""
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

    def _path(self, key: str) -> Path:
        return self.folder / check_key(key)

    def read(self, key: str) -> bytes | None:
        """Return the bytes of an object, or None when there is none."""
        try:
            return self._path(key).read_bytes()
        except FileNotFoundError:
            return None

    def keys(self, prefix: str = "") -> dict[str, int]:
        """Return the size of every object below a folder, by key."""
        files = (path for path in (self.folder / prefix).rglob("*") if path.is_file())
        return {
            path.relative_to(self.folder).as_posix(): path.stat().st_size
            for path in sorted(files)
            if not (path.name.startswith(".") and path.name.endswith((".tmp", ".lease")))
        }

    def create(self, key: str, data: bytes) -> bool:
        """Create an object unless its key is taken."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        return create_once(path, data)

    def replace(self, key: str, data: bytes, expected: bytes | None) -> None:
        """Replace an object when it still is what the caller saw."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with Lease(path.with_name(f".{path.name}.lease")):
            if self.read(key) != expected:
                raise _overtaken(path)
            write_atomically(path, data)

    def remove(self, key: str) -> None:
        """Remove an object; none is none."""
        self._path(key).unlink(missing_ok=True)


class ObjectStore:
    """A prefix of a bucket that speaks S3. See `Store`.

    Objects are created with ``If-None-Match: *`` and replaced with ``If-Match``, which the server checks: AWS S3
    does, and so do MinIO, Ceph and others in recent versions. `check_conditions` finds out.

    Parameters
    ----------
    location
        ``s3://bucket/prefix``.

    Raises
    ------
    InputError
        When it is no such location, s3fs is missing, or the endpoint is neither encrypted nor on this machine.
    """

    def __init__(self, location: str) -> None:
        found = _URL.fullmatch(location)
        if not found:
            shown = repr(location) if "@" not in location else "what was given (with '@': credentials?)"
            raise InputError(
                f"{shown} is no location of an object store: allowed is s3://BUCKET/PREFIX, without credentials "
                "(they come from the environment or the configuration of AWS)"
            )
        try:
            import s3fs
        except ModuleNotFoundError:
            raise InputError(f"{location} needs s3fs: pip install 'jpasbatch[s3]'") from None
        check_endpoint(os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or "")
        self.bucket, self.prefix = found["bucket"], (found["prefix"] or "").strip("/")
        self._files = s3fs.S3FileSystem(anon=False, use_listings_cache=False)

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"

    def _path(self, key: str) -> str:
        return "/".join(part for part in (self.bucket, self.prefix, check_key(key)) if part)

    def read(self, key: str) -> bytes | None:
        """Return the bytes of an object, or None when there is none."""
        try:
            return cast(bytes, self._files.cat_file(self._path(key)))
        except FileNotFoundError:
            return None

    def keys(self, prefix: str = "") -> dict[str, int]:
        """Return the size of every object below a folder, by key."""
        root = "/".join(part for part in (self.bucket, self.prefix) if part)
        listed = self._files.find(f"{root}/{prefix}".rstrip("/") + "/", detail=True)
        found = cast(dict[str, dict[str, Any]], listed)
        return {path.removeprefix(f"{root}/"): int(facts["size"]) for path, facts in sorted(found.items())}

    def create(self, key: str, data: bytes) -> bool:
        """Create an object unless its key is taken."""
        path, writer = self._path(key), uuid4().hex
        try:
            self._files.pipe_file(path, data, mode="create", Metadata={"writer": writer})
        except FileExistsError:
            # a request that was repeated after a lost reply finds our own object
            return (self._files.metadata(path) or {}).get("writer") == writer
        return True

    def replace(self, key: str, data: bytes, expected: bytes | None) -> None:
        """Replace an object when it still is what the caller saw."""
        path = self._path(key)
        if expected is None:
            if not self.create(key, data):
                raise _overtaken(f"s3://{path}")
            return
        try:
            tag = self._files.info(path)["ETag"]  # before the bytes: what is put later has another
            if self.read(key) != expected:
                raise _overtaken(f"s3://{path}")
            self._files.pipe_file(path, data, IfMatch=tag)
        except FileNotFoundError:
            raise _overtaken(f"s3://{path}") from None
        except OSError as error:
            if _code(error) in _REFUSED:
                raise _overtaken(f"s3://{path}") from None
            raise

    def remove(self, key: str) -> None:
        """Remove an object; none is none."""
        with contextlib.suppress(FileNotFoundError):
            self._files.rm_file(self._path(key))

    def check_conditions(self) -> None:
        """Refuse a server that does not know ``If-None-Match``: two writers would both win there.

        Raises
        ------
        InputError
            When it does not, or the bucket is missing or closed to us.
        """
        key = f".conditions-{uuid4().hex}"
        try:
            honest = self.create(key, b"1") and not self.create(key, b"2")
            self.remove(key)
        except (OSError, NotImplementedError) as error:
            raise InputError(
                f"Cannot write to {self}: {error}. Check bucket, credentials and endpoint."
            ) from None
        if not honest:
            raise InputError(
                f"The server of {self} ignores If-None-Match, so that two runs could overwrite each other. Use AWS S3 "
                "or a server that honours it, or a POSIX folder."
            )


def open_store(location: str | Path) -> Store:
    """Return the store of a location: ``s3://bucket/prefix``, or a folder."""
    if is_location(str(location)):
        return ObjectStore(str(location))
    return FolderStore(Path(location))


def check_endpoint(url: str) -> None:
    """Refuse an endpoint of which others on the way could read: plain http is for this machine alone."""
    parts = urlsplit(url)
    if not url or parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        return
    raise InputError(
        f"The endpoint of the object store is {parts.scheme}://{parts.hostname}; allowed are https, and http on this "
        "machine (127.0.0.1, ::1, localhost)"
    )


def _code(error: BaseException) -> str:
    """Return the code of S3 in the error that s3fs made of it."""
    response = getattr(error.__cause__, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def _overtaken(what: Any) -> TryAgainError:
    return TryAgainError(f"{what} was replaced by another writer meanwhile. Run the same command again.")
