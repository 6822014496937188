"""What a classifier asks of its features."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from jpasbatch.photometry.photometry import Photometry


class Features(Protocol):
    """A map from photometry to input vectors, possibly fitted to the training set."""

    name: str

    @property
    def n_inputs(self) -> int:
        """Length of an input vector."""
        ...

    def __call__(self, photometry: Photometry) -> np.ndarray:
        """Return inputs, (n, n_inputs) float32.

        A row is NaN throughout where the reference flux is not positive, or so small that an
        input would overflow single precision; every other row is finite.
        """
        ...

    def fit(self, photometry: Photometry) -> Features:
        """Return features fitted to a training set (the original is unchanged)."""
        ...

    def state(self) -> dict[str, Any]:
        """Return what `fit` learned, as JSON-able values; `make_features` of the registry takes it back."""
        ...
