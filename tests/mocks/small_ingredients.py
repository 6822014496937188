"""Ingredients of a mock sky that need no template pack: a few analytic parents of every class and kind."""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from jpasbatch.mocks.descendants.galaxy_variety import MIXED_KINDS
from jpasbatch.mocks.descendants.stars import PARENTS_OF, STAR_KINDS
from jpasbatch.mocks.options.templates import TemplateSky
from jpasbatch.mocks.parents.packs.galaxies import old_light, youngest_light
from jpasbatch.mocks.parents.packs.ingredients import DEFAULT_MIXTURE, Ingredients
from jpasbatch.mocks.parents.parents import HELD_OUT, Parents, from_basis, from_spectra, join, split_of
from jpasbatch.mocks.skies.objects import Workshop
from jpasbatch.mocks.spectra.grids import observed_grid, rest_grid
from jpasbatch.mocks.spectra.responses import approximate_responses, band_weights
from jpasbatch.photometry.conditions import RealTiles
from jpasbatch.photometry.survey import load_survey

NUMBERS = {"training": 12, "validation": 4, "test": 4}
"""Parents of each kind by their split, which follows from their names."""

PARENTS_OF_A_KIND = sum(NUMBERS.values())

WHOLE = (float(rest_grid()[0]), float(rest_grid()[-1]))


def small_workshop(options: TemplateSky, classes: tuple[str, ...] = ("star", "galaxy", "qso")) -> Workshop:
    """Return a workshop of the miniJPAS survey with the parents of some classes only."""
    whole = small_ingredients()
    parents = {name: whole.parents[name] for name in classes}
    return Workshop(options, replace(whole, parents=parents), load_survey("jpas60"))


@lru_cache(maxsize=1)
def small_ingredients() -> Ingredients:
    """Return parents of all kinds, each kind in every split, and held-out stars and galaxies."""
    survey = load_survey("jpas60")
    weights = band_weights(observed_grid(), approximate_responses(survey))
    galaxies = _galaxies()
    names = _names("trough")
    return Ingredients(
        parents={"star": _stars(), "galaxy": galaxies, "qso": _quasars()},
        troughs=np.array([_trough(0.02 + 0.001 * number) for number in range(names.size)]),
        trough_split=split_of(names),
        mixture=DEFAULT_MIXTURE,
        young=youngest_light(galaxies),
        old=old_light(galaxies),
        real_tiles=RealTiles.of_survey(survey),
        weights=(weights / weights.max()).astype(np.float32),
        lacking=(),
    )


def _stars() -> Parents:
    """Two black bodies each, the hottest first; and observed stars that do not cover the bluest bands."""
    parts = []
    for place, kind in enumerate(kind for kind in STAR_KINDS if kind not in PARENTS_OF):
        hot = 12_000.0 * 0.88**place
        basis = np.array([_black_body(hot), _black_body(0.8 * hot)])
        parts.append(from_basis(basis, _mixtures(2), _names(f"star-{place}"), kind, WHOLE))
        parts[-1] = replace(parts[-1], rank=np.linspace(0.0, 1.0, PARENTS_OF_A_KIND))
    observed = np.array([_black_body(temperature) for temperature in (4000.0, 6000.0, 9000.0)])
    return join([*parts, _held_out(observed, "library", "G2V", (3900.0, 10_900.0))])


def _galaxies() -> Parents:
    old, young = np.array([_power_law(1.0), _power_law(0.5)]), np.array([_power_law(-1.0), _power_law(-2.0)])
    basis = np.array([*old, _power_law(0.0), *young])
    near, distant = _mixtures(5, 2), _mixtures(2)
    near[0::2, 3:] = near[1::2, :2] = 0.0
    return join(
        [
            from_basis(basis, near, _names("near", 2), _repeated("red", "blue"), WHOLE),
            from_basis(old, distant, _names("lrg"), "LRG", WHOLE),
            from_basis(young, distant, _names("elg"), "ELG", (1250.0, WHOLE[1])),
            *(
                from_basis(basis, _mixtures(5), _names(f"mixed-{place}"), kind, WHOLE)
                for place, kind in enumerate(MIXED_KINDS)
            ),
            _held_out(np.array([_power_law(0.2), _power_law(-0.7)]), "atlas", "Sb", (1250.0, 9500.0)),
        ]
    )


def _quasars() -> Parents:
    """Power laws with two broad lines, evenly over the redshifts."""
    continuum = _power_law(-1.5)
    lines = [continuum * np.exp(-0.5 * ((rest_grid() - centre) / 30.0) ** 2) for centre in (1549.0, 2799.0)]
    weights = np.concatenate([np.ones((2 * PARENTS_OF_A_KIND, 1)), 0.5 * _mixtures(2, 2)], axis=1)
    redshift = np.linspace(0.1, 5.0, len(weights))[np.random.default_rng(3).permutation(len(weights))]
    return from_basis(
        np.array([continuum, *lines]),
        weights,
        _names("quasar", 2),
        _repeated("boss", "sdss"),
        WHOLE,
        redshift,
    )


def _held_out(curves: np.ndarray, prefix: str, kind: str, coverage: tuple[float, float]) -> Parents:
    names = np.array([f"{prefix}-{number:03d}" for number in range(len(curves))])
    covered = (rest_grid() > coverage[0]) & (rest_grid() < coverage[1])
    parents = from_spectra(curves * covered, names, kind, np.tile(coverage, (len(curves), 1)))
    return replace(parents, split=np.full(len(names), HELD_OUT))


def _names(prefix: str, times: int = 1) -> np.ndarray:
    """Return the first names of a series that fill all splits."""
    names = np.array([f"{prefix}-{number:05d}" for number in range(400)])
    split = split_of(names)
    return np.concatenate([names[split == one][: times * number] for one, number in NUMBERS.items()])


def _repeated(*kinds: str) -> np.ndarray:
    """Return kinds by turns, so that each is in every split."""
    return np.tile(kinds, PARENTS_OF_A_KIND)


def _mixtures(width: int, times: int = 1) -> np.ndarray:
    return np.random.default_rng(width).uniform(0.1, 1.0, (times * PARENTS_OF_A_KIND, width))


def _power_law(slope: float) -> np.ndarray:
    return (rest_grid() / 5500.0) ** slope


def _black_body(temperature: float) -> np.ndarray:
    """Planck's law, 1 at 5500 Angstrom."""
    at, level = (
        wavelength**-5 / np.expm1(1.4388e8 / (wavelength * temperature))
        for wavelength in (rest_grid(), 5500.0)
    )
    return at / level


def _trough(width: float) -> np.ndarray:
    """Half of the light is lost blueward of C IV."""
    place = np.log(rest_grid() / 1500.0) / width
    return (1 - 0.5 * np.exp(-0.5 * place**2)).astype(np.float32)
