"""The card of a committee: what it must say, and that it claims nothing that was not tried."""

from dataclasses import replace

import numpy as np
import pytest

from jpasbatch.learning.manifest import DescribedCalibration, DescribedMember, ValidationScores
from jpasbatch.learning.novelty.ordinary import Ordinary
from jpasbatch.learning.samples import ClassDefinition
from jpasbatch.scoring.calibration_scores import sample_scores
from jpasbatch.scoring.card import COSTLY, CardFacts, committee_card
from jpasbatch.scoring.evaluation import Predictions, evaluate
from jpasbatch.scoring.evaluation_record import EvaluatedSample, StoredFolds, score_parts
from jpasbatch.scoring.stress_findings import group_of
from tests.manifests import manifest_with
from tests.scoring.stressed import CLASSES, content_of, judgement_of

DEFINITIONS = {
    "star": ClassDefinition(("star",)),
    "galaxy": ClassDefinition(("galaxy",)),
    "qso_low": ClassDefinition(("qso",), (0.0, 2.1)),
    "qso_high": ClassDefinition(("qso",), (2.1, np.inf)),
}
MANIFEST = manifest_with(
    {name: DEFINITIONS[name] for name in CLASSES},
    members=(DescribedMember(1, 2, 2, None),) * 2,
    options={"model": {"kind": "residual"}, "augmentation": {"gaps": 0.5, "hybrid_factor": 0}},
    validation=ValidationScores(0.9, dict.fromkeys(CLASSES, 0.9), 0.01),
    calibration=DescribedCalibration("magnitude", {}),
    origin="templates",
)


def part_of(survey, rows=400, few_bands=0):
    """Return the evaluation of a synthetic sample, as the stage hands it over."""
    rng = np.random.default_rng(4)
    labels, magnitude = rng.integers(4, size=rows), rng.uniform(17, 23.6, rows)
    predictions = Predictions(labels, judgement_of(labels, 3.0).probabilities, magnitude, np.ones(rows))
    found = evaluate(predictions, survey.magnitude_bins, draws=3)
    return EvaluatedSample(
        name="mocks",
        rows=rows,
        rejected={},
        few_bands=few_bands,
        examples=(),
        calibration=tuple(sample_scores(predictions, {}, CLASSES)),
        **score_parts(found, survey, CLASSES),
    )


def facts_of(**changed):
    limits = np.tile([17.0, 24.0], (4, 1))
    ordinary = Ordinary(np.zeros((4, 60, 1)), np.ones((4, 60), dtype=bool), limits, 39, {})
    facts = CardFacts("committee-0", MANIFEST, ordinary, "r", (), "jpasbatch 1")
    return replace(facts, **changed)


@pytest.fixture(scope="module")
def part(survey):
    return part_of(survey)


@pytest.fixture(scope="module")
def stressed(survey, part):
    return replace(part, stress=content_of(survey, 300))


def test_the_card_says_what_the_committee_is_and_what_it_is_not_for(stressed):
    card = committee_card(facts_of(), {"mocks": stressed})
    for text in (
        "2 × `residual` on `fluxes_and_errors`",
        "star: star; galaxy: galaxy; qso_low: qso at 0.0 ≤ z < 2.1; qso_high: qso at 2.1 ≤ z < inf",
        "| augmentation | gaps 0.5 |",
        "### mocks, 300 objects",
        "fewer than 39 measured bands",
        "outside 17.0 < r < 24.0",
        "no promise for the sky",
    ):
        assert text in card
    assert "nan" not in card.lower()
    assert "Not tried" not in card


def test_a_stress_that_costs_much_is_warned_of_and_no_other(stressed):
    card = committee_card(facts_of(), {"mocks": stressed})
    [line] = [line for line in card.splitlines() if line.startswith("- Skies like these")]
    for one in stressed.stress["stresses"]:
        if one["stress"].startswith("three given"):
            continue
        change, error = group_of(one, "all")["change"]
        title = f"{one['stress']}: {one['level']} ({change:+.3f})"
        assert (title in line) == (change < -COSTLY and change + 2 * error < 0)


def test_what_was_not_tried_is_said_not_to_be(survey, part):
    card = committee_card(facts_of(), {"mocks": part, "others": part_of(survey, 50, few_bands=7)})
    assert "on mocks that was not tried" in card
    assert "7 objects have fewer bands" in card
    assert "Not tried: `jpasbatch evaluate --stress` does." in card
    folds = committee_card(facts_of(), {"folds": replace(part, by_fold=StoredFolds(((0.5,) * 4,), (0.5,)))})
    assert "Not tried: each object is judged by the members of its fold." in folds
    assert "Skies like these" not in card


def test_a_committee_that_knows_little_says_so(part):
    unknown = replace(MANIFEST, origin=None, options={"model": {"kind": "mlp"}})
    card = committee_card(facts_of(manifest=unknown, ordinary=None, warnings=("Toys.",)), {"mocks": part})
    assert "does not know what is ordinary" in card
    assert "it is not recorded what" in card
    assert "| augmentation | not recorded |" in card
    assert "- Toys." in card
    assert "measured bands" not in card
