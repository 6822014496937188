"""Judgements: what is refused stays refused, and what is taken apart is put together again."""

import numpy as np
import pytest

from jpasbatch.errors import InputError
from jpasbatch.learning.calibration import NoCalibration
from jpasbatch.learning.decision import Decision
from jpasbatch.learning.judgement import (
    NO_DISTRIBUTION,
    NO_PROBABILITIES,
    UNDECIDED,
    JudgementDifference,
    Jury,
    compare_judgements,
    vote,
)


class Broken(NoCalibration):
    """A calibration that makes NaN of one number of the first row."""

    def __call__(self, probabilities: np.ndarray, magnitude: np.ndarray | None) -> np.ndarray:
        broken = probabilities.copy()
        broken[0, 0] = np.nan
        return broken


@pytest.fixture
def votes() -> np.ndarray:
    return np.random.default_rng(3).dirichlet(np.ones(3), size=40)


def test_a_row_without_finite_probabilities_is_refused(votes):
    judgement = Jury(Broken(), Jury.plain().decision).judge_votes(votes, np.full(40, 21.0))
    assert np.flatnonzero(judgement.refused[NO_PROBABILITIES]).tolist() == [0]
    assert judgement.decided[0] == UNDECIDED
    assert np.isnan(judgement.probabilities[0]).all()
    assert judgement.usable[1:].all()


class Unbalanced(NoCalibration):
    """A calibration whose numbers of two rows are no probabilities."""

    def __call__(self, probabilities: np.ndarray, magnitude: np.ndarray | None) -> np.ndarray:
        broken = probabilities.copy()
        broken[1] *= 1.1
        broken[2, :2] += (-2.0, 2.0)  # sums to 1
        return broken


def test_a_row_whose_probabilities_do_not_sum_to_one_is_refused(votes):
    judgement = Jury(Unbalanced(), Jury.plain().decision).judge_votes(votes, np.full(40, 21.0))
    assert np.flatnonzero(judgement.refused[NO_DISTRIBUTION]).tolist() == [1, 2]
    assert not judgement.refused[NO_PROBABILITIES].any()
    assert (judgement.decided[1:3] == UNDECIDED).all()
    assert np.isnan(judgement.probabilities[1:3]).all()
    assert judgement.usable[3:].all()


@pytest.mark.parametrize("row", [[0.5, 0.5, 0.5], [-0.5, 1.0, 0.5], [0.0, 0.0, 0.0]])
def test_members_that_give_no_probabilities_are_refused(votes, row):
    members = np.repeat(votes[:, None].astype(np.float32), 3, axis=1)
    assert vote(members).shape == votes.shape
    members[7, 1] = row
    with pytest.raises(InputError, match=r"do not sum to 1 for 1 rows \(first: row 7\)"):
        vote(members)


def test_spread_and_take_are_inverse(votes):
    judgement = Jury.plain().judge_votes(votes, np.full(40, 21.0))
    rows = np.arange(60) % 3 != 0
    spread = judgement.spread(rows, "not asked")
    assert (spread.usable == rows).all()
    assert (spread.refused["not asked"] == ~rows).all()
    assert not (spread.refused["not asked"] & spread.refused[NO_PROBABILITIES]).any()
    again = spread.take(rows)
    assert again.probabilities.tobytes() == judgement.probabilities.tobytes()
    assert (again.decided == judgement.decided).all()


def test_a_jury_is_fitted_to_what_validates_it(votes):
    labels = (votes[:, 2] > 0.3).astype(int) * 2
    classes, magnitude = ("a", "b", "c"), np.full(40, 21.0)
    jury = Jury.fit(votes, magnitude, labels, "none", Decision("balanced", "c"), classes)
    assert jury.decision.threshold == pytest.approx(0.3, abs=0.05)
    assert ((jury.judge_votes(votes, magnitude).decided == 2) == (labels == 2)).all()
    with pytest.raises(ValueError, match="objects of the class, and others"):
        Jury.fit(votes, magnitude, np.zeros(40, int), "none", Decision("balanced", "c"), classes)
    with pytest.raises(InputError, match="too few to calibrate"):
        Jury.fit(votes, magnitude, labels, "temperature", Decision(), classes)


def test_comparisons_leave_out_what_one_could_not_classify(votes):
    magnitude = np.full(40, 21.0)
    whole, other = (
        Jury.plain().judge_votes(votes, magnitude),
        Jury.plain().judge_votes(votes[::-1], magnitude),
    )
    broken = Jury(Broken(), Jury.plain().decision).judge_votes(votes, magnitude)
    same = JudgementDifference(rows=39, flips=0, largest_difference=0.0, mean_difference=0.0)
    assert compare_judgements(whole, broken) == same
    found = compare_judgements(whole, other)
    assert found.rows == 40
    assert found.flips == np.count_nonzero(whole.decided != other.decided)
    assert 0 < found.mean_difference < found.largest_difference <= 1
