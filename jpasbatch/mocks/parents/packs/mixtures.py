"""Galaxy parents that are sums of two lights: a burst and its host, a nucleus and its host, a bulge and its disc.

The published templates are few; their sums in all shares are many, and are what an aperture of a few arcsec sees of a
near galaxy. Which two, and how much of each, is drawn once with a fixed seed: these parents have permanent names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jpasbatch.mocks.packs.further_sources import ACTIVE_NUCLEI, BURSTS, DISCS
from jpasbatch.mocks.packs.templates import TemplateSpectrum
from jpasbatch.mocks.parents.analytic.spectra import starburst_reddening
from jpasbatch.mocks.parents.parents import Parents, from_basis
from jpasbatch.mocks.spectra.grids import resample, rest_grid

DUST_OF_BURSTS = (0.0, 0.15, 0.3, 0.5)
"""E(B-V) in magnitudes of the starburst law: the range of local starbursts (Calzetti et al. 2000, ApJ 533, 682)."""

MAIN_WINDOW = (5000.0, 6000.0)
"""Angstrom; shares of light are shares here."""

COLUMNS_OF_BLUE_GALAXIES = 5
"""Of the spectra of one galaxy at different ages of the Universe every fifth is taken: neighbours are alike."""


@dataclass(frozen=True)
class Mixture:
    """How parents of one kind are mixed.

    Attributes
    ----------
    prefix : str
        Of their names: "burst-mixture-00042".
    number, seed : int
    share : (float, float)
        Limits of the first light's share in `MAIN_WINDOW`, uniform between.
    """

    prefix: str
    number: int
    seed: int
    share: tuple[float, float]


MIXTURES = {
    "starburst": Mixture("burst-mixture", 400, 101, (0.4, 1.0)),
    "active": Mixture("active-mixture", 400, 102, (0.2, 1.0)),
    "post-starburst": Mixture("post-burst-mixture", 200, 103, (0.2, 0.8)),
    "bulge and disc": Mixture("disc-mixture", 300, 104, (0.05, 1.0)),
}
"""Kinds of galaxies; the shares are those of burst, nucleus, stars of type A, and disc. A post-starburst galaxy has
the light of stars of type A on that of an old population (Dressler & Gunn 1983, ApJ 270, 7; Zabludoff et al. 1996, ApJ
466, 104)."""


def mixed_galaxies(
    spectra: Mapping[str, Sequence[TemplateSpectrum]], old: np.ndarray, stars: np.ndarray
) -> list[Parents]:
    """Return the mixtures that can be made of what a pack holds.

    Parameters
    ----------
    spectra : mapping of str to sequence of TemplateSpectrum
        By the key of the source; those that the pack lacks are left out.
    old : ndarray, shape (k, 3910)
        Light of old populations, on the rest grid.
    stars : ndarray, shape (k, 3910)
        Light of stars of type A; empty if the pack has none.

    Returns
    -------
    list of Parents
        One of each kind of `MIXTURES` for which there is light.
    """
    lights = _lights(spectra)
    hosts = np.concatenate([_normalised(old), lights["bulge"], lights["disc"]])
    bulges = np.concatenate([_normalised(old), lights["bulge"]])
    pairs = {
        "starburst": (_behind_dust(lights["burst"]), hosts),
        "active": (lights["active"], hosts),
        "post-starburst": (_normalised(stars), bulges),
        "bulge and disc": (lights["disc"], bulges),
    }
    return [
        mixed(first, second, kind, MIXTURES[kind])
        for kind, (first, second) in pairs.items()
        if len(first) and len(second)
    ]


def mixed(first: np.ndarray, second: np.ndarray, kind: str, mixture: Mixture) -> Parents:
    """Return parents that are sums of a curve of `first` (k, 3910) and one of `second` (m, 3910), each 1 on average."""
    drawn = np.random.default_rng(mixture.seed)
    share = drawn.uniform(*mixture.share, mixture.number)
    weights = np.zeros((mixture.number, len(first) + len(second)))
    rows = np.arange(mixture.number)
    weights[rows, drawn.integers(len(first), size=mixture.number)] = share
    weights[rows, len(first) + drawn.integers(len(second), size=mixture.number)] = 1 - share
    names = np.array([f"{mixture.prefix}-{number:05d}" for number in rows])
    covered = (float(rest_grid()[0]), float(rest_grid()[-1]))
    return from_basis(np.concatenate([first, second]), weights, names, kind, covered)


def _lights(spectra: Mapping[str, Sequence[TemplateSpectrum]]) -> dict[str, np.ndarray]:
    """Return curves (k, 3910) by what they are the light of: "active", "burst", "bulge", "disc"."""
    chosen: dict[str, list[TemplateSpectrum]] = {"active": [], "burst": [], "bulge": [], "disc": []}
    for key, items in spectra.items():
        for number, item in enumerate(items):
            role = _role(key, item.name, number)
            if role:
                chosen[role].append(item)
    return {role: _curves(items) for role, items in chosen.items()}


def _role(key: str, name: str, number: int) -> str | None:
    """Return what light a template of a source is; None if it is none of these."""
    if key == "active-galaxies":
        return next(
            (
                role
                for role, names in (("active", ACTIVE_NUCLEI), ("burst", BURSTS), ("disc", DISCS))
                if name in names
            ),
            None,
        )
    if key == "galaxy-sequence":
        return "burst" if name.startswith("SB") else "bulge" if name.startswith("Ell") else "disc"
    if key == "galaxies-with-lines":
        # 1 to 5 form a sequence of star formation, 6 is old, 7 has very strong lines
        return {"6": "bulge", "7": "burst"}.get(name[-1], "disc")
    if name == "4590" or number % COLUMNS_OF_BLUE_GALAXIES == 0:
        return "burst"
    return None


def _curves(items: Sequence[TemplateSpectrum]) -> np.ndarray:
    if not items:
        return np.zeros((0, rest_grid().size), dtype=np.float32)
    return _normalised(np.concatenate([resample(item.wavelength, item.flux) for item in items]))


def _behind_dust(curves: np.ndarray) -> np.ndarray:
    """Return each curve behind each amount of `DUST_OF_BURSTS`."""
    if not len(curves):
        return curves
    dimmed = starburst_reddening(np.maximum(rest_grid(), 1200.0), np.array(DUST_OF_BURSTS))
    return _normalised(np.concatenate([curves * one for one in dimmed]))


def _normalised(curves: np.ndarray) -> np.ndarray:
    grid = rest_grid()
    window = (grid > MAIN_WINDOW[0]) & (grid < MAIN_WINDOW[1])
    return (curves / curves[:, window].mean(axis=1, keepdims=True)).astype(np.float32)
