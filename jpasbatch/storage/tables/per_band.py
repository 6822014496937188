"""Tables of layout "columns" as a survey publishes them, written as Parquet: every band has columns of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jpasbatch.photometry.catalogue_format import PhotometryForm
from jpasbatch.photometry.photometry import (
    AB_ZERO_POINT,
    MAGNITUDES_PER_E_FOLD,
    flux_lambda_from_nu,
)
from jpasbatch.photometry.raw_table import form_columns
from jpasbatch.photometry.survey import Survey
from jpasbatch.photometry.units import flux_unit
from jpasbatch.storage.stores.files import write_atomically

ORIGIN_KEY = b"jpasbatch.origin"

CANONICAL = (
    "tile_id",
    "number",
    "ra",
    "dec",
    "flux",
    "flux_err",
    "flags",
    "mask_flags",
    "class_star",
    "true_class",
    "true_redshift",
)
"""What a survey has columns for; anything else is written under its own name."""


def write_column_table(path: Path, rows: dict[str, np.ndarray], survey: Survey, origin: str = "") -> None:
    """Write a table whose bands have columns of their own, named and in the unit that the survey declares.

    The same rows give the same bytes.

    Parameters
    ----------
    path : Path
        Of a ``.parquet`` file; replaced at once, or not at all.
    rows : dict of str to ndarray
        ``number`` (n,) int, the id; ``ra``, ``dec`` (n,) degrees; ``flux``, ``flux_err`` (n, bands) microjansky: flux 0
        with error NaN is a non-detection, NaN is not observed; optional ``flags``, ``mask_flags`` (n,), ``class_star``
        (n,), ``tile_id`` (n,), ``true_class`` (n,) str, ``true_redshift`` (n,). Any other array (n,) is written as it
        is: what only a mock knows.
    survey : Survey
        Of layout "columns", with one id column. Its first form of photometry is written.
    origin : str
        What the rows are, for the metadata of the file (`ORIGIN_KEY`): no mock is taken for observed objects.

    Raises
    ------
    ValueError
        If the survey has another layout or key, fluxes have another shape, or a further column bears the name of one
        that the survey declares.
    """
    catalogue = survey.catalogue
    if catalogue.layout != "columns" or len(catalogue.id_columns) != 1:
        raise ValueError(f"survey {survey.name!r} does not publish a table of columns with one id column")
    expected = (len(rows["number"]), len(survey.bands))
    if rows["flux"].shape != expected or rows["flux_err"].shape != expected:
        raise ValueError(f"flux and flux_err must have the shape {expected}, found {rows['flux'].shape}")
    fields, arrays = _keys(rows, survey)
    form = catalogue.published_forms[0]
    values = _photometry(rows, survey, form)
    for name, column in zip(form_columns(form, survey), values, strict=True):
        unit = form.unit if column.is_value or form.error_kind == "absolute" else ""
        fields.append(pa.field(name, pa.float64(), metadata={"unit": unit} if unit else None))
        arrays.append(pa.array(column.array, pa.float64(), from_pandas=True))
    for name, column in rows.items():
        if name in CANONICAL:
            continue
        if name in {field.name for field in fields}:
            raise ValueError(f"column {name!r}: survey {survey.name!r} declares one of that name")
        text = column.dtype.kind in "UO"
        arrays.append(pa.array(column.tolist(), pa.string()) if text else pa.array(column))
        fields.append(pa.field(name, arrays[-1].type))
    metadata = {ORIGIN_KEY: origin.encode()} if origin else None
    table = pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata=metadata))
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    write_atomically(path, sink.getvalue().to_pybytes())


def _keys(rows: dict[str, np.ndarray], survey: Survey) -> tuple[list[pa.Field], list[pa.Array]]:
    """Return id, position, flags and truth, as far as the survey has columns for them."""
    catalogue, number = survey.catalogue, rows["number"]
    identifier = (
        pa.array(number, pa.int64())
        if catalogue.id_type == "integer"
        else pa.array(number.astype(str).tolist(), pa.string())
    )
    degrees = {"unit": "deg"}
    fields = [pa.field(catalogue.id_columns[0], identifier.type)]
    fields += [pa.field(name, pa.float64(), metadata=degrees) for name in (catalogue.ra, catalogue.dec)]
    arrays = [identifier, pa.array(rows["ra"]), pa.array(rows["dec"])]
    nothing = np.zeros(number.size, dtype=np.int32)
    known = {
        "flags": (pa.int32(), rows.get("flags", nothing)),
        "mask_flags": (pa.int32(), rows.get("mask_flags", nothing)),
        "class_star": (pa.float32(), rows.get("class_star", np.full(number.size, np.nan, dtype=np.float32))),
        "tile": (pa.string(), rows.get("tile_id", nothing).astype(str)),
        "true_class": (pa.string(), rows.get("true_class")),
        "true_redshift": (pa.float32(), rows.get("true_redshift")),
    }
    for role, (kind, values) in known.items():
        name = getattr(catalogue, role)
        if name and values is not None:
            fields.append(pa.field(name, kind))
            arrays.append(pa.array(values.tolist() if kind == pa.string() else values, kind))
    return fields, arrays


class _Column:
    """One published column of photometry; NaN is an empty cell."""

    def __init__(self, array: np.ndarray, is_value: bool) -> None:
        self.array, self.is_value = array, is_value


def _photometry(rows: dict[str, np.ndarray], survey: Survey, form: PhotometryForm) -> list[_Column]:
    """Return the columns of all values, then of all errors, in the order of `form_columns`."""
    flux, error = (np.asarray(rows[key], dtype=np.float64) for key in ("flux", "flux_err"))
    listed = (flux == 0) & np.isnan(error)
    if form.kind == "magnitude":
        detected = flux > 0
        value = np.full(flux.shape, np.nan)
        value[detected] = AB_ZERO_POINT - 2.5 * np.log10(flux[detected])
        # float32 fluxes do not hold more than these
        value = np.round(value, 6)
        published = np.round(
            np.divide(MAGNITUDES_PER_E_FOLD * error, flux, out=np.full(flux.shape, np.nan), where=detected),
            6,
        )
        value[~detected & ~np.isnan(flux)] = np.nan if form.non_detection is None else form.non_detection
    else:
        unit = flux_unit(form.unit, form.value, survey.name)
        scale = np.full(len(survey.bands), 1 / unit.scale)
        if unit.quantity == "flux_lambda":
            scale = flux_lambda_from_nu(scale, survey.wavelengths)
        value, published = flux * scale, error * scale
        if form.error_kind == "relative":
            published = np.divide(error, np.abs(flux), out=np.full(flux.shape, np.nan), where=flux != 0)
        if form.non_detection is not None:
            value[listed] = form.non_detection
    if form.not_observed is not None:
        value[np.isnan(flux)] = form.not_observed
    return [_Column(column, True) for column in value.T] + [_Column(column, False) for column in published.T]
