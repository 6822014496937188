"""What a comparison makes of its classifiers: other calibrations, combinations, and the best of them chosen by fold.

Everything is fitted or chosen on what validates, and with folds anew in every fold, so that no object that is tested
has a say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.job.comparison import ChosenSection, Comparison
from jpasbatch.job.job import Job
from jpasbatch.scoring.combination import combine
from jpasbatch.scoring.evaluation import Predictions
from jpasbatch.scoring.ranking import area
from jpasbatch.stages.evaluate.detection import sought_class
from jpasbatch.stages.evaluate.predictions import by_fold, in_order, judged_again

SMALLEST = 1e-7
"""Probabilities below it count as so much in the logarithmic loss."""


def derive(
    comparison: Comparison,
    validation: Mapping[str, Predictions],
    found: Mapping[str, Predictions],
    job: Job,
) -> tuple[dict[str, Predictions], dict[str, dict[str, int]]]:
    """Return what calibrations, combinations and choices make of the predictions on one sample.

    Parameters
    ----------
    comparison : Comparison
    validation, found : mapping of str to Predictions
        By title of the classifier: on what validates, and on the sample. What is made of others is left out.
    job : Job
        Gives the rule of decision and the classes.

    Returns
    -------
    dict of str to Predictions
    dict of str to dict of str to int
        By name of the choice: in how many folds (or once, without folds) each classifier was chosen.

    Raises
    ------
    InputError
        When no object validates all classifiers of a choice.
    """
    derived, picked = {}, {}
    for one in comparison.calibrated:
        if one.of in found:
            parts = by_fold([validation[one.of]], [found[one.of]])
            derived[one.name] = [_calibrated(one.kind, known[0], given[0], job) for known, given in parts]
    for both in comparison.combined:
        if found.keys() >= set(both.of):
            parts = by_fold([validation[title] for title in both.of], [found[title] for title in both.of])
            derived[both.name] = [_combined(known, given, job) for known, given in parts]
    options = comparison.detection
    sought = None if options is None else sought_class(options, tuple(job.classes))
    for choice in comparison.chosen:
        if found.keys() >= set(choice.of):
            parts = by_fold([validation[title] for title in choice.of], [found[title] for title in choice.of])
            best = [_best(choice, known, sought) for known, _ in parts]
            derived[choice.name] = [given[place] for place, (_, given) in zip(best, parts, strict=True)]
            counts = Counter(choice.of[place] for place in best)
            picked[choice.name] = {title: counts[title] for title in choice.of}
    some = next(iter(found.values()))
    return {title: in_order(Predictions.joined(parts), some) for title, parts in derived.items()}, picked


def _calibrated(kind: str, known: Predictions, given: Predictions, job: Job) -> Predictions:
    return judged_again(given, given.probabilities, known, known.probabilities, kind, job)


def _combined(known: list[Predictions], given: list[Predictions], job: Job) -> Predictions:
    combination = combine([one.probabilities for one in known], known[0].magnitude, known[0].labels)
    on_known = combination([one.probabilities for one in known], known[0].magnitude)
    on_given = combination([one.probabilities for one in given], given[0].magnitude)
    return judged_again(given[0], on_given, known[0], on_known, "none", job)


def _best(choice: ChosenSection, known: Sequence[Predictions], sought: int | None) -> int:
    """Return the place of the classifier that does best on what validates all of them; of equals the first."""
    values = [_merit(choice.by, one, sought) for one in _common(choice, known)]
    if not np.isfinite(values).all():
        raise InputError(
            f"chosen {choice.name!r}: what validates all of {', '.join(choice.of)} in a fold has objects of one side "
            "alone; set fewer folds, or give all of them the same number of members"
        )
    return int(np.argmax(values))


def _common(choice: ChosenSection, known: Sequence[Predictions]) -> list[Predictions]:
    """Return the predictions on the objects that all classifiers have, each in the same order."""
    names = [one.object_id for one in known if one.object_id is not None]
    if len(names) < len(known):
        raise InputError(f"chosen {choice.name!r}: needs object ids; evaluate the jobs again")
    shared = names[0]
    for name in names[1:]:
        shared = np.intersect1d(shared, name)
    if not len(shared):
        raise InputError(
            f"chosen {choice.name!r}: no object validates all of {', '.join(choice.of)} in a fold; give them the same "
            "number of members"
        )
    return [_by_name(one, name, shared) for one, name in zip(known, names, strict=True)]


def _by_name(one: Predictions, names: np.ndarray, wanted: np.ndarray) -> Predictions:
    order = np.argsort(names, kind="stable")
    return one.take(order[np.searchsorted(names, wanted, sorter=order)])


def _merit(by: str, known: Predictions, sought: int | None) -> float:
    """Return how well a classifier does; the more, the better."""
    if by == "roc_auc":
        assert sought is not None
        return area(known.probabilities[:, sought], known.labels == sought).value
    right = known.probabilities[np.arange(len(known)), known.labels]
    return float(np.log(np.maximum(right, SMALLEST)).mean())
