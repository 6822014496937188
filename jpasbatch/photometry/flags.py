"""Quality flags of published tables: one value an object, or one a band."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.photometry.band_order import band_order
from jpasbatch.photometry.raw_table import RawTable, as_scalars, as_vectors
from jpasbatch.photometry.survey import Survey


class FlagColumn(NamedTuple):
    """Flags of one kind.

    ``bits`` are integers that fit into int32, in either order of bytes, (n, bands of the survey), or (n, 1) where an
    object has one value for all bands; ``masked`` is bool of the same shape: the file holds no value.
    """

    bits: np.ndarray
    masked: np.ndarray

    @property
    def of_bands(self) -> bool:
        """Whether each band has flags of its own."""
        return self.bits.shape[1] > 1

    def combined(self, rows_and_bands: np.ndarray | None = None) -> np.ndarray:
        """Return the bitwise OR over all bands, or over those that a mask of the same shape names, int32 (n,)."""
        bits = self.bits if rows_and_bands is None else np.where(rows_and_bands, self.bits, 0)
        # OR takes each byte by itself, so that only what comes of it needs the order of this machine
        stored = np.ascontiguousarray(bits).view(f"u{bits.dtype.itemsize}")
        return np.bitwise_or.reduce(stored, axis=1).view(bits.dtype).astype(np.int32)

    def masked_rows(self) -> np.ndarray:
        """Return the rows that lack a value in any band, bool (n,)."""
        if not self.masked.any():
            return np.zeros(len(self.masked), dtype=bool)
        return np.asarray(self.masked.any(axis=1))

    def forbidden(self, allowed: int) -> np.ndarray:
        """Return where a bit is set that is not allowed, or no value is there, bool like ``bits``."""
        return self.masked | ((self.bits & ~np.int32(allowed)) != 0)


def read_flags(raw: RawTable, name: str | None, survey: Survey) -> FlagColumn:
    """Return the flags of a column; zeros for a survey or file without one.

    Raises
    ------
    InputError
        If vectors have another length than the filter table, or values are no integers of 32 bits.
    """
    if name is None:
        return FlagColumn(np.zeros((len(raw), 1), dtype=np.int32), np.zeros((len(raw), 1), dtype=bool))
    column = _as_matrix(raw, name)
    hidden = np.ma.getmaskarray(column)
    values = np.ma.getdata(column)
    if values.ndim == 2 and values.shape[1] > 1 and survey.catalogue.layout == "arrays" and len(raw):
        order = band_order(raw, survey)  # first: what a band that is not read holds is nobody's matter
        if order is not None:
            values, hidden = values[:, order], hidden[:, order]
    if values.dtype.kind == "f" and np.all((values == np.floor(values)) | hidden):
        values = np.where(hidden, 0, values).astype(np.int64)
    if values.dtype.kind not in "iub":
        raise InputError(f"{raw.source}: column {name!r} must hold integers, found {values.dtype}")
    if hidden.any():
        values = np.where(hidden, 0, values)
    if np.can_cast(values.dtype, np.int32):
        return FlagColumn(values, hidden)
    values = values.astype(np.int64)
    limits = np.iinfo(np.int32)
    if values.size and not (limits.min <= values.min() and values.max() <= limits.max):
        raise InputError(f"{raw.source}: column {name!r} holds flags beyond 32 bits ({values.max()})")
    return FlagColumn(values.astype(np.int32), hidden)


def _as_matrix(raw: RawTable, name: str) -> np.ndarray:
    """Return a column of flags as (n, bands) or (n, 1), whichever the file has."""
    column = raw.columns[name]
    absent = (None, np.ma.masked)
    objects = column if column.dtype == object and column.ndim == 1 else ()
    first = next((value for value in objects if not any(value is nothing for nothing in absent)), None)
    width = int(np.prod(column.shape[1:])) if first is None else np.size(first)
    if width > 1:
        return as_vectors(
            raw, name, len(raw.band_names) if raw.band_names is not None else width, native=False
        )
    return as_scalars(raw, name)[:, np.newaxis]
