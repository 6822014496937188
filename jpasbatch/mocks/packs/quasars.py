"""Readers of the quasar parents of a pack: PCA coefficients, eigenvectors, troughs and line trends.

Wavelengths are in the rest frame and in vacuum; spectra are f_lambda in arbitrary units.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.mocks.packs import redrock
from jpasbatch.mocks.packs.fits_file import FitsFile
from jpasbatch.mocks.packs.layout import needed
from jpasbatch.mocks.packs.reading import check_not_negative, check_wavelength

TREND_MAGNITUDE_OFFSET = -0.89
"""The trends' absolute magnitude less M_1450: M_i(z=0) = M_1450 - 1.486 + 0.596 (Richards et al. 2006, AJ 131,
2766, equations 1 and 3), as simqso evaluates them."""

TREND_REFERENCE = -26.0
"""M_i at which `LineTrends.wavelength` is evaluated."""

TROUGHS = 54
COEFFICIENTS = ("PCA0", "PCA1", "PCA2", "PCA3")


@dataclass(frozen=True, eq=False)
class QuasarPCA:
    """Observed quasars: the spectrum of the i-th is ``coefficients[i] @ eigenvectors``.

    Blueward of Lyman alpha it holds the mean forest of the training set. All published rows are here,
    also those whose spectrum is not physical (first coefficient not positive).

    wavelength : float64 (p,), Angstrom; eigenvectors : float64 (4, p); coefficients : float32 (n, 4);
    redshift : float64 (n,), as published: a few are slightly negative; name : str (n,), permanent:
    "boss-00000" or "sdss-00000", the row in the published table.
    """

    wavelength: np.ndarray
    eigenvectors: np.ndarray
    coefficients: np.ndarray
    redshift: np.ndarray
    name: np.ndarray


@dataclass(frozen=True, eq=False)
class Eigenbasis:
    """Vectors without coefficients.

    wavelength : float64 (p,), Angstrom; vectors : float64 (k, p).
    """

    wavelength: np.ndarray
    vectors: np.ndarray


@dataclass(frozen=True, eq=False)
class BalTroughs:
    """Transmission of broad absorption line troughs, from 0 to 1.

    wavelength : float64 (p,), Angstrom; transmission : float64 (54, p); name : str (54,),
    plate-mjd-fiber of the observed quasar.
    """

    wavelength: np.ndarray
    transmission: np.ndarray
    name: np.ndarray


@dataclass(frozen=True, eq=False)
class LineTrends:
    """Emission lines against luminosity, k lines; published numbers, unchanged.

    Each line has three straight lines in the absolute magnitude M_i(z=0), which is M_1450 +
    `TREND_MAGNITUDE_OFFSET`: median, lower and upper (1 sigma below and above), each as (slope,
    intercept). Where the lower one is above the median, the authors' scatter is zero on that side.

    name : str (k,); wavelength : float64 (k,), Angstrom, the median at M_i = `TREND_REFERENCE`;
    wavelength_line : float64 (k, 3, 2), of the wavelength; log_width_line : float64 (k, 3, 2), of
    log10 of the Gaussian sigma in Angstrom; log_ew : float64 (k, 3, 2), of log10 of the equivalent
    width in Angstrom. All in the rest frame.
    """

    name: np.ndarray
    wavelength: np.ndarray
    wavelength_line: np.ndarray
    log_width_line: np.ndarray
    log_ew: np.ndarray


def read_quasar_pca(pack: str | Path) -> QuasarPCA:
    """Read the PCA coefficients of SDSS and BOSS quasars, all rows in published order, BOSS first.

    Raises
    ------
    InputError
        If the file is missing or wrong; it names the file.
    """
    file = FitsFile(needed(pack, "quasar-pca")[0])
    eigenvectors = file.image("SDSS_EIGEN", (len(COEFFICIENTS), None))
    wavelength = file.image("SDSS_EIGEN_WAVE", (eigenvectors.shape[1],))
    check_wavelength(wavelength, 1000, 9000, file.path)
    coefficients, redshift, name = [], [], []
    for survey in ("BOSS", "SDSS"):
        columns = [file.column(f"{survey}_PCA", key, dtype=np.float32) for key in COEFFICIENTS]
        coefficients.append(np.stack(columns, axis=1))
        redshift.append(file.image(f"{survey}_Z", (len(columns[0]),)))
        name += [f"{survey.lower()}-{row:05d}" for row in range(len(columns[0]))]
    return QuasarPCA(
        wavelength, eigenvectors, np.concatenate(coefficients), np.concatenate(redshift), np.array(name)
    )


def read_unabsorbed_basis(pack: str | Path) -> Eigenbasis:
    """Read the vectors of quasars above redshift 1.3 whose forest was filled up, 444 to 4500 Angstrom.

    Raises
    ------
    InputError
        If the file is missing or wrong; it names the file.
    """
    return Eigenbasis(*redrock.read_vectors(needed(pack, "unabsorbed-basis")[0], 1000, 4400))


def read_bal_troughs(pack: str | Path) -> BalTroughs:
    """Read the troughs, 945 to 1686 Angstrom.

    Raises
    ------
    InputError
        If the file is missing or wrong, or a transmission is negative; it names the file.
    """
    file = FitsFile(needed(pack, "bal-troughs")[0])
    transmission = file.column("METADATA", "TEMP", (None,))
    if len(transmission) != TROUGHS:
        raise InputError(
            f"{file.path}: holds {len(transmission)} troughs; expected the {TROUGHS} of v3.0-lite"
        )
    wavelength = file.grid("METADATA", transmission.shape[1])
    check_wavelength(wavelength, 1000, 1600, file.path)
    check_not_negative(transmission, file.path, "the transmission of a trough")
    parts = [file.column("METADATA", key, dtype=np.int64) for key in ("PLATE", "MJD", "FIBERID")]
    name = [f"{plate}-{mjd}-{fiber}" for plate, mjd, fiber in zip(*parts, strict=True)]
    return BalTroughs(wavelength, transmission, np.array(name))


def read_line_trends(pack: str | Path) -> LineTrends:
    """Read the trends of emission lines: those of desisim, else of simqso v7, else v6.

    Raises
    ------
    InputError
        If no file is there, or it is wrong; it names the file.
    """
    file = FitsFile(needed(pack, "line-trends")[0])
    name = file.text_column(1, "name")
    lines = [file.column(1, key, (3, 2)) for key in ("wavelength", "logWidth", "logEW")]
    wavelength = lines[0][:, 0] @ (TREND_REFERENCE, 1.0)
    if wavelength.min() < 100 or wavelength.max() < 5000:
        raise InputError(
            f"{file.path}: lines lie from {wavelength.min():.6g} to {wavelength.max():.6g}; expected Angstrom "
            "from the ultraviolet to beyond H beta: convert the file if it is in nanometres or micrometres"
        )
    return LineTrends(name, wavelength, *lines)
