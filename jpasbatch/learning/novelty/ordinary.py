"""What a committee knows of ordinary objects, and what it says of others by it.

An object is compared with the spectra of the class that most members vote for. Three numbers say how strange it is: the
misfit of all bands together, the largest residual of a single band, and how far the members disagree. Each becomes a
level (`jpasbatch.learning.novelty.levels`), the highest counts, and its own level among ordinary objects is the score.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any
from zipfile import BadZipFile

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.learning.novelty.levels import Levels
from jpasbatch.learning.novelty.novelty import EXTRAPOLATION, SAFE, UNKNOWN, UNSAFE, Novelty
from jpasbatch.learning.novelty.spectra import Misfits, compare
from jpasbatch.photometry.photometry import Photometry

UNSAFE_LEVEL = 2.0
"""One ordinary object in a hundred is at least as strange: the false alarms."""

EXTRAPOLATION_LEVEL = float(-np.log10(0.05))
"""One ordinary object in twenty."""

MOST_SPECTRA = 10
FAINTEST = 99.0
"""Magnitude of an object that has none."""

MOST_BYTES = 16 * 2**20
MOST_ELEMENTS = 2**21
SIGNS = ("misfit", "band", "disagreement")
HIGHEST = "highest"

_REFUSED = "what the committee knows of ordinary objects:"


@dataclass(frozen=True, eq=False)
class Ordinary:
    """What a committee knows of ordinary objects; k classes.

    Attributes
    ----------
    basis : ndarray of float64, shape (k, bands, rank)
        Spectra of each class.
    seen : ndarray of bool, shape (k, bands)
        Bands in which these are known.
    limits : ndarray of float64, shape (k, 2)
        Brightest and faintest magnitude of the validation sample, by the class voted for.
    fewest_bands : int
        Bands of the validation sample.
    levels : dict of str to Levels
        Of each of `SIGNS`, and of the highest of these. "disagreement" knows one group, the others the classes; it is
        left out where members cannot disagree, or have learnt from the validation sample.
    """

    basis: np.ndarray
    seen: np.ndarray
    limits: np.ndarray
    fewest_bands: int
    levels: dict[str, Levels]

    def judge(
        self, photometry: Photometry, voted: np.ndarray, magnitude: np.ndarray, disagreement: np.ndarray
    ) -> Novelty:
        """Return how unusual objects are.

        Parameters
        ----------
        photometry : Photometry
            Of n objects.
        voted : ndarray of int, shape (n,)
            Class with the largest vote.
        magnitude : ndarray, shape (n,)
            Of the reference band.
        disagreement : ndarray, shape (n,)
            Of the members.
        """
        magnitude = known_magnitude(magnitude)
        found = self.compare(photometry, voted)
        highest = self.highest(found, voted, magnitude, disagreement)
        # rounded, so that it does not depend on how a processor rounds its sums
        score = np.round(self.levels[HIGHEST](highest, voted, magnitude), 3)
        # a committee of one, whose levels ask for the disagreement of members, gives NaN: nothing is known then
        known = (found.bands >= 2 * self.basis.shape[2]) & np.isfinite(score)
        low, high = self.limits[voted].T
        few_bands = found.bands < self.fewest_bands
        beyond = (magnitude < low) | (magnitude > high) | few_bands
        subset = np.full(len(score), SAFE, dtype=np.int8)
        subset[beyond | (score > EXTRAPOLATION_LEVEL)] = EXTRAPOLATION
        subset[score > UNSAFE_LEVEL] = UNSAFE
        subset[~known] = UNKNOWN
        return Novelty(np.where(known, score, np.nan), subset, disagreement, few_bands)

    def compare(self, photometry: Photometry, voted: np.ndarray) -> Misfits:
        """Return how far objects are from the spectra of the class voted for, (n,)."""
        whole = Misfits(*(np.zeros(len(photometry), dtype=kind) for kind in (float, float, np.int64)))
        for number, (basis, seen) in enumerate(zip(self.basis, self.seen, strict=True)):
            rows = np.flatnonzero(voted == number)
            if rows.size:
                part = compare(photometry, rows, basis, seen)
                for all_rows, some in zip(whole, part, strict=True):
                    all_rows[rows] = some
        return whole

    def highest(
        self, found: Misfits, voted: np.ndarray, magnitude: np.ndarray, disagreement: np.ndarray
    ) -> np.ndarray:
        """Return the highest level of all signs, float64 (n,)."""
        levels = [
            self.levels["misfit"](found.misfit, voted, magnitude),
            self.levels["band"](found.band, voted, magnitude),
        ]
        if "disagreement" in self.levels:
            levels.append(self.levels["disagreement"](disagreement, np.zeros_like(voted), magnitude))
        return np.maximum.reduce(levels)

    def describe(self) -> dict[str, Any]:
        """Return what a record says of it: JSON-able."""
        return {
            "spectra": self.basis.shape[2],
            "magnitude_bins": self.levels[HIGHEST].centre.shape[1],
            "signs": [name for name in self.levels if name != HIGHEST],
            "fewest_bands": self.fewest_bands,
            "unsafe_above": UNSAFE_LEVEL,
            "extrapolation_above": EXTRAPOLATION_LEVEL,
        }

    def to_bytes(self) -> bytes:
        """Return it as a file of arrays."""
        arrays = {
            "basis": self.basis,
            "seen": self.seen,
            "limits": self.limits,
            "fewest_bands": np.int64(self.fewest_bands),
        }
        for name, one in self.levels.items():
            arrays |= {f"{name}_centre": one.centre, f"{name}_value": one.value}
        file = io.BytesIO()
        np.savez(file, allow_pickle=False, **arrays)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes, classes: int, bands: int) -> Ordinary:
        """Return what `to_bytes` wrote.

        Raises
        ------
        InputError
            When the file is too large, cannot be read, or is not of this many classes and bands.
        """
        if len(data) > MOST_BYTES:
            raise InputError(f"{_REFUSED} {len(data)} bytes, allowed are {MOST_BYTES}; train again")
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                found = {name: arrays[name] for name in arrays.files if _is_small(arrays, name)}
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise InputError(f"{_REFUSED} it cannot be read ({error}); train again") from None
        try:
            made = cls(
                found["basis"],
                found["seen"],
                found["limits"],
                int(found["fewest_bands"]),
                {
                    name: Levels(found[f"{name}_centre"], found[f"{name}_value"])
                    for name in (*SIGNS, HIGHEST)
                    if f"{name}_centre" in found
                },
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{_REFUSED} {error!r} is missing or wrong; train again") from None
        made._check(classes, bands)
        return made

    def _check(self, classes: int, bands: int) -> None:
        rank = self.basis.shape[-1] if self.basis.ndim == 3 else 0
        shapes = self.basis.shape, self.seen.shape, self.limits.shape
        kinds = self.basis.dtype, self.seen.dtype, self.limits.dtype
        required = {"misfit", "band", HIGHEST}
        if (
            not 0 < rank <= MOST_SPECTRA
            or shapes != ((classes, bands, rank), (classes, bands), (classes, 2))
            or kinds != (np.float64, np.bool_, np.float64)
            or not (np.isfinite(self.basis).all() and np.isfinite(self.limits).all())
            or not required <= self.levels.keys()
            or not all(
                one.is_valid(1 if name == "disagreement" else classes) for name, one in self.levels.items()
            )
        ):
            raise InputError(
                f"{_REFUSED} its arrays are not those of {classes} classes and {bands} bands; train again"
            )


def known_magnitude(magnitude: np.ndarray) -> np.ndarray:
    """Return magnitudes, float64; an object without one is taken for the faintest."""
    return np.nan_to_num(np.asarray(magnitude, dtype=np.float64), nan=FAINTEST)


def _is_small(arrays: Any, name: str) -> bool:
    """Whether an array of a file is as small as it must be, before all of it is in memory.

    Raises
    ------
    ValueError
        When it is not.
    """
    size = arrays.zip.getinfo(f"{name}.npy").file_size
    if size > 8 * MOST_ELEMENTS:
        raise ValueError(f"{name} has {size} bytes")
    return True
