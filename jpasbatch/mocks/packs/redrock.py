"""Templates in the format of redrock: basis vectors, their grid in the header, and coefficients."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.mocks.packs.fits_file import FitsFile
from jpasbatch.mocks.packs.reading import check_wavelength

COEFFICIENTS = "ARCHETYPE_COEFF"


def read_vectors(path: Path, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Return wavelength (p,) in Angstrom and vectors (k, p), float64, of a redrock template.

    Parameters
    ----------
    path : Path
        Its primary HDU holds the vectors; CRVAL1, CDELT1 and LOGLAM their grid.
    low, high : float
        Wavelengths in Angstrom that it must cover.
    """
    return _vectors(FitsFile(path), low, high)


def read_template(path: Path, low: float, high: float) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return wavelength (p,), vectors (k, p) and coefficients (n, k), all float64, of a redrock template.

    The coefficients are those of the HDU ARCHETYPE_COEFF, or of the first two-dimensional image after
    the vectors; None if there is no such image.

    Raises
    ------
    InputError
        If the file is damaged, or the coefficients are not one for each vector.
    """
    file = FitsFile(path)
    wavelength, vectors = _vectors(file, low, high)
    shapes = [file.image_shape(number) for number in range(len(file.names))]
    planes = [number for number, shape in enumerate(shapes) if number and shape and len(shape) == 2]
    named = [number for number, name in enumerate(file.names) if name == COEFFICIENTS]
    if not planes and not named:
        return wavelength, vectors, None
    coefficients = file.image((named or planes)[0], (None, len(vectors)))
    return wavelength, vectors, coefficients


def read_required_template(path: Path, low: float, high: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the same as `read_template`, and refuse a file without coefficients."""
    wavelength, vectors, coefficients = read_template(path, low, high)
    if coefficients is None:
        raise InputError(
            f"{path}: has no image {COEFFICIENTS} of coefficients; take the version that its authors published"
        )
    return wavelength, vectors, coefficients


def _vectors(file: FitsFile, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    vectors = file.image(0, (None, None))
    wavelength = file.grid(0, vectors.shape[1])
    check_wavelength(wavelength, low, high, file.path)
    return wavelength, vectors
