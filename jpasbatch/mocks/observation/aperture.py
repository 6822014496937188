"""What a fixed aperture does to the colours of extended objects.

Fluxes are measured within 3 arcsec, and calibrated on point sources. Where the seeing differs between bands, an
extended object loses another share of its light than a star does. Both profiles are taken as Gaussian:
the share within radius R is 1 - exp(-R^2 / (2 s^2)), with s^2 = (FWHM / 2.355)^2 plus that of the object.
"""

from __future__ import annotations

import numpy as np

APERTURE_RADIUS = 1.5
"""arcsec: APER_3."""


def galaxy_sizes(magnitude: np.ndarray, scatter: np.ndarray) -> np.ndarray:
    """Return the Gaussian width (n,) in arcsec of galaxies.

    0.5 arcsec at r = 20, smaller by 0.06 dex a magnitude, with 0.2 dex of scatter; within 0.05 to 2: assumed,
    for apparent half-light radii of about 0.6 arcsec.

    Parameters
    ----------
    magnitude : ndarray, shape (n,)
        r.
    scatter : ndarray, shape (n,)
        Standard normal numbers.
    """
    return np.clip(0.5 * 10 ** (-0.06 * (magnitude - 20.0) + 0.2 * scatter), 0.05, 2.0)


def aperture_factors(size: np.ndarray, seeing: np.ndarray, reference: int) -> np.ndarray:
    """Return by what factor each band's flux differs from a point source's, relative to the reference band.

    Parameters
    ----------
    size : ndarray, shape (n,)
        Gaussian width of the objects, arcsec; 0 is a point.
    seeing : ndarray, shape (n, bands)
        FWHM, arcsec.
    reference : int
        Position of the band in which the objects' magnitudes are given.

    Returns
    -------
    ndarray, shape (n, bands), float32
    """
    point = (seeing / np.float32(2.355)) ** 2
    extended = point + (size**2).astype(np.float32)[:, None]
    ratio = np.expm1(-(APERTURE_RADIUS**2) / (2 * extended)) / np.expm1(-(APERTURE_RADIUS**2) / (2 * point))
    return (ratio / ratio[:, [reference]]).astype(np.float32)
