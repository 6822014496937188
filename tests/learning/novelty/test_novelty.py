"""Disagreement of members, and what is known of objects that were not judged."""

import numpy as np
import pytest

from jpasbatch.learning.judgement import disagreement
from jpasbatch.learning.novelty.novelty import SAFE, UNKNOWN, Novelty


def members_of(*probabilities: list[float]) -> np.ndarray:
    return np.array(probabilities, dtype=np.float32)[np.newaxis]


@pytest.mark.parametrize(
    ("members", "bits"),
    [
        (members_of([0.7, 0.3], [0.7, 0.3]), 0.0),
        (members_of([1.0, 0.0], [0.0, 1.0]), 1.0),
        (members_of([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]), np.log2(3)),
        # each is as unsure as the other: an entropy of one bit, and no disagreement
        (members_of([0.5, 0.5], [0.5, 0.5]), 0.0),
    ],
)
def test_disagreement_is_what_members_do_not_share(members, bits):
    assert disagreement(members) == pytest.approx([bits], abs=1e-6)


def test_the_order_of_members_does_not_matter(rng):
    members = rng.dirichlet(np.ones(4), size=(50, 3)).astype(np.float32)
    assert disagreement(members[:, ::-1]) == pytest.approx(disagreement(members), abs=1e-6)
    assert (disagreement(members) > 0).all()


def test_one_member_cannot_disagree():
    assert np.isnan(disagreement(members_of([0.9, 0.1]))).all()


def test_what_was_not_judged_is_never_safe():
    known = Novelty(np.array([0.5, 3.0]), np.array([SAFE, 2], dtype=np.int8), np.array([0.1, 0.2]))
    whole = known.spread(np.array([False, True, True, False]))
    assert whole.subset.tolist() == [UNKNOWN, SAFE, 2, UNKNOWN]
    assert np.isnan(whole.score).tolist() == [True, False, False, True]
    assert whole.take(np.array([1, 2])).disagreement.tolist() == [0.1, 0.2]


def test_few_bands_are_known_of_what_was_judged_alone():
    few = np.array([True, False])
    known = Novelty(np.zeros(2), np.zeros(2, dtype=np.int8), np.zeros(2), few)
    whole = known.spread(np.array([False, True, True, False]))
    assert whole.few_bands.tolist() == [False, True, False, False]
    assert whole.take(np.array([1, 3])).count_few_bands() == 1
    assert Novelty.unknown(3).count_few_bands() is None
