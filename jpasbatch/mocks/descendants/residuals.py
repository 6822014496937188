"""What a few components of a basis cannot follow: smooth wiggles of the continuum, object by object."""

from __future__ import annotations

import numpy as np

from jpasbatch.mocks.spectra.grids import LOG_STEP, OBSERVED_PIXELS
from jpasbatch.photometry.streams import NamedStream

NODE_STEP = 0.04
"""Between independent wiggles, in log wavelength: 200 Angstrom at 5000, twice the distance of the narrow bands."""


def add_wiggles(flux: np.ndarray, amplitude: float, drawn: NamedStream) -> None:
    """Multiply spectra (n, 1626) in place by exp(amplitude g), g Gaussian at nodes and straight between them.

    Parameters
    ----------
    flux : ndarray, shape (n, 1626), float32
    amplitude : float
        Standard deviation at a node.
    drawn : NamedStream
    """
    if amplitude <= 0:
        return
    place = np.arange(OBSERVED_PIXELS) * (LOG_STEP / NODE_STEP)
    node = place.astype(np.int64)
    fraction = (place - node).astype(np.float32)
    values = (amplitude * drawn.normal(size=(len(flux), node[-1] + 2))).astype(np.float32)
    flux *= np.exp(values[:, node] * (1 - fraction) + values[:, node + 1] * fraction)
