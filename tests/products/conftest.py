"""A synthetic sky of records: four classes in a square of about 1.2 deg2 near the AEGIS field."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from jpasbatch.learning.judgement import Jury
from jpasbatch.photometry.photometry import Photometry, flux_from_ab_magnitude
from jpasbatch.photometry.survey import Survey
from jpasbatch.photometry.table import catalogue_schema
from jpasbatch.products.record import make_record

CLASSES = ("star", "galaxy", "qso_low", "qso_high")

Sky = tuple[pa.Table, Photometry, pa.Table]


def make_sky(survey: Survey, rows: int = 2000, seed: int = 0) -> Sky:
    """Return canonical rows, their photometry and their records."""
    rng = np.random.default_rng(seed)
    bands = len(survey.bands)
    truth = rng.choice(4, size=rows, p=[0.24, 0.70, 0.04, 0.02])
    slope = np.array([0.4, 0.9, 0.1, 0.2])[truth] + rng.normal(0, 0.1, rows)
    colour = -slope[:, None] * 2.5 * (survey.wavelengths - 6250) / 6250
    reference = np.clip(23.9 - rng.exponential(1.3, rows), 16, None)
    magnitude = reference[:, None] + colour
    flux = flux_from_ab_magnitude(magnitude)
    depth = np.array([band.depth for band in survey.bands])
    error = np.broadcast_to(flux_from_ab_magnitude(depth) / 5, flux.shape)
    flux = (flux + rng.normal(0, 1, flux.shape) * error).astype(np.float32)
    flux[:, survey.index(survey.reference_band)] = np.abs(flux[:, survey.index(survey.reference_band)]) + 1e-3
    photometry = Photometry(flux, error.astype(np.float32))
    logits = rng.normal(0, 1, (rows, 4))
    logits[np.arange(rows), truth] += rng.choice([2.0, 5.0], rows)
    probabilities = np.exp(logits)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    vector = pa.list_(pa.float32(), bands)
    table = pa.table(
        [
            pa.array([f"{2241 + seed}-{number}" for number in range(rows)]),
            pa.array(214.5 + rng.uniform(-0.9, 0.9, rows)),
            pa.array(52.6 + rng.uniform(-0.55, 0.55, rows)),
            pa.FixedSizeListArray.from_arrays(pa.array(flux.ravel()), type=vector),
            pa.FixedSizeListArray.from_arrays(pa.array(photometry.flux_err.ravel()), type=vector),
            pa.array(np.zeros(rows, np.int32)),
            pa.array(np.zeros(rows, np.int32)),
            pa.array(np.where(truth == 1, 0.1, 0.95).astype(np.float32)),
            pa.array([f"{2241 + seed}"] * rows),
            pa.array(np.array(["star", "galaxy", "qso", "qso"])[truth].tolist()),
            pa.array(np.where(truth == 3, 2.6, np.where(truth == 2, 1.2, 0.3)).astype(np.float32)),
        ],
        schema=catalogue_schema(survey),
    )
    judgement = Jury.plain().judge_votes(probabilities, reference)
    return table, photometry, make_record(table, photometry, judgement, survey, CLASSES)


@pytest.fixture(scope="session")
def sky(survey: Survey) -> Sky:
    return make_sky(survey)


@pytest.fixture(scope="session")
def sky_maker(survey: Survey) -> Callable[..., Sky]:
    return lambda **options: make_sky(survey, **options)
