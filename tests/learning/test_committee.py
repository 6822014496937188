import copy
import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from jpasbatch.errors import InputError
from jpasbatch.learning.classifiers.networks import MultilayerPerceptron
from jpasbatch.learning.committee import Committee, check_manifest, committee_manifest, vote
from jpasbatch.learning.graph import committee_graph
from jpasbatch.learning.samples import ClassDefinition
from jpasbatch.learning.training import TrainingPlan
from jpasbatch.photometry.features.registry import RelativeFlux

CLASSES = {
    "star": ClassDefinition(("star",)),
    "qso_low": ClassDefinition(("qso",), (0.0, 2.1)),
    "qso_high": ClassDefinition(("qso",), (2.1, float("inf"))),
}


@pytest.fixture
def features(survey):
    return RelativeFlux(survey)


@pytest.fixture
def members(make_member, features):
    return [make_member(seed, (features.n_inputs, 8, 3)) for seed in range(4)]


@pytest.fixture
def manifest(survey, features, members):
    options = {"model": asdict(MultilayerPerceptron()), "training": asdict(TrainingPlan())}
    return committee_manifest(survey, features, CLASSES, members, options, {"weighted_f1": 0.9})


@pytest.fixture
def committee(manifest, members, features):
    return Committee.load(manifest, committee_graph(members, features.n_inputs))


@pytest.mark.parametrize("n_members", [1, 2, 7, 8])
def test_the_vote_is_the_renormalised_median(n_members):
    probabilities = np.random.default_rng(0).dirichlet(np.ones(4), size=(50, n_members)).astype(np.float32)
    median = np.median(probabilities.astype(np.float64), axis=1)
    np.testing.assert_allclose(vote(probabilities), median / median.sum(axis=1, keepdims=True), rtol=1e-12)


@given(
    arrays(
        np.float32,
        array_shapes(min_dims=3, max_dims=3, max_side=6),
        elements=st.floats(0, 1, width=32, allow_subnormal=True),
    )
)
def test_votes_always_sum_to_one(raw):
    raw[..., 0][raw.sum(axis=2) == 0] = 1.0
    result = vote(raw)
    assert result.dtype == np.float64
    assert ((result >= 0) & (result <= 1)).all()
    np.testing.assert_allclose(result.sum(axis=1), 1.0, atol=1e-9)


def test_members_that_contradict_each_other_give_their_mean():
    np.testing.assert_allclose(vote(np.eye(3, dtype=np.float32)[np.newaxis]), np.full((1, 3), 1 / 3))


def test_votes_that_are_not_finite_are_refused():
    broken = np.full((3, 2, 2), 0.5, np.float32)
    broken[1, 0, 0] = np.nan
    with pytest.raises(InputError, match=r"not finite for 1 rows \(first: row 1\)"):
        vote(broken)


def test_predictions_are_probabilities(committee, features):
    rows = np.random.default_rng(0).standard_t(2, size=(300, features.n_inputs)).astype(np.float32) * 30
    probabilities = committee.predict(rows, np.full(len(rows), 21.0))
    assert probabilities.shape == (300, 3)
    assert probabilities.dtype == np.float64
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-9)
    assert committee.predict(rows, np.full(len(rows), 21.0)).tobytes() == probabilities.tobytes()
    assert committee.classes == tuple(CLASSES)


def test_an_empty_partition_is_no_special_case(committee, features):
    assert committee.predict(np.empty((0, features.n_inputs), np.float32), np.empty(0)).shape == (0, 3)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_features_that_are_not_finite_are_refused(committee, features, value):
    rows = np.zeros((5, features.n_inputs), np.float32)
    rows[2, 7] = value
    with pytest.raises(InputError, match=r"features of 1 rows are not finite \(first: row 2\)"):
        committee.predict(rows, np.full(len(rows), 21.0))


def test_the_largest_finite_features_do_not_give_nonsense(committee, features):
    rows = np.full((2, features.n_inputs), np.finfo(np.float32).max, np.float32)
    np.testing.assert_allclose(committee.predict(rows, np.full(len(rows), 21.0)).sum(axis=1), 1.0, atol=1e-9)


def test_the_manifest_is_json_and_says_what_counts(manifest, survey):
    again = json.loads(json.dumps(manifest, allow_nan=False))
    assert again == manifest
    assert manifest["classes"] == list(CLASSES)
    assert manifest["survey"]["bands"] == list(survey.band_names)
    assert [member["seed"] for member in manifest["members"]] == [0, 1, 2, 3]
    assert manifest["members"][0]["input_scaling"]["kind"] == "arcsinh"
    assert manifest["options"]["model"]["dropout"] == 0.15
    assert manifest["versions"]["keras"][0].isdigit()


def test_a_manifest_fits_its_own_survey(manifest, survey):
    again = json.loads(json.dumps(manifest))
    check_manifest(again, survey, CLASSES, "relative_flux")
    check_manifest(again, survey, tuple(CLASSES))
    check_manifest(again, survey)


def test_another_order_of_bands_is_refused(manifest, survey):
    bands = (survey.bands[1], survey.bands[0], *survey.bands[2:])
    with pytest.raises(InputError, match=r"band 0 is '\w+' against '\w+' \(the order of bands counts\)"):
        check_manifest(manifest, replace(survey, bands=bands))


def test_another_number_of_bands_is_refused(manifest, survey):
    fewer = tuple(
        b for b in survey.bands if b.name in {survey.reference_band, *survey.reported_bands.values()}
    )
    with pytest.raises(InputError, match=rf"{len(survey.bands)} bands against {len(fewer)}"):
        check_manifest(manifest, replace(survey, bands=fewer))


def test_another_wavelength_is_refused(manifest, survey):
    shifted = (replace(survey.bands[0], wavelength=survey.bands[0].wavelength + 1), *survey.bands[1:])
    with pytest.raises(InputError, match="wavelengths or reference band differ"):
        check_manifest(manifest, replace(survey, bands=shifted))


def test_other_classes_definitions_or_features_are_refused(manifest, survey):
    with pytest.raises(InputError, match="the order counts"):
        check_manifest(manifest, survey, tuple(CLASSES)[::-1])
    other = CLASSES | {"qso_low": ClassDefinition(("qso",), (0.0, 2.0))}
    with pytest.raises(InputError, match=r"'qso_low' is .*2.0.* in the job, but the committee learnt .*2.1"):
        check_manifest(manifest, survey, other)
    with pytest.raises(InputError, match=r"features.kind: the job has 'colours'"):
        check_manifest(manifest, survey, CLASSES, "colours")


@pytest.mark.parametrize("key", ["survey", "features", "classes", "definitions"])
def test_an_incomplete_manifest_is_refused(manifest, survey, key):
    del manifest[key]
    with pytest.raises(InputError, match=rf"not complete: KeyError\('{key}'\)"):
        check_manifest(manifest, survey)


def test_a_graph_of_another_committee_is_refused(manifest, members, features):
    with pytest.raises(InputError, match=r"\(59, 4, 3\), its graph has \(59, 3, 3\)"):
        Committee.load(manifest, committee_graph(members[:3], features.n_inputs))
    broken = copy.deepcopy(manifest)
    del broken["members"]
    with pytest.raises(InputError, match="not complete"):
        Committee.load(broken, committee_graph(members, features.n_inputs))


def test_a_calibrated_committee_gives_calibrated_probabilities(manifest, members, features):
    graph = committee_graph(members, features.n_inputs)
    rows = np.random.default_rng(3).normal(size=(20, features.n_inputs)).astype(np.float32)
    magnitude = np.linspace(17, 23, 20)
    plain = Committee.load(manifest, graph).predict(rows, magnitude)
    calibrated = dict(manifest, calibration={"kind": "temperature", "state": {"temperature": 2.0}})
    softer = Committee.load(calibrated, graph).predict(rows, magnitude)
    expected = np.sqrt(np.maximum(plain, 1e-7))
    np.testing.assert_allclose(softer, expected / expected.sum(axis=1, keepdims=True), rtol=1e-9)


def test_a_calibration_that_is_not_complete_is_refused(manifest, members, features):
    graph = committee_graph(members, features.n_inputs)
    with pytest.raises(InputError, match="manifest of the committee is not complete"):
        Committee.load(dict(manifest, calibration={"kind": "temperature"}), graph)
    with pytest.raises(InputError, match="stored state is not valid"):
        Committee.load(dict(manifest, calibration={"kind": "none", "state": {"x": 1}}), graph)
