"""Seals what each stage published when it finished, so that damage is seen before anything builds on it.

The stage that published it makes it again. Its seals lie in ``work/seals/<stage>.json``; they belong to no fingerprint.
What an older version made has none; it is believed as before until its stage runs again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jpasbatch.errors import InputError
from jpasbatch.storage.catalogue.assembly import PROVENANCE
from jpasbatch.storage.catalogue.partitions import partition_file
from jpasbatch.storage.stores.files import write_atomically
from jpasbatch.storage.stores.seals import Fault, Seal, seal_files

SEALS = "work/seals"

PUBLISHED = {
    "ingest": ("catalogue",),
    "train": ("committee",),
    "infer": ("predictions",),
    "correct": ("posteriors", "prior"),
}
"""Keys of the records of stages that name what they published, relative to the output folder."""

BESIDE = {
    "inspect": ("zero_points.ecsv", "zero_points.parquet"),
    "train": ("committee/current",),
    "evaluate": ("evaluation",),
    "summarise": ("counts", "expected", "reliability", "targets", "report", "report.html", "summary.json"),
}
"""What stages publish under names that never change."""


def places(folder: Path, stage: str, record: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a stage published, relative to the output folder: versions with what belongs to them, products."""
    for key in PUBLISHED.get(stage, ()):
        place = record.get(key)
        if isinstance(place, str) and not Path(place).is_absolute() and "://" not in place:
            yield place
            if Path(place).parts[0] == "sky":
                yield f"{place}.properties"
                for margin in sorted(folder.glob(f"{place}_*arcs")):
                    yield margin.relative_to(folder).as_posix()
    yield from BESIDE.get(stage, ())
    for room in ("quarantine", "duplicates"):
        for beside in sorted((folder / room).glob(f"{stage}-{record['fingerprint'][:12]}*")):
            yield beside.relative_to(folder).as_posix()


def seal_stage(folder: Path, stage: str, record: Mapping[str, Any]) -> None:
    """Seal what a stage published, after it finished."""
    named = list(places(folder, stage, record))
    known: dict[str, str] = {}
    for place in named:
        known |= _hashes_of_partitions(folder, place)
    seals = seal_files(folder, named, known)
    content = {
        "fingerprint": record["fingerprint"],
        "files": {name: list(seal) for name, seal in seals.items()},
    }
    path = folder / SEALS / f"{stage}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, (json.dumps(content, sort_keys=True) + "\n").encode())


def read_seals(folder: Path, stage: str, record: Mapping[str, Any]) -> dict[str, Seal] | None:
    """Return the seals of what a stage published; None where it has none.

    Raises
    ------
    InputError
        When they are damaged.
    """
    path = folder / SEALS / f"{stage}.json"
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_bytes())
        seals = {
            str(name): Seal(int(size), int(changed), str(digest))
            for name, (size, changed, digest) in content["files"].items()
        }
        fingerprint = content["fingerprint"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: the seals of stage '{stage}' are damaged ({error!r}); run `jpasbatch repair`"
        ) from None
    return seals if fingerprint == record["fingerprint"] else None


def damaged_seals(folder: Path, stage: str) -> Fault:
    """Return the fault that stands for seals which cannot be read."""
    return Fault(f"{SEALS}/{stage}.json", "holds no seals that can be read")


def _hashes_of_partitions(folder: Path, place: str) -> dict[str, str]:
    """Return the hashes that a version of a catalogue tells of its own partitions, by path."""
    file = folder / place / PROVENANCE
    if not file.is_file():
        return {}
    try:
        records = json.loads(file.read_bytes())["partitions"]
        return {
            f"{place}/{partition_file(one['order'], one['pixel']).as_posix()}": one["sha256"]
            for one in records
            if one["rows"]
        }
    except (ValueError, KeyError, TypeError):
        return {}
