"""How often what a balanced set holds is on the sky: the weight of an object within its class.

Balanced sets have rare stars, rare galaxies and near galaxies as often as it takes to learn them, and of the quasars
one half below z = 2.1. The weight is the density of objects of a kind on the sky over that in the set; its mean over a
set is 1 for each true class. A set whose magnitudes are uniform stands for a sky of such: the weights leave magnitudes
as they are drawn.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from jpasbatch.mocks.populations.densities import (
    HIGH_REDSHIFT,
    MAGNITUDE_LIMITS,
    MAGNITUDES,
    QUASAR_REDSHIFTS,
    quasar_density,
)
from jpasbatch.mocks.populations.draws import FAINTEST, MAGNITUDE_STEP, rows_to
from jpasbatch.mocks.populations.nearby import (
    NEAR_LIMIT,
    even_density,
    sky_density,
)


def kind_weights(sky: Mapping[str, float], learnt: Mapping[str, float], kind: np.ndarray) -> np.ndarray:
    """Return the share of each object's kind on the sky over that in a balanced set, float64 (n,).

    Parameters
    ----------
    sky, learnt : mapping of str to float
        Shares of the kinds that are drawn apart; all other kinds share what is left.
    kind : ndarray of str, shape (n,)
        As it was drawn; a kind of neither mapping is one of the others.
    """
    rest = (1 - sum(sky.values())) / (1 - sum(learnt.values()))
    weights = np.full(len(kind), rest)
    for name, share in learnt.items():
        if share > 0:
            weights[kind == name] = sky.get(name, 0.0) / share
    return weights


def galaxy_weights(
    magnitude: np.ndarray,
    redshift: np.ndarray,
    red: np.ndarray,
    near_share: float,
    flat: bool,
    faintest: float = FAINTEST,
    near_reach: float = NEAR_LIMIT,
) -> np.ndarray:
    """Return the density on the sky over that in a balanced set of galaxies at these places, float64 (n,).

    Parameters
    ----------
    magnitude, redshift : ndarray, shape (n,)
        As `jpasbatch.mocks.populations.draws.draw_galaxies` gives them.
    red : ndarray of bool, shape (n,)
    near_share : float
        Of the galaxies of the set, those that are drawn evenly over magnitude and redshift.
    flat : bool
        Whether magnitudes are uniform.
    faintest : float
        Limit of the magnitudes.
    near_reach : float
        Redshift to which those that are drawn evenly thin out.
    """
    near = redshift < NEAR_LIMIT
    row = _row_of(magnitude, faintest)
    total = np.sum([part.density.sum(axis=1) * part.step for part in sky_density()], axis=0)[
        : rows_to(faintest)
    ]
    scale = 1 / total if flat else np.full(len(total), 1 / total.sum())
    scale = scale / (MAGNITUDE_STEP * (len(total) if flat else 1))  # densities have the integral 1
    sky = np.zeros(len(magnitude))
    for part in sky_density():
        chosen = (near == (part.redshift[0] < NEAR_LIMIT)) & (red == part.red[0])
        column = ((redshift[chosen] - part.redshift[0]) / part.step + 0.5).astype(np.int64)
        column = np.clip(column, 0, len(part.redshift) - 1)
        sky[chosen] = part.density[row[chosen], column] * scale[row[chosen]]
    evenly = even_density(redshift, red, faintest, near_reach)
    tiny = np.finfo(float).tiny
    inside = np.maximum((1 - near_share) * sky + near_share * evenly, tiny)
    return np.where(evenly > 0, sky / inside, 1 / max(1 - near_share, tiny))


def quasar_weights(
    magnitude: np.ndarray, redshift: np.ndarray, flat: bool, faintest: float = FAINTEST
) -> np.ndarray:
    """Return the share of each quasar's half (z below 2.1 or not) on the sky over one half, float64 (n,).

    Parameters
    ----------
    magnitude, redshift : ndarray, shape (n,)
    flat : bool
        Whether magnitudes are uniform: the shares are then those at each magnitude.
    faintest : float
        Limit of the magnitudes.
    """
    density = quasar_density()[: rows_to(faintest)]
    high = density[:, QUASAR_REDSHIFTS > HIGH_REDSHIFT].sum(axis=1)
    total = density.sum(axis=1)
    share = (high / total)[_row_of(magnitude, faintest)] if flat else high.sum() / total.sum()
    return 2 * np.where(redshift >= HIGH_REDSHIFT, share, 1 - share)


def _row_of(magnitude: np.ndarray, faintest: float) -> np.ndarray:
    """Return the cell of `MAGNITUDES` of each object, int64 (n,)."""
    row = ((magnitude - MAGNITUDE_LIMITS[0]) / MAGNITUDE_STEP).astype(np.int64)
    return np.clip(row, 0, min(rows_to(faintest), len(MAGNITUDES)) - 1)
