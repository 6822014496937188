"""Published fluxes or magnitudes to canonical f_nu in microjansky."""

from __future__ import annotations

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.photometry.band_order import band_order
from jpasbatch.photometry.catalogue_format import PhotometryForm
from jpasbatch.photometry.flux_conversion import FluxColumns, convert
from jpasbatch.photometry.raw_table import (
    RawTable,
    as_floats,
    as_scalars,
    as_vectors,
    error_columns,
    form_columns,
    missing_column,
    value_columns,
)
from jpasbatch.photometry.survey import Survey
from jpasbatch.photometry.units import FluxUnit, flux_unit, is_dimensionless


def read_fluxes(raw: RawTable, survey: Survey, matched: dict[str, str]) -> FluxColumns:
    """Return canonical photometry from the first form of photometry that the file holds.

    Raises
    ------
    InputError
        If no form is complete, the order of bands is unknown, a band is missing, vectors have
        another length, or a unit is missing, unknown or of another quantity.
    """
    form = choose_form(raw, survey, matched)
    values = [matched.get(name) for name in value_columns(form, survey)]
    errors = [matched.get(name) for name in error_columns(form, survey)]
    if survey.catalogue.layout == "arrays":
        order = band_order(raw, survey)
        value, *rest = (_select(raw, name, order) for name in values + errors if name is not None)
        error = rest[0] if rest else None
    else:
        value, error = _stack(raw, values), _stack(raw, errors) if errors else None
    unit = _common_unit(raw, form, [name for name in values if name is not None])
    _check_error_units(raw, form, unit, [name for name in errors if name is not None])

    fluxes = convert(value, error, form, unit, survey)
    return fluxes._replace(absent=absent_bands(form, survey, matched))


def absent_bands(form: PhotometryForm, survey: Survey, matched: dict[str, str]) -> tuple[str, ...]:
    """Return the optional bands of which a file has neither value nor error; none in layout "arrays"."""
    if survey.catalogue.layout == "arrays":
        return ()
    parts = [part for part in (value_columns(form, survey), error_columns(form, survey)) if part]
    return tuple(
        band.name
        for band, *columns in zip(survey.bands, *parts, strict=True)
        if band.optional and not any(name in matched for name in columns)
    )


def choose_form(raw: RawTable, survey: Survey, matched: dict[str, str]) -> PhotometryForm:
    """Return the first form of photometry that a file holds, optional bands aside.

    A form without errors is taken only where the file has not one error column of the form before it.

    Raises
    ------
    InputError
        If it holds none.
    """
    available = (*raw.columns, *raw.other_columns)
    forms = survey.catalogue.published_forms
    for form, later in zip(forms, (*forms[1:], None), strict=True):
        names = form_columns(form, survey)
        free = absent_bands(form, survey, matched)
        absent = [
            name
            for band, name in zip(_owners(form, survey), names, strict=True)
            if name not in matched and (band not in free or _is_misspelt(name, available))
        ]
        if not absent:
            return form
        bare = later is not None and later.value == form.value and not later.error
        if bare and set(absent) >= set(error_columns(form, survey)):
            continue
        if survey.catalogue.layout == "columns" and len(absent) < len(names):
            bands = [band for band, name in zip(_owners(form, survey), names, strict=True) if name in absent]
            raise InputError(
                f"{raw.source}: bands are missing: {', '.join(dict.fromkeys(bands))} (columns"
                f" {', '.join(absent)})"
            )
    raise _no_form(raw, survey, matched, available)


def _no_form(
    raw: RawTable, survey: Survey, matched: dict[str, str], available: tuple[str, ...]
) -> InputError:
    """Return the error of a file that holds no form of photometry whole."""
    catalogue = survey.catalogue
    forms = catalogue.published_forms
    names = [name for form in forms for name in form_columns(form, survey)]
    if not any(name in matched for name in names) and (others := _apertures_of(available, survey)):
        return InputError(
            f"{raw.source}: holds no photometry of aperture {catalogue.aperture!r} ({' or '.join(names[::2])}); it"
            f" has {', '.join(others)}: choose one by [catalogue] aperture"
        )
    detail = missing_column(
        next(name for name in names if name not in matched), available, catalogue, raw.source
    )
    if len(forms) == 1:
        return detail
    accepted = " or ".join(f"{form.value} with {form.error or 'no error'}" for form in forms)
    return InputError(f"{detail}; photometry is accepted as {accepted}")


def _apertures_of(available: tuple[str, ...], survey: Survey) -> list[str]:
    """Return the apertures of which a file holds a form whole."""
    catalogue = survey.catalogue
    present = {catalogue.key(name) for name in available}
    return [
        aperture
        for aperture in catalogue.apertures
        if any(
            present.issuperset(map(catalogue.key, form_columns(form, survey)))
            for form in catalogue.forms_of(aperture)
        )
    ]


def _owners(form: PhotometryForm, survey: Survey) -> tuple[str, ...]:
    """Return the band that each of the names of `form_columns` belongs to; in layout "arrays" to none."""
    kinds = 2 if form.error else 1
    return ("",) * kinds if survey.catalogue.layout == "arrays" else survey.band_names * kinds


def _is_misspelt(name: str, available: tuple[str, ...]) -> bool:
    """Return whether a file has a column that differs in case or blanks only: no band is lost to that."""
    return any(other.strip().casefold() == name.casefold() for other in available)


def _select(raw: RawTable, name: str, order: np.ndarray | None) -> np.ndarray:
    assert raw.band_names is not None
    vectors = as_floats(as_vectors(raw, name, len(raw.band_names), native=False), name, raw.source)
    return vectors if order is None else vectors[:, order]


def _stack(raw: RawTable, names: list[str | None]) -> np.ndarray:
    """Return columns side by side, NaN for those that the file lacks."""
    columns = [
        np.full(len(raw), np.nan) if name is None else as_floats(as_scalars(raw, name), name, raw.source)
        for name in names
    ]
    return np.stack(columns, axis=1) if columns else np.empty((len(raw), 0))


def _common_unit(raw: RawTable, form: PhotometryForm, names: list[str]) -> FluxUnit:
    """Return the unit of the value columns, which must be one and must be stated."""
    found = {}
    for name in names:
        text = raw.units.get(name, "").strip()
        if not text and not raw.has_units:
            text = form.unit
        if not text:
            raise InputError(
                f"{raw.source}: column {name!r} states no unit; a unit is required, for example"
                f" {form.unit or 'uJy'!r} (TUNIT in FITS, unit in VOTable, field metadata 'unit' in Parquet)"
            )
        found[name] = flux_unit(text, name, raw.source)
    first = next(iter(found.values()))
    for name, unit in found.items():
        if unit != first:
            raise InputError(f"{raw.source}: columns {names[0]!r} and {name!r} differ in their units")
    if (first.quantity == "magnitude") != (form.kind == "magnitude"):
        raise InputError(
            f"{raw.source}: column {names[0]!r} must hold a {form.kind}, but its unit says {first.quantity}"
        )
    return first


def _check_error_units(raw: RawTable, form: PhotometryForm, unit: FluxUnit, names: list[str]) -> None:
    """Check stated units of errors; one that states none shares the unit of its value."""
    for name in names:
        text = raw.units.get(name, "")
        if is_dimensionless(text):
            continue
        if form.error_kind == "relative":
            raise InputError(f"{raw.source}: column {name!r} must be a ratio, but states the unit {text!r}")
        if flux_unit(text, name, raw.source) != unit:
            raise InputError(
                f"{raw.source}: column {name!r} has the unit {text!r}, another than its value column"
            )
