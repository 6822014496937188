"""Predictions on labelled samples as tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jpasbatch.job.job import Job
from jpasbatch.learning.judgement import Jury
from jpasbatch.photometry.photometry import Photometry
from jpasbatch.scoring.evaluation import Predictions

OPTIONAL = {"fold": np.dtype(np.int16), "decided": np.dtype(np.int16), "object_id": np.dtype(np.str_)}


def predictions_table(predictions: Predictions, classes: tuple[str, ...]) -> pa.Table:
    """Return predictions as a table.

    Columns: ``label``, ``magnitude``, ``signal`` and ``probability_<class>``; where they are known ``fold``,
    ``decided`` and ``object_id``.
    """
    columns = {
        "label": predictions.labels.astype(np.int16),
        "magnitude": predictions.magnitude.astype(np.float32),
        "signal": predictions.signal.astype(np.float32),
    }
    columns |= {f"probability_{name}": predictions.probabilities[:, k] for k, name in enumerate(classes)}
    for name, kind in OPTIONAL.items():
        if (values := getattr(predictions, name)) is not None:
            columns[name] = values.astype(kind)
    return pa.table(columns)


def read_predictions(path: Path, classes: tuple[str, ...]) -> Predictions:
    """Return what `predictions_table` wrote."""
    table = pq.read_table(path)
    probabilities = np.stack([table[f"probability_{name}"].to_numpy() for name in classes], axis=1)
    columns = [table[name].to_numpy() for name in ("label", "magnitude", "signal")]
    optional = {
        name: table[name].to_numpy(zero_copy_only=False) for name in OPTIONAL if name in table.column_names
    }
    return Predictions(columns[0], probabilities, *columns[1:], **optional)


def by_fold(
    known: Sequence[Predictions], given: Sequence[Predictions]
) -> list[tuple[list[Predictions], list[Predictions]]]:
    """Return validation and test predictions of several classifiers, fold by fold; all at once without folds.

    Different numbers of members are validated by different objects.
    """
    fold = given[0].fold
    if fold is None or any(one.fold is None for one in known):
        return [(list(known), list(given))]
    return [
        tuple([one.take(one.fold == number) for one in side] for side in (known, given))  # type: ignore[misc]
        for number in np.unique(fold)
    ]


def judged_again(
    given: Predictions,
    votes: np.ndarray,
    known: Predictions,
    known_votes: np.ndarray,
    calibration: str,
    job: Job,
) -> Predictions:
    """Return test predictions as another vote, calibration and threshold make them.

    Parameters
    ----------
    given, known : Predictions
        What is tested, and what validates: calibration and threshold are fitted to the latter alone.
    votes, known_votes : ndarray, shape (n, classes)
        Probabilities of both, before the calibration.
    calibration : str
        Kind of calibration.
    job : Job
        Gives the rule of decision and the classes.
    """
    classes = tuple(job.classes)
    jury = Jury.fit(known_votes, known.magnitude, known.labels, calibration, job.decision, classes)
    judgement = jury.judge_votes(votes, given.magnitude)
    return replace(given, probabilities=judgement.probabilities, decided=judgement.decided)


def in_order(one: Predictions, other: Predictions) -> Predictions:
    """Return predictions in the order of others, which were joined fold by fold."""
    if one.fold is None or other.fold is None:
        return one
    place = np.argsort(np.argsort(other.fold, kind="stable"), kind="stable")
    return one.take(place)


def signal_to_noise(photometry: Photometry) -> np.ndarray:
    """Return the median S/N of the observed bands, float64 (n,); 0 where no band has an error."""
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = photometry.flux / photometry.flux_err
    ratio[~np.isfinite(ratio)] = np.nan
    result = np.zeros(len(photometry))
    known = np.isfinite(ratio).any(axis=1)
    result[known] = np.nanmedian(ratio[known], axis=1)
    return result
