"""The class shares of a sky: found from what a committee says of it, whatever the partitions, with errors that hold."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jpasbatch.errors import InputError
from jpasbatch.priors.calibrations.log_linear import LogLinearCalibration
from jpasbatch.priors.calibrations.protocol import TERMS, Reach
from jpasbatch.priors.cells import FIELDS, MOST_CLASSES, Cells
from jpasbatch.priors.estimation import covariance, maximum_likelihood, posterior, unfolded
from jpasbatch.priors.options import PriorOptions
from jpasbatch.priors.parts import source_shares
from jpasbatch.priors.prior import Prior, Reference, fit_prior
from jpasbatch.priors.strata import FEWEST, Strata
from jpasbatch.priors.table import read_shares
from jpasbatch.priors.validation import Validation
from tests.priors.conftest import CLASSES, calibrated, corrected, draw, found_prior


def cells_of(probabilities, stratum):
    """Return the cells of objects whose magnitudes follow their strata, some with missing bands."""
    number = np.asarray(stratum)
    return Cells.of(probabilities, stratum, 18.0 + number % 7, number % 3)


METHODS = ("expectation_maximisation", "unfolding")


def fitted(sky, validation, **options) -> tuple[Prior, np.ndarray]:
    """Return the prior of a sky and the stratum of each of its objects."""
    return found_prior(sky, validation, PriorOptions(**{"redraws": 0, "bin_width": 1.0, **options}))


@pytest.mark.parametrize("method", METHODS)
def test_numbers_are_those_of_the_sky(sky, validation, method):
    prior, _ = fitted(sky, validation, method=method)
    true = np.bincount(sky.labels)
    raw = sky.probabilities.sum(axis=0)
    found = prior.numbers.sum(axis=0)
    assert raw[2] > 3 * true[2]  # what is mended
    assert np.abs(found - true)[:2] == pytest.approx([0, 0], abs=120)
    assert found[2] == pytest.approx(true[2], rel=0.15)
    assert prior.objects.sum() == len(sky.labels)


@pytest.mark.parametrize("stellarity", [(), (0.5,)])
def test_posteriors_come_true_as_often_as_they_say(sky, validation, stellarity):
    prior, stratum = fitted(sky, validation, stellarity=stellarity)
    posteriors = corrected(prior, sky, stratum)
    assert posteriors.sum(axis=1) == pytest.approx(1.0)
    assert posteriors.sum(axis=0) == pytest.approx(prior.numbers.sum(axis=0), rel=2e-3)
    for number in range(3):
        edges = np.array([0.0, 0.05, 0.2, 0.5, 0.8, 1.0])
        place = np.digitize(posteriors[:, number], edges[1:-1])
        for part in range(5):
            here = place == part
            expected, true = posteriors[here, number].sum(), (sky.labels[here] == number).sum()
            assert abs(expected - true) < 5 * np.sqrt(expected + 25)


def test_a_committee_that_is_too_sure_gives_the_same_numbers(sky, validation):
    """Shares of probabilities that are not calibrated would be wrong, and look right."""

    def sure(probabilities):
        odds = probabilities.astype(np.float64) ** 2.5 * np.array([1.0, 0.6, 1.8])
        return odds / odds.sum(axis=1, keepdims=True)

    wrong = replace(validation, probabilities=sure(validation.probabilities).astype(np.float32))
    too_sure = replace(sky, probabilities=sure(sky.probabilities))
    straight, _ = fitted(sky, validation)
    found, stratum = fitted(too_sure, wrong)
    assert found.numbers.sum(axis=0) == pytest.approx(straight.numbers.sum(axis=0), rel=0.05)
    one, other = (corrected(prior, given, stratum) for prior, given in ((found, too_sure), (straight, sky)))
    assert np.abs(one - other).mean() < 0.005


def test_a_small_validation_sample_is_refused(validation):
    kept = ((0, 60), (1, 49), (2, 60))
    rows = np.concatenate([np.flatnonzero(validation.labels == label)[:number] for label, number in kept])
    small = validation.take(rows)
    with pytest.raises(InputError, match="49 objects of class number 1: 50 are needed"):
        calibrated(small, "vector")


def test_stellarity_tells_what_the_committee_was_not_told(sky, validation):
    point_like = sky.class_star > 0.5
    true = (sky.labels[point_like] == 2).sum()
    counted = []
    for stellarity in ((), (0.5,)):
        prior, stratum = fitted(sky, validation, stellarity=stellarity)
        counted.append(corrected(prior, sky, stratum)[point_like, 2].sum())
    assert counted[0] < 0.8 * true
    assert counted[1] == pytest.approx(true, rel=0.2)


def test_an_even_sky_is_left_as_it_is(validation):
    even = draw(np.random.default_rng(5), (4000, 4000, 4000), (0.5, 0.5, 0.5))
    prior, stratum = fitted(even, validation, stellarity=())
    assert corrected(prior, even, stratum) == pytest.approx(even.probabilities, abs=0.08)


def test_both_methods_agree_with_an_independent_one(sky, validation):
    """Compare with mlquantify's expectation maximisation, on the same probabilities and shares of the source."""
    counting = pytest.importorskip("mlquantify.likelihood", reason="needs mlquantify, of the extra 'test'")
    strata = Strata(())
    stratum = np.zeros(len(sky.labels), dtype=np.int16)
    calibration = LogLinearCalibration(
        "temperature", Reach(18.0, 23.0, 0.0), np.ones(1), np.zeros((3, TERMS))
    )
    reference = Reference(calibration, validation, strata)
    cells = reference.measure.cells(sky.probabilities, sky.magnitude, sky.missing, stratum)
    prior = fit_prior(cells, reference, PriorOptions(), CLASSES)
    found = counting.EMQ.EM(sky.probabilities, prior.source[0])[0]
    assert prior.shares[0] == pytest.approx(np.asarray(found), abs=1e-3)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=30, max_size=300), st.integers(1, 50), st.integers(0, 2**32))
def test_cells_of_any_parts_in_any_order_are_those_of_the_whole(strata, parts, seed):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet([0.2, 0.5, 0.3], len(strata)).astype(np.float32)
    stratum = np.array(strata, dtype=np.int16)
    whole = cells_of(probabilities, stratum)
    owner = rng.integers(0, parts, len(strata))
    pieces = [
        cells_of(probabilities[owner == part], stratum[owner == part]) for part in rng.permutation(parts)
    ]
    merged = Cells.merged((Cells.from_bytes(piece.to_bytes()) for piece in pieces), 3)
    for name in FIELDS:
        assert np.array_equal(getattr(merged, name), getattr(whole, name))
    assert whole.numbers.sum() == len(strata)
    assert np.array_equal(np.bincount(whole.stratum, whole.numbers, 4), np.bincount(stratum, minlength=4))


def test_cells_are_far_fewer_than_objects_and_say_the_same(sky, validation):
    strata = Strata(())
    stratum = np.zeros(len(sky.labels), dtype=np.int16)
    cells = cells_of(sky.probabilities, stratum)
    assert len(cells.keys) < 0.2 * len(sky.labels)
    source = source_shares(validation, strata)[0]
    exact = maximum_likelihood(sky.probabilities / source, np.ones(len(sky.labels)), source)
    found = maximum_likelihood(cells.probabilities / source, cells.numbers, source)
    assert found == pytest.approx(exact, rel=0.01)


@given(
    st.lists(st.integers(0, 6) | st.integers(2**62 - 3, 2**62 + 3), min_size=1, max_size=50),
    st.integers(0, 2**31),
)
def test_cells_are_added_in_any_order_of_rows(keys, seed):
    """Keys that leave no room for the number of a row are sorted in another way, with the same sums."""
    rng = np.random.default_rng(seed)
    rows = np.array(keys, dtype=np.int64)
    sums, numbers = rng.integers(2**40, size=(len(rows), 3)), rng.integers(9, size=len(rows))
    found = Cells._summed(rows, numbers, sums, numbers, numbers)
    assert found.keys.tolist() == sorted(set(keys))
    for key, number, total in zip(found.keys, found.numbers, found.sums, strict=True):
        assert number == numbers[rows == key].sum()
        assert total.tolist() == sums[rows == key].sum(axis=0).tolist()


def test_more_classes_than_a_key_has_room_for_are_refused():
    with pytest.raises(ValueError, match="11 classes: cells have room for 10"):
        cells_of(np.full((2, MOST_CLASSES + 1), 1 / 11), np.zeros(2))
    assert len(cells_of(np.full((2, MOST_CLASSES), 0.1), np.array([0, 8000])).keys) == 2


def test_the_hand_example():
    """Two classes that never look alike: shares are those counted, and errors those of counting."""
    likelihoods = np.array([[2.0, 0.0], [0.0, 2.0]])
    numbers = np.array([90, 10])
    shares = maximum_likelihood(likelihoods, numbers, np.array([0.5, 0.5]))
    assert shares == pytest.approx([0.9, 0.1])
    assert np.diag(covariance(likelihoods, np.eye(2), 100 * shares)) == pytest.approx([91, 11], rel=0.02)
    assert posterior(np.array([[0.5, 0.5]]), np.array([1.8, 0.2])) == pytest.approx(np.array([[0.9, 0.1]]))
    assert unfolded(np.array([[0.8, 0.3], [0.2, 0.7]]), np.array([0.75, 0.25])) == pytest.approx([0.9, 0.1])
    assert unfolded(np.array([[0.8, 0.3], [0.2, 0.7]]), np.array([0.9, 0.1])) == pytest.approx([1.0, 0.0])


def test_errors_from_counting_hold(validation):
    """Skies that are drawn again scatter as much as each of them says."""
    rng = np.random.default_rng(11)
    found, told = [], []
    for _ in range(40):
        numbers = tuple(int(rng.poisson(mean)) for mean in (600, 2400, 120))
        prior, _ = fitted(draw(rng, numbers, (0.5, 0.5, 0.5)), validation, stellarity=(), bin_width=10.0)
        found.append(prior.numbers.sum(axis=0))
        told.append(np.sqrt(np.diag(prior.covariance.sum(axis=0))))
    scatter = np.std(found, axis=0)
    assert np.mean(told, axis=0) == pytest.approx(scatter, rel=0.3)  # of 40 draws, known to 11 %


def test_what_looks_alike_has_the_error_of_all_and_what_is_surely_absent_of_one():
    """The second class looks like the first, the third like no other; none of the two was found."""
    likelihoods = np.array([[1.5, 1.5, 0.0], [0.0, 0.0, 3.0]])
    examples = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    found = np.sqrt(np.diag(covariance(likelihoods, examples, np.array([1000.0, 0.0, 0.0]))))
    assert found[0] > 500
    assert found[1] > 500
    assert found[2] == pytest.approx(1.0, rel=0.05)


def sure(one):
    """Return objects of which the committee is sure, rightly."""
    return replace(one, probabilities=np.eye(3, dtype=np.float32)[one.labels] * 0.9999 + 0.3e-4)


@pytest.mark.parametrize("bin_width", [0.5, 10.0])
@pytest.mark.parametrize("brightest", [15.0, 20.0])
def test_what_is_surely_told_apart_has_the_error_of_its_number(sky, validation, bin_width, brightest):
    """However many strata there are (all have one spare object), and where no quasar of a bin validated."""
    kept = (validation.labels != 2) | (validation.magnitude > brightest)
    prior, _ = fitted(sure(sky), sure(validation.take(np.flatnonzero(kept))), bin_width=bin_width)
    variances = np.array([np.diag(one) for one in prior.covariance]).sum(axis=0)
    assert variances == pytest.approx(np.bincount(sky.labels) + 1.0, rel=0.03)


@given(
    st.lists(st.floats(10, 30, width=32) | st.just(float("nan")) | st.sampled_from([18.0, 20.0]), min_size=1),
    st.sampled_from([(), (20.0,), (18.0, 20.0, 22.5)]),
)
def test_objects_of_a_bin_are_at_no_distance_from_it(magnitudes, limits):
    strata, magnitude = Strata(limits), np.array(magnitudes)
    distances = np.array([strata.distance(magnitude, number) for number in range(strata.bins)])
    assert (distances >= 0).all()
    assert (distances[strata.bin_of(magnitude), np.arange(len(magnitude))] == 0).all()
    inside = np.isfinite(magnitude) & ~np.isin(magnitude, limits)
    assert ((distances[:, inside] == 0).sum(axis=0) == 1).all()


def test_errors_from_the_validation_sample_hold(sky):
    """Validation samples that are drawn anew move the numbers as much as redraws of one of them."""
    found, told = [], []
    for seed in range(12):
        sample = draw(np.random.default_rng([7, seed]), (700, 700, 700), (0.5, 0.5, 0.5)).sample()
        prior, _ = fitted(sky, sample, stellarity=(), redraws=12, method="unfolding", bin_width=10.0)
        found.append(prior.numbers.sum(axis=0)[2])
        told.append(prior.redrawn.sum(axis=1)[:, 2].std())
    assert 0.4 < np.mean(told) / np.std(found) < 2.5


def test_what_descends_from_one_parent_is_drawn_together(sky, validation):
    """Objects in groups of thirty that share their features know less than as many independent ones."""
    rng = np.random.default_rng(3)
    parents = validation.take(np.sort(rng.permutation(len(validation))[:400]))
    rows = np.repeat(np.arange(400), 30)
    grouped = replace(parents.take(rows), group=rows.astype(np.int32))
    alone = replace(grouped, group=np.arange(len(rows), dtype=np.int32))
    again = grouped.redrawn(np.random.default_rng(1))
    for label in range(3):
        total = again.weights[again.labels == label].sum()
        assert total == pytest.approx((grouped.labels == label).sum())
    assert all(len(np.unique(again.weights[again.group == one])) == 1 for one in np.unique(again.group))
    errors = [
        fitted(sky, one, redraws=10, bin_width=10.0, stellarity=())[0].redrawn.sum(axis=1)[:, 2].std()
        for one in (grouped, alone)
    ]
    assert errors[0] > 2 * errors[1]


def test_a_prior_survives_its_file(sky, validation):
    prior, stratum = fitted(sky, validation, redraws=2)
    again = Prior.from_dict(json.loads(json.dumps(prior.to_dict())))
    assert np.array_equal(corrected(again, sky, stratum), corrected(prior, sky, stratum))
    assert again.redrawn.shape == prior.redrawn.shape == (2, len(prior.strata), 3)


@given(
    st.lists(st.floats(-50, 60, width=32) | st.just(float("nan")), min_size=1, max_size=40),
    st.lists(st.floats(0, 1, width=32) | st.just(float("nan")), min_size=1, max_size=1),
)
def test_every_object_has_a_stratum(magnitude, star):
    strata = Strata((18.0, 20.0, 22.5), (0.3, 0.5), (20.0,))
    class_star = np.full(len(magnitude), star[0], dtype=np.float32)
    found = strata.stratum_of(np.array(magnitude), class_star, np.zeros(len(magnitude)))
    assert found.min() >= 0
    assert found.max() < len(strata) == 4 * 4 * 2


@given(
    st.lists(st.floats(10, 30, width=32) | st.just(float("nan")) | st.sampled_from([18.1, 20.0]), min_size=1),
    st.sampled_from([(), (20.0,), tuple(np.arange(17.0, 24.0, 0.1)), (18.1, 20.0, 22.5)]),
)
def test_few_limits_and_many_give_the_same_bins(magnitude, limits):
    for kind in (np.float32, np.float64):
        given_magnitude = np.array(magnitude, dtype=kind)
        bins = Strata(limits).bin_of(given_magnitude)
        assert bins.tolist() == np.digitize(given_magnitude, limits).tolist()


def test_strata_follow_their_limits():
    strata = Strata((20.0,), (0.5,))
    magnitude, star = np.array([19.9, 20.0, np.nan, 19.0]), np.array([0.5, 0.51, 0.2, np.nan])
    assert strata.stratum_of(magnitude, star).tolist() == [0, 4, 3, 2]
    with pytest.raises(ValueError, match="need positions"):
        Strata((20.0,), (), (20.0,)).stratum_of(magnitude, star)


def test_bins_hold_enough_of_the_validation_sample():
    rng = np.random.default_rng(0)
    magnitude = np.concatenate([rng.normal(20, 1.0, 3000), [12.0, 27.0, np.nan]])
    strata = Strata.fit(magnitude, PriorOptions(bin_width=0.25))
    counts = np.bincount(strata.bin_of(magnitude), minlength=strata.bins)
    assert counts.min() >= FEWEST
    assert strata.bins > 4
    assert Strata.fit(magnitude[:50], PriorOptions()).bins == 1


def test_a_table_gives_the_shares(tmp_path, sky, validation):
    path = tmp_path / "shares.csv"
    path.write_text("brightest,faintest,quasar,galaxy,star\n17,20.5,1,79,20\n20.5,24,3,77,20\n")
    table = read_shares(path, CLASSES)
    stratum = table.strata.stratum_of(sky.magnitude, sky.class_star)
    reference = Reference(*calibrated(validation, "vector"), table.strata)
    prior = table.prior(cells_of(sky.probabilities, stratum), reference)
    assert prior.shares == pytest.approx(np.array([[0.2, 0.79, 0.01], [0.2, 0.77, 0.03]]))
    assert len(prior.redrawn) == 0


@pytest.mark.parametrize(
    ("limits", "meets"),
    [
        (("1", "5", "9"), False),
        (("30", "35", "39"), False),
        (("30", "39"), False),
        (("1", "5", "inf"), True),
        (("-inf", "39"), True),
        (("10", "17", "19"), True),
    ],
)
def test_a_table_of_other_magnitudes_is_refused(tmp_path, sky, validation, limits, meets):
    """Its outermost bin would give its shares to all objects, and nobody would know."""
    path = tmp_path / "shares.csv"
    rows = [f"{low},{high},1,79,20" for low, high in pairwise(limits)]
    path.write_text("\n".join(["brightest,faintest,quasar,galaxy,star", *rows]))
    table = read_shares(path, CLASSES)
    stratum = table.strata.stratum_of(sky.magnitude, sky.class_star)
    reference = Reference(*calibrated(validation, "vector"), table.strata)
    cells = cells_of(sky.probabilities, stratum)
    if meets:
        assert table.prior(cells, reference).shares[0] == pytest.approx([0.2, 0.79, 0.01])
    else:
        with pytest.raises(InputError, match=f"from magnitude {limits[0]} to {limits[-1]}, and the objects"):
            table.prior(cells, reference)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "found the columns none"),
        ("brightest,faintest,star,galaxy\n1,2,3,4\n", "found the columns brightest, faintest, star, galaxy"),
        ("brightest,faintest,star,galaxy,quasar\n", "has no rows"),
        (
            "brightest,faintest,star,galaxy,quasar\n17,20,1,2,x\n",
            "column 'quasar': found 'x'; allowed are numbers",
        ),
        (
            "brightest,faintest,star,galaxy,quasar\n17,2_0,1,2,3\n",
            "column 'faintest': found '2_0'; allowed are",
        ),
        (
            "brightest,faintest,star,galaxy,quasar\n17,20,1,2\n",
            "line 2, column 'quasar': found ''; allowed are",
        ),
        ("brightest,faintest,star,galaxy,quasar\n17,20,1,2,-1\n", "line 2: weights are 0 or more"),
        ("brightest,faintest,star,galaxy,quasar\n17,20,0,0,0\n", "not all 0"),
        ("brightest,faintest,star,galaxy,quasar\n17,20,1,2,nan\n", "weights are 0 or more"),
        ("brightest,faintest,star,galaxy,quasar\n20,17,1,2,3\n", "brightest = 20 is not below faintest = 17"),
        ("brightest,faintest,star,galaxy,quasar\n17,20,1,2,3\n21,22,1,2,3\n", "line 3: brightest = 21"),
    ],
)
def test_tables_that_are_none(tmp_path, text, told):
    path = tmp_path / "shares.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=told):
        read_shares(path, CLASSES)
    with pytest.raises(InputError, match="cannot be read"):
        read_shares(tmp_path / "missing.csv", CLASSES)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"stellarity": (0.5, 0.3)}, "limits must rise"),
        ({"galactic_latitude": (20.0, 20.0)}, "limits must rise"),
        ({"stellarity": (1.5,)}, "stellarity"),
        ({"kind": "table"}, "names a file"),
        ({"table": "shares.csv"}, "names a file"),
        ({"bin_width": 0.0}, "bin_width"),
        ({"method": "magic"}, "method"),
        ({"calibration": "magic"}, "calibration"),
    ],
)
def test_options_that_are_refused(options, told):
    with pytest.raises(ValueError, match=told):
        PriorOptions(**options)


def test_validation_samples_survive_their_file(validation):
    variant = validation.take(np.arange(0, len(validation), 7))
    data = Validation(validation, {"shallow": variant, "dusty": variant.take(np.arange(90))}).to_bytes()
    again = Validation.from_bytes(data, CLASSES)
    assert set(again.variants) == {"shallow", "dusty"}
    for one, other in ((again.sample, validation), (again.variants["shallow"], variant)):
        for name in ("probabilities", "magnitude", "labels", "missing", "group"):
            assert np.array_equal(getattr(one, name), getattr(other, name))
    with pytest.raises(InputError, match="3 classes, the committee 2"):
        Validation.from_bytes(data, CLASSES[:2])


@pytest.mark.parametrize(
    "change",
    [
        {"labels": np.array([0, 1, 3], dtype=np.int16)},
        {"labels": np.array([0, -1, 2], dtype=np.int16)},
        {"probabilities": np.full((3, 3), np.nan, dtype=np.float32)},
        {"probabilities": np.full((3, 3), -0.1, dtype=np.float32)},
        {"probabilities": np.full(3, 0.5, dtype=np.float32)},
        {"magnitude": np.full(2, 20.0, dtype=np.float32)},
        {"magnitude": np.full(3, 20.0)},
        {"missing": np.full(3, -1, dtype=np.int16)},
        {"group": np.zeros((3, 1), dtype=np.int32)},
    ],
)
def test_validation_samples_that_are_none(change, tmp_path):
    arrays = {
        "probabilities": np.full((3, 3), 1 / 3, dtype=np.float32),
        "magnitude": np.full(3, 20.0, dtype=np.float32),
        "labels": np.array([0, 1, 2], dtype=np.int16),
        "missing": np.zeros(3, dtype=np.int16),
        "group": np.arange(3, dtype=np.int32),
    }
    path = tmp_path / "validation.npz"
    np.savez(path, **arrays)
    assert len(Validation.from_bytes(path.read_bytes(), CLASSES).sample) == 3
    np.savez(path, **(arrays | change))
    with pytest.raises(InputError, match="validation sample of the committee"):
        Validation.from_bytes(path.read_bytes(), CLASSES)
    with pytest.raises(InputError, match="cannot be read"):
        Validation.from_bytes(path.read_bytes()[:-30], CLASSES)


NAMES = "brightest,faintest," + ",".join(CLASSES)
CELLS = ",".join("1" for _ in CLASSES)


@pytest.mark.parametrize(
    "text",
    [
        f"\ufeff{NAMES}\n17,20,{CELLS}\n",
        f"{NAMES.replace(',', ', ')}\r\n17, 20, {CELLS.replace(',', ', ')}\r\n\r\n",
        f"{NAMES}\n17,20,{CELLS.replace('1', '1e308')}\n",
        f"{NAMES}\n17,20,{CELLS.replace('1', '1e-308')}\n",
    ],
)
def test_shares_as_other_programs_write_them(tmp_path, text):
    path = tmp_path / "shares.csv"
    path.write_bytes(text.encode())
    weights = np.array(read_shares(path, CLASSES).weights)
    np.testing.assert_allclose(weights / weights.max(), 1)


def test_a_cell_too_many_is_refused(tmp_path):
    path = tmp_path / "shares.csv"
    path.write_text(f"{NAMES}\n17,20,{CELLS},9\n")
    with pytest.raises(InputError, match=r"line 2: has \d cells; allowed are"):
        read_shares(path, CLASSES)
