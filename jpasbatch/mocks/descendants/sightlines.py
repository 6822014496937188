"""What lies between a quasar and us: the Lyman forest, Lyman-limit systems, and broad absorption of its own.

Mean transmission exp(-tau) with tau(z) = 0.0036 (1 + z)^3.45 for Lyman alpha (the power law of Kirkman et al.
2005, MNRAS 360, 1373, as given by Faucher-Giguere et al. 2008, ApJ 681, 831); higher lines of the series weaker.
Sightlines scatter by the large-scale power of the forest (Palanque-Delabrouille et al. 2013, A&A 559, A85).
Optically thick systems follow Songaila & Cowie (2010, ApJ 721, 1448).
"""

from __future__ import annotations

import numpy as np

from jpasbatch.mocks.spectra.forest import LYMAN_SERIES, POWER_AT_Z2, lyman_limit_transmission
from jpasbatch.mocks.spectra.grids import LOG_STEP, SPEED_OF_LIGHT_KMS, observed_grid, shifted
from jpasbatch.photometry.streams import ObjectStreams, gaussian_pairs

LYMAN_ALPHA = LYMAN_SERIES[0][0]


def absorb_forest(flux: np.ndarray, redshift: np.ndarray, streams: ObjectStreams) -> None:
    """Put hydrogen in front of spectra, in place.

    Parameters
    ----------
    flux : ndarray, shape (n, 1626), float32
        On `observed_grid`, not absorbed yet.
    redshift : ndarray, shape (n,)
    streams : ObjectStreams
        Of the n objects: their sightlines.
    """
    wavelength = observed_grid()
    seen = np.flatnonzero((1 + redshift) * LYMAN_ALPHA > wavelength[0])
    if not seen.size:
        return
    blue = wavelength < (1 + redshift[seen].max()) * LYMAN_ALPHA
    pixels = int(blue.sum())
    z = redshift[seen][:, None]
    transmission = np.exp(-_optical_depth(wavelength[:pixels], z))
    gaussian, _, _ = gaussian_pairs(streams[seen].named("forest").bits(pixels))
    transmission *= np.clip(1 + _contrast(wavelength[:pixels]) * gaussian, 0.0, 2.0)
    transmission = np.where(wavelength[:pixels] < LYMAN_ALPHA * (1 + z), transmission, np.float32(1.0))
    thick = lyman_limit_transmission(redshift[seen], wavelength[:pixels], streams[seen].named("lyman limit"))
    transmission *= thick.astype(np.float32)
    # a pixel's transmission may exceed 1 by chance: cutting it off would dim the mean, and bands average 30 pixels
    flux[seen, :pixels] *= transmission


def mean_transmission(wavelength: np.ndarray, redshift: float) -> np.ndarray:
    """Return the mean transmission of the Lyman series, shape of `wavelength` (observed Angstrom)."""
    return np.exp(-_optical_depth(np.asarray(wavelength), np.array([[redshift]])))[0]


def _optical_depth(wavelength: np.ndarray, redshift: np.ndarray) -> np.ndarray:
    depth = np.zeros((len(redshift), wavelength.size), dtype=np.float32)
    for line, relative in LYMAN_SERIES:
        tau = (relative * 0.0036 * (wavelength / line) ** 3.45).astype(np.float32)
        depth += np.where(wavelength < line * (1 + redshift), tau, np.float32(0.0))
    return depth


def _contrast(wavelength: np.ndarray) -> np.ndarray:
    """Return the standard deviation of the transmission's contrast in a pixel, float32 (pixels,)."""
    width = SPEED_OF_LIGHT_KMS * LOG_STEP
    return np.sqrt(POWER_AT_Z2 * (wavelength / LYMAN_ALPHA / 3.2) ** 3.5 / width).astype(np.float32)


def absorb_broadly(
    flux: np.ndarray,
    redshift: np.ndarray,
    troughs: np.ndarray,
    streams: ObjectStreams,
    share: float | np.ndarray,
) -> np.ndarray:
    """Give a share of the quasars a real broad-absorption trough, in place.

    Parameters
    ----------
    flux : ndarray, shape (n, 1626), float32
    redshift : ndarray, shape (n,)
    troughs : ndarray, shape (k, 3910), float32
        Transmission on the rest grid, 1 where there is no absorption; of the objects' own split.
    streams : ObjectStreams
    share : float or ndarray, shape (n,)
        Of quasars with broad absorption (10-15 % in optical samples: Gibson et al. 2009, ApJ 692, 758).

    Returns
    -------
    ndarray of bool, shape (n,)
        Which quasars are absorbed.
    """
    drawn = streams.named("broad absorption")
    absorbed = drawn.uniform() < share
    chosen = drawn.integers(max(len(troughs), 1))
    rows = np.flatnonzero(absorbed) if len(troughs) else np.array([], dtype=np.int64)
    for row in rows:
        flux[row] *= shifted(troughs[chosen[row]], redshift[[row]])[0]
    mask = np.zeros(len(flux), dtype=bool)
    mask[rows] = True
    return mask
