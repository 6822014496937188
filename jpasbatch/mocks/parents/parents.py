"""A set of parent spectra of one class: names, splits, and how each is composed of basis spectra.

A parent's split follows from its name alone (by hash): a further template pack, another seed or another order
of files never moves a parent from one side to the other. What descends from a parent inherits its split.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.mocks.spectra.grids import OBSERVED_PIXELS, REST_PIXELS, shifted

SPLITS = ("training", "validation", "test")
HELD_OUT = "held_out"
"""Split of libraries that are never a parent of anything learnt."""

SHARES = (0.8, 0.1, 0.1)


def split_of(parent_ids: np.ndarray) -> np.ndarray:
    """Return the split (n,) of parents by their names: 80 % training, 10 % validation, 10 % test.

    Parameters
    ----------
    parent_ids : array of str, shape (n,)
    """
    limits = np.cumsum(SHARES)[:-1] * 2**64
    hashes = [
        int.from_bytes(hashlib.sha256(b"split/" + name.encode()).digest()[:8], "little")
        for name in parent_ids
    ]
    place = np.searchsorted(limits, np.array(hashes, dtype=np.float64), side="right")
    return np.array(SPLITS)[place] if len(hashes) else np.array([], dtype="<U10")


@dataclass(frozen=True, eq=False)
class Parents:
    """Parent spectra of one class; n is their number.

    Attributes
    ----------
    parent_id : ndarray of str, shape (n,)
        Permanent names such as ``boss-00042``.
    kind : ndarray of str, shape (n,)
        Type within the class: ``G``, ``white dwarf``, ``red``, ``ELG``, ``boss``, ...
    split : ndarray of str, shape (n,)
    redshift : ndarray of float64, shape (n,)
        At which the parent was observed; 0 for stars, NaN where unknown.
    curves : ndarray of float32, shape (components, 3910)
        Basis spectra on `rest_grid`, f_lambda in any unit.
    first : ndarray of int64, shape (n,)
        First component of each parent.
    weights : ndarray of float32, shape (n, width)
        Of the components first, first + 1, ...; zeros where a parent has fewer.
    blue, red : ndarray of float64, shape (n,)
        Rest wavelengths in Angstrom that the parent covers.
    rank : ndarray of float64, shape (n,)
        Place (0 to 1) among the parents of its kind by a property that objects are chosen by; 0.5 if there is
        none. For stars: strength of the metals' lines among parents of like colour.
    """

    parent_id: np.ndarray
    kind: np.ndarray
    split: np.ndarray
    redshift: np.ndarray
    curves: np.ndarray
    first: np.ndarray
    weights: np.ndarray
    blue: np.ndarray
    red: np.ndarray
    rank: np.ndarray

    def __post_init__(self) -> None:
        if len(np.unique(self.parent_id)) != len(self.parent_id):
            raise InputError("two parents have the same name; a template pack holds one file twice")
        if self.curves.shape[1:] != (REST_PIXELS,):
            raise ValueError(f"curves {self.curves.shape}: must be (components, {REST_PIXELS})")

    def __len__(self) -> int:
        return len(self.parent_id)

    @cached_property
    def rows_of_split(self) -> dict[str, np.ndarray]:
        """Positions of the parents of each split."""
        return {name: np.flatnonzero(self.split == name) for name in (*SPLITS, HELD_OUT)}

    def of_kind(self, split: str, *kinds: str) -> np.ndarray:
        """Return the positions of a split's parents of some kinds, in order."""
        rows = self.rows_of_split[split]
        return rows[np.isin(self.kind[rows], kinds)]

    def take(self, rows: np.ndarray) -> Parents:
        """Return some of the parents; the basis stays whole."""
        chosen = {name: getattr(self, name)[rows] for name in _PER_PARENT}
        return Parents(curves=self.curves, **chosen)

    def observed(self, rows: np.ndarray, redshift: np.ndarray) -> np.ndarray:
        """Return spectra (n, 1626) float32 of parents as seen at redshifts; zero where not covered."""
        result = []
        for row, z in zip(rows, redshift, strict=True):
            low = self.first[row]
            weights = self.weights[row]
            used = int(np.flatnonzero(weights)[-1]) + 1 if weights.any() else 1
            curves = self.curves[low : low + used]
            result.append(shifted(curves, np.array([z]), weights[None, :used])[0])
        return np.array(result, dtype=np.float32).reshape(len(rows), OBSERVED_PIXELS)

    def rest(self, rows: np.ndarray) -> np.ndarray:
        """Return spectra (n, 3910) float32 on the rest grid."""
        result = np.zeros((len(rows), REST_PIXELS), dtype=np.float32)
        for number, row in enumerate(rows):
            for offset, weight in enumerate(self.weights[row]):
                if weight:
                    result[number] += weight * self.curves[self.first[row] + offset]
        return result

    def arrays(self) -> dict[str, np.ndarray]:
        """Return plain arrays from which `from_arrays` makes the same parents."""
        return {"curves": self.curves, **{name: getattr(self, name) for name in _PER_PARENT}}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Parents:
        """Return the parents that `arrays` described."""
        return cls(**{name: arrays[name] for name in ("curves", *_PER_PARENT)})


_PER_PARENT = ("parent_id", "kind", "split", "redshift", "first", "weights", "blue", "red", "rank")


def join(parts: list[Parents]) -> Parents:
    """Return the parents of several sources as one set."""
    if not parts:
        raise ValueError("no parents to join")
    width = max(part.weights.shape[1] for part in parts)
    starts = np.cumsum([0, *(len(part.curves) for part in parts[:-1])])
    weights = [np.pad(part.weights, ((0, 0), (0, width - part.weights.shape[1]))) for part in parts]
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in _PER_PARENT
        if name not in ("first", "weights")
    }
    return Parents(
        curves=np.concatenate([part.curves for part in parts]),
        first=np.concatenate([part.first + start for part, start in zip(parts, starts, strict=True)]),
        weights=np.concatenate(weights).astype(np.float32),
        **joined,
    )


def from_basis(
    curves: np.ndarray,
    weights: np.ndarray,
    parent_id: np.ndarray,
    kind: str | np.ndarray,
    coverage: tuple[float, float],
    redshift: np.ndarray | None = None,
) -> Parents:
    """Return parents that are weighted sums of one basis.

    Parameters
    ----------
    curves : ndarray, shape (k, 3910)
    weights : ndarray, shape (n, k)
    parent_id : ndarray of str, shape (n,)
    kind : str or ndarray of str
    coverage : (float, float)
        Rest wavelengths in Angstrom that the basis covers.
    redshift : ndarray, shape (n,), optional
        0 if not given.
    """
    number = len(weights)
    return Parents(
        parent_id=np.asarray(parent_id, dtype=str),
        kind=np.broadcast_to(np.asarray(kind, dtype=str), (number,)).copy(),
        split=split_of(parent_id),
        redshift=np.zeros(number) if redshift is None else np.asarray(redshift, dtype=np.float64),
        curves=np.asarray(curves, dtype=np.float32),
        first=np.zeros(number, dtype=np.int64),
        weights=np.asarray(weights, dtype=np.float32),
        blue=np.full(number, coverage[0]),
        red=np.full(number, coverage[1]),
        rank=np.full(number, 0.5),
    )


def from_spectra(
    curves: np.ndarray, parent_id: np.ndarray, kind: str | np.ndarray, coverage: np.ndarray
) -> Parents:
    """Return parents that have a spectrum each.

    Parameters
    ----------
    curves : ndarray, shape (n, 3910)
    parent_id : ndarray of str, shape (n,)
    kind : str or ndarray of str
    coverage : ndarray, shape (n, 2)
        First and last rest wavelength of each, in Angstrom.
    """
    number = len(curves)
    return Parents(
        parent_id=np.asarray(parent_id, dtype=str),
        kind=np.broadcast_to(np.asarray(kind, dtype=str), (number,)).copy(),
        split=split_of(parent_id),
        redshift=np.zeros(number),
        curves=np.asarray(curves, dtype=np.float32),
        first=np.arange(number, dtype=np.int64),
        weights=np.ones((number, 1), dtype=np.float32),
        blue=np.asarray(coverage[:, 0], dtype=np.float64),
        red=np.asarray(coverage[:, 1], dtype=np.float64),
        rank=np.full(number, 0.5),
    )
