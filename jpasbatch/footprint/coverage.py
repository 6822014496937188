"""Which part of the sky was observed, as runs of HEALPix pixels of order 29 with the share that was observed of each.

A run is a range of nested pixels that follow each other; nested order makes large cells single runs. A polygon of ten
thousand square degrees with a million masked stars is some ten million runs, and no map of the sky is ever held.
Objects are found in the same runs whose lengths are the area, so that both always agree.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Literal

import numpy as np

ORDER = 29
PIXELS = 12 * 4**ORDER
PIXEL_DEG2 = 4 * np.pi * (180 / np.pi) ** 2 / PIXELS
"""Area of a pixel of order 29."""

Name = Literal["effective area", "footprint"]
"""What an area may be called: a footprint says where the survey looked, and nothing of what is masked there."""


@dataclass(frozen=True, eq=False)
class Coverage:
    """The observed part of the sky.

    Attributes
    ----------
    starts, stops : ndarray of int64, shape (r,)
        Runs of nested pixels of order 29, from ``starts`` to before ``stops``, ascending; they do not overlap.
    fractions : ndarray of float64, shape (r,)
        Observed share of each run, above 0. What random positions estimate may exceed 1 by its noise.
    name : {"effective area", "footprint"}
    """

    starts: np.ndarray
    stops: np.ndarray
    fractions: np.ndarray
    name: Name = "effective area"

    @classmethod
    def of_ranges(cls, starts: np.ndarray, stops: np.ndarray, name: Name = "effective area") -> Coverage:
        """Return the union of ranges, wholly observed; they may overlap and come in any order."""
        first, last = united(starts, stops)
        return cls(first, last, np.ones(len(first)), name)

    @classmethod
    def of_pixels(cls, pixels: np.ndarray, fractions: np.ndarray, nside: int) -> Coverage:
        """Return the coverage of nested pixels, each given once; those of fraction 0 are left out.

        Parameters
        ----------
        pixels : ndarray of int64, shape (p,)
        fractions : ndarray of float, shape (p,)
        nside : int
        """
        width = 4 ** (ORDER - order_of(nside))
        order = np.argsort(pixels, kind="stable")
        order = order[fractions[order] > 0]
        starts, values = pixels[order].astype(np.int64) * width, fractions[order].astype(np.float64)
        return _runs(starts, starts + width, values, "effective area")

    @property
    def area_deg2(self) -> float:
        """The observed area, deg2."""
        return float(((self.stops - self.starts) * self.fractions).sum() * PIXEL_DEG2)

    def contains(self, healpix_29: np.ndarray) -> np.ndarray:
        """Return which positions lie in the observed part, bool (n,).

        Parameters
        ----------
        healpix_29 : ndarray of int64, shape (n,)
            Nested pixels of order 29.
        """
        return self.fractions_at(healpix_29) > 0

    def fractions_at(self, healpix_29: np.ndarray) -> np.ndarray:
        """Return the observed share at positions, float64 (n,); 0 outside."""
        if not len(self.starts):
            return np.zeros(len(healpix_29))
        run = np.searchsorted(self.starts, healpix_29, side="right") - 1
        inside = (run >= 0) & (healpix_29 < self.stops[run])
        return np.where(inside, self.fractions[run], 0.0)

    def without(self, other: Coverage) -> Coverage:
        """Return the coverage without what another one covers; it is an effective area from then on."""
        edges = np.concatenate([self.starts, self.stops, other.starts, other.stops])
        edges.sort()  # np.unique hashes, and takes ten times as long
        starts, stops = edges[:-1], edges[1:]
        fractions = np.where(other.contains(starts), 0.0, self.fractions_at(starts))
        fractions[starts == stops] = 0.0
        kept = fractions > 0
        return _runs(starts[kept], stops[kept], fractions[kept], "effective area")

    def within(self, nside: int, pixel: int) -> Coverage:
        """Return the part of the coverage that lies in a nested pixel."""
        width = 4 ** (ORDER - order_of(nside))
        low, high = pixel * width, (pixel + 1) * width
        first, last = np.searchsorted(self.stops, low, side="right"), np.searchsorted(self.starts, high)
        starts, stops = self.starts[first:last], self.stops[first:last]
        return Coverage(
            np.maximum(starts, low), np.minimum(stops, high), self.fractions[first:last], self.name
        )

    def areas(self, nside: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the observed nested pixels, int64 (p,) ascending, and the observed area of each, deg2 (p,)."""
        width = 4 ** (ORDER - order_of(nside))
        first, last = self.starts // width, (self.stops - 1) // width
        number = last - first + 1
        run = np.repeat(np.arange(len(first)), number)
        pixel = first[run] + np.arange(len(run)) - np.repeat(np.cumsum(number) - number, number)
        length = np.minimum(self.stops[run], (pixel + 1) * width) - np.maximum(
            self.starts[run], pixel * width
        )
        pixels, place = np.unique(pixel, return_inverse=True)
        return pixels, np.bincount(place, length * self.fractions[run], len(pixels)) * PIXEL_DEG2

    def to_bytes(self) -> bytes:
        """Return the coverage as the bytes of an ``.npz`` file."""
        file = io.BytesIO()
        np.savez(
            file, starts=self.starts, stops=self.stops, fractions=self.fractions, name=np.array(self.name)
        )
        return file.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Coverage:
        """Return the coverage that `to_bytes` wrote."""
        with np.load(io.BytesIO(data), allow_pickle=False) as held:
            return cls(held["starts"], held["stops"], held["fractions"], str(held["name"]))  # type: ignore[arg-type]


def order_of(nside: int) -> int:
    """Return the order of a HEALPix grid, ``nside = 2**order``."""
    return nside.bit_length() - 1


def united(starts: np.ndarray, stops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the union of ranges, int64: ascending, without overlap, and no two that touch."""
    order = np.argsort(starts, kind="stable")
    starts, stops = starts[order].astype(np.int64), np.maximum.accumulate(stops[order].astype(np.int64))
    new = np.ones(len(starts), dtype=bool)
    new[1:] = starts[1:] > stops[:-1]
    return starts[new], stops[np.append(np.flatnonzero(new)[1:], len(starts)) - 1] if len(starts) else stops


def _runs(starts: np.ndarray, stops: np.ndarray, fractions: np.ndarray, name: Name) -> Coverage:
    """Return ascending ranges as a coverage; neighbours of the same fraction become one run."""
    new = np.ones(len(starts), dtype=bool)
    new[1:] = (starts[1:] != stops[:-1]) | (fractions[1:] != fractions[:-1])
    last = np.append(np.flatnonzero(new)[1:], len(starts)) - 1
    return Coverage(starts[new], stops[last] if len(starts) else stops, fractions[new], name)
