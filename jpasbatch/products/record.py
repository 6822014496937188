"""The output record of one classified object: the only place that names its columns.

================================  ==============  ======================================================
column                            type            meaning
================================  ==============  ======================================================
``_healpix_29``                   int64           nested HEALPix pixel of order 29 (HATS sort key)
``object_id``                     string          identifier of the survey, e.g. ``2406-15603``
``ra``, ``dec``                   float64         ICRS position, degrees
``probability_<class>``           float32         committee probability, sums to 1 over the classes
``predicted_class``               string          class that the committee decides for
``entropy``                       float32         entropy of the probabilities, bits (paper A, eq. 13)
``disagreement``                  float32         of the members, bits: Jensen-Shannon divergence; NaN of one
``novelty``                       float32         -log10 of the share of ordinary objects as strange; NaN unknown
``subset``                        string          safe, extrapolation, unsafe or unknown, from the novelty
``median_snr``                    float32         median signal-to-noise ratio over the observed bands
``magnitude_<role>``              float32         AB magnitude of a reported band; NaN if not detected
``magnitude_err_<role>``          float32         its error, mag
``magnitude_bin``                 int8            bin of the reference band (paper A, eq. 14); -1 outside
``class_star``                    float32         SExtractor stellarity; NaN unknown
``quality``                       int32           bits of `Quality`
``missing_bands``                 int16           number of the survey's bands that were not observed
================================  ==============  ======================================================

Records of a job with a table ``[redshifts]`` have these too; NaN for objects that are no candidates:

================================  ==============  ======================================================
``redshift``                      float32         if it is a quasar: its redshift, around the highest density
``redshift_low``                  float32         lower limit of the central 68 % of the density
``redshift_high``                 float32         its upper limit
``redshift_probabilities``        list of float32 probability of each range of redshift; sums to 1. Limits of the
                                                  ranges: `RedshiftRanges`, in the metadata of the schema
================================  ==============  ======================================================

Paper A is Martinez-Solaeche et al. 2023, A&A 673, A103.
"""

from collections.abc import Iterable
from enum import IntFlag
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jpasbatch.errors import InputError
from jpasbatch.learning.judgement import Judgement
from jpasbatch.learning.novelty.novelty import SUBSETS, Novelty
from jpasbatch.learning.redshifts import RedshiftRanges, Redshifts
from jpasbatch.photometry.photometry import Photometry
from jpasbatch.photometry.reported import reported_magnitudes
from jpasbatch.photometry.survey import Survey

HEALPIX_COLUMN = "_healpix_29"
REDSHIFT, REDSHIFT_LOW, REDSHIFT_HIGH = "redshift", "redshift_low", "redshift_high"
REDSHIFT_PROBABILITIES = "redshift_probabilities"
Columns = dict[str, np.ndarray | pa.Array | pa.ChunkedArray]
"""Columns of records by name, of any type that Arrow takes."""

RANGE_LIMITS, RANGE_TRUTH = b"jpasbatch.redshift_limits", b"jpasbatch.redshift_truth"


class Quality(IntFlag):
    """Bits of the ``quality`` column: what a user may want to cut on."""

    GOOD = 0
    NON_DETECTIONS = 1
    """At least one observed band has no positive flux."""
    MISSING_BANDS = 2
    """At least one band of the survey was not observed."""
    OUTSIDE_MAGNITUDE_RANGE = 4
    """The reference magnitude lies in none of the survey's magnitude bins."""
    NO_REPORTED_MAGNITUDE = 8
    """At least one reported magnitude is missing."""
    UNDECIDED = 16
    """No class has more than half of the probability."""
    FEW_BANDS = 32
    """Fewer bands than the committee was validated with: `subset` is never "safe"."""


def probability_column(class_name: str) -> str:
    """Return the column that holds the probability of a class."""
    return f"probability_{class_name}"


def magnitude_column(role: str) -> str:
    """Return the column that holds the magnitude of a reported band, by role (``"r"``)."""
    return f"magnitude_{role}"


def magnitude_error_column(role: str) -> str:
    """Return the column that holds the magnitude error of a reported band, by role (``"r"``)."""
    return f"magnitude_err_{role}"


def record_schema(
    survey: Survey, classes: tuple[str, ...], ranges: RedshiftRanges | None = None
) -> pa.Schema:
    """Return the Arrow schema of the records of a survey and its classes, and of redshifts where there are ranges."""
    fields = [
        (HEALPIX_COLUMN, pa.int64()),
        ("object_id", pa.string()),
        ("ra", pa.float64()),
        ("dec", pa.float64()),
        *((probability_column(name), pa.float32()) for name in classes),
        ("predicted_class", pa.string()),
        ("entropy", pa.float32()),
        ("disagreement", pa.float32()),
        ("novelty", pa.float32()),
        ("subset", pa.string()),
        ("median_snr", pa.float32()),
    ]
    for role in survey.reported_bands:
        fields += [(magnitude_column(role), pa.float32()), (magnitude_error_column(role), pa.float32())]
    fields += [("magnitude_bin", pa.int8()), ("class_star", pa.float32())]
    fields += [("quality", pa.int32()), ("missing_bands", pa.int16())]
    metadata = {"jpasbatch.survey": survey.name, "jpasbatch.classes": ",".join(classes)}
    if ranges is not None:
        fields += [(name, pa.float32()) for name in (REDSHIFT, REDSHIFT_LOW, REDSHIFT_HIGH)]
        fields += [(REDSHIFT_PROBABILITIES, pa.list_(pa.float32(), len(ranges)))]
        metadata[RANGE_LIMITS.decode()] = ",".join(map(repr, ranges.limits))
        metadata[RANGE_TRUTH.decode()] = ",".join(ranges.truth)
    return pa.schema(fields, metadata=metadata)


def record_ranges(schema: pa.Schema) -> RedshiftRanges | None:
    """Return the ranges of redshift of records with this schema; None where they have no redshifts."""
    if RANGE_LIMITS not in (schema.metadata or {}):
        return None
    limits, truth = (schema.metadata[key].decode().split(",") for key in (RANGE_LIMITS, RANGE_TRUTH))
    return RedshiftRanges(tuple(map(float, limits)), tuple(truth))


def range_probabilities(record: pa.Table) -> np.ndarray:
    """Return the probability of each range of redshift in records, float32 (n, k); rows of NaN are no candidates."""
    column = record[REDSHIFT_PROBABILITIES].combine_chunks()
    return column.flatten().to_numpy(zero_copy_only=False).reshape(record.num_rows, column.type.list_size)


def class_indices(record: pa.Table, classes: tuple[str, ...]) -> np.ndarray:
    """Return the index in ``classes`` of each ``predicted_class``, int64 (n,).

    Raises
    ------
    ValueError
        When a record holds a class that is not among ``classes``.
    """
    index = pc.call_function(
        "index_in", [record["predicted_class"]], pc.SetLookupOptions(value_set=pa.array(list(classes)))
    )
    if index.null_count:
        raise ValueError(f"records hold a predicted_class that is not among {', '.join(classes)}")
    return index.to_numpy().astype(np.int64)


def record_probabilities(record: pa.Table, classes: Iterable[str]) -> np.ndarray:
    """Return the probabilities of classes in records, float32 (n, classes)."""
    return np.column_stack([record[probability_column(name)].to_numpy() for name in classes])


def magnitude_bin(magnitude: np.ndarray, bins: tuple[tuple[float, float], ...]) -> np.ndarray:
    """Return the bin of each magnitude, int8 (n,), lower exclusive and upper inclusive (paper A, eq. 14).

    -1 where the magnitude lies in no bin or is NaN.
    """
    index = np.full(len(magnitude), -1, dtype=np.int8)
    for number, (brightest, faintest) in enumerate(bins):
        index[(magnitude > brightest) & (magnitude <= faintest)] = number
    return index


def healpix_29(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Return the nested order-29 HEALPix pixel of positions in degrees, int64 (n,)."""
    import healpy

    return np.asarray(healpy.ang2pix(2**29, ra, dec, nest=True, lonlat=True), dtype=np.int64)


def make_record(
    table: pa.Table,
    photometry: Photometry,
    judgement: Judgement,
    survey: Survey,
    classes: tuple[str, ...],
    found: tuple[RedshiftRanges, Redshifts] | None = None,
) -> pa.Table:
    """Build the records of one partition, rows in input order.

    Parameters
    ----------
    table : pyarrow.Table
        Catalogue rows: ``object_id``, ``ra``, ``dec``, ``class_star`` and, if it is there, ``_healpix_29``
        (taken over as it is; computed otherwise).
    photometry : Photometry
        Fluxes of the same rows, (n, bands), microjansky.
    judgement : Judgement
        Of the same rows, all of them usable.
    survey : Survey
    classes : tuple of str
    found : (RedshiftRanges, Redshifts), optional
        Of the same rows; without it records have no columns of redshift.

    Returns
    -------
    pyarrow.Table
        With the schema `record_schema`.

    Raises
    ------
    InputError
        When the numbers of rows or classes disagree, or a probability is not in [0, 1].
    """
    probabilities = judgement.probabilities
    _check_probabilities(probabilities, table.num_rows, len(photometry.flux), classes)
    novelty = judgement.novelty or Novelty.unknown(table.num_rows)
    columns: Columns = {
        **_object_columns(table),
        **_photometric_columns(photometry, survey),
        "entropy": judgement.entropy.astype(np.float32),
        "disagreement": novelty.disagreement.astype(np.float32),
        "novelty": novelty.score.astype(np.float32),
        "subset": _named(novelty.subset, SUBSETS),
        "predicted_class": _named(judgement.decided, classes),
    }
    for number, name in enumerate(classes):
        columns[probability_column(name)] = probabilities[:, number].astype(np.float32)
    columns["quality"] = quality = _quality(photometry, probabilities, columns, survey)
    if novelty.few_bands is not None:
        quality[novelty.few_bands] |= Quality.FEW_BANDS
    ranges, redshifts = found or (None, None)
    if redshifts is not None:
        columns |= _redshift_columns(redshifts)
    schema = record_schema(survey, classes, ranges)
    arrays = [_as_array(columns[field.name], field.type) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def _object_columns(table: pa.Table) -> Columns:
    """Return what a record takes over from the catalogue."""
    columns: Columns = {name: table[name] for name in ("object_id", "ra", "dec", "class_star")}
    if HEALPIX_COLUMN in table.column_names:
        return columns | {HEALPIX_COLUMN: table[HEALPIX_COLUMN]}
    return columns | {HEALPIX_COLUMN: healpix_29(table["ra"].to_numpy(), table["dec"].to_numpy())}


def _photometric_columns(photometry: Photometry, survey: Survey) -> Columns:
    """Return what a record says of the fluxes."""
    columns: Columns = {}
    for role in survey.reported_bands:
        magnitude, error = reported_magnitudes(photometry, survey, role)
        columns[magnitude_column(role)], columns[magnitude_error_column(role)] = magnitude, error
    reference, _ = photometry.magnitudes(survey.index(survey.reference_band))
    return columns | {
        "median_snr": photometry.median_signal_to_noise().astype(np.float32),
        "magnitude_bin": magnitude_bin(reference, survey.magnitude_bins),
        "missing_bands": photometry.missing,
    }


def _redshift_columns(redshifts: Redshifts) -> Columns:
    flat = redshifts.probabilities.astype(np.float32)
    lists = pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), flat.shape[1])
    named = {REDSHIFT: redshifts.point, REDSHIFT_LOW: redshifts.low, REDSHIFT_HIGH: redshifts.high}
    return {**{name: one.astype(np.float32) for name, one in named.items()}, REDSHIFT_PROBABILITIES: lists}


def _as_array(values: Any, kind: pa.DataType) -> pa.ChunkedArray | pa.Array:
    if isinstance(values, pa.ChunkedArray | pa.FixedSizeListArray):
        return values if values.type == kind else values.cast(kind)
    return pa.array(values, type=kind)


def _named(position: np.ndarray, names: tuple[str, ...]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(position.astype(np.int32), pa.array(list(names))).cast(pa.string())


def _quality(
    photometry: Photometry, probabilities: np.ndarray, columns: Columns, survey: Survey
) -> np.ndarray:
    observed = photometry.observed
    quality = np.zeros(len(observed), dtype=np.int32)
    quality[(observed & ~photometry.detected).any(axis=1)] |= Quality.NON_DETECTIONS
    quality[~observed.all(axis=1)] |= Quality.MISSING_BANDS
    quality[np.asarray(columns["magnitude_bin"]) < 0] |= Quality.OUTSIDE_MAGNITUDE_RANGE
    for role in survey.reported_bands:
        quality[np.isnan(np.asarray(columns[magnitude_column(role)]))] |= Quality.NO_REPORTED_MAGNITUDE
    quality[~(probabilities > 0.5).any(axis=1)] |= Quality.UNDECIDED
    return quality


def count_quality(record: pa.Table, bit: Quality) -> int:
    """Return how many records carry a bit of `Quality`."""
    return int(np.count_nonzero(record["quality"].to_numpy() & bit))


def _check_probabilities(
    probabilities: np.ndarray, table_rows: int, photometry_rows: int, classes: tuple[str, ...]
) -> None:
    expected = (table_rows, len(classes))
    if probabilities.shape != expected or photometry_rows != table_rows:
        raise InputError(
            f"{table_rows} catalogue rows and {len(classes)} classes need probabilities of shape {expected} "
            f"and as many rows of photometry; found {probabilities.shape} and {photometry_rows} rows"
        )
    if not ((probabilities >= 0) & (probabilities <= 1)).all():  # NaN fails both comparisons
        row = int(np.flatnonzero(~((probabilities >= 0) & (probabilities <= 1)).all(axis=1))[0])
        raise InputError(f"row {row} has probabilities outside [0, 1]: {probabilities[row].tolist()}")
