"""Star parents: model atmospheres as principal components, by spectral type; and observed libraries, held out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.mocks.packs.stars import LibrarySpectrum, StarBasis
from jpasbatch.mocks.packs.templates import TemplateSpectrum
from jpasbatch.mocks.parents.parents import HELD_OUT, Parents, from_basis, from_spectra, join
from jpasbatch.mocks.spectra.grids import LAST_WAVELENGTH, resample, rest_grid, smooth

KINDS = {name: name for name in "BAFGKM"} | {"WD": "white dwarf", "CV": "cataclysmic variable"}
FEATURELESS_KIND = "featureless white dwarf"

BLUEST = {"K": 0.60, "M": 1.28}
"""g - r below which a model is no dwarf of its type: the observed locus turns at 1.4 with M0, and early K dwarfs
have 0.6 or more; the models' grid holds giants without metals that are bluer (SDSS photometry, r < 19)."""

REDDENING_OF_LATE_TYPES = 0.12
"""By how much that limit rises with r - i beyond 0.6 for M stars: dwarfs of r - i = 1.6 have g - r of 1.5, the
models of the latest types, which lack opacity in the blue, 1.3."""

FEATURELESS_TEMPERATURES = np.geomspace(4500.0, 30_000.0, 240)
"""Of white dwarfs without lines, kelvin. Below about 11,000 K helium shows no lines, below 5,000 K hydrogen none
(type DC); the hotter ones stand for magnetic white dwarfs, whose lines fields of 10 MG and more smear beyond
what a band of 145 Angstrom resolves."""

HOTTEST_BROWN_DWARF = 2600
"""Kelvin; hotter ones are M dwarfs."""

BROWN_DWARFS = 120
"""Parents of this kind, of a dozen models."""

A_STARS = 12
"""Models of type A whose light post-starburst galaxies hold."""

CATACLYSMIC_PARENTS = 100
CATACLYSMIC_SCATTER = 3.0
"""Of the second and third component relative to the first, which is ten times as bright: a third of the light."""


def star_parents(bases: Mapping[str, StarBasis]) -> Parents:
    """Return the usable parents of all types.

    Left out: spectra that are not positive in some band of 145 Angstrom (the components cannot follow the
    faint blue light of some M and K stars), and models that are bluer in g - r than any star of their type is
    observed to be (`BLUEST`). Cataclysmic variables come without coefficients: a hundred mixtures
    of their three components stand for them.

    Returns
    -------
    Parents
        Kinds are the values of `KINDS`.
    """
    parts = []
    for name, basis in bases.items():
        curves = resample(basis.wavelength, basis.vectors)
        if basis.coefficients is None:
            weights = _mixtures(len(curves))
            names = np.array([f"star-{name}-mixture-{number:05d}" for number in range(len(weights))])
        else:
            weights, names = np.asarray(basis.coefficients, dtype=np.float64), basis.name
        covered = (float(basis.wavelength[0]), float(basis.wavelength[-1]))
        if covered[0] > 3100.0:
            curves, covered = _continued(curves), (float(rest_grid()[0]), LAST_WAVELENGTH)
        weights, good = _positive(weights, curves, covered)
        names = names[good]
        on_locus = _on_locus(name, weights @ curves)
        weights, names = weights[on_locus], names[on_locus]
        parents = from_basis(curves, weights, names, KINDS[name], covered)
        parts.append(replace(parents, rank=_metal_rank(weights @ curves)))
    return join(parts)


def _level(flux: np.ndarray, low: float, high: float) -> np.ndarray:
    grid = rest_grid()
    return flux[:, (grid > low) & (grid < high)].mean(axis=1)


def _on_locus(name: str, flux: np.ndarray) -> np.ndarray:
    """Whether spectra (n, 3910) are as red in g - r as stars of their type, and r - i, are observed to be."""
    edges_and_centres = (((4050, 5350), 4686), ((5600, 6900), 6166), ((6900, 8200), 7480))
    means = [np.maximum(_level(flux, *edges), 1e-12) * centre**2 for edges, centre in edges_and_centres]
    blue, red = (-2.5 * np.log10(one / other) for one, other in pairwise(means))
    limit = BLUEST.get(name, -np.inf)
    if name == "M":
        limit = limit + REDDENING_OF_LATE_TYPES * np.clip(red - 0.6, 0.0, 1.2)
    return blue > limit


def _metal_rank(flux: np.ndarray) -> np.ndarray:
    """Return the place (n,) of each star, 0 to 1, among 101 of like colour by the depth of Ca H, K and the break."""
    colour = _level(flux, 4400, 5200) / _level(flux, 5800, 6700)
    lines = _level(flux, 4150, 4450) / np.maximum(_level(flux, 3850, 4000), 1e-9)
    order = np.argsort(colour, kind="stable")
    rank = np.empty(len(flux))
    for place, row in enumerate(order):
        near = order[max(place - 50, 0) : place + 51]
        rank[row] = ((lines[near] < lines[row]).sum() + 0.5) / len(near)
    return rank


def _continued(curves: np.ndarray) -> np.ndarray:
    """Continue curves (k, 3910) beyond both ends of what they cover, at the level of the nearest 100 pixels.

    For cataclysmic variables only, whose components begin at 3550 Angstrom: left alone, every one of them, and
    nothing else, would lack its bluest bands.
    """
    result = curves.copy()
    covered = np.flatnonzero(np.abs(curves).max(axis=0) > 0)
    first, last = covered[0], covered[-1]
    result[:, :first] = curves[:, first : first + 100].mean(axis=1, keepdims=True)
    result[:, last + 1 :] = curves[:, last - 99 : last + 1].mean(axis=1, keepdims=True)
    return result


def _mixtures(components: int) -> np.ndarray:
    """Coefficients (n, components) of cataclysmic variables: the first component and some of the others.

    A fixed seed: these parents have permanent names.
    """
    weights = np.random.default_rng(19).normal(0.0, CATACLYSMIC_SCATTER, (CATACLYSMIC_PARENTS, components))
    weights[:, 0] = 1.0
    return weights


def _positive(
    weights: np.ndarray, curves: np.ndarray, covered: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights of spectra that are positive in all bands, scaled to 1 on average, and which they are."""
    grid = rest_grid()
    inside = (grid > covered[0] * 1.01) & (grid < covered[1] * 0.99)
    bands = smooth(curves, 18.0)[:, inside][:, ::8]
    flux = weights @ bands
    level = flux.mean(axis=1)
    good = (level > 0) & (flux > 1e-4 * level[:, None]).all(axis=1)
    return weights[good] / level[good, None], good


def white_dwarf_parents(library: Sequence[LibrarySpectrum]) -> Parents:
    """Return model white dwarfs that have a spectrum each, kind "white dwarf"."""
    curves = np.concatenate([resample(item.wavelength, item.flux) for item in library])
    curves /= curves.max(axis=1, keepdims=True)
    names = np.array([item.name for item in library])
    coverage = np.array([[item.wavelength[0], item.wavelength[-1]] for item in library])
    return from_spectra(np.maximum(curves, 0.0), names, KINDS["WD"], coverage)


def hot_white_dwarf_parents(library: Sequence[TemplateSpectrum]) -> Parents:
    """Return the hot standards of HST, kind "white dwarf"; names as "wd-standard-WDgd71"."""
    curves = np.concatenate([resample(item.wavelength, item.flux) for item in library])
    curves /= curves.max(axis=1, keepdims=True)
    names = np.array([f"wd-standard-{item.name}" for item in library])
    coverage = np.tile([rest_grid()[0], LAST_WAVELENGTH], (len(names), 1))
    return from_spectra(curves, names, KINDS["WD"], coverage)


def brown_dwarf_parents(library: Sequence[TemplateSpectrum]) -> Parents:
    """Return sums of neighbouring model atmospheres of at most `HOTTEST_BROWN_DWARF`, kind "brown dwarf".

    A fixed seed: these parents have permanent names.
    """
    cool = sorted((temperature_of(item.name), item.name, item) for item in library)
    cool = [entry for entry in cool if entry[0] <= HOTTEST_BROWN_DWARF]
    if not cool:
        raise InputError(
            f"the template pack holds no model atmosphere of {HOTTEST_BROWN_DWARF} K or less among its brown dwarfs"
        )
    curves = np.concatenate([resample(item.wavelength, item.flux) for _, _, item in cool])
    grid = rest_grid()
    curves /= curves[:, (grid > 8000) & (grid < 9000)].mean(axis=1, keepdims=True)
    drawn = np.random.default_rng(20)
    place = drawn.uniform(0, len(curves) - 1, BROWN_DWARFS)
    lower = np.minimum(place.astype(np.int64), max(len(curves) - 2, 0))
    weights = np.zeros((BROWN_DWARFS, len(curves)))
    weights[np.arange(BROWN_DWARFS), lower] = 1 - (place - lower)
    weights[np.arange(BROWN_DWARFS), np.minimum(lower + 1, len(curves) - 1)] += place - lower
    names = np.array([f"brown-dwarf-mixture-{number:05d}" for number in range(BROWN_DWARFS)])
    covered = (float(grid[0]), LAST_WAVELENGTH)
    return from_basis(curves, weights, names, "brown dwarf", covered)


def temperature_of(name: str) -> int:
    """Return the temperature in kelvin that a model's name says: "lte08-4.5-0.0.AMES-cond.7" is of 800 K.

    Raises
    ------
    InputError
        If the name says none.
    """
    found = re.match(r"lte(\d+)", name)
    if not found:
        raise InputError(f"{name}: no model atmosphere's name, such as lte08-4.5-0.0.AMES-cond.7 (800 K)")
    return 100 * int(found[1])


def featureless_white_dwarf_parents() -> Parents:
    """Return black bodies of `FEATURELESS_TEMPERATURES`, kind "featureless white dwarf"; they need no pack."""
    from astropy.modeling.models import BlackBody
    from astropy.units import Angstrom, K

    wavelength = rest_grid() * Angstrom
    per_frequency = [BlackBody(kelvin * K)(wavelength).value for kelvin in FEATURELESS_TEMPERATURES]
    curves = np.array(per_frequency) / rest_grid() ** 2
    curves /= curves.max(axis=1, keepdims=True)
    names = np.array([f"wd-featureless-{kelvin:05.0f}" for kelvin in FEATURELESS_TEMPERATURES])
    coverage = np.tile([rest_grid()[0], LAST_WAVELENGTH], (len(names), 1))
    return from_spectra(curves, names, FEATURELESS_KIND, coverage)


def stars_of_type_a(bases: Mapping[str, StarBasis]) -> np.ndarray:
    """Return the light (k, 3910) of `A_STARS` models of type A, evenly over their colours, for post-starbursts."""
    basis = bases["A"]
    curves = resample(basis.wavelength, basis.vectors)
    weights, _ = _positive(np.asarray(basis.coefficients, dtype=np.float64), curves, (3300.0, 10_500.0))
    flux = weights @ curves
    colour = _level(flux, 4400, 5200) / _level(flux, 5800, 6700)
    chosen = np.argsort(colour, kind="stable")[np.linspace(0, len(flux) - 1, A_STARS).astype(np.int64)]
    # galaxies are seen redshifted: blueward of what the models cover they go on as at its end
    covered = np.flatnonzero(flux[chosen[0]] != 0)[0]
    result = flux[chosen]
    result[:, :covered] = result[:, covered : covered + 100].mean(axis=1, keepdims=True)
    return result.astype(np.float32)


def held_out_stars(library: Sequence[LibrarySpectrum], prefix: str) -> Parents:
    """Return an observed library as parents of the split that is never learnt from.

    Parameters
    ----------
    library : sequence of LibrarySpectrum
    prefix : str
        Of the permanent names; the kinds are the spectral types as published.
    """
    curves = np.concatenate([resample(item.wavelength, item.flux) for item in library])
    curves = np.maximum(curves, 0.0)
    level = np.array([row[row > 0].mean() for row in curves])
    names = np.array([f"{prefix}-{number:03d}" for number in range(len(library))])
    coverage = np.array([[item.wavelength[0], item.wavelength[-1]] for item in library])
    kinds = np.array([item.name for item in library])
    parents = from_spectra(curves / level[:, None], names, kinds, coverage)
    return replace(parents, split=np.full(len(names), HELD_OUT))
