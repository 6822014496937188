"""The sums of a part of the sky: how many quasars lie in each range of redshift, and how far redshifts are off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from jpasbatch.learning.exact_sums import exact
from jpasbatch.products.accumulation import decode_counts, encode_counts
from jpasbatch.products.redshifts.quality import residual_cells

CELLS = 4000
"""Of (redshift - true redshift) / (1 + true redshift), from -1 to 1; what lies beyond is in the last one."""


@dataclass(frozen=True, eq=False)
class RedshiftTally:
    """Sums over g groups of objects and k ranges of redshift.

    Groups are the magnitude bins, the objects outside all of them, and those that ``[counts]`` selects.

    Attributes
    ----------
    number, squares : ndarray of int64, shape (g, k)
        Sums of the probability to be a quasar in a range, and of its square, in the units of
        `jpasbatch.learning.exact_sums`.
    true : ndarray of int64, shape (g, k)
        True quasars by the range of their true redshift.
    left_out : ndarray of int64, shape (g,)
        Sum of the probability to be a quasar of objects without a redshift.
    objects, unknown : ndarray of int64, shape (g,)
        Objects with a redshift; objects of which it is not known whether they are quasars, and at which redshift.
    beyond : ndarray of int64, shape (g,)
        True quasars whose true redshift is in no range.
    residuals : ndarray of int64, shape (g, CELLS)
        True quasars with a redshift, by (redshift - true redshift) / (1 + true redshift).
    inside : ndarray of int64, shape (g,)
        Those of them whose true redshift lies within the interval of 68 %.
    confused : ndarray of int64, shape (g, k, k)
        The same quasars by the ranges of true redshift and of redshift.
    """

    number: np.ndarray
    squares: np.ndarray
    true: np.ndarray
    left_out: np.ndarray
    objects: np.ndarray
    unknown: np.ndarray
    beyond: np.ndarray
    residuals: np.ndarray
    inside: np.ndarray
    confused: np.ndarray

    @classmethod
    def create(cls, groups: int, ranges: int) -> RedshiftTally:
        """Return the tally of no objects."""
        shapes = dict.fromkeys(SUMS, (groups,)) | {
            "residuals": (groups, CELLS),
            "confused": (groups, ranges, ranges),
        }
        shapes |= dict.fromkeys(("number", "squares", "true"), (groups, ranges))
        return cls(**{name: np.zeros(shape, dtype=np.int64) for name, shape in shapes.items()})

    def add_candidates(self, group: np.ndarray, weights: np.ndarray) -> None:
        """Count objects with a redshift into this tally.

        Parameters
        ----------
        group : ndarray of int, shape (n,)
        weights : ndarray of float64, shape (n, k)
            Probability to be a quasar within each range.
        """
        np.add.at(self.number, group, exact(weights))
        np.add.at(self.squares, group, exact(weights**2))
        np.add.at(self.objects, group, 1)

    def add_left_out(self, group: np.ndarray, probability: np.ndarray) -> None:
        """Count the probability to be a quasar, (n,), that is not among the weights of `add_candidates`."""
        np.add.at(self.left_out, group, exact(probability))

    def add_truth(self, group: np.ndarray, unknown: np.ndarray, at: np.ndarray, quasars: np.ndarray) -> None:
        """Count what is true of objects into this tally.

        Parameters
        ----------
        group : ndarray of int, shape (n,)
        unknown : ndarray of bool, shape (n,)
            Whether it is a quasar and at which redshift is not known.
        at : ndarray of int, shape (n,)
            Range of the true redshift; -1 where it is in none.
        quasars : ndarray of bool, shape (n,)
            Which objects are quasars of known redshift.
        """
        np.add.at(self.unknown, group, unknown)
        np.add.at(self.beyond, group, quasars & (at < 0))
        seen = quasars & (at >= 0)
        np.add.at(self.true, (group[seen], at[seen]), 1)

    def add_residuals(
        self,
        group: np.ndarray,
        off: np.ndarray,
        inside: np.ndarray,
        at: tuple[np.ndarray, np.ndarray],
    ) -> None:
        """Count true quasars with a redshift into this tally.

        Parameters
        ----------
        group : ndarray of int, shape (n,)
        off : ndarray of float64, shape (n,)
            (redshift - true redshift) / (1 + true redshift).
        inside : ndarray of bool, shape (n,)
            Whether the true redshift lies within the interval.
        at : tuple of ndarray of int, each shape (n,)
            Ranges of true redshift and of redshift; -1 where it is in none.
        """
        np.add.at(self.residuals, (group, residual_cells(off, CELLS)), 1)
        np.add.at(self.inside, group, inside)
        both = (at[0] >= 0) & (at[1] >= 0)
        np.add.at(self.confused, (group[both], at[0][both], at[1][both]), 1)

    def merge(self, other: RedshiftTally) -> RedshiftTally:
        """Return the tally of both parts."""
        return RedshiftTally(*(getattr(self, name) + getattr(other, name) for name in FIELDS))

    def extract(self) -> RedshiftTally:
        """Return itself: what it says needs the names of the groups."""
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return the tally as JSON-able values."""
        return {name: encode_counts(getattr(self, name)) for name in FIELDS}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> RedshiftTally:
        """Return the tally that `to_dict` described."""
        return cls(*(decode_counts(values[name]) for name in FIELDS))


SUMS = ("left_out", "objects", "unknown", "beyond", "inside")
FIELDS = tuple(RedshiftTally.__dataclass_fields__)
