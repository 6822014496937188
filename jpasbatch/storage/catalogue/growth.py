"""A catalogue grows or shrinks: which partitions are touched by rows that arrive and leave.

A partition that none touches stays as it is, and its file is that of the next version as well. One that loses all of
its rows is no more; one that shrinks stays, and is not joined with its neighbours.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.storage.catalogue.partition_facts import Pixel
from jpasbatch.storage.catalogue.plan import PartitionOptions


@dataclass(frozen=True)
class GrownPartition:
    """A partition of the catalogue to come.

    Attributes
    ----------
    order, pixel : int
    source : (int, int) or None
        Partition of the catalogue as it is, whose rows in this pixel belong to it; None where there was none.
    touched : bool
        False when it is a partition already, and stays as it is.
    """

    order: int
    pixel: int
    source: Pixel | None
    touched: bool


def plan_growth(
    counts: np.ndarray,
    arrivals: np.ndarray,
    pixels: Sequence[Pixel],
    shrunk: Collection[Pixel],
    options: PartitionOptions,
) -> list[GrownPartition]:
    """Decide how the partitions of a catalogue take new rows, where some have lost rows.

    A partition that has room takes its new rows; one that has not is divided; where there was none, the largest
    pixel that has room, and holds no other partition, becomes one.

    Parameters
    ----------
    counts, arrivals : ndarray of int64, shape (12 * 4**map_order,)
        Rows of the catalogue that stay, and new rows, in each nested pixel of the map.
    pixels : sequence of (int, int)
        Partitions of the catalogue.
    shrunk : collection of (int, int)
        Those of them that lose rows.
    options : PartitionOptions

    Returns
    -------
    list of GrownPartition
        Disjoint, in the order of the sky; together they hold every row.

    Raises
    ------
    InputError
        When a pixel of the map itself would hold more rows than a partition may.
    """
    return list(_Planner(counts, arrivals, pixels, shrunk, options).plan())


class _Planner:
    """Descends from the twelve pixels of order 0 until rows fit."""

    def __init__(
        self,
        counts: np.ndarray,
        arrivals: np.ndarray,
        pixels: Sequence[Pixel],
        shrunk: Collection[Pixel],
        options: PartitionOptions,
    ) -> None:
        self.map_order = (len(counts) // 12).bit_length() // 2
        self.old, self.new = (np.concatenate([[0], np.cumsum(rows)]) for rows in (counts, arrivals))
        self.known, self.shrunk, self.options = set(pixels), shrunk, options
        self.parents = {
            (order, pixel >> 2 * (deep - order)) for deep, pixel in self.known for order in range(deep)
        }

    def plan(self) -> Iterator[GrownPartition]:
        for pixel in range(12):
            yield from self._descend((0, pixel), None)

    def _rows(self, sums: np.ndarray, here: Pixel) -> int:
        width = 4 ** (self.map_order - here[0])
        return int(sums[(here[1] + 1) * width] - sums[here[1] * width])

    def _descend(self, here: Pixel, divided: Pixel | None) -> Iterator[GrownPartition]:
        """Yield the partitions within a pixel; ``divided`` is the one that had no room, whose rows they take."""
        (order, pixel), old, new = here, self._rows(self.old, here), self._rows(self.new, here)
        source = here if here in self.known else divided
        if old + new == 0:
            return
        if here in self.known and new == 0:
            yield GrownPartition(order, pixel, here, here in self.shrunk)
        elif here not in self.parents and self._has_room(order, old + new):
            yield GrownPartition(order, pixel, source, True)
        elif order < self.map_order:
            for child in range(4 * pixel, 4 * pixel + 4):
                yield from self._descend((order + 1, child), source)
        else:
            raise InputError(
                f"the pixel {order}/{pixel} would hold {old + new} rows, more than a partition may "
                f"({self.options.pixel_threshold}): raise pixel_threshold or highest_order and run `jpasbatch ingest`, "
                "which partitions the whole catalogue anew"
            )

    def _has_room(self, order: int, rows: int) -> bool:
        return order >= self.options.lowest_order and rows <= self.options.pixel_threshold
