"""Observed spectra of SDSS/BOSS, with their noise, as a survey's filters would see them.

A folder holds ``boss_spectra.csv`` (one line a spectrum: plate, mjd, fiberid, ra, dec, loglam0, npix,
class_person, z_vi, psfmag_g, psfmag_r, psfmag_i) and ``boss_spectra.npz`` (flux in 1e-17 erg/s/cm2/A
and ivar, spectrum i in ``[offset[i]:offset[i + 1]]`` at log10 wavelength loglam0 + 1e-4 k). Data: SDSS DR12 and DR14.
"""

from __future__ import annotations

import csv
import itertools
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.mocks.spectra.responses import Response, band_weights
from jpasbatch.photometry.photometry import flux_from_ab_magnitude, flux_lambda_from_nu

MINIMUM_SHARE = 0.90
"""Share of a band's weight that good pixels must hold; below, the band counts as not observed."""

FLUX_UNIT = 1e-17
STEP = 1e-4

INSPECTED = {"1": "star", "3": "qso", "30": "qso", "4": "galaxy"}
"""class_person of the visual inspection (Paris et al. 2017, A&A 597, A79); 30 is a BAL quasar."""

PHOTOMETRY = {"g": 4750.0, "r": 6250.0, "i": 7725.0}
"""Bands whose PSF magnitudes are used, and their wavelengths in Angstrom."""

COLUMNS = ("ra", "dec", "loglam0", "npix", "class_person", "z_vi", *(f"psfmag_{band}" for band in PHOTOMETRY))


@dataclass(frozen=True, eq=False)
class SpectrumSet:
    """Spectra as read; n is their number.

    flux, inverse_variance : one float64 array a spectrum, 1e-17 erg/s/cm2/A and its inverse square.
    first_pixel : int64 (n,), log10 of the first wavelength in Angstrom in units of `STEP`.
    ra, dec : float64 (n,), degrees; true_class : object (n,), None if not inspected;
    true_redshift : float64 (n,), NaN if unknown; magnitudes : float64 (n, 3), SDSS PSF g, r and i.
    """

    flux: list[np.ndarray]
    inverse_variance: list[np.ndarray]
    first_pixel: np.ndarray
    ra: np.ndarray
    dec: np.ndarray
    true_class: np.ndarray
    true_redshift: np.ndarray
    magnitudes: np.ndarray


def read_spectra(folder: str | Path) -> SpectrumSet:
    """Read a folder of spectra.

    Raises
    ------
    InputError
        If a file or column is missing, or the two files do not fit each other.
    """
    table_path, pixel_path = Path(folder) / "boss_spectra.csv", Path(folder) / "boss_spectra.npz"
    for path in (table_path, pixel_path):
        if not path.is_file():
            raise InputError(f"spectra = {str(folder)!r}: there is no {path.name} in this folder")
    with table_path.open(encoding="utf-8", newline="") as stream:
        lines = list(csv.DictReader(stream))
    missing = [name for name in COLUMNS if not lines or name not in lines[0]]
    if missing:
        raise InputError(f"{table_path}: has no column {', '.join(missing)}, or no line")
    flux, inverse_variance, offset = _read_pixels(pixel_path)
    if len(offset) != len(lines) + 1 or np.any(np.diff(offset) != [int(line["npix"]) for line in lines]):
        raise InputError(f"{pixel_path}: offset does not fit the npix of {table_path.name}")
    cuts = [slice(start, stop) for start, stop in itertools.pairwise(offset)]
    true_class = np.array([INSPECTED.get(line["class_person"]) for line in lines], dtype=object)
    known = np.array([name is not None for name in true_class])
    return SpectrumSet(
        flux=[flux[cut].astype(np.float64) for cut in cuts],
        inverse_variance=[inverse_variance[cut].astype(np.float64) for cut in cuts],
        first_pixel=np.rint(_numbers(lines, "loglam0", table_path) / STEP).astype(np.int64),
        ra=_numbers(lines, "ra", table_path),
        dec=_numbers(lines, "dec", table_path),
        true_class=true_class,
        true_redshift=np.where(known, _numbers(lines, "z_vi", table_path), np.nan),
        magnitudes=np.stack([_numbers(lines, f"psfmag_{band}", table_path) for band in PHOTOMETRY], axis=1),
    )


def spectra_photometry(
    spectra: SpectrumSet, responses: tuple[Response, ...], matched: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return fluxes and errors of spectra in the bands.

    Pixels without positive ivar are left out; a band keeps its flux if the rest hold at least
    `MINIMUM_SHARE` of its weight (for a spectrum of constant f_nu), and is divided by that share.
    Pixels count as independent, so that errors are somewhat too small. Spectra with PSF magnitudes are
    brought to them by a factor that is a power of wavelength, fitted in g, r and i: BOSS centred the
    fibres of quasar targets at 4000 Angstrom, which makes their spectra too blue (Margala et al. 2016,
    ApJ 831, 157); without it g - r and r - i are about 0.15 and 0.1 mag too small.

    Parameters
    ----------
    spectra : SpectrumSet
        n spectra.
    responses : tuple of Response
        The bands.
    matched : ndarray, shape (bands, 3), or None
        Weights with which the bands give g, r and i; None to leave the spectra as observed.

    Returns
    -------
    flux, flux_err : ndarray, shape (n, bands), float64
        f_nu in microjansky; NaN where a band is not covered.
    """
    first = int(spectra.first_pixel.min()) - 1000
    last = max(int(pixel) + len(f) for pixel, f in zip(spectra.first_pixel, spectra.flux, strict=True)) + 1000
    wavelength = 10.0 ** (STEP * np.arange(first, last))
    weights = np.nan_to_num(band_weights(wavelength, responses))
    shares = weights * flux_lambda_from_nu(np.ones_like(wavelength), wavelength)[:, None]
    flux = np.full((len(spectra.flux), len(responses)), np.nan)
    flux_err = np.full_like(flux, np.nan)
    for row, (start, values, ivar) in enumerate(
        zip(spectra.first_pixel - first, spectra.flux, spectra.inverse_variance, strict=True)
    ):
        good = np.flatnonzero((ivar > 0) & np.isfinite(values))
        pixels = start + good
        share = shares[pixels].sum(axis=0)
        covered = share >= MINIMUM_SHARE
        total = FLUX_UNIT * (values[good] @ weights[pixels])
        spread = FLUX_UNIT * np.sqrt((1 / ivar[good]) @ weights[pixels] ** 2)
        flux[row, covered] = (total / np.where(covered, share, 1.0))[covered]
        flux_err[row, covered] = (spread / np.where(covered, share, 1.0))[covered]
    if matched is not None:
        centres = np.array([float(r.wavelength @ r.transmission / r.transmission.sum()) for r in responses])
        factor = _calibration(_combined(flux, matched), spectra.magnitudes, centres)
        flux, flux_err = flux * factor, flux_err * factor
    return flux, flux_err


def _combined(flux: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return sums of the bands that have a weight, (n, columns): a band without one may be unknown."""
    parts = [(np.flatnonzero(column), column) for column in weights.T]
    return np.stack([flux[:, used] @ column[used] for used, column in parts], axis=1)


def _calibration(measured: np.ndarray, magnitudes: np.ndarray, wavelength: np.ndarray) -> np.ndarray:
    """Factors (n, bands) A lambda^b that bring measured g, r, i (n, 3) to their magnitudes; 1 if unknown."""
    positive = np.where(measured > 0, measured, np.nan)
    offset = np.log(flux_from_ab_magnitude(magnitudes) / positive)
    known = np.asarray(np.isfinite(offset).all(axis=1))
    pivot = np.log(list(PHOTOMETRY.values()))
    tilt = (offset - offset.mean(axis=1, keepdims=True)) @ (pivot - pivot.mean())
    tilt = tilt / ((pivot - pivot.mean()) ** 2).sum()
    factor = np.exp(offset.mean(axis=1)[:, None] + tilt[:, None] * (np.log(wavelength) - pivot.mean()))
    return np.where(known[:, None], factor, 1.0)


def _read_pixels(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            return arrays["flux"], arrays["ivar"], arrays["offset"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: cannot be read; it must hold flux, ivar and offset ({error})") from None


def _numbers(lines: list[dict[str, str]], name: str, path: Path) -> np.ndarray:
    """Return a column; empty entries are NaN."""
    try:
        return np.array([float(line[name]) if line[name].strip() else np.nan for line in lines])
    except ValueError as error:
        raise InputError(f"{path}: column {name}: {error}") from None
