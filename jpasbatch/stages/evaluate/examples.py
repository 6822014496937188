"""Examples of what a committee confuses: typical objects of the commonest confusions, for the page."""

from __future__ import annotations

import numpy as np

from jpasbatch.pages.spectra import Spectrum
from jpasbatch.pages.style import class_label
from jpasbatch.photometry.photometry import Photometry
from jpasbatch.photometry.survey import Survey
from jpasbatch.scoring.evaluation import Predictions
from jpasbatch.scoring.evaluation_record import ExampleObject, Row, listed

CONFUSIONS = 4
"""Kinds of confusion in the gallery: the commonest (paper A, figure 4)."""


def confusion_examples(
    predictions: Predictions,
    photometry: Photometry,
    redshift: np.ndarray,
    classes: tuple[str, ...],
    survey: Survey,
) -> list[ExampleObject]:
    """Return an object of each of the commonest confusions and each bin of magnitude: the typical one.

    Typical is the one whose confidence in the wrong class is the median of its like.
    """
    cells = predictions.labels.astype(np.int64) * len(classes) + predictions.predicted
    counts = np.bincount(cells, minlength=len(classes) ** 2).reshape((len(classes),) * 2)
    np.fill_diagonal(counts, 0)
    common = [
        cell for cell in np.argsort(-counts.ravel(), kind="stable")[:CONFUSIONS] if counts.ravel()[cell]
    ]
    examples = []
    for cell in common:
        true, wrong = divmod(int(cell), len(classes))
        for number, (low, high) in enumerate(survey.magnitude_bins):
            magnitude = predictions.magnitude
            rows = np.flatnonzero((cells == cell) & (magnitude > low) & (magnitude <= high))
            if not rows.size:
                continue
            sure = predictions.probabilities[rows, wrong]
            row = int(rows[np.argsort(sure, kind="stable")[rows.size // 2]])
            examples.append(
                ExampleObject(
                    kind=f"{class_label(classes[true])} taken for {class_label(classes[wrong])}",
                    magnitude_bin=number,
                    rank=row,
                    object_id=f"{survey.reference_band} = {magnitude[row]:.2f}",
                    ra=0.0,
                    dec=0.0,
                    probabilities=listed(predictions.probabilities[row]),
                    flux=listed(photometry.flux[row]),
                    flux_err=listed(photometry.flux_err[row]),
                    true_class=classes[true],
                    true_redshift=float(redshift[row]),
                )
            )
    return examples


def to_spectrum(stored: ExampleObject) -> Spectrum:
    """Return an example as the page draws it."""

    def floats(values: Row) -> tuple[float, ...]:
        return tuple(float("nan") if value is None else value for value in values)

    redshift = stored.true_redshift
    return Spectrum(
        kind=stored.kind,
        magnitude_bin=stored.magnitude_bin,
        title=stored.object_id,
        probabilities=floats(stored.probabilities),
        flux=floats(stored.flux),
        flux_err=floats(stored.flux_err),
        true_class=stored.true_class,
        true_redshift=float("nan") if redshift is None else redshift,
    )
