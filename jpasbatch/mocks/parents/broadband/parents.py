"""Parents of broad-band mocks: whole rest-frame energy distributions with permanent names.

A parent's parameters follow from its name alone, and so does its split (decision 0007); no seed of a job changes
them. Star-forming galaxies keep the energy balance: what dust takes from starlight it emits in the infrared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np

from jpasbatch.mocks.parents.analytic.galaxies import LINES
from jpasbatch.mocks.parents.broadband.dust_emission import INFRARED, aromatic_features, grain_emission
from jpasbatch.mocks.parents.broadband.nuclei import NucleusParameters, nucleus_spectra
from jpasbatch.mocks.parents.broadband.stars import populations, starburst_transmission
from jpasbatch.mocks.parents.parents import split_of
from jpasbatch.mocks.spectra.distributions import (
    ANGSTROM_PER_MICROMETRE,
    energy,
    line_profile,
    rest_wavelengths,
    value_at,
)
from jpasbatch.photometry.streams import NamedStream, ObjectStreams

CLASSES = ("sfg", "agn")
STAR_ANCHOR = 2.2
"""Micrometres: where galaxies are normalised, L_nu of their stars being 1."""

PARENT_SEED = 1
"""Of all parents, whatever the job's seed: their names are permanent, and so are they."""

QUIESCENT_SHARE = 0.25
"""Of the parents of galaxies; how many objects descend from them follows from the luminosity functions."""

TYPE1_SHARE = 0.5
"""Of the parents of nuclei; likewise."""

ACTIVITY_LIMITS = (-1.0, 1.9)
"""log10 of the specific star formation rate over that of the local main sequence."""

LOCAL_RATIO = 0.50
"""log10 of the infrared luminosity over nu L_nu of the stars at 2.2 micrometres on the local main sequence: 1e-10.1 a
year (Salim et al. 2007, ApJS 173, 267) with 1e10 L_sun for each M_sun a year (Kennicutt & Evans 2012, ARA&A 50, 531,
to Chabrier's initial mass function) and 0.14 L_sun at 2.2 for each M_sun."""

HALPHA_SHARE = 0.0057
"""Of the light of young stars: 1.26e41 erg/s of H alpha and 5.8e9 L_sun for each M_sun a year (Kennicutt 1998,
ARA&A 36, 189)."""

CHUNK = 200


@dataclass(frozen=True, eq=False)
class Parents:
    """Parents of one class; n is their number.

    Attributes
    ----------
    parent_id : ndarray of str, shape (n,)
        Such as ``sfg-00042``.
    kind : ndarray of str, shape (n,)
        "quiescent", "star-forming", "type 1" or "type 2".
    luminosity : ndarray of float32, shape (n, pixels)
        L_nu on the rest grid: of galaxies with stars of 1 at `STAR_ANCHOR`, of nuclei and hosts with an unobscured
        torus of 1 at `nuclei.ANCHOR`.
    stars : ndarray, shape (n,)
        L_nu of the galaxy's stars at `STAR_ANCHOR` in the same unit: 1 for galaxies.
    activity : ndarray, shape (n,)
        Of the galaxy or host; -inf if quiescent.
    agn_fraction : ndarray, shape (n,)
        Share of the nucleus in the luminosity from 8 to 1000 micrometres; 0 for galaxies.
    """

    parent_id: np.ndarray
    kind: np.ndarray
    luminosity: np.ndarray
    stars: np.ndarray
    activity: np.ndarray
    agn_fraction: np.ndarray

    def __len__(self) -> int:
        return len(self.parent_id)

    def take(self, rows: np.ndarray) -> Parents:
        """Return some of the parents."""
        return Parents(*(getattr(self, item.name)[rows] for item in fields(self)))


@lru_cache(maxsize=6)
def make_parents(true_class: str, number: int, split: str) -> Parents:
    """Make those of the first `number` parents of a class that belong to a split; read-only.

    Raises
    ------
    ValueError
        If there is no such class.
    """
    if true_class not in CLASSES:
        raise ValueError(f"true_class = {true_class!r}: must be one of {', '.join(CLASSES)}")
    names = np.array([f"{true_class}-{row:05d}" for row in range(number)])
    rows = np.flatnonzero(split_of(names) == split)
    make: Callable[[np.ndarray], Parents] = _make_galaxies if true_class == "sfg" else _make_nuclei
    parts = [make(rows[start : start + CHUNK]) for start in range(0, rows.size, CHUNK)]
    joined = {
        item.name: np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(Parents)
    }
    for values in joined.values():
        values.flags.writeable = False
    return Parents(**joined)


def _make_galaxies(rows: np.ndarray) -> Parents:
    drawn = ObjectStreams(PARENT_SEED, rows).named("galaxy")
    quiescent = drawn.uniform() < QUIESCENT_SHARE
    luminosity, activity, _ = _galaxies(drawn, quiescent)
    return Parents(
        parent_id=np.array([f"sfg-{row:05d}" for row in rows]),
        kind=np.where(quiescent, "quiescent", "star-forming").astype("<U12"),
        luminosity=luminosity.astype(np.float32),
        stars=np.ones(rows.size),
        activity=activity,
        agn_fraction=np.zeros(rows.size),
    )


def _make_nuclei(rows: np.ndarray) -> Parents:
    streams = ObjectStreams(PARENT_SEED, rows)
    drawn = streams.named("nucleus")
    first = drawn.uniform() < TYPE1_SHARE
    nucleus, torus = nucleus_spectra(_draw_nuclei(drawn, first))
    hosts = streams.named("host")
    quiescent = hosts.uniform() < QUIESCENT_SHARE
    host, activity, infrared = _galaxies(hosts, quiescent)
    # a quiescent host emits so little in the infrared that only a small share of it can be its own
    low, high = np.where(quiescent, 0.70, 0.03), np.where(quiescent, 0.995, 0.97)
    fraction = drawn.uniform(low, high)
    level = energy(torus, *INFRARED) * (1 - fraction) / fraction / infrared
    return Parents(
        parent_id=np.array([f"agn-{row:05d}" for row in rows]),
        kind=np.where(first, "type 1", "type 2").astype("<U12"),
        luminosity=(nucleus + level[:, None] * host).astype(np.float32),
        stars=level,
        activity=activity,
        agn_fraction=fraction,
    )


def _draw_nuclei(drawn: NamedStream, first: np.ndarray) -> NucleusParameters:
    """Draw nuclei: slopes and dust of quasars (Richards et al. 2003), temperatures and tilts that span Mullaney's."""
    number = first.size
    dusty = drawn.uniform() < 0.25
    excess = drawn.exponential(np.where(dusty, 0.25, 0.02))
    screen = np.where(first, 0.0, np.exp(drawn.normal(np.log(12.0), 0.7)))
    return NucleusParameters(
        slope=drawn.normal(0.0, 0.25, number),
        disc_to_torus=drawn.normal(-0.15, 0.30, number),
        hottest=np.clip(drawn.normal(1380.0, 120.0), 900.0, 1580.0),
        coldest=np.clip(drawn.normal(110.0, 30.0), 60.0, 220.0),
        tilt=drawn.normal(0.30, 0.30, number),
        line_strength=drawn.normal(0.0, 0.20, number),
        colour_excess=np.where(first, excess, 0.0),
        screen=screen,
        torus_screen=np.where(first, 0.0, np.minimum(screen * drawn.uniform(0.1, 0.6), 25.0)),
    )


def _galaxies(drawn: NamedStream, quiescent: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return L_nu of galaxies (n, pixels) with stars of 1 at `STAR_ANCHOR`, activity and infrared energy (n,)."""
    number = quiescent.size
    activity = drawn.uniform(*ACTIVITY_LIMITS, number)
    middle = np.where(quiescent, drawn.uniform(0.0, 0.15), drawn.uniform(0.10, 0.60))
    ratio = np.where(quiescent, drawn.uniform(-1.6, -0.5), LOCAL_RATIO + activity)
    excess = np.clip(drawn.normal(0.30 + 0.16 * activity, 0.10), 0.04, 0.90)
    excess = np.where(quiescent, drawn.uniform(0.0, 0.10), excess)
    heat = np.clip(drawn.normal(27.0 + 5.0 * np.maximum(activity, 0.0), 3.0), 18.0, 60.0)
    heat = np.where(quiescent, drawn.uniform(18.0, 25.0), heat)
    # aromatic features fade in compact starbursts (Smith et al. 2007; Elbaz et al. 2011, A&A 533, A119)
    aromatic = 0.10 * 10 ** (drawn.normal(0.0, 0.12) - 0.25 * np.maximum(activity - 0.8, 0.0))
    grains = grain_emission(heat, drawn.normal(1.7, 0.1), drawn.normal(2.0, 0.2))
    features = aromatic_features()
    dust = (1 - aromatic)[:, None] * grains + aromatic[:, None] * features
    dust /= energy(dust, *INFRARED)[:, None]
    stars, infrared = _starlight(middle, excess, 10**ratio, drawn)
    return stars + infrared[:, None] * dust, np.where(quiescent, -np.inf, activity), infrared


def _starlight(
    middle: np.ndarray, excess: np.ndarray, ratio: np.ndarray, drawn: NamedStream
) -> tuple[np.ndarray, np.ndarray]:
    """Return starlight and lines behind dust (n, pixels), 1 at `STAR_ANCHOR`, and the energy (n,) the dust took.

    The amount of young stars is what it takes for the dust to emit `ratio` times nu L_nu at 2.2 micrometres.
    """
    basis = populations()
    before_young, before_old = starburst_transmission(excess), starburst_transmission(0.44 * excess)
    cool = (1 - middle)[:, None] * basis["old"] + middle[:, None] * basis["intermediate"]
    taken = energy(cool * (1 - before_old))
    young = basis["young"] / energy(basis["young"])
    taken_young = energy(young * (1 - before_young))
    # nu L_nu at the anchor is L_nu over wavelength in the unit of `energy`
    wanted = ratio * value_at(cool * before_old, STAR_ANCHOR) / STAR_ANCHOR
    amount = np.maximum((wanted - taken) / np.maximum(taken_young, 1e-3), 0.0)
    total = cool * before_old + amount[:, None] * young * before_young
    taken = taken + amount * taken_young
    total += _lines(amount, excess, drawn)
    anchor = value_at(total, STAR_ANCHOR)
    return total / anchor[:, None], taken / anchor


def _lines(amount: np.ndarray, excess: np.ndarray, drawn: NamedStream) -> np.ndarray:
    """Return the emission lines (n, pixels) of gas that young stars of an energy (n,) ionise, behind their dust."""
    dimming = starburst_transmission(excess)
    oxygen = 10 ** drawn.normal(0.0, 0.30)
    lines = np.zeros((amount.size, rest_wavelengths().size))
    for name, (centre, ratio, _) in LINES.items():
        place = centre / ANGSTROM_PER_MICROMETRE
        strength = HALPHA_SHARE * ratio * amount * value_at(dimming, place)
        lines += (strength * (oxygen if name.startswith("[O III]") else 1.0))[:, None] * line_profile(
            place, 0.0
        )
    return lines
