"""Spectra of two classes in 24 bands, and objects that are like neither."""

import numpy as np
import pytest

from jpasbatch.learning.novelty.fitting import learn_ordinary
from jpasbatch.learning.novelty.ordinary import Ordinary
from jpasbatch.photometry.photometry import Photometry, ab_magnitude

BANDS, REFERENCE, CLASSES = 24, 12, 2


def objects(rows: int, seed: int) -> tuple[Photometry, np.ndarray]:
    """Return photometry of slopes (class 0) and bumps (class 1) with noise, some bands missing; and the classes."""
    rng = np.random.default_rng(seed)
    labels = np.arange(rows) % CLASSES
    x = np.linspace(-1, 1, BANDS)
    slope = 1 + rng.uniform(-0.4, 0.4, (rows, 1)) * x
    bump = 1 + rng.uniform(0.2, 0.8, (rows, 1)) * np.exp(-((x - 0.3) ** 2) / 0.1)
    flux = np.where(labels[:, None] == 0, slope, bump) * 10 ** rng.uniform(0, 2, (rows, 1))
    error = np.hypot(0.05 * flux, 0.05)
    flux = flux + error * rng.normal(size=flux.shape)
    gone = rng.random(flux.shape) < 0.02
    gone[:, REFERENCE] = False
    flux[gone], error[gone] = np.nan, np.nan
    return Photometry(flux.astype(np.float32), error.astype(np.float32)), labels


def magnitude_of(photometry: Photometry) -> np.ndarray:
    return ab_magnitude(photometry.flux[:, REFERENCE])


@pytest.fixture(scope="session")
def ordinary() -> Ordinary:
    """Return what is ordinary of 4,000 objects; members disagree by chance."""
    validation, voted = objects(4_000, 2)
    apart = np.random.default_rng(3).gamma(1.0, 0.02, len(validation))
    found = learn_ordinary(objects(1_000, 1), validation, voted, magnitude_of(validation), apart, CLASSES, 1)
    assert isinstance(found, Ordinary)
    return found
