"""Under which conditions a tile was observed: depth, seeing and zero-point offset in every band.

A tile repeats the depths and the seeing of one real tile, with a scatter of its own in each band, and has a
zero-point offset in each band that all of its objects share. Everything follows from the tile's number and the
seed; so virtual tiles, which the objects of training sets are spread over, cost nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jpasbatch.photometry.photometry import flux_from_ab_magnitude
from jpasbatch.photometry.streams import ObjectStreams
from jpasbatch.photometry.survey import Survey

FIRST_VIRTUAL_TILE = 1_000_000
TYPICAL_SEEING = 1.2
"""arcsec; where the survey's seeing is not known it is the same in all bands, and apertures change no colour."""


@dataclass(frozen=True, eq=False)
class RealTiles:
    """What was measured on real tiles.

    Attributes
    ----------
    depth : ndarray of float64, shape (tiles, bands)
        5-sigma AB magnitudes.
    seeing : ndarray of float64, shape (tiles, bands)
        FWHM in arcsec.
    """

    depth: np.ndarray
    seeing: np.ndarray

    @classmethod
    def of_survey(cls, survey: Survey) -> RealTiles:
        """Return what the survey file itself knows: depths, and no seeing."""
        rows = max(len(survey.tiles), 1)
        depth = np.array(
            [
                [band.tile_depths[row] if band.tile_depths else band.depth for band in survey.bands]
                for row in range(rows)
            ]
        )
        return cls(depth, np.full(depth.shape, TYPICAL_SEEING))


@dataclass(frozen=True, eq=False)
class Conditions:
    """Conditions of objects or of tiles.

    Attributes
    ----------
    sky : ndarray of float32, shape (n, bands)
        Standard deviation of the sky's noise, microjansky.
    zero_point : ndarray of float32, shape (n, bands)
        Factor by which fluxes are off.
    seeing : ndarray of float32, shape (n, bands)
        FWHM, arcsec.
    dust : ndarray of float64, shape (n,)
        E(B-V) of the Milky Way, magnitudes.
    """

    sky: np.ndarray
    zero_point: np.ndarray
    seeing: np.ndarray
    dust: np.ndarray

    def __getitem__(self, rows: np.ndarray | slice) -> Conditions:
        return Conditions(self.sky[rows], self.zero_point[rows], self.seeing[rows], self.dust[rows])


def conditions_of_tiles(
    tiles: np.ndarray,
    real: RealTiles,
    seed: int,
    scatter: tuple[float, float],
    median_dust: float,
) -> Conditions:
    """Return the conditions of tiles by their numbers.

    Parameters
    ----------
    tiles : ndarray of int64, shape (t,)
    real : RealTiles
    seed : int
    scatter : (float, float)
        Standard deviations in a band: of the depth, and of the zero point, magnitudes.
    median_dust : float
        Median E(B-V), magnitudes.
    """
    streams = ObjectStreams(seed, tiles)
    repeated = streams.named("tile repeats").integers(len(real.depth))
    shape = (len(tiles), real.depth.shape[1])
    depth = real.depth[repeated] + scatter[0] * streams.named("tile depth").normal(size=shape)
    offset = scatter[1] * streams.named("tile zero point").normal(size=shape)
    dust = median_dust * np.exp(0.5 * streams.named("tile dust").normal())
    return Conditions(
        sky=(flux_from_ab_magnitude(depth) / 5).astype(np.float32),
        zero_point=(10 ** (-0.4 * offset)).astype(np.float32),
        seeing=real.seeing[repeated].astype(np.float32),
        dust=dust,
    )
