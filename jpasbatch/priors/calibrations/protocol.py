"""What a calibration of a sky is, and what all kinds share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from jpasbatch.learning.calibration import bernstein_columns, fitted_limits

TERMS = 6
"""Of a parabola in magnitude at either end of the numbers of missing bands."""


class SkyCalibration(Protocol):
    """A map of probabilities by magnitude and by number of missing bands."""

    @property
    def name(self) -> str:
        """Its kind."""
        ...

    def __call__(self, probabilities: np.ndarray, magnitude: np.ndarray, missing: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities, float64 (n, classes); rows sum to 1.

        Parameters
        ----------
        probabilities : ndarray, shape (n, classes)
        magnitude : ndarray, shape (n,)
            Of the reference band. NaN: as the faintest. Beyond what was fitted the nearest end is taken.
        missing : ndarray, shape (n,)
            Number of bands that were not observed.
        """
        ...

    def state(self) -> dict[str, Any]:
        """Return what was fitted, as JSON-able values; `restore_calibration` takes it back."""
        ...


@dataclass(frozen=True)
class Reach:
    """What was fitted: magnitudes between limits, and up to a number of missing bands."""

    brightest: float
    faintest: float
    most_missing: float

    @classmethod
    def of(cls, magnitude: np.ndarray, missing: np.ndarray) -> Reach:
        """Return the reach of a sample."""
        known = magnitude[np.isfinite(magnitude)]
        brightest, faintest = fitted_limits(known) if known.size else (0.0, 1.0)
        return cls(brightest, faintest, float(missing.max(initial=0)))

    def clipped(self, magnitude: np.ndarray) -> np.ndarray:
        """Return magnitudes within the limits, float64; an object without one is taken for the faintest."""
        known = np.nan_to_num(np.asarray(magnitude, dtype=np.float64), nan=self.faintest)
        return np.clip(known, self.brightest, self.faintest)

    def terms(self, magnitude: np.ndarray, missing: np.ndarray) -> np.ndarray:
        """Return what parameters weigh, (n, TERMS), a column after the other: not negative, and with a sum of 1."""
        terms = np.zeros((TERMS, len(magnitude)))
        shapes, others = terms[: TERMS // 2], terms[TERMS // 2 :]
        shapes[:] = bernstein_columns(self.clipped(magnitude), (self.brightest, self.faintest))
        if self.most_missing:
            lacking = np.log1p(np.minimum(missing, self.most_missing)) / np.log1p(self.most_missing)
            np.multiply(shapes, lacking, out=others)
            shapes *= 1 - lacking
        return terms.T
