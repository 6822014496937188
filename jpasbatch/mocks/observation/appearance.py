"""Positions, stellarity and flags of mock objects: plausible numbers, for demonstration only."""

from __future__ import annotations

import numpy as np

from jpasbatch.mocks.options.builtin import MockSky
from jpasbatch.photometry.streams import NamedStream

COMPACT_SHARE = 0.12
"""Share of galaxies that look point-like even where images are good: assumed."""


def sky_positions(
    options: MockSky, tile_index: int, number: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return ra and dec (n,) in degrees, uniform in area within a tile.

    The tiles form a grid of equal steps in right ascension and declination around the centre,
    as square as their number allows; the last row may be incomplete.
    """
    columns = int(np.ceil(np.sqrt(options.tiles)))
    rows = int(np.ceil(options.tiles / columns))
    side = np.sqrt(options.area_deg2 / options.tiles)
    row, column = divmod(tile_index, columns)
    south = options.dec + (row - rows / 2) * side
    sines = np.sin(np.radians([south, south + side]))
    dec = np.degrees(np.arcsin(rng.uniform(*sines, size=number)))
    width = side / np.cos(np.radians(south + side / 2))
    west = options.ra + (column - columns / 2) * width
    return np.mod(rng.uniform(west, west + width, number), 360.0), dec


def stellarity(
    true_class: np.ndarray,
    magnitude: np.ndarray,
    redshift: np.ndarray,
    rng: np.random.Generator | NamedStream,
) -> np.ndarray:
    """Return a SExtractor-like CLASS_STAR (n,), float32 in [0, 1].

    Bright stars and quasars lie at 0.95 +- 0.05, bright galaxies at 0.05 +- 0.05 but for the compact
    12 %; 30 % of quasars below z 0.5 lie between for their hosts. From about r = 21.5 on all tend to
    an uninformative 0.5 +- 0.2 (half way at 22.8).
    """
    number = true_class.size
    point = np.clip(0.95 + 0.05 * rng.normal(size=number), 0.0, 1.0)
    extended = np.clip(0.05 + 0.05 * rng.normal(size=number), 0.0, 1.0)
    between = rng.uniform(0.3, 0.98, number)
    drawn = rng.uniform(size=number)
    value = np.where(true_class == "galaxy", extended, point)
    odd = ((true_class == "galaxy") & (drawn < COMPACT_SHARE)) | (
        (true_class == "qso") & (redshift < 0.5) & (drawn < 0.3)
    )
    value = np.where(odd, between, value)
    clarity = 1 / (1 + np.exp((magnitude - 22.8) / 0.4))
    unclear = np.clip(rng.normal(0.5, 0.2, number), 0.0, 1.0)
    return (clarity * value + (1 - clarity) * unclear).astype(np.float32)


def raise_flags(
    shape: tuple[int, int], share: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return flags and mask_flags (n, bands) int32: half of the share of rows bears either.

    FLAGS bits 1, 2 or 4 (neighbour, blended, saturated: SExtractor) in some bands; MASK_FLAGS bit 1
    (outside the window) in all.
    """
    number, bands = shape
    flags = np.zeros(shape, dtype=np.int32)
    mask_flags = np.zeros(shape, dtype=np.int32)
    drawn = rng.uniform(size=number)
    flagged = np.flatnonzero(drawn < share / 2)
    flags[flagged] = rng.choice([0, 1, 2, 4], size=(flagged.size, bands), p=[0.4, 0.2, 0.3, 0.1])
    flags[flagged, 0] |= 1  # so that every row meant to be flagged is
    mask_flags[(drawn >= share / 2) & (drawn < share)] = 1
    return flags, mask_flags
