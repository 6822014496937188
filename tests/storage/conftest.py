"""A small catalogue on the sky, and a Dask client that lives in the process of the tests."""

import functools
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jpasbatch.photometry.table import catalogue_schema
from jpasbatch.storage.catalogue.hats_import import import_tables
from jpasbatch.storage.catalogue.plan import PartitionOptions

# hats-import loops over the pixels of the highest order in Python: order 5 keeps an import under a second.
OPTIONS = PartitionOptions(pixel_threshold=400, highest_order=5, margin_arcsec=60.0)
ROWS = 1500


def make_photometry(survey, rows=ROWS, seed=1, prefix="a") -> pa.Table:
    """Return canonical photometry of objects in 25 deg2 around (214, 52.5)."""
    rng = np.random.default_rng(seed)
    bands = len(survey.bands)
    flux = rng.lognormal(size=(rows, bands)).astype(np.float32)
    flux[rng.random(flux.shape) < 0.02] = np.nan

    def vector(values):
        return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), bands)

    columns = {
        "object_id": [f"{prefix}-{number}" for number in range(rows)],
        "ra": 210 + 8 * rng.random(rows),
        "dec": 50 + 5 * rng.random(rows),
        "flux": vector(flux),
        "flux_err": vector(0.1 * flux),
        "flags": np.zeros(rows, np.int32),
        "mask_flags": np.zeros(rows, np.int32),
        "class_star": rng.random(rows).astype(np.float32),
        "tile": ["2406"] * rows,
        "true_class": pa.array([None if number % 3 else "star" for number in range(rows)], pa.string()),
        "true_redshift": np.full(rows, np.nan, np.float32),
    }
    schema = catalogue_schema(survey)
    return pa.table([pa.array(columns[field.name], field.type) for field in schema], schema=schema)


@pytest.fixture(scope="session")
def client():
    """Return a Dask client whose one worker is a thread of this process."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="session")
def tables(survey, tmp_path_factory):
    """Return two Parquet files of canonical photometry, `ROWS` rows in all."""
    folder = tmp_path_factory.mktemp("tables")
    table = make_photometry(survey)
    paths = [folder / "tile_1.parquet", folder / "tile_2.parquet"]
    for path, part in zip(paths, (table.slice(0, 900), table.slice(900)), strict=True):
        pq.write_table(part, path)
    return paths


@pytest.fixture(scope="session")
def published(client, tables, tmp_path_factory):
    """Return a collection that holds an imported catalogue; tests must not change it."""
    collection = tmp_path_factory.mktemp("published") / "sky"
    import_tables(client, tables, collection, "photometry-0123", OPTIONS, ROWS)
    return collection


@pytest.fixture(scope="session")
def photometry_of(survey):
    """Return the function that makes canonical photometry: (rows, seed, prefix) -> table."""
    return functools.partial(make_photometry, survey)


@pytest.fixture(scope="session")
def options():
    """Return partition options that give the small catalogue several partitions of two orders."""
    return OPTIONS


@pytest.fixture
def sky(published, tmp_path):
    """Return a collection of one catalogue that the test may change."""
    return Path(shutil.copytree(published, tmp_path / "sky"))
