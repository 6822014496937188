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


def strata_columns(survey: Survey) -> tuple[str, ...]:
    """Return the columns of the predictions that `record_strata` reads."""
    return ("ra", "dec", magnitude_column(reference_role(survey)), "class_star", "missing_bands")


def record_cells(record: pa.Table, survey: Survey, measure: Measure, classes: tuple[str, ...]) -> Cells:
    """Return the records of a partition in cells of calibrated probability."""
    magnitude, missing = _circumstances(record, survey)
    stratum = record_strata(record, survey, measure.strata)
    return measure.cells(record_probabilities(record, classes), magnitude, missing, stratum)


def record_strata(record: pa.Table, survey: Survey, strata: Strata) -> np.ndarray:
    """Return the stratum of each record, int16 (n,)."""
    latitude = _galactic_latitude(record) if strata.galactic_latitude else None
    magnitude, class_star = (record[name].to_numpy() for name in strata_columns(survey)[2:4])
    return strata.stratum_of(magnitude, class_star, latitude)


def make_posteriors(record: pa.Table, survey: Survey, prior: Prior, decision: FittedDecision) -> pa.Table:
    """Return the posteriors of the records of a partition, rows in their order.

    A rule with a threshold was fitted to keep a completeness, whatever the mix: what it decided stays.

    Parameters
    ----------
    record : pyarrow.Table
        See `jpasbatch.products.record.record_schema`.
    survey : Survey
    prior : Prior
    decision : FittedDecision
        Of the committee.
    """
    stratum = record_strata(record, survey, prior.strata)
    probabilities = record_probabilities(record, prior.classes)
    posterior = prior.correct(probabilities, *_circumstances(record, survey), stratum).astype(np.float32)
    columns = {name: record[name] for name in KEYS} | {STRATUM: pa.array(stratum)}
    for number, name in enumerate(prior.classes):
        columns[posterior_column(name)] = pa.array(posterior[:, number])
    if decision.threshold is None:
        names = pa.array(list(prior.classes))
        columns[POSTERIOR_CLASS] = pa.DictionaryArray.from_arrays(
            posterior.argmax(axis=1).astype(np.int32), names
        ).cast(pa.string())
    else:
        columns[POSTERIOR_CLASS] = record["predicted_class"]
    schema = posterior_schema(survey, prior.classes)
    return pa.table({field.name: columns[field.name] for field in schema}, schema=schema)


def _circumstances(record: pa.Table, survey: Survey) -> tuple[np.ndarray, np.ndarray]:
    """Return what a calibration depends on: magnitudes, and numbers of missing bands."""
    return record[magnitude_column(reference_role(survey))].to_numpy(), record["missing_bands"].to_numpy()


def _galactic_latitude(record: pa.Table) -> np.ndarray:
    from astropy.coordinates import ICRS, Galactic, SkyCoord

    position = SkyCoord(record["ra"].to_numpy(), record["dec"].to_numpy(), unit="deg", frame=ICRS)
    galactic: Any = position.transform_to(Galactic())  # its attributes are made at run time
    return np.asarray(galactic.b.deg)
