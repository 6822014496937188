"""A table as a file holds it, and the way from its columns to plain arrays.

Files differ in case, prefixes, byte order, masks and shapes; here that ends.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.photometry.catalogue_format import CatalogueFormat, PhotometryForm
from jpasbatch.photometry.survey import Survey


@dataclass(frozen=True, eq=False)
class RawTable:
    """Some consecutive rows of a file, columns named and filled as the file has them.

    Parameters
    ----------
    columns : dict of str to ndarray
        Shape (n,) or (n, bands), masked or not, of any numeric, string or object dtype.
    units : dict of str to str
        Units that the file states, by column name.
    band_names : tuple of str or None
        Order of the bands in vectors, from the file's own filter table; None if it has none.
    source : str
        The file, for messages and for the record of rejected rows.
    first_row : int
        Number of the first row in the file, counted from 0.
    has_units : bool
        Whether this kind of file can state units (CSV cannot).
    other_columns : tuple of str
        Names of columns that were not read, for messages.
    """

    columns: dict[str, np.ndarray]
    units: dict[str, str]
    band_names: tuple[str, ...] | None
    source: str
    first_row: int = 0
    has_units: bool = True
    other_columns: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        lengths = {name: np.shape(column)[0] for name, column in self.columns.items()}
        if len(set(lengths.values())) > 1:
            raise InputError(f"{self.source}: columns differ in length: {lengths}")

    def __len__(self) -> int:
        return next((np.shape(column)[0] for column in self.columns.values()), 0)


def declared_columns(survey: Survey) -> tuple[str, ...]:
    """Return the names of all columns that a survey may read, in its own spelling."""
    catalogue = survey.catalogue
    forms = [name for form in catalogue.published_forms for name in form_columns(form, survey)]
    rules = [name for rule in catalogue.requirements for name in rule.columns]
    names = (*catalogue.coordinates_and_keys, *catalogue.optional_columns, *forms, *rules)
    return tuple(dict.fromkeys(names))


def form_columns(form: PhotometryForm, survey: Survey) -> tuple[str, ...]:
    """Return the value columns and then the error columns, if it has them, of a form of photometry."""
    return value_columns(form, survey) + error_columns(form, survey)


def value_columns(form: PhotometryForm, survey: Survey) -> tuple[str, ...]:
    """Return the columns of values: one of vectors, or one a band."""
    return _columns_of(form.value, survey)


def error_columns(form: PhotometryForm, survey: Survey) -> tuple[str, ...]:
    """Return the columns of errors: one of vectors, or one a band; none for a form without errors."""
    return _columns_of(form.error, survey) if form.error else ()


def _columns_of(template: str, survey: Survey) -> tuple[str, ...]:
    if survey.catalogue.layout == "arrays":
        return (template,)
    return tuple(template.replace("{column}", band.column or band.name) for band in survey.bands)


def match_columns(available: Iterable[str], survey: Survey, source: str) -> dict[str, str]:
    """Return which column of a file stands for each declared name that it has.

    Raises
    ------
    InputError
        If two columns of the file could stand for one declared name.
    """
    catalogue = survey.catalogue
    spelled: dict[str, list[str]] = {}
    for name in available:
        spelled.setdefault(catalogue.key(name), []).append(name)
    matched = {}
    for declared in declared_columns(survey):
        found = spelled.get(catalogue.key(declared), [])
        if len(found) > 1:
            raise InputError(
                f"{source}: the columns {', '.join(map(repr, found))} could all be {declared!r}; keep one"
            )
        if found:
            matched[declared] = found[0]
    return matched


def missing_column(
    declared: str, available: Iterable[str], catalogue: CatalogueFormat, source: str
) -> InputError:
    """Return the error for an absent column; it names columns that differ in case or prefix only."""
    available = list(available)
    bare = declared.casefold()
    candidates = [name for name in available if name.rsplit(".", 1)[-1].strip().casefold() == bare]
    if candidates and not catalogue.ignore_case:
        return InputError(
            f"{source}: column {declared!r} is missing, but {', '.join(map(repr, candidates))} differs in"
            " spelling only: rename it, or set ignore_case = true in the [catalogue] of the survey file"
        )
    shown = ", ".join(available[:40]) + (", ..." if len(available) > 40 else "")
    return InputError(f"{source}: column {declared!r} is missing; the file has {shown or 'no columns'}")


def as_scalars(raw: RawTable, name: str) -> np.ndarray:
    """Return a column of one value a row, native byte order, masked where the file is.

    Clients of TAP services give scalars of shape (n, 1) and of dtype object.

    Raises
    ------
    InputError
        If a row holds more than one value.
    """
    column, source = raw.columns[name], raw.source
    if column.ndim > 1 and column.size == column.shape[0]:
        column = column.reshape(column.shape[0])
    if column.ndim != 1:
        raise InputError(f"{source}: column {name!r} holds {column.shape[1:]} values a row instead of one")
    if column.dtype == object:
        column = _scalars_from_objects(column, name, source)
    return _native(column)


def _scalars_from_objects(column: np.ndarray, name: str, source: str) -> np.ndarray:
    hidden = np.ma.getmaskarray(column)
    values = []
    for row, value in enumerate(np.ma.getdata(column)):
        if isinstance(value, (list, tuple, np.ndarray)):
            if np.size(value) != 1:
                raise InputError(
                    f"{source}: column {name!r} holds {np.size(value)} values in row {row} instead of one"
                )
            value = np.ma.getdata(value).reshape(-1)[0] if isinstance(value, np.ndarray) else value[0]
        hidden[row] |= value is None or value is np.ma.masked
        values.append(value)
    present = [value for value, absent in zip(values, hidden, strict=True) if not absent]
    mixed = len({isinstance(value, (str, bytes)) for value in present}) > 1
    kinds = np.array(present) if present else np.empty(0, dtype=np.float64)
    if not mixed and kinds.dtype == object:
        kind = type(present[0]).__name__
        raise InputError(
            f"{source}: column {name!r} holds values of the type {kind}; numbers or text are read"
        )
    if mixed or kinds.ndim != 1:
        raise InputError(f"{source}: column {name!r} mixes values of different types")
    filled = np.zeros(len(values), dtype=kinds.dtype)
    filled[~hidden] = kinds
    return np.ma.MaskedArray(filled, mask=hidden) if hidden.any() else filled


def as_vectors(raw: RawTable, name: str, width: int, native: bool = True) -> np.ndarray:
    """Return a column of vectors as (n, width), native byte order if it must be, masked where the file is.

    Raises
    ------
    InputError
        If a vector has another length.
    """
    column, source = raw.columns[name], raw.source
    n_rows = column.shape[0]
    if column.dtype == object and column.ndim == 1:
        empty = np.ma.masked_all(width, dtype=np.float64)
        rows = [empty if value is None or value is np.ma.masked else np.ma.asarray(value) for value in column]
        for row, value in enumerate(rows):
            if value.shape != (width,):
                raise _wrong_width(name, value.size, width, source, row)
        column = np.ma.stack(rows) if rows else np.ma.empty((0, width))
        if not np.ma.getmaskarray(column).any():
            column = np.ma.getdata(column)
    elif n_rows == 0:
        return np.empty((0, width), dtype=column.dtype if column.dtype != object else np.float64)
    column = column.reshape(n_rows, -1)
    if column.shape[1] != width:
        raise _wrong_width(name, column.shape[1], width, source, None)
    if column.dtype == object:
        try:
            column = column.astype(np.float64)
        except (TypeError, ValueError):
            raise InputError(f"{source}: column {name!r} must hold numbers") from None
    return _native(column) if native else column


def _wrong_width(name: str, found: int, width: int, source: str, row: int | None) -> InputError:
    where = "" if row is None else f" in row {row}"
    return InputError(
        f"{source}: column {name!r} holds vectors of length {found}{where}, but the filter table of the file"
        f" has {width} bands"
    )


def as_floats(column: np.ndarray, name: str, source: str) -> np.ndarray:
    """Return plain floats (float32 kept, else float64); masked values become NaN.

    Raises
    ------
    InputError
        If the column does not hold numbers.
    """
    if column.dtype.kind not in "fiu":
        raise InputError(f"{source}: column {name!r} must hold numbers, found {column.dtype}")
    if column.dtype.kind != "f":
        column = column.astype(np.float64)
    if isinstance(column, np.ma.MaskedArray):
        return column.filled(np.nan)
    return column


def _native(column: np.ndarray) -> np.ndarray:
    return column if column.dtype.isnative else column.astype(column.dtype.newbyteorder("="))
