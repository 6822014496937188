"""What is done, for which fingerprint, and what failed: create-once commit records in a store.

A ledger is the only memory of a run: the cluster may forget everything. A partition is done when, and only
when, its record exists. Records are created once (see `jpasbatch.storage.stores.store.Store`), because a
frozen worker that comes back makes the scheduler run the same task twice, and both copies finish. Each record
carries its own SHA-256.

Give each fingerprint of inputs, options and algorithms its own folder: then changed options find an empty ledger,
and rows of two models cannot meet in one catalogue.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from jpasbatch.errors import InputError
from jpasbatch.storage.stores.opening import open_store
from jpasbatch.storage.stores.store import Store

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=-]{0,199}")
_QUARANTINE = "quarantine"


def canonical_json(value: Any) -> bytes:
    """Serialise a value to the one JSON text that all equal values share (sorted keys, no spaces, UTF-8).

    Tuples become lists, dataclasses tables; paths become strings.

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
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
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
    algorithms=algorithm_numbers(...))``.
    """
    return hashlib.sha256(canonical_json(parts)).hexdigest()


class Ledger:
    """Commit and quarantine records of one run, as JSON files.

    Layout: ``<key>.json`` for commits, ``quarantine/<key>.json`` for what failed. Keys are
    file names: letters, digits and ``. _ = -``.

    Parameters
    ----------
    place
        A folder, or a store. A folder is created by the first commit or quarantine; an absent one is an empty ledger.
    """

    def __init__(self, place: Path | Store) -> None:
        self.store = open_store(place)

    def commit(self, key: str, record: Mapping[str, Any]) -> bool:
        """Record that `key` is done; return False, and keep the first record, when it was done before."""
        return self.store.create(_file(key), _seal(record))

    def read(self, key: str) -> dict[str, Any] | None:
        """Return the record of `key`, or None when it is not done.

        Raises
        ------
        InputError
            When the record was damaged after it was written.
        """
        return self._unseal(_file(key), self.store.read(_file(key)))

    def records(self, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return the records of those keys that are done; see `read`."""
        there = self.store.keys()
        files = {_file(key): key for key in keys if _file(key) in there}
        found = {}
        for file, data in self.store.read_each(files):
            record = self._unseal(file, data)
            if record is not None:
                found[files[file]] = record
        return found

    def keys(self) -> list[str]:
        """Return the keys of all commits, sorted."""
        return _keys(name for name in sorted(self.store.keys()) if "/" not in name)

    def forget(self, key: str) -> None:
        """Remove the commit of `key`, so that it is done again (its file was found damaged or missing)."""
        self.store.remove(_file(key))

    def quarantine(self, key: str, record: Mapping[str, Any]) -> None:
        """Record why `key` cannot be done; a later failure replaces the record."""
        self.store.put(f"{_QUARANTINE}/{_file(key)}", _seal(record))

    def quarantined(self) -> dict[str, dict[str, Any]]:
        """Return the quarantine records by key, without those of keys that were committed later."""
        held = _keys(name.removeprefix(f"{_QUARANTINE}/") for name in self.store.keys(_QUARANTINE))
        done = set(self.keys())
        records = {}
        for key in held:
            file = f"{_QUARANTINE}/{_file(key)}"
            record = None if key in done else self._unseal(file, self.store.read(file))
            if record is not None:
                records[key] = record
        return records

    def release(self, key: str) -> None:
        """Take `key` out of quarantine, so that the next run tries it again."""
        self.store.remove(f"{_QUARANTINE}/{_file(key)}")

    def _unseal(self, file: str, data: bytes | None) -> dict[str, Any] | None:
        if data is None:
            return None
        try:
            record = json.loads(data)["record"]
            whole = data == _seal(record) and isinstance(record, dict)
        except (ValueError, KeyError, TypeError):
            whole = False
            record = {}
        if not whole:
            raise InputError(
                f"The ledger record {self.store}/{file} is damaged: its contents do not match the SHA-256 written with "
                "them. Delete that file and run the same command again; the partition is then computed again."
            )
        return record


def _file(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise ValueError(f"ledger key {key!r}: allowed are letters, digits and . _ = -, at most 200 of them")
    return f"{key}.json"


def _keys(names: Iterable[str]) -> list[str]:
    return sorted(
        name.removesuffix(".json") for name in names if name.endswith(".json") and not name.startswith(".")
    )


def _seal(record: Mapping[str, Any]) -> bytes:
    body = canonical_json(dict(record))
    return b'{"record":' + body + b',"sha256":"' + hashlib.sha256(body).hexdigest().encode() + b'"}\n'
