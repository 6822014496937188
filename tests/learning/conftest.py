"""Small labelled sets and hand-made members: most tests need no training."""

from dataclasses import asdict
from itertools import pairwise

import numpy as np
import pytest

from jpasbatch.learning.classifiers.networks import MultilayerPerceptron
from jpasbatch.learning.description import TrainingFacts, describe_committee
from jpasbatch.learning.judgement import Jury
from jpasbatch.learning.manifest import Manifest, ValidationScores
from jpasbatch.learning.members import TrainedNetwork
from jpasbatch.learning.plan import TrainingOptions
from jpasbatch.learning.samples import ClassDefinition, LabelledFeatures
from jpasbatch.learning.scaling import InputScaling
from jpasbatch.photometry.features.fluxes import RelativeFlux

CLASSES = ("star", "galaxy", "qso")
DEFINITIONS = {
    "star": ClassDefinition(("star",)),
    "qso_low": ClassDefinition(("qso",), (0.0, 2.1)),
    "qso_high": ClassDefinition(("qso",), (2.1, float("inf"))),
}


def blobs(rows: int, seed: int, n_inputs: int = 6) -> LabelledFeatures:
    """Return three clouds of points, a few of them far out as relative fluxes of faint objects are."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(rows) % len(CLASSES)).astype(np.int16)
    centres = np.random.default_rng(0).normal(size=(len(CLASSES), n_inputs)) * 2.0
    features = centres[labels] + rng.normal(size=(rows, n_inputs))
    features[rng.random((rows, n_inputs)) < 0.01] *= 100.0
    return LabelledFeatures(features.astype(np.float32), labels, CLASSES)


def random_member(seed: int, widths: tuple[int, ...] = (6, 8, 8, 3), scaled: bool = True) -> TrainedNetwork:
    """Return a member with random weights."""
    rng = np.random.default_rng(seed)
    weights = [
        (rng.normal(size=(i, o)).astype(np.float32), rng.normal(size=o).astype(np.float32))
        for i, o in pairwise(widths)
    ]
    scaling = InputScaling(np.full(widths[0], 0.5, np.float32), np.full(widths[0], 2.0, np.float32))
    return TrainedNetwork(weights, scaling if scaled else None, seed, 2, {"loss": [1.0, 0.5]})


@pytest.fixture(scope="session")
def training_set() -> LabelledFeatures:
    return blobs(600, 1)


@pytest.fixture(scope="session")
def validation_set() -> LabelledFeatures:
    return blobs(150, 2)


@pytest.fixture
def make_member():
    return random_member


@pytest.fixture
def make_blobs():
    return blobs


@pytest.fixture
def features(survey) -> RelativeFlux:
    return RelativeFlux(survey)


@pytest.fixture
def members(features) -> list[TrainedNetwork]:
    return [random_member(seed, (features.n_inputs, 8, 3)) for seed in range(4)]


@pytest.fixture
def manifest(survey, features, members) -> Manifest:
    return describe_committee(
        survey,
        features,
        DEFINITIONS,
        members,
        Jury.plain(),
        TrainingFacts(
            options={"model": asdict(MultilayerPerceptron()), "training": asdict(TrainingOptions())},
            validation=ValidationScores(0.9, {"star": 0.9, "qso_low": 0.9, "qso_high": 0.9}, 0.01),
            learnt={"star": 10, "qso_low": 9, "qso_high": 8},
        ),
    )
