"""Readers while new versions are published without a pause: ``python -m tests.crash.reading FOLDER --opens 10000``.

Every row of a version carries its number, so that a mixture shows. A publisher in a process of its own publishes one
version after the other, with other rows and other partitions; the reader opens the collection, by turns as hats does
and as jpasbatch does, and reads all of it. ``--in-place`` is the control: the publisher writes every version into one
folder.
"""

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jpasbatch.errors import JpasbatchError
from jpasbatch.storage.catalogue.collection import open_catalogue
from jpasbatch.storage.catalogue.partitions import partition_file, read_partition, write_partition
from jpasbatch.storage.catalogue.primary import PrimaryOptions, publish_primary
from jpasbatch.storage.stores.opening import open_store

ORDER, MAP_ORDER, ROWS = 3, 4, 20
VERSION = "version"
PATIENCE = 60.0
FEWEST_VERSIONS = 3
"""That a reader must have seen, however slow the machine is."""


def pixels(version: int) -> list[int]:
    """Return the partitions of a version: five, or six."""
    return list(range(5 + version % 2))


def rows_of(version: int, pixel: int) -> pa.Table:
    index = (pixel << 2 * (29 - ORDER)) + np.arange(ROWS, dtype=np.int64)
    columns = {"_healpix_29": index, "object_id": index, "ra": np.zeros(ROWS), "dec": np.zeros(ROWS)}
    return pa.table({**columns, VERSION: np.full(ROWS, version)})


def publish(sky: Path, version: int) -> None:
    """Publish a version."""
    records = []
    for pixel in pixels(version):
        staged = write_partition(rows_of(version, pixel), open_store(sky), ".staging", f"{ORDER}_{pixel}")
        records.append(staged.facts((ORDER, pixel), "", "0" * 64).to_record())
    options = PrimaryOptions(map_order=MAP_ORDER)
    publish_primary(sky, "photometry", records, rows_of(0, 0).schema, {VERSION: version}, options)


def rewrite(sky: Path, version: int) -> None:
    """Write a version over the one that is there (the control)."""
    folder = open_catalogue(sky).path
    for pixel in pixels(0):
        pq.write_table(rows_of(version, pixel), folder / partition_file(ORDER, pixel))


def publish_until(sky: Path, in_place: bool) -> None:
    """Publish until the file ``stop`` appears."""
    version = 0
    while not (sky / "stop").exists():
        (rewrite if in_place and version else publish)(sky, version)
        (sky / "started").touch()
        version += 2 if in_place else 1
    print(version)


def read_once(sky: Path, with_hats: bool) -> str:
    """Open the collection and read every row; return ``whole``, ``mixed`` or ``error``."""
    try:
        if with_hats:
            from hats import read_hats

            catalogue = read_hats(sky).main_catalog  # type: ignore[union-attr]
            files = [Path(catalogue.catalog_path) / partition_file(*pixel) for pixel in _pairs(catalogue)]
        else:
            ours = open_catalogue(sky)
            files = [ours.partition_path(*pixel) for pixel in ours.pixels]
        versions = np.concatenate([read_partition(file, [VERSION])[VERSION].to_numpy() for file in files])
    except (OSError, ValueError, KeyError, pa.ArrowException, JpasbatchError) as error:
        print(repr(error)[:200], file=sys.stderr)
        return "error"
    version = int(versions[0])
    whole = len(versions) == ROWS * len(pixels(version)) and bool(np.all(versions == version))
    return f"whole {version}" if whole else "mixed"


def _pairs(catalogue: object) -> list[tuple[int, int]]:
    return [(pixel.order, pixel.pixel) for pixel in catalogue.get_healpix_pixels()]  # type: ignore[attr-defined]


def read(sky: Path, opens: int, in_place: bool = False) -> dict[str, float]:
    """Read so many times while a publisher publishes, and count what was seen."""
    sky.mkdir(parents=True)
    publish(sky, 0)
    command = [sys.executable, "-W", "ignore", "-m", "tests.crash.reading", str(sky), "--publisher"]
    publisher = subprocess.Popen(
        [*command, *(["--in-place"] if in_place else [])], stdout=subprocess.PIPE, text=True
    )
    seen: Counter[str] = Counter()
    try:
        deadline = time.monotonic() + PATIENCE
        while not (sky / "started").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        begin = time.monotonic()
        while seen.total() < opens or (len(seen) < FEWEST_VERSIONS and time.monotonic() < begin + PATIENCE):
            seen[read_once(sky, seen.total() % 2 == 0)] += 1
    finally:
        (sky / "stop").touch()
        published = int(publisher.communicate(timeout=60)[0])
    assert publisher.returncode == 0
    return {
        "opens": seen.total(),
        "errors": seen["error"],
        "mixed": seen["mixed"],
        "versions published": published,
        "versions seen": sum(name.startswith("whole") for name in seen),
        "seconds": round(time.monotonic() - begin, 1),
    }


def main() -> None:
    """Publish, or read and print what was seen."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sky", type=Path, metavar="FOLDER", help="of the collection; it must not exist")
    parser.add_argument("--opens", type=int, default=10_000)
    parser.add_argument("--in-place", action="store_true")
    parser.add_argument("--publisher", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.publisher:
        publish_until(options.sky, options.in_place)
    else:
        print(json.dumps(read(options.sky, options.opens, options.in_place)))


if __name__ == "__main__":
    main()
