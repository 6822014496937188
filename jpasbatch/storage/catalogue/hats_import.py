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
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from jpasbatch.errors import InputError, TryAgainError
from jpasbatch.storage.catalogue.assembly import describe, replace_version, write_provenance
from jpasbatch.storage.catalogue.collection import (
    POINTER,
    WRITER_LEASE,
    check_name,
    open_catalogue,
    read_collection,
    swap_collection,
)
from jpasbatch.storage.catalogue.margin import settle_margin
from jpasbatch.storage.catalogue.partitions import (
    COMPRESSION,
    HEALPIX_COLUMN,
    StagedPartition,
    partition_file,
)
from jpasbatch.storage.catalogue.plan import ImportPlan, PartitionOptions, plan_import
from jpasbatch.storage.catalogue.validation import check_catalogue
from jpasbatch.storage.stores.files import (
    Lease,
    fsync_folder,
    fsync_tree,
    remove_if_empty,
    sha256_file,
    write_atomically,
)

FINGERPRINT_KEY = "jpasbatch_fingerprint"
_COMPLETE = "complete"
_REPLACES = "replaces"
"""Files of an import: it is finished; it takes the place of a version that is damaged."""


def import_tables(
    client: Any,
    parquet_files: Sequence[Path],
    collection_folder: Path,
    name: str,
    options: PartitionOptions,
    total_rows: int,
    damaged: bool = False,
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
    damaged : bool
        Whether a version of that name is there and known to be damaged: it is made again, and replaced.

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
    plan = plan_import(parquet_files, collection, name, options, total_rows)
    with Lease(collection / WRITER_LEASE):
        if not all((collection / member).is_dir() for member in plan.members) or _set_aside(plan, damaged):
            if not (plan.building / _COMPLETE).is_file():
                _build(client, plan)
                _finish(plan)
            _place(plan)
        _check_identity(plan)
        _point(plan)
        shutil.rmtree(plan.building, ignore_errors=True)
        remove_if_empty(plan.building.parent)
    return collection / name


def _build(client: Any, plan: ImportPlan) -> None:
    """Let hats-import make catalogue and margin aside, or go on where the same plan stopped."""
    from hats_import.collection.arguments import CollectionArguments
    from hats_import.pipeline import pipeline_with_client

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
    except Exception as error:  # its own, and what Dask raises when workers or the scheduler are lost
        if "exceeds threshold" in str(error):
            raise InputError(
                f"The sky is too crowded for the partitions asked for ({error}): raise pixel_threshold "
                f"(now {options.pixel_threshold}) or highest_order (now {options.highest_order})."
            ) from None
        raise TryAgainError(
            f"hats-import stopped ({type(error).__name__}: {error}); nothing was published. Run the same command "
            "again: it goes on where it stopped."
        ) from error


def _finish(plan: ImportPlan) -> None:
    """Check what was built, make its references relative, flush it, and say that it is complete."""
    expected = pa.schema([pa.field(HEALPIX_COLUMN, pa.int64()), *plan.schema])
    try:
        check_catalogue(plan.built / plan.name, expected, plan.rows)
        if plan.margin:
            settle_margin(plan.built / plan.margin, plan.name)
    except InputError:
        # What is not valid cannot be resumed: the next call starts clean.
        shutil.rmtree(plan.building, ignore_errors=True)
        raise
    write_provenance(plan.built / plan.name, _description(plan, expected))
    fsync_tree(plan.built)
    write_atomically(plan.building / _COMPLETE, f"{plan.identity}\n".encode())


def _description(plan: ImportPlan, schema: pa.Schema) -> dict[str, Any]:
    """Return what the catalogue is made of, as that of a catalogue that is published from staged partitions.

    From the hashes follows later which partitions of two versions are the same.
    """
    catalogue = open_catalogue(plan.built / plan.name)
    records = []
    for (order, pixel), rows in catalogue.rows_by_partition().items():
        file = catalogue.partition_path(order, pixel)
        key = partition_file(order, pixel).as_posix()
        staged = StagedPartition(key, sha256_file(file), rows, file.stat().st_size)
        records.append(staged.facts((order, pixel), "", plan.identity))
    return describe(records, schema, {"import": plan.identity}, map_order=catalogue.map_order)


def _place(plan: ImportPlan) -> None:
    """Move catalogue and margin to their final names; a second call moves what the first did not."""
    for member in plan.members:
        there = (plan.collection / member).is_dir()
        if there and (plan.building / _REPLACES).is_file() and (plan.built / member).is_dir():
            replace_version(plan.built / member, plan.collection / member)
        elif not there:
            (plan.built / member).rename(plan.collection / member)
    fsync_folder(plan.collection)


def _set_aside(plan: ImportPlan, damaged: bool) -> bool:
    """Note that what is built replaces a version that is damaged; return whether there is one."""
    if damaged:
        plan.building.mkdir(parents=True, exist_ok=True)
        write_atomically(plan.building / _REPLACES, b"")
    return damaged


def _check_identity(plan: ImportPlan) -> None:
    from hats.catalog.dataset.table_properties import TableProperties

    folder = plan.collection / plan.name
    found = TableProperties.read_from_dir(folder).extra_dict().get(FINGERPRINT_KEY)
    if found != plan.identity:
        raise InputError(
            f"{folder} exists already, and was made from other files or options ({str(found)[:12]}, now "
            f"{plan.identity[:12]}). A version never changes: choose another name."
        )


def _point(plan: ImportPlan) -> None:
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
