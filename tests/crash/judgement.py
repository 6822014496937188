"""What became of every partition of a published version, compared with that of an undisturbed run."""

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from jpasbatch.storage.stores.files import sha256_file

FAULTS = ("lost", "duplicated", "torn", "differing")


def data_files(version: Path) -> dict[str, str]:
    """Return the SHA-256 of all partitions of a version, by their path in it."""
    files = sorted((version / "dataset").rglob("*.parquet"))
    return {path.relative_to(version).as_posix(): sha256_file(path) for path in files}


def differences(found: dict[str, str], wanted: dict[str, str]) -> list[str]:
    """Return the files that are lost, torn, different or extra."""
    return sorted(path for path in found.keys() | wanted.keys() if found.get(path) != wanted.get(path))


def judge(found: Path, wanted: Path) -> dict[str, int]:
    """Count the faults of a version.

    A partition is lost when it or some of its rows are not there, duplicated when there is one that should not
    be or an object is in it twice, torn when it cannot be read, and differing when its bytes are others.
    """
    faults = Counter(dict.fromkeys(FAULTS, 0))
    have, want = data_files(found), data_files(wanted)
    for path in have.keys() | want.keys():
        if path not in have:
            faults["lost"] += 1
        elif path not in want:
            faults["duplicated"] += 1
        elif have[path] != want[path]:
            faults[_fault(found / path, wanted / path)] += 1
    return dict(faults)


def _fault(found: Path, wanted: Path) -> str:
    try:
        objects = _objects(found)
    except (OSError, pa.ArrowException):
        return "torn"
    if len(set(objects)) < len(objects):
        return "duplicated"
    return "lost" if set(_objects(wanted)) - set(objects) else "differing"


def _objects(path: Path) -> list[int]:
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        return file.read().column("object_id").to_pylist()
