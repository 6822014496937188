"""Fluxes and colours against the reference band.

The two kinds of Martinez-Solaeche et al. 2023 (A&A 673, A103), sect. 3.1 and eq. 1, and one that knows its errors.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jpasbatch.photometry.photometry import Photometry, ab_magnitude, all_or_nothing
from jpasbatch.photometry.survey import Survey


class RelativeFlux:
    """Fluxes per wavelength relative to the reference band, which is dropped (eq. 1, ANN1).

    f_lambda^j / f_lambda^ref = f_nu^j / f_nu^ref (lambda_ref / lambda_j)^2. Fluxes that are
    zero or negative stay as they are, as in the paper; a band that was not observed is 0.
    """

    name = "relative_flux"

    def __init__(self, survey: Survey) -> None:
        self._reference = survey.reference_index
        self._others = np.delete(np.arange(len(survey.bands)), self._reference)
        ratio = survey.wavelengths[self._reference] / survey.wavelengths[self._others]
        self._to_flux_lambda = (ratio**2).astype(np.float32)

    @property
    def n_inputs(self) -> int:
        """Number of bands less the reference."""
        return len(self._others)

    def __call__(self, photometry: Photometry) -> np.ndarray:
        """Return relative fluxes, (n, bands - 1) float32; see `Features`."""
        photometry.require_bands(self.n_inputs + 1)
        reference = photometry.positive_flux(self._reference)[:, np.newaxis]
        flux = photometry.flux[:, self._others]
        with np.errstate(over="ignore"):
            relative = flux / reference * self._to_flux_lambda
        relative[np.isnan(flux) & np.isfinite(reference)] = 0.0
        return all_or_nothing(relative)

    def fit(self, photometry: Photometry) -> RelativeFlux:
        """Return itself: there is nothing to learn."""
        return self

    def state(self) -> dict[str, Any]:
        """Return an empty state."""
        return {}


class Colours:
    """Colours against the reference band, and its magnitude scaled to the training set (eq. 1, ANN2).

    The first bands - 1 inputs are m_j - m_ref, 0 where band j has no positive flux or was not
    observed (sect. 3.1); the last is (m_ref - max) / (min - max): 1 for the brightest object of
    the training set and 0 for the faintest. Objects beyond that range lie outside [0, 1].

    Parameters
    ----------
    survey : Survey
        Gives the reference band.
    magnitude_range : (float, float), optional
        Brightest and faintest reference magnitude of the training set; learned by `fit`.
    """

    name = "colours"

    def __init__(self, survey: Survey, magnitude_range: tuple[float, float] | None = None) -> None:
        if magnitude_range is not None:
            brightest, faintest = (float(value) for value in magnitude_range)
            if not (np.isfinite(brightest) and np.isfinite(faintest) and brightest < faintest):
                raise ValueError(
                    f"magnitude_range = ({brightest}, {faintest}): must be finite magnitudes, brightest first"
                )
            magnitude_range = (brightest, faintest)
        self.magnitude_range = magnitude_range
        self._survey = survey
        self._reference = survey.reference_index
        self._others = np.delete(np.arange(len(survey.bands)), self._reference)

    @property
    def n_inputs(self) -> int:
        """Number of bands: the colours and one magnitude."""
        return len(self._others) + 1

    def __call__(self, photometry: Photometry) -> np.ndarray:
        """Return colours and the scaled magnitude, (n, bands) float32; see `Features`.

        Raises
        ------
        ValueError
            If the magnitude range is unknown because `fit` was not called.
        """
        if self.magnitude_range is None:
            raise ValueError("magnitude_range is unknown: call fit() with the training set first")
        photometry.require_bands(self.n_inputs)
        brightest, faintest = self.magnitude_range
        magnitude = ab_magnitude(photometry.positive_flux(self._reference))
        inputs = np.empty((len(photometry), self.n_inputs), dtype=np.float32)
        inputs[:, :-1] = ab_magnitude(photometry.flux[:, self._others]) - magnitude[:, np.newaxis]
        inputs[:, -1] = (magnitude - faintest) / (brightest - faintest)
        inputs[np.isnan(inputs) & np.isfinite(magnitude)[:, np.newaxis]] = 0.0
        return all_or_nothing(inputs)

    def fit(self, photometry: Photometry) -> Colours:
        """Return colours that know the range of the reference magnitude in a training set.

        Raises
        ------
        ValueError
            If fewer than two different positive reference fluxes are there to learn from.
        """
        photometry.require_bands(self.n_inputs)
        magnitude = ab_magnitude(photometry.positive_flux(self._reference))
        magnitude = magnitude[np.isfinite(magnitude)]
        if magnitude.size == 0 or not magnitude.min() < magnitude.max():
            raise ValueError(
                f"a range of {self._survey.reference_band} magnitudes needs two different ones; found"
                f" {np.unique(magnitude).size} among {len(photometry)} objects"
            )
        return Colours(self._survey, (float(magnitude.min()), float(magnitude.max())))

    def state(self) -> dict[str, Any]:
        """Return the magnitude range, or None before `fit`."""
        return {"magnitude_range": list(self.magnitude_range) if self.magnitude_range else None}


ERROR_RANGE = (1e-3, 1e3)
"""Errors relative to the reference flux; a band without one gets the upper end, which says that nothing is known."""

ANCHOR_MAGNITUDE = 21.0


class FluxesAndErrors:
    """Relative fluxes, how certain each is, and how bright the object is: features that know their errors.

    In order: arcsinh of the relative fluxes of eq. 1 without the reference band (near zero linear, for bright
    bands a magnitude: Lupton et al. 1999, AJ 118, 1406); arcsinh of the signal-to-noise ratio of every band;
    log10 of every error relative to the reference flux, per wavelength; the reference magnitude less 21. A band
    that was not observed or not detected has 0, 0 and 3: the last is the mask.
    """

    name = "fluxes_and_errors"

    def __init__(self, survey: Survey) -> None:
        self._relative = RelativeFlux(survey)
        self._reference = survey.reference_index
        self._to_flux_lambda = ((survey.wavelengths[self._reference] / survey.wavelengths) ** 2).astype(
            np.float32
        )

    @property
    def n_inputs(self) -> int:
        """Three numbers a band; the reference band has its magnitude in place of a relative flux."""
        return 3 * (self._relative.n_inputs + 1)

    def __call__(self, photometry: Photometry) -> np.ndarray:
        """Return inputs, (n, 3 bands) float32; see `Features`."""
        relative = self._relative(photometry)
        reference = photometry.positive_flux(self._reference)[:, np.newaxis]
        flux, error = photometry.flux, photometry.flux_err
        known = np.isfinite(flux) & (error > 0) & np.isfinite(error)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            signal = np.where(known, flux / error, np.float32(0.0))
            spread = np.where(known, error / reference * self._to_flux_lambda, np.float32(ERROR_RANGE[1]))
        magnitude = ab_magnitude(reference) - np.float32(ANCHOR_MAGNITUDE)
        parts = [np.arcsinh(relative), np.arcsinh(signal), np.log10(np.clip(spread, *ERROR_RANGE)), magnitude]
        inputs = np.concatenate(parts, axis=1, dtype=np.float32)
        inputs[~np.isfinite(relative).all(axis=1)] = np.nan
        return all_or_nothing(inputs)

    def fit(self, photometry: Photometry) -> FluxesAndErrors:
        """Return itself: there is nothing to learn."""
        return self

    def state(self) -> dict[str, Any]:
        """Return an empty state."""
        return {}
