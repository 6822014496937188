"""Bands that are missing, as the sky has them: patterns that a survey file declares, drawn for objects.

J-PAS takes its bands in trays of 14 filters (Bonoli et al. 2021, A&A 653, A31, sect. 2), so that a night that was
lost, an edge of the mosaic or a bad detector takes away some bands of many objects, and seldom any one at random.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Interval

from jpasbatch.errors import InputError
from jpasbatch.options import Matches, Options

Count = Annotated[int, Interval(ge=1, le=1000)]


@dataclass(frozen=True)
class GapPattern(Options):
    """One way in which bands are missing together.

    Parameters
    ----------
    name : str
        For tables and messages.
    kind : str
        "random": some bands, anywhere. "neighbours": bands that follow each other in wavelength. "groups": one of
        `groups`, whole. "blueward", "redward": all on that side of a wavelength. "bright": bands in which the object
        is brighter than `brighter_than`, each with even chances.
    weight : float
        How often it occurs beside the other patterns of the survey.
    bands : (int, int)
        Fewest and most bands of "random" and "neighbours".
    groups : tuple of tuple of str
        Names of bands, or of the survey's groups of bands.
    wavelength : (float, float)
        Range within which "blueward" and "redward" draw their edge, Angstrom.
    brighter_than : float
        AB magnitude at which "bright" begins to saturate.
    """

    name: Annotated[str, Matches(r".+", "a name")]
    kind: Literal["random", "neighbours", "groups", "blueward", "redward", "bright"]
    weight: Annotated[float, Ge(0)] = 1.0
    bands: tuple[Count, Count] = (1, 1)
    groups: tuple[tuple[str, ...], ...] = ()
    wavelength: tuple[float, float] = (0.0, 0.0)
    brighter_than: float = 0.0

    def check_relations(self) -> None:
        """Refuse a pattern that lacks what its kind needs."""
        if not self.bands[0] <= self.bands[1]:
            raise ValueError(f"bands = {list(self.bands)}: fewest first")
        if (self.kind == "groups") != bool(self.groups) or not all(self.groups):
            raise ValueError(f"groups of pattern {self.name!r}: kind 'groups' needs some, each with a band")
        low, high = self.wavelength
        if self.kind in ("blueward", "redward") and not 0 < low <= high:
            raise ValueError(
                f"wavelength = [{low}, {high}] of pattern {self.name!r}: must be Angstrom, low first"
            )


def check_patterns(patterns: Iterable[GapPattern], members: dict[str, tuple[int, ...]]) -> None:
    """Refuse patterns that name a band which is not there, or two of one name.

    Parameters
    ----------
    patterns : iterable of GapPattern
    members : dict of str to tuple of int
        Name of a band or of a group: positions of its bands.

    Raises
    ------
    ValueError
    """
    seen: set[str] = set()
    for pattern in patterns:
        if pattern.name in seen:
            raise ValueError(f"gaps: two patterns have the name {pattern.name!r}")
        seen.add(pattern.name)
        for name in (name for group in pattern.groups for name in group):
            if name not in members:
                raise ValueError(
                    f"gaps: pattern {pattern.name!r} names {name!r}, which is no band and no group of this survey"
                )


@dataclass(frozen=True, eq=False)
class BandLayout:
    """What patterns need to know of a survey's bands.

    Attributes
    ----------
    wavelength : ndarray of float64, shape (bands,)
        Angstrom.
    members : dict of str to tuple of int
        Name of a band or of a group: positions of its bands.
    reference : int
        Position of the band that is never taken away: no feature is defined without it.
    narrow : ndarray of bool, shape (bands,)
        Bands that lie side by side; wider ones overlap them and have no neighbours.
    """

    wavelength: np.ndarray
    members: dict[str, tuple[int, ...]]
    reference: int
    narrow: np.ndarray

    @property
    def side_by_side(self) -> np.ndarray:
        """Positions of the narrow bands by wavelength, less the reference: those that have neighbours."""
        places = np.flatnonzero(self.narrow)
        places = places[places != self.reference]
        return places[np.argsort(self.wavelength[places], kind="stable")]


def draw_gaps(
    patterns: Sequence[GapPattern], layout: BandLayout, magnitude: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return which bands of which objects are missing, bool (n, bands): each object follows one of the patterns.

    Parameters
    ----------
    patterns : sequence of GapPattern
    layout : BandLayout
    magnitude : ndarray, shape (n, bands)
        AB; NaN where a band was not detected. Bright objects saturate by it.
    rng : numpy Generator

    Raises
    ------
    InputError
        If no pattern has a weight.
    """
    weights = np.array([pattern.weight for pattern in patterns])
    if not weights.sum() > 0:
        raise InputError("gaps: the survey declares no pattern of missing bands with a weight above 0")
    hidden = np.zeros(magnitude.shape, dtype=bool)
    chosen = rng.choice(len(patterns), size=len(magnitude), p=weights / weights.sum())
    for number, pattern in enumerate(patterns):
        rows = np.flatnonzero(chosen == number)
        hidden[rows] = _draw(pattern, layout, magnitude[rows], rng)
    hidden[:, layout.reference] = False
    return hidden


def _draw(
    pattern: GapPattern, layout: BandLayout, magnitude: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    rows, wavelength = len(magnitude), layout.wavelength
    if pattern.kind == "random":
        return _random(pattern, layout, rows, rng)
    if pattern.kind == "neighbours":
        return _neighbours(pattern, layout, rows, rng)
    if pattern.kind == "groups":
        masks = np.zeros((len(pattern.groups), len(wavelength)), dtype=bool)
        for number, group in enumerate(pattern.groups):
            masks[number, [place for name in group for place in layout.members[name]]] = True
        return masks[rng.integers(len(masks), size=rows)]
    if pattern.kind == "bright":
        with np.errstate(invalid="ignore"):
            return (magnitude < pattern.brighter_than) & (rng.random(magnitude.shape) < 0.5)
    edge = rng.uniform(*pattern.wavelength, size=rows)[:, None]
    return wavelength < edge if pattern.kind == "blueward" else wavelength > edge


def _random(pattern: GapPattern, layout: BandLayout, rows: int, rng: np.random.Generator) -> np.ndarray:
    """Return masks of a number of bands, any but the reference."""
    bands = len(layout.wavelength)
    number = rng.integers(pattern.bands[0], pattern.bands[1] + 1, size=rows)
    order = rng.random((rows, bands))
    order[:, layout.reference] = np.inf
    return order.argsort(axis=1).argsort(axis=1) < np.minimum(number, bands - 1)[:, None]


def _neighbours(pattern: GapPattern, layout: BandLayout, rows: int, rng: np.random.Generator) -> np.ndarray:
    """Return masks of bands that follow each other in wavelength."""
    places = layout.side_by_side
    number = np.minimum(rng.integers(pattern.bands[0], pattern.bands[1] + 1, size=rows), len(places))
    first = (rng.random(rows) * (len(places) - number + 1)).astype(np.int64)
    step = np.arange(len(places))
    mask = np.zeros((rows, len(layout.wavelength)), dtype=bool)
    mask[:, places] = (step >= first[:, None]) & (step < (first + number)[:, None])
    return mask
