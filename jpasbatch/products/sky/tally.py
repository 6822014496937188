"""Density of objects and of predicted classes over the sky, on a grid as fine as the area allows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from jpasbatch.products.accumulation import (
    SKY_DEG2,
    decode_counts,
    encode_counts,
    healpix_order,
    parent_pixels,
    require_equal,
    sum_by_pixel,
)
from jpasbatch.products.record import HEALPIX_COLUMN, class_indices


@dataclass(frozen=True)
class SkyMap:
    """Counts per HEALPix pixel.

    Attributes
    ----------
    nside : int
    pixels : int64 (p,)
        Nested pixels that hold at least one object, ascending.
    classes : tuple of str
    counts : int64 (p, classes)
        Objects by predicted class.
    """

    nside: int
    pixels: np.ndarray
    classes: tuple[str, ...]
    counts: np.ndarray

    @property
    def pixel_deg2(self) -> float:
        """Area of one pixel, deg2."""
        return float(SKY_DEG2 / (12 * self.nside**2))


@dataclass(frozen=True)
class SkyTally:
    """Objects per pixel and predicted class; at most ``maximum_pixels`` pixels, whatever the survey's area.

    When there are more, the grid becomes twice as coarse. A part never needs a coarser grid than the whole,
    so the final grid, and with it every number, does not depend on how the parts were merged.
    """

    classes: tuple[str, ...]
    maximum_pixels: int
    nside: int
    pixels: np.ndarray
    counts: np.ndarray

    @classmethod
    def create(cls, classes: tuple[str, ...], nside: int = 512, maximum_pixels: int = 20_000) -> "SkyTally":
        """Return an empty tally that starts at ``nside``."""
        healpix_order(nside)
        empty = np.zeros((0, len(classes)), dtype=np.int64)
        return cls(tuple(classes), max(maximum_pixels, 12), nside, np.zeros(0, dtype=np.int64), empty)

    def add(self, record: pa.Table) -> "SkyTally":
        """Return this tally with the records of a partition added."""
        predicted = class_indices(record, self.classes)
        values = (predicted[:, None] == np.arange(len(self.classes))).astype(np.int64)
        pixels, counts = sum_by_pixel(parent_pixels(record[HEALPIX_COLUMN].to_numpy(), self.nside), values)
        return self.merge(SkyTally(self.classes, self.maximum_pixels, self.nside, pixels, counts))

    def merge(self, other: "SkyTally") -> "SkyTally":
        """Return the tally of both parts, on the grid that the whole needs."""
        require_equal(self.classes, other.classes, "classes")
        require_equal(self.maximum_pixels, other.maximum_pixels, "numbers of pixels")
        nside = min(self.nside, other.nside)
        stacked = [part.pixels // (part.nside // nside) ** 2 for part in (self, other)]
        pixels, counts = sum_by_pixel(np.concatenate(stacked), np.concatenate([self.counts, other.counts]))
        while len(pixels) > self.maximum_pixels:
            nside //= 2
            pixels, counts = sum_by_pixel(pixels // 4, counts)
        return SkyTally(self.classes, self.maximum_pixels, nside, pixels, counts)

    def extract(self) -> SkyMap:
        """Return the map."""
        return SkyMap(self.nside, self.pixels, self.classes, self.counts)

    def to_dict(self) -> dict[str, Any]:
        """Return the tally as JSON-able values."""
        return {
            "classes": list(self.classes),
            "maximum_pixels": self.maximum_pixels,
            "nside": self.nside,
            "pixels": self.pixels.tolist(),
            "counts": encode_counts(self.counts),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "SkyTally":
        """Return the tally that `to_dict` wrote."""
        pixels = np.asarray(values["pixels"], dtype=np.int64)
        counts = decode_counts(values["counts"])
        return cls(tuple(values["classes"]), values["maximum_pixels"], values["nside"], pixels, counts)
