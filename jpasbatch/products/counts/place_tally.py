"""Objects by place: in HEALPix pixels and in the tiles of the survey."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from jpasbatch.products.accumulation import decode_counts, encode_counts, sum_by_pixel

CELLS = 4
"""How many times finer than the counts the grid is in which tiles share area, per side."""


@dataclass(frozen=True, eq=False)
class TileSums:
    """What a tile holds.

    Attributes
    ----------
    sums : ndarray of int64, shape (1, 1 + 2 k)
        As of `PlaceTally.pixel_sums`.
    cells : ndarray of int64, shape (c,), ascending
        Pixels of a grid that is `CELLS` times finer than that of the counts.
    objects : ndarray of int64, shape (c, 1)
        Of each cell.
    """

    sums: np.ndarray
    cells: np.ndarray
    objects: np.ndarray

    def merge(self, other: TileSums) -> TileSums:
        """Return what both parts of the tile hold."""
        cells, objects = sum_by_pixel(
            np.concatenate([self.cells, other.cells]), np.concatenate([self.objects, other.objects])
        )
        return TileSums(self.sums + other.sums, cells, objects)


@dataclass(frozen=True, eq=False)
class PlaceTally:
    """Sums over p pixels and the tiles of the survey, of objects in the observed part of the sky, for k classes.

    Attributes
    ----------
    pixels : ndarray of int64, shape (p,)
        Nested, ascending, of the grid of the counts.
    pixel_sums : ndarray of int64, shape (p, 1 + 2 k)
        Objects; then, of those that the job counts, the probability of each class and its square (`exact`).
    tiles : mapping of str to TileSums
        By name. A partition touches few of them, so that a survey of thousands merges fast.
    """

    pixels: np.ndarray
    pixel_sums: np.ndarray
    tiles: Mapping[str, TileSums]

    @classmethod
    def create(cls, classes: int) -> PlaceTally:
        """Return the tally of no objects."""
        return cls(np.zeros(0, dtype=np.int64), np.zeros((0, 1 + 2 * classes), dtype=np.int64), {})

    @classmethod
    def of(cls, pixel: np.ndarray, cell: np.ndarray, tile: np.ndarray, values: np.ndarray) -> PlaceTally:
        """Return the tally of objects.

        Parameters
        ----------
        pixel, cell : ndarray of int64, shape (n,)
            In the grid of the counts, and in the finer one.
        tile : ndarray of str, shape (n,)
        values : ndarray of int64, shape (n, 1 + 2 k)
        """
        pixels, pixel_sums = sum_by_pixel(pixel, values)
        tiles = {}
        for name in np.unique(tile):
            inside = tile == name
            cells, objects = np.unique(cell[inside], return_counts=True)
            tiles[str(name)] = TileSums(values[inside].sum(axis=0, keepdims=True), cells, objects[:, None])
        return cls(pixels, pixel_sums, tiles)

    @property
    def tile_names(self) -> tuple[str, ...]:
        """Names of the tiles, ascending."""
        return tuple(sorted(self.tiles))

    @property
    def tile_sums(self) -> np.ndarray:
        """Sums of each tile in this order, int64 (t, 1 + 2 k)."""
        rows = [self.tiles[name].sums for name in self.tile_names]
        return np.concatenate([np.zeros((0, self.pixel_sums.shape[1]), dtype=np.int64), *rows])

    def merge(self, other: PlaceTally) -> PlaceTally:
        """Return the tally of both parts."""
        pixels, pixel_sums = sum_by_pixel(
            np.concatenate([self.pixels, other.pixels]), np.concatenate([self.pixel_sums, other.pixel_sums])
        )
        shared = {
            name: self.tiles[name].merge(one) for name, one in other.tiles.items() if name in self.tiles
        }
        return PlaceTally(pixels, pixel_sums, {**self.tiles, **other.tiles, **shared})

    def extract(self) -> PlaceTally:
        """Return itself: areas are known by the counts."""
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return the tally as JSON-able values."""
        tiles = {
            name: [
                self.tiles[name].sums[0].tolist(),
                self.tiles[name].cells.tolist(),
                self.tiles[name].objects[:, 0].tolist(),
            ]
            for name in self.tile_names
        }
        return {"pixels": self.pixels.tolist(), "pixel_sums": encode_counts(self.pixel_sums), "tiles": tiles}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> PlaceTally:
        """Return the tally that `to_dict` described."""
        tiles = {}
        for name, held in values["tiles"].items():
            sums, cells, objects = (np.asarray(one, dtype=np.int64) for one in held)
            tiles[name] = TileSums(sums[None], cells, objects[:, None])
        pixels = np.asarray(values["pixels"], dtype=np.int64)
        return cls(pixels, decode_counts(values["pixel_sums"]), tiles)

    @property
    def cells(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Cells of all tiles, the position of the tile, and the objects in both, int64 (c,)."""
        held = [self.tiles[name] for name in self.tile_names]
        none = np.zeros(0, dtype=np.int64)
        tile = np.repeat(np.arange(len(held)), [len(one.cells) for one in held])
        cells = np.concatenate([none, *(one.cells for one in held)])
        return cells, tile, np.concatenate([none, *(one.objects[:, 0] for one in held)])


def tile_areas(tally: PlaceTally, pixels: np.ndarray, areas: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the observed area of each tile, deg2 (t,), and the area of pixels without any object.

    Tiles overlap at their edges, where each object belongs to one of them: the area of a pixel is shared between tiles
    as its objects are.

    Parameters
    ----------
    tally : PlaceTally
    pixels : ndarray of int64, shape (c,), ascending
        Observed pixels of the grid of the cells.
    areas : ndarray of float64, shape (c,)
        Of each, deg2.
    """
    cells, tile, number = tally.cells
    held, place = np.unique(cells, return_inverse=True)
    objects = np.bincount(place, number, len(held))
    area = np.zeros(len(held))
    known = np.isin(held, pixels)
    area[known] = areas[np.searchsorted(pixels, held[known])]
    found = np.bincount(tile, number / objects[place] * area[place], len(tally.tiles))
    return found, float(areas[~np.isin(pixels, held)].sum())
