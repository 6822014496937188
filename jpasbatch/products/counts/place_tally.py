"""Objects by place: in HEALPix pixels and in the tiles of the survey."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from jpasbatch.products.accumulation import decode_counts, encode_counts, sum_by_pixel

CELLS = 4
"""How many times finer than the counts the grid is in which tiles share area, per side."""


@dataclass(frozen=True, eq=False)
class PlaceTally:
    """Sums over p pixels and t tiles, of objects in the observed part of the sky, for k classes.

    Attributes
    ----------
    pixels : ndarray of int64, shape (p,)
        Nested, ascending, of the grid of the counts.
    pixel_sums : ndarray of int64, shape (p, 1 + 2 k)
        Objects; then, of those that the job counts, the probability of each class and its square (`exact`).
    tiles : tuple of str
        Ascending.
    tile_sums : ndarray of int64, shape (t, 1 + 2 k)
        The same.
    cells : ndarray of int64, shape (c, 2)
        Pixels of a grid that is `CELLS` times finer, with the position of each tile that has objects in it.
    cell_objects : ndarray of int64, shape (c,)
    """

    pixels: np.ndarray
    pixel_sums: np.ndarray
    tiles: tuple[str, ...]
    tile_sums: np.ndarray
    cells: np.ndarray
    cell_objects: np.ndarray

    @classmethod
    def create(cls, classes: int) -> PlaceTally:
        """Return the tally of no objects."""
        none, sums = np.zeros(0, dtype=np.int64), np.zeros((0, 1 + 2 * classes), dtype=np.int64)
        return cls(none, sums, (), sums, np.zeros((0, 2), dtype=np.int64), none)

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
        names, position = np.unique(tile, return_inverse=True)
        pixels, pixel_sums = sum_by_pixel(pixel, values)
        _, tile_sums = sum_by_pixel(position, values)
        cells, objects = np.unique(np.column_stack([cell, position]), axis=0, return_counts=True)
        return cls(pixels, pixel_sums, tuple(map(str, names)), tile_sums, cells, objects)

    def merge(self, other: PlaceTally) -> PlaceTally:
        """Return the tally of both parts."""
        pixels, pixel_sums = sum_by_pixel(
            np.concatenate([self.pixels, other.pixels]), np.concatenate([self.pixel_sums, other.pixel_sums])
        )
        tiles = tuple(sorted({*self.tiles, *other.tiles}))
        moved = [np.array([tiles.index(name) for name in one.tiles], dtype=np.int64) for one in (self, other)]
        _, tile_sums = sum_by_pixel(np.concatenate(moved), np.concatenate([self.tile_sums, other.tile_sums]))
        cells = [
            np.column_stack([one.cells[:, 0], place[one.cells[:, 1]]])
            for one, place in zip((self, other), moved, strict=True)
        ]
        cells, place = np.unique(np.concatenate(cells), axis=0, return_inverse=True)
        objects = np.zeros(len(cells), dtype=np.int64)
        np.add.at(objects, place, np.concatenate([self.cell_objects, other.cell_objects]))
        return PlaceTally(pixels, pixel_sums, tiles, tile_sums, cells, objects)

    def extract(self) -> PlaceTally:
        """Return itself: areas are known by the counts."""
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return the tally as JSON-able values."""
        return {
            "pixels": self.pixels.tolist(),
            "pixel_sums": encode_counts(self.pixel_sums),
            "tiles": list(self.tiles),
            "tile_sums": encode_counts(self.tile_sums),
            "cells": self.cells.tolist(),
            "cell_objects": self.cell_objects.tolist(),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> PlaceTally:
        """Return the tally that `to_dict` described."""
        return cls(
            np.asarray(values["pixels"], dtype=np.int64),
            decode_counts(values["pixel_sums"]),
            tuple(values["tiles"]),
            decode_counts(values["tile_sums"]),
            np.asarray(values["cells"], dtype=np.int64).reshape(-1, 2),
            np.asarray(values["cell_objects"], dtype=np.int64),
        )


def tile_areas(tally: PlaceTally, cells: np.ndarray, areas: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the observed area of each tile, deg2 (t,), and the area of cells without any object.

    Tiles overlap at their edges, where each object belongs to one of them: the area of a cell is shared between tiles
    as its objects are.

    Parameters
    ----------
    tally : PlaceTally
    cells : ndarray of int64, shape (c,), ascending
        Observed pixels of the finer grid.
    areas : ndarray of float64, shape (c,)
        Of each, deg2.
    """
    held, place = np.unique(tally.cells[:, 0], return_inverse=True)
    objects = np.bincount(place, tally.cell_objects, len(held))
    area = np.zeros(len(held))
    known = np.isin(held, cells)
    area[known] = areas[np.searchsorted(cells, held[known])]
    share = tally.cell_objects / objects[place] * area[place] if len(held) else np.zeros(0)
    found = np.bincount(tally.cells[:, 1], share, len(tally.tiles))
    return found, float(areas[~np.isin(cells, held)].sum())
