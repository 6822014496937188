"""The one in-memory form of photometry: f_nu in microjansky, one row an object, one column a band.

====================  =======================  ==========================================
flux                  flux_err                 meaning
====================  =======================  ==========================================
> 0                   finite                   measured and detected
<= 0                  finite                   measured, not detected
0                     NaN                      catalogued as a non-detection (magnitude 99)
> 0                   NaN                      detected, error unknown
NaN                   NaN                      band not observed
====================  =======================  ==========================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from jpasbatch.errors import InputError

AB_ZERO_POINT = 23.9
"""AB magnitude of 1 microjansky: 8.9 + 2.5 log10(1e6) (Oke & Gunn 1983, ApJ 266, 713)."""

SPEED_OF_LIGHT = 2.99792458e18
"""In Angstrom per second (exact, SI)."""

MICROJANSKY = 1e-29
"""In erg/s/cm2/Hz."""

MAGNITUDES_PER_E_FOLD = 2.5 / np.log(10.0)


def ab_magnitude(flux_ujy: np.ndarray) -> np.ndarray:
    """Return AB magnitudes of fluxes in microjansky; NaN where the flux is not positive.

    The dtype of floating input is kept; its shape is.
    """
    flux = np.asarray(flux_ujy)
    if not np.issubdtype(flux.dtype, np.floating):
        flux = flux.astype(np.float64)
    positive = np.where(flux > 0, flux, flux.dtype.type(np.nan))
    return (AB_ZERO_POINT - 2.5 * np.log10(positive)).astype(flux.dtype, copy=False)


def flux_from_ab_magnitude(mag: np.ndarray) -> np.ndarray:
    """Return fluxes in microjansky of AB magnitudes (float64, shape of the input)."""
    return 10.0 ** (0.4 * (AB_ZERO_POINT - np.asarray(mag, dtype=np.float64)))


def flux_nu_from_lambda(flux_lambda: np.ndarray, wavelength: np.ndarray | float) -> np.ndarray:
    """Return f_nu in microjansky of f_lambda in erg/s/cm2/A, at a wavelength in Angstrom.

    f_nu = f_lambda lambda^2 / c; the last axes broadcast; float64.
    """
    wavelength = np.asarray(wavelength, dtype=np.float64)
    return np.asarray(flux_lambda, dtype=np.float64) * (wavelength**2 / (SPEED_OF_LIGHT * MICROJANSKY))


def flux_lambda_from_nu(flux_nu: np.ndarray, wavelength: np.ndarray | float) -> np.ndarray:
    """Return f_lambda in erg/s/cm2/A of f_nu in microjansky: inverse of `flux_nu_from_lambda`."""
    wavelength = np.asarray(wavelength, dtype=np.float64)
    return np.asarray(flux_nu, dtype=np.float64) * (SPEED_OF_LIGHT * MICROJANSKY / wavelength**2)


def hide(hidden: np.ndarray, flux: np.ndarray, flux_err: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return fluxes and errors in which some bands were not observed.

    Parameters
    ----------
    hidden : ndarray of bool, shape (n, bands) or (bands,)
        Where nothing was observed.
    flux, flux_err : ndarray of float32, shape (n, bands)
    """
    nothing = np.float32(np.nan)
    return np.where(hidden, nothing, flux), np.where(hidden, nothing, flux_err)


def all_or_nothing(inputs: np.ndarray) -> np.ndarray:
    """Return the inputs of a network, (n, inputs), with NaN throughout a row in which any value is not finite.

    A network fed with NaN or infinity can answer with plausible probabilities, so that half a row must never get
    through. The array itself is changed.
    """
    inputs[~np.isfinite(inputs).all(axis=1)] = np.nan
    return inputs


@dataclass(frozen=True, eq=False)
class Photometry:
    """Fluxes and their errors.

    Parameters
    ----------
    flux, flux_err : ndarray, shape (n, bands), float32
        f_nu in microjansky; the table in the module's docstring says what NaN and 0 mean.
    auxiliary : mapping of str to ndarray, shape (n,), float32
        Further numbers of the objects that a classifier was taught to look at; NaN where one is missing.

    Raises
    ------
    ValueError
        If the arrays are not float32 of one two-dimensional shape, or auxiliary ones of another length.
    """

    flux: np.ndarray
    flux_err: np.ndarray
    auxiliary: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key in ("flux", "flux_err"):
            array = getattr(self, key)
            if not isinstance(array, np.ndarray) or array.dtype != np.float32 or array.ndim != 2:
                found = f"{getattr(array, 'dtype', type(array).__name__)} of shape {np.shape(array)}"
                raise ValueError(f"{key}: must be a float32 array of shape (n, bands), found {found}")
        if self.flux.shape != self.flux_err.shape:
            raise ValueError(f"flux has shape {self.flux.shape} but flux_err {self.flux_err.shape}")
        for name, values in self.auxiliary.items():
            if values.shape != self.flux.shape[:1]:
                raise ValueError(f"auxiliary {name!r} has shape {values.shape}, but flux {self.flux.shape}")

    def __len__(self) -> int:
        return self.flux.shape[0]

    @property
    def n_bands(self) -> int:
        """Number of bands."""
        return self.flux.shape[1]

    @property
    def observed(self) -> np.ndarray:
        """Where a band was observed at all: (n, bands) bool."""
        return np.isfinite(self.flux)

    @property
    def missing(self) -> np.ndarray:
        """Number of bands that were not observed: (n,) int16."""
        return (~self.observed).sum(axis=1).astype(np.int16)

    @property
    def detected(self) -> np.ndarray:
        """Where the flux is positive: (n, bands) bool."""
        return self.flux > 0

    def require_bands(self, number: int) -> None:
        """Raise `InputError` when it has another number of bands than features need."""
        if self.n_bands != number:
            raise InputError(f"photometry has {self.n_bands} bands, but these features need {number}")

    def positive_flux(self, index: int) -> np.ndarray:
        """Return the flux of one band, (n,) float32; NaN where it is not positive and finite."""
        flux = self.flux[:, index]
        return np.where((flux > 0) & np.isfinite(flux), flux, np.float32(np.nan))

    def select(self, rows: np.ndarray | slice) -> Photometry:
        """Return the photometry of some rows (indices, mask or slice)."""
        auxiliary = {name: values[rows] for name, values in self.auxiliary.items()}
        return Photometry(self.flux[rows], self.flux_err[rows], auxiliary)

    def with_fluxes(self, flux: np.ndarray, flux_err: np.ndarray) -> Photometry:
        """Return the same objects with other fluxes."""
        return Photometry(flux, flux_err, self.auxiliary)

    def signal_to_noise(self) -> np.ndarray:
        """Return flux / flux_err, (n, bands) float32; NaN where the error is unusable."""
        usable = np.isfinite(self.flux_err) & (self.flux_err > 0) & self.observed
        ratio = np.full(self.flux.shape, np.nan, dtype=np.float32)
        with np.errstate(over="ignore"):
            np.divide(self.flux, self.flux_err, out=ratio, where=usable)
        ratio[np.isinf(ratio)] = np.nan  # an error that small is no error at all
        return ratio

    def median_signal_to_noise(self) -> np.ndarray:
        """Return the median S/N over bands with a usable error, (n,) float32; NaN if there is none."""
        # numpy.nanmedian warns on rows without any value and is slower: NaNs sort last
        ordered = np.sort(self.signal_to_noise(), axis=1)
        count = np.isfinite(ordered).sum(axis=1)
        last = np.maximum(count - 1, 0)
        rows = np.arange(len(self))
        median = 0.5 * ordered[rows, last // 2] + 0.5 * ordered[rows, (last + 1) // 2]
        return np.where(count > 0, median, np.nan).astype(np.float32)

    def magnitudes(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return AB magnitude and its error in one band, (n,) float32; NaN where not detected.

        The error is 2.5 / ln 10 times flux_err / flux; NaN where flux_err is unusable.
        """
        flux = self.flux[:, index]
        mag = ab_magnitude(flux)
        error = self.flux_err[:, index]
        usable = (flux > 0) & np.isfinite(error) & (error > 0)
        ratio = np.divide(error, flux, out=np.full(flux.shape, np.nan, dtype=np.float32), where=usable)
        return mag, (ratio * np.float32(MAGNITUDES_PER_E_FOLD)).astype(np.float32)
