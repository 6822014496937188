"""A sky whose truth is known, and whose probabilities are right."""

from collections.abc import Callable

import healpy
import numpy as np
import pyarrow as pa
import pytest

from jpasbatch.products.protocol import Partition
from jpasbatch.products.record import healpix_29

Mock = tuple[Partition, np.ndarray]


def mock_sky(seed: int = 0, objects: int = 8000, deg2: float = 24.0) -> Mock:
    """Return objects with a right probability each, in parts of some fields of nside 32, and which are quasars."""
    rng = np.random.default_rng(seed)
    side = np.sqrt(deg2)
    ra, dec = 180 + rng.uniform(0, side, objects), rng.uniform(0, side, objects)
    probability = rng.beta(0.35, 1.2, objects).astype(np.float32)
    truth = rng.random(objects) < probability
    magnitude = rng.uniform(17.5, 23.5, objects).astype(np.float32)
    half = np.full(objects, 0.05, np.float32)
    record = pa.table(
        {
            "_healpix_29": healpix_29(ra, dec),
            "object_id": [f"{seed}-{number}" for number in range(objects)],
            "ra": ra,
            "dec": dec,
            "probability_qso_high": probability,
            "probability_star": 1 - probability,
            "predicted_class": np.where(probability > 0.5, "qso_high", "star"),
            "subset": ["safe"] * objects,
            **{f"magnitude_{role}": magnitude for role in "gri"},
            **{f"magnitude_err_{role}": half for role in "gri"},
            "magnitude_bin": np.zeros(objects, np.int8),
            "class_star": np.ones(objects, np.float32),
        }
    )
    photometry = pa.table(
        {
            "object_id": record["object_id"],
            "pmra": pa.array(np.where(np.arange(objects) % 7 == 0, 9.0, 0.5)),
            "pmdec": pa.array(np.full(objects, 0.5)),
            "pmra_error": pa.array(np.ones(objects)),
            "pmdec_error": pa.array([None if number % 14 == 0 else 1.0 for number in range(objects)]),
            "flags": pa.array(np.where(np.arange(objects) % 5 == 0, 4, 2).astype(np.int32)),
        }
    )
    return Partition(record, photometry, np.full(objects, -1, np.int16)), truth


def parts_of(rows: Partition, nside: int) -> list[Partition]:
    """Return the rows cut by pixels, as partitions are."""
    ra, dec = (rows.predictions[name].to_numpy() for name in ("ra", "dec"))
    pixel = healpy.ang2pix(nside, ra, dec, nest=True, lonlat=True)
    cuts = [pa.array(np.flatnonzero(pixel == one)) for one in np.unique(pixel)]
    return [
        Partition(rows.predictions.take(cut), rows.photometry.take(cut), rows.labels[cut.to_numpy()])
        for cut in cuts
    ]


@pytest.fixture(scope="session")
def mock_maker() -> Callable[..., Mock]:
    return mock_sky


@pytest.fixture(scope="session")
def mock() -> Mock:
    return mock_sky()


@pytest.fixture(scope="session")
def cut() -> Callable[[Partition, int], list[Partition]]:
    return parts_of
