"""How well probabilities are calibrated, with errors: of each class, of the confidence, and by magnitude.

ECE, the expected calibration error, is the mean distance of what comes true from what was said, over bins of
probability, each weighted by its objects (Naeini et al. 2015, AAAI 29, 2901); the maximum calibration error, MCE, is
the largest distance. Both are of each class (their mean is *classwise*) or of the highest probability (*confidence*;
Guo et al. 2017, ICML 34). The classwise ECE in bins of equal width is eq. 12 of Martinez-Solaeche et al. 2023 (A&A 673,
A103) with |B_mj| over the number of objects; as printed, over the number of bins, it would grow with the sample. Brier
score and logarithmic loss are those of scikit-learn.

A committee that is calibrated perfectly has an ECE above zero too, since a bin of few objects scatters: ``if_perfect``
is its mean on as many objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jpasbatch.learning.exact_sums import inexact
from jpasbatch.scoring.calibration_tally import EDGES, LOSS_SCALE, WIDE_BINS, CalibrationTally
from jpasbatch.scoring.evaluation import Predictions

MASS_BINS = 15
"""Bins of about equal numbers."""

DRAWS = 200
CLASSWISE = "classwise"
CONFIDENCE = "confidence"


@dataclass(frozen=True)
class CalibrationScore:
    """One number.

    Attributes
    ----------
    group : str
        Bin of magnitude, or ``"all"``.
    class_name : str
        A class; ``"confidence"``: the highest probability; ``"classwise"``: the mean over the classes; ``"all"``: all
        probabilities of an object.
    score : str
        ``ece_equal_width``, ``ece_equal_mass``, ``mce``, ``brier`` or ``log_loss``.
    objects : int
        Of known class.
    value, error : float or None
        With its standard error; NaN, and None where it was read from JSON, without objects.
    if_perfect : float or None
        Mean of a committee that is calibrated perfectly, on as many objects; NaN for scores that tell more than
        calibration.
    """

    group: str
    class_name: str
    score: str
    objects: int
    value: float | None
    error: float | None
    if_perfect: float | None


@dataclass(frozen=True, eq=False)
class CalibrationCurve:
    """Reliability of one probability in bins of equal width, b of them.

    Attributes
    ----------
    count : ndarray of int64, shape (b,)
    mean_probability, fraction : ndarray, shape (b,)
        NaN in empty bins.
    lower, upper : ndarray, shape (b,)
        Central 68 % interval of the fraction (Wilson 1927, J. Am. Stat. Assoc. 22, 209).
    """

    count: np.ndarray
    mean_probability: np.ndarray
    fraction: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


def calibration_scores(
    tally: CalibrationTally, groups: Sequence[str], classes: Sequence[str], seed: int = 0
) -> list[CalibrationScore]:
    """Return all numbers.

    Errors of ECE and MCE are those of a bootstrap of the counts by Poisson weights; those of means follow from the
    scatter of the objects.

    Parameters
    ----------
    tally : CalibrationTally
    groups, classes : sequence of str
        Their names; all objects are added as the group ``"all"``.
    seed : int
        Of the bootstrap.
    """
    rng, whole, found = np.random.default_rng([seed, 31]), tally.with_all(), []
    for row, group in enumerate((*groups, "all")):
        measured = []
        for column, name in enumerate((*classes, CONFIDENCE)):
            counts = (
                whole.count[row, column],
                whole.true[row, column],
                inexact(whole.probability[row, column]),
            )
            objects = int(counts[0].sum())
            told = [CalibrationScore(group, name, *one) for one in _distances(*counts, objects, rng)]
            measured.append(told)
            together = "all" if name == CONFIDENCE else name
            found += [*told, *_means(whole, row, column, group, together)]
        found += _classwise(measured[:-1])
    return found


def sample_scores(
    predictions: Predictions, bins: Mapping[str, tuple[float, float]], classes: Sequence[str], seed: int = 0
) -> list[CalibrationScore]:
    """Return all numbers of a labelled sample.

    Parameters
    ----------
    predictions : Predictions
    bins : mapping of str to (float, float)
        Of magnitude, by name; lower limits exclusive, upper ones inclusive.
    classes : sequence of str
    seed : int
        Of the bootstrap.
    """
    group = np.full(len(predictions), -1)
    for number, (low, high) in enumerate(bins.values()):
        group[(predictions.magnitude > low) & (predictions.magnitude <= high)] = number
    tally = CalibrationTally.create(len(classes), len(bins))
    counted = tally.add(predictions.labels, predictions.probabilities, group)
    return calibration_scores(counted, tuple(bins), classes, seed)


def _distances(
    count: np.ndarray, true: np.ndarray, probability: np.ndarray, objects: int, rng: np.random.Generator
) -> Iterator[tuple[str, int, float, float, float]]:
    """Yield the distances between said and found, by name: objects, value, error, and mean if all came true."""
    bins = {"ece_equal_width": wide_bins(), "ece_equal_mass": mass_bins(count), "mce": wide_bins()}
    if not objects:
        nothing = float("nan")
        yield from ((name, 0, nothing, nothing, nothing) for name in bins)
        return
    mean = np.divide(probability, count, out=np.zeros(len(count)), where=count > 0)
    drawn_true = rng.poisson(true, (DRAWS, len(count)))
    drawn = drawn_true + rng.poisson(count - true, (DRAWS, len(count)))
    perfect = rng.binomial(count, np.clip(mean, 0.0, 1.0), (DRAWS, len(count)))
    for name, bin_of in bins.items():
        largest = name == "mce"
        value = _distance(count, true, probability, bin_of, largest)
        again = _distance(drawn, drawn_true, drawn * mean, bin_of, largest)
        ideal = _distance(np.broadcast_to(count, perfect.shape), perfect, count * mean, bin_of, largest)
        yield name, objects, float(value), float(np.nanstd(again)), float(np.nanmean(ideal))


def _distance(
    count: np.ndarray, true: np.ndarray, probability: np.ndarray, bin_of: np.ndarray, largest: bool
) -> np.ndarray:
    """Return the mean (or largest) distance over bins of cells, of counts of shape (..., c)."""
    starts = np.flatnonzero(np.diff(bin_of, prepend=-1))
    number = np.add.reduceat(count, starts, axis=-1)
    gap = np.abs(
        np.add.reduceat(np.asarray(true, dtype=np.float64), starts, axis=-1)
        - np.add.reduceat(np.broadcast_to(probability, np.shape(true)), starts, axis=-1)
    )
    if largest:
        return np.divide(gap, number, out=np.zeros(np.shape(gap)), where=number > 0).max(axis=-1)
    total = number.sum(axis=-1)
    return np.divide(gap.sum(axis=-1), total, out=np.full(np.shape(total), np.nan), where=total > 0)


def wide_bins() -> np.ndarray:
    """Return the bin of equal width that each cell is in, int (c,)."""
    middles = 0.5 * (EDGES[1:] + EDGES[:-1])
    return np.minimum((middles * WIDE_BINS).astype(np.int64), WIDE_BINS - 1)


def mass_bins(count: np.ndarray) -> np.ndarray:
    """Return the bin of about equal numbers that each cell is in, ascending, int (c,).

    Bins are whole cells: one that holds more objects than a bin should has a bin to itself.
    """
    total = count.sum()
    before = np.cumsum(count) - count
    wanted = np.minimum(before * MASS_BINS // max(total, 1), MASS_BINS - 1)
    return np.maximum.accumulate(wanted)


def _means(
    whole: CalibrationTally, row: int, column: int, group: str, name: str
) -> Iterator[CalibrationScore]:
    """Yield Brier score and logarithmic loss, with the standard errors of these means."""
    objects = int(whole.count[row, column].sum())
    for score, scale in (("brier", 1.0), ("log_loss", LOSS_SCALE)):
        key = score.removeprefix("log_")
        value, error = float("nan"), float("nan")
        if objects:
            value, square = (
                float(inexact(getattr(whole, one)[row, column])) / objects for one in (key, f"{key}_squared")
            )
            error = float(np.sqrt(max(square - value**2, 0.0) / objects)) * scale
        yield CalibrationScore(group, name, score, objects, value * scale, error, float("nan"))


def _classwise(measured: Sequence[Sequence[CalibrationScore]]) -> Iterator[CalibrationScore]:
    """Yield means over the classes; their errors are those of classes that err together."""
    for of_score in zip(*measured, strict=True):
        first = of_score[0]
        values = (
            float(np.mean([getattr(one, key) for one in of_score]))
            for key in ("value", "error", "if_perfect")
        )
        yield CalibrationScore(first.group, CLASSWISE, first.score, first.objects, *values)


def calibration_curve(tally: CalibrationTally, group: int, column: int) -> CalibrationCurve:
    """Return the reliability of one probability in a group; -1 is all objects."""
    whole, bin_of = tally.with_all(), wide_bins()
    sums = (whole.count, whole.true, whole.probability)
    count, true, units = (
        np.array([one[group, column][bin_of == number].sum() for number in range(WIDE_BINS)]) for one in sums
    )
    filled = count > 0
    empty = np.full(WIDE_BINS, np.nan)
    fraction = np.divide(true, count, out=empty.copy(), where=filled)
    mean = np.divide(inexact(units), count, out=empty.copy(), where=filled)
    # one standard deviation of the score interval of a share
    middle = np.divide(true + 0.5, count + 1.0)
    spread = np.divide(np.sqrt(np.nan_to_num(fraction * (1.0 - fraction)) * count + 0.25), count + 1.0)
    lower, upper = (np.where(filled, middle + sign * spread, np.nan) for sign in (-1.0, 1.0))
    return CalibrationCurve(count, mean, fraction, np.clip(lower, 0.0, 1.0), np.clip(upper, 0.0, 1.0))


def score_columns(scores: Sequence[CalibrationScore]) -> dict[str, list[Any]]:
    """Return numbers as columns of a table."""
    names = {"group": "group", "class_name": "class", "score": "score", "objects": "objects"}
    names |= {name: name for name in ("value", "error", "if_perfect")}
    return {column: [getattr(one, key) for one in scores] for key, column in names.items()}
