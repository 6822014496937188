"""What all kinds of features share: rows are whole or nothing."""

from __future__ import annotations

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.photometry.photometry import Photometry


def without(n_bands: int, index: int) -> np.ndarray:
    """Return the positions of all bands but one."""
    return np.delete(np.arange(n_bands), index)


def check_width(photometry: Photometry, n_bands: int) -> None:
    """Raise `InputError` when photometry has another number of bands."""
    if photometry.n_bands != n_bands:
        raise InputError(f"photometry has {photometry.n_bands} bands, but these features need {n_bands}")


def positive_reference(photometry: Photometry, index: int) -> np.ndarray:
    """Return the reference flux, (n,) float32, NaN where it is not positive and finite."""
    reference = photometry.flux[:, index]
    return np.where((reference > 0) & np.isfinite(reference), reference, np.float32(np.nan))


def all_or_nothing(inputs: np.ndarray) -> np.ndarray:
    """Return the inputs with NaN throughout a row in which any value is not finite.

    A network fed with NaN or infinity can answer with plausible probabilities, so that half a
    row must never get through.
    """
    inputs[~np.isfinite(inputs).all(axis=1)] = np.nan
    return inputs
