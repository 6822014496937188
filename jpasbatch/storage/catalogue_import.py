"""Canonical Parquet files in, a HATS catalogue with its margin out, by hats-import.

The catalogue is built aside under ``.building`` and placed in the collection when it is whole and checked. A
crash at any point leaves what readers see as it was, and running again finishes. hats-import resumes whatever
it finds as long as the paths are the same, and silently mixes rows of two sets of options: so each set of
arguments and inputs builds in a folder of its own.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jpasbatch.errors import InputError
from jpasbatch.storage.catalogue_collection import (
    BUILDING,
    POINTER,
    WRITER_LEASE,
    check_name,
    properties_bytes,
    read_collection,
    swap_collection,
)
from jpasbatch.storage.catalogue_partitions import COMPRESSION, HEALPIX_COLUMN, required_elements
from jpasbatch.storage.catalogue_validation import check_catalogue, strict_problems
from jpasbatch.storage.files import (
    Lease,
    fsync_folder,
    fsync_tree,
    remove_if_empty,
    sha256_file,
    write_atomically,
)
from jpasbatch.storage.ledger import fingerprint

FINGERPRINT_KEY = "jpasbatch_fingerprint"
_COMPLETE = "complete"
_FINEST_ORDER = 12


@dataclass(frozen=True)
class PartitionOptions:
    """How the sky is divided into partitions.

    Attributes
    ----------
    pixel_threshold : int
        Most rows of a partition. 100,000 rows of 60 bands take 50 MB in memory and a few seconds to classify.
    byte_pixel_threshold : int
        Most bytes of a partition in memory, instead of `pixel_threshold`; 0 is off. hats-import measures
        lists row by row, and rows of vectors all have the same size: prefer `pixel_threshold`.
    lowest_order, highest_order : int
        HEALPix orders of the largest and the smallest partition; the map of counts has the highest order.
    margin_arcsec : float
        Width of the margin, arcsec; 0 makes none.
    progress : bool
        Show the progress bars of hats-import.
    """

    pixel_threshold: int = 100_000
    byte_pixel_threshold: int = 0
    lowest_order: int = 0
    highest_order: int = 8
    margin_arcsec: float = 5.0
    progress: bool = False

    def __post_init__(self) -> None:
        if self.pixel_threshold < 1:
            raise ValueError(f"pixel_threshold: found {self.pixel_threshold}; allowed is 1 or more rows")
        if self.byte_pixel_threshold < 0:
            raise ValueError(f"byte_pixel_threshold: found {self.byte_pixel_threshold}; allowed is 0 or more")
        if not 0 <= self.lowest_order <= self.highest_order <= _FINEST_ORDER:
            raise ValueError(
                f"lowest_order, highest_order: found {self.lowest_order}, {self.highest_order}; "
                f"allowed is 0 <= lowest_order <= highest_order <= {_FINEST_ORDER}"
            )
        if not 0 <= self.margin_arcsec <= 60:
            raise ValueError(f"margin_arcsec: found {self.margin_arcsec}; allowed is 0 (none) to 60")


@dataclass(frozen=True)
class _Plan:
    """One import: what goes in, under which names it is built, and where it goes."""

    files: tuple[Path, ...]
    schema: pa.Schema
    rows: int
    options: PartitionOptions
    collection: Path
    name: str
    identity: str

    @property
    def margin(self) -> str | None:
        width = f"{self.options.margin_arcsec:g}".replace(".", "p")
        return f"{self.name}_{width}arcs" if self.options.margin_arcsec else None

    @property
    def members(self) -> tuple[str, ...]:
        return (self.name, self.margin) if self.margin else (self.name,)

    @property
    def building(self) -> Path:
        # hats-import's resume compares paths, so that they belong to the key; another version of it starts
        # afresh.
        paths = [str(path) for path in self.files]
        key = fingerprint(identity=self.identity, paths=paths, hats_import=version("hats-import"))
        return self.collection / BUILDING / f"{self.name}-{key[:12]}"

    @property
    def built(self) -> Path:
        return self.building / "collection"


def import_tables(
    client: Any,
    parquet_files: Sequence[Path],
    collection_folder: Path,
    name: str,
    options: PartitionOptions,
    total_rows: int,
) -> Path:
    """Import canonical Parquet files as the primary catalogue of a collection.

    Extensions of an earlier primary catalogue stay on disk, but the collection no longer points at them: they
    describe other rows.

    Parameters
    ----------
    client
        Dask client that hats-import submits to.
    parquet_files
        Files of one schema (`jpasbatch.photometry.table.catalogue_schema`), with valid ra and dec.
    collection_folder
        Created when absent. Must be on a POSIX file system that all workers see.
    name
        Name of the immutable version, e.g. ``photometry-0123456789ab``.
    options
        How the sky is divided.
    total_rows
        Sum of the rows that were accepted; the import stops when the files disagree.

    Returns
    -------
    Path
        Folder of the catalogue.

    Raises
    ------
    InputError
        When no row was accepted, a file is missing, damaged, listed twice or of another schema, positions are
        not valid, or the version exists already and was made from something else.
    TryAgainError
        When another process writes to the collection.
    """
    check_name(name, "Catalogue name")
    collection = Path(collection_folder).resolve()
    plan = _plan(parquet_files, collection, name, options, total_rows)
    with Lease(collection / WRITER_LEASE):
        if not all((collection / member).is_dir() for member in plan.members):
            if not (plan.building / _COMPLETE).is_file():
                _build(client, plan)
                _finish(plan)
            _place(plan)
        _check_identity(plan)
        _point(plan)
        shutil.rmtree(plan.building, ignore_errors=True)
        remove_if_empty(plan.building.parent)
    return collection / name


def _plan(
    parquet_files: Sequence[Path], collection: Path, name: str, options: PartitionOptions, total_rows: int
) -> _Plan:
    files = tuple(sorted(Path(path).resolve() for path in parquet_files))
    if total_rows < 1 or not files:
        raise InputError(
            f"No rows to import: {len(files)} files with {total_rows} accepted rows. "
            "Look at the quarantine for the reasons, and at the quality cuts of the job."
        )
    twice = sorted({path for path in files if files.count(path) > 1})
    if twice:
        raise InputError(f"Listed twice: {twice[0]} (its rows would count double). List each file once.")
    schema, rows, hashes = None, 0, []
    for path in files:
        found, count = _inspect(path)
        if schema is not None and not found.equals(schema, check_metadata=True):
            raise InputError(
                f"{path} has another schema, or other bands, than {files[0]}. Ingest both alike."
            )
        schema, rows = found, rows + count
        hashes.append([path.name, sha256_file(path)])
    if rows != total_rows:
        raise InputError(
            f"The {len(files)} files hold {rows} rows, but {total_rows} were accepted. Ingest again."
        )
    asked = {key: value for key, value in asdict(options).items() if key != "progress"}
    identity = fingerprint(files=hashes, options=asked, name=name, rows=rows)
    assert schema is not None  # there is at least one file
    return _Plan(files, required_elements(schema), rows, options, collection, name, identity)


def _inspect(path: Path) -> tuple[pa.Schema, int]:
    """Return schema and rows of a file whose positions are valid (hats-import takes a NaN for a place)."""
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            missing = {"object_id", "ra", "dec"} - set(schema.names)
            if missing or HEALPIX_COLUMN in schema.names:
                raise InputError(
                    f"{path}: columns must hold object_id, ra and dec, and not {HEALPIX_COLUMN}; "
                    f"found {', '.join(schema.names)}."
                )
            _check_nulls(file.metadata, schema, path)
            for batch in file.iter_batches(columns=["ra", "dec"]):
                _check_positions(batch, path)
            return schema, file.metadata.num_rows
    except FileNotFoundError:
        raise InputError(f"{path} is missing. Run ingest again.") from None
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(
            f"Cannot read {path}: {error}. It is truncated or damaged; run ingest again."
        ) from error


def _check_nulls(metadata: pq.FileMetaData, schema: pa.Schema, path: Path) -> None:
    """Refuse nulls within vectors: they are stored as required values."""
    vectors = {field.name for field in schema if pa.types.is_fixed_size_list(field.type)}
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for column in range(group.num_columns):
            chunk = group.column(column)
            name = chunk.path_in_schema.split(".")[0]
            if name in vectors and (chunk.statistics is None or chunk.statistics.null_count):
                raise InputError(
                    f"{path}: column {name} holds nulls, or no statistics; NaN means not observed."
                )


def _check_positions(batch: pa.RecordBatch, path: Path) -> None:
    ra, dec = batch.column("ra"), batch.column("dec")
    good = pc.and_(
        pc.and_(pc.greater_equal(ra, 0.0), pc.less(ra, 360.0)),
        pc.and_(pc.greater_equal(dec, -90.0), pc.less_equal(dec, 90.0)),
    )
    bad = len(batch) - (pc.sum(good).as_py() or 0)
    if bad:
        raise InputError(
            f"{path}: {bad} positions are not ra in [0, 360) and dec in [-90, 90]. Run ingest again."
        )


def _build(client: Any, plan: _Plan) -> None:
    """Let hats-import make catalogue and margin aside, or go on where the same plan stopped."""
    from hats_import import CollectionArguments, pipeline_with_client

    plan.building.mkdir(parents=True, exist_ok=True)
    schema_file = plan.building / "schema.parquet"
    pq.write_metadata(plan.schema, schema_file)
    options = plan.options
    arguments = CollectionArguments(
        output_path=str(plan.building),
        output_artifact_name=plan.built.name,
        tmp_dir=str(plan.building / "intermediate"),
        progress_bar=options.progress,
        simple_progress_bar=True,
        write_table_kwargs=dict(COMPRESSION),
    ).catalog(
        output_artifact_name=plan.name,
        input_file_list=[str(path) for path in plan.files],
        file_reader="parquet",
        use_schema_file=str(schema_file),
        sort_columns="object_id",  # ties in the index fall alike in every import
        lowest_healpix_order=options.lowest_order,
        highest_healpix_order=options.highest_order,
        pixel_threshold=options.pixel_threshold,
        byte_pixel_threshold=options.byte_pixel_threshold or None,
        expected_total_rows=plan.rows,
        addl_hats_properties={FINGERPRINT_KEY: plan.identity},
    )
    if plan.margin:
        arguments.add_margin(
            output_artifact_name=plan.margin, margin_threshold=options.margin_arcsec, is_default=True
        )
    try:
        with warnings.catch_warnings():
            # hats-import 0.11 finds the margin's partitions by its files, always, and warns that this may be
            # slow.
            warnings.filterwarnings("ignore", "Computing partitions from catalog", UserWarning)
            pipeline_with_client(arguments, client)
    except ValueError as error:
        if "exceeds threshold" not in str(error):
            raise
        raise InputError(
            f"The sky is too crowded for the partitions asked for ({error}): raise pixel_threshold "
            f"(now {options.pixel_threshold}) or highest_order (now {options.highest_order})."
        ) from None


def _finish(plan: _Plan) -> None:
    """Check what was built, make its references relative, flush it, and say that it is complete."""
    from hats.catalog import TableProperties

    expected = pa.schema([pa.field(HEALPIX_COLUMN, pa.int64()), *plan.schema])
    try:
        check_catalogue(plan.built / plan.name, expected, plan.rows)
        if plan.margin:
            margin = plan.built / plan.margin
            problems = strict_problems(margin)
            if problems:
                raise InputError(f"The new margin {margin} is not valid: {'; '.join(problems[:5])}.")
            properties = TableProperties.read_from_dir(margin).copy_and_update(primary_catalog=plan.name)
            for file in ("hats.properties", "properties"):
                write_atomically(margin / file, properties_bytes(properties.to_properties_file, file))
    except InputError:
        # What is not valid cannot be resumed: the next call starts clean.
        shutil.rmtree(plan.building, ignore_errors=True)
        raise
    fsync_tree(plan.built)
    write_atomically(plan.building / _COMPLETE, f"{plan.identity}\n".encode())


def _place(plan: _Plan) -> None:
    """Move catalogue and margin to their final names; a second call moves what the first did not."""
    for member in plan.members:
        if not (plan.collection / member).is_dir():
            (plan.built / member).rename(plan.collection / member)
    fsync_folder(plan.collection)


def _check_identity(plan: _Plan) -> None:
    from hats.catalog import TableProperties

    folder = plan.collection / plan.name
    found = TableProperties.read_from_dir(folder).extra_dict().get(FINGERPRINT_KEY)
    if found != plan.identity:
        raise InputError(
            f"{folder} exists already, and was made from other files or options ({str(found)[:12]}, now "
            f"{plan.identity[:12]}). A version never changes: choose another name."
        )


def _point(plan: _Plan) -> None:
    """Point the collection at the new catalogue, unless it does so already."""
    margins = [plan.margin] if plan.margin else None
    if (plan.collection / POINTER).is_file():
        current = read_collection(plan.collection)
        if current.hats_primary_table_url == plan.name and current.all_margins == margins:
            return
    swap_collection(
        plan.collection,
        hats_primary_table_url=plan.name,
        all_margins=margins,
        default_margin=plan.margin,
        all_extensions=None,
        hats_builder=f"jpasbatch, hats-import v{version('hats-import')}, hats v{version('hats')}",
        hats_version="v1.0",
    )
