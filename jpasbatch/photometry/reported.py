"""The magnitudes that products report: of a band, or of a sum of bands."""

from __future__ import annotations

import numpy as np

from jpasbatch.photometry.combinations import BandCombination, combine
from jpasbatch.photometry.noise import expected_errors
from jpasbatch.photometry.photometry import MAGNITUDES_PER_E_FOLD, Photometry, ab_magnitude
from jpasbatch.photometry.survey import Survey


def reported_magnitudes(photometry: Photometry, survey: Survey, role: str) -> tuple[np.ndarray, np.ndarray]:
    """Return AB magnitude and its error under a role of ``[reported_bands]``.

    Parameters
    ----------
    photometry : Photometry
    survey : Survey
    role : str
        One of `Survey.reported_bands`.

    Returns
    -------
    magnitude, error : ndarray, shape (n,), float32
        NaN where not detected, and where too much of a sum was not observed.
    """
    band = survey.reported_bands[role]
    if isinstance(band, str):
        return photometry.magnitudes(survey.index(band))
    flux, error = combined_fluxes(photometry, band, survey)
    detected = flux > 0
    magnitude = ab_magnitude(np.where(detected, flux, np.nan)).astype(np.float32)
    ratio = np.divide(error, flux, out=np.full(flux.shape, np.nan), where=detected)
    return magnitude, (ratio * MAGNITUDES_PER_E_FOLD).astype(np.float32)


def magnitude_role(survey: Survey) -> str:
    """Return under which role a survey reports its reference band, or that band's name."""
    roles = (role for role, band in survey.reported_bands.items() if band == survey.reference_band)
    return next(roles, survey.reference_band)


def combined_fluxes(
    photometry: Photometry, combination: BandCombination, survey: Survey
) -> tuple[np.ndarray, np.ndarray]:
    """Return the fluxes of a combination of bands and their errors, (n,) float64 in microjansky.

    A flux without a usable error, as of a catalogued non-detection, has the error of the band's depth.
    """
    places = np.array(sorted(map(survey.index, combination.bands), key=lambda one: survey.wavelengths[one]))
    weights = np.array([combination.bands[survey.band_names[one]] for one in places])
    flux = photometry.flux[:, places].astype(np.float64)
    error = photometry.flux_err[:, places].astype(np.float64)
    usable = np.isfinite(error) & (error > 0)
    error = np.where(usable, error, expected_errors(photometry.flux, survey)[:, places])
    return combine(flux, error, weights, survey.wavelengths[places])


def combination_matrix(survey: Survey, roles: tuple[str, ...]) -> np.ndarray:
    """Return the weights (bands, roles) with which fluxes of all bands give those of the roles."""
    matrix = np.zeros((len(survey.bands), len(roles)))
    for column, role in enumerate(roles):
        band = survey.reported_bands[role]
        parts = {band: 1.0} if isinstance(band, str) else band.bands
        for name, weight in parts.items():
            matrix[survey.index(name), column] = weight
    return matrix
