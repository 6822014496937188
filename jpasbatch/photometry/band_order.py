"""Where the bands of a survey stand in the vectors of a published table: by name, never by position."""

from __future__ import annotations

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.photometry.raw_table import RawTable
from jpasbatch.photometry.survey import Survey, load_survey, survey_names


def band_order(raw: RawTable, survey: Survey) -> np.ndarray | None:
    """Return where each band of the survey stands in the vectors of a file; None if in place.

    Raises
    ------
    InputError
        If the file has no filter table, names a band twice, or lacks a band; for a survey of fixed order also if it
        lists further bands, or another order.
    """
    if raw.band_names is None:
        raise InputError(
            f"{raw.source}: the order of bands in its vectors is unknown: a table FILTER with the columns"
            " FILTER_ID and NAME is needed in the file, or a filter table next to it (filter_table = ...)"
        )
    fold = str.casefold if survey.catalogue.ignore_case else str
    found = [fold(name.strip()) for name in raw.band_names]
    twice = sorted({name for name in found if found.count(name) > 1})
    if twice:
        raise InputError(f"{raw.source}: the filter table names a band twice: {', '.join(twice)}")
    missing = [name for name in survey.band_names if fold(name) not in found]
    if missing:
        raise InputError(
            f"{raw.source}: {len(missing)} of the {len(survey.bands)} bands of survey {survey.name!r} are"
            f" missing from its filter table: {', '.join(missing)}{_whose_bands(raw.band_names)}"
        )
    order = np.array([found.index(fold(name)) for name in survey.band_names])
    in_place = np.array_equal(order, np.arange(len(found)))
    if survey.catalogue.band_order == "fixed" and not in_place:
        raise _other_order(raw, survey, order)
    return None if in_place else order


def _other_order(raw: RawTable, survey: Survey, order: np.ndarray) -> InputError:
    """Return the error of a filter table that does not list a survey's bands in their fixed order."""
    assert raw.band_names is not None
    further = [name for place, name in enumerate(raw.band_names) if place not in order]
    if further:
        return InputError(
            f"{raw.source}: its filter table lists {len(raw.band_names)} bands, of which survey {survey.name!r}"
            f" ({len(survey.bands)} bands) has no {', '.join(further)}{_whose_bands(raw.band_names)}"
        )
    place = int(np.flatnonzero(order != np.arange(len(order)))[0])
    return InputError(
        f"{raw.source}: wrong order of its filter table: it lists {raw.band_names[place]} at place {place + 1},"
        f" where survey {survey.name!r} has {survey.band_names[place]}. FILTER_IDs of this survey are fixed: take the"
        " Filter table of the release that the table is from, or set band_order = 'any' in a survey file of your own"
    )


def _whose_bands(band_names: tuple[str, ...]) -> str:
    """Return a hint that names a survey of the package with just these bands, or nothing."""
    found = sorted(name.strip().casefold() for name in band_names)
    for name in survey_names():
        if sorted(map(str.casefold, load_survey(name).band_names)) == found:
            return f"; these are the bands of survey = {name!r}"
    return ""
