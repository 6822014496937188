"""Sums of probabilities that do not depend on their order, to the last bit: whole numbers of units of 2**-32.

Inputs of single precision above 2**-9 fill these units without any rounding; the sums of 2 x 10^9 rows fit.
"""

from __future__ import annotations

import numpy as np

PROBABILITY_UNITS = 2**32


def exact(probabilities: np.ndarray) -> np.ndarray:
    """Return probabilities as int64 counts of 2**-32, whose sums do not depend on their order."""
    return np.rint(np.asarray(probabilities, dtype=np.float64) * PROBABILITY_UNITS).astype(np.int64)


def inexact(units: np.ndarray) -> np.ndarray:
    """Return sums of `exact` probabilities as float64."""
    return np.asarray(units, dtype=np.float64) / PROBABILITY_UNITS
