"""What is ordinary, and what is not: the score of an object, and how it is kept."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpasbatch.errors import InputError
from jpasbatch.learning.novelty.file import MOST_BYTES, ordinary_from_bytes, ordinary_to_bytes
from jpasbatch.learning.novelty.fitting import FEWEST_VALIDATED, learn_ordinary
from jpasbatch.learning.novelty.novelty import EXTRAPOLATION, SAFE, UNKNOWN, UNSAFE
from jpasbatch.learning.novelty.ordinary import Ordinary
from jpasbatch.learning.novelty.spectra import CHUNK_ROWS
from jpasbatch.photometry.photometry import Photometry
from tests.learning.novelty.conftest import BANDS, CLASSES, REFERENCE, magnitude_of, objects


def judged(ordinary: Ordinary, photometry: Photometry, voted: np.ndarray, apart: float = 0.01):
    return ordinary.judge(photometry, voted, magnitude_of(photometry), np.full(len(photometry), apart))


@pytest.fixture(scope="module")
def others():
    return objects(3_000, 7)


def test_one_ordinary_object_in_a_hundred_is_called_unsafe(ordinary, others):
    found = judged(ordinary, *others)
    assert (found.subset == UNSAFE).mean() == pytest.approx(0.01, abs=0.007)
    assert (found.subset == EXTRAPOLATION).mean() == pytest.approx(0.04, abs=0.02)
    assert not (found.subset == UNKNOWN).any()


@pytest.mark.parametrize("change", ["one band", "zero points", "other class", "members disagree"])
def test_what_was_never_learnt_is_unsafe(ordinary, others, change):
    photometry, voted = others
    bright = np.flatnonzero(magnitude_of(photometry) < 20)
    photometry, voted = photometry.select(bright), voted[bright]
    flux, apart = photometry.flux.copy(), 0.01
    if change == "one band":
        flux[:, 3] *= 4
    elif change == "zero points":
        flux *= 10 ** (-0.4 * np.random.default_rng(1).normal(0, 0.3, BANDS).astype(np.float32))
    elif change == "other class":
        voted = 1 - voted
    else:
        apart = 0.9
    found = judged(ordinary, Photometry(flux, photometry.flux_err), voted, apart)
    ordinary_share = (
        judged(ordinary, photometry, voted if change != "other class" else 1 - voted).subset == UNSAFE
    ).mean()
    assert ordinary_share < 0.03
    assert (found.subset == UNSAFE).mean() > (0.4 if change == "other class" else 0.8)


@given(st.data())
def test_what_stands_in_a_missing_band_changes_nothing(ordinary, others, data):
    photometry, voted = others[0].select(slice(0, 20)), others[1][:20]
    band = data.draw(st.integers(0, BANDS - 1).filter(lambda one: one != REFERENCE))
    whole = np.float32(data.draw(st.floats(width=32)))
    wrong = data.draw(st.sampled_from([np.nan, 0.0, -1.0, np.inf]))
    results = []
    for value, error in ((np.nan, np.nan), (whole, wrong)):
        flux, flux_err = photometry.flux.copy(), photometry.flux_err.copy()
        flux[:, band], flux_err[:, band] = value, error
        results.append(judged(ordinary, Photometry(flux, flux_err), voted))
    assert results[0].score.tobytes() == results[1].score.tobytes()
    assert results[0].subset.tolist() == results[1].subset.tolist()


@given(st.integers(0, 2**32 - 1), st.integers(1, 3 * CHUNK_ROWS))
def test_neither_order_nor_partition_matters(ordinary, others, seed, cut):
    photometry, voted = others
    whole = judged(ordinary, photometry, voted)
    order = np.random.default_rng(seed).permutation(len(voted))
    parts = [
        judged(ordinary, photometry.select(rows), voted[rows])
        for rows in (order[:cut], order[cut:])
        if len(rows)
    ]
    assert np.concatenate([part.score for part in parts]).tobytes() == whole.score[order].tobytes()
    assert np.concatenate([part.subset for part in parts]).tobytes() == whole.subset[order].tobytes()


def test_too_few_bands_are_unknown_and_fewer_than_validated_extrapolate(ordinary, others):
    photometry, voted = others
    flux = photometry.flux[:200].copy()
    flux[:100, : BANDS - 5] = np.nan
    flux[100:, 2:8] = np.nan
    found = judged(ordinary, Photometry(flux, photometry.flux_err[:200]), voted[:200])
    assert (found.subset[:100] == UNKNOWN).all()
    assert np.isnan(found.score[:100]).all()
    assert not (found.subset[100:] == SAFE).any()
    assert (found.subset[100:] == EXTRAPOLATION).any()


def test_brighter_and_fainter_than_validated_is_not_safe(ordinary, others):
    photometry, voted = others
    bright = Photometry(photometry.flux * np.float32(1e3), photometry.flux_err * np.float32(1e3))
    assert not (judged(ordinary, bright, voted).subset == SAFE).any()


@given(st.floats(width=32), st.floats(width=32))
def test_no_flux_or_error_breaks_it(ordinary, others, flux, error):
    photometry, voted = others[0].select(slice(0, 4)), others[1][:4]
    values, errors = photometry.flux.copy(), photometry.flux_err.copy()
    values[0, 4], errors[0, 4] = flux, error
    values[1, :], errors[1, :] = flux, error
    values[1:, REFERENCE] = 1.0
    values[2, :] = np.nan
    found = judged(ordinary, Photometry(values, errors), voted)
    assert found.subset[2] == UNKNOWN
    alone = judged(ordinary, photometry.select(slice(3, 4)), voted[3:])
    assert found.score[3] == alone.score[0] or values[3, REFERENCE] != photometry.flux[3, REFERENCE]
    assert ((found.subset == UNKNOWN) == np.isnan(found.score)).all()


def test_it_comes_back_from_its_bytes(ordinary, others):
    again = ordinary_from_bytes(ordinary_to_bytes(ordinary), CLASSES, BANDS)
    assert judged(again, *others).score.tobytes() == judged(ordinary, *others).score.tobytes()
    assert again.describe() == ordinary.describe()


@pytest.mark.parametrize(
    "change",
    [
        {"basis": np.full((CLASSES, BANDS, 2), np.nan)},
        {"basis": np.zeros((CLASSES, BANDS + 1, 2))},
        {"basis": np.zeros((CLASSES, BANDS, 50))},
        {"basis": np.array(["a"])},
        {"seen": np.zeros((CLASSES, BANDS))},
        {"limits": np.zeros((3, 2))},
        {"highest_value": np.zeros((CLASSES, 1, 9))},
        {"misfit_centre": np.zeros((CLASSES, 100))},
        {"fewest_bands": np.array([1, 2])},
        {"basis": None},
        {"misfit_value": None},
        {"seen": np.array([{}], dtype=object)},
        {"more": np.zeros(2**22)},
    ],
)
def test_damaged_arrays_are_refused(ordinary, change):
    with np.load(io.BytesIO(ordinary_to_bytes(ordinary))) as arrays:
        content = dict(arrays) | change
    file = io.BytesIO()
    np.savez_compressed(file, **{name: one for name, one in content.items() if one is not None})
    with pytest.raises(InputError, match="ordinary objects"):
        ordinary_from_bytes(file.getvalue(), CLASSES, BANDS)


@pytest.mark.parametrize("cut", [0, 10, -30])
def test_truncated_files_are_refused(ordinary, cut):
    with pytest.raises(InputError, match="ordinary objects"):
        ordinary_from_bytes(ordinary_to_bytes(ordinary)[:cut], CLASSES, BANDS)
    with pytest.raises(InputError, match="allowed are"):
        ordinary_from_bytes(bytes(MOST_BYTES + 1), CLASSES, BANDS)


def test_samples_that_are_too_small_say_so():
    training, validation = objects(1_000, 1), objects(FEWEST_VALIDATED, 2)
    few = validation[0].select(slice(1, None))
    apart = np.zeros(FEWEST_VALIDATED)
    said = learn_ordinary(training, few, validation[1][1:], magnitude_of(few), apart[1:], CLASSES, 1)
    assert said == "199 objects validate the committee, 200 are needed"
    labels = np.zeros(1_000, dtype=int)
    labels[:3] = 1
    said = learn_ordinary(
        (training[0], labels), validation[0], validation[1], magnitude_of(validation[0]), apart, CLASSES, 1
    )
    assert isinstance(said, str)
    assert "3 objects to learn spectra from" in said


def test_members_that_cannot_be_asked_are_left_out():
    validation, voted = objects(1_000, 2)
    unasked = np.full(1_000, np.nan)
    found = learn_ordinary(
        objects(1_000, 1), validation, voted, magnitude_of(validation), unasked, CLASSES, 1
    )
    assert isinstance(found, Ordinary)
    assert list(found.describe().signs) == ["misfit", "band"]
    novelty = found.judge(validation, voted, magnitude_of(validation), unasked)
    assert (novelty.subset == UNSAFE).mean() == pytest.approx(0.01, abs=0.006)


def test_members_that_were_asked_and_say_nothing_now_leave_all_unknown(ordinary, others):
    photometry, voted = others
    novelty = ordinary.judge(photometry, voted, magnitude_of(photometry), np.full(len(voted), np.nan))
    assert (novelty.subset == UNKNOWN).all()


def test_objects_with_few_bands_are_marked_whatever_their_score(ordinary, others):
    photometry, voted = others[0].select(slice(0, 40)), others[1][:40]
    assert judged(ordinary, photometry, voted).count_few_bands() == 0
    flux = photometry.flux.copy()
    lost = np.flatnonzero(np.arange(BANDS) != REFERENCE)[: BANDS - ordinary.fewest_bands + 1]
    flux[np.ix_(np.arange(0, 40, 4), lost)] = np.nan
    found = judged(ordinary, Photometry(flux, photometry.flux_err), voted)
    assert found.few_bands.tolist() == [row % 4 == 0 for row in range(40)]
    assert found.count_few_bands() == 10
    assert not (found.subset[found.few_bands] == SAFE).any()
