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


def band_names_by_id(
    columns: Mapping[str, Iterable[Any]], source: str | Path, survey: Survey | None = None
) -> tuple[str, ...]:
    """Return band names in the order of vectors: of rising FILTER_ID.

    Parameters
    ----------
    columns : mapping of str to sequence
        The columns of a filter table, FILTER_ID and NAME in any case; WAVELENGTH too where it has one.
    source : str or Path
        For the message of the error.
    survey : Survey, optional
        Whose bands must have the wavelengths that the table tells.

    Raises
    ------
    InputError
        If a column is missing, they differ in length, an id is no whole number or occurs twice, or a name
        contradicts the wavelength beside it.
    """
    spelled = {_bare(name): name for name in columns}
    if not {"filter_id", "name"} <= set(spelled):
        raise InputError(
            f"{source}: the filter table must have the columns FILTER_ID and NAME, found "
            f"{', '.join(columns)[:300]}"
        )
    identifiers = [_whole(value, source) for value in columns[spelled["filter_id"]]]
    names = [_text(value) for value in columns[spelled["name"]]]
    if len(names) != len(identifiers):
        raise InputError(
            f"{source}: the filter table holds {len(identifiers)} values of FILTER_ID and {len(names)} of NAME"
        )
    if len(set(identifiers)) != len(identifiers):
        raise InputError(f"{source}: the filter table holds a FILTER_ID twice")
    if not names:
        raise InputError(f"{source}: the filter table is empty")
    if survey is not None and "wavelength" in spelled:
        check_wavelengths(names, list(columns[spelled["wavelength"]]), survey, source)
    return tuple(names[row] for row in np.argsort(identifiers, kind="stable"))


def _whole(value: Any, source: str | Path) -> int:
    """Return an id of a filter; a null or a fraction would put a band in another's place."""
    try:
        if value is None or np.ma.is_masked(value) or isinstance(value, bool | np.bool_):
            raise ValueError
        whole = int(value)
        if not isinstance(value, str | bytes) and whole != value:
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{source}: FILTER_ID must hold whole numbers, found {str(value)[:40]!r}") from None
    return whole


def check_wavelengths(names: list[str], told: list[Any], survey: Survey, source: str | Path) -> None:
    """Refuse a filter table whose names contradict its own wavelengths: somebody sorted one column and not the other.

    Parameters
    ----------
    names : list of str
    told : list
        Wavelengths beside them, in any unit of length; what is no number tells nothing.
    survey : Survey
    source : str or Path

    Raises
    ------
    InputError
        When a band of the survey has a wavelength that is further from its own than half of its width, or 3 percent.
    """
    known = {survey.catalogue.key(band.name): band for band in survey.bands}
    pairs = [
        (known[key], number)
        for name, value in zip(names, told, strict=False)
        if (key := survey.catalogue.key(name)) in known and (number := _number(value)) is not None
    ]
    if not pairs or len(set(names)) < len(
        names
    ):  # a name that occurs twice is refused where vectors are put in order
        return
    ratio = float(np.median([number / band.wavelength for band, number in pairs]))
    scale = 10.0 ** round(float(np.log10(ratio)))  # nanometres, micrometres, metres
    for band, number in pairs:
        found = number / scale
        if abs(found - band.wavelength) > min(max(band.width / 2, 1.0), 0.03 * band.wavelength):
            raise InputError(
                f"{source}: its filter table gives band {band.name} the wavelength {number:g}, but survey "
                f"{survey.name!r} has it at {band.wavelength:g} Angstrom: names and wavelengths were mixed up, and the "
                "order of bands cannot be known"
            )


def _number(value: Any) -> float | None:
    """Return a positive finite number, or None."""
    try:
        number = None if value is None or np.ma.is_masked(value) else float(value)
    except (TypeError, ValueError):
        return None
    return number if number is not None and np.isfinite(number) and number > 0 else None


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
