"""Published fluxes or magnitudes to canonical f_nu in microjansky."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.photometry.band_order import band_order
from jpasbatch.photometry.catalogue_format import PhotometryForm
from jpasbatch.photometry.contract import (
    SENTINEL,
    Contract,
    implausible_fluxes,
    implausible_relative_errors,
)
from jpasbatch.photometry.noise import expected_errors
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
    error_columns,
    form_columns,
    missing_column,
    value_columns,
)
from jpasbatch.photometry.survey import Survey
from jpasbatch.photometry.units import FluxUnit, flux_unit, is_dimensionless

SENTINEL_TOLERANCE = 1e-3

LARGE_ERROR = 1.0
"""Magnitudes: beyond, a magnitude with its error stands for a flux near zero."""

BLOCK_ROWS = 4096
"""That are converted at once: what is made of them on the way, in double precision, stays in the processor's cache."""

CONTRADICTION = "relative error below 0 beside a flux above 0: band taken as not observed"
UNUSABLE = "error not above 0 or not finite: flux kept, error unknown"
NEAR_ZERO = f"magnitude error above {LARGE_ERROR:g}: kept, as a flux near zero with its error"
MODELLED = "magnitude without an error: error from the survey's depth"


class FluxColumns(NamedTuple):
    """Canonical fluxes and the rows that cannot be used.

    ``flux`` and ``flux_err`` are (n, bands) float32 in microjansky as in `jpasbatch.photometry.photometry`;
    ``infinite``, ``out_of_range``, ``implausible`` and ``wrong_errors`` are (n,) bool; ``absent`` names the optional
    bands that the file lacks; ``values`` counts single values (an object in a band) that were doubted or completed, by
    what was done.
    """

    flux: np.ndarray
    flux_err: np.ndarray
    infinite: np.ndarray
    out_of_range: np.ndarray
    values: Counter[str]
    implausible: np.ndarray
    wrong_errors: np.ndarray
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

    def convert(rows: slice) -> FluxColumns:
        errors_of_rows = None if error is None else error[rows]
        if form.kind == "magnitude":
            return _from_magnitudes(value[rows], errors_of_rows, form, survey)
        assert errors_of_rows is not None
        return _from_fluxes(value[rows], errors_of_rows, form, unit, survey)

    fluxes = _in_blocks(convert, len(value))
    return fluxes._replace(absent=absent_bands(form, survey, matched))


def _in_blocks(convert: Callable[[slice], FluxColumns], n_rows: int) -> FluxColumns:
    """Return what a conversion, which takes each row by itself, makes of all rows, some of them at a time."""
    parts = [convert(slice(start, start + BLOCK_ROWS)) for start in range(0, max(n_rows, 1), BLOCK_ROWS)]

    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in parts])

    return FluxColumns(
        flux=joined("flux"),
        flux_err=joined("flux_err"),
        infinite=joined("infinite"),
        out_of_range=joined("out_of_range"),
        values=sum((part.values for part in parts), Counter()),
        implausible=joined("implausible"),
        wrong_errors=joined("wrong_errors"),
    )


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
    contract = survey.catalogue.contract
    standing_for_none = contract.sentinels(value)
    missing = np.isnan(value) | _is(value, form.not_observed) | standing_for_none
    not_detected = _is(value, form.non_detection)
    flux = np.where(missing, np.nan, np.where(not_detected, 0.0, value)).astype(np.float64, copy=False)
    factor = np.full(len(survey.bands), unit.scale)
    if unit.quantity == "flux_lambda":
        factor = flux_nu_from_lambda(factor, survey.wavelengths)
    values: Counter[str] = Counter()
    _count(values, SENTINEL, standing_for_none)
    wrong_errors = np.zeros(len(flux), dtype=bool)
    with np.errstate(invalid="ignore", over="ignore"):
        if form.error_kind == "relative":
            # beside a negative flux the sign says nothing that the flux does not; beside a positive one it cannot be
            contradicting = (error < 0) & (flux > 0)
            flux[contradicting] = np.nan
            _count(values, CONTRADICTION, contradicting)
        flux *= factor
        if form.error_kind == "relative":
            depth_flux = flux_from_ab_magnitude(np.array([band.depth for band in survey.bands]))
            wrong_errors = implausible_relative_errors(flux, error, depth_flux, contract)
        flux_err = np.abs(error * flux) if form.error_kind == "relative" else error * factor
    flux_err[not_detected] = np.nan
    finished = _finish(flux, flux_err, np.zeros(len(flux), dtype=bool), values, contract)
    return finished._replace(wrong_errors=wrong_errors)


def _from_magnitudes(
    value: np.ndarray, error: np.ndarray | None, form: PhotometryForm, survey: Survey
) -> FluxColumns:
    missing = np.isnan(value) | _is(value, form.not_observed)
    not_detected = _is(value, form.non_detection)
    measured = ~(missing | not_detected)
    contract = survey.catalogue.contract
    outside = measured & ~((value >= contract.brightest) & (value <= contract.faintest))
    measured &= ~outside
    flux = np.where(not_detected, 0.0, np.nan)
    flux[measured] = flux_from_ab_magnitude(value[measured])
    values: Counter[str] = Counter()
    if error is None:
        flux_err = np.where(measured, expected_errors(flux, survey), np.nan)
        _count(values, MODELLED, measured)
        return _finish(flux, flux_err, np.logical_or.reduce(outside, axis=1), values, contract)
    usable = measured & ~_is(error, form.non_detection) & ~_is(error, form.not_observed)
    with np.errstate(invalid="ignore", over="ignore"):
        # SExtractor's error of a magnitude is 1.0857 times that of the flux over the flux, however large it is
        flux_err = np.where(usable, flux * error / MAGNITUDES_PER_E_FOLD, np.nan)
        _count(values, NEAR_ZERO, usable & (error > LARGE_ERROR) & np.isfinite(error))
    return _finish(flux, flux_err, np.logical_or.reduce(outside, axis=1), values, contract)


def _count(values: Counter[str], what: str, where: np.ndarray) -> None:
    if number := int(where.sum()):
        values[what] += number


def _is(value: np.ndarray, sentinel: float | None) -> np.ndarray:
    if sentinel is None:
        return np.zeros(value.shape, dtype=bool)
    with np.errstate(invalid="ignore"):
        return np.abs(value - sentinel) < SENTINEL_TOLERANCE


def _finish(
    flux: np.ndarray,
    flux_err: np.ndarray,
    out_of_range: np.ndarray,
    values: Counter[str],
    contract: Contract,
) -> FluxColumns:
    """Return single precision, with NaN for every error that is not positive and finite."""
    with np.errstate(over="ignore"):
        flux, flux_err = flux.astype(np.float32), flux_err.astype(np.float32)
    wrong = ~((flux_err > 0) & np.isfinite(flux_err))
    _count(values, UNUSABLE, wrong & (flux != 0) & np.isfinite(flux))
    flux_err[wrong | np.isnan(flux)] = np.nan
    infinite = np.logical_or.reduce(np.isinf(flux), axis=1)
    implausible = implausible_fluxes(flux, flux_err, contract)
    return FluxColumns(
        flux, flux_err, infinite, out_of_range, values, implausible, np.zeros(len(flux), dtype=bool)
    )
