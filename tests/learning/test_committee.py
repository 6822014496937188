"""A committee: photometry in, a judgement out."""

from dataclasses import replace

import numpy as np
import pytest

from jpasbatch.errors import InputError
from jpasbatch.learning.committee import Committee
from jpasbatch.learning.decision import Decision, FittedDecision
from jpasbatch.learning.graph import committee_graph
from jpasbatch.learning.inference import InferenceEngine
from jpasbatch.learning.judgement import NO_FEATURES, UNDECIDED, Jury, disagreement, vote
from jpasbatch.learning.manifest import DescribedCalibration, DescribedDecision
from jpasbatch.learning.novelty.file import ordinary_to_bytes
from jpasbatch.learning.novelty.fitting import learn_ordinary
from jpasbatch.learning.novelty.novelty import UNKNOWN
from jpasbatch.photometry.photometry import Photometry, ab_magnitude
from tests.learning.conftest import DEFINITIONS


@pytest.fixture
def graph(members, features) -> bytes:
    return committee_graph(members, features.n_inputs)


@pytest.fixture
def committee(manifest, graph, survey) -> Committee:
    return Committee.of(manifest, graph, survey)


@pytest.fixture
def photometry(survey) -> Photometry:
    """Return objects from bright to faint, with fluxes that differ wildly between bands."""
    rng = np.random.default_rng(0)
    flux = rng.standard_t(2, size=(300, len(survey.bands))).astype(np.float32) * 30
    flux[:, survey.reference_index] = np.geomspace(300.0, 1.0, 300, dtype=np.float32)
    return Photometry(flux, np.ones_like(flux))


def test_judgements_are_probabilities_and_a_class(committee, photometry):
    judgement = committee.judge(photometry)
    assert judgement.probabilities.shape == (300, 3)
    assert judgement.probabilities.dtype == np.float64
    np.testing.assert_allclose(judgement.probabilities.sum(axis=1), 1.0, atol=1e-9)
    assert (judgement.decided == judgement.probabilities.argmax(axis=1)).all()
    assert judgement.usable.all()
    assert ((judgement.entropy >= 0) & (judgement.entropy <= np.log2(3) + 1e-9)).all()
    assert committee.judge(photometry).probabilities.tobytes() == judgement.probabilities.tobytes()
    assert committee.classes == tuple(DEFINITIONS)


def test_an_empty_partition_is_no_special_case(committee, photometry):
    judgement = committee.judge(photometry.select(slice(0)))
    assert judgement.probabilities.shape == (0, 3)
    assert len(judgement) == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, -1.0])
def test_objects_without_features_are_refused_and_the_others_are_not(committee, photometry, survey, value):
    whole = committee.judge(photometry)
    flux = photometry.flux.copy()
    flux[2, survey.reference_index] = value
    judgement = committee.judge(Photometry(flux, photometry.flux_err))
    assert np.flatnonzero(judgement.refused[NO_FEATURES]).tolist() == [2]
    assert np.flatnonzero(~judgement.usable).tolist() == [2]
    assert judgement.decided[2] == UNDECIDED
    assert np.isnan(judgement.probabilities[2]).all()
    assert np.isnan(judgement.entropy[2])
    others = judgement.usable
    np.testing.assert_allclose(judgement.probabilities[others], whole.probabilities[others], atol=1e-6)


def test_the_largest_finite_features_do_not_give_nonsense(members, features):
    engine = InferenceEngine(committee_graph(members, features.n_inputs))
    rows = np.full((2, features.n_inputs), np.finfo(np.float32).max, np.float32)
    judgement = Jury.plain().judge(engine.members(rows), np.full(2, 21.0))
    np.testing.assert_allclose(judgement.probabilities.sum(axis=1), 1.0, atol=1e-9)


def test_a_graph_of_another_committee_is_refused(manifest, members, features, survey):
    with pytest.raises(InputError, match=r"\(59, 4, 3\), its graph has \(59, 3, 3\)"):
        Committee.of(manifest, committee_graph(members[:3], features.n_inputs), survey)


def test_a_calibrated_committee_gives_calibrated_probabilities(manifest, graph, survey, photometry):
    plain = Committee.of(manifest, graph, survey).judge(photometry).probabilities
    calibrated = replace(manifest, calibration=DescribedCalibration("temperature", {"temperature": 2.0}))
    softer = Committee.of(calibrated, graph, survey).judge(photometry).probabilities
    expected = np.sqrt(np.maximum(plain, 1e-7))
    np.testing.assert_allclose(softer, expected / expected.sum(axis=1, keepdims=True), rtol=1e-9)


def test_the_rule_of_the_committee_decides(manifest, graph, survey, photometry):
    rule = DescribedDecision("balanced", "qso_high", 0.85, position=2, threshold=0.05)
    committee = Committee.of(replace(manifest, decision=rule), graph, survey)
    judgement = committee.judge(photometry)
    expected = FittedDecision(Decision("balanced", "qso_high"), 2, 0.05)(judgement.probabilities)
    assert (judgement.decided == expected).all()
    assert (judgement.decided != judgement.probabilities.argmax(axis=1)).any()


@pytest.fixture
def ordinary(committee, photometry, survey):
    """Return what is ordinary among the objects of these tests, as this committee sees them."""
    members = committee.member_probabilities(photometry)[1]
    magnitude = ab_magnitude(photometry.flux[:, survey.reference_index])
    voted = vote(members).argmax(axis=1)
    labels = np.arange(300) % 3
    return learn_ordinary((photometry, labels), photometry, voted, magnitude, disagreement(members), 3, 1)


def test_a_committee_that_knows_what_is_ordinary_says_how_unusual_objects_are(
    manifest, graph, survey, photometry, ordinary
):
    committee = Committee.of(manifest, graph, survey, ordinary=ordinary_to_bytes(ordinary))
    flux = photometry.flux.copy()
    flux[5, survey.reference_index] = np.nan
    novelty = committee.judge(Photometry(flux, photometry.flux_err)).novelty
    others = np.arange(300) != 5
    assert (novelty.subset == UNKNOWN).tolist() == (~others).tolist()
    assert np.isfinite(novelty.score).tolist() == others.tolist()
    assert np.isfinite(novelty.disagreement).tolist() == others.tolist()
    # the probabilities are those of a committee that knows nothing
    plain = Committee.of(manifest, graph, survey).judge(photometry)
    assert committee.judge(photometry).probabilities.tobytes() == plain.probabilities.tobytes()


def test_an_older_committee_calls_nothing_safe(committee, photometry):
    novelty = committee.judge(photometry).novelty
    assert (novelty.subset == UNKNOWN).all()
    assert np.isnan(novelty.score).all()
    assert (novelty.disagreement > 0).any()


def test_what_is_ordinary_must_be_of_this_survey_and_whole(manifest, graph, survey, ordinary):
    with pytest.raises(InputError, match="ordinary objects"):
        Committee.of(manifest, graph, survey, ordinary=ordinary_to_bytes(ordinary)[:-40])
    narrow = replace(ordinary, basis=ordinary.basis[:, :-1], seen=ordinary.seen[:, :-1])
    with pytest.raises(InputError, match="not those of 3 classes and 60 bands"):
        Committee.of(manifest, graph, survey, ordinary=ordinary_to_bytes(narrow))
