"""What tables of counts say of themselves, and maps as HEALPix FITS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from jpasbatch.products import published
from jpasbatch.products.counts.tally import CountSummary
from jpasbatch.products.protocol import Findings

DENSITY = "deg-2"
"""Unit of densities."""


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
    """Return what a table of counts says of itself: what every table does, and its area."""
    values, counts = published.description(findings, created), findings.get(CountSummary)
    if counts is None:
        return values
    area = {"area": counts.area_kind, "area_deg2": f"{counts.area_deg2:.6g}"}
    return values | area | {"outside_area": str(counts.outside)}
