"""Tiles that overlap: rows of one object are found over all tables, and one of them goes into the catalogue.

It happens before the sky is divided, so that no partitioning can change it. Workers read the accepted rows by zones of
declination, which need neither the borders of pixels nor the wrap of right ascension: a zone reads its own rows and
those within two radii of it, which decide which rows are linked. What hangs together across the edge of a zone, a few
rows in ten thousand, is decided by the driver. Memory is bounded by a zone, or by a chunk of a file.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pd
import pyarrow.parquet as pq

from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.facts import Facts
from jpasbatch.job.sections import CatalogueSection
from jpasbatch.photometry.overlaps import Links, OverlapOptions, choose_rows, link_rows, quality
from jpasbatch.photometry.survey import load_survey
from jpasbatch.photometry.table import matrix_of
from jpasbatch.stages.ingest.reading import CheckedTable
from jpasbatch.stages.ingest.single_rows import SETTLED, SingleRows, write_single
from jpasbatch.stages.run.commits import Made, Run
from jpasbatch.stages.run.committed import committed
from jpasbatch.storage.stores.files import written_aside

ZONE_DEGREES = 0.25
"""Height of a zone: at 5,000 rows per deg2 and 8,000 deg2, some 100,000 rows each."""

KEYS = pa.schema(
    [
        ("dec", pa.float64()),
        ("ra", pa.float64()),
        ("file", pa.int64()),
        ("row", pa.int64()),
        ("tile", pa.string()),
        ("object_id", pa.string()),
        *((name, pa.float64()) for name in OverlapOptions().keep),
    ]
)
SIDE = ("file", "row", "object_id", "flags", "bands", "error")
ROWS = 2**40
"""More rows than a file has: file and row make one number."""


@dataclass(frozen=True)
class Positions(Facts):
    """What the commit of the positions of a file tells: its number, and the ends of its declinations in degrees."""

    file: int
    ends: tuple[float, float]


@dataclass(frozen=True)
class LinkedZone(Facts):
    """What the commit of a zone tells: how many of its links hang together with rows of other zones."""

    across: int


@dataclass(frozen=True)
class Resolved:
    """What came of overlapping tables.

    Attributes
    ----------
    records : list of CheckedTable
        Of the files, as they were, with the name and the number of the rows that are left.
    dropped : list of Path
        Tables of the rows that were dropped, with what was kept instead.
    rows : int
        Rows in these.
    """

    records: list[CheckedTable]
    dropped: list[Path]
    rows: int


def resolve_overlaps(
    records: list[CheckedTable], survey: str, section: CatalogueSection, run: Run, executor: Executor
) -> Resolved:
    """Leave one row of each object in the accepted tables.

    Parameters
    ----------
    records : list of CheckedTable
        Of the tables in the folder ``accepted`` of the run.
    survey : str
    section : CatalogueSection
        With ``overlaps``.
    run : Run
    executor : Executor

    Raises
    ------
    InputError
        If very many rows lie at one place.
    """
    if not any(record.accepted for record in records):
        return Resolved(records, [], 0)
    for part in ("keys", "zones", "dropped"):
        (run.path / part).mkdir(exist_ok=True)
    return _leave_one(records, _link_rows(records, survey, section, run, executor), run, executor)


def _link_rows(
    records: list[CheckedTable], survey: str, section: CatalogueSection, run: Run, executor: Executor
) -> tuple[str, ...]:
    """Find the rows of one object in different tables; return the names of the files that say which."""
    options = section.overlaps
    assert options is not None  # or there is nothing to do
    shared = (survey, section, str(run.path))
    tasks = {
        f"keys-{record.name}": (number, record.name)
        for number, record in enumerate(records)
        if record.accepted
    }
    commits = committed(run, "ingest: positions", write_keys, tasks, executor, shared=shared)
    ranges = [one.facts for one in commits.whole_of(Positions, "input files").values()]
    zones = {
        f"zone-{zone:04d}": (options, str(run.path), zone, names)
        for zone, names in _zones(ranges, records, options.radius_arcsec)
    }
    linked = committed(run, "ingest: overlapping tables", link_zone, zones, executor)
    linked.whole_of(LinkedZone, "zones of the sky")
    _settle_open(run.path, [f"{key}.parquet" for key in zones], options)
    return *(f"{key}.parquet" for key in zones), "across.parquet"


def _leave_one(records: list[CheckedTable], links: tuple[str, ...], run: Run, executor: Executor) -> Resolved:
    """Write the accepted tables again, with the row of each object that is kept."""
    tasks = {
        f"single-{record.name}": (number, record.name, record.source, links)
        for number, record in enumerate(records)
    }
    commits = committed(
        run, "ingest: one row an object", write_single, tasks, executor, shared=(str(run.path),)
    )
    single = commits.whole_of(SingleRows, "input files")
    left = [single[f"single-{record.name}"].facts for record in records]
    return Resolved(
        [
            replace(record, name=f"single-{record.name}", accepted=one.kept)
            for record, one in zip(records, left, strict=True)
        ],
        [
            run.path / "dropped" / record.name
            for record, one in zip(records, left, strict=True)
            if one.dropped
        ],
        sum(one.dropped for one in left),
    )


def publish_dropped(resolved: Resolved, target: Path) -> None:
    """Write one table of all rows that were dropped, with their photometry and what was kept instead."""
    if not resolved.dropped:
        target.unlink(missing_ok=True)
        return
    target.parent.mkdir(exist_ok=True)
    with (
        written_aside(target) as aside,
        pq.ParquetWriter(aside, pq.read_schema(resolved.dropped[0])) as writer,
    ):
        for path in resolved.dropped:
            with pq.ParquetFile(path) as part:
                for batch in part.iter_batches(batch_size=100_000):
                    writer.write_batch(batch)


def write_keys(survey: str, section: CatalogueSection, folder: str, number: int, name: str) -> Made:
    """Write place, tile and quality of the accepted rows of a file, ascending by declination."""
    reference = load_survey(survey, section.aperture).reference_index
    columns = ["object_id", "ra", "dec", "tile", "flags", "mask_flags", "flux_err"]
    parts, first = [], 0
    with pq.ParquetFile(Path(folder) / "accepted" / name) as source:
        for batch in source.iter_batches(columns=columns, batch_size=100_000):
            rows = pa.Table.from_batches([batch])
            errors = matrix_of(rows, "flux_err", rows.schema.field("flux_err").type.list_size)
            flags, masks = (rows[name].to_numpy().astype(np.int32) for name in ("flags", "mask_flags"))
            found = quality(flags, masks, errors, reference)
            content = {column: rows[column] for column in ("dec", "ra", "tile", "object_id")}
            content |= {
                "file": pa.array(np.full(len(rows), number)),
                "row": pa.array(first + np.arange(len(rows))),
            }
            content |= {
                column: pa.array(found[:, place]) for place, column in enumerate(OverlapOptions().keep)
            }
            parts.append(pa.table(content).select(KEYS.names).cast(KEYS))
            first += len(rows)
    keys = pa.concat_tables(parts).sort_by("dec")
    path = Path(folder) / "keys" / name
    with written_aside(path) as aside:
        pq.write_table(keys, aside, row_group_size=20_000)
    ends = keys["dec"][0].as_py(), keys["dec"][-1].as_py()
    return Made(keys.num_rows, Positions(number, ends), [path])


def _zones(
    ranges: Sequence[Positions], records: Sequence[CheckedTable], radius_arcsec: float
) -> list[tuple[int, tuple[str, ...]]]:
    """Return each zone that holds rows, with the names of the tables that reach it or its margin."""
    margin = 2 * radius_arcsec / 3600
    zones: dict[int, list[str]] = {}
    for one in ranges:
        low, high = one.ends
        for zone in range(_zone(low - margin), _zone(high + margin) + 1):
            zones.setdefault(zone, []).append(records[one.file].name)
    # a zone that only one table reaches may still hold several tiles
    return [(zone, tuple(names)) for zone, names in sorted(zones.items())]


def _zone(dec: float) -> int:
    return math.floor((dec + 90) / ZONE_DEGREES)


def link_zone(options: OverlapOptions, folder: str, zone: int, names: tuple[str, ...]) -> Made:
    """Decide the rows of a zone, and write those that hang together with rows of other zones for the driver."""
    margin = 2 * options.radius_arcsec / 3600 + 1e-9
    low = zone * ZONE_DEGREES - 90
    within = (pc.field("dec") >= low - margin) & (pc.field("dec") <= low + ZONE_DEGREES + margin)
    files = [str(Path(folder) / "keys" / name) for name in names]
    rows = pd.dataset(files, schema=KEYS, format="parquet").to_table(filter=within).combine_chunks()
    identifiers = rows["object_id"].combine_chunks()
    file, dec = rows["file"].to_numpy(), rows["dec"].to_numpy()
    tile = rows["tile"].combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
    source = file * (int(tile.max(initial=0)) + 1) + tile
    links = link_rows(rows["ra"].to_numpy(), dec, source, identifiers, options.radius_arcsec)
    inside = np.floor((dec + 90) / ZONE_DEGREES) == zone
    mine = inside[links.one] | inside[links.other]
    links = Links(*(column[mine] for column in links))
    across = _reaches_out(links, inside)
    closed, across_zones = (_edges(rows, links, chosen) for chosen in (~across, across))
    target = Path(folder) / "zones" / f"zone-{zone:04d}.parquet"
    beside = target.with_suffix(".across")
    for path, table in ((target, settle(closed, options)), (beside, across_zones)):
        with written_aside(path) as aside:
            pq.write_table(table, aside)
    return Made(int(inside.sum()), LinkedZone(across_zones.num_rows), [target, beside])


def _reaches_out(links: Links, inside: np.ndarray) -> np.ndarray:
    """Return the links that hang together with a row that is not inside, bool (l,)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    shape = (len(inside), len(inside))
    graph = coo_array((np.ones(len(links.one), dtype=np.int8), (links.one, links.other)), shape=shape)
    _, group = connected_components(graph, directed=False)
    outside = np.zeros(len(inside) + 1, dtype=bool)
    ends = np.concatenate([links.one, links.other])
    outside[group[ends[~inside[ends]]]] = True
    return outside[group[links.one]]


def _edges(rows: pa.Table, links: Links, chosen: np.ndarray) -> pa.Table:
    """Return links as a table of both of their rows, the one of the lower file and row first."""
    place = rows["file"].to_numpy() * ROWS + rows["row"].to_numpy()
    one, other = links.one[chosen], links.other[chosen]
    swapped = place[one] > place[other]
    ends = np.where(swapped, other, one), np.where(swapped, one, other)
    content = {
        f"{side}_{name}": rows[name].take(pa.array(end))
        for side, end in zip(("one", "other"), ends, strict=True)
        for name in SIDE
    }
    return pa.table(content | {"separation_arcsec": pa.array(links.separation[chosen])})


def settle(edges: pa.Table, options: OverlapOptions) -> pa.Table:
    """Return which row is dropped for which, of links that hang together with no others."""
    places = [
        edges[f"{side}_file"].to_numpy() * ROWS + edges[f"{side}_row"].to_numpy() for side in ("one", "other")
    ]
    _, first, inverse = np.unique(np.concatenate(places), return_index=True, return_inverse=True)
    half = len(places[0])
    both = {
        name: pa.chunked_array(
            [*edges[f"one_{name}"].chunks, *edges[f"other_{name}"].chunks], KEYS.field(name).type
        )
        for name in SIDE
    }
    node = {name: column.take(pa.array(first)).combine_chunks() for name, column in both.items()}
    qualities = np.stack([node[name].to_numpy() for name in OverlapOptions().keep], axis=1)
    separation = edges["separation_arcsec"].to_numpy()
    links = Links(inverse[:half], inverse[half:], separation)
    through = choose_rows(links, qualities, node["object_id"], options.keep)
    dropped = np.flatnonzero(through >= 0)
    link = through[dropped]
    kept = links.one[link] + links.other[link] - dropped
    content = {f"kept_{name.removeprefix('object_')}": node[name].take(pa.array(kept)) for name in SIDE[:3]}
    content |= {name: node[name].take(pa.array(dropped)) for name in SIDE[:3]}
    return (
        pa.table(content | {"separation_arcsec": pa.array(separation[link])})
        .select(SETTLED.names)
        .cast(SETTLED)
    )


def _settle_open(folder: Path, names: Sequence[str], options: OverlapOptions) -> None:
    """Decide what hangs together across the edges of zones; a link across an edge is told by both of them."""
    tables = [pq.read_table((folder / "zones" / name).with_suffix(".across")) for name in names]
    edges = pa.concat_tables(tables)
    pair = np.stack(
        [edges[name].to_numpy() for name in ("one_file", "one_row", "other_file", "other_row")], axis=1
    )
    once = np.unique(pair, axis=0, return_index=True)[1]
    with written_aside(folder / "zones" / "across.parquet") as aside:
        pq.write_table(settle(edges.take(pa.array(once)), options), aside)
