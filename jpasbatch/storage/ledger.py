"""What is done, for which fingerprint, and what failed: create-once commit records in a folder.

A ledger is the only memory of a run: the cluster may forget everything. A partition is done when, and only
when, its record exists. Records are created once (see `jpasbatch.storage.files.create_once`), because a
frozen worker that comes back makes the scheduler run the same task twice, and both copies finish. Each record
carries its own SHA-256.

Give each fingerprint of inputs, options and code its own folder: then changed options find an empty ledger,
and rows of two models cannot meet in one catalogue.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jpasbatch
from jpasbatch.errors import InputError
from jpasbatch.storage.files import create_once, fsync_folder, write_atomically

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=-]{0,199}")
_PACKAGE = Path(jpasbatch.__file__).parent


def canonical_json(value: Any) -> bytes:
    """Serialise a value to the one JSON text that all equal values share (sorted keys, no spaces, UTF-8).

    Tuples become lists; paths become strings.

    Raises
    ------
    ValueError
        When a float is not finite, or a value has no JSON form: both would make equal things look different.
    """
    try:
        text = json.dumps(
            value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_plain
        )
    except (TypeError, ValueError) as error:
        raise ValueError(f"{error} (in {str(value)[:200]})") from None
    return text.encode()


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "item") and getattr(value, "shape", None) == ():  # numpy scalars
        return value.item()
    if hasattr(value, "tolist"):  # numpy arrays
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} has no JSON form")


def without_undefined(value: Any) -> Any:
    """Return a copy of JSON-able data in which floats that are not finite are None, as JSON demands."""
    if isinstance(value, Mapping):
        return {key: without_undefined(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [without_undefined(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def fingerprint(**parts: Any) -> str:
    """Return the SHA-256 (64 hexadecimal digits) of named, JSON-able parts.

    Name every part that decides the result, e.g. ``fingerprint(inputs=..., options=...,
    code=code_fingerprint(...))``.
    """
    return hashlib.sha256(canonical_json(parts)).hexdigest()


@functools.cache
def code_fingerprint(*rooms: str) -> str:
    """Return the SHA-256 of the source of some subpackages or modules, and of the package's version.

    Parameters
    ----------
    rooms
        Names below ``jpasbatch``, dotted: ``"photometry"`` (with its data files), ``"learning.inference"``.

    Raises
    ------
    ValueError
        When a name is neither a subpackage nor a module of the package.
    """
    digest = hashlib.sha256(f"jpasbatch {getattr(jpasbatch, '__version__', '')}\n".encode())
    for room in sorted(set(rooms)):
        folder = _PACKAGE.joinpath(*room.split("."))
        module = folder.with_suffix(".py")
        if folder.is_dir():
            files = sorted(
                file for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts
            )
        elif module.is_file():
            files = [module]
        else:
            raise ValueError(f"no subpackage or module jpasbatch.{room}")
        for file in files:
            content = hashlib.sha256(file.read_bytes()).hexdigest()
            digest.update(f"{file.relative_to(_PACKAGE).as_posix()} {content}\n".encode())
    return digest.hexdigest()


class Ledger:
    """Commit and quarantine records of one run, as JSON files in a folder.

    Layout: ``<folder>/<key>.json`` for commits, ``<folder>/quarantine/<key>.json`` for what failed. Keys are
    file names: letters, digits and ``. _ = -``.

    Parameters
    ----------
    folder
        Created by the first commit or quarantine; an absent folder is an empty ledger.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def commit(self, key: str, record: Mapping[str, Any]) -> bool:
        """Record that `key` is done; return False, and keep the first record, when it was done before."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        return create_once(path, _seal(record))

    def read(self, key: str) -> dict[str, Any] | None:
        """Return the record of `key`, or None when it is not done.

        Raises
        ------
        InputError
            When the record was damaged after it was written.
        """
        return _unseal(self._path(key))

    def keys(self) -> list[str]:
        """Return the keys of all commits, sorted."""
        return sorted(path.stem for path in self.folder.glob("*.json") if not path.name.startswith("."))

    def forget(self, key: str) -> None:
        """Remove the commit of `key`, so that it is done again (its file was found damaged or missing)."""
        path = self._path(key)
        path.unlink(missing_ok=True)
        if path.parent.is_dir():
            fsync_folder(path.parent)

    def quarantine(self, key: str, record: Mapping[str, Any]) -> None:
        """Record why `key` cannot be done; a later failure replaces the record."""
        path = self._path(key, quarantined=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, _seal(record))

    def quarantined(self) -> dict[str, dict[str, Any]]:
        """Return the quarantine records by key, without those of keys that were committed later."""
        done = set(self.keys())
        records = {}
        for path in sorted((self.folder / "quarantine").glob("*.json")):
            if path.name.startswith(".") or path.stem in done:
                continue
            record = _unseal(path)
            if record is not None:
                records[path.stem] = record
        return records

    def release(self, key: str) -> None:
        """Take `key` out of quarantine, so that the next run tries it again."""
        self._path(key, quarantined=True).unlink(missing_ok=True)

    def _path(self, key: str, quarantined: bool = False) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError(
                f"ledger key {key!r}: allowed are letters, digits and . _ = -, at most 200 of them"
            )
        return (self.folder / "quarantine" if quarantined else self.folder) / f"{key}.json"


def _seal(record: Mapping[str, Any]) -> bytes:
    body = canonical_json(dict(record))
    return b'{"record":' + body + b',"sha256":"' + hashlib.sha256(body).hexdigest().encode() + b'"}\n'


def _unseal(path: Path) -> dict[str, Any] | None:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        envelope = json.loads(data)
        record = envelope["record"]
        whole = data == _seal(record) and isinstance(record, dict)
    except (ValueError, KeyError, TypeError):
        whole = False
        record = {}
    if not whole:
        raise InputError(
            f"The ledger record {path} is damaged: its contents do not match the SHA-256 written with them. "
            "Delete that file and run the same command again; the partition is then computed again."
        )
    return record
