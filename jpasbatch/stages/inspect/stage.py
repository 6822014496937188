"""Stage ``inspect``: photometry in; by how much the zero points of tiles look off out.

It runs where the job has the gate ``zero_point``. A commit is named after the bytes of a partition, so that partitions
which did not change are not read again.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.photometry.survey import load_survey
from jpasbatch.photometry.table import photometry_from_table
from jpasbatch.products.published import table_writers
from jpasbatch.stages.inspect.colours import FEWEST_OBJECTS, FEWEST_TILES, TileColours, ZeroPoint
from jpasbatch.stages.run.commits import Made, Run
from jpasbatch.stages.run.committed import committed, run_on_disk
from jpasbatch.stages.run.partition_names import commit_names
from jpasbatch.stages.run.records import StageRecord, finish, unchanged
from jpasbatch.stages.run.stage_facts import InspectFacts
from jpasbatch.stages.run.workspace import Workspace, stopwatch
from jpasbatch.storage.catalogue.collection import open_catalogue
from jpasbatch.storage.catalogue.partitions import partition_file, read_partition
from jpasbatch.storage.stores.files import sha256_file, written_aside
from jpasbatch.storage.stores.ledger import fingerprint
from jpasbatch.storage.stores.store import object_missing
from jpasbatch.version import __version__

log = logging.getLogger(__name__)

TITLE = "inspect: partitions"
TABLE = "zero_points"
METHOD = 1
"""Number of the method; raised when its numbers change."""

UNITS = {"colour": "mag", "offset": "mag", "error": "mag"}


def run_inspect(workspace: Workspace, executor: Executor) -> StageRecord[InspectFacts]:
    """Measure the zero points of the catalogue's tiles, write their table, and return the stage's record.

    Raises
    ------
    InputError
        When there is no catalogue.
    """
    catalogue = open_catalogue(workspace.sky)
    parts = inspect_parts(workspace)
    told = {**parts, "catalogue": catalogue.name}
    identity = fingerprint(**told)
    done = unchanged(workspace, InspectFacts, identity, told)
    if done and is_whole(workspace, done.facts):
        return done
    names = commit_names(catalogue)
    run = run_on_disk(workspace, "inspect", fingerprint(**parts))
    with stopwatch() as elapsed:
        version = f"{workspace.sky.name}/{catalogue.name}"
        tasks = {name: (*pixel, name) for pixel, name in names.items()}
        shared = (workspace.job.survey, version, run)
        commits = committed(run, TITLE, count_colours, tasks, executor, shared=shared)
        commits.measure(workspace, "inspect")
        commits.whole("partitions")
        total = TileColours({})
        for key, data in run.inside.read_each(_key(name) for name in names.values()):
            if data is None:
                raise object_missing(run.inside, key)
            total = total.merge(TileColours.from_dict(json.loads(data)))
        survey = workspace.survey
        found = total.zero_points(survey.band_names, survey.reference_index)
        files = _write(workspace, found)
    measured = {one.tile for one in found}
    if lacking := total.tiles.keys() - measured:
        log.warning(
            "inspect: the zero points of %d of %d tiles are not known: they have fewer than %d clear objects in every "
            "band, or fewer than %d tiles have more",
            *(len(lacking), len(total.tiles), FEWEST_OBJECTS, FEWEST_TILES),
        )
    worst = sorted(found, key=lambda one: -abs(one.offset))[:3]
    facts = InspectFacts(
        tiles=len(total.tiles),
        tiles_known=len(measured),
        worst=tuple(f"{one.tile} {one.band} {one.offset:+.3f} mag" for one in worst),
        partitions=len(names),
        files=files,
    )
    return finish(workspace, facts, identity, elapsed[0], told)


def inspect_parts(workspace: Workspace) -> dict[str, Any]:
    """Return all that decides what is counted of a partition, by name."""
    return {"survey": workspace.survey_text("inspect"), "method": METHOD}


def is_whole(workspace: Workspace, facts: InspectFacts) -> bool:
    """Return whether the table that a record names is there."""
    return all((workspace.folder / name).is_file() for name in facts.files)


def count_colours(survey_name: str, version: str, run: Run, order: int, pixel: int, name: str) -> Made:
    """Count the colours of a partition by tile.

    Parameters
    ----------
    survey_name : str
        Name or path.
    version : str
        Key of the photometry in the store of the run.
    run : Run
    order, pixel : int
    name : str
        Of the commit.
    """
    survey = load_survey(survey_name)
    key = f"{version}/{partition_file(order, pixel).as_posix()}"
    table = read_partition(key, ("flux", "flux_err", "tile"), run.store)
    photometry = photometry_from_table(table, survey)
    tile = table["tile"].to_pylist()
    counted = TileColours.of(photometry.flux, photometry.flux_err, tile, survey.reference_index)
    run.inside.put(_key(name), json.dumps(counted.to_dict()).encode())
    return Made(table.num_rows, files=[f"{run.folder}/{_key(name)}"])


def _key(name: str) -> str:
    return f"colours/{name}.json"


def _write(workspace: Workspace, found: list[ZeroPoint]) -> dict[str, str]:
    """Write the table as ECSV and Parquet, and return the SHA-256 of the files by name."""
    kinds = (pa.string(), pa.string(), pa.int64(), pa.float64(), pa.float64(), pa.float64())
    schema = pa.schema(list(zip(ZeroPoint._fields, kinds, strict=True)))
    table = pa.Table.from_pylist([one._asdict() for one in found], schema=schema)
    described = {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "software": f"jpasbatch {__version__}",
        "survey": workspace.survey.name,
        "colour": f"median of the band minus {workspace.survey.reference_band}, AB mag",
        "offset": "colour minus the median of all tiles",
    }
    files = {}
    for name, write in table_writers(TABLE, table, UNITS, described).items():
        with written_aside(workspace.folder / name) as aside, aside.open("w+b") as file:
            write(file)
        files[name] = sha256_file(workspace.folder / name)
    return files
