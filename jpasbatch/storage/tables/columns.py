"""What the readers of all formats share: which columns to read, and the order of bands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.photometry.raw_table import RawTable, declared_columns
from jpasbatch.photometry.survey import Survey

FILTER_TABLE = "FILTER"


def wanted_columns(available: Iterable[str], survey: Survey) -> list[str]:
    """Return the columns of a file that a survey may mean.

    Wider than what will match: a column whose spelling differs is read too, so that the error
    about it can name it.
    """
    declared = {_bare(name) for name in declared_columns(survey)}
    return [name for name in available if _bare(name) in declared]


def _bare(name: str) -> str:
    return name.rsplit(".", 1)[-1].strip().casefold()


def is_filter_table(name: str | None) -> bool:
    """Return whether a table's name is FILTER, with or without a schema before it."""
    return name is not None and _bare(name) == FILTER_TABLE.casefold()


def band_names_by_id(columns: Mapping[str, Iterable[Any]], source: str | Path) -> tuple[str, ...]:
    """Return band names in the order of vectors: of rising FILTER_ID.

    Parameters
    ----------
    columns : mapping of str to sequence
        The columns of a filter table, FILTER_ID and NAME in any case.
    source : str or Path
        For the message of the error.

    Raises
    ------
    InputError
        If a column is missing, or an id occurs twice.
    """
    spelled = {_bare(name): name for name in columns}
    if not {"filter_id", "name"} <= set(spelled):
        raise InputError(
            f"{source}: the filter table must have the columns FILTER_ID and NAME, found {', '.join(columns)}"
        )
    try:
        identifiers = [int(value) for value in columns[spelled["filter_id"]]]
    except (TypeError, ValueError):
        raise InputError(f"{source}: FILTER_ID must hold integers") from None
    names = [_text(value) for value in columns[spelled["name"]]]
    if len(set(identifiers)) != len(identifiers):
        raise InputError(f"{source}: the filter table holds a FILTER_ID twice")
    if not names:
        raise InputError(f"{source}: the filter table is empty")
    return tuple(names[row] for row in np.argsort(identifiers, kind="stable"))


def _text(value: object) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text.strip().strip('"')


def bands_agree(raw: RawTable, listed: tuple[str, ...] | None, survey: Survey) -> RawTable:
    """Return a table with its order of bands, from the file itself or from a listed filter table.

    Raises
    ------
    InputError
        If both exist and differ, or if vectors need an order and neither exists.
    """
    if survey.catalogue.layout != "arrays":
        return raw
    if raw.band_names is None and listed is None:
        raise InputError(
            f"{raw.source}: the order of bands in its vectors is unknown: a table FILTER with the columns"
            " FILTER_ID and NAME is needed in the file, or name a filter table (filter_table = ...)"
        )
    if raw.band_names is None:
        return replace(raw, band_names=listed)
    if listed is not None and listed != raw.band_names:
        raise InputError(
            f"{raw.source}: its own table FILTER ({', '.join(raw.band_names[:3])}, ...) and the filter table"
            f" that was named ({', '.join(listed[:3])}, ...) differ"
        )
    return raw
