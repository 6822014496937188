"""Further inputs beside the features of the photometry: numbers that travel with an object, or are missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.photometry.features.protocol import Features
from jpasbatch.photometry.photometry import Photometry


class WithAuxiliary:
    """Features with two more inputs for each auxiliary column: its scaled value, and whether it is known.

    A value is (x - centre) / scale, clipped to `LIMIT`; centre and scale are median and half of the range of the
    central 68 % of the known values of the training set, so that a few wild ones do not decide. A missing value is 0,
    the centre, with 0 in the mask instead of 1.

    Parameters
    ----------
    features : Features
        Of the photometry.
    columns : sequence of str or mapping
        Names before `fit`; ``name``, ``centre`` and ``scale`` of each after it.

    Raises
    ------
    ValueError
        If a column is described otherwise, or twice.
    """

    LIMIT = 10.0

    def __init__(self, features: Features, columns: Sequence[str | Mapping[str, Any]]) -> None:
        self._features, self.name = features, features.name
        self._fitted = [dict(one) for one in columns if isinstance(one, Mapping)]
        self.auxiliary = tuple(str(one["name"]) if isinstance(one, Mapping) else one for one in columns)
        if len(set(self.auxiliary)) < len(self.auxiliary):
            raise ValueError(f"auxiliary: a column is named twice: {', '.join(self.auxiliary)}")
        if self._fitted and len(self._fitted) < len(self.auxiliary):
            raise ValueError("auxiliary: some columns are fitted and some are not")
        for one in self._fitted:
            if not (np.isfinite(float(one["centre"])) and 0 < float(one["scale"]) < np.inf):
                raise ValueError(
                    f"auxiliary {one['name']!r}: centre and scale must be finite, and scale above 0"
                )

    @property
    def n_inputs(self) -> int:
        """Length of an input vector: that of the features, and two for each column."""
        return self._features.n_inputs + 2 * len(self.auxiliary)

    def __call__(self, photometry: Photometry) -> np.ndarray:
        """Return inputs, (n, n_inputs) float32; see `Features`.

        Raises
        ------
        InputError
            If the photometry comes without one of the columns.
        """
        inputs = self._features(photometry)
        values = [self._values(photometry, name) for name in self.auxiliary]
        if not self._fitted:
            raise ValueError("auxiliary columns have no scale before they are fitted")
        scaled = [_scaled(one, fit, self.LIMIT) for one, fit in zip(values, self._fitted, strict=True)]
        known = [np.isfinite(one).astype(np.float32) for one in values]
        further = np.stack([column for pair in zip(scaled, known, strict=True) for column in pair], axis=1)
        further[~np.isfinite(inputs).all(axis=1)] = np.nan
        return np.concatenate([inputs, further], axis=1)

    def fit(self, photometry: Photometry) -> WithAuxiliary:
        """Return features fitted to a training set.

        Raises
        ------
        InputError
            If a column has no two different values there: nothing can be learnt from it.
        """
        fitted = [_fit(self._values(photometry, name), name) for name in self.auxiliary]
        return WithAuxiliary(self._features.fit(photometry), fitted)

    def state(self) -> dict[str, Any]:
        """Return what the features learned, and the columns with their scales."""
        return {**self._features.state(), "auxiliary": self._fitted or list(self.auxiliary)}

    def _values(self, photometry: Photometry, name: str) -> np.ndarray:
        if name not in photometry.auxiliary:
            there = ", ".join(photometry.auxiliary) or "none"
            raise InputError(
                f"these features need the auxiliary columns {', '.join(self.auxiliary)}, and {name!r} is not there "
                f"(found: {there}); give the job [features] auxiliary and [catalogue] carry, and a table that has it"
            )
        return photometry.auxiliary[name]


def _fit(values: np.ndarray, name: str) -> dict[str, Any]:
    known = values[np.isfinite(values)].astype(np.float64)
    if not known.size or known.min() == known.max():
        raise InputError(
            f"[features] auxiliary: {name!r} has {'one value' if known.size else 'no value'} in the training sample "
            f"({known.size} of {values.size} objects have it); leave it out, or name a sample that knows it"
        )
    low, centre, high = np.percentile(known, [16, 50, 84])
    scale = (high - low) / 2 or known.std()
    return {"name": name, "centre": float(centre), "scale": float(scale)}


def _scaled(values: np.ndarray, fitted: Mapping[str, Any], limit: float) -> np.ndarray:
    known = np.isfinite(values)
    scaled = (np.where(known, values, np.float32(0)).astype(np.float64) - fitted["centre"]) / fitted["scale"]
    return np.where(known, np.clip(scaled, -limit, limit), 0.0).astype(np.float32)
