"""Photometry that is wrong and does not say so: what a classifier has to live with on a real sky."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Interval

from jpasbatch.options import Options
from jpasbatch.photometry.photometry import MAGNITUDES_PER_E_FOLD

Share = Annotated[float, Interval(ge=0, le=1)]
Scatter = Annotated[float, Interval(ge=0, le=1)]

BAD_BANDS = 3
"""Most bands of an object that are wrong at once."""

LARGEST_NEIGHBOUR = 0.4
"""Of an object's own flux in the reference band: a brighter neighbour would be the object."""


@dataclass(frozen=True)
class Faults(Options):
    """What is wrong with photometry; without options nothing is.

    Parameters
    ----------
    zero_point : float
        Standard deviation of an offset of each band of an object, mag.
    calibration : float
        Standard deviation of an offset that varies smoothly with wavelength, mag: bands side by side are off together.
    calibration_length : float
        Wavelength over which that offset forgets itself, Angstrom.
    misjudged_errors : float
        Standard deviation of the natural logarithm of how much larger the noise is than the errors say; one factor
        an object.
    bad_bands : float
        Share of objects of which one to three bands are wrong (bad pixels, trails, ghosts).
    blends : float
        Share of objects that hold light of a fainter neighbour of any class.
    """

    zero_point: Scatter = 0.0
    calibration: Scatter = 0.0
    calibration_length: Annotated[float, Interval(ge=100, le=100_000)] = 1500.0
    misjudged_errors: Scatter = 0.0
    bad_bands: Share = 0.0
    blends: Share = 0.0

    @property
    def any(self) -> bool:
        """Whether anything is wrong."""
        return any((self.zero_point, self.calibration, self.misjudged_errors, self.bad_bands, self.blends))


def add_faults(
    flux: np.ndarray,
    flux_err: np.ndarray,
    faults: Faults,
    wavelength: np.ndarray,
    reference: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Return fluxes and errors (n, bands) with faults drawn for each object.

    Parameters
    ----------
    flux, flux_err : ndarray of float32, shape (n, bands)
        Microjansky; NaN stays NaN.
    faults : Faults
    wavelength : ndarray of float64, shape (bands,)
        Angstrom.
    reference : int
        Position of the reference band: neighbours are fainter there, and it is never a bad band.
    rng : numpy Generator
    """
    flux, error = flux.copy(), flux_err.copy()
    if faults.blends:
        _add_neighbours(flux, faults.blends, reference, rng)
    if faults.zero_point or faults.calibration:
        factor = np.exp(_offsets(faults, wavelength, len(flux), rng) / np.float32(MAGNITUDES_PER_E_FOLD))
        flux *= factor
        error *= factor
    if faults.misjudged_errors:
        error *= np.exp(
            np.float32(faults.misjudged_errors) * rng.standard_normal((len(flux), 1), dtype=np.float32)
        )
    if faults.bad_bands:
        _spoil_bands(flux, error, faults.bad_bands, reference, rng)
    return flux, error


def _add_neighbours(flux: np.ndarray, share: float, reference: int, rng: np.random.Generator) -> None:
    rows = np.flatnonzero(rng.random(len(flux)) < share)
    if not rows.size:
        return
    others = rng.integers(len(flux), size=rows.size)
    ratio = rng.uniform(0.0, LARGEST_NEIGHBOUR, size=rows.size).astype(np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = ratio * flux[rows, reference] / flux[others, reference]
    usable = np.isfinite(scale) & (scale > 0)
    rows, others, scale = rows[usable], others[usable], scale[usable]
    # a band that the neighbour lacks gets none of its light
    flux[rows] += scale[:, None] * np.nan_to_num(flux[others], nan=0.0)


def _offsets(faults: Faults, wavelength: np.ndarray, rows: int, rng: np.random.Generator) -> np.ndarray:
    """Return offsets in magnitudes, float32 (rows, bands)."""
    bands = len(wavelength)
    offset = np.float32(faults.zero_point) * rng.standard_normal((rows, bands), dtype=np.float32)
    if faults.calibration:
        distance = (wavelength[:, None] - wavelength[None, :]) / faults.calibration_length
        covariance = np.exp(-0.5 * distance**2)
        value, vector = np.linalg.eigh(covariance)
        mixing = (vector * np.sqrt(np.clip(value, 0.0, None))).astype(np.float32)
        drawn = rng.standard_normal((rows, bands), dtype=np.float32)
        offset += np.float32(faults.calibration) * (drawn @ mixing.T)
    return offset


def _spoil_bands(
    flux: np.ndarray, error: np.ndarray, share: float, reference: int, rng: np.random.Generator
) -> None:
    """Add a flux to some bands: as large as the object's own, or as five of its errors where that is more."""
    rows = np.flatnonzero(rng.random(len(flux)) < share)
    number = rng.integers(1, BAD_BANDS + 1, size=rows.size)
    order = rng.random((rows.size, flux.shape[1]))
    order[:, reference] = np.inf
    places = order.argsort(axis=1)[:, :BAD_BANDS]
    for column in range(places.shape[1]):
        chosen = number > column
        where = rows[chosen], places[chosen, column]
        size = np.fmax(np.abs(flux[where]), np.float32(5.0) * np.nan_to_num(error[where], nan=0.0))
        flux[where] += size * rng.standard_normal(size.size, dtype=np.float32)
