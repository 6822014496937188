"""The canonical table of photometry: its arrow schema, and the way from a table to arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from jpasbatch.errors import InputError
from jpasbatch.photometry.photometry import Photometry
from jpasbatch.photometry.survey import Survey

SURVEY_KEY = b"jpasbatch.survey"
BANDS_KEY = b"jpasbatch.bands"


def catalogue_schema(survey: Survey, carried: pa.Schema | None = None) -> pa.Schema:
    """Return the schema of canonical photometry.

    Parameters
    ----------
    survey : Survey
    carried : Schema, optional
        Columns that travel; they stand behind those of the photometry.

    Returns
    -------
    pyarrow.Schema
        In this order:

    =====================  ====================  =====================================================
    column                 type                  meaning
    =====================  ====================  =====================================================
    object_id              string                unique over the survey
    ra, dec                float64               degrees, ICRS, ra in [0, 360)
    flux, flux_err         float32[bands]        f_nu, microjansky, bands in the order of the survey
    flags, mask_flags      int32                 bitwise OR over the bands
    class_star             float32               1 point-like ... 0 extended; NaN unknown
    tile                   string                tile of the survey
    true_class             string                null unknown
    true_redshift          float32               NaN unknown
    =====================  ====================  =====================================================

    The metadata name the survey and its bands.
    """
    vector = pa.list_(pa.float32(), len(survey.bands))
    columns = [
        pa.field("object_id", pa.string(), nullable=False),
        pa.field("ra", pa.float64(), nullable=False),
        pa.field("dec", pa.float64(), nullable=False),
        pa.field("flux", vector, nullable=False),
        pa.field("flux_err", vector, nullable=False),
        pa.field("flags", pa.int32(), nullable=False),
        pa.field("mask_flags", pa.int32(), nullable=False),
        pa.field("class_star", pa.float32(), nullable=False),
        pa.field("tile", pa.string(), nullable=False),
        pa.field("true_class", pa.string()),
        pa.field("true_redshift", pa.float32(), nullable=False),
    ]
    metadata = {SURVEY_KEY: survey.name.encode(), BANDS_KEY: ",".join(survey.band_names).encode()}
    return pa.schema([*columns, *(carried or ())], metadata=metadata)


def required_elements(schema: pa.Schema) -> pa.Schema:
    """Return the schema in which the values of fixed-size lists cannot be null.

    Parquet then stores no null flags for them, and reading takes less than half of the time
    (measured in ``docs/decisions/0002-flux-columns.md``).
    """
    for number, field in enumerate(schema):
        if pa.types.is_fixed_size_list(field.type):
            element = pa.field("element", field.type.value_type, nullable=False)
            schema = schema.set(number, field.with_type(pa.list_(element, field.type.list_size)))
    return schema


def quarantine_schema() -> pa.Schema:
    """Return the schema of rejected rows: who, why, and where in which file."""
    return pa.schema(
        [
            pa.field("object_id", pa.string()),
            pa.field("ra", pa.float64()),
            pa.field("dec", pa.float64()),
            pa.field("reason", pa.string(), nullable=False),
            pa.field("source", pa.string(), nullable=False),
            pa.field("row", pa.int64(), nullable=False),
        ]
    )


def count_reasons(rejected: pa.Table) -> Counter[str]:
    """Return how many rows of a table of `quarantine_schema` were rejected for each reason."""
    counts = rejected["reason"].value_counts().to_pylist()
    return Counter({entry["values"]: entry["counts"] for entry in counts})


def photometry_from_table(table: pa.Table, survey: Survey, auxiliary: Iterable[str] = ()) -> Photometry:
    """Return the photometry of a canonical table, without a copy where arrow allows.

    Parameters
    ----------
    table : pyarrow.Table
        With columns flux and flux_err: lists of one float32 a band, of fixed size or not.
    survey : Survey
        Must be the survey that the table was made for.
    auxiliary : iterable of str
        Further columns of numbers or truth values that a classifier looks at; null becomes NaN.

    Raises
    ------
    InputError
        If a column is missing or of another type, a vector has another length, or the metadata name other bands
        or another order of bands.
    """
    _check_bands(table, survey)
    n_bands = len(survey.bands)
    further = {name: numbers_of(table, name) for name in auxiliary}
    return Photometry(matrix_of(table, "flux", n_bands), matrix_of(table, "flux_err", n_bands), further)


def numbers_of(table: pa.Table, name: str) -> np.ndarray:
    """Return a column of numbers or truth values, float32 (rows,), NaN where it is null.

    Raises
    ------
    InputError
        If the column is absent, or holds something else.
    """
    if name not in table.column_names:
        raise InputError(f"column {name!r} is missing; the table has {', '.join(table.column_names)}")
    column = table[name]
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        raise InputError(f"column {name!r} holds {kind}; an input of a classifier is a number")
    values = column.cast(pa.float32(), safe=False).to_numpy(zero_copy_only=False)
    return np.where(np.isfinite(values), values, np.float32(np.nan))


def matrix_of(table: pa.Table, name: str, width: int) -> np.ndarray:
    """Return a list column as an array of shape (rows, width), float32; nulls become NaN.

    Raises
    ------
    InputError
        If the column is absent, is not a list of floats, or has vectors of another length.
    """
    if name not in table.column_names:
        raise InputError(f"column {name!r} is missing; the table has {', '.join(table.column_names)}")
    column = table.column(name)
    parts = [_chunk_matrix(chunk, name, width) for chunk in column.chunks]
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else np.empty((0, width), dtype=np.float32)


def _chunk_matrix(chunk: pa.Array, name: str, width: int) -> np.ndarray:
    kind = chunk.type
    if isinstance(chunk, pa.ExtensionArray):
        chunk, kind = chunk.storage, chunk.storage.type
    if pa.types.is_fixed_size_list(kind):
        narrow = kind.list_size == width
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        narrow = bool(np.all(np.diff(chunk.offsets.to_numpy()) == width))
    else:
        raise InputError(f"column {name!r}: must be a list of {width} values a row, found {kind}")
    if chunk.null_count:
        raise InputError(f"column {name!r}: {chunk.null_count} rows hold null instead of {width} values")
    if not narrow:
        raise InputError(f"column {name!r}: must hold {width} values a row, one a band; found {kind}")
    values = chunk.flatten()
    if values.type != pa.float32():
        if not pa.types.is_floating(values.type):
            raise InputError(f"column {name!r}: must hold float32 values, found {values.type}")
        values = values.cast(pa.float32(), safe=False)
    return values.to_numpy(zero_copy_only=False).reshape(len(chunk), width)


def _check_bands(table: pa.Table, survey: Survey) -> None:
    metadata = table.schema.metadata or {}
    if BANDS_KEY not in metadata:
        return
    found = tuple(metadata[BANDS_KEY].decode().split(","))
    if found == survey.band_names:
        return
    name = metadata.get(SURVEY_KEY, b"unknown").decode()
    if sorted(found) == sorted(survey.band_names):
        raise InputError(
            f"wrong band order: the table (survey {name!r}) begins {', '.join(found[:3])} but survey"
            f" {survey.name!r} begins {', '.join(survey.band_names[:3])}; ingest the catalogue again"
        )
    missing = [band for band in survey.band_names if band not in found]
    raise InputError(
        f"another survey: the table holds {len(found)} bands of survey {name!r}, but survey"
        f" {survey.name!r} has {len(survey.band_names)}; missing: {', '.join(missing[:5]) or 'none'}"
    )
