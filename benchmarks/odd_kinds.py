"""Odd kinds of objects: spectra of templates, and what makes ordinary photometry wrong.

A training set of `jobs/mock_sky.toml` holds relatives of most kinds of stars and galaxies here since decision 29.
"""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from astropy.io import fits

from jpasbatch.mocks.spectra.responses import band_weights, integrate_bands, load_responses
from jpasbatch.photometry.photometry import Photometry
from jpasbatch.photometry.survey import Survey

GRID = np.arange(3000.0, 11500.0, 2.0)
TEMPLATES = "galaxy_agn_templates"
Change = Callable[[Photometry, np.random.Generator], Photometry]
LIBRARY_KINDS = {
    "carbon star": ("Carbon",),
    "cataclysmic variable": ("CV",),
    "L dwarf": ("Ldwarf",),
    "magnetic or metal white dwarf": ("CalciumWD", "WDmagnetic"),
    "star with emission lines": ("O8e(188001)", "B2Vne(58343)", "B2Ve(164284)"),
}
SEYFERTS = (
    *("Sey18_template_norm", "Sey2_template_norm", "Mrk231_template_norm"),
    *("S0_30_QSO2_70", "S0_50_QSO2_50", "S0_10_QSO2_90"),
)


def filter_weights(data: Path, survey: Survey) -> np.ndarray:
    """Return the weights of `GRID` in each band, by the published curves."""
    return band_weights(GRID, load_responses(data / "jpas_filters", survey))


def read_columns(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return wavelength and f_lambda of a text file; numbers as Fortran writes them (1.2-100) are understood."""
    rows = [
        [
            float(re.sub(r"(?<=\d)(?=[+-]\d+$)", "E", word.upper().replace("D", "E")))
            for word in line.split()[:2]
        ]
        for line in path.read_text().splitlines()
        if line.strip()[:1] not in ("", "#")
    ]
    wavelength, flux = np.array(sorted(rows)).T
    new = np.append(True, np.diff(wavelength) > 0)
    return wavelength[new], flux[new]


def through_bands(
    wavelength: np.ndarray, flux: np.ndarray, redshift: float, weights: np.ndarray
) -> np.ndarray:
    """Return the fluxes of a spectrum in all bands; beyond its ends it is as its last 0.5 %."""
    end = max(len(wavelength) // 200, 3)
    left, right = np.median(flux[:end]), np.median(flux[-end:])
    observed = np.interp(GRID, wavelength * (1 + redshift), flux, left=left, right=right)
    return integrate_bands(observed[np.newaxis], weights)[0]


def template_kinds(data: Path, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Return the fluxes (spectra, bands) of each kind."""

    def galaxies(paths: list[Path], redshifts: tuple[float, ...]) -> np.ndarray:
        spectra = [read_columns(path) for path in paths]
        return np.array([through_bands(*one, z, weights) for one in spectra for z in redshifts])

    library = fits.open(data / "star_libraries" / "rrarchetype-star.fits.gz")[1].data
    grid = 3000.0 + 0.5 * np.arange(library["ARCHETYPE"].shape[1])
    kinds = {}
    for kind, names in LIBRARY_KINDS.items():
        spectra = [row["ARCHETYPE"].astype(float) for row in library if row["SUBTYPE"] in names]
        changes = [np.flatnonzero(np.diff(one)) for one in spectra]  # ends only repeat a value: no data
        kinds[kind] = np.array(
            [
                through_bands(grid[at[0] + 1 : at[-1]], one[at[0] + 1 : at[-1]], 0.0, weights)
                for one, at in zip(spectra, changes, strict=True)
            ]
        )
    folder = data / TEMPLATES
    cool = [f for f in sorted((folder / "brown_dwarfs").glob("lte*")) if 12 <= int(f.name[3:5]) <= 24]
    kinds["brown dwarf, 1200 to 2400 K"] = galaxies(cool, (0.0,))
    lines = [folder / "eazy_lines" / f"eazy_v1.1_sed{number}.dat" for number in (4, 5, 6, 7)]
    lines += sorted((folder / "cosmos").glob("SB*_A_0.sed"))
    kinds["emission lines, z 1.3 to 1.55"] = galaxies(lines, (1.3, 1.36, 1.42, 1.48, 1.54))
    kinds["the same, z 1.7 to 2.3"] = galaxies(lines, (1.7, 2.0, 2.3))
    kinds["the same, z 0.1 to 0.7"] = galaxies(lines, (0.1, 0.25, 0.4, 0.55, 0.7))
    seyferts = [folder / "salvato09" / f"{name}.sed" for name in SEYFERTS]
    kinds["Seyfert 2, obscured quasar"] = galaxies(seyferts, (0.05, 0.15, 0.3, 0.45, 0.6, 0.8))
    return kinds


def scaled(photometry: Photometry, factor: np.ndarray, error: np.ndarray | None = None) -> Photometry:
    """Return photometry times factors (n, bands); errors grow as the fluxes, or by factors of their own."""
    grown = factor if error is None else error
    return Photometry(
        photometry.flux * factor.astype(np.float32), photometry.flux_err * grown.astype(np.float32)
    )


def bright_bands(number: int) -> Change:
    """Return what makes some neighbouring bands 3 to 10 times as bright, with the noise of that light."""

    def change(photometry: Photometry, rng: np.random.Generator) -> Photometry:
        first = rng.integers(0, photometry.n_bands - number + 1, len(photometry))[:, None]
        there = (np.arange(photometry.n_bands) >= first) & (np.arange(photometry.n_bands) < first + number)
        factor = np.where(there, rng.uniform(3, 10, (len(photometry), 1)), 1.0)
        return scaled(photometry, factor, np.sqrt(factor))

    return change


def zero_points(offset: float, number: int | None) -> Change:
    """Return what shifts some bands by an offset, up or down, or all of them by chance (None)."""

    def change(photometry: Photometry, rng: np.random.Generator) -> Photometry:
        size = photometry.flux.shape
        if number is None:
            return scaled(photometry, 10 ** (0.4 * rng.normal(0, offset, size)))
        there = rng.random(size).argsort(axis=1) < number
        return scaled(photometry, 10 ** (0.4 * offset * there * rng.choice([-1, 1], size)))

    return change


WRONG: dict[str, Change] = {
    "one bright band": bright_bands(1),
    "three bright bands": bright_bands(3),
    **{
        f"zero point {offset} mag off in {number} band{'s' if number > 1 else ''}": zero_points(
            offset, number
        )
        for offset in (0.1, 0.2, 0.3)
        for number in (1, 5)
    },
    **{
        f"zero points of all bands, {offset} mag rms": zero_points(offset, None) for offset in (0.1, 0.2, 0.3)
    },
}
BLENDS = {
    "star and galaxy": ((0,), (1,)),
    "galaxy and quasar": ((1,), (2, 3)),
    "star and quasar": ((0,), (2, 3)),
}
