"""Small template spectra in the published formats: text files of two columns and FITS tables."""

from pathlib import Path

import numpy as np
from astropy.io import fits

from jpasbatch.mocks.packs.further_sources import FURTHER_SOURCES

WAVELENGTH = np.geomspace(320.0, 30_000.0, 1500)


def write_template_source(pack: Path, key: str) -> Path:
    """Write the files of a source with smooth spectra, and return the path of the last."""
    entry = next(one for one in FURTHER_SOURCES if one.key == key)
    names = [name for pattern in entry.files for name in _names(pattern)]
    for number, name in enumerate(names):
        path = pack / name
        path.parent.mkdir(parents=True, exist_ok=True)
        flux = (WAVELENGTH / 5500.0) ** (-2.0 + 4.0 * number / len(names)) * np.exp(-300.0 / WAVELENGTH)
        if name.endswith(".fits"):
            _write_table(path, flux)
        else:
            _write_text(path, flux)
    return path


def _names(pattern: str) -> list[str]:
    if "lte*" in pattern:
        return [pattern.replace("*", f"{kelvin:02d}-4.5-0.0.AMES-cond") for kelvin in (8, 12, 18, 24, 50)]
    for sign in "?*":
        if sign in pattern:
            return [pattern.replace(sign, str(number)) for number in (1, 2)]
    return [pattern]


def _write_text(path: Path, flux: np.ndarray) -> None:
    rows = zip(WAVELENGTH, flux, strict=True)
    lines = ["# a template", *(f"{one:12.4f} {other:.6E}" for one, other in rows)]
    path.write_text("\n".join(lines) + "\n")


def _write_table(path: Path, flux: np.ndarray) -> None:
    several = path.name != "4590.fits"
    values = np.stack([flux, flux**1.5], axis=1) if several else flux
    columns = [
        fits.Column("wave", "D", array=WAVELENGTH),
        fits.Column("flux", "2D" if several else "D", array=values),
    ]
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(path, overwrite=True)
