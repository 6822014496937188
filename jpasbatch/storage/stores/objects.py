"""An object store that speaks S3, through s3fs. See `jpasbatch.storage.stores.store.Store`.

Nothing is opened for writing: s3fs and pyarrow publish a valid, short file when an exception leaves such a block, so
that here whole bytes are uploaded, or nothing.

Credentials come from the environment and the configuration of AWS, and are never part of a location. A connection is
encrypted, unless it ends on this machine.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit
from uuid import uuid4

from jpasbatch.errors import InputError, TryAgainError, no_space
from jpasbatch.hosts import is_loopback
from jpasbatch.storage.stores.files import check_key
from jpasbatch.storage.stores.store import Writing, overtaken

if TYPE_CHECKING:
    from pyarrow import NativeFile

_URL = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(/(?P<prefix>[A-Za-z0-9._=/-]*))?")
_REFUSED = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")
_BUSY = (
    "InternalError",
    "OperationAborted",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "500",
    "503",
)
_FULL = ("InsufficientStorage", "QuotaExceeded", "XMinioStorageFull", "507")

AT_ONCE = 16
"""Small objects that are read at the same time."""

FEW = 4
"""Objects that are asked for one by one; of more, their folders are listed."""


class ObjectStore:
    """A prefix of a bucket that speaks S3. See `jpasbatch.storage.stores.store.Store`.

    Objects are created with ``If-None-Match: *`` and replaced with ``If-Match``, which the server checks: AWS S3
    does, and so do MinIO, Ceph and others in recent versions. `check_conditions` finds out.

    Every method raises `InputError` when the store refuses us, and `TryAgainError` when it does not answer or is full.

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
        with self._answering():
            try:
                # one request, also of what is large: parts could be of two objects
                return cast(bytes, self._files.cat_file(self._path(key), max_concurrency=1))
            except FileNotFoundError:
                return None

    def read_each(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """Yield key and bytes of many small objects, in order; some are read at the same time."""
        wanted = list(keys)
        with ThreadPoolExecutor(AT_ONCE) as threads:
            for first in range(0, len(wanted), 4 * AT_ONCE):
                some = wanted[first : first + 4 * AT_ONCE]
                yield from zip(some, threads.map(self.read, some), strict=True)

    def keys(self, prefix: str = "") -> dict[str, int]:
        """Return the size of every object below a folder, by key."""
        return {key: int(facts["size"]) for key, facts in self._list(prefix).items()}

    def changes(self, prefix: str = "") -> dict[str, float]:
        """Return when every object below a folder was last written, by key, as the server tells it."""
        return {key: facts["LastModified"].timestamp() for key, facts in self._list(prefix).items()}

    def _list(self, prefix: str) -> dict[str, dict[str, Any]]:
        root = "/".join(part for part in (self.bucket, self.prefix) if part)
        with self._answering():
            listed = self._files.find(f"{root}/{prefix}".rstrip("/") + "/", detail=True)
        found = cast(dict[str, dict[str, Any]], listed)
        return {path.removeprefix(f"{root}/"): facts for path, facts in sorted(found.items())}

    def stamps(self, keys: Iterable[str]) -> dict[str, str]:
        """Return the entity tag of each object, by key."""
        wanted = sorted(set(keys))
        if len(wanted) <= FEW:
            tags = {key: self._tag(key) for key in wanted}
            return {key: tag for key, tag in tags.items() if tag is not None}
        found: dict[str, str] = {}
        for folder in sorted({PurePosixPath(key).parent.as_posix() for key in wanted}):
            listed = self._list("" if folder == "." else folder)
            found |= {key: str(facts["ETag"]) for key, facts in listed.items()}
        return {key: found[key] for key in wanted if key in found}

    def _tag(self, key: str) -> str | None:
        with self._answering():
            try:
                facts = self._files.info(self._path(key))
            except FileNotFoundError:
                return None
        return str(facts["ETag"]) if facts["type"] == "file" else None

    def open(self, key: str) -> NativeFile:
        """Open an object, whose bytes are read at once."""
        import pyarrow as pa

        data = self.read(key)
        if data is None:
            raise FileNotFoundError(f"{self}/{key}")
        return pa.BufferReader(data)

    @contextlib.contextmanager
    def writing(self, key: str) -> Iterator[Writing]:
        """Yield a file in memory; after the block its bytes are uploaded."""
        sink = io.BytesIO()
        writing = Writing(sink)
        yield writing
        data = sink.getvalue()
        writing.sha256, writing.bytes = hashlib.sha256(data).hexdigest(), len(data)
        self.create(key, data)
        writing.stamp = self._tag(key) or ""

    def create(self, key: str, data: bytes) -> bool:
        """Create an object unless its key is taken."""
        path, writer = self._path(key), uuid4().hex
        with self._answering():
            try:
                self._files.pipe_file(path, data, mode="create", Metadata={"writer": writer})
            except FileExistsError:
                # a request that was repeated after a lost reply finds our own object
                return (self._files.metadata(path) or {}).get("writer") == writer
        return True

    def put(self, key: str, data: bytes) -> None:
        """Write an object over whatever is there; the same bytes are left alone, and so is their entity tag."""
        if not self.create(key, data) and self.read(key) != data:
            with self._answering():
                self._files.pipe_file(self._path(key), data)

    def replace(self, key: str, data: bytes, expected: bytes | None) -> None:
        """Replace an object when it still is what the caller saw."""
        path = self._path(key)
        if expected is None:
            if not self.create(key, data):
                raise overtaken(f"s3://{path}")
            return
        with self._answering():
            try:
                tag = self._files.info(path)["ETag"]  # before the bytes: what is put later has another
                if self.read(key) != expected:
                    raise overtaken(f"s3://{path}")
                self._files.pipe_file(path, data, IfMatch=tag)
            except FileNotFoundError:
                raise overtaken(f"s3://{path}") from None
            except OSError as error:
                if _code(error) in _REFUSED:
                    raise overtaken(f"s3://{path}") from None
                raise

    def copy(self, source: str, target: str) -> None:
        """Copy an object within the store, over whatever is there; its bytes stay with the server."""
        with self._answering():
            self._files.cp_file(self._path(source), self._path(target))

    def remove(self, key: str) -> None:
        """Remove the object if it exists."""
        with self._answering(), contextlib.suppress(FileNotFoundError):
            self._files.rm_file(self._path(key))

    def within(self, folder: str) -> ObjectStore:
        """Return the store of the keys below a folder."""
        return ObjectStore(f"s3://{self._path(folder)}")

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

    @contextlib.contextmanager
    def _answering(self) -> Iterator[None]:
        """Tell a store that does not answer, where the same command helps, from one that refuses us."""
        from botocore.exceptions import ConnectionError as NoConnection
        from botocore.exceptions import HTTPClientError, NoCredentialsError, PartialCredentialsError

        try:
            yield
        except (NoCredentialsError, PartialCredentialsError, PermissionError) as error:
            raise InputError(
                f"{self} refuses access: {error}. Check credentials (from the environment or the configuration of "
                "AWS), bucket and endpoint."
            ) from error
        except (NoConnection, HTTPClientError, ConnectionError, TimeoutError) as error:
            raise self._unreachable(error) from error
        except OSError as error:
            if _code(error) in _FULL:
                raise no_space(f"{self}: {error}") from error
            if _code(error) in _BUSY:
                raise self._unreachable(error) from error
            raise

    def _unreachable(self, error: Exception) -> TryAgainError:
        return TryAgainError(
            f"{self} does not answer: {error}. What is committed is kept: check the endpoint and run the same "
            "command again to go on.",
            "STORE_LOST",
        )


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
