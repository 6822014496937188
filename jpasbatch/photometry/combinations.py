"""Fluxes of bands that a survey does not have, as sums of bands that it has.

f = sum_k w_k f_k, with weights fitted to spectra seen through the real curves of all bands (f_nu; least squares of the
relative difference). The error is that of the sum of independent fluxes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from annotated_types import Interval, MinLen

from jpasbatch.options import Options

MOST_MISSING = 0.2
"""Share of the weight that bands which are not observed may have; beyond, there is no sum."""

Weight = Annotated[float, Interval(gt=-10, lt=10)]


@dataclass(frozen=True)
class BandCombination(Options):
    """A band as the weighted sum of others.

    Parameters
    ----------
    bands : dict of str to float
        Weight of each band, by its name; of fluxes per frequency, so that the weights of a flat spectrum sum to 1.
    scatter : dict of str to float
        By how much its magnitudes differ from true ones, by class: root mean square, magnitudes. For readers only.
    source : str
        Key into `Survey.sources`: how the weights were found.
    """

    bands: Annotated[dict[str, Weight], MinLen(1)] = field(hash=False)
    scatter: dict[str, float] = field(default_factory=dict, hash=False)
    source: str = ""

    def check_relations(self) -> None:
        """Refuse weights that do not make a mean of fluxes."""
        total = sum(self.bands.values())
        if not 0.9 < total < 1.1:
            raise ValueError(f"bands: the weights sum to {total:.3f}; they must sum to 1 (0.9 to 1.1)")


def combine(
    flux: np.ndarray, error: np.ndarray, weights: np.ndarray, wavelengths: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return weighted sums of fluxes and their errors.

    A band that was not observed is interpolated, straight in wavelength, between its neighbours among the given bands:
    its weight moves to them, and with it the error is still that of a sum of independent fluxes.

    Parameters
    ----------
    flux, error : ndarray, shape (n, k)
        Of the bands of the combination; NaN is not observed. Errors are positive where fluxes are known.
    weights, wavelengths : ndarray, shape (k,)
        Wavelengths in Angstrom, increasing.

    Returns
    -------
    flux, error : ndarray, shape (n,), float64
        NaN where bands with more than `MOST_MISSING` of the weight were not observed.
    """
    known = np.isfinite(flux)
    share = np.abs(weights) / np.abs(weights).sum()
    lost = (~known) @ share > MOST_MISSING
    shifted = np.tile(weights.astype(np.float64), (len(flux), 1))
    incomplete = np.flatnonzero(~known.all(axis=1) & ~lost)
    shifted[incomplete] = _shifted_weights(known[incomplete], weights, wavelengths)
    with np.errstate(over="ignore"):
        total = (shifted * np.where(known, flux, 0.0)).sum(axis=1)
        sigma = np.sqrt((np.where(known, shifted * error, 0.0) ** 2).sum(axis=1))
    return np.where(lost, np.nan, total), np.where(lost, np.nan, sigma)


def _shifted_weights(known: np.ndarray, weights: np.ndarray, wavelengths: np.ndarray) -> np.ndarray:
    """Return weights (n, k), those of unknown bands moved to their known neighbours; every row knows a band."""
    bands = known.shape[1]
    place = np.arange(bands)
    left = np.maximum.accumulate(np.where(known, place, -1), axis=1)
    right = np.minimum.accumulate(np.where(known, place, bands)[:, ::-1], axis=1)[:, ::-1]
    left, right = np.where(left < 0, right, left), np.where(right == bands, left, right)
    shifted = np.where(known, weights.astype(np.float64), 0.0)
    for band in range(bands):
        gone = np.flatnonzero(~known[:, band])
        blue, red = left[gone, band], right[gone, band]
        between = np.where(blue < red, wavelengths[red] - wavelengths[blue], 1.0)
        part = np.where(blue < red, (wavelengths[band] - wavelengths[blue]) / between, 0.0)
        shifted[gone, blue] += weights[band] * (1 - part)
        shifted[gone, red] += weights[band] * part
    return shifted
