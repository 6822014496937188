"""What nothing reaches any more in a store: objects that prove to be ours, and how old they are.

As `jpasbatch.storage.catalogue.pruning` on disk, object by object: a bucket has no folders that could be renamed or
that are ours as a whole. Of a version those go that its own provenance and the layout of HATS name; of a run the
commits that carry their own hash, and the files that they name. All else stays, wherever it lies.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from jpasbatch.errors import InputError
from jpasbatch.storage.catalogue.assembly import PROVENANCE
from jpasbatch.storage.catalogue.ownership import (
    RUN,
    STAGED,
    VERSION,
    describes_margin,
    describes_ours,
    read_properties,
)
from jpasbatch.storage.catalogue.partitions import partition_file
from jpasbatch.storage.catalogue.pruning import Remnant
from jpasbatch.storage.stores.exclusion import LEFT, Check
from jpasbatch.storage.stores.ledger import Ledger
from jpasbatch.storage.stores.store import Store

PROPERTIES = "hats.properties"
LAYOUT = re.compile(
    r"(properties|partition_info\.csv|point_map\.fits|skymap(\.[0-9]+)?\.fits|"
    r"dataset/(_metadata|_common_metadata|data_thumbnail\.parquet))"
)
"""Objects of a catalogue besides its partitions and what proves that it is ours."""
PARTITION = re.compile(r"dataset/Norder=[0-9]+/Dir=[0-9]+/Npix=[0-9]+\.parquet")


def stored_versions(store: Store, changes: Mapping[str, float]) -> Iterator[Remnant]:
    """Yield the versions of catalogues in a store, each with its margins and the object that describes it to readers.

    Its age counts from when readers could last find it: from the note that those leave who point elsewhere, else
    from the last change of the version or of the pointer.

    Parameters
    ----------
    store : Store
        Its root holds the pointer.
    changes : mapping of str to float
        When each object changed.
    """
    by_folder = _by_folder(changes)
    pointer = max((when for key, when in changes.items() if key == "collection.properties"), default=0.0)
    for name in sorted(by_folder):
        found = VERSION.fullmatch(name)
        if not found or found["version"] != name:
            continue
        if not describes_ours(read_properties(store.read(f"{name}/{PROPERTIES}")), name):
            continue
        margins = [
            one
            for one in sorted(by_folder)
            if re.fullmatch(rf"{re.escape(name)}_[0-9a-z]+arcs", one)
            and describes_margin(read_properties(store.read(f"{one}/{PROPERTIES}")), one, name)
        ]
        described = [key for key in (f"{name}.properties",) if key in changes]
        keys = [*described, *(key for one in margins for key in _own_objects(store, one, by_folder[one]))]
        keys += _own_objects(store, name, by_folder[name])
        changed = max(changes.get(f"{LEFT}/{name}", pointer), *(changes[key] for key in keys))
        keys += [key for key in (f"{LEFT}/{one}" for one in (name, *margins)) if key in changes]
        names = frozenset({name, f"{name}.properties", *margins})
        yield Remnant("version", _paths(keys), names, changed, f"{store}/{found['family']}")


def _own_objects(store: Store, folder: str, names: Collection[str]) -> list[str]:
    """Return the objects of a catalogue that it names itself, those that prove that it is ours last."""
    partitions = _described(store.read(f"{folder}/{PROVENANCE}"))
    own = [
        name
        for name in sorted(names)
        if LAYOUT.fullmatch(name)
        or (name in partitions if partitions is not None else PARTITION.fullmatch(name))
    ]
    proofs = [name for name in (PROVENANCE, PROPERTIES) if name in names]
    return [f"{folder}/{name}" for name in (*own, *proofs)]


def _described(provenance: bytes | None) -> set[str] | None:
    """Return the partitions that a version names; None for a margin, which has no provenance."""
    if provenance is None:
        return None
    try:
        records = json.loads(provenance)["partitions"]
        return {partition_file(one["order"], one["pixel"]).as_posix() for one in records}
    except (ValueError, KeyError, TypeError):
        return set()


def stored_run(store: Store, folder: str, name: str, changes: Mapping[str, float]) -> Iterator[Remnant]:
    """Yield a run as one remnant: its commits, then the files that they name.

    A commit whose hash is not that of its contents proves nothing, and stays with its files.
    """
    ledger = f"{folder}/ledger/"
    commits = dict(_commits(store, folder, changes))
    files = {file for record in commits.values() for file in _files(record, changes)}
    held = [
        key
        for key in changes
        if key.startswith(f"{ledger}quarantine/") and _proves(store, f"{folder}/ledger/quarantine", key)
    ]
    keys = [*(f"{ledger}{key}.json" for key in commits), *held, *sorted(files)]
    if keys:
        yield Remnant("run", _paths(keys), frozenset({name}), max(changes[key] for key in keys))


def stored_commits(
    store: Store, folder: str, live: Collection[str], changes: Mapping[str, float]
) -> Iterator[Remnant]:
    """Yield the commits of a run whose keys are not live, each before its files."""
    for key, record in _commits(store, folder, changes):
        if key not in live:
            path = f"{folder}/ledger/{key}.json"
            yield Remnant("commit", _paths([path, *_files(record, changes)]), frozenset({key}), changes[path])


def staged_without_commit(
    store: Store, runs: Mapping[str, str], changes: Mapping[str, float]
) -> Iterator[Remnant]:
    """Yield staged partitions that no commit names, of runs that have commits, and none that is damaged.

    Parameters
    ----------
    store : Store
    runs : mapping of str to str
        The folder of each run, by its name, which that of its staged partitions bears too.
    changes : mapping of str to float
        When each object changed.
    """
    staged: dict[str, list[str]] = {}
    for key in changes:
        parts = PurePosixPath(key).parts
        if (
            len(parts) == 3
            and parts[0] == ".staging"
            and RUN.fullmatch(parts[1])
            and STAGED.fullmatch(parts[2])
        ):
            staged.setdefault(parts[1], []).append(key)
    for run, keys in sorted(staged.items()):
        folder = runs.get(run, "")
        commits = dict(_commits(store, folder, changes)) if folder else {}
        written = [key for key in changes if PurePosixPath(key).parent.as_posix() == f"{folder}/ledger"]
        if not commits or len(commits) < len(written):  # a commit that cannot be read may name any of them
            continue
        named = {PurePosixPath(file).name for record in commits.values() for file in _files(record, changes)}
        for key in keys:
            if (name := PurePosixPath(key).name) not in named:
                yield Remnant("staged file", _paths([key]), frozenset({name}), changes[key])


def stored_runs(changes: Mapping[str, float]) -> dict[str, dict[str, str]]:
    """Return the folders of the runs in a store, by stage and by name."""
    found: dict[str, dict[str, str]] = {}
    for key in changes:
        parts = PurePosixPath(key).parts
        if len(parts) > 3 and parts[0] == ".runs" and RUN.fullmatch(parts[2]):
            found.setdefault(parts[1], {})[parts[2]] = "/".join(parts[:3])
    return found


def _commits(store: Store, folder: str, changes: Mapping[str, float]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the commits of a run that are whole, with their keys."""
    prefix = f"{folder}/ledger/"
    keys = [key.removeprefix(prefix).removesuffix(".json") for key in changes if key.startswith(prefix)]
    ledger = Ledger(store.within(prefix.rstrip("/")))
    for key in keys:
        if "/" in key:
            continue
        try:
            record = ledger.read(key)
        except (InputError, ValueError):
            continue
        if record is not None:
            yield key, record


def _files(record: Mapping[str, Any], changes: Mapping[str, float]) -> list[str]:
    """Return the objects that a commit names and that are there, where workers write and nowhere else."""
    named = record.get("files", ())
    return [file for file in named if file in changes and file.startswith((".runs/", ".staging/"))]


def _proves(store: Store, folder: str, key: str) -> bool:
    try:
        return Ledger(store.within(folder)).read(PurePosixPath(key).name.removesuffix(".json")) is not None
    except (InputError, ValueError):
        return False


def _by_folder(changes: Mapping[str, float]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key in changes:
        folder, _, name = key.partition("/")
        if name:
            found.setdefault(folder, []).append(name)
    return found


def _paths(keys: Collection[str]) -> tuple[Path, ...]:
    return tuple(map(Path, keys))


def remove_objects(store: Store, remnants: Collection[Remnant], check: Check) -> None:
    """Remove remnants, object by object in their order; what a killed one leaves still proves to be ours."""
    for remnant in remnants:
        check()
        for path in remnant.paths:
            store.remove(path.as_posix())
