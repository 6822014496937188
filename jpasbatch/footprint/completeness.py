"""Which share of the objects of a magnitude the survey detects, by tile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.footprint.tables import read_given

WHOLE = ""
"""Name of the tile of a table that holds one row for the whole survey."""

STEEPEST = 50.0
"""Steepness above which k is no measured one, per mag; that of the tiles of miniJPAS in r is 4 to 7."""


@dataclass(frozen=True)
class Completeness:
    """The detected share of a magnitude m, 1 / (1 + exp(k (m - m50))), which CEFCA gives for each tile.

    Attributes
    ----------
    tiles : tuple of str
        Their names; `WHOLE` alone where one row holds for the whole survey.
    m50, k : tuple of float
        Magnitude at which half is detected, and steepness per mag; one a tile.
    band_role : str
        Reported band of the magnitudes; empty where the job does not say.
    """

    tiles: tuple[str, ...]
    m50: tuple[float, ...]
    k: tuple[float, ...]
    band_role: str = ""

    def of_bins(self, edges: np.ndarray, areas: Mapping[str, float]) -> np.ndarray:
        """Return the detected share in magnitude bins, (b,): the mean over area, and over the magnitudes of a bin.

        Weighted by area and not by objects: a deeper tile shows more of them, so that it would count for more.

        Parameters
        ----------
        edges : ndarray, shape (b + 1,)
        areas : mapping of str to float
            Observed area of each tile, deg2.

        Raises
        ------
        InputError
            When a tile that was observed has no row.
        """
        if self.tiles == (WHOLE,):
            weights = np.ones(1)
        else:
            missing = sorted(name for name, area in areas.items() if area > 0 and name not in self.tiles)
            if missing:
                raise InputError(
                    f"[completeness] file: {len(missing)} of {len(areas)} tiles of the catalogue have no row, "
                    f"{', '.join(repr(name) for name in missing[:3])} first; the file has {len(self.tiles)}, "
                    f"{', '.join(repr(name) for name in self.tiles[:3])} first"
                )
            weights = np.array([areas.get(name, 0.0) for name in self.tiles])
        if not weights.sum() > 0:
            return np.full(len(edges) - 1, np.nan)
        m50, k = np.array(self.m50)[:, None], np.array(self.k)[:, None]
        # the integral of the share: 1 - exp(z) / (1 + exp(z)) integrates to m - log(1 + exp(z)) / k
        risen = np.logaddexp(0.0, k * (edges - m50)) / k
        shares = 1.0 - np.diff(risen, axis=1) / np.diff(edges)
        return np.clip(weights @ shares / weights.sum(), 0.0, 1.0)


def read_completeness(path: Path, band_role: str) -> Completeness:
    """Read a table of ``m50`` and ``k``, by ``tile_id`` or in one row.

    Raises
    ------
    InputError
        When it cannot be read, a column is missing, a value is impossible, or a tile has two rows.
    """
    given = read_given("[completeness] file", path)
    m50, k = (given.numbers(given.column(name)) for name in ("m50", "k"))
    for name, values, low, high in (("m50", m50, 5.0, 35.0), ("k", k, 0.0, STEEPEST)):
        wrong = np.flatnonzero(~((values > low) & (values <= high)))
        if len(wrong):
            raise given.wrong(
                f"column {name!r}, row {wrong[0] + 1}: found {values[wrong[0]]:g}; allowed is above {low:g} to {high:g}"
            )
    tile = given.name_of("tile_id", "tile")
    if tile is None and len(m50) != 1:
        raise given.wrong(
            f"has {len(m50)} rows and no column 'tile_id'; without tiles one row holds for the whole survey"
        )
    names = tuple(str(one).strip() for one in given.table[tile]) if tile else (WHOLE,)
    twice = next((one for number, one in enumerate(names) if one in names[:number]), None)
    if twice is not None:
        raise given.wrong(f"tile {twice!r} has two rows; keep that of the detection band")
    return Completeness(names, tuple(m50.tolist()), tuple(k.tolist()), band_role)
