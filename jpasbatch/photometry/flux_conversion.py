"""Values and errors of photometry, as published, to canonical f_nu in microjansky.

Rows are converted some at a time, each by itself. What is rare (a number that stands for none, an error that is none)
is first looked for in a whole block, which takes a tenth of the time of doing something about it.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np

from jpasbatch.photometry.catalogue_format import PhotometryForm
from jpasbatch.photometry.contract import SENTINEL, implausible_fluxes, implausible_relative_errors
from jpasbatch.photometry.noise import expected_errors
from jpasbatch.photometry.photometry import (
    MAGNITUDES_PER_E_FOLD,
    flux_from_ab_magnitude,
    flux_nu_from_lambda,
)
from jpasbatch.photometry.survey import Survey
from jpasbatch.photometry.units import FluxUnit

SENTINEL_TOLERANCE = 1e-3

LARGE_ERROR = 1.0
"""Magnitudes: beyond, a magnitude with its error stands for a flux near zero."""

BLOCK_ROWS = 2048
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

    def of(self, rows: slice) -> FluxColumns:
        """Return views of some rows, with counts of their own."""
        return FluxColumns(
            self.flux[rows],
            self.flux_err[rows],
            self.infinite[rows],
            self.out_of_range[rows],
            Counter(),
            self.implausible[rows],
            self.wrong_errors[rows],
        )


def no_fluxes(shape: tuple[int, ...]) -> FluxColumns:
    """Return room for the fluxes of (n, bands), with no fault anywhere yet."""
    flux, flux_err = np.empty(shape, dtype=np.float32), np.empty(shape, dtype=np.float32)
    infinite, out_of_range, implausible, wrong_errors = np.zeros((4, shape[0]), dtype=bool)
    return FluxColumns(flux, flux_err, infinite, out_of_range, Counter(), implausible, wrong_errors)


def convert(
    value: np.ndarray, error: np.ndarray | None, form: PhotometryForm, unit: FluxUnit, survey: Survey
) -> FluxColumns:
    """Return canonical photometry.

    Parameters
    ----------
    value : ndarray of float, shape (n, bands)
        As published, bands in the order of the survey, in either order of bytes; NaN where there is none.
    error : ndarray of float, shape (n, bands), or None
        As published; None for a form without errors.
    form : PhotometryForm
    unit : FluxUnit
        Of the values.
    survey : Survey
    """
    found = no_fluxes(value.shape)
    for start in range(0, len(value), BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        errors = None if error is None else _native(error[rows])
        part = found.of(rows)
        with np.errstate(invalid="ignore", over="ignore"):
            if form.kind == "magnitude":
                _from_magnitudes(_native(value[rows]), errors, form, survey, part)
            else:
                assert errors is not None
                _from_fluxes(_native(value[rows]), errors, form, unit, survey, part)
            _finish(part, survey)
        found.values.update(part.values)
    return found


def _native(values: np.ndarray) -> np.ndarray:
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _from_fluxes(
    value: np.ndarray,
    error: np.ndarray,
    form: PhotometryForm,
    unit: FluxUnit,
    survey: Survey,
    found: FluxColumns,
) -> None:
    """Fill in fluxes, errors and wrong errors."""
    contract = survey.catalogue.contract
    relative = form.error_kind == "relative"
    not_detected = _is(value, form.non_detection)
    missing = _is(value, form.not_observed)
    if (standing_for_none := contract.sentinels(value)).any():
        _count(found.values, SENTINEL, standing_for_none)
        missing |= standing_for_none
    if relative and (contradicting := error < 0).any():
        # beside a negative flux the sign says nothing that the flux does not; beside a positive one it cannot be
        contradicting &= (value > 0) & ~missing & ~not_detected
        _count(found.values, CONTRADICTION, contradicting)
        missing |= contradicting
    factor = np.full(len(survey.bands), unit.scale)
    if unit.quantity == "flux_lambda":
        factor = flux_nu_from_lambda(factor, survey.wavelengths)
    flux = np.multiply(value, factor, dtype=np.float64)
    if not_detected.any():
        flux[not_detected] = 0.0
    if missing.any():
        np.copyto(flux, np.nan, where=missing)
    found.flux[:] = flux
    if relative:
        depth_flux = flux_from_ab_magnitude(np.array([band.depth for band in survey.bands]))
        found.wrong_errors[:] = implausible_relative_errors(flux, error, depth_flux, contract)
        np.multiply(error, flux, out=found.flux_err, dtype=np.float64, casting="same_kind")
        np.abs(found.flux_err, out=found.flux_err)
    else:
        np.multiply(error, factor, out=found.flux_err, dtype=np.float64, casting="same_kind")
    if not_detected.any():
        found.flux_err[not_detected] = np.nan


def _from_magnitudes(
    value: np.ndarray, error: np.ndarray | None, form: PhotometryForm, survey: Survey, found: FluxColumns
) -> None:
    """Fill in fluxes, errors, and rows out of range."""
    missing = np.isnan(value) | _is(value, form.not_observed)
    not_detected = _is(value, form.non_detection)
    measured = ~(missing | not_detected)
    contract = survey.catalogue.contract
    outside = measured & ~((value >= contract.brightest) & (value <= contract.faintest))
    measured &= ~outside
    flux = np.where(not_detected, 0.0, np.nan)
    flux[measured] = flux_from_ab_magnitude(value[measured])
    if error is None:
        flux_err = np.where(measured, expected_errors(flux, survey), np.nan)
        _count(found.values, MODELLED, measured)
    else:
        usable = measured & ~_is(error, form.non_detection) & ~_is(error, form.not_observed)
        # SExtractor's error of a magnitude is 1.0857 times that of the flux over the flux, however large it is
        flux_err = np.where(usable, flux * error / MAGNITUDES_PER_E_FOLD, np.nan)
        _count(found.values, NEAR_ZERO, usable & (error > LARGE_ERROR) & np.isfinite(error))
    found.flux[:], found.flux_err[:] = flux, flux_err
    found.out_of_range[:] = np.logical_or.reduce(outside, axis=1)


def _finish(found: FluxColumns, survey: Survey) -> None:
    """Put NaN for every error that is not positive and finite, and find the fluxes that no object has."""
    flux, flux_err = found.flux, found.flux_err
    if not flux.size:
        return
    if not (flux_err.min() > 0 and flux_err.max() < np.inf):  # NaN is neither
        wrong = ~((flux_err > 0) & (flux_err < np.inf))
        _count(found.values, UNUSABLE, wrong & (flux != 0) & np.isfinite(flux))
        np.copyto(flux_err, np.float32(np.nan), where=wrong)
    if np.isnan(flux.min()):
        absent = np.isnan(flux)
        np.copyto(flux, np.float32(np.nan), where=absent)  # there are many kinds of NaN
        np.copyto(flux_err, np.float32(np.nan), where=absent)
    if (infinite := np.isinf(flux)).any():
        found.infinite[:] = np.logical_or.reduce(infinite, axis=1)
    found.implausible[:] = implausible_fluxes(flux, flux_err, survey.catalogue.contract)


def _count(values: Counter[str], what: str, where: np.ndarray) -> None:
    if number := int(np.count_nonzero(where)):
        values[what] += number


def _is(value: np.ndarray, sentinel: float | None) -> np.ndarray:
    if sentinel is None:
        return np.zeros(value.shape, dtype=bool)
    return np.abs(value - sentinel) < SENTINEL_TOLERANCE
