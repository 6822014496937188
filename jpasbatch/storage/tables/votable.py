"""Published tables in VOTable, as clients of TAP services save them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.photometry.raw_table import RawTable
from jpasbatch.photometry.survey import Survey
from jpasbatch.storage.tables.columns import band_names_by_id, is_filter_table, wanted_columns
from jpasbatch.storage.tables.compression import plain_file
from jpasbatch.storage.tables.votable_check import check_votable


def iterate_votable(path: Path, survey: Survey, chunk_rows: int) -> Iterator[RawTable]:
    """Yield chunks of a VOTable; see `jpasbatch.storage.tables.tables.iterate_raw`.

    Units are the attribute ``unit`` of a FIELD; the order of bands is that of a TABLE with the
    name FILTER. The file is read as a whole: TAP services give a tile or a few at once.
    """
    table, bands = read_tables(path)
    fields = _columns(table)
    wanted = wanted_columns(fields, survey)
    others = tuple(name for name in fields if name not in wanted)
    units = {name: _unit(fields[name][0]) for name in wanted}
    n_rows = len(table.array)
    for start in range(0, max(n_rows, 1), chunk_rows):
        rows = slice(start, min(start + chunk_rows, n_rows))
        columns = {name: _plain(fields[name][1][rows]) for name in wanted}
        yield RawTable(columns, units, bands, str(path), start, other_columns=others)


def read_tables(path: Path) -> tuple[Any, tuple[str, ...] | None]:
    """Return the table of objects of a VOTable, and the order of bands that its table FILTER tells, if it has one.

    Raises
    ------
    InputError
        When the file cannot be read, or holds several tables of objects.
    """
    with plain_file(path) as plain:
        told, document = check_votable(plain), _parse(plain)
    _check_rows(document, told, path)
    return _choose_tables(document, path)


def _check_rows(document: Any, told: list[int | None], path: Path) -> None:
    """Refuse tables that hold another number of rows than they say."""
    for table, rows in zip(document.iter_tables(), told, strict=False):
        if rows is not None and rows != len(table.array):
            raise InputError(
                f"{path}: a table says that it has {rows} rows (nrows) and holds {len(table.array)}; it is truncated, "
                "or was changed: get it again"
            )


def _parse(path: Path) -> Any:
    from astropy.io import votable

    try:
        with warnings.catch_warnings():
            # services differ from the standard in harmless ways, each worth a warning
            warnings.simplefilter("ignore")
            return votable.parse(path, verify="ignore")
    except Exception as error:  # the parser raises many kinds for damaged files
        raise InputError(f"{path}: is not a readable VOTable, or is truncated ({error})") from None


def _choose_tables(document: Any, path: Path) -> tuple[Any, tuple[str, ...] | None]:
    tables = list(document.iter_tables())
    filters = [table for table in tables if is_filter_table(table.name) or is_filter_table(table.ID)]
    objects = [table for table in tables if table not in filters]
    if len(objects) != 1 or len(filters) > 1:
        raise InputError(
            f"{path}: holds {len(objects)} tables of objects and {len(filters)} named FILTER; one and at most"
            " one are allowed"
        )
    bands = None
    if filters:
        columns = {name: list(values) for name, (_, values) in _columns(filters[0]).items()}
        bands = band_names_by_id(columns, path)
    return objects[0], bands


def _columns(table: Any) -> dict[str, tuple[Any, np.ndarray]]:
    """Return each FIELD with its values, by name (the array goes by ID, which may differ)."""
    names = table.array.dtype.names or ()
    return {item.name: (item, table.array[name]) for item, name in zip(table.fields, names, strict=True)}


def _unit(item: Any) -> str:
    return "" if item.unit is None else str(item.unit).strip()


def _plain(values: np.ndarray) -> np.ndarray:
    """Return an unmasked array where nothing is masked."""
    if isinstance(values, np.ma.MaskedArray) and values.dtype != object and not values.mask.any():
        return np.array(values.data)
    return values.copy()
