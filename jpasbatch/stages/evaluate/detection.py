"""Classifiers beside each other as finders of one class: rates, rankings, paired differences, foreign scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv

from jpasbatch.errors import InputError
from jpasbatch.job.comparison import Comparison, DetectionSection, ExternalSection
from jpasbatch.scoring.comparison_record import (
    ExternalScores,
    FoundClass,
    StoredCurve,
    StoredDetection,
    StoredDetectionDifference,
)
from jpasbatch.scoring.detection import Detection, DetectionDifference, detect, detection_difference
from jpasbatch.scoring.evaluation import Predictions
from jpasbatch.scoring.evaluation_record import listed
from jpasbatch.scoring.ranking import rank_class


def compare_detection(
    comparison: Comparison, predictions: Mapping[str, Predictions], classes: tuple[str, ...]
) -> FoundClass | None:
    """Return how well each classifier finds the class that is sought; None where nothing is.

    Raises
    ------
    InputError
        When the class is unknown, or a foreign table cannot be used.
    """
    if comparison.detection is None:
        return None
    options = comparison.detection
    sought, share = sought_class(options, classes), options.others_completeness
    reference = predictions[comparison.reference]
    return FoundClass(
        sought=options.of,
        others_completeness=share,
        classifiers={
            title: StoredDetection(**_columns(detect(found, sought, share)))
            for title, found in predictions.items()
        },
        differences={
            title: StoredDetectionDifference(
                **_columns(detection_difference(reference, found, sought, share))
            )
            for title, found in predictions.items()
            if title != comparison.reference
        },
        external=tuple(
            external_score(one, reference, sought, comparison.reference) for one in comparison.external
        ),
    )


def sought_class(options: DetectionSection, classes: Sequence[str]) -> int:
    """Return the position of the class that is sought.

    Raises
    ------
    InputError
        When it is none of the classes.
    """
    if options.of not in classes:
        raise InputError(
            f"detection.of = {options.of!r}: is no class of the jobs; allowed: {', '.join(classes)}"
        )
    return classes.index(options.of)


def _columns(found: Detection | DetectionDifference) -> dict[str, Any]:
    """Return the fields of scores by name, as plain numbers."""
    return {one.name: listed(getattr(found, one.name)) for one in fields(found)}


def external_score(
    section: ExternalSection, reference: Predictions, sought: int, title: str
) -> ExternalScores:
    """Return the ranking by a column of a foreign table, and by a classifier on the same objects.

    Raises
    ------
    InputError
        When the table lacks a column, repeats an object, or has none in common.
    """
    if reference.object_id is None:
        raise InputError("foreign scores need object ids; evaluate the jobs again")
    names, values = _read_score(section)
    place = {name: row for row, name in enumerate(names)}
    rows = np.array([place.get(name, -1) for name in reference.object_id.tolist()], dtype=np.int64)
    score = np.where(rows >= 0, values[rows], np.nan)
    common = np.isfinite(score)
    belongs = reference.labels == sought
    if not (common & belongs).any() or not (common & ~belongs).any():
        raise InputError(
            f"external {section.name!r}: of the objects of {section.table} with a number in {section.column!r} "
            f"{int(common.sum())} were tested; objects of both kinds are needed (is {section.id!r} the object id?)"
        )
    curves = {}
    for name, scores in ((section.name, score), (title, reference.probabilities[:, sought])):
        found = rank_class(scores[common], belongs[common])
        curves[name] = StoredCurve(
            pooled=(found.pooled.value, found.pooled.error),
            false_positive=listed(found.false_positive),
            true_positive=listed(found.true_positive),
        )
    return ExternalScores(section.name, int(common.sum()), curves)


def _read_score(section: ExternalSection) -> tuple[list[str], np.ndarray]:
    """Return object ids, and their scores float64, NaN where there is none."""
    try:
        table = csv.read_csv(
            Path(section.table),
            convert_options=csv.ConvertOptions(
                include_columns=[section.id, section.column],
                column_types={section.id: pa.string(), section.column: pa.float64()},
            ),
        )
    except (OSError, pa.ArrowInvalid, KeyError) as error:
        raise InputError(f"external {section.name!r}: {section.table} cannot be used: {error}") from None
    names = [str(name).strip() for name in table[section.id].to_pylist()]
    if len(set(names)) < len(names):
        raise InputError(f"external {section.name!r}: {section.table} repeats an object in {section.id!r}")
    score = table[section.column].to_numpy().astype(np.float64)
    return names, -score if section.descending else score
