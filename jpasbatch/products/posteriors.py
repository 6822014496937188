"""The output record of one object under the class mix of the sky: the only place that names its columns.

==========================  ========  ==========================================================================
column                      type      meaning
==========================  ========  ==========================================================================
``_healpix_29``             int64     nested HEALPix pixel of order 29 (HATS sort key)
``object_id``               string    identifier of the survey
``ra``, ``dec``             float64   ICRS position, degrees
``posterior_<class>``       float32   probability of the class under the mix of the sky; sums to 1
``posterior_class``         string    class that the committee's rule decides for with these probabilities
``stratum``                 int16     part of the sky whose class shares were taken
==========================  ========  ==========================================================================

The committee's own probabilities stay in the predictions, untouched.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from jpasbatch.errors import InputError
from jpasbatch.learning.decision import FittedDecision
from jpasbatch.photometry.survey import Survey
from jpasbatch.priors.cells import Cells
from jpasbatch.priors.prior import Measure, Prior
from jpasbatch.priors.strata import Strata
from jpasbatch.products.record import (
    HEALPIX_COLUMN,
    magnitude_column,
    probability_column,
    record_probabilities,
)

STRATUM = "stratum"
POSTERIOR_CLASS = "posterior_class"
KEYS = (HEALPIX_COLUMN, "object_id", "ra", "dec")


def posterior_column(class_name: str) -> str:
    """Return the column that holds the probability of a class under the mix of the sky."""
    return f"posterior_{class_name}"


def committee_column(class_name: str) -> str:
    """Return the name under which products read the committee's own probability, where posteriors are there too.

    Products read probabilities under the mix of the sky by the plain names of `jpasbatch.products.record`.
    """
    return f"committee_{probability_column(class_name)}"


def posterior_schema(survey: Survey, classes: tuple[str, ...]) -> pa.Schema:
    """Return the Arrow schema of the posteriors of a survey and its classes."""
    fields = [
        (HEALPIX_COLUMN, pa.int64()),
        ("object_id", pa.string()),
        ("ra", pa.float64()),
        ("dec", pa.float64()),
    ]
    fields += [(posterior_column(name), pa.float32()) for name in classes]
    fields += [(POSTERIOR_CLASS, pa.string()), (STRATUM, pa.int16())]
    metadata = {"jpasbatch.survey": survey.name, "jpasbatch.classes": ",".join(classes)}
    return pa.schema(fields, metadata=metadata)


def reference_role(survey: Survey) -> str:
    """Return the role under which a survey reports the magnitude of its reference band.

    Raises
    ------
    InputError
        When it does not report it.
    """
    for role, band in survey.reported_bands.items():
        if band == survey.reference_band:
            return role
    raise InputError(
        f"survey {survey.name!r} does not report the magnitude of its reference band {survey.reference_band!r}, which "
        'class shares are found by: name it in [reported_bands], or set [prior] kind = "none"'
    )


def counted_columns(survey: Survey, strata: Strata, classes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns of the predictions that `record_cells` reads; positions only where strata depend on them."""
    position = ("ra", "dec") if strata.galactic_latitude else ()
    circumstances = (magnitude_column(reference_role(survey)), "class_star", "missing_bands")
    return (*position, *circumstances, *map(probability_column, classes))


def corrected_columns(survey: Survey, prior: Prior, decision: FittedDecision) -> tuple[str, ...]:
    """Return the columns of the predictions that `make_posteriors` reads."""
    decided = () if decision.threshold is None else ("predicted_class",)
    counted = counted_columns(survey, prior.strata, prior.classes)
    return tuple(dict.fromkeys((*KEYS, *decided, *counted)))


def record_cells(record: pa.Table, survey: Survey, measure: Measure, classes: tuple[str, ...]) -> Cells:
    """Return the records of a partition in cells of calibrated probability."""
    magnitude, missing = _circumstances(record, survey)
    stratum = record_strata(record, survey, measure.strata)
    return measure.cells(_by_column(record, classes), magnitude, missing, stratum)


def record_strata(record: pa.Table, survey: Survey, strata: Strata) -> np.ndarray:
    """Return the stratum of each record, int16 (n,)."""
    latitude = _galactic_latitude(record) if strata.galactic_latitude else None
    magnitude, _ = _circumstances(record, survey)
    return strata.stratum_of(magnitude, record["class_star"].to_numpy(), latitude)


def make_posteriors(record: pa.Table, survey: Survey, prior: Prior, decision: FittedDecision) -> pa.Table:
    """Return the posteriors of the records of a partition, rows in their order.

    A rule with a threshold was fitted to keep a completeness, whatever the mix: what it decided stays.

    Parameters
    ----------
    record : pyarrow.Table
        See `jpasbatch.products.record.record_schema`; columns beside `corrected_columns` are not looked at.
    survey : Survey
    prior : Prior
    decision : FittedDecision
        Of the committee.
    """
    stratum = record_strata(record, survey, prior.strata)
    probabilities = _by_column(record, prior.classes)
    posterior = prior.correct(probabilities, *_circumstances(record, survey), stratum).astype(np.float32)
    columns = {name: record[name] for name in KEYS} | {STRATUM: pa.array(stratum)}
    for number, name in enumerate(prior.classes):
        columns[posterior_column(name)] = pa.array(posterior[:, number])
    if decision.threshold is None:
        names = pa.array(list(prior.classes))
        columns[POSTERIOR_CLASS] = pa.DictionaryArray.from_arrays(_highest(posterior), names).cast(
            pa.string()
        )
    else:
        columns[POSTERIOR_CLASS] = record["predicted_class"]
    schema = posterior_schema(survey, prior.classes)
    return pa.table({field.name: columns[field.name] for field in schema}, schema=schema)


def _by_column(record: pa.Table, classes: tuple[str, ...]) -> np.ndarray:
    """Return the probabilities of classes, float32 (n, classes), a column after the other.

    All that is done to them is done column by column, and NumPy is slow with short rows.
    """
    return np.asfortranarray(record_probabilities(record, classes))


def _highest(probabilities: np.ndarray) -> np.ndarray:
    """Return the position of the highest probability of each row, int32 (n,), the first of several."""
    found, highest = np.zeros(len(probabilities), dtype=np.int32), probabilities[:, 0].copy()
    for number, column in enumerate(probabilities.T[1:], start=1):
        found[column > highest] = number
        np.maximum(highest, column, out=highest)
    return found


def _circumstances(record: pa.Table, survey: Survey) -> tuple[np.ndarray, np.ndarray]:
    """Return what a calibration depends on: magnitudes, and numbers of missing bands."""
    return record[magnitude_column(reference_role(survey))].to_numpy(), record["missing_bands"].to_numpy()


def _galactic_latitude(record: pa.Table) -> np.ndarray:
    from astropy.coordinates import ICRS, Galactic, SkyCoord

    position = SkyCoord(record["ra"].to_numpy(), record["dec"].to_numpy(), unit="deg", frame=ICRS)
    galactic: Any = position.transform_to(Galactic())  # its attributes are made at run time
    return np.asarray(galactic.b.deg)
