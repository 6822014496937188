"""Trained committees on disk: immutable, hashed, and read without executing anything.

Layout of a folder of committees::

    <folder>/current                       name of the version in use, replaced atomically
    <folder>/<name>-<sha12>/manifest.json  what it is: survey, bands, features, classes, seeds, versions, scores
    <folder>/<name>-<sha12>/committee.onnx the members as one graph
    <folder>/<name>-<sha12>/validation.npz what they say of the validation sample
    <folder>/<name>-<sha12>/ordinary.npz   what ordinary objects look like, and how far they stray from it
    <folder>/<name>-<sha12>/curves.*       how its members learnt, for people: no part of its contents

The version's name is the hash of its contents, so that a changed committee is another folder and an older one
stays.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jpasbatch.errors import InputError
from jpasbatch.storage.stores.files import fsync_folder, fsync_tree, temporary_name, write_atomically
from jpasbatch.storage.stores.ledger import canonical_json, fingerprint, without_undefined
from jpasbatch.storage.stores.opening import open_store
from jpasbatch.storage.stores.store import Store

FORMAT = "jpasbatch-committee-1"
log = logging.getLogger(__name__)

POINTER = "current"
MANIFEST = "manifest.json"
GRAPH = "committee.onnx"
VALIDATION = "validation.npz"
ORDINARY = "ordinary.npz"
_REMEDY = "Restore it from a copy, or train again."
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def save_committee(
    folder: Path,
    manifest: Mapping[str, Any],
    graph: bytes,
    validation: bytes | None = None,
    ordinary: bytes | None = None,
    notes: Mapping[str, bytes] | None = None,
) -> Path:
    """Save a committee as an immutable version and make it the current one.

    Saving the same contents again returns the same version. Floats of the manifest that are not finite are
    saved as null (an undefined score), because JSON has no other form for them.

    Parameters
    ----------
    folder
        Folder of committees; created when absent.
    manifest
        JSON-able description; its key ``name`` (default "committee") begins the version's name.
    graph
        Serialised ONNX model.
    validation
        Arrays of the validation sample, for who corrects probabilities for another mix of classes.
    ordinary
        Arrays of what ordinary objects look like.
    notes
        Files by name that are kept beside the contents and are no part of them. A version that is there keeps its own.

    Returns
    -------
    Path
        Folder of the version, ``<folder>/<name>-<first 12 digits of the SHA-256>``.
    """
    description = without_undefined(dict(manifest))
    name = str(description.get("name", "committee"))
    _check_savable(name, graph)
    optional = {"validation": (VALIDATION, validation), "ordinary": (ORDINARY, ordinary)}
    beside = {key: (file, data) for key, (file, data) in optional.items() if data}
    files = {GRAPH: graph} | dict(beside.values())
    contents = {
        "format": FORMAT,
        "graph": _described(GRAPH, graph),
        **{key: _described(file, data) for key, (file, data) in beside.items()},
        "manifest": description,
    }
    digest = fingerprint(**contents)
    version = Path(folder) / f"{name}-{digest[:12]}"
    version.parent.mkdir(parents=True, exist_ok=True)
    _keep_version(version, contents | {"sha256": digest}, files, notes or {})
    if (version.parent / POINTER).is_file():
        with contextlib.suppress(InputError):
            # it was in use until now: `prune` counts its age from here
            os.utime(committee_version(version.parent))
    write_atomically(version.parent / POINTER, f"{version.name}\n".encode())
    return version


def _check_savable(name: str, graph: bytes) -> None:
    if not _NAME.fullmatch(name):
        raise InputError(
            f"Committee name {name!r}: allowed are letters, digits and . _ -, at most 100 of them."
        )
    if not graph:
        raise InputError("The graph of the committee is empty (0 bytes): nothing was saved.")


def _keep_version(
    version: Path, contents: Mapping[str, Any], files: Mapping[str, bytes], notes: Mapping[str, bytes]
) -> None:
    """Write a version that is not there yet, or is damaged; give one that is there the notes that it lacks."""
    if not version.is_dir():
        _write_version(version, contents, {**notes, **files})
    elif _is_damaged(version, contents, files):
        log.warning("%s was saved before, and is damaged; it is saved again", version)
        damaged = temporary_name(version)
        version.rename(damaged)
        _write_version(version, contents, {**notes, **files})
        shutil.rmtree(damaged, ignore_errors=True)
    else:
        for file, data in notes.items():
            if not (version / file).exists():
                write_atomically(version / file, data)


def _described(file: str, data: bytes) -> dict[str, Any]:
    return {"file": file, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def _is_damaged(version: Path, contents: Mapping[str, Any], files: Mapping[str, bytes]) -> bool:
    """Return whether a version that is there is not what would be saved now."""
    try:
        described = _check_manifest(str(version / MANIFEST), (version / MANIFEST).read_bytes())
        return described["sha256"] != contents["sha256"] or any(
            (version / file).read_bytes() != data for file, data in files.items()
        )
    except (OSError, InputError):
        return True


def _write_version(version: Path, contents: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
    aside = temporary_name(version)
    aside.mkdir()
    try:
        for file, data in files.items():
            (aside / file).write_bytes(data)
        text = json.dumps(json.loads(canonical_json(contents)), indent=2, sort_keys=True, ensure_ascii=False)
        (aside / MANIFEST).write_text(text + "\n", encoding="utf-8")
        fsync_tree(aside)
        try:
            aside.rename(version)
        except OSError:
            # Another process saved the same contents between our look and now; anything else is an error.
            if not version.is_dir():
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    fsync_folder(version.parent)


def load_committee(place: Path | Store) -> tuple[dict[str, Any], bytes]:
    """Load a committee and verify every byte of it. Nothing in it is executed or unpickled.

    Parameters
    ----------
    place
        Folder or store of one version, or the folder of committees, whose pointer ``current`` is followed.

    Returns
    -------
    manifest : dict
        As it was given to `save_committee`.
    graph : bytes
        Serialised ONNX model.

    Raises
    ------
    InputError
        When a file is missing, truncated, changed, or of another format.
    """
    store = open_store(committee_version(place) if isinstance(place, Path) else place)
    contents = _check_manifest(f"{store}/{MANIFEST}", _read(store, MANIFEST))
    return contents["manifest"], _checked(store, contents["graph"], GRAPH, "graph")


def committee_fingerprint(place: Path | Store) -> str:
    """Return the SHA-256 of all that a committee is: its graph, its manifest and what lies beside them.

    Raises
    ------
    InputError
        When the manifest is missing or was changed.
    """
    store = open_store(committee_version(place) if isinstance(place, Path) else place)
    return str(_check_manifest(f"{store}/{MANIFEST}", _read(store, MANIFEST))["sha256"])


def load_validation(place: Path | Store) -> tuple[bytes, str]:
    """Load what a committee says of its validation sample, and verify every byte; return it with its SHA-256.

    Raises
    ------
    InputError
        When the committee was saved without, or a file is missing, truncated or changed.
    """
    store = open_store(committee_version(place) if isinstance(place, Path) else place)
    contents = _check_manifest(f"{store}/{MANIFEST}", _read(store, MANIFEST))
    if "validation" not in contents:
        raise InputError(
            f"{store} holds a committee without its validation sample, so that probabilities cannot be corrected for "
            "the mix of classes of a sky: train it again, name labelled objects in [prior] validation, or set "
            '[prior] kind = "none"'
        )
    data = _checked(store, contents["validation"], VALIDATION, "validation sample")
    return data, str(contents["validation"]["sha256"])


def load_ordinary(place: Path | Store) -> bytes | None:
    """Load what a committee knows of ordinary objects, and verify every byte; None if it was saved without.

    Raises
    ------
    InputError
        When a file is missing, truncated or changed.
    """
    store = open_store(committee_version(place) if isinstance(place, Path) else place)
    contents = _check_manifest(f"{store}/{MANIFEST}", _read(store, MANIFEST))
    if "ordinary" not in contents:
        return None
    return _checked(store, contents["ordinary"], ORDINARY, "record of ordinary objects")


def _checked(store: Store, expected: Mapping[str, Any], file: str, what: str) -> bytes:
    data = _read(store, file)
    found = hashlib.sha256(data).hexdigest()
    if len(data) != expected["bytes"] or found != expected["sha256"]:
        raise InputError(
            f"{store}/{file} is not the {what} that its manifest describes: found {len(data)} bytes with SHA-256 "
            f"{found[:12]}, expected {expected['bytes']} bytes with {str(expected['sha256'])[:12]}. "
            f"It was truncated or changed. {_REMEDY}"
        )
    return data


def _read(store: Store, file: str) -> bytes:
    try:
        data = store.read(file)
    except OSError as error:
        raise InputError(f"Cannot read {store}/{file}: {error.strerror}. {_REMEDY}") from None
    if data is None:
        raise InputError(f"Cannot read {store}/{file}: there is no such file. {_REMEDY}")
    return data


def copy_committee(version: Path, store: Store) -> None:
    """Copy a version of a committee into a store of its own, unless it is there, byte for byte."""
    beside = [file for file in (VALIDATION, ORDINARY) if (version / file).is_file()]
    for file in (GRAPH, *beside, MANIFEST):
        data = _read(open_store(version), file)
        if store.read(file) != data:
            store.put(file, data)


def committee_version(path: Path) -> Path:
    """Return the folder of the version that a path means: itself, or the one that its pointer names.

    Raises
    ------
    InputError
        When there is none.
    """
    if (path / MANIFEST).is_file():
        return path
    pointer = path / POINTER
    if not pointer.is_file():
        raise InputError(
            f"{path} holds no committee: neither {MANIFEST} nor the pointer {POINTER!r} is there. "
            "Name the folder that training wrote, or train first."
        )
    name = pointer.read_text(encoding="utf-8", errors="replace").strip()
    if not _NAME.fullmatch(name) or not (path / name / MANIFEST).is_file():
        raise InputError(f"{pointer} names {name[:120]!r}, which is no committee in {path}. {_REMEDY}")
    return path / name


def _check_manifest(path: str, data: bytes) -> dict[str, Any]:
    try:
        contents = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"Cannot read the manifest {path}: {error}. {_REMEDY}") from None
    if not isinstance(contents, dict) or contents.get("format") != FORMAT:
        found = contents.get("format") if isinstance(contents, dict) else type(contents).__name__
        raise InputError(f"{path}: format {found!r} is not {FORMAT!r}: another program or version wrote it.")
    missing = sorted({"graph", "manifest", "sha256"} - contents.keys())
    if missing:
        raise InputError(f"{path} lacks the keys {', '.join(missing)}: it was changed after it was written.")
    for key in ("graph", "validation", "ordinary"):
        stated = contents.get(key, {"bytes": 0, "sha256": ""})
        whole = isinstance(stated, dict) and isinstance(stated.get("bytes"), int) and "sha256" in stated
        if not whole:
            raise InputError(f"{path}: {key!r} must hold the bytes and the sha256 of a file. {_REMEDY}")
    if not isinstance(contents["manifest"], dict):
        raise InputError(
            f"{path}: 'manifest' must be a table, found {type(contents['manifest']).__name__}. {_REMEDY}"
        )
    try:
        found = fingerprint(**{key: value for key, value in contents.items() if key != "sha256"})
    except (ValueError, TypeError, RecursionError) as error:  # JSON of others may hold NaN
        raise InputError(f"{path}: holds what no manifest does ({error}). {_REMEDY}") from None
    if found != contents["sha256"]:
        raise InputError(
            f"{path} was changed after it was written: its contents hash to {found[:12]}, "
            f"recorded is {str(contents['sha256'])[:12]}. {_REMEDY}"
        )
    return contents
