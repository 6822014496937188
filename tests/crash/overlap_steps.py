"""The resolution of overlapping tiles dies at steps of it: ``python -m tests.crash.overlap_steps FOLDER``.

FOLDER is empty. A sky of three tiles is written there once. Each crash is that of a fork, in a copy: it dies before a
step, or with the power, and the same is run again. A line of JSON a crash is printed, with the step and what was wrong
after it.
"""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import scipy.sparse.csgraph
import scipy.spatial  # noqa: F401  # here, and not in each fork

from jpasbatch.compute.clusters.registry import open_cluster
from jpasbatch.compute.clusters.serial import SerialCluster
from jpasbatch.stages.ingest.overlaps import resolve_overlaps
from jpasbatch.stages.ingest.reading import CheckedTable
from jpasbatch.stages.run.commits import Run
from jpasbatch.storage.stores.files import sha256_file
from tests.crash.dying import Dying
from tests.crash.steps import in_a_fork
from tests.stages.ingest.test_overlaps import OVERLAP, SECTION, make_sky, observe, write_canonical

TILES, OBJECTS = 3, 300


def write_sky(folder: Path) -> list[CheckedTable]:
    """Write the accepted rows of the tiles, and return their records."""
    sky = make_sky(OBJECTS)
    return [
        write_canonical(folder, f"{tile}.parquet", tile, *observe(sky, tile, OVERLAP))
        for tile in range(TILES)
    ]


def resolve(folder: Path, records: list[CheckedTable]) -> dict[str, Any]:
    """Resolve the tiles; return what came of them, and the hash of each table that is left."""
    with open_cluster(SerialCluster()) as executor:
        found = resolve_overlaps(records, "jpas60", SECTION, Run(str(folder), "."), executor)
    tables = [folder / "accepted" / record.name for record in found.records] + found.dropped
    hashes = {path.relative_to(folder).as_posix(): sha256_file(path) for path in tables}
    return {"records": [record.to_record() for record in found.records], "rows": found.rows, "files": hashes}


def dying(folder: Path, records: list[CheckedTable], step: int, power: bool) -> list[str]:
    """Resolve and die at a step; return the names of all steps when it is never reached."""
    keepsakes = folder.with_name("keepsakes")
    shutil.rmtree(keepsakes, ignore_errors=True)
    keepsakes.mkdir()
    watched = Dying(folder, keepsakes, step, power)
    watched.arm()
    resolve(folder, records)
    return watched.names


def main() -> None:
    """Crash at every N-th step."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("place", type=Path)
    parser.add_argument("--power", action="store_true")
    parser.add_argument("--every", type=int, default=1)
    options = parser.parse_args()
    sky, folder, answer = (options.place.resolve() / name for name in ("sky", "run", "answer.json"))
    records = write_sky(sky)
    shutil.copytree(sky, folder)
    _, wanted = in_a_fork(lambda: resolve(folder, records), answer)
    assert wanted["rows"] > 0
    shutil.rmtree(folder)
    shutil.copytree(sky, folder)
    _, names = in_a_fork(lambda: dying(folder, records, -1, options.power), answer)
    for step, name in list(enumerate(names))[:: options.every]:
        shutil.rmtree(folder)
        shutil.copytree(sky, folder)
        status, _ = in_a_fork(lambda step=step: dying(folder, records, step, options.power), answer)
        problems = [] if status == -9 else [f"ended with {status} and not by SIGKILL"]
        _, left = in_a_fork(lambda: resolve(folder, records), answer)
        if left != wanted:
            problems.append("the next run left something else" if left else "the next run failed")
        print(json.dumps({"step": name, "problems": problems}), flush=True)


if __name__ == "__main__":
    main()
