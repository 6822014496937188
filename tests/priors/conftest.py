"""A committee that is as sure as it should be, on a sample and on skies of another mix."""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pytest

from jpasbatch.priors.calibrations.registry import calibrated as calibrate
from jpasbatch.priors.options import PriorOptions
from jpasbatch.priors.prior import Prior, Reference, fit_prior
from jpasbatch.priors.redraws import Moves
from jpasbatch.priors.strata import Strata
from jpasbatch.priors.validation import ValidationSample

CLASSES = ("star", "galaxy", "quasar")
MEANS = np.array([[0.0, 0.0], [2.0, 0.5], [0.8, 2.2]])
"""Of two features, class by class; their scatter is 1, more for faint objects."""


@dataclass
class Drawn:
    """Objects with what an ideal committee says of them, for an even mix of classes."""

    probabilities: np.ndarray
    magnitude: np.ndarray
    class_star: np.ndarray
    labels: np.ndarray

    @property
    def missing(self) -> np.ndarray:
        return np.zeros(len(self.labels), dtype=np.int16)

    def sample(self) -> ValidationSample:
        return ValidationSample.of(
            self.probabilities.astype(np.float32),
            self.magnitude.astype(np.float32),
            self.labels.astype(np.int16),
        )


def draw(
    rng: np.random.Generator, numbers: tuple[int, ...], point_like: tuple[float, ...], host: float = 0.0
) -> Drawn:
    """Draw so many objects of each class, of which these shares look point-like.

    Quasars that do not have the features of a galaxy to the share ``host``: the committee does not know of it.
    """
    labels = np.repeat(np.arange(len(numbers)), numbers)
    magnitude = rng.uniform(18.0, 23.0, len(labels))
    scatter = 0.6 + 0.2 * (magnitude - 18.0)
    features = MEANS[labels] + scatter[:, None] * rng.normal(size=(len(labels), 2))
    class_star = np.where(rng.random(len(labels)) < np.array(point_like)[labels], 0.9, 0.1)
    hosted = (labels == 2) & (class_star < 0.5)
    features[hosted] += host * (MEANS[1] - MEANS[2])
    distances = ((features[:, None] - MEANS) ** 2).sum(axis=2) / scatter[:, None] ** 2
    odds = np.exp(-0.5 * (distances - distances.min(axis=1, keepdims=True)))
    return Drawn(odds / odds.sum(axis=1, keepdims=True), magnitude, class_star, labels)


calibrated = lru_cache(maxsize=4)(calibrate)
"""Of the same sample once."""


def found_prior(sky: Drawn, sample: ValidationSample, options: PriorOptions) -> tuple[Prior, np.ndarray]:
    """Return the prior of a sky with its redraws, and the stratum of each of its objects."""
    strata = Strata.fit(sample.magnitude, options)
    stratum = strata.stratum_of(sky.magnitude, sky.class_star)
    reference = Reference(*calibrated(sample, options.calibration), strata)
    cells = reference.measure.cells(sky.probabilities, sky.magnitude, sky.missing, stratum)
    prior = fit_prior(cells, reference, options, CLASSES)
    moved = Moves(cells, reference, options, prior).by_redraws(3, range(options.redraws))
    return replace(prior, redrawn=moved), stratum


def corrected(prior: Prior, sky: Drawn, stratum: np.ndarray) -> np.ndarray:
    """Return the posteriors of a sky."""
    return prior.correct(sky.probabilities, sky.magnitude, sky.missing, stratum)


@pytest.fixture(scope="session")
def validation() -> ValidationSample:
    """Return an even sample."""
    return draw(np.random.default_rng(1), (6000, 6000, 6000), (0.5, 0.5, 0.5)).sample()


@pytest.fixture(scope="session")
def sky() -> Drawn:
    """Return a sky with few quasars, and stars and quasars that look point-like."""
    return draw(np.random.default_rng(2), (3000, 12_000, 400), (0.95, 0.1, 0.9))
