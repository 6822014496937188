"""Stresses: the stated ways in which the photometry of a test sample is spoiled before it is classified again.

Each stress draws from a seed of its own, which follows from its name alone. So every committee is shown the same
spoiled objects, and a table of one can be compared with that of another, row by row.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from jpasbatch.photometry.faults import Faults, add_faults
from jpasbatch.photometry.gaps import GapPattern, draw_gaps
from jpasbatch.photometry.noise import observe_shallower
from jpasbatch.photometry.photometry import Photometry, ab_magnitude, hide
from jpasbatch.photometry.survey import Survey

UNSPOILT = "unspoilt"
RANDOM = "missing at random"
NEIGHBOURS = "neighbours missing"
TRIPLE = "three given neighbours missing"
PATTERN = "pattern of the survey"

MISSING = (1, 3, 5, 10)
"""Bands that are missing at random."""

GAPS = (3, 7, 11)
"""Neighbours that are missing: 11 narrow bands of J-PAS are 1,100 Angstrom."""

FEWEST_LEFT = 3
"""Bands that a stress must leave of a survey, or it is left out: with fewer there is nothing to classify."""


@dataclass(frozen=True)
class MisjudgedErrors:
    """Errors that are wrong by one factor for all objects; fluxes stay.

    Attributes
    ----------
    noise : float
        How much larger the noise is than the errors say.
    """

    noise: float


@dataclass(frozen=True)
class Shallower:
    """An observation that is less deep; see `jpasbatch.photometry.noise.observe_shallower`.

    Attributes
    ----------
    magnitudes : float
        By how much.
    """

    magnitudes: float


Cause = GapPattern | Faults | MisjudgedErrors | Shallower | None


@dataclass(frozen=True)
class Stress:
    """One stated way to spoil photometry.

    Attributes
    ----------
    name : str
        Its kind, for tables.
    level : str
        How much of it, or which bands; empty where there is one level only.
    cause : GapPattern, Faults, MisjudgedErrors, Shallower or None
        None leaves the photometry as it is: what all others are compared with.
    bands : int
        Bands that every object loses; 0 where that is not a fixed number.
    wavelength : float
        Middle of the bands that are missing, Angstrom; 0 where they are not the same for all objects.
    """

    name: str
    level: str
    cause: Cause
    bands: int = 0
    wavelength: float = 0.0

    @property
    def title(self) -> str:
        """Name and level."""
        return f"{self.name}: {self.level}" if self.level else self.name


def survey_stresses(survey: Survey) -> tuple[Stress, ...]:
    """Return all stresses of a survey, the unspoilt sample first.

    Those that leave fewer than `FEWEST_LEFT` bands are left out, and so are patterns that the survey does not declare.
    """
    return (
        Stress(UNSPOILT, "", None),
        *_missing_bands(survey),
        *(Stress(PATTERN, pattern.name, pattern) for pattern in survey.gaps),
        *_wrong_photometry(),
        *_triples(survey),
    )


def _missing_bands(survey: Survey) -> Iterator[Stress]:
    for number in MISSING:
        if number + FEWEST_LEFT <= len(survey.bands):
            pattern = GapPattern(RANDOM, "random", bands=(number, number))
            yield Stress(RANDOM, _bands(number), pattern, number)
    side_by_side = len(survey.layout.side_by_side)
    for number in GAPS:
        if number + FEWEST_LEFT <= side_by_side:
            pattern = GapPattern(NEIGHBOURS, "neighbours", bands=(number, number))
            yield Stress(NEIGHBOURS, _bands(number), pattern, number)


def _bands(number: int) -> str:
    return "1 band" if number == 1 else f"{number} bands"


def _wrong_photometry() -> Iterator[Stress]:
    for size in (0.02, 0.05):
        yield Stress("zero points of bands wrong", f"{size} mag", Faults(zero_point=size))
    for size in (0.03, 0.05):
        yield Stress("smooth calibration error", f"{size} mag", Faults(calibration=size))
    yield Stress("errors too small", "by a factor of 1.3", MisjudgedErrors(1.3))
    yield Stress("errors too large", "by a factor of 1.3", MisjudgedErrors(1 / 1.3))
    yield Stress("bands wrong", "one to three in every object", Faults(bad_bands=1.0))
    yield Stress("blends", "a fainter neighbour in every object", Faults(blends=1.0))
    yield Stress("shallower", "0.3 mag", Shallower(0.3))


def _triples(survey: Survey) -> Iterator[Stress]:
    places = survey.layout.side_by_side
    if len(places) < 3 + FEWEST_LEFT:
        return
    for first in range(len(places) - 2):
        chosen = places[first : first + 3]
        names = tuple(survey.band_names[place] for place in chosen)
        pattern = GapPattern(TRIPLE, "groups", groups=(names,))
        yield Stress(TRIPLE, ", ".join(names), pattern, 3, float(survey.wavelengths[chosen[1]]))


def spoil_sample(photometry: Photometry, stress: Stress, survey: Survey) -> Photometry:
    """Return the photometry of n objects as a stress leaves it; the same objects give the same numbers.

    Parameters
    ----------
    photometry : Photometry
        Of the sample as it was observed; it is not changed.
    stress : Stress
    survey : Survey
    """
    flux, error, cause = photometry.flux, photometry.flux_err, stress.cause
    rng = np.random.default_rng(zlib.crc32(f"{stress.name}/{stress.level}".encode()))
    match cause:
        case GapPattern():
            hidden = draw_gaps([cause], survey.layout, ab_magnitude(flux), rng)
            return photometry.with_fluxes(*hide(hidden, flux, error))
        case Faults():
            return photometry.with_fluxes(
                *add_faults(flux, error, cause, survey.wavelengths, survey.reference_index, rng)
            )
        case MisjudgedErrors():
            return photometry.with_fluxes(flux, error / np.float32(cause.noise))
        case Shallower():
            return photometry.with_fluxes(
                *observe_shallower(flux, error, cause.magnitudes, survey.zero_point_error, rng)
            )
        case None:
            return photometry
