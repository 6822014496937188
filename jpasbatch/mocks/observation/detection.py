"""From noiseless fluxes to what a catalogue lists: noise of sky and source, scatter that no error tells, detection."""

from __future__ import annotations

import numpy as np

from jpasbatch.mocks.observation.coverage import BandPlan
from jpasbatch.mocks.options.broadband import BroadbandNoise
from jpasbatch.photometry.photometry import MAGNITUDES_PER_E_FOLD, flux_from_ab_magnitude
from jpasbatch.photometry.streams import ObjectStreams, gaussian_pairs


def observe_bands(
    true_flux: np.ndarray,
    observed: np.ndarray,
    plan: BandPlan,
    streams: ObjectStreams,
    noise: BroadbandNoise,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the fluxes and errors that a catalogue of detections lists.

    sigma^2 = (f_5 / 5)^2 (1 + f / f_s), with f_5 the flux of the object's 5-sigma depth and f_s that at which the
    noise of the source equals that of the sky. Positions are known from the reference band, so that a flux is
    measured wherever a band was observed; it is listed where it reaches the band's signal to noise.

    Parameters
    ----------
    true_flux : ndarray, shape (n, bands), float32
        Microjansky; NaN where the energy distribution does not reach.
    observed : ndarray of bool, shape (n, bands)
    plan : BandPlan
    streams : ObjectStreams
    noise : BroadbandNoise

    Returns
    -------
    flux, flux_err : ndarray, shape (n, bands), float32
        Microjansky. Observed and not detected: flux 0, error NaN. Not observed: both NaN.
    """
    size = true_flux.shape
    gauss, scatter, coarse = gaussian_pairs(streams.named("noise").bits(size[1]))
    alone = streams.named("band scatter").normal(0.0, plan.band_scatter, size)
    shared = np.stack(
        [
            streams.named(f"scatter {coverage.name}").normal(0.0, scatter)
            for coverage, scatter in zip(plan.entries, plan.scatter, strict=True)
        ],
        axis=1,
    )
    flux = true_flux.astype(np.float64)
    flux *= 10 ** (-0.4 * (alone + shared[:, plan.entry]))
    depth = plan.depth[None, :] + noise.depth_scatter * scatter.astype(np.float64)
    sky = flux_from_ab_magnitude(depth) / 5
    own = flux_from_ab_magnitude(depth - noise.source_noise)
    factor = np.where(coarse < round(noise.outlier_share * 2**16), noise.outlier_factor, 1.0)
    flux += gauss * factor * sky * np.sqrt(1 + flux / own)
    # an error is estimated from what was measured
    sigma = sky * np.sqrt(1 + np.maximum(flux, 0.0) / own)
    known = observed & np.isfinite(true_flux)
    detected = known & (flux >= plan.signal_to_noise[None, :] * sigma)
    listed = np.where(detected, flux, np.where(known, 0.0, np.nan))
    published = 10 ** (-0.4 * plan.zero_point)
    return _rounded(listed * published, np.where(detected, sigma, np.nan) * published, noise.decimals)


def _rounded(flux: np.ndarray, sigma: np.ndarray, decimals: int) -> tuple[np.ndarray, np.ndarray]:
    """Round magnitudes and their errors as a published table does."""
    detected = flux > 0
    magnitude = np.round(-2.5 * np.log10(flux[detected]), decimals)
    error = np.round(MAGNITUDES_PER_E_FOLD * sigma[detected] / flux[detected], decimals)
    flux[detected] = 10 ** (-0.4 * magnitude)
    sigma[detected] = np.maximum(error, 10.0**-decimals) * flux[detected] / MAGNITUDES_PER_E_FOLD
    return flux.astype(np.float32), sigma.astype(np.float32)
