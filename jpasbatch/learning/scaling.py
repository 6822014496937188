"""How features are scaled before the first layer of a network.

Relative fluxes divide by the noisy flux of one band, so that a faint object may have values of hundreds
where most have about one. Fed as they are (as in paper A), they slow the training down. Lowest validation
cross entropy in 15 epochs, on 23,000 synthetic objects with 0.1 per cent of the values beyond 80 (8 x 200
neurons, batch 1024, one seed), as they are and after five rows were stretched to 10^6:

========================================  =====  =================
scaling                                   clean  with five outliers
========================================  =====  =================
none                                      0.67   not measured
mean and standard deviation               0.35   1.36 (nothing learnt)
the one here                              0.34   0.34
========================================  =====  =================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

ScalingKind = Literal["arcsinh", "none"]
WINSOR_PERCENTILE = 1.0


@dataclass(frozen=True)
class InputScaling:
    """The map x -> arcsinh((x - centre) / scale), one centre and scale for each input.

    It is linear in the bulk and logarithmic in the tails, keeps the sign, and has an inverse: nothing is
    clipped. The graph of a committee contains it, hence callers always pass unscaled features.

    Attributes
    ----------
    centre, scale : ndarray of float32, shape (n_inputs,)
        In the unit of the features.
    """

    centre: np.ndarray
    scale: np.ndarray

    @classmethod
    def fit(cls, features: np.ndarray) -> InputScaling:
        """Learn the scaling from a training set.

        Centre and scale are the mean and standard deviation after each input was limited to its
        1 and 99 percentiles, so that single outliers do not set them. The scale of a constant
        input is 1.

        Parameters
        ----------
        features : ndarray of float32, shape (n, n_inputs)
        """
        limits = np.percentile(features, [WINSOR_PERCENTILE, 100.0 - WINSOR_PERCENTILE], axis=0)
        limited = np.clip(features, limits[0], limits[1], dtype=np.float64)
        spread = limited.std(axis=0)
        # A constant column has a spread of rounding errors only: dividing by those would invent a signal.
        constant = spread <= 1e-6 * np.maximum(np.abs(limits).max(axis=0), 1e-30)
        scale = np.where(constant, 1.0, spread)
        return cls(limited.mean(axis=0).astype(np.float32), scale.astype(np.float32))

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Return the scaled features, shape (n, n_inputs), float32."""
        return np.arcsinh((np.asarray(features, dtype=np.float32) - self.centre) / self.scale)


def fit_scaling(kind: str, features: np.ndarray) -> InputScaling | None:
    """Return the scaling of that kind for a training set; None for "none" (features as they are)."""
    return InputScaling.fit(features) if kind == "arcsinh" else None
