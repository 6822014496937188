"""A synthetic sample under stress, for what is written and drawn of it."""

import numpy as np

from jpasbatch.learning.judgement import UNDECIDED, Judgement, entropy
from jpasbatch.learning.novelty.novelty import Novelty
from jpasbatch.scoring.stress import survey_stresses
from jpasbatch.scoring.stress_scores import (
    StressSample,
    count_stress,
    library_groups,
    magnitude_groups,
    stress_scores,
)

CLASSES = ("star", "galaxy", "qso_low", "qso_high")


def judgement_of(labels, skill, seed=0, refused=0, known=True):
    """Return a judgement that is right the more often the larger the skill; the first objects may be refused."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(len(labels), 4)) + skill * np.eye(4)[labels]
    probabilities = np.exp(logits)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    decided = probabilities.argmax(axis=1)
    decided[:refused], probabilities[:refused] = UNDECIDED, np.nan
    few = np.arange(len(labels)) % 10 == 0
    novelty = Novelty(
        np.ones(len(labels)), few.astype(np.int8), np.zeros(len(labels)), few if known else None
    )
    return Judgement(probabilities, entropy(probabilities), decided, {}, novelty)


def sample_of(survey, rows=600, seed=1, libraries=True):
    """Return labelled objects whose unspoilt classes are mostly right."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(4, rows, p=[0.4, 0.3, 0.2, 0.1])
    magnitude = rng.uniform(16.5, 23.6, rows)
    groups = magnitude_groups(magnitude, survey.magnitude_bins, survey.reference_band)
    parents = np.array([f"lib-{'ab'[number % 2]}-{number}" for number in range(rows)])
    groups |= library_groups(parents if libraries else None)
    return StressSample(labels, judgement_of(labels, 4.0).decided, magnitude, groups)


def few_stresses(survey):
    """Return the unspoilt sample and at most three stresses of each kind."""
    found = {}
    for stress in survey_stresses(survey):
        found.setdefault(stress.name, []).append(stress)
    return [stress for kind in found.values() for stress in kind[:3]]


def content_of(survey, rows=600, libraries=True):
    """Return what is known of a synthetic sample under some stresses of each kind."""
    sample = sample_of(survey, rows, libraries=libraries)
    found = []
    for number, stress in enumerate(few_stresses(survey)):
        judgement = judgement_of(sample.labels, 4.0 if number == 0 else 3.0, number, 3 * (number == 5))
        counted = count_stress(sample, judgement, CLASSES)
        found.append(
            {
                "stress": stress.name,
                "level": stress.level,
                "bands": stress.bands,
                "wavelength": stress.wavelength,
                "groups": [stress_scores(one) for one in counted],
            }
        )
    return {"objects": rows, "rejected": {"flags": 2}, "stresses": found}
