"""How the members of a committee become one opinion, and what they say of objects.

A `Judgement` is the only form in which classifications leave `jpasbatch.learning`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.learning.calibration import Calibration, NoCalibration, make_calibration
from jpasbatch.learning.decision import Decision, FittedDecision
from jpasbatch.learning.novelty.novelty import Novelty

UNDECIDED = -1
"""Class of an object that could not be classified."""

NO_FEATURES = "features not finite"
NO_PROBABILITIES = "probabilities not finite"
NO_DISTRIBUTION = "probabilities do not sum to 1"
SUM_TOLERANCE = 1e-3
"""How far from 1 probabilities may sum: single precision is off by 1e-6."""


@dataclass(frozen=True, eq=False)
class Judgement:
    """What a committee says of n objects; k classes.

    Attributes
    ----------
    probabilities : ndarray of float64, shape (n, k)
        Calibrated; rows sum to 1. NaN where the object could not be classified.
    entropy : ndarray of float64, shape (n,)
        Of the probabilities, bits (paper A, eq. 13); NaN where the object could not be classified.
    decided : ndarray of int64, shape (n,)
        Class that the committee's rule decides for; `UNDECIDED` where the object could not be classified.
    refused : mapping of str to ndarray of bool, shape (n,)
        Which objects could not be classified, by reason. An object has one reason at most.
    novelty : Novelty, optional
        How unusual the objects are; None where only votes were judged, without the photometry.
    """

    probabilities: np.ndarray
    entropy: np.ndarray
    decided: np.ndarray
    refused: Mapping[str, np.ndarray]
    novelty: Novelty | None = None

    def __len__(self) -> int:
        return len(self.decided)

    @property
    def usable(self) -> np.ndarray:
        """Which objects were classified, bool (n,)."""
        return self.decided != UNDECIDED

    def take(self, rows: np.ndarray) -> Judgement:
        """Return the judgement of some of the objects."""
        return Judgement(
            self.probabilities[rows],
            self.entropy[rows],
            self.decided[rows],
            {reason: mask[rows] for reason, mask in self.refused.items()},
            None if self.novelty is None else self.novelty.take(rows),
        )

    def spread(self, rows: np.ndarray, reason: str) -> Judgement:
        """Return the judgement of more objects, of which only these were judged.

        Parameters
        ----------
        rows : ndarray of bool, shape (all objects,)
            Which of all objects this judgement is of.
        reason : str
            Why the others were not judged.
        """
        if rows.all():
            return replace(self, refused={reason: ~rows, **self.refused})
        probabilities = np.full((len(rows), self.probabilities.shape[1]), np.nan)
        spread_entropy = np.full(len(rows), np.nan)
        decided = np.full(len(rows), UNDECIDED, dtype=np.int64)
        probabilities[rows], spread_entropy[rows], decided[rows] = (
            self.probabilities,
            self.entropy,
            self.decided,
        )
        refused = {reason: ~rows}
        for name, mask in self.refused.items():
            refused[name] = np.zeros(len(rows), dtype=bool)
            refused[name][rows] = mask
        novelty = None if self.novelty is None else self.novelty.spread(rows)
        return Judgement(probabilities, spread_entropy, decided, refused, novelty)


@dataclass(frozen=True)
class Jury:
    """How the members' probabilities become a judgement: vote, calibration, decision.

    Attributes
    ----------
    calibration : Calibration
        Fitted to the validation sample.
    decision : FittedDecision
        The rule, with the threshold that it chose on the validation sample.
    """

    calibration: Calibration
    decision: FittedDecision

    @classmethod
    def plain(cls) -> Jury:
        """Return the jury that takes the vote as it is, and the most probable class."""
        return cls(NoCalibration(), FittedDecision(Decision(), 0, None))

    @classmethod
    def fit(
        cls,
        votes: np.ndarray,
        magnitude: np.ndarray,
        labels: np.ndarray,
        calibration: str,
        decision: Decision,
        classes: tuple[str, ...],
    ) -> Jury:
        """Return the jury that a validation sample chooses.

        Parameters
        ----------
        votes : ndarray, shape (n, k)
            Of members that did not learn from these objects; not calibrated.
        magnitude : ndarray, shape (n,)
            Of the reference band.
        labels : ndarray of int, shape (n,)
        calibration : str
            Kind of calibration.
        decision : Decision
        classes : tuple of str
            Names of the k classes.

        Raises
        ------
        InputError
            When a class has too few objects to calibrate with.
        ValueError
            When no threshold can be chosen: no object is of the class that is sought, or all are.
        """
        fitted = make_calibration(calibration).fit(votes, magnitude, labels)
        return cls(fitted, decision.fit(fitted(votes, magnitude), labels, classes))

    def judge(self, members: np.ndarray, magnitude: np.ndarray) -> Judgement:
        """Return the judgement of objects of which every member has spoken.

        Parameters
        ----------
        members : ndarray of float32, shape (n, members, k)
        magnitude : ndarray, shape (n,)
            Of the reference band.

        Raises
        ------
        InputError
            When a member's probability is not finite.
        """
        return self.judge_votes(vote(members), magnitude)

    def judge_votes(self, votes: np.ndarray, magnitude: np.ndarray) -> Judgement:
        """Return the judgement of objects on which the members have voted; votes are float64, shape (n, k)."""
        probabilities = self.calibration(votes, magnitude)
        finite = np.asarray(np.isfinite(probabilities).all(axis=1))
        usable = finite & are_distributions(probabilities)
        probabilities = np.where(usable[:, np.newaxis], probabilities, np.nan)
        decided = np.where(usable, self.decision(probabilities), UNDECIDED)
        refused = {NO_PROBABILITIES: ~finite, NO_DISTRIBUTION: finite & ~usable}
        return Judgement(probabilities, entropy(probabilities), decided, refused)


def are_distributions(probabilities: np.ndarray) -> np.ndarray:
    """Return which probabilities, classes along the last axis, are at least 0 and sum to 1; bool, without that axis."""
    # class by class: NumPy reduces short rows at a fifth of that speed
    classes = np.moveaxis(probabilities, -1, 0)
    with np.errstate(invalid="ignore", over="ignore"):
        near = np.abs(reduce(np.add, classes) - 1) <= SUM_TOLERANCE
        return np.asarray(near & (reduce(np.minimum, classes) >= 0))


def vote(member_probabilities: np.ndarray) -> np.ndarray:
    """Combine the members: the median of each class, renormalised (paper A, section 3.4).

    Where the medians of all classes are 0, the members contradict each other completely and a median has
    nothing to renormalise: such a row gets the mean of the members.

    Parameters
    ----------
    member_probabilities : ndarray of float32, shape (n, members, classes)

    Returns
    -------
    ndarray of float64, shape (n, classes)
        Rows sum to 1 within rounding.

    Raises
    ------
    InputError
        When a probability is not finite, or those of a member do not sum to 1.
    """
    whole = are_distributions(member_probabilities)
    if not whole.all():
        raise _no_votes(member_probabilities, whole)
    n_members = member_probabilities.shape[1]
    ordered = np.sort(member_probabilities, axis=1)
    low, high = ordered[:, (n_members - 1) // 2], ordered[:, n_members // 2]
    median = 0.5 * (low.astype(np.float64) + high)
    undecided = ~median.any(axis=1)
    if undecided.any():
        median[undecided] = member_probabilities[undecided].mean(axis=1, dtype=np.float64)
    return median / median.sum(axis=1, keepdims=True)


def _no_votes(members: np.ndarray, whole: np.ndarray) -> InputError:
    """Return why nothing can be made of what members gave; ``whole``, bool (n, members): of which something can."""
    finite = np.isfinite(members).all(axis=(1, 2))
    if not finite.all():
        rows = np.flatnonzero(~finite)
        return InputError(
            f"the committee gave probabilities that are not finite for {rows.size} rows "
            f"(first: row {rows[0]}): the features are too large for single precision, "
            "or the committee is damaged"
        )
    rows = np.flatnonzero(~whole.all(axis=1))
    return InputError(
        f"a member of the committee gave probabilities that are negative or do not sum to 1 for {rows.size} "
        f"rows (first: row {rows[0]}): the committee is damaged, or is no classifier"
    )


def disagreement(members: np.ndarray) -> np.ndarray:
    """Return how far the members of a committee disagree: their Jensen-Shannon divergence.

    The entropy of their mean less the mean of their entropies, which is the mutual information of class and member
    (Lin 1991, IEEE Trans. Inf. Theory 37, 145): 0 where all say the same, log2 of the number of classes or of members,
    whichever is less, where each is certain of another class.

    Parameters
    ----------
    members : ndarray of float32, shape (n, members, classes)

    Returns
    -------
    ndarray of float64, shape (n,)
        Bits; NaN for a committee of one member, which cannot disagree.
    """
    if members.shape[1] < 2:
        return np.full(len(members), np.nan)
    apart = np.zeros(len(members))
    for number in range(members.shape[1]):
        apart += _uncertainty(members[:, number].astype(np.float64))
    together = _uncertainty(members.mean(axis=1, dtype=np.float64))
    return np.maximum(together - apart / members.shape[1], 0.0)


def _uncertainty(probabilities: np.ndarray) -> np.ndarray:
    """Return the entropy in bits without the paper's epsilon, which would be a disagreement where all members agree."""
    return -(probabilities * np.log2(np.maximum(probabilities, 1e-30))).sum(axis=1)


def entropy(probabilities: np.ndarray) -> np.ndarray:
    """Return the entropy of each prediction in bits, paper A eq. 13: 0 (certain) to log2(classes).

    Parameters
    ----------
    probabilities : ndarray, shape (n, classes)

    Returns
    -------
    ndarray of float64, shape (n,)
    """
    values = np.asarray(probabilities, dtype=np.float64)
    # For P = 1 the paper's epsilon of 1e-14 gives -1e-14.
    return np.maximum(-(values * np.log2(values + 1e-14)).sum(axis=1), 0.0)


@dataclass(frozen=True)
class JudgementDifference:
    """How far one judgement is from another of the same objects.

    Attributes
    ----------
    rows : int
        Objects that both could classify.
    flips : int
        Those of another decided class.
    largest_difference, mean_difference : float
        Of a probability.
    """

    rows: int
    flips: int
    largest_difference: float
    mean_difference: float


def compare_judgements(reference: Judgement, found: Judgement) -> JudgementDifference:
    """Measure how far a judgement is from another of the same objects, such as one in another precision."""
    both = reference.usable & found.usable
    difference = np.abs(found.probabilities[both] - reference.probabilities[both])
    return JudgementDifference(
        rows=int(both.sum()),
        flips=int(np.count_nonzero(found.decided[both] != reference.decided[both])),
        largest_difference=float(difference.max(initial=0.0)),
        mean_difference=float(difference.mean()) if difference.size else 0.0,
    )
