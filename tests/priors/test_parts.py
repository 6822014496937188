"""Parts of a sky by stellarity: what a sample that knows it mends, where it changes nothing, and how it is kept."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jpasbatch.errors import InputError
from jpasbatch.priors.options import PriorOptions
from jpasbatch.priors.parts import fit_parts
from jpasbatch.priors.prior import Prior, Reference
from jpasbatch.priors.redraws import Moves
from jpasbatch.priors.strata import FEWEST, Strata
from jpasbatch.priors.validation import Validation, ValidationSample
from tests.priors.conftest import CLASSES, Drawn, calibrated, corrected, draw, found_prior

OPTIONS = PriorOptions(bin_width=1.0, redraws=0)
HOST = 0.4
"""How far a quasar that is seen with its host looks like a galaxy: 1 is one."""
POINT_LIKE = (0.9, 0.2, 0.7)


def known(drawn: Drawn) -> ValidationSample:
    """Return objects as a sample that knows their stellarity."""
    return replace(drawn.sample(), class_star=drawn.class_star.astype(np.float32))


@pytest.fixture(scope="module")
def learnt() -> ValidationSample:
    return known(draw(np.random.default_rng(11), (5000, 5000, 5000), POINT_LIKE, HOST))


@pytest.fixture(scope="module")
def field() -> Drawn:
    return draw(np.random.default_rng(12), (9000, 24_000, 2400), POINT_LIKE, HOST)


@pytest.mark.parametrize("method", ["expectation_maximisation", "unfolding"])
def test_quasars_with_hosts_are_found_when_the_sample_knows_its_stellarity(field, learnt, method):
    blind = replace(learnt, class_star=np.full(len(learnt), np.nan, dtype=np.float32))
    options, found = replace(OPTIONS, method=method), {}
    for name, sample in (("blind", blind), ("knows", learnt)):
        prior, stratum = found_prior(field, sample, options)
        posteriors = corrected(prior, field, stratum)
        assert posteriors.sum(axis=0) == pytest.approx(prior.numbers.sum(axis=0), rel=0.02)
        found[name] = [posteriors[part, 2].sum() for part in (field.class_star > 0.5, field.class_star < 0.5)]
    true = [((field.labels == 2) & part).sum() for part in (field.class_star > 0.5, field.class_star < 0.5)]
    assert found["knows"] == pytest.approx(true, rel=0.12 if method == "expectation_maximisation" else 0.3)
    assert abs(found["knows"][1] - true[1]) < 0.5 * abs(found["blind"][1] - true[1])


def test_a_stellarity_that_says_nothing_of_looks_changes_little(sky, validation):
    rng = np.random.default_rng(4)
    stellarity = np.where(rng.random(len(validation)) < 0.5, 0.9, 0.1).astype(np.float32)
    one, other = (
        found_prior(sky, sample, OPTIONS)[0].numbers.sum(axis=0)
        for sample in (validation, replace(validation, class_star=stellarity))
    )
    assert one == pytest.approx(other, rel=0.08)


def test_objects_without_stellarity_are_taken_as_the_whole(sky, learnt):
    unknown = replace(sky, class_star=np.full(len(sky.labels), np.nan))
    blind = replace(learnt, class_star=np.full(len(learnt), np.nan, dtype=np.float32))
    options = replace(OPTIONS, redraws=2)
    (one, _), (other, _) = (found_prior(unknown, sample, options) for sample in (learnt, blind))
    occupied = other.objects > 0
    for name in ("shares", "covariance"):
        assert np.array_equal(getattr(one, name)[occupied], getattr(other, name)[occupied])
    assert np.array_equal(one.redrawn[:, occupied], other.redrawn[:, occupied])
    assert other.source.shape == (other.strata.bins, 3)
    assert not other.parts


def test_redraws_move_the_parts_about_what_was_found(field, learnt):
    prior, _ = found_prior(field, learnt, replace(OPTIONS, redraws=6))
    moved = prior.redrawn.sum(axis=1)[:, 2]
    assert 0 < np.sqrt((moved**2).mean()) < 0.1 * prior.numbers.sum(axis=0)[2]
    assert abs(moved.mean()) < 0.05 * prior.numbers.sum(axis=0)[2]


def test_a_variant_that_is_the_sample_itself_moves_nothing(field, learnt):
    plain = known(draw(np.random.default_rng(11), (5000, 5000, 5000), POINT_LIKE, HOST))
    prior, stratum = found_prior(field, learnt, OPTIONS)
    reference = Reference(*calibrated(learnt, OPTIONS.calibration), prior.strata)
    cells = reference.measure.cells(field.probabilities, field.magnitude, field.missing, stratum)
    moves = Moves(cells, reference, OPTIONS, prior)
    assert np.abs(moves.by_variant(plain)).max() < 1.0
    with pytest.raises(InputError, match="has no stellarity"):
        moves.by_variant(replace(plain, class_star=np.full(len(plain), np.nan, dtype=np.float32)))


def test_a_class_of_which_a_part_has_too_few_is_that_of_all_parts(learnt):
    strata = Strata.fit(learnt.magnitude, OPTIONS)
    points = (learnt.labels == 1) & (learnt.class_star > 0.5)
    few = learnt.take(np.flatnonzero(~points | (np.cumsum(points) < FEWEST)))
    extended, pointed = fit_parts(few, strata)
    assert extended.borrows == (False, False, False)
    assert pointed.borrows == (False, True, False)
    chosen = pointed.chosen(few, strata)
    assert (chosen.labels == 1).sum() == (few.labels == 1).sum()
    assert chosen.weights[chosen.labels == 1].sum() == pytest.approx(FEWEST - 1)
    none = replace(few, class_star=np.where(few.labels == 1, np.float32(0.1), few.class_star))
    chosen = fit_parts(none, strata)[1].chosen(none, strata)
    assert chosen.weights[chosen.labels == 1].sum() == pytest.approx(1.0)
    extended_alone = replace(few, class_star=np.full(len(few), 0.1, dtype=np.float32))
    assert [part.number for part in fit_parts(extended_alone, strata)] == [0]


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 300))
def test_posteriors_are_those_of_each_object_alone(found, field, seed, size):
    prior, stratum = found
    rows = np.random.default_rng(seed).choice(len(field.labels), size, replace=False)
    whole = prior.correct(field.probabilities, field.magnitude, field.missing, stratum)[rows]
    again = Prior.from_dict(json.loads(json.dumps(prior.to_dict())))
    part = again.correct(field.probabilities[rows], field.magnitude[rows], field.missing[rows], stratum[rows])
    assert part == pytest.approx(whole, abs=1e-12)


@pytest.fixture(scope="module")
def found(field, learnt) -> tuple[Prior, np.ndarray]:
    few = replace(field, class_star=np.where(np.arange(len(field.labels)) % 9, field.class_star, np.nan))
    return found_prior(few, learnt, OPTIONS)


def test_parts_by_latitude_share_what_their_stellarity_says(field, learnt):
    options = replace(OPTIONS, galactic_latitude=(30.0,))
    strata = Strata.fit(learnt.magnitude, options)
    latitude = np.where(np.arange(len(field.labels)) % 2, 20.0, 60.0)
    stratum = strata.stratum_of(field.magnitude, field.class_star, latitude)
    assert np.array_equal(strata.kind_of_stratum(stratum), strata.kind_of(field.class_star))
    reference = Reference(*calibrated(learnt, options.calibration), strata)
    plain = Strata.fit(learnt.magnitude, OPTIONS)
    same = Reference(*calibrated(learnt, options.calibration), plain)
    given = (field.probabilities, field.magnitude, field.missing)
    one = reference.measure.cells(*given, stratum)
    other = same.measure.cells(*given, plain.stratum_of(field.magnitude, field.class_star))
    assert one.sums.sum(axis=0).tolist() == other.sums.sum(axis=0).tolist()


def test_stellarity_survives_its_file_and_a_sample_without_has_the_file_of_before(learnt):
    few = learnt.take(np.arange(0, len(learnt), 60))
    few.class_star[::7] = np.nan
    blind = replace(few, class_star=np.full(len(few), np.nan, dtype=np.float32))
    again = Validation.from_bytes(Validation(few, {"other": blind}).to_bytes(), CLASSES)
    assert np.array_equal(again.sample.class_star, few.class_star, equal_nan=True)
    assert not again.variants["other"].has_stellarity
    with np.load(io.BytesIO(Validation(blind, {}).to_bytes())) as arrays:
        assert sorted(arrays.files) == ["group", "labels", "magnitude", "missing", "probabilities"]


@pytest.mark.parametrize(
    "wrong",
    [np.ones(5, dtype=np.float32), np.ones(6), np.array([1, 1, 1, 1, 1, np.inf], dtype=np.float32)],
)
def test_stellarities_that_are_none_are_refused(learnt, wrong):
    with pytest.raises(InputError, match=r"validation sample of the committee has (class_star|stellarities)"):
        ValidationSample.from_arrays(learnt.take(np.arange(6)).arrays() | {"class_star": wrong})
