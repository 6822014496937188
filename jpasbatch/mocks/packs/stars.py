"""Readers of the stars of a pack: coefficients of model atmospheres, and libraries of single spectra.

Spectra are f_lambda in arbitrary units, at rest; wavelengths are in Angstrom.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.mocks.packs import redrock
from jpasbatch.mocks.packs.fits_file import FitsFile
from jpasbatch.mocks.packs.layout import STAR_TYPES, needed
from jpasbatch.mocks.packs.reading import check_not_negative, check_numbers, check_wavelength, read_arrays

WITHOUT_COEFFICIENTS = "CV"
"""Cataclysmic variables: vectors made from SDSS spectra, published without coefficients."""

COVERED = {
    name: (3700.0, 9500.0) if name == WITHOUT_COEFFICIENTS else (3300.0, 10500.0) for name in STAR_TYPES
}
"""Wavelengths in Angstrom that the basis of a type must cover."""


@dataclass(frozen=True, eq=False)
class StarBasis:
    """Stars of one type: the spectrum of the i-th is ``coefficients[i] @ vectors``.

    wavelength : float64 (p,); vectors : float64 (k, p); coefficients : float64 (n, k), or None where
    they are not published; name : str (n,), permanent, "star-G-00042" is the row in the published
    coefficients, and empty without them.
    """

    wavelength: np.ndarray
    vectors: np.ndarray
    coefficients: np.ndarray | None
    name: np.ndarray


@dataclass(frozen=True, eq=False)
class LibrarySpectrum:
    """The spectrum of one star.

    name : str, as published; wavelength : float64 (p,), the same array for a whole library; flux :
    float32 (p,).
    """

    name: str
    wavelength: np.ndarray
    flux: np.ndarray


def read_star_basis(pack: str | Path) -> dict[str, StarBasis]:
    """Read the redrock stars: the published files if all are there, else the condensed one.

    The condensed file has steps of 1 Angstrom in place of 0.1, and single precision.

    Returns
    -------
    dict of str to StarBasis
        A, B, F, G, K, M, WD and CV, in this order.

    Raises
    ------
    InputError
        If a file is missing or wrong; it names the file.
    """
    paths = needed(pack, "star-basis")
    if len(paths) == 1:
        return _read_condensed(paths[0])
    return {name: _read_published(name, path) for name, path in zip(STAR_TYPES, paths, strict=True)}


def read_white_dwarfs(pack: str | Path) -> list[LibrarySpectrum]:
    """Read the DESI white dwarfs, 1000 Angstrom to 30 micrometres; names as "wd-DA-00010" (TEMPLATEID).

    Raises
    ------
    InputError
        If the file is missing or wrong; it names the file.
    """
    file = FitsFile(needed(pack, "white-dwarfs")[0])
    wavelength = file.image("WAVE", (None,))
    check_wavelength(wavelength, 1100, 12000, file.path)
    flux = file.image("FLUX", (None, wavelength.size), np.float32)
    check_not_negative(flux, file.path, "the flux of a template")
    kinds = file.text_column("METADATA", "WDTYPE")
    numbers = file.column("METADATA", "TEMPLATEID", dtype=np.int64)
    name = [f"wd-{kind}-{number:05d}" for kind, number in zip(kinds, numbers, strict=True)]
    return _library(name, wavelength, flux, file.path)


def read_pickles(pack: str | Path) -> list[LibrarySpectrum]:
    """Read the library of Pickles (1998), 1150 to 25000 Angstrom; names as "g2v".

    Some fluxes in the ultraviolet are slightly negative, as published.

    Raises
    ------
    InputError
        If the file is missing or wrong; it names the file.
    """
    path = needed(pack, "pickles")[0]
    arrays = read_arrays(path, ("name", "wave", "flux"))
    wavelength = check_numbers(arrays["wave"], (None,), np.float64, f"{path}: wave")
    check_wavelength(wavelength, 1300, 12000, path)
    flux = check_numbers(arrays["flux"], (None, wavelength.size), np.float32, f"{path}: flux")
    if arrays["name"].dtype.kind != "U" or arrays["name"].ndim != 1:
        raise InputError(f"{path}: name holds {arrays['name'].dtype}; expected text")
    return _library([str(name) for name in arrays["name"]], wavelength, flux, path)


def read_sdss_star_templates(pack: str | Path) -> list[LibrarySpectrum]:
    """Read the stellar templates of the SDSS pipeline, 3050 to 11950 Angstrom; names as "G8V (75732)".

    Raises
    ------
    InputError
        If the file is missing or wrong; it names the file.
    """
    file = FitsFile(needed(pack, "sdss-stars")[0])
    flux = file.image(0, (None, None), np.float32)
    wavelength = file.grid(0, flux.shape[1], logarithmic=True)
    check_wavelength(wavelength, 3400, 11000, file.path)
    name = [file.text(0, f"N2_{row}") for row in range(1, len(flux) + 1)]
    if not all(isinstance(entry, str) and entry for entry in name):
        raise InputError(
            f"{file.path}: its header names {sum(map(bool, name))} of {len(flux)} stars (N2_1 ...)"
        )
    return _library(name, wavelength, flux, file.path)


def _library(name: list[str], wavelength: np.ndarray, flux: np.ndarray, path: Path) -> list[LibrarySpectrum]:
    if len(name) != len(flux) or len(set(name)) != len(flux):
        raise InputError(
            f"{path}: {len(set(name))} different names for {len(flux)} spectra; expected one each"
        )
    return [LibrarySpectrum(key, wavelength, row) for key, row in zip(name, flux, strict=True)]


def _read_published(kind: str, path: Path) -> StarBasis:
    read = redrock.read_template if kind == WITHOUT_COEFFICIENTS else redrock.read_required_template
    return _basis(kind, *read(path, *COVERED[kind]))


def _read_condensed(path: Path) -> dict[str, StarBasis]:
    with_coefficients = [kind for kind in STAR_TYPES if kind != WITHOUT_COEFFICIENTS]
    wanted = [f"basis_{kind}" for kind in STAR_TYPES] + [f"coeff_{kind}" for kind in with_coefficients]
    arrays = read_arrays(path, ("wave", *wanted))
    wavelength = check_numbers(arrays["wave"], (None,), np.float64, f"{path}: wave")
    result = {}
    for kind in STAR_TYPES:
        key = f"basis_{kind}"
        vectors = check_numbers(arrays[key], (None, wavelength.size), np.float64, f"{path}: {key}")
        kept = _without_padding(vectors)
        check_wavelength(wavelength[kept], *COVERED[kind], path)
        coefficients = None
        if kind in with_coefficients:
            key = f"coeff_{kind}"
            coefficients = check_numbers(arrays[key], (None, len(vectors)), np.float64, f"{path}: {key}")
        result[kind] = _basis(kind, wavelength[kept], vectors[:, kept], coefficients)
    return result


def _without_padding(vectors: np.ndarray) -> slice:
    """Return the pixels without ends that only repeat the last value, as those of CV do: no data are there."""
    changes = np.flatnonzero(np.any(np.diff(vectors, axis=1) != 0, axis=0))
    return slice(changes[0], changes[-1] + 2) if changes.size else slice(0, vectors.shape[1])


def _basis(
    kind: str, wavelength: np.ndarray, vectors: np.ndarray, coefficients: np.ndarray | None
) -> StarBasis:
    rows = 0 if coefficients is None else len(coefficients)
    name = np.array([f"star-{kind}-{row:05d}" for row in range(rows)], dtype=np.str_)
    return StarBasis(wavelength, vectors, coefficients, name)
