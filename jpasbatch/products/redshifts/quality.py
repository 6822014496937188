"""How good redshifts are: scatter, outliers, and how often the interval holds; from a histogram, so that parts merge.

The scatter is sigma_NMAD = 1.4826 median(abs(d - median(d))) with d = (redshift - true redshift) / (1 + true redshift)
(Brammer et al. 2008, ApJ 686, 1503): the standard deviation where errors are Gaussian, and hardly moved by outliers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

OUTLIER, NEAR = 0.15, 0.05
"""abs(d) above which a redshift is an outlier, and above which it is wrong for most uses."""

GAUSSIAN = 1.4826
"""Standard deviation of a Gaussian in units of its median absolute deviation."""


@dataclass(frozen=True)
class RedshiftQuality:
    """How good the redshifts of n quasars are; NaN without any.

    Attributes
    ----------
    quasars : int
    bias : float
        Median of d.
    scatter : float
        sigma_NMAD of d.
    outliers, wrong : float
        Share with abs(d) above `OUTLIER`, and above `NEAR`.
    coverage : float
        Share whose true redshift lies within the interval of 68 %.
    """

    quasars: int
    bias: float
    scatter: float
    outliers: float
    wrong: float
    coverage: float

    @classmethod
    def of(cls, residuals: np.ndarray, inside: int) -> RedshiftQuality:
        """Return what a histogram of d from -1 to 1 says, int64 (cells,), and the number within intervals."""
        quasars = int(residuals.sum())
        if not quasars:
            return cls(0, *[float("nan")] * 5)
        edges = residual_edges(len(residuals))
        middles = 0.5 * (edges[1:] + edges[:-1])
        bias = _median(middles, residuals, edges[1] - edges[0])
        far = np.abs(middles - bias)
        order = np.argsort(far, kind="stable")
        # cells at equal distances on either side of the median interleave: they are half as far apart
        spread = max(_median(far[order], residuals[order], 0.5 * (edges[1] - edges[0])), 0.0)
        outliers, wrong = (
            float(residuals[np.abs(middles) > limit].sum() / quasars) for limit in (OUTLIER, NEAR)
        )
        return cls(quasars, bias, GAUSSIAN * spread, outliers, wrong, inside / quasars)


def residual_edges(cells: int) -> np.ndarray:
    """Return the edges of cells of d, float64 (cells + 1,)."""
    return np.linspace(-1.0, 1.0, cells + 1)


def residual_cells(off: np.ndarray, cells: int) -> np.ndarray:
    """Return the cell of each d, int64 (n,); values beyond the ends are in the cells there."""
    return np.clip(np.floor((np.asarray(off) + 1.0) * (0.5 * cells)).astype(np.int64), 0, cells - 1)


def _median(values: np.ndarray, counts: np.ndarray, width: float) -> float:
    """Return the median of values that rise, each the middle of a cell with a number of objects."""
    below = counts.cumsum()
    at = int(np.searchsorted(below, 0.5 * below[-1]))
    part = (0.5 * below[-1] - (below[at] - counts[at])) / counts[at]
    return float(values[at] + (part - 0.5) * width)
