"""What an import is: its options, its inputs (inspected before anything is built) and its names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from annotated_types import Ge, Interval

from jpasbatch.errors import InputError
from jpasbatch.options import Options
from jpasbatch.photometry.table import required_elements
from jpasbatch.storage.catalogue.collection import BUILDING
from jpasbatch.storage.catalogue.margin import margin_name
from jpasbatch.storage.catalogue.partitions import HEALPIX_COLUMN
from jpasbatch.storage.stores.files import sha256_file
from jpasbatch.storage.stores.ledger import fingerprint

_FINEST_ORDER = 12


@dataclass(frozen=True)
class PartitionOptions(Options):
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

    pixel_threshold: Annotated[int, Ge(1)] = 100_000
    byte_pixel_threshold: Annotated[int, Ge(0)] = 0
    lowest_order: Annotated[int, Interval(ge=0, le=_FINEST_ORDER)] = 0
    highest_order: Annotated[int, Interval(ge=0, le=_FINEST_ORDER)] = 8
    margin_arcsec: Annotated[float, Interval(ge=0, le=60)] = 5.0
    progress: bool = False

    def check_relations(self) -> None:
        """Raise `ValueError` where the largest partition would be smaller than the smallest."""
        if self.lowest_order > self.highest_order:
            raise ValueError(
                f"lowest_order, highest_order: found {self.lowest_order}, {self.highest_order}; "
                "allowed is lowest_order <= highest_order"
            )


@dataclass(frozen=True)
class ImportPlan:
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
        """Name of the margin; None when there is none."""
        return margin_name(self.name, self.options.margin_arcsec)

    @property
    def members(self) -> tuple[str, ...]:
        """Names of the folders that the import makes."""
        return (self.name, self.margin) if self.margin else (self.name,)

    @property
    def building(self) -> Path:
        """Folder of what is unfinished."""
        # hats-import's resume compares paths, so that they belong to the key; another version of it starts
        # afresh.
        paths = [str(path) for path in self.files]
        key = fingerprint(identity=self.identity, paths=paths, hats_import=version("hats-import"))
        return self.collection / BUILDING / f"{self.name}-{key[:12]}"

    @property
    def built(self) -> Path:
        """Collection that hats-import makes in it."""
        return self.building / "collection"


def plan_import(
    parquet_files: Sequence[Path], collection: Path, name: str, options: PartitionOptions, total_rows: int
) -> ImportPlan:
    """Inspect the inputs of an import and say how it is built.

    Raises
    ------
    InputError
        See `jpasbatch.storage.catalogue.hats_import.import_tables`.
    """
    files = tuple(sorted(Path(path).resolve() for path in parquet_files))
    if total_rows < 1 or not files:
        raise InputError(
            f"No rows to import: {len(files)} files with {total_rows} accepted rows. "
            "Look at the quarantine for the reasons, and at the quality cuts of the job."
        )
    twice = sorted({path for path in files if files.count(path) > 1})
    if twice:
        raise InputError(f"Listed twice: {twice[0]} (its rows would count double). List each file once.")
    schema: pa.Schema | None = None
    rows, hashes = 0, []
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
    return ImportPlan(files, required_elements(schema), rows, options, collection, name, identity)


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
    ra, dec = (batch.column(name).to_numpy(zero_copy_only=False) for name in ("ra", "dec"))
    bad = np.count_nonzero(~((ra >= 0) & (ra < 360) & (dec >= -90) & (dec <= 90)))
    if bad:
        raise InputError(
            f"{path}: {bad} positions are not ra in [0, 360) and dec in [-90, 90]. Run ingest again."
        )
