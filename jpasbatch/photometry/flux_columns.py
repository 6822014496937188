"""Published fluxes or magnitudes to canonical f_nu in microjansky."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.photometry.catalogue_format import PhotometryForm
from jpasbatch.photometry.photometry import (
    MAGNITUDES_PER_E_FOLD,
    flux_from_ab_magnitude,
    flux_nu_from_lambda,
)
from jpasbatch.photometry.raw_table import (
    RawTable,
    as_floats,
    as_scalars,
    as_vectors,
    form_columns,
    missing_column,
)
from jpasbatch.photometry.survey import Survey
from jpasbatch.photometry.units import FluxUnit, flux_unit, is_dimensionless

SENTINEL_TOLERANCE = 1e-3
FAINTEST_MAGNITUDE, BRIGHTEST_MAGNITUDE = 50.0, -30.0


class FluxColumns(NamedTuple):
    """Canonical fluxes and the rows that cannot be used.

    ``flux`` and ``flux_err`` are (n, bands) float32 in microjansky as in
    `jpasbatch.photometry.photometry`; ``infinite`` and ``out_of_range`` are (n,) bool; ``absent`` names the
    optional bands that the file lacks.
    """

    flux: np.ndarray
    flux_err: np.ndarray
    infinite: np.ndarray
    out_of_range: np.ndarray
    absent: tuple[str, ...] = ()


def read_fluxes(raw: RawTable, survey: Survey, matched: dict[str, str]) -> FluxColumns:
    """Return canonical photometry from the first form of photometry that the file holds.

    Raises
    ------
    InputError
        If no form is complete, the order of bands is unknown, a band is missing, vectors have
        another length, or a unit is missing, unknown or of another quantity.
    """
    form = choose_form(raw, survey, matched)
    names = [matched.get(name) for name in form_columns(form, survey)]
    values, errors = names[: len(names) // 2], names[len(names) // 2 :]
    if survey.catalogue.layout == "arrays":
        order = band_order(raw, survey)
        value, error = (_select(raw, name, order) for name in names if name is not None)
    else:
        value, error = _stack(raw, values), _stack(raw, errors)
    unit = _common_unit(raw, form, [name for name in values if name is not None])
    _check_error_units(raw, form, unit, [name for name in errors if name is not None])
    if form.kind == "magnitude":
        fluxes = _from_magnitudes(value, error, form)
    else:
        fluxes = _from_fluxes(value, error, form, unit, survey)
    return fluxes._replace(absent=absent_bands(form, survey, matched))


def band_order(raw: RawTable, survey: Survey) -> np.ndarray | None:
    """Return where each band of the survey stands in the vectors of a file; None if in place.

    Raises
    ------
    InputError
        If the file has no filter table, names a band twice, or lacks a band.
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
            f" missing from its filter table: {', '.join(missing)}"
        )
    order = np.array([found.index(fold(name)) for name in survey.band_names])
    return None if np.array_equal(order, np.arange(len(found))) else order


def absent_bands(form: PhotometryForm, survey: Survey, matched: dict[str, str]) -> tuple[str, ...]:
    """Return the optional bands of which a file has neither value nor error; none in layout "arrays"."""
    if survey.catalogue.layout == "arrays":
        return ()
    names = form_columns(form, survey)
    pairs = zip(survey.bands, names, names[len(survey.bands) :], strict=False)
    return tuple(
        band.name
        for band, *columns in pairs
        if band.optional and not any(name in matched for name in columns)
    )


def choose_form(raw: RawTable, survey: Survey, matched: dict[str, str]) -> PhotometryForm:
    """Return the first form of photometry that a file holds, optional bands aside.

    Raises
    ------
    InputError
        If it holds none.
    """
    available = (*raw.columns, *raw.other_columns)
    for form in survey.catalogue.forms:
        names = form_columns(form, survey)
        free = absent_bands(form, survey, matched)
        absent = [
            name
            for band, name in zip(_owners(survey), names, strict=True)
            if name not in matched and (band not in free or _is_misspelt(name, available))
        ]
        if not absent:
            return form
        if survey.catalogue.layout == "columns" and len(absent) < len(names):
            bands = [band for band, name in zip(_owners(survey), names, strict=True) if name in absent]
            raise InputError(
                f"{raw.source}: bands are missing: {', '.join(dict.fromkeys(bands))} (columns"
                f" {', '.join(absent)})"
            )
    if len(survey.catalogue.forms) == 1:
        first = next(name for name in form_columns(survey.catalogue.forms[0], survey) if name not in matched)
        raise missing_column(first, available, survey.catalogue, raw.source)
    forms = " or ".join(f"{form.value} with {form.error}" for form in survey.catalogue.forms)
    for form in survey.catalogue.forms:
        for name in form_columns(form, survey):
            if name not in matched:
                detail = missing_column(name, available, survey.catalogue, raw.source)
                raise InputError(f"{detail}; photometry is accepted as {forms}")
    raise AssertionError("unreachable: some column is missing")


def _owners(survey: Survey) -> tuple[str, ...]:
    """Return the band that each of the names of `form_columns` belongs to; in layout "arrays" to none."""
    return ("", "") if survey.catalogue.layout == "arrays" else survey.band_names * 2


def _is_misspelt(name: str, available: tuple[str, ...]) -> bool:
    """Return whether a file has a column that differs in case or blanks only: no band is lost to that."""
    return any(other.strip().casefold() == name.casefold() for other in available)


def _select(raw: RawTable, name: str, order: np.ndarray | None) -> np.ndarray:
    assert raw.band_names is not None
    vectors = as_floats(as_vectors(raw, name, len(raw.band_names)), name, raw.source)
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


def _from_fluxes(
    value: np.ndarray, error: np.ndarray, form: PhotometryForm, unit: FluxUnit, survey: Survey
) -> FluxColumns:
    missing = np.isnan(value) | _is(value, form.not_observed)
    not_detected = _is(value, form.non_detection)
    flux = np.where(missing, np.nan, np.where(not_detected, 0.0, value)).astype(np.float64, copy=False)
    factor = np.full(len(survey.bands), unit.scale)
    if unit.quantity == "flux_lambda":
        factor = flux_nu_from_lambda(factor, survey.wavelengths)
    with np.errstate(invalid="ignore", over="ignore"):
        flux *= factor
        # the sign of a relative error says nothing that the flux does not
        flux_err = np.abs(error * flux) if form.error_kind == "relative" else error * factor
    flux_err[not_detected] = np.nan
    return _finish(flux, flux_err, np.zeros(len(flux), dtype=bool))


def _from_magnitudes(value: np.ndarray, error: np.ndarray, form: PhotometryForm) -> FluxColumns:
    missing = np.isnan(value) | _is(value, form.not_observed)
    not_detected = _is(value, form.non_detection)
    measured = ~(missing | not_detected)
    outside = measured & ~((value > BRIGHTEST_MAGNITUDE) & (value < FAINTEST_MAGNITUDE))
    measured &= ~outside
    flux = np.where(not_detected, 0.0, np.nan)
    flux[measured] = flux_from_ab_magnitude(value[measured])
    usable = measured & ~_is(error, form.non_detection) & ~_is(error, form.not_observed)
    with np.errstate(invalid="ignore", over="ignore"):
        flux_err = np.where(usable, flux * error / MAGNITUDES_PER_E_FOLD, np.nan)
    return _finish(flux, flux_err, np.logical_or.reduce(outside, axis=1))


def _is(value: np.ndarray, sentinel: float | None) -> np.ndarray:
    if sentinel is None:
        return np.zeros(value.shape, dtype=bool)
    with np.errstate(invalid="ignore"):
        return np.abs(value - sentinel) < SENTINEL_TOLERANCE


def _finish(flux: np.ndarray, flux_err: np.ndarray, out_of_range: np.ndarray) -> FluxColumns:
    """Return single precision, with NaN for every error that is not positive and finite."""
    with np.errstate(over="ignore"):
        flux, flux_err = flux.astype(np.float32), flux_err.astype(np.float32)
    flux_err[~((flux_err > 0) & np.isfinite(flux_err)) | np.isnan(flux)] = np.nan
    return FluxColumns(flux, flux_err, np.logical_or.reduce(np.isinf(flux), axis=1), out_of_range)
