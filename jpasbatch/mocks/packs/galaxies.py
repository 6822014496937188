"""Readers of the galaxy parents of a pack. Spectra are f_lambda; wavelengths in Angstrom."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.mocks.packs import redrock
from jpasbatch.mocks.packs.fits_file import FitsFile
from jpasbatch.mocks.packs.layout import needed
from jpasbatch.mocks.packs.reading import check_finite, check_not_negative, check_wavelength, refused

ELG_ROWS = 500
"""Archetypes of the redrock basis that are emission line galaxies; the rest are near-identical red ones."""

NANOMAGGIE = 1e-9

EMPTY = 1e-3
"""Of a spectrum's median: two pixels side by side below it are no measurement. Not all gaps of the authors are filled
with zeros: eso572_34, ngc1140, ngc1667 and ngc1800 have a part in 2,000 of the spectrum there, or less."""


ACTIVITY = {
    "elliptical": "ngc205 ngc210 ngc221 ngc584 ngc1052 ngc1316 ngc1399 ngc1404 ngc1407 ngc2865 ngc6166 ngc6868 "
    "ngc7196",
    "spiral": "ngc224 ngc598 ngc1023 ngc1433 ngc1553 ngc2768 ngc3031 ngc3077 ngc3115 ngc4853 ngc6340",
    "starburst": "1050-04 eso296-11 eso572-34 haro15 ic1586 ic214 mrk309 mrk357 mrk499 mrk542 mrk66 ngc1140 ngc1313 "
    "ngc1510 ngc1569 ngc1614 ngc1705 ngc1800 ngc1808 ngc2403 ngc3049 ngc3125 ngc3256 ngc4194 ngc4385 ngc4861 "
    "ngc5102 ngc5236 ngc5253 ngc5860 ngc5996 ngc6052 ngc6090 ngc6217 ngc7250 ngc7552 ngc7673 ngc7714 ngc7793 "
    "t1941-543 tol1924-416 ugc9560 ugca410",
    "seyfert": "ic3639 mkn313 mrk477 ngc1068 ngc1275 ngc1667 ngc262 ngc3081 ngc3393 ngc3660 ngc4748 ngc5135 ngc5506 "
    "ngc5643 ngc5728 ngc6221 ngc6764 ngc7130 ngc7496 ngc7582 ngc7590",
    "liner": "ngc1097 ngc1326 ngc1672 ngc245 ngc3351 ngc4569 ngc4579 ngc4594 ngc5128 ngc7083",
}
"""Names by activity, from the list in the README of the atlas. NGC 6221 and 7496 are listed both as starburst and
as Seyfert: here Seyfert; NGC 1052 and 1433 both as quiescent and as LINER: here quiescent."""


@dataclass(frozen=True, eq=False)
class KcorrectGalaxies:
    """Templates of kcorrect, and galaxies with SDSS photometry to fit them to.

    wavelength : float64 (10000,), rest frame; templates : float64 (5, 10000), erg/s/cm2/A at 10 pc for
    one solar mass formed; maggies : float64 (n, 5), SDSS u, g, r, i, z model fluxes, corrected for Galactic
    extinction, in the magnitude system of SDSS (within 0.04 of AB), a few not positive; maggies_ivar : float64
    (n, 5), their inverse variance; redshift : float64 (n,); name : str (n,), permanent, "kcorrect-00000" is
    the row in the published table.
    """

    wavelength: np.ndarray
    templates: np.ndarray
    maggies: np.ndarray
    maggies_ivar: np.ndarray
    redshift: np.ndarray
    name: np.ndarray


@dataclass(frozen=True, eq=False)
class LuminousRedGalaxies:
    """Model spectra of luminous red galaxies.

    wavelength : float64 (p,), rest frame, vacuum; flux : float32 (n, p), erg/s/cm2/A; redshift : float64
    (n,), of the galaxy that was fitted; name : str (n,), permanent, "lrg-00010" is TEMPLATEID 10.
    """

    wavelength: np.ndarray
    flux: np.ndarray
    redshift: np.ndarray
    name: np.ndarray


@dataclass(frozen=True, eq=False)
class EmissionLineGalaxies:
    """Emission line galaxies as coefficients: the spectrum of the i-th is ``coefficients[i] @ vectors``.

    wavelength : float64 (p,), rest frame, vacuum; vectors : float64 (k, p), arbitrary units;
    coefficients : float64 (n, k); name : str (n,), permanent, "elg-00000" is the published row.
    """

    wavelength: np.ndarray
    vectors: np.ndarray
    coefficients: np.ndarray
    name: np.ndarray


@dataclass(frozen=True, eq=False)
class ForbiddenMixture:
    """Gaussian mixture of log10 of [OIII], [OII], [NII] and [SII] over H beta, in this order.

    weights : float64 (6,), their sum is 1; means : float64 (6, 4); covariances : float64 (6, 4, 4).
    """

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray


@dataclass(frozen=True, eq=False)
class AtlasSpectrum:
    """One galaxy as observed: its redshift is not in the file, so that the frame is the observer's.

    name : str, as published, "ngc1275"; wavelength : float64 (p,), Angstrom; flux : float64 (p,),
    erg/s/cm2/A, some negative in the ultraviolet; measured : bool (p,), False in gaps between the pieces,
    where the flux is 0; activity : str, a key of `ACTIVITY`, or "unknown".
    """

    name: str
    wavelength: np.ndarray
    flux: np.ndarray
    measured: np.ndarray
    activity: str


def read_kcorrect(pack: str | Path) -> KcorrectGalaxies:
    """Read the templates of kcorrect and the photometry of 10,000 galaxies.

    MODELFLUX is in nanomaggies as observed; EXTINCTION, in magnitudes, takes the Galaxy's dust away.

    Raises
    ------
    InputError
        If a file is missing or wrong; it names the file.
    """
    template_path, photometry_path = needed(pack, "kcorrect")
    file = FitsFile(template_path)
    wavelength = file.column("FLUX", "wave", (None,))[0]
    check_wavelength(wavelength, 1000, 12000, file.path)
    templates = file.column("FLUX", "flux", (5, wavelength.size))[0]
    check_not_negative(templates, file.path, "the flux of a template")
    table = FitsFile(photometry_path)
    extinction = table.column("GSTTEST", "EXTINCTION", (5,))
    check_not_negative(extinction, table.path, "EXTINCTION")
    flux = table.column("GSTTEST", "MODELFLUX", (5,))
    inverse_variance = table.column("GSTTEST", "MODELFLUX_IVAR", (5,))
    check_not_negative(inverse_variance, table.path, "MODELFLUX_IVAR")
    with np.errstate(over="ignore", invalid="ignore"):
        factor = NANOMAGGIE * 10 ** (0.4 * extinction)
        maggies, maggies_ivar = flux * factor, inverse_variance / factor**2
    check_finite(maggies, f"{table.path}: MODELFLUX with EXTINCTION")
    check_finite(maggies_ivar, f"{table.path}: MODELFLUX_IVAR with EXTINCTION")
    redshift = table.column("GSTTEST", "Z")
    name = np.array([f"kcorrect-{row:05d}" for row in range(len(flux))])
    return KcorrectGalaxies(wavelength, templates, maggies, maggies_ivar, redshift, name)


def read_lrg(pack: str | Path) -> LuminousRedGalaxies:
    """Read the DESI templates of luminous red galaxies, 500 Angstrom to 6 micrometres.

    Raises
    ------
    InputError
        If the file is missing or wrong; it names the file.
    """
    file = FitsFile(needed(pack, "desi-lrg")[0])
    wavelength = file.image("WAVE", (None,))
    check_wavelength(wavelength, 1000, 12000, file.path)
    flux = file.image("FLUX", (None, wavelength.size), np.float32)
    check_not_negative(flux, file.path, "the flux of a template")
    redshift = file.column("METADATA", "Z")
    number = file.column("METADATA", "TEMPLATEID", dtype=np.int64)
    if len(redshift) != len(flux) or len(set(number.tolist())) != len(flux):
        raise InputError(
            f"{file.path}: {len(flux)} spectra for {len(redshift)} rows of METADATA with "
            f"{len(set(number.tolist()))} TEMPLATEIDs; expected one each"
        )
    return LuminousRedGalaxies(wavelength, flux, redshift, np.array([f"lrg-{row:05d}" for row in number]))


def read_elg(pack: str | Path) -> EmissionLineGalaxies:
    """Read the emission line galaxies of redrock's galaxy basis, 1167 to 10000 Angstrom.

    Only the first `ELG_ROWS` archetypes; spectra are ``coefficients @ vectors``, 88334 pixels each, so
    that they are left to the caller, some at a time.

    Raises
    ------
    InputError
        If the file is missing or wrong; it names the file.
    """
    path = needed(pack, "desi-elg")[0]
    wavelength, vectors, coefficients = redrock.read_required_template(path, 1300, 9900)
    if len(coefficients) < ELG_ROWS:
        raise InputError(
            f"{path}: holds {len(coefficients)} archetypes; expected at least {ELG_ROWS}, as in 2016-02"
        )
    name = np.array([f"elg-{row:05d}" for row in range(ELG_ROWS)])
    return EmissionLineGalaxies(wavelength, vectors, coefficients[:ELG_ROWS], name)


def read_forbidden_mixture(pack: str | Path) -> ForbiddenMixture:
    """Read the mixture of forbidden line ratios.

    Raises
    ------
    InputError
        If the file is missing or wrong, or it is no mixture: weights that do not sum to 1, or
        covariances that are not positive definite.
    """
    file = FitsFile(needed(pack, "forbidden-lines")[0])
    weights = file.image("WEIGHTS", (6,))
    means = file.image("MEANS", (6, 4))
    covariances = file.image("COVARS", (6, 4, 4))
    check_not_negative(weights, file.path, "a weight of the mixture")
    with refused(file.path):
        total = float(weights.sum())
        symmetric = np.allclose(covariances, covariances.transpose(0, 2, 1), rtol=1e-6, atol=0)
        definite = bool(np.all(np.linalg.eigvalsh(covariances) > 0))
    if abs(total - 1) > 1e-6 or not symmetric or not definite:
        raise InputError(
            f"{file.path}: weights sum to {total:.6g} or covariances are not positive definite; "
            "expected a Gaussian mixture"
        )
    return ForbiddenMixture(weights, means, covariances)


def read_galaxy_atlas(pack: str | Path) -> list[AtlasSpectrum]:
    """Read all spectra of the atlas, in order of their names, without the empty ends.

    Raises
    ------
    InputError
        If there is none, or a file is wrong; it names the file.
    """
    return [_read_atlas(path) for path in needed(pack, "galaxy-atlas")]


def activity_of(name: str) -> str:
    """Return the activity of a galaxy by its published name, or "unknown"."""
    key = name.replace("_", "-")
    return next((activity for activity, names in ACTIVITY.items() if key in names.split()), "unknown")


def _read_atlas(path: Path) -> AtlasSpectrum:
    file = FitsFile(path)
    flux = file.image(0, (None,))
    wavelength = file.grid(0, flux.size)
    check_wavelength(wavelength, 1300, 7000, path)
    used = np.flatnonzero(flux)
    if used.size < 2:
        raise InputError(f"{path}: holds only zeros; expected a spectrum")
    kept = slice(used[0], used[-1] + 1)
    wavelength, flux = wavelength[kept], flux[kept]
    check_wavelength(wavelength, 5000, 7000, path, floor=900)
    empty = np.pad(np.abs(flux) <= EMPTY * np.median(np.abs(flux[flux != 0])), 1, constant_values=True)
    # a single zero may be a measurement; the authors' gaps are many pixels long
    gap = empty[1:-1] & (empty[:-2] | empty[2:])
    ends = np.flatnonzero(~gap)
    kept = slice(ends[0], ends[-1] + 1)
    wavelength, flux, gap = wavelength[kept], np.where(gap, 0.0, flux)[kept], gap[kept]
    name = path.name.removesuffix(".gz").removesuffix(".fits")
    return AtlasSpectrum(name, wavelength, flux, ~gap, activity_of(name))
