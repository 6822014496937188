"""Parts of the sky within which each class has one share: bins of magnitude, stellarity and galactic latitude.

A committee learns from a sample whose mix of classes changes with magnitude, and so does the sky's. Within a bin it is
taken that objects of one class look alike in both. Stellarity and latitude divide the sky alone: the committee was told
of neither, so that within a bin they say something of the class that its probabilities do not hold yet.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from jpasbatch.priors.options import PriorOptions

FEWEST = 200
"""Objects of the validation sample that a magnitude bin holds at least; narrower ones are joined to a neighbour."""


FEW_LIMITS = 60
"""So many comparisons of a whole column are quicker than a search for each object; for a dozen, five times."""


@dataclass(frozen=True)
class Strata:
    """Limits between the parts.

    Attributes
    ----------
    magnitudes : tuple of float
        Between the magnitude bins, rising. The first and the last bin are open; the last one also holds objects
        without a magnitude.
    stellarity, galactic_latitude : tuple of float
        Limits within every bin.
    """

    magnitudes: tuple[float, ...]
    stellarity: tuple[float, ...] = ()
    galactic_latitude: tuple[float, ...] = ()

    @classmethod
    def fit(cls, magnitude: np.ndarray, options: PriorOptions) -> Strata:
        """Return strata whose magnitude bins hold enough objects of a validation sample.

        Parameters
        ----------
        magnitude : ndarray, shape (n,)
            Of the validation sample.
        options : PriorOptions
        """
        known = magnitude[np.isfinite(magnitude)]
        width = options.bin_width
        if known.size == 0:
            return cls((), options.stellarity, options.galactic_latitude)
        low, high = np.floor(known.min() / width), np.ceil(known.max() / width)
        edges = width * np.arange(low + 1, high)
        return cls(_joined(known, edges), options.stellarity, options.galactic_latitude)

    @property
    def bins(self) -> int:
        """Number of magnitude bins."""
        return len(self.magnitudes) + 1

    @property
    def parts(self) -> int:
        """Number of strata of each magnitude bin."""
        return self.kinds * self.regions

    @property
    def kinds(self) -> int:
        """Number of parts by stellarity."""
        return len(self.stellarity) + 2 if self.stellarity else 1  # one of unknown stellarity

    @property
    def regions(self) -> int:
        """Number of parts by galactic latitude."""
        return len(self.galactic_latitude) + 1

    def bin_of(self, magnitude: np.ndarray) -> np.ndarray:
        """Return the magnitude bin of each object, int16 (n,); lower limits are inclusive."""
        if len(self.magnitudes) > FEW_LIMITS:
            return np.digitize(magnitude, self.magnitudes).astype(np.int16)  # NaN: the last one
        known, number = np.asarray(magnitude, dtype=np.float64), np.zeros(len(magnitude), dtype=np.int16)
        for limit in self.magnitudes:
            number += ~(known < limit)  # NaN is below none
        return number

    def kind_of(self, class_star: np.ndarray) -> np.ndarray:
        """Return the part by stellarity of each object, int16 (n,); the last one where it is not known."""
        if not self.stellarity:
            return np.zeros(len(class_star), dtype=np.int16)
        known, kind = np.asarray(class_star, dtype=np.float64), np.zeros(len(class_star), dtype=np.int16)
        for limit in self.stellarity:  # they are few: five times as quick as a search for each object
            kind += known > limit
        kind[np.isnan(known)] = len(self.stellarity) + 1
        return kind

    def kind_of_stratum(self, stratum: Any) -> Any:
        """Return the part by stellarity of a stratum, or of each of an array, int."""
        return stratum % self.parts // self.regions

    def distance(self, magnitude: np.ndarray, number: int) -> np.ndarray:
        """Return how far objects are from a magnitude bin, mag, float64 (n,): 0 within, NaN counts as the faintest."""
        limits = (-np.inf, *self.magnitudes, np.inf)
        known = np.nan_to_num(np.asarray(magnitude, dtype=np.float64), nan=np.finfo(np.float64).max)
        return np.maximum(np.maximum(limits[number] - known, known - limits[number + 1]), 0.0)

    def stratum_of(
        self, magnitude: np.ndarray, class_star: np.ndarray, galactic_latitude: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the stratum of each object, int16 (n,).

        Parameters
        ----------
        magnitude, class_star : ndarray, shape (n,)
            NaN where unknown.
        galactic_latitude : ndarray, shape (n,), optional
            Degrees; needed where there are limits in it.
        """
        part = self.kind_of(class_star)
        if self.galactic_latitude:
            if galactic_latitude is None:
                raise ValueError("strata by galactic latitude need positions")
            region = np.digitize(np.abs(galactic_latitude), self.galactic_latitude).astype(np.int16)
            part = part * np.int16(self.regions) + region
        return (self.bin_of(magnitude) * np.int16(self.parts) + part).astype(np.int16)

    def __len__(self) -> int:
        return self.bins * self.parts

    def to_dict(self) -> dict[str, Any]:
        """Return the limits as JSON-able values."""
        return {key: list(value) for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Strata:
        """Return the strata that `to_dict` described."""
        return cls(**{key: tuple(float(limit) for limit in value) for key, value in values.items()})


def _joined(magnitude: np.ndarray, edges: np.ndarray) -> tuple[float, ...]:
    """Return those limits between which there are enough objects, and above the last one too."""
    kept: list[float] = []
    ordered = np.sort(magnitude)
    below = 0
    for edge in edges:
        here = int(np.searchsorted(ordered, edge))
        if here - below >= FEWEST and len(ordered) - here >= FEWEST:
            kept.append(float(edge))
            below = here
    return tuple(kept)
