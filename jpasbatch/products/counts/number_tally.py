"""Number counts: what is counted, the sums of a part of the sky, and the numbers that these make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Interval

from jpasbatch.options import Options
from jpasbatch.products.accumulation import decode_counts, encode_counts, widened


@dataclass(frozen=True)
class NumberCountOptions(Options):
    """Bins of the number counts.

    Attributes
    ----------
    band_role : str
        Reported band of the magnitudes; the survey's first one if empty.
    brightest, faintest : float
        Limits of the table, AB mag.
    width : float
        Of a bin, mag.
    """

    band_role: str = ""
    brightest: Annotated[float, Interval(ge=5, le=35)] = 16.0
    faintest: Annotated[float, Interval(ge=5, le=35)] = 24.0
    width: Annotated[float, Interval(ge=0.01, le=5)] = 0.25

    def check_relations(self) -> None:
        """Refuse limits without a whole number of bins between them."""
        bins = (self.faintest - self.brightest) / self.width
        if bins < 0.5 or abs(bins - round(bins)) > 1e-6:
            raise ValueError(
                f"brightest = {self.brightest:g}, faintest = {self.faintest:g}, width = {self.width:g}: allowed is a "
                "whole number of bins, one at least"
            )

    @property
    def edges(self) -> np.ndarray:
        """Limits of the bins, float64 (bins + 1,)."""
        return self.brightest + self.width * np.arange(
            round((self.faintest - self.brightest) / self.width) + 1
        )


@dataclass(frozen=True, eq=False)
class NumberTally:
    """Sums over b magnitude bins, s strata and k classes.

    Attributes
    ----------
    products : ndarray of int64, shape (b, s, k, k)
        Products of the probabilities of two classes.
    committee, true : ndarray of int64, shape (b, k)
        The committee's own probabilities; objects by their true class.
    objects, known : ndarray of int64, shape (b,)
        Objects, and those of known class.
    """

    products: np.ndarray
    committee: np.ndarray
    true: np.ndarray
    objects: np.ndarray
    known: np.ndarray

    def merge(self, other: NumberTally) -> NumberTally:
        """Return the tally of both parts; one may know fewer strata."""
        strata = max(self.products.shape[1], other.products.shape[1])
        one, two = (widened(tally.products, 1, strata) for tally in (self, other))
        rest = {name: getattr(self, name) + getattr(other, name) for name in ADDED}
        return NumberTally(one + two, **rest)

    def extract(self) -> NumberTally:
        """Return itself: what it says depends on the prior."""
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return the tally as JSON-able values."""
        return {name: encode_counts(getattr(self, name)) for name in ("products", *ADDED)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> NumberTally:
        """Return the tally that `to_dict` described."""
        return cls(**{name: decode_counts(values[name]) for name in ("products", *ADDED)})


ADDED = ("committee", "true", "objects", "known")


@dataclass(frozen=True, eq=False)
class NumberCountSummary:
    """Numbers of objects by magnitude bin (b) and class (k).

    Attributes
    ----------
    edges : ndarray, shape (b + 1,)
    band_role : str
    number, cumulative : ndarray, shape (b, k)
        Summed probabilities of each bin, and of all brighter ones with it.
    errors, cumulative_errors : ndarray, shape (b, k, 3)
        From counting, from the validation sample, and from what is wrong with the mocks; NaN where one is not known.
    committee : ndarray, shape (b, k)
        The committee's own sums.
    true : ndarray, shape (b, k)
        NaN in bins that hold an object of unknown class.
    """

    edges: np.ndarray
    band_role: str
    number: np.ndarray
    cumulative: np.ndarray
    errors: np.ndarray
    cumulative_errors: np.ndarray
    committee: np.ndarray
    true: np.ndarray

    @property
    def error(self) -> np.ndarray:
        """Standard error of each number, (b, k); NaN where no term is known."""
        return _joined(self.errors)

    @property
    def cumulative_error(self) -> np.ndarray:
        """Standard error of each cumulative number, (b, k); NaN where no term is known."""
        return _joined(self.cumulative_errors)


def _joined(errors: np.ndarray) -> np.ndarray:
    """Return the root of the sum of the squares of the terms that are known."""
    known = ~np.isnan(errors).all(axis=2)
    return np.where(known, np.sqrt(np.nansum(errors**2, axis=2)), np.nan)
