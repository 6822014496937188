"""Survey noise from published depths: what a tile of the survey would have measured.

sigma^2 = (f_5 / 5)^2 + (0.4 ln 10 dm f)^2 with f_5 the flux of the tile's 5-sigma depth in the band and dm
the zero-point error, times a lognormal scatter. It is a model of the published depths, simpler than the
noise models fitted to miniJPAS photometry by Queiroz et al. (2023, MNRAS 520, 3476). `observe` draws from a generator,
for the built-in mock; `observe_objects` draws from the objects' own streams, with the zero-point offsets that
all objects of a tile share.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Interval

from jpasbatch.errors import InputError
from jpasbatch.options import Options
from jpasbatch.photometry.conditions import Conditions
from jpasbatch.photometry.photometry import flux_from_ab_magnitude
from jpasbatch.photometry.streams import ObjectStreams, gaussian_pairs
from jpasbatch.photometry.survey import Survey


@dataclass(frozen=True)
class NoiseModel(Options):
    """How measured fluxes scatter.

    Parameters
    ----------
    error_scatter : float
        Standard deviation of the natural logarithm of sigma between objects (seeing, position on chip).
    outlier_share : float
        Share of measurements whose noise is `outlier_factor` times as large as their error says.
    outlier_factor : float
        See above; at least 1.
    non_detection_share : float
        Share of measurements below 5 sigma that the catalogue lists as non-detections (flux 0, no error).
    """

    error_scatter: Annotated[float, Interval(ge=0, le=1)] = 0.10
    outlier_share: Annotated[float, Interval(ge=0, le=1)] = 0.01
    outlier_factor: Annotated[float, Interval(ge=1, le=100)] = 4.0
    non_detection_share: Annotated[float, Interval(ge=0, le=1)] = 0.01


def depths_of_tile(survey: Survey, tile_index: int) -> np.ndarray:
    """Return the 5-sigma AB depths (bands,) of a tile; the survey's tiles are taken in turn.

    Bands without depths of single tiles take their mean depth.
    """
    depths = [
        band.tile_depths[tile_index % len(band.tile_depths)] if band.tile_depths else band.depth
        for band in survey.bands
    ]
    return np.array(depths, dtype=np.float64)


def expected_errors(flux: np.ndarray, survey: Survey) -> np.ndarray:
    """Return the errors that a survey's depths say, for magnitudes that are published without.

    sigma^2 = (f_5 / 5)^2 + (0.4 ln 10 dm f)^2, with f_5 the flux of the band's 5-sigma depth and dm the error of the
    zero point: the error of `observe` without its scatter.

    Parameters
    ----------
    flux : ndarray, shape (n, bands)
        Microjansky.
    survey : Survey

    Returns
    -------
    ndarray, shape (n, bands), float64
        Microjansky.
    """
    sky = flux_from_ab_magnitude(np.array([band.depth for band in survey.bands])) / 5
    return np.hypot(sky, 0.4 * np.log(10) * survey.zero_point_error * flux)


def observe(
    true_flux: np.ndarray,
    tile_depth: np.ndarray,
    zero_point_error: float,
    rng: np.random.Generator,
    model: NoiseModel | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return measured fluxes and their errors.

    Parameters
    ----------
    true_flux : ndarray, shape (n, bands)
        In microjansky; NaN is a band that is not observed and stays so.
    tile_depth : ndarray, shape (bands,) or (n, bands)
        5-sigma AB magnitudes.
    zero_point_error : float
        In magnitudes.
    rng : numpy Generator
        Draws the noise.
    model : NoiseModel, optional
        The default model if not given.

    Returns
    -------
    flux, flux_err : ndarray, shape (n, bands), float32
        In microjansky. Not detected: flux <= 0 with its error, or flux 0 and error NaN where the
        catalogue lists no measurement.
    """
    model = model or NoiseModel()
    true_flux = np.asarray(true_flux, dtype=np.float64)
    sky = flux_from_ab_magnitude(np.asarray(tile_depth)) / 5
    sigma = np.hypot(sky, 0.4 * np.log(10) * zero_point_error * true_flux)
    sigma = sigma * np.exp(rng.normal(0.0, model.error_scatter, true_flux.shape))
    outlier = rng.uniform(size=true_flux.shape) < model.outlier_share
    noise = rng.normal(size=true_flux.shape) * np.where(outlier, model.outlier_factor, 1.0)
    flux = true_flux + sigma * noise
    listed = rng.uniform(size=true_flux.shape) < model.non_detection_share
    undetected = listed & (flux < 5 * sigma)
    flux[undetected], sigma[undetected] = 0.0, np.nan
    sigma[np.isnan(flux)] = np.nan
    return flux.astype(np.float32), sigma.astype(np.float32)


NOISE_CHUNK = 1000
"""Objects whose noise is drawn at a time: their arrays fit the cache of a core."""


def observe_objects(
    true_flux: np.ndarray,
    conditions: Conditions,
    streams: ObjectStreams,
    model: NoiseModel,
    zero_point_error: float,
    realisation: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return measured fluxes and their errors, drawn from the objects' own streams.

    The flux is f 10^(-0.4 dm) + s N, where dm is the tile's zero-point offset and s the sky's noise with its
    scatter; the error is that noise and the zero-point error together, as catalogues give it. Outliers have
    `NoiseModel.outlier_factor` times the whole error. The same objects, seed and realisation give the same bits,
    whatever objects lie beside them; another realisation is another observation of the same night, for
    instance at every epoch of a training.

    Parameters
    ----------
    true_flux : ndarray, shape (n, bands), float32
        Microjansky; NaN is a band that is not observed and stays so.
    conditions : Conditions
        Of the n objects.
    streams : ObjectStreams
    model : NoiseModel
    zero_point_error : float
        As the catalogue states it, magnitudes.
    realisation : int
        Number of the observation.

    Returns
    -------
    flux, flux_err : ndarray, shape (n, bands), float32
        As `observe`.
    """
    flux, error = np.empty_like(true_flux), np.empty_like(true_flux)
    floor = np.float32(0.4 * np.log(10) * zero_point_error)
    outliers = round(model.outlier_share * 2**16)
    listed = round(model.non_detection_share * 2**16)
    for start in range(0, len(true_flux), NOISE_CHUNK):
        rows = slice(start, start + NOISE_CHUNK)
        words = streams[rows].named(f"noise {realisation}").bits(true_flux.shape[1])
        noise, scatter, coarse = gaussian_pairs(words)
        scatter *= np.float32(model.error_scatter)
        np.exp(scatter, out=scatter)
        scatter *= conditions.sky[rows]  # from here on the sky's noise
        part = np.multiply(true_flux[rows], conditions.zero_point[rows], out=flux[rows])
        sigma = np.hypot(scatter, floor * true_flux[rows], out=error[rows])
        noise *= np.where(coarse < outliers, np.float32(model.outlier_factor) * sigma, scatter)
        part += noise
        undetected = (coarse >= outliers) & (coarse < outliers + listed) & (part < 5 * sigma)
        part[undetected] = 0.0
        sigma[undetected | np.isnan(part)] = np.nan
    return flux, error


def sky_noise(noiseless: np.ndarray, flux_err: np.ndarray, zero_point_error: float) -> np.ndarray:
    """Return the noise of the sky alone behind the errors of a mock sample.

    Parameters
    ----------
    noiseless, flux_err : ndarray, shape (n, bands), float32
        True fluxes and the errors of `observe_objects`, microjansky.
    zero_point_error : float
        Magnitudes.

    Returns
    -------
    ndarray, shape (n, bands), float32
        Microjansky. Where an object was not detected or not observed, the median of the band.

    Raises
    ------
    InputError
        If a band has no error at all.
    """
    floor = np.float32(0.4 * np.log(10) * zero_point_error)
    with np.errstate(invalid="ignore"):
        sky = np.sqrt(np.maximum(flux_err**2 - (floor * noiseless) ** 2, 0.0))
    known = sky > 0
    empty = np.flatnonzero(~known.any(axis=0))
    if empty.size:
        raise InputError(
            f"band {empty[0]} of the sample has no error anywhere: its noise cannot be drawn again"
        )
    for band in range(sky.shape[1]):
        sky[~known[:, band], band] = np.median(sky[known[:, band], band])
    return sky


def observe_again(
    noiseless: np.ndarray,
    sky: np.ndarray,
    zero_point_error: float,
    model: NoiseModel,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Return fluxes and errors of another observation of a sample, as `observe_objects` would have made them.

    Each object gets the sky of another object, in all bands together, and zero-point offsets of its own.

    Parameters
    ----------
    noiseless : ndarray, shape (n, bands), float32
        Microjansky; NaN is a band that is not observed and stays so.
    sky : ndarray, shape (n, bands), float32
        Of `sky_noise`.
    zero_point_error : float
        Magnitudes.
    model : NoiseModel
        Its scatter of errors is in the sky already.
    rng : numpy Generator

    Returns
    -------
    flux, flux_err : ndarray, shape (n, bands), float32
        As `observe`.
    """
    floor = np.float32(0.4 * np.log(10) * zero_point_error)
    flux, error = np.empty_like(noiseless), np.empty_like(noiseless)
    order = rng.permutation(len(noiseless))
    for start in range(0, len(noiseless), NOISE_CHUNK):
        rows = slice(start, start + NOISE_CHUNK)
        true, own_sky = noiseless[rows], sky[order[rows]]
        drawn = rng.standard_normal((2, *true.shape), dtype=np.float32)
        chance = rng.random(true.shape, dtype=np.float32)
        sigma = np.hypot(own_sky, floor * true)
        outlier = chance < model.outlier_share
        noise = drawn[0] * np.where(outlier, np.float32(model.outlier_factor) * sigma, own_sky)
        part = true * np.exp(floor * drawn[1]) + noise
        listed = ~outlier & (chance < model.outlier_share + model.non_detection_share)
        undetected = listed & (part < 5 * sigma)
        part[undetected] = 0.0
        sigma[undetected | np.isnan(part)] = np.nan
        flux[rows], error[rows] = part, sigma
    return flux, error


def observe_shallower(
    flux: np.ndarray,
    flux_err: np.ndarray,
    magnitudes: float,
    zero_point_error: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Return fluxes and errors as an observation that is less deep would have measured them.

    Noise is added to what was measured: independent noises add in squares, so that no true flux need be known. The part
    of the error that is the zero point's stays.

    Parameters
    ----------
    flux, flux_err : ndarray, shape (n, bands), float32
        Microjansky. What has no error gets no noise.
    magnitudes : float
        By which the depth of every band is less.
    zero_point_error : float
        Part of the errors that does not depend on the depth, magnitudes.
    rng : numpy Generator

    Returns
    -------
    flux, flux_err : ndarray, shape (n, bands), float32
    """
    floor = np.float32(0.4 * np.log(10) * zero_point_error)
    sky_squared = np.maximum(flux_err**2 - (floor * flux) ** 2, np.float32(0.0))
    added = np.sqrt(sky_squared * np.float32(10 ** (0.8 * magnitudes) - 1))
    drawn = rng.standard_normal(flux.shape, dtype=np.float32)
    noisier = flux + np.nan_to_num(added, nan=0.0) * drawn
    return noisier.astype(np.float32), np.hypot(flux_err, added).astype(np.float32)
