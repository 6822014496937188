"""What all built-in analytic spectra share: the wavelength grid, line profiles, redshifting, reddening.

The spectra of `stars`, `galaxies` and `quasars` are parametric. They let the package demonstrate and
test itself without any download: **for demonstration, not for science**. A survey trains on observed
or physically modelled parents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from jpasbatch.mocks.spectra.grids import observed_wavelength

CHUNK_OBJECTS = 500
"""Spectra held in memory at a time: 500 x 1601 float32 are 3 MB an array."""

INSTRUMENT_SIGMA = 6.0
"""Angstrom; Gaussian added in quadrature to every line, so that 5 Angstrom steps sample it."""


@dataclass(frozen=True, eq=False)
class RestSpectra:
    """Spectra on one rest-frame grid that is uniform in log wavelength.

    Parameters
    ----------
    log_start, log_step : float
        Natural logarithm of the first wavelength in Angstrom, and its step.
    flux_lambda : ndarray, shape (components, pixels), float32
        Any unit.
    """

    log_start: float
    log_step: float
    flux_lambda: np.ndarray

    @classmethod
    def on_grid(cls, first: float, last: float, pixels: int, of: Callable) -> RestSpectra:
        """Evaluate a function of wavelength (pixels,) that returns (components, pixels)."""
        log_wavelength = np.linspace(np.log(first), np.log(last), pixels)
        flux_lambda = np.atleast_2d(of(np.exp(log_wavelength))).astype(np.float32)
        return cls(float(log_wavelength[0]), float(log_wavelength[1] - log_wavelength[0]), flux_lambda)

    def observed(self, redshift: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return weighted sums of the components, seen at a redshift.

        Parameters
        ----------
        redshift : ndarray, shape (n,)
            One an object.
        weights : ndarray, shape (n, components)
            Of each component.

        Returns
        -------
        ndarray, shape (n, 1601), float32
            On `observed_wavelength`, linear interpolation in log wavelength; the 1/(1+z) of
            f_lambda is left out, since every spectrum is scaled to a magnitude afterwards.
        """
        mixed = np.asarray(weights, dtype=np.float32) @ self.flux_lambda
        grid = np.log(observed_wavelength())
        rest = self.log_start + self.log_step * np.arange(mixed.shape[1])
        shift = np.log1p(np.asarray(redshift))
        result = np.empty((mixed.shape[0], grid.size), dtype=np.float32)
        for row in range(mixed.shape[0]):
            result[row] = np.interp(grid - shift[row], rest, mixed[row])
        return result


def add_line(flux: np.ndarray, centre: np.ndarray, sigma: np.ndarray, area: np.ndarray) -> None:
    """Add one Gaussian line an object to spectra on `observed_wavelength`, in place.

    Only the pixels within 4 sigma of the widest line of the chunk are touched.

    Parameters
    ----------
    flux : ndarray, shape (n, 1601), float32
        Changed in place.
    centre, sigma : ndarray, shape (n,)
        Observed, in Angstrom; `INSTRUMENT_SIGMA` is added to sigma in quadrature.
    area : ndarray, shape (n,)
        Integral of the line in flux unit times Angstrom; negative for absorption.
    """
    wavelength = observed_wavelength()
    step = wavelength[1] - wavelength[0]
    sigma = np.hypot(sigma, INSTRUMENT_SIGMA)
    rows = np.flatnonzero((centre > wavelength[0] - 4 * sigma) & (centre < wavelength[-1] + 4 * sigma))
    if not rows.size:
        return
    half = int(np.ceil(4 * sigma[rows].max() / step))
    nearest = np.rint((centre[rows] - wavelength[0]) / step).astype(np.int64)
    steps = np.arange(-half, half + 1)
    pixels = nearest[:, None] + steps[None, :]
    inside = (pixels >= 0) & (pixels < wavelength.size)
    shift = ((wavelength[0] + step * nearest - centre[rows]) / sigma[rows]).astype(np.float32)
    offset = shift[:, None] + (step / sigma[rows]).astype(np.float32)[:, None] * steps.astype(np.float32)
    height = (area[rows] / (np.sqrt(2 * np.pi) * sigma[rows])).astype(np.float32)
    profile = height[:, None] * np.exp(np.float32(-0.5) * offset**2)
    if inside.all():
        flux[rows[:, None], pixels] += profile
        return
    targets = np.broadcast_to(rows[:, None], pixels.shape)
    flux[targets[inside], pixels[inside]] += profile[inside]


def flux_at(flux: np.ndarray, wavelength_at: np.ndarray) -> np.ndarray:
    """Return the flux (n,) at one observed wavelength an object (nearest pixel, clipped to the grid)."""
    wavelength = observed_wavelength()
    index = np.rint((wavelength_at - wavelength[0]) / (wavelength[1] - wavelength[0])).astype(np.int64)
    return flux[np.arange(flux.shape[0]), np.clip(index, 0, wavelength.size - 1)]


def smc_reddening(rest_wavelength: np.ndarray, colour_excess: np.ndarray) -> np.ndarray:
    """Return the transmission of SMC-like dust.

    A(lambda) = 1.39 E(B-V) (lambda / micrometre)^-1.2 (Richards et al. 2003, AJ 126, 1131; Hopkins
    et al. 2004, AJ 128, 1112).

    Parameters
    ----------
    rest_wavelength : ndarray, shape (n, pixels)
        In Angstrom.
    colour_excess : ndarray, shape (n,)
        E(B-V) in magnitudes.
    """
    extinction = (1.39 * colour_excess[:, None]).astype(np.float32) * (rest_wavelength / 1e4) ** np.float32(
        -1.2
    )
    return np.exp(-0.4 * np.log(10) * extinction).astype(np.float32)


def starburst_reddening(rest_wavelength: np.ndarray, colour_excess: np.ndarray) -> np.ndarray:
    """Return the transmission of the starburst law of Calzetti et al. (2000, ApJ 533, 682, eq. 4).

    Parameters and result as for `smc_reddening`.
    """
    inverse = 1e4 / rest_wavelength
    blue = 2.659 * (-2.156 + 1.509 * inverse - 0.198 * inverse**2 + 0.011 * inverse**3) + 4.05
    red = 2.659 * (-1.857 + 1.040 * inverse) + 4.05
    extinction = np.where(rest_wavelength < 6300, blue, red) * colour_excess[:, None]
    return np.exp(-0.4 * np.log(10) * extinction).astype(np.float32)


def chunks(n_objects: int) -> Iterator[slice]:
    """Yield slices of at most `CHUNK_OBJECTS` that cover `n_objects`."""
    for start in range(0, n_objects, CHUNK_OBJECTS):
        yield slice(start, min(start + CHUNK_OBJECTS, n_objects))
