"""Readers of single template spectra: text files of two columns, and the FITS tables of EAZY.

Spectra are f_lambda in arbitrary units, at rest; wavelengths are in Angstrom.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.mocks.packs.fits_file import FitsFile
from jpasbatch.mocks.packs.layout import needed
from jpasbatch.mocks.packs.reading import (
    FETCH_AGAIN,
    check_finite,
    check_not_negative,
    check_wavelength,
    read_bytes,
    refused,
)

COVERED = (1300.0, 25_000.0)
"""Wavelengths in Angstrom that every template must cover. A file that is cut reaches less far to the red."""

OPTICAL = (3000.0, 11_000.0)
FEWEST_POINTS = 50
"""Between the ends of the optical: the coarsest template has 113."""

FLOORS = {
    "active-galaxies": 80.0,
    "galaxy-sequence": 200.0,
    "galaxies-with-lines": 60.0,
    "hot-white-dwarfs": 5.0,
    "brown-dwarfs": 80.0,
    "blue-galaxies": 9.0,
}
"""Shortest wavelength in Angstrom that a file of a source may begin with: in nanometres it would begin below."""

WITHOUT_E = re.compile(r"(?<=\d)(?=[+-]\d+$)")
"""Where the E of an exponent of three digits is missing, as Fortran writes it: 0.127350-100."""


@dataclass(frozen=True, eq=False)
class TemplateSpectrum:
    """One spectrum.

    name : str, the published file's without its ending, and the column's number where it has several;
    wavelength : float64 (p,), increasing; flux : float64 (p,), not negative.
    """

    name: str
    wavelength: np.ndarray
    flux: np.ndarray


def read_active_galaxies(pack: str | Path) -> list[TemplateSpectrum]:
    """Read Seyfert galaxies, hybrids of host and nucleus, M 82, and spirals.

    Raises
    ------
    InputError
        If a file is missing or wrong; it names the file. So do all readers here.
    """
    return _read_texts(pack, "active-galaxies")


def read_galaxy_sequence(pack: str | Path) -> list[TemplateSpectrum]:
    """Read the galaxies from elliptical ones ("Ell1_A_0") to starbursts ("SB11_A_0")."""
    return _read_texts(pack, "galaxy-sequence")


def read_galaxies_with_lines(pack: str | Path) -> list[TemplateSpectrum]:
    """Read the seven galaxies of EAZY."""
    return _read_texts(pack, "galaxies-with-lines")


def read_hot_white_dwarfs(pack: str | Path) -> list[TemplateSpectrum]:
    """Read the white dwarfs that are standards of HST."""
    return _read_texts(pack, "hot-white-dwarfs")


def read_brown_dwarfs(pack: str | Path) -> list[TemplateSpectrum]:
    """Read the model atmospheres; names as "lte08-4.5-0.0.AMES-cond.7": 800 K, log g = 4.5."""
    return _read_texts(pack, "brown-dwarfs")


def read_blue_galaxies(pack: str | Path) -> list[TemplateSpectrum]:
    """Read the blue galaxies of EAZY: a spectrum for each age of the Universe in a table, named by its column."""
    return [spectrum for path in needed(pack, "blue-galaxies") for spectrum in _read_table(path)]


def _read_texts(pack: str | Path, key: str) -> list[TemplateSpectrum]:
    return [_read_text(path, FLOORS[key]) for path in needed(pack, key)]


def _read_text(path: Path, floor: float) -> TemplateSpectrum:
    rows = []
    with refused(path):
        lines = read_bytes(path).decode("ascii").splitlines()
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        try:
            wavelength, flux = (
                float(WITHOUT_E.sub("E", word.upper().replace("D", "E"))) for word in words[:2]
            )
        except ValueError:
            raise InputError(f"{path}: line {number}: expected two numbers; {FETCH_AGAIN}") from None
        rows.append((wavelength, flux))
    if len(rows) < 2:
        raise InputError(f"{path}: holds {len(rows)} lines with numbers; expected a spectrum; {FETCH_AGAIN}")
    wavelength, flux = np.array(rows).T
    check_finite(wavelength, f"{path}: wavelength")
    # many of the published files repeat a wavelength where two pieces meet
    new = np.append(True, np.diff(wavelength) != 0)
    return _checked(path, _plain_name(path), wavelength[new], flux[new], floor)


def _read_table(path: Path) -> Iterator[TemplateSpectrum]:
    file = FitsFile(path)
    wavelength = file.column(1, "wave")
    name, floor = _plain_name(path), FLOORS["blue-galaxies"]
    if len(file.column_shape(1, "flux")) == 1:
        yield _checked(path, name, wavelength, file.column(1, "flux"), floor)
        return
    for number, values in enumerate(file.column(1, "flux", (None,)).T):
        yield _checked(path, f"{name}-{number:02d}", wavelength, values, floor)


def _plain_name(path: Path) -> str:
    return path.name.removesuffix(".gz").rpartition(".")[0]


def _checked(
    path: Path, name: str, wavelength: np.ndarray, flux: np.ndarray, floor: float
) -> TemplateSpectrum:
    check_wavelength(wavelength, *COVERED, path, floor=floor)
    check_finite(flux, f"{path}: flux")
    check_not_negative(flux, path, "the flux of a template")
    seen = (wavelength > OPTICAL[0]) & (wavelength < OPTICAL[1])
    if seen.sum() < FEWEST_POINTS or not flux[seen].any():
        raise InputError(
            f"{path}: {int(seen.sum())} points from {OPTICAL[0]:g} to {OPTICAL[1]:g} Angstrom, or no flux there; "
            f"expected a spectrum of the optical; {FETCH_AGAIN}"
        )
    return TemplateSpectrum(name, wavelength, flux)
