"""Where a mock sky lies: tiles of equal area around a centre, and the HEALPix cells below them.

Tiles form a grid that is uniform in right ascension and in the sine of the declination, so that all have the
same area and a position's tile is a division. The last row may be incomplete.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from jpasbatch.errors import InputError

CELL_ORDER = 10
"""HEALPix order of the cells that objects are counted in (12 arcmin2): the same whatever the partitions are."""

INDEX_ORDER = 29
OUTSIDE = -1
_SQUARE_DEGREE = (np.pi / 180) ** 2
HIGHEST_SINE = 0.9995


def pixel_area_deg2(order: int) -> float:
    """Return the area of a HEALPix pixel in square degrees."""
    return 4 * np.pi / (12 * 4**order) / _SQUARE_DEGREE


@dataclass(frozen=True)
class Footprint:
    """Tiles around a centre.

    Parameters
    ----------
    ra, dec : float
        Centre in degrees.
    area_deg2 : float
    tile_area_deg2 : float
        About; the whole area is divided into whole tiles.

    Raises
    ------
    InputError
        If the area does not fit around the centre.
    """

    ra: float
    dec: float
    area_deg2: float
    tile_area_deg2: float

    @cached_property
    def tiles(self) -> int:
        """Number of tiles."""
        return max(1, round(self.area_deg2 / self.tile_area_deg2))

    @cached_property
    def _grid(self) -> tuple[int, int, float, float]:
        """Columns, rows, step in right ascension (radian), step in the sine of the declination."""
        side = np.sqrt(self.area_deg2 / self.tiles * _SQUARE_DEGREE)
        cosine = np.cos(np.radians(self.dec))
        ra_step, sine_step = side / cosine, side * cosine
        widest = int(2 * np.pi / ra_step)
        columns = max(1, min(int(np.ceil(np.sqrt(self.tiles))), widest))
        while columns <= widest:
            rows = int(np.ceil(self.tiles / columns))
            low = np.sin(np.radians(self.dec)) - rows * sine_step / 2
            if low >= -HIGHEST_SINE and low + rows * sine_step <= HIGHEST_SINE:
                return columns, rows, ra_step, sine_step
            columns += 1
        raise InputError(
            f"a mock sky of {self.area_deg2:g} deg2 does not fit around dec = {self.dec:g}; "
            "choose a smaller area or a centre nearer to the equator"
        )

    @property
    def _corner(self) -> tuple[float, float]:
        """Right ascension (radian, may be negative) and sine of the declination of the south-western corner."""
        columns, rows, ra_step, sine_step = self._grid
        return (
            float(np.radians(self.ra) - columns * ra_step / 2),
            float(np.sin(np.radians(self.dec)) - rows * sine_step / 2),
        )

    def positions(self, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return ra and dec (n,) in degrees, uniform in area, from two uniform numbers in (0, 1) each."""
        columns, _, ra_step, sine_step = self._grid
        west, south = self._corner
        place = first * self.tiles
        row, column = np.divmod(np.minimum(place.astype(np.int64), self.tiles - 1), columns)
        ra = np.degrees(west + (column + place - np.floor(place)) * ra_step)
        dec = np.degrees(np.arcsin(south + (row + second) * sine_step))
        return np.mod(ra, 360.0), dec

    def tile_of(self, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
        """Return the tile (n,) int64 of positions in degrees; `OUTSIDE` outside."""
        columns, rows, ra_step, sine_step = self._grid
        west, south = self._corner
        column = np.floor(np.mod(np.radians(ra) - west, 2 * np.pi) / ra_step).astype(np.int64)
        row = np.floor((np.sin(np.radians(dec)) - south) / sine_step).astype(np.int64)
        tile = row * columns + column
        inside = (column < columns) & (row >= 0) & (row < rows) & (tile < self.tiles)
        return np.where(inside, tile, OUTSIDE)

    def pixels(self, order: int) -> np.ndarray:
        """Return the HEALPix pixels (nested, int64, ascending) that may hold part of the footprint.

        Some of those at its border may hold none.
        """
        import healpy

        coarse = min(order, 6)
        pixels = np.arange(12 * 4**coarse)
        while True:
            nside = 2**coarse
            ra, dec = healpy.pix2ang(nside, pixels, nest=True, lonlat=True)
            pixels = pixels[self.near(ra, dec, np.degrees(healpy.max_pixrad(nside)))]
            if coarse == order:
                return pixels
            step = min(order - coarse, 2)
            coarse += step
            pixels = (pixels[:, None] * 4**step + np.arange(4**step)).ravel()

    def near(self, ra: np.ndarray, dec: np.ndarray, radius: float) -> np.ndarray:
        """Whether a disc of a radius in degrees around a position may touch the footprint."""
        columns, rows, ra_step, sine_step = self._grid
        west, south = self._corner
        low, high = np.degrees(np.arcsin(np.clip([south, south + rows * sine_step], -1, 1)))
        near = (dec > low - radius) & (dec < high + radius)
        margin = np.radians(radius) / np.maximum(np.cos(np.radians(np.abs(dec) + radius)), 0.02)
        offset = np.mod(np.radians(ra) - west + np.pi, 2 * np.pi) - np.pi  # of the western edge
        width = columns * ra_step
        return near & (
            ((offset > -margin) & (offset < width + margin)) | (offset + 2 * np.pi < width + margin)
        )


def cells_of(order: int, pixel: int, footprint: Footprint) -> np.ndarray:
    """Return the cells (nested, int64) of a pixel that may hold part of a footprint; `order` <= `CELL_ORDER`."""
    import healpy

    number = 4 ** (CELL_ORDER - order)
    cells = np.arange(pixel * number, (pixel + 1) * number)
    nside = 2**CELL_ORDER
    ra, dec = healpy.pix2ang(nside, cells, nest=True, lonlat=True)
    return cells[footprint.near(ra, dec, float(np.degrees(healpy.max_pixrad(nside))))]


def index_of(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Return the spatial index (n,) int64 of positions in degrees: nested pixels of order 29."""
    import healpy

    return healpy.ang2pix(2**INDEX_ORDER, ra, dec, nest=True, lonlat=True)


def positions_in(cells: np.ndarray, bits: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return index, ra and dec (n,) of places within cells, uniform in area, from random 64-bit integers."""
    import healpy

    below = 2 * (INDEX_ORDER - CELL_ORDER)
    index = (cells << below) | (bits >> np.uint64(64 - below)).astype(np.int64)
    ra, dec = healpy.pix2ang(2**INDEX_ORDER, index, nest=True, lonlat=True)
    return index, ra, dec
