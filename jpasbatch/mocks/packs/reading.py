"""Strict reading of published files: whatever is wrong with one ends as an InputError that names it.

A truncated or garbled file makes astropy, numpy and zlib fail in many ways, and sometimes only warn.
Here each of these is one refusal; nothing is repaired or guessed, and nothing is ever unpickled.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jpasbatch.errors import InputError

GZIP_MAGIC = b"\x1f\x8b"
FETCH_AGAIN = "fetch it again from where it is published (docs/template_pack.md)"

Shape = tuple[int | None, ...]
"""Wanted lengths of the axes; None allows any length above zero."""


def read_bytes(path: Path) -> bytes:
    """Return the content of a file, decompressed if it is gzip, whatever its name.

    Raises
    ------
    InputError
        If it cannot be read, or its compressed content is cut or garbled.
    """
    with refused(path):
        content = path.read_bytes()
        return gzip.decompress(content) if content.startswith(GZIP_MAGIC) else content


@contextlib.contextmanager
def refused(path: Path) -> Iterator[None]:
    """Turn any failure of a library on a file into an InputError, and keep its warnings quiet.

    The net is wide on purpose: on garbled headers astropy raises whatever its internals stumble over.
    What it would only warn of, truncation above all, is checked in `FitsFile`.
    """
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    except InputError:
        raise
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise InputError(f"{path}: cannot be read ({reason}); {FETCH_AGAIN}") from None


def check_numbers(data: Any, shape: Shape, dtype: Any, where: str) -> np.ndarray:
    """Return an array of finite numbers in native byte order, or refuse it.

    Parameters
    ----------
    data : ndarray or None
        As read.
    shape : tuple of int or None
        Wanted.
    dtype : dtype
        Of the result.
    where : str
        File and part, for the message.
    """
    if data is None or data.size == 0:
        raise InputError(f"{where}: is empty; {FETCH_AGAIN}")
    lengths = zip(data.shape, shape, strict=False)
    if data.ndim != len(shape) or any(wanted not in (None, found) for found, wanted in lengths):
        listed = " x ".join("any" if length is None else str(length) for length in shape)
        found = " x ".join(map(str, data.shape))
        raise InputError(f"{where}: has shape {found}; expected {listed}; {FETCH_AGAIN}")
    if data.dtype.kind not in "fiu":
        raise InputError(f"{where}: holds {data.dtype}, not numbers; {FETCH_AGAIN}")
    with np.errstate(all="ignore"):
        values = np.array(data, dtype=np.dtype(dtype))
    check_finite(values, where)
    return values


def check_finite(values: np.ndarray, where: str) -> None:
    """Refuse values that are not finite; `where` says file and part."""
    bad = int(np.size(values) - np.count_nonzero(np.isfinite(values)))
    if bad:
        raise InputError(f"{where}: {bad} of {np.size(values)} values are not finite; {FETCH_AGAIN}")


def check_wavelength(
    wavelength: np.ndarray, low: float, high: float, path: Path, floor: float | None = None
) -> None:
    """Refuse wavelengths that cannot be Angstrom on the range that is needed.

    Parameters
    ----------
    wavelength : ndarray, shape (p,)
        As read.
    low, high : float
        Range in Angstrom that the file is known to cover.
    path : Path
        For the message.
    floor : float, optional
        The grid must not begin below it; a third of `low` by default. Wide grids in nanometres would
        otherwise cover the range all the same.

    Raises
    ------
    InputError
        If they do not increase, are not finite, or do not cover the range.
    """
    if wavelength.ndim != 1 or wavelength.size < 2 or not np.isfinite(wavelength).all():
        raise InputError(f"{path}: wavelengths must be two or more finite numbers; {FETCH_AGAIN}")
    if not np.all(wavelength[1:] > wavelength[:-1]):
        raise InputError(f"{path}: wavelengths must increase from pixel to pixel; {FETCH_AGAIN}")
    first, last = float(wavelength[0]), float(wavelength[-1])
    if first > low or last < high or first < (low / 3 if floor is None else floor):
        raise InputError(
            f"{path}: wavelengths run from {first:.6g} to {last:.6g}; expected Angstrom that cover "
            f"{low:g} to {high:g}: convert the file if it is in nanometres or micrometres"
        )


def check_not_negative(values: np.ndarray, path: Path, what: str, tolerance: float = 0.0) -> None:
    """Refuse a transmission-like curve that goes below minus the tolerance.

    Parameters
    ----------
    values : ndarray
        Any shape.
    path : Path
        For the message.
    what : str
        What the values are, for the message.
    tolerance : float
        Undershoot that the authors' own numerics leave; 0 allows none.
    """
    lowest = float(np.min(values))
    if lowest < -tolerance:
        raise InputError(f"{path}: {what} falls to {lowest:.4g}; it must not be negative; {FETCH_AGAIN}")


def read_arrays(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Return named arrays of an npz file, without unpickling anything.

    Raises
    ------
    InputError
        If the file is damaged, an array is missing, or it needs pickle.
    """
    # from memory: numpy leaves the file open when it is damaged
    with refused(path), np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
        missing = [name for name in names if name not in archive.files]
        if missing:
            raise InputError(f"{path}: has no array {', '.join(missing)}; found {', '.join(archive.files)}")
        return {name: archive[name] for name in names}


def read_rows(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Return the lines of a CSV table whose header may follow ``#`` lines.

    Raises
    ------
    InputError
        If it is not text, has no line, or lacks a column or a value.
    """
    with refused(path):
        lines = read_bytes(path).decode("utf-8").splitlines()
        rows = list(csv.DictReader(line for line in lines if line.strip() and not line.startswith("#")))
    missing = [name for name in columns if not rows or name not in rows[0]]
    if missing:
        raise InputError(f"{path}: has no column {', '.join(missing)}, or no line")
    for number, row in enumerate(rows, start=1):
        empty = [name for name in columns if not row[name]]
        if empty:
            raise InputError(f"{path}: row {number} has no {', '.join(empty)}; {FETCH_AGAIN}")
    return rows


def row_numbers(rows: list[dict[str, str]], name: str, path: Path) -> np.ndarray:
    """Return a column of finite numbers, float64 (n,)."""
    with refused(path):
        values = np.array([float(row[name]) for row in rows], dtype=np.float64)
    check_finite(values, f"{path}: column {name}")
    return values
