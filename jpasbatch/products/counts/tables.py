"""Tables as other programs read them: ECSV, Parquet and HEALPix FITS, with units and what describes them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jpasbatch.products.counts.tally import CountSummary
from jpasbatch.products.protocol import Findings, Writer

DENSITY = "deg-2"
"""Unit of densities."""

UNIT_KEY = b"unit"
"""Key of the metadata of a Parquet column that holds its unit, in the words of astropy."""


def table_writers(
    name: str, table: pa.Table, units: Mapping[str, str], described: Mapping[str, str]
) -> dict[str, Writer]:
    """Return the writers of a table as ECSV and as Parquet, by path.

    Parameters
    ----------
    name : str
        Path without its end.
    table : pyarrow.Table
    units : mapping of str to str
        Of columns that have one.
    described : mapping of str to str
        What the table is of: its metadata.
    """

    def write_ecsv(file: BinaryIO) -> None:
        file.write(ecsv_bytes(table, units, described))

    def write_parquet(file: BinaryIO) -> None:
        pq.write_table(with_metadata(table, units, described), file)

    return {f"{name}.ecsv": write_ecsv, f"{name}.parquet": write_parquet}


def ecsv_bytes(table: pa.Table, units: Mapping[str, str], described: Mapping[str, str]) -> bytes:
    """Return a table as ECSV, with units and what describes it."""
    from astropy.table import Table

    columns = {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names}
    texts = {name for name in columns if pa.types.is_string(table[name].type)}
    columns = {name: values.astype(str) if name in texts else values for name, values in columns.items()}
    given = {name: unit for name, unit in units.items() if name in columns}
    text = io.StringIO()
    Table(columns, units=given, meta=dict(described)).write(text, format="ascii.ecsv")
    return text.getvalue().encode()


def with_metadata(table: pa.Table, units: Mapping[str, str], described: Mapping[str, str]) -> pa.Table:
    """Return a table whose columns say their unit and whose schema says what describes it."""
    fields = [
        field.with_metadata({UNIT_KEY: units[field.name].encode()}) if field.name in units else field
        for field in table.schema
    ]
    metadata = {f"jpasbatch.{key}".encode(): value.encode() for key, value in described.items()}
    return table.cast(pa.schema(fields, metadata=metadata))


def write_healpix(
    file: BinaryIO, nside: int, table: pa.Table, units: Mapping[str, str], described: Mapping[str, str]
) -> None:
    """Write a map of given pixels as HEALPix FITS (explicit indexing, nested, equatorial), as healpy reads it.

    Parameters
    ----------
    file : binary file
    nside : int
    table : pyarrow.Table
        The column ``pixel`` (nested), then one a map.
    units, described : mapping of str to str
    """
    from astropy.io import fits

    maps = [name for name in table.column_names if name != "pixel"]
    columns = [fits.Column(name="PIXEL", format="K", array=table["pixel"].to_numpy())]
    for name in maps:
        values = table[name].to_numpy().astype(np.float64)
        columns.append(fits.Column(name=name, format="D", unit=units.get(name), array=values))
    extension = fits.BinTableHDU.from_columns(columns, name="MAPS")
    header = {
        "PIXTYPE": "HEALPIX",
        "ORDERING": "NESTED",
        "COORDSYS": "C",
        "NSIDE": nside,
        "INDXSCHM": "EXPLICIT",
        "OBJECT": "PARTIAL",
        "OBS_NPIX": table.num_rows,
    }
    extension.header.update(header)
    for key, value in described.items():
        extension.header.add_history(f"{key} = {value}".encode("ascii", "replace").decode())
    fits.HDUList([fits.PrimaryHDU(), extension]).writeto(file)


def description(findings: Findings, created: str) -> dict[str, str]:
    """Return what a table says of itself: survey, job, area, fingerprints and versions."""
    setting, counts = findings.setting, findings.get(CountSummary)
    values = {"created": created, "survey": setting.survey.name, **setting.provenance}
    values["class_mix"] = "of the sky" if setting.corrected else "of the validation sample"
    if counts is not None:
        values |= {"area": counts.area_kind, "area_deg2": f"{counts.area_deg2:.6g}"}
        values["outside_area"] = str(counts.outside)
    return values
